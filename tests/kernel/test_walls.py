"""The walls of the house, tried on the real catalogue (RELIABILITY section 3, I7)."""

from __future__ import annotations

import asyncpg
import pytest

from fahrwerk.kernel import db, ids, postgres
from fahrwerk.kernel.call import system
from fahrwerk.kernel.settings import ROOMS

SCHEMAS = ["kernel", *ROOMS]
# Looked up before a tenant is known, or the house's own book-keeping: no tenant in them to wall.
UNWALLED = {
    *(
        "kernel.migration",
        "kernel.checkpoint",
        "kernel.examined",
        "tenancy.operator",
        "fleet.ingest_seat",
    ),
    "fleet.ingest_worker",  # who listens to vehicles of all operators
}
# Nobody at all may change or delete these (kernel/migrate.py).
APPEND_ONLY = {"payments.journal", "payments.entry", "payments.lot_use"}

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity AS walled,
       c.relforcerowsecurity AS forced, c.relispartition AS is_partition,
       EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
               AND NOT a.attisdropped) AS has_tenant,
       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'own_tenant')
           AS policies,
       obj_description(c.oid) AS comment
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p')
"""


async def _tables() -> list[db.Row]:
    return await db.run("kernel", system(None, "kernel"), _TABLES, SCHEMAS)


async def test_every_table_has_its_wall(database: db.Database) -> None:
    """A table without tenant_id, row-level security, FORCE and its policy fails here."""
    wrong = [
        f"{t['schema']}.{t['name']}"
        for t in await _tables()
        if not t["is_partition"]
        and f"{t['schema']}.{t['name']}" not in UNWALLED
        and not (t["has_tenant"] and t["walled"] and t["forced"] and t["policies"] == 1)
    ]
    assert wrong == []


async def test_every_table_is_described(database: db.Database) -> None:
    """Comments on tables are the data dictionary."""
    wrong = [
        f"{t['schema']}.{t['name']}"
        for t in await _tables()
        if not t["comment"] and not t["is_partition"] and t["name"] != "migration"
    ]
    assert wrong == []


_GRANTS = """
SELECT grantee, table_schema, table_name, privilege_type
FROM information_schema.role_table_grants
WHERE grantee LIKE 'fahrwerk\\_%' AND table_schema = ANY($1)
"""


async def test_rooms_touch_their_own_schema_only(
    database: db.Database, server: postgres.EmbeddedPostgres
) -> None:
    """The schema wall: a room's role has rights in its own schema and on the event log only."""
    owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    try:
        grants = await owner.fetch(_GRANTS, SCHEMAS)
        partitions = await owner.fetch(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
        )
    finally:
        await owner.close()
    hidden = {p["relname"] for p in partitions}
    for grant in grants:
        room = grant["grantee"].removeprefix("fahrwerk_")
        place = (grant["table_schema"], grant["table_name"], grant["privilege_type"])
        assert grant["privilege_type"] not in ("TRUNCATE", "TRIGGER"), place
        assert grant["table_name"] not in hidden, f"a grant on a partition: {place}"
        if room in ROOMS and grant["table_schema"] != room:
            assert place in {("kernel", "event", "SELECT"), ("kernel", "event", "INSERT")}, place


@pytest.mark.parametrize("room", ROOMS)
async def test_a_foreign_schema_is_permission_denied(database: db.Database, room: str) -> None:
    """Even inside one process."""
    other = ROOMS[(ROOMS.index(room) + 1) % len(ROOMS)]
    tables = [t for t in await _tables() if t["schema"] == other and not t["is_partition"]]
    for table in tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.run(
                room, system(ids.new(), room), f"SELECT 1 FROM {other}.{table['name']} LIMIT 1"
            )


async def test_another_tenant_sees_and_changes_nothing(database: db.Database) -> None:
    """Every walled table: rows of all tenants so far are invisible to a new one and to none."""
    for table in await _tables():
        if table["is_partition"] or not table["has_tenant"] or table["schema"] == "kernel":
            continue
        name = f"{table['schema']}.{table['name']}"
        stranger = system(ids.new(), table["schema"])
        assert await db.run(table["schema"], stranger, f"SELECT 1 FROM {name} LIMIT 1") == [], name
        try:
            changed = await db.run(
                table["schema"],
                stranger,
                f"WITH gone AS (DELETE FROM {name} RETURNING 1) SELECT count(*) AS n FROM gone",
            )
        except asyncpg.InsufficientPrivilegeError:
            assert name in APPEND_ONLY, name
            continue
        assert changed[0]["n"] == 0, name


async def test_rows_for_another_tenant_cannot_be_written(database: db.Database) -> None:
    """WITH CHECK: a session of one tenant cannot write a row of another."""
    call = system(ids.new(), "fleet")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.run(
            "fleet",
            call,
            "INSERT INTO kernel.event (tenant_id, stream, version, name, topic, data, actor) "
            "VALUES ($1, 's', 1, 'n', 't', '{}', 'a')",
            ids.new(),
        )


async def test_a_mighty_login_is_refused(
    database: db.Database, server: postgres.EmbeddedPostgres
) -> None:
    """Start-up refuses a superuser: the walls would not hold."""
    with pytest.raises(SystemExit, match="superuser"):
        await db.open_database(database.dsn.replace("fahrwerk_app", "postgres"))
