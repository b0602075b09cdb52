"""A whole tenant into one file, out of it, and away (TEN-29). By the owner's login, not the rooms'.

Which tables there are, in which order and with which columns, is read off the catalogue: a table
with a ``tenant_id`` belongs to the tenant, so a new one is in the next export by itself. The file
is a ZIP with one member per table in PostgreSQL's COPY format and a manifest of rows, checksums and
schema version. Coming in is one transaction: it verifies every table before it commits.

Events keep their order, not their position: they are put before everything that handlers still
read, because they have been handled where they come from.
"""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.kernel import events, migrate, transport
from fahrwerk.kernel.archive import FORMAT, MANIFEST, Manifest, Part, check_file, opened, pieces
from fahrwerk.kernel.belongings import EVENTS, LEFT_OUT, NotMoved, Table, tables
from fahrwerk.kernel.settings import ROOMS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path
    from uuid import UUID

    Examine = Callable[[Any, UUID], Awaitable[None]]

MOST_DAYS = 10_000
"""Each day of a divided table is a table here: 27 years of them."""
_HANDLED = "1"
"""The transaction that imported events are of: older than any a handler still waits for."""


_MIGRATIONS = "SELECT room, number, digest FROM kernel.migration ORDER BY room, number"


async def schema_version(owner: Any) -> str:
    """The same for two databases to which the same migrations were applied."""
    rows = await owner.fetch(_MIGRATIONS)
    text = "\n".join(f"{r['room']}/{r['number']}/{r['digest']}" for r in rows)
    return hashlib.sha256(text.encode()).hexdigest()


@asynccontextmanager
async def owning(dsn: str, tenant: UUID) -> AsyncIterator[Any]:
    """A connection of the owner that sees this tenant's rows, with all the time it needs."""
    owner = await migrate.owner_connection(dsn)
    try:
        await owner.execute("SET statement_timeout = 0; SET timezone = 'UTC'; SET datestyle = ISO")
        await owner.execute("SET idle_in_transaction_session_timeout = 0")
        await owner.fetch("SELECT set_config('fahrwerk.tenant', $1, false)", str(tenant))
        yield owner
    finally:
        await owner.close()


def _list(columns: list[str]) -> str:
    return ", ".join(f'"{each}"' for each in columns)


def _shown(table: Table, columns: list[str], key: str | None) -> str:
    """Columns of ``r``, with what is sealed in them sealed for the way, if there is a key."""
    sealed = table.binary if key is not None else []
    return ", ".join(transport.opened(c, "r") if c in sealed else f'r."{c}"' for c in columns)


async def _sum(owner: Any, table: Table, tenant: UUID, key: str | None = None) -> tuple[int, str]:
    """How many rows, and a checksum of what stays as it is."""
    row = await owner.fetchrow(
        "SELECT count(*) AS rows, coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::int8"
        f"::numeric), 0)::text AS checksum FROM (SELECT {_shown(table, table.kept, key)} "
        f"FROM {table.name} r WHERE r.tenant_id = $1) t",
        tenant,
    )
    return row["rows"], row["checksum"]


_UNHANDLED = """
SELECT count(*) FROM kernel.checkpoint c JOIN kernel.event e
ON (e.xid, e.position) > (c.xid, c.position)
WHERE e.tenant_id = $1 AND c.handler_group = ANY($2)
"""


def _groups() -> list[str]:
    """The rooms that handle events in this build, as far as they are loaded."""
    return sorted({handler.room for handler in events.handlers})


async def export(
    dsn: str,
    root: str,
    tenant: UUID,
    path: Path,
    say: Callable[[str], None],
    reseal: transport.Reseal | None = None,
    key: str | None = None,
) -> Manifest:
    """Write a tenant into a new file, as it is at one moment. ``root``: the table of tenants.

    What is sealed is sealed with ``key`` in it, by what the rooms do (``reseal``). Raises
    ``NotMoved`` while handlers have not seen all its events, ``FileExistsError``.
    """
    async with _reading(dsn, tenant) as owner:
        own = await owner.fetchval(f"SELECT to_jsonb(r) FROM {root} r WHERE id = $1", tenant)
        if own is None:
            raise NotMoved("there is no such tenant")
        if waiting := await owner.fetchval(_UNHANDLED, tenant, _groups()):
            raise NotMoved(
                f"{waiting} events wait for their handlers: suspend the tenant and let a worker "
                "come to an end (fahrwerk work)"
            )
        if key is not None and reseal is not None:
            tally = await transport.gather(owner, tenant, key, reseal)
            if tally.lost:
                say(f"{tally.lost} sealed things cannot be opened here, and go as they are")
        parts = []
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED, allowZip64=True) as file:
            for table in await tables(owner):
                parts.append(await _write(owner, table, tenant, file, key))
                say(f"{table.name:<36} {parts[-1].rows:>12,}")
            version = await schema_version(owner)
            mark = transport.mark_of(key) if key is not None else ""
            manifest = Manifest(FORMAT, version, tenant, msgspec.json.decode(own), parts, mark)
            file.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


@asynccontextmanager
async def _reading(dsn: str, tenant: UUID) -> AsyncIterator[Any]:
    """The owner's view of one moment."""
    async with owning(dsn, tenant) as owner:
        await transport.room_for_seals(owner)
        async with owner.transaction(isolation="repeatable_read", readonly=True):
            yield owner


async def _write(
    owner: Any, table: Table, tenant: UUID, file: zipfile.ZipFile, key: str | None
) -> Part:
    digest = hashlib.sha256()
    order = f" ORDER BY {_list(table.numbered)}" if table.numbered else ""
    shown = _shown(table, table.columns, key)
    sql = f"SELECT {shown} FROM {table.name} r WHERE tenant_id = $1{order}"
    with file.open(f"{table.name}.copy", "w", force_zip64=True) as member:

        async def take(data: bytes) -> None:
            digest.update(data)
            member.write(data)

        await owner.copy_from_query(sql, tenant, output=take)
    rows, checksum = await _sum(owner, table, tenant, key)
    return Part(table.name, table.columns, rows, checksum, digest.hexdigest())


_ROOT = "INSERT INTO {root} SELECT * FROM jsonb_populate_record(NULL::{root}, $1::jsonb)"


async def bring_in(
    dsn: str,
    root: str,
    path: Path,
    tenant: UUID,
    own: dict[str, Any],
    say: Callable[[str], None],
    reseal: transport.Reseal | None = None,
    key: str | None = None,
    examine: Examine | None = None,
) -> Manifest:
    """Bring a file in as ``tenant``; ``own`` are fields of its own row that are others here.

    What is sealed is sealed with the secret of here, by what the rooms do (``reseal``). All or
    nothing: every table is counted and summed before it is committed, and whoever knows what the
    rows mean may refuse them (``examine``, with the owner's connection). Raises ``NotMoved``.
    """
    manifest = check_file(path, lambda _: None)
    if manifest.sealed != (transport.mark_of(key) if key is not None else ""):
        raise NotMoved("this is not the key of the file" if key else "the file needs its key")
    async with owning(dsn, tenant) as owner:
        if manifest.schema != await schema_version(owner):
            raise NotMoved(
                "the file is of another version of Fahrwerk: bring both installations to the same"
            )
        async with owner.transaction(), _without_triggers(owner):
            there = {table.name: table for table in await tables(owner)}
            if {part.table: sorted(part.columns) for part in manifest.parts} != {
                name: sorted(table.columns) for name, table in there.items()
            }:
                raise NotMoved("the file has other tables than this installation")
            for name in there:
                some = f"SELECT true FROM {name} WHERE tenant_id = $1 LIMIT 1"
                if await owner.fetchval(some, tenant):
                    raise NotMoved(f"{name} has rows of this tenant already")
            fields = msgspec.json.encode({**manifest.root, "id": tenant, **own}).decode()
            with _refusing(root):
                await owner.execute(_ROOT.format(root=root), fields)
            with opened(path) as file:
                for part in manifest.parts:
                    table = there[part.table]
                    with _refusing(table.name):
                        await _read(owner, table, part, tenant, file)
                    if await _sum(owner, table, tenant) != (part.rows, part.checksum):
                        raise NotMoved(f"{part.table} is not what it was: nothing was brought in")
                    say(f"{part.table:<36} {part.rows:>12,}")
            if examine is not None:
                await examine(owner, tenant)
            if reseal is not None:
                tally = await transport.arrive(owner, manifest.tenant, tenant, key, reseal)
                say(f"{tally.anew} sealed anew, {tally.lost} cannot be opened here")
            await owner.execute(_PASS, _groups())
    return manifest


# Where nobody has read anything yet, handlers begin behind what was brought in.
_PASS = f"""
INSERT INTO kernel.checkpoint (handler_group, xid, position)
SELECT unnest($1::text[]), '{_HANDLED}', (SELECT coalesce(max(position), 0) FROM kernel.event)
ON CONFLICT (handler_group) DO UPDATE SET xid = excluded.xid, position = excluded.position
WHERE (checkpoint.xid, checkpoint.position) < (excluded.xid, excluded.position)
"""


_TAKEN = "23505"  # unique_violation: of what is unique in the world, such as a device's number
_WRONG = ("22", "23")  # classes of sqlstate: data that is none, a constraint that does not hold


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Say ``NotMoved`` for rows that this database does not take."""
    try:
        yield
    except Exception as error:
        state = str(getattr(error, "sqlstate", None) or "")
        if state.startswith(_WRONG):
            detail = getattr(error, "detail", None) or error
            whose = " Another tenant here has it." if state == _TAKEN else ""
            raise NotMoved(f"{name}: {detail}{whose}") from None
        raise


async def _read(owner: Any, table: Table, part: Part, tenant: UUID, file: zipfile.ZipFile) -> None:
    waiting = f"moving_{table.name.replace('.', '_')}"
    columns = _list(part.columns)
    await owner.execute(
        f"CREATE TEMP TABLE {waiting} ON COMMIT DROP AS SELECT {columns} FROM {table.name} "
        "WITH NO DATA"
    )

    async def source() -> AsyncIterator[bytes]:
        for data in pieces(file, part):
            yield data

    await owner.copy_to_table(waiting, source=source(), columns=part.columns)
    if table.days is not None:
        await _open_days(owner, table, waiting)
    more, values = "", ""
    if table.name == EVENTS:
        more, values = ", xid", f", '{_HANDLED}'::xid8"
    order = f" ORDER BY {_list(table.numbered)}" if table.numbered else ""
    await owner.execute(
        f"INSERT INTO {table.name} (tenant_id, {_list(table.kept)}{more}) "
        f"SELECT $1, {_list(table.kept)}{values} FROM {waiting}{order}",
        tenant,
    )


async def _open_days(owner: Any, table: Table, waiting: str) -> None:
    """A table divided by days has a function of its room that makes the days there are not yet."""
    schema, _, name = table.name.partition(".")
    found = await owner.fetch(f'SELECT DISTINCT "{table.days}"::date AS day FROM {waiting}')
    if len(found) > MOST_DAYS:
        raise NotMoved(f"{table.name} has rows of more than {MOST_DAYS} days")
    for row in found:
        await owner.fetch(f"SELECT {schema}.open_{name}_days($1, $1)", row["day"])


_TRIGGERS = """
SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger g
JOIN pg_class c ON c.oid = g.tgrelid
WHERE NOT tgisinternal AND c.relnamespace = ANY($1::text[]::regnamespace[])
"""


@asynccontextmanager
async def _without_triggers(owner: Any) -> AsyncIterator[None]:
    """For the block: what triggers would write is among the rows already, and what is append-only
    moves whole.

    A superuser can say so for his session; any other owner has to take the triggers off, and then
    whoever writes to these tables waits until this transaction ends.
    """
    if await owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await owner.execute("SET LOCAL session_replication_role = replica")
        yield
        return
    names = [row["name"] for row in await owner.fetch(_TRIGGERS, ["kernel", *ROOMS])]
    for name in names:
        await owner.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    yield
    for name in names:
        await owner.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")


async def remove(dsn: str, tenant: UUID, say: Callable[[str], None]) -> int:
    """Delete every row of a tenant, except its own row among the tenants; how many."""
    gone = 0
    async with owning(dsn, tenant) as owner, owner.transaction():
        names = [*LEFT_OUT, *reversed([table.name for table in await tables(owner)])]
        async with _without_triggers(owner):
            for name in names:
                done = await owner.execute(f"DELETE FROM {name} WHERE tenant_id = $1", tenant)
                count = int(done.rpartition(" ")[2])
                gone += count
                if count:
                    say(f"{name:<36} {count:>12,}")
    return gone
