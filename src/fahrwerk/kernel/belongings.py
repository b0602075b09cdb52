"""Which tables belong to a tenant, in which order and with which columns: by the catalogue.

A table with a ``tenant_id`` belongs to the tenant, so a new one moves (``kernel.moving``) and goes
with it by itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fahrwerk.kernel.settings import ROOMS

LEFT_OUT = {
    "kernel.idempotency": "answers that are kept for a day",
    "kernel.dead_letter": "numbers of events that are others elsewhere",
    "kernel.audit_head": "sealed with the installation's secret: made anew",
}
EVENTS = "kernel.event"


class NotMoved(Exception):
    """It cannot be done; nothing was changed."""


class Table(msgspec.Struct, frozen=True):
    """One table as the catalogue has it."""

    name: str
    """``fleet.vehicle``"""
    columns: list[str]
    """All but the tenant's and those the database computes."""
    numbered: list[str]
    """Those of them that the database numbers: they say the order, and are others elsewhere."""
    days: str | None
    """The time column of a table that is divided by days."""
    binary: list[str]
    """Columns of bytes: what is sealed is among them."""

    @property
    def kept(self) -> list[str]:
        """The columns whose values stay as they are."""
        own = {"xid"} if self.name == EVENTS else set()
        return [each for each in self.columns if each not in {*self.numbered, *own}]


_TABLES = """
SELECT n.nspname || '.' || c.relname AS name, c.oid::int8 AS oid,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
          AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> 'tenant_id'
          ORDER BY a.attnum) AS columns,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attidentity <> '') AS numbered,
    (SELECT a.attname::text FROM pg_partitioned_table p JOIN pg_attribute a
     ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] WHERE p.partrelid = c.oid) AS days,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
          AND NOT a.attisdropped AND a.atttypid = 'bytea'::regtype) AS binary
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY($1)
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
ORDER BY array_position($1, n.nspname::text), c.relname
"""
_POINTS_AT = """
SELECT conrelid::int8 AS from_table, confrelid::int8 AS to_table FROM pg_constraint
WHERE contype = 'f' AND conrelid <> confrelid
"""


async def tables(owner: Any) -> list[Table]:
    """The tenant's tables; what others point at comes before them."""
    rows = {row["oid"]: row for row in await owner.fetch(_TABLES, ["kernel", *ROOMS])}
    needs: dict[int, set[int]] = {oid: set() for oid in rows}
    for row in await owner.fetch(_POINTS_AT):
        if row["from_table"] in rows and row["to_table"] in rows:
            needs[row["from_table"]].add(row["to_table"])
    ordered: list[Table] = []
    while needs:
        free = [oid for oid in rows if oid in needs and not needs[oid] & needs.keys()]
        if not free:
            raise NotMoved("tables point at each other in a circle")
        for oid in free:
            row = rows[oid]
            del needs[oid]
            if row["name"] not in LEFT_OUT:
                fields = ("name", "columns", "numbered", "days", "binary")
                ordered.append(Table(*(row[each] for each in fields)))
    return ordered
