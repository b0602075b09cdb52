"""``fahrwerk new room parking``: the furniture of a new room, complete and working.

What is written passes `make check` and its own tests at once: one table behind the tenant wall, a
query, an action, an event, two endpoints. It shows where things go; rename *entry* to what the room
is about, and take out what it does not need. The house rules are in ARCHITECTURE.md, section 4.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import subprocess
import sys
from pathlib import Path

LONGEST_NAME = 20

_TAKEN = frozenset(
    (
        # Schemas, roles and modules of the house itself.
        *("kernel", "jobs", "pump", "app", "public", "tests", "room", "entry"),
        # Names that say nothing about what is inside (tests/house/rooms.py).
        *("util", "utils", "helper", "helpers", "common", "base", "misc", "impl", "manager"),
        *("managers", "service", "services", "factory", "factories", "repository", "repositories"),
    )
)
# PostgreSQL's reserved words: a schema of this name would have to be quoted everywhere.
_SQL_WORDS = """
all analyse analyze and any array as asc asymmetric authorization between binary both case
cast check collate collation column concurrently constraint create cross current default
deferrable desc distinct do else end except false fetch for foreign freeze from full grant group
having ilike in initially inner intersect into is isnull join lateral leading left like limit
localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing
primary references returning right select similar some symmetric system table tablesample then
to trailing true union unique user using variadic verbose when where window with
"""


class NotPossible(Exception):
    """No room can be made under this name here; the text says why."""


def new_room(name: str, root: Path) -> str:
    """Write the furniture of room ``name`` into the checkout ``root``; what to say about it.

    Raises ``NotPossible`` and writes nothing when the name is unfit or taken.
    """
    _check(name, root)
    words = {"ROOM": name, "UPPER": name.upper(), "Room": name.capitalize()}
    written = []
    for path, text in _FURNITURE.items():
        target = root / path.replace("ROOM", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        filled = re.sub("ROOM|UPPER|Room", lambda match: words[match[0]], text.lstrip("\n"))
        target.write_text(filled, encoding="utf-8")
        written.append(str(target.relative_to(root)))
    put_in_format(root, [path for path in written if path.endswith(".py")])
    written = [f"  {path}" for path in written]
    return "\n".join([f"The room {name} is furnished:", *written, "", _by_hand(name, root)])


def _check(name: str, root: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*", name) or len(name) > LONGEST_NAME:
        raise NotPossible(
            f"{name!r} cannot be the name of a room: it is a Python package and a database schema, "
            f"so up to {LONGEST_NAME} small letters and digits, a letter first."
        )
    if (
        name in _TAKEN
        or name in _SQL_WORDS.split()
        or keyword.iskeyword(name)
        or name.startswith("pg")
    ):
        raise NotPossible(
            f"{name!r} cannot be the name of a room: it means something else already, or nothing "
            "in particular. A room is named with a noun for what it is about."
        )
    platform = root / "src" / "fahrwerk"
    if not (platform / "kernel" / "settings.py").is_file():
        raise NotPossible(f"{root} is not a checkout of Fahrwerk: run this where its Makefile is.")
    for taken in (platform / name, platform / f"{name}.py", root / "tests" / name):
        if taken.exists():
            raise NotPossible(f"{taken.relative_to(root)} is there already.")


def put_in_format(root: Path, files: list[str]) -> None:
    """How imports are sorted and lines broken depends on the name, so the formatter has a look.

    It is among the tools of developers; without it `make check` says what it would change.
    """
    if importlib.util.find_spec("ruff"):
        for command in (["check", "--select", "I", "--fix", "-q"], ["format", "-q"]):
            asked = [sys.executable, "-m", "ruff", *command, *files]
            subprocess.run(asked, cwd=root, check=True, timeout=60)


def _by_hand(name: str, root: Path) -> str:
    """What a program should not decide: where the room stands, and who may use it."""
    stairs = root / ".importlinter"
    is_on_stairs = stairs.is_file() and re.search(rf"\(?\b{name}\b\)?", stairs.read_text())
    steps = [
        f'put "{name}" into ROOMS in src/fahrwerk/kernel/settings.py, between its neighbours on '
        "the stairs (lowest first)",
        f"say in src/fahrwerk/identity/rules.py which roles hold {name}.entry.read and "
        f"{name}.entry.write, if not only administrators do",
    ]
    if not is_on_stairs:
        steps.insert(
            0,
            f"put ({name}) on its step of the stairs in .importlinter: above every room it asks, "
            "below every room that asks it; and on the stairs in ARCHITECTURE.md",
        )
    listed = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, start=1))
    return f'By hand:\n{listed}\nThen: make check && make test ARGS="tests/{name}"'


_FURNITURE = {
    "src/fahrwerk/ROOM/__init__.py": '''
"""Room: say in a sentence what this room is for.

Words: an *entry* is a name within one operator. Table: ``entry``. Asks nobody; tells
``ROOM_entry.added``.
"""
''',
    "src/fahrwerk/ROOM/contract.py": '''
"""What other rooms may ask of ROOM."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict


class Entry(msgspec.Struct, frozen=True):
    """A name within one operator."""

    id: UUID
    name: str
    created_at: datetime


class NameTaken(Conflict):
    """Another entry of this operator has this name."""

    code = "UPPER_NAME_TAKEN"
    message = "There is already an entry of this name."


@query
async def entries(call: Call, limit: int, offset: int) -> list[Entry]:
    """The operator's entries, by name."""
    raise AssertionError


@action
async def add_entry(call: Call, name: str) -> Entry:
    """Add an entry (permission ``ROOM.entry.write``).

    A repeat with the same ``Idempotency-Key`` answers the first one. Raises ``Invalid``,
    ``NameTaken``.
    """
    raise AssertionError
''',
    "src/fahrwerk/ROOM/events.py": '''
"""What ROOM tells. Streams are ``ROOM_entry:<uuid>``."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("ROOM_entry.added", topic="ROOM")
class EntryAdded(msgspec.Struct, frozen=True):
    """There is a new entry."""

    entry_id: UUID
''',
    "src/fahrwerk/ROOM/rules.py": '''
"""Pure decisions of ROOM: arguments in, value or error out."""

from __future__ import annotations

from fahrwerk.kernel.errors import Invalid

LONGEST_NAME = 100


def tidy_name(name: str) -> str:
    """The name with its spaces put in order. Raises ``Invalid`` when none or too much is left."""
    tidy = " ".join(name.split())
    if not 1 <= len(tidy) <= LONGEST_NAME:
        raise Invalid(field="name", issue=f"must have 1 to {LONGEST_NAME} characters")
    return tidy
''',
    "src/fahrwerk/ROOM/queries.py": '''
"""Reads of ROOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.ROOM.contract import Entry

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_ENTRIES = "SELECT id, name, created_at FROM ROOM.entry ORDER BY name LIMIT $1 OFFSET $2"


async def entries(call: Call, limit: int, offset: int) -> list[Entry]:
    """See the contract."""
    return db.shaped(Entry, await db.run("ROOM", call, _ENTRIES, limit, offset))
''',
    "src/fahrwerk/ROOM/actions.py": '''
"""What ROOM can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.ROOM import rules
from fahrwerk.ROOM.contract import Entry, NameTaken
from fahrwerk.ROOM.events import EntryAdded

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

# The row and its event are one statement: neither can be there without the other.
_ADD = f"""
WITH added AS (
    INSERT INTO ROOM.entry (id, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING id, version, created_at
), told AS (
    {events.INSERT}
    SELECT 'ROOM_entry:' || id, version, $4, $5, $6::jsonb, $7, $8 FROM added
)
SELECT id FROM added
"""
_THERE = "SELECT id, name, created_at FROM ROOM.entry WHERE id = $1"


async def add_entry(call: Call, name: str) -> Entry:
    """See the contract."""
    call.require("ROOM.entry.write")
    # A repeat has the same key, and so finds what its first try has written.
    key = call.key or ids.request_id()
    entry_id = ids.derived("ROOM.entry", call.tenant, call.actor, key)
    entry = Entry(entry_id, rules.tidy_name(name), clock.now())
    told = events.columns(call, EntryAdded(entry.id))
    if await db.run("ROOM", call, _ADD, entry.id, entry.name, entry.created_at, *told):
        return entry
    there = db.shaped(Entry, await db.run("ROOM", call, _THERE, entry.id))
    if not there:
        raise NameTaken
    return there[0]
''',
    "src/fahrwerk/ROOM/http.py": '''
"""ROOM over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import JSONBody

from fahrwerk.kernel import clock, ids, web
from fahrwerk.ROOM import contract, rules


class NewEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry to be added."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=rules.LONGEST_NAME)]


class EntryShown(msgspec.Struct, frozen=True):
    """An entry; times are ISO 8601, UTC."""

    id: str
    name: str
    created_at: str


class Entries(msgspec.Struct, frozen=True):
    """Entries, by name."""

    entries: list[EntryShown]


def _shown(entry: contract.Entry) -> EntryShown:
    return EntryShown(ids.public("entry", entry.id), entry.name, clock.stamp(entry.created_at))


@get("/api/v1/ROOM/entries", permission="ROOM.entry.read", tags=["ROOM"])
async def list_entries(call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0) -> Entries:
    """The operator's entries."""
    return Entries([_shown(entry) for entry in await contract.entries(call, limit, offset)])


@post("/api/v1/ROOM/entries", permission="ROOM.entry.write", status_code=201, tags=["ROOM"])
async def add_entry(call: web.Caller, data: JSONBody[NewEntry]) -> EntryShown:
    """Add an entry. 409 ``UPPER_NAME_TAKEN`` when the name is in use."""
    return _shown(await contract.add_entry(call, data.name))


handlers = [list_entries, add_entry]
''',
    "src/fahrwerk/ROOM/migrations/0001_entry.sql": """
-- What ROOM keeps.

CREATE TABLE ROOM.entry (
    tenant_id  uuid NOT NULL DEFAULT kernel.tenant(),
    id         uuid NOT NULL,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
COMMENT ON TABLE ROOM.entry IS 'Names within one operator.';
COMMENT ON COLUMN ROOM.entry.version IS 'Of the stream ROOM_entry:<id> in the event log.';

ALTER TABLE ROOM.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE ROOM.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON ROOM.entry
    USING (tenant_id = kernel.tenant()) WITH CHECK (tenant_id = kernel.tenant());
""",
    "tests/ROOM/__init__.py": "",
    "tests/ROOM/test_ROOM.py": '''
"""ROOM, through its contract and over HTTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.ROOM import contract, rules
from tests.world import World, make_world

_TOLD = "SELECT name, version FROM kernel.event WHERE stream = $1"


@given(st.text())
def test_a_tidy_name_stays_as_it_is(name: str) -> None:
    try:
        tidy = rules.tidy_name(name)
    except Invalid:
        return
    assert rules.tidy_name(tidy) == tidy
    assert "  " not in tidy


async def test_an_entry_is_added_with_its_event(world: World) -> None:
    entry = await contract.add_entry(world.admin(), " first  one ")
    assert [each.name for each in await contract.entries(world.admin(), 50, 0)] == ["first one"]
    told = await db.run("ROOM", world.admin(), _TOLD, f"ROOM_entry:{entry.id}")
    assert [tuple(row) for row in told] == [("ROOM_entry.added", 1)]


async def test_names_are_unique_and_repeats_harmless(world: World) -> None:
    first = world.call("admin", key="once")
    entry = await contract.add_entry(first, "one")
    assert (await contract.add_entry(first, "one")).id == entry.id
    with pytest.raises(contract.NameTaken):
        await contract.add_entry(world.admin(), "one")
    assert len(await contract.entries(world.admin(), 50, 0)) == 1


async def test_no_operator_sees_another_ones(world: World) -> None:
    await contract.add_entry(world.admin(), "ours")
    other = await make_world()
    assert await contract.entries(other.admin(), 50, 0) == []
    await contract.add_entry(other.admin(), "ours")


async def test_over_http(world: World) -> None:
    async with world.client(world.admin()) as client:
        made = await client.post("/api/v1/ROOM/entries", json={"name": "one"})
        assert made.status_code == 201, made.text
        assert made.json()["name"] == "one"
        again = await client.post("/api/v1/ROOM/entries", json={"name": "one"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "UPPER_NAME_TAKEN")
        listed = (await client.get("/api/v1/ROOM/entries")).json()
        assert listed == {"entries": [made.json()]}


async def test_who_may_not_is_refused(world: World) -> None:
    rider = world.call("customer")
    with pytest.raises(Forbidden):
        await contract.add_entry(rider, "one")
    async with world.client(rider) as client:
        assert (await client.get("/api/v1/ROOM/entries")).status_code == 403
''',
}
