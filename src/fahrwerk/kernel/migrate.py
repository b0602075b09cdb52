"""Migrations: plain SQL, forward only, one file one transaction, rooms in the order of the stairs.

Run by the owner's login. Also makes what the walls stand on: a schema and a role per room, the
application's login that is a member of all of them and inherits none, and the grants.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from fahrwerk.kernel.settings import ROOMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

APP_LOGIN = "fahrwerk_app"
_FILE = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_LOCK = 0x6661_6872  # one migrator at a time, whatever the process


class Migration(NamedTuple):
    """One file: ``number`` is unique within its room."""

    room: str
    number: int
    name: str
    sql: str
    digest: str


def found(rooms: Sequence[str] = ROOMS) -> list[Migration]:
    """All migration files of the kernel and the given rooms, in the order they are applied."""
    result: list[Migration] = []
    for room in ("kernel", *rooms):
        folder = resources.files(f"fahrwerk.{room}") / "migrations"
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if match := _FILE.match(entry.name):
                sql = entry.read_text(encoding="utf-8")
                digest = hashlib.sha256(sql.encode()).hexdigest()
                result.append(Migration(room, int(match[1]), match[2], sql, digest))
    return result


async def create_database(admin_dsn: str, name: str) -> None:
    """Create a database on the server of ``admin_dsn`` unless it is there."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


async def owner_connection(dsn: str) -> asyncpg.Connection[Any]:
    """A connection of the owner, for what goes beyond what any room may (``kernel.moving``)."""
    return await asyncpg.connect(dsn, server_settings={"lock_timeout": "5s"})


async def migrate(
    admin_dsn: str, say: Callable[[str], None] = lambda _: None, rooms: Sequence[str] = ROOMS
) -> int:
    """Bring the database up to this code; the number of files applied.

    Raises ``SystemExit`` when an applied file was changed since, or the database is newer than
    this code: both would make the schema something nobody has tested.
    """
    connection = await asyncpg.connect(admin_dsn, server_settings={"lock_timeout": "5s"})
    try:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
        await _ground(connection, rooms)
        done = {
            (row["room"], row["number"]): row["digest"]
            for row in await connection.fetch("SELECT room, number, digest FROM kernel.migration")
        }
        files = found(rooms)
        unknown = done.keys() - {(f.room, f.number) for f in files}
        if unknown and rooms == ROOMS:
            raise SystemExit(
                f"This database has migrations this Fahrwerk does not know ({sorted(unknown)[0]}): "
                "it was used by a newer version. Update Fahrwerk or use another data folder."
            )
        applied = 0
        for file in files:
            before = done.get((file.room, file.number))
            if before == file.digest:
                continue
            label = f"{file.room}/{file.number:04}_{file.name}"
            if before is not None:
                raise SystemExit(f"Migration {label} was changed after it had been applied.")
            say(f"migrating {label}")
            try:
                async with connection.transaction():
                    await connection.execute(file.sql)
                    await connection.execute(
                        "INSERT INTO kernel.migration (room, number, name, digest) "
                        "VALUES ($1, $2, $3, $4)",
                        *(file.room, file.number, file.name, file.digest),
                    )
            except asyncpg.PostgresError as error:
                raise SystemExit(f"Migration {label} failed: {error}") from error
            applied += 1
        if applied:
            for room in rooms:
                await _grant(connection, room)
            await connection.execute(
                "GRANT USAGE ON SCHEMA kernel TO fahrwerk_kernel, fahrwerk_pump"
            )
            await _job_queue(connection, say)
        return applied
    finally:
        await connection.close()


async def _ground(connection: asyncpg.Connection[Any], rooms: Sequence[str]) -> None:
    roles = [f"fahrwerk_{name}" for name in ("kernel", "pump", "jobs", *rooms)]
    for role in roles:
        # Roles belong to the whole cluster: another database may have made them already.
        await connection.execute(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN NOINHERIT; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    await connection.execute(
        f"DO $$ BEGIN CREATE ROLE {APP_LOGIN} LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    missing = await connection.fetch(
        "SELECT r.rolname FROM pg_roles r WHERE r.rolname = ANY($1) "
        f"AND NOT pg_has_role('{APP_LOGIN}', r.oid, 'member')",
        roles,
    )
    for row in missing:
        await connection.execute(f"GRANT {row['rolname']} TO {APP_LOGIN}")
    for schema in ("kernel", "jobs", *rooms):
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS kernel.migration (room text, number int, name text NOT NULL, "
        "digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), "
        "PRIMARY KEY (room, number))"
    )


_GRANTABLE = """
SELECT c.relname, c.relkind::text,
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'append_only')
       AS is_append_only
FROM pg_class c
WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
  AND NOT c.relispartition
"""


async def _grant(connection: asyncpg.Connection[Any], room: str) -> None:
    """A room's role may work on its own schema and write to the event log; nothing else."""
    role = f"fahrwerk_{room}"
    await connection.execute(f"GRANT USAGE ON SCHEMA {room}, kernel TO {role}")
    await connection.execute(f"GRANT SELECT, INSERT ON kernel.event TO {role}")
    for row in await connection.fetch(_GRANTABLE, room):
        name, kind = row["relname"], row["relkind"]
        if kind == "S":
            await connection.execute(f"GRANT USAGE ON SEQUENCE {room}.{name} TO {role}")
        elif kind == "v":
            await connection.execute(f"GRANT SELECT ON {room}.{name} TO {role}")
        elif row["is_append_only"]:
            await connection.execute(f"GRANT SELECT, INSERT ON {room}.{name} TO {role}")
        else:
            await connection.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON {room}.{name} TO {role}"
            )


async def _job_queue(connection: asyncpg.Connection[Any], say: Callable[[str], None]) -> None:
    """Procrastinate's own tables, in a schema and under a role of their own."""
    from procrastinate.schema import SchemaManager

    role = "fahrwerk_jobs"
    if await connection.fetchval("SELECT to_regclass('jobs.procrastinate_jobs')") is None:
        say("migrating jobs (Procrastinate)")
        async with connection.transaction():
            await connection.execute("SET LOCAL search_path = jobs")
            await connection.execute(SchemaManager.get_schema())
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        await connection.execute(f"GRANT ALL ON ALL {kind} IN SCHEMA jobs TO {role}")
    await connection.execute(f"GRANT USAGE ON SCHEMA jobs TO {role}")
