"""Migrations, read as text: names, schemas, and the wall around each tenant's rows."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.house.reading import House, rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
IDENTIFIER = r'((?:"?\w+"?\.)?"?\w+"?)'
TABLE = re.compile(
    rf"\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{IDENTIFIER}\s*(\()?",
    re.IGNORECASE,
)
ALTER = re.compile(rf"\bALTER\s+TABLE\s+(?:ONLY\s+)?{IDENTIFIER}\s+([^;]*)", re.IGNORECASE)
POLICY = re.compile(rf'\bCREATE\s+POLICY\s+"?\w+"?\s+ON\s+{IDENTIFIER}', re.IGNORECASE)
TENANT_COLUMN = re.compile(r"(?:^|[,(]|\bADD\s+COLUMN)\s*\"?tenant_id\"?\s+\w+", re.IGNORECASE)

WALLED = """
CREATE TABLE fleet.vehicle (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE fleet.vehicle ENABLE ROW LEVEL SECURITY;
ALTER TABLE fleet.vehicle FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fleet.vehicle USING (true);
"""


def migrations(house: House) -> Iterator[tuple[str, PurePosixPath]]:
    """Every file in a migrations folder, with the package it belongs to."""
    for path in house.files:
        if path.parts[:2] == ("src", "fahrwerk") and path.parts[3:4] == ("migrations",):
            yield path.parts[2], path


def statements(house: House, path: PurePosixPath) -> str:
    """The SQL without its comments, line numbers kept."""
    return COMMENT.sub(lambda m: "\n" * m.group().count("\n"), house.text(path))


def bracketed(sql: str, start: int) -> str:
    """What stands between the bracket that opens before ``start`` and the one that closes it."""
    depth = 1
    for end in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[end], 0)
        if depth == 0:
            return sql[start:end]
    return sql[start:]


def full(name: str, room: str) -> str:
    name = name.replace('"', "").lower()
    return name if "." in name else f"{room}.{name}"


def at(path: PurePosixPath, sql: str, offset: int) -> str:
    return f"{path}:{sql.count(chr(10), 0, offset) + 1}"


@rule(
    good={
        "src/fahrwerk/fleet/migrations/0001_vehicle.sql": "",
        "src/fahrwerk/fleet/migrations/0002_zone.sql": "",
        "src/fahrwerk/wallet/migrations/0001_account.sql": "",
    },
    bad={
        "src/fahrwerk/fleet/migrations/3_area.sql": "",
        "src/fahrwerk/fleet/migrations/0003_Area.sql": "",
        "src/fahrwerk/fleet/migrations/0003_area.py": "",
        "src/fahrwerk/fleet/migrations/old/0001_area.sql": "",
        "src/fahrwerk/fleet/migrations/0002_zones_again.sql": "",
    },
)
def migrations_are_numbered(house: House) -> Iterator[str]:
    """Migrations are plain SQL named NNNN_what.sql, and a number is given once in a room: two
    branches that took the same one are told apart here and not on an operator's database."""
    taken: dict[tuple[str, str], str] = {}
    for room, path in migrations(house):
        if len(path.parts) != 5 or not NAME.fullmatch(path.name):
            yield f"{path}: not named NNNN_name.sql"
        elif other := taken.get((room, path.name[:4])):
            yield f"{path}: {other} has the same number"
        else:
            taken[room, path.name[:4]] = path.name


@rule(
    good={"src/fahrwerk/fleet/migrations/0001_vehicle.sql": WALLED},
    bad={
        "src/fahrwerk/wallet/migrations/0001_account.sql": "CREATE TABLE fleet.lot (id uuid);\n",
        "src/fahrwerk/wallet/migrations/0002_lot.sql": "create table if not exists x (id uuid);\n",
    },
)
def tables_stand_in_their_own_schema(house: House) -> Iterator[str]:
    """A room makes tables in the schema of its own name only, and says so: schema.table."""
    for room, path in migrations(house):
        sql = statements(house, path)
        for made in TABLE.finditer(sql):
            if not made[1].replace('"', "").lower().startswith(f"{room}."):
                yield f"{at(path, sql, made.start())}: table {made[1]} is not written {room}.name"


@rule(
    good={
        "src/fahrwerk/fleet/migrations/0001_vehicle.sql": WALLED,
        "src/fahrwerk/fleet/migrations/0002_more.sql": (
            "CREATE TABLE fleet.kind (name text PRIMARY KEY); -- tenant_id uuid would need a wall\n"
            "CREATE TABLE fleet.seen PARTITION OF fleet.vehicle FOR VALUES IN ('a');\n"
        ),
    },
    bad={
        "src/fahrwerk/wallet/migrations/0001_bare.sql": (
            "CREATE TABLE wallet.account (id uuid, tenant_id uuid NOT NULL);\n"
        ),
        "src/fahrwerk/wallet/migrations/0002_unforced.sql": (
            "CREATE TABLE wallet.lot (tenant_id uuid, amount numeric(10, 2));\n"
            "ALTER TABLE wallet.lot ENABLE ROW LEVEL SECURITY;\n"
            "CREATE POLICY tenant ON wallet.lot USING (true);\n"
        ),
        "src/fahrwerk/wallet/migrations/0003_open.sql": (
            "CREATE TABLE wallet.hold (tenant_id uuid);\n"
            "ALTER TABLE wallet.hold ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n"
            "-- CREATE POLICY tenant ON wallet.hold USING (true);\n"
        ),
        "src/fahrwerk/wallet/migrations/0004_later.sql": (
            "CREATE TABLE wallet.rate (id uuid);\n"
            "ALTER TABLE wallet.rate ADD COLUMN tenant_id uuid;\n"
        ),
    },
)
def rows_of_tenants_stand_behind_a_wall(house: House) -> Iterator[str]:
    """A table with a tenant_id has row-level security ENABLEd and FORCEd and a POLICY, in the
    migrations of its room. Without them one operator reads another's riders."""
    walls: dict[str, set[str]] = defaultdict(set)
    tenants: dict[str, str] = {}
    for room, path in migrations(house):
        sql = statements(house, path)
        for made in TABLE.finditer(sql):
            if made[2] and TENANT_COLUMN.search(bracketed(sql, made.end())):
                tenants[full(made[1], room)] = at(path, sql, made.start())
        for altered in ALTER.finditer(sql):
            if TENANT_COLUMN.search(altered[2]):
                tenants[full(altered[1], room)] = at(path, sql, altered.start())
            for step in ("ENABLE", "FORCE"):
                # NO FORCE takes the wall down again
                if re.search(rf"(?<!\bNO )\b{step}\s+ROW\s+LEVEL\s+SECURITY", altered[2].upper()):
                    walls[full(altered[1], room)].add(step)
        for policy in POLICY.finditer(sql):
            walls[full(policy[1], room)].add("POLICY")
    for table, where in tenants.items():
        if missing := {"ENABLE", "FORCE", "POLICY"} - walls[table]:
            yield f"{where}: {table} lacks {', '.join(sorted(missing))}"
