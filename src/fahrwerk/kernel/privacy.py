"""What the rooms hold about people: for what, how long, and what becomes of it (GDP-01..06).

A room says it once, as ``PERSONAL`` in its ``queries``: *sections* (a question that gives one
person's rows), *rules* (what is thrown away after how many days) and, where something may stand
against an erasure, who to ask. The composition registers them at start, so that identity, which
stands below most rooms, can ask all of them: for an export, to see after an erasure that nothing
is left, for the records of processing (Art. 30), and to throw away what is too old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call, system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = 500
NOBODY = UUID(int=0)
Basis = Literal["contract", "consent", "legal_obligation", "legitimate_interest"]
Fate = Literal["deleted", "detached", "kept"]
"""At an erasure: gone; still there, but of nobody any more; or there with a pseudonym, by law."""


class Text(msgspec.Struct, frozen=True):
    """A text in both languages."""

    en: str
    de: str

    def told(self, language: str) -> str:
        """In ``de`` or, for everybody else, in English."""
        return self.de if language[:2] == "de" else self.en


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of data about people in one room.

    ``sql`` gives a person's rows, $1, in an order that is always the same, under names that a
    reader understands; ``arguments`` gives $2 and so on. With ``has_files``, what is ``bytes`` is a
    file.
    """

    name: str
    title: Text
    purpose: Text
    basis: Basis
    kept: Text
    """How long, in words."""
    fate: Fate
    why_kept: Text | None = None
    """Of what an erasure leaves: why, and until when."""
    recipients: Text | None = None
    """Who else gets it; None: nobody."""
    sql: str
    arguments: Callable[[Call, UUID], tuple[Any, ...]] | None = None
    opened: Callable[[Call, dict[str, Any]], dict[str, Any]] | None = None
    """Makes sealed columns readable for their owner."""
    room: str = ""
    """Filled in when it is registered; ``kernel`` for the audit log."""
    page: int = PAGE
    has_files: bool = False


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is thrown away by its age. Each statement takes ``$1`` (older than) and ``$2`` (at most
    so many rows) and answers ``count``; it is repeated until there is no more."""

    name: str
    title: Text
    days: int
    """Unless the operator says otherwise."""
    least: int = 1
    most: int = 3650
    sql: tuple[str, ...]
    room: str = ""


class Obstacle(msgspec.Struct, frozen=True):
    """Why somebody cannot be erased now."""

    code: str
    text: Text
    details: dict[str, Any] = {}


AskObstacles = Callable[[Call, UUID], Awaitable[list[Obstacle]]]


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """All that a room says about personal data: its ``PERSONAL``."""

    sections: tuple[Section, ...] = ()
    rules: tuple[Rule, ...] = ()
    obstacles: AskObstacles | None = None


_rooms: dict[str, Holdings] = {}


def register(room: str, holdings: Holdings) -> None:
    """Note what a room holds; by the composition, in the order of the stairs."""
    named = msgspec.structs.replace
    _rooms[room] = Holdings(
        sections=tuple(named(each, room=each.room or room) for each in holdings.sections),
        rules=tuple(named(each, room=room) for each in holdings.rules),
        obstacles=holdings.obstacles,
    )


def sections() -> list[Section]:
    """All sections of the rooms of this build."""
    return [*_OF_KERNEL, *(each for room in _rooms.values() for each in room.sections)]


def rules() -> list[Rule]:
    """All rules of retention."""
    return [each for room in _rooms.values() for each in room.rules]


async def obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    """All that stands against erasing somebody now."""
    asks = [room.obstacles for room in _rooms.values() if room.obstacles is not None]
    return [each for ask in asks for each in await ask(call, person_id)]


async def gathered(call: Call, section: Section, person_id: UUID) -> AsyncIterator[dict[str, Any]]:
    """A person's rows of one section, whatever their number, a page at a time."""
    more = section.arguments(call, person_id) if section.arguments else ()
    size, at = len(more) + 2, 0
    sql = f"SELECT * FROM ({section.sql}) s LIMIT ${size} OFFSET ${size + 1}"
    asking = system(call.tenant, section.room, slug=call.tenant_slug)
    while True:
        rows = await db.run(section.room, asking, sql, person_id, *more, section.page, at)
        for row in rows:
            found = dict(row)
            yield section.opened(call, found) if section.opened else found
        if len(rows) < section.page:
            return
        at += len(rows)


_columns: dict[tuple[str, str], list[str]] = {}


async def columns(call: Call, section: Section) -> list[str]:
    """The names of a section's columns, as the database knows them."""
    key = (section.room, section.name)
    if key not in _columns:
        more = section.arguments(call, NOBODY) if section.arguments else ()
        sql = f"SELECT s.* FROM (SELECT) one LEFT JOIN ({section.sql}) s ON true LIMIT 1"
        asking = system(call.tenant, section.room, slug=call.tenant_slug)
        row = await db.one(section.room, asking, sql, NOBODY, *more)
        _columns[key] = list(row.keys()) if row is not None else []
    return _columns[key]


BATCH = 2_000


async def sweep(call: Call, rule: Rule, before: datetime) -> int:
    """Throw away what is older than ``before`` by a rule, for one operator; how many rows."""
    asking = system(call.tenant, rule.room, slug=call.tenant_slug)
    gone = 0
    for sql in rule.sql:
        count = BATCH
        while count >= BATCH:
            row = await db.one(rule.room, asking, sql, before, BATCH)
            count = int(row["count"]) if row is not None else 0
            gone += count
    return gone


# --- what the kernel itself holds: the audit log tells people who looked at their data

_AUDIT = """
SELECT at, action, outcome, array_to_string(roles, ' ') AS by_role,
       CASE WHEN actor = $2 THEN address END AS your_address
FROM kernel.audit
WHERE tenant_id = kernel.tenant() AND {whose} AND $1::uuid IS NOT NULL ORDER BY at, id
"""


def _names(_: Call, person_id: UUID) -> tuple[Any, ...]:
    public = ids.public("usr", person_id)
    return public, [public, str(person_id), f"person:{person_id}"]


def _own_name(_: Call, person_id: UUID) -> tuple[Any, ...]:
    return (ids.public("usr", person_id),)


_PROOF = Text(
    "The log proves who did what; it is chained, so nothing can be taken out of it. It names you "
    "by a number only.",
    "Das Protokoll beweist, wer was getan hat; es ist verkettet, nichts lässt sich entfernen. Es "
    "nennt Sie nur mit einer Nummer.",
)
_ALWAYS = Text("as long as the operator exists", "solange es den Betreiber gibt")
_OF_KERNEL = (
    Section(
        name="access_by_staff",
        title=Text("Who looked at or changed your data", "Wer Ihre Daten sah oder änderte"),
        purpose=Text("Proof of access (Art. 5, 32)", "Nachweis der Zugriffe (Art. 5, 32)"),
        basis="legal_obligation",
        kept=_ALWAYS,
        fate="kept",
        why_kept=_PROOF,
        sql=_AUDIT.format(whose="subject = ANY($3) AND actor <> $2"),
        arguments=_names,
        room="kernel",
    ),
    Section(
        name="own_staff_actions",
        title=Text("What you did as staff", "Was Sie als Personal getan haben"),
        purpose=Text("Proof of who did what", "Nachweis, wer was getan hat"),
        basis="legal_obligation",
        kept=_ALWAYS,
        fate="kept",
        why_kept=_PROOF,
        sql=_AUDIT.format(whose="actor = $2"),
        arguments=_own_name,
        room="kernel",
    ),
)
