"""The fleet in columns, and what changed since a cursor.

The cursor is the database's own: the oldest transaction that was under way at the look. A row that
was written since has a younger ``xmin``. So nothing needs to be maintained in the hot path (an
index on ``last_seen_at`` would end HOT updates), no write can be forgotten, and any process can go
on from any cursor. The price is a walk over the operator's rows: 50,000 take 12 to 25 ms.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fahrwerk.fleet.contract import PREFIX, STATUSES
from fahrwerk.fleet.contract.live import (
    CONNECTED,
    LOCKED,
    OPEN,
    SCALE,
    TIPPED,
    Box,
    CursorGone,
    LiveFleet,
)
from fahrwerk.fleet.queries.scope import if_limited, part_of
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

OLDEST_CURSOR = 1 << 30
"""Transactions. Half of what PostgreSQL can tell apart."""
_OFF_THE_LOOP = 2_000
"""Vehicles; to write down more of them would keep others waiting."""

_TYPE = " ".join(f"WHEN '{name}' THEN {n}" for n, name in enumerate(PREFIX))
_STATUS = " ".join(f"WHEN '{name}' THEN {n}" for n, name in enumerate(STATUSES))
_LIVE = f"""
WITH wanted AS (
    SELECT * FROM fleet.vehicle
    WHERE tenant_id = kernel.tenant()
      AND ($1::text IS NULL OR vehicle_type = $1)
      AND ({{retired}} OR status = $2) AND ($7::uuid IS NULL OR $7 = ANY(group_ids))
      AND {if_limited(8)}
      AND ($3::float8 IS NULL OR latitude BETWEEN $3 AND $4 AND CASE
           WHEN $5::float8 <= $6::float8 THEN longitude BETWEEN $5 AND $6
           ELSE longitude >= $5 OR longitude <= $6 END)
      {{changed}}
    ORDER BY identifier
)
SELECT (SELECT kernel.now()) AS at,  -- once, not for each row
       pg_snapshot_xmin(pg_current_snapshot())::text AS cursor,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
       array_agg(id) AS id,
       array_agg(identifier) AS identifier,
       array_agg((CASE vehicle_type {_TYPE} END)::int2) AS type,
       array_agg((CASE status {_STATUS} END)::int2) AS status,
       array_agg(round(latitude * {SCALE})::int) AS latitude,
       array_agg(round(longitude * {SCALE})::int) AS longitude,
       array_agg(battery_level) AS battery,
       array_agg(CASE WHEN last_seen_at IS NOT NULL THEN least(greatest(
           date_part('epoch', (SELECT kernel.now()) - last_seen_at), 0), 2e9)::int END) AS age_s,
       array_agg((is_connected::int * {CONNECTED}
           + CASE WHEN is_locked THEN {LOCKED} WHEN NOT is_locked THEN {OPEN} ELSE 0 END
           + CASE WHEN is_tipped THEN {TIPPED} ELSE 0 END)::int2) AS flags
FROM wanted
"""
_ALL = _LIVE.format(changed="", retired="$2::text IS NULL AND status <> 'retired'")
# age() counts from the newest transaction, so both ages have the same zero. Rows that were frozen
# long ago may count below zero.
_CHANGED = _LIVE.format(
    changed="AND age(xmin) BETWEEN 0 AND age($13::text::xid8::xid)", retired="$2::text IS NULL"
)


async def live_fleet(
    call: Call,
    vehicle_type: str | None = None,
    status: str | None = None,
    box: Box | None = None,
    since: str | None = None,
    group_id: UUID | None = None,
) -> LiveFleet:
    call.require("fleet.live.read")
    sides = (None,) * 4 if box is None else (box.south, box.north, box.west, box.east)
    wanted = (vehicle_type, status, *sides, group_id, *await part_of(call))
    if since is None:
        [row] = await db.run("fleet", call, _ALL, *wanted)
    else:
        if not (since.isdecimal() and since.isascii() and len(since) <= 18):
            raise Invalid(field="cursor", issue="is none that a snapshot has answered")
        [row] = await db.run("fleet", call, _CHANGED, *wanted, since)
        if not 0 <= row["newest"] - int(since) < OLDEST_CURSOR:
            raise CursorGone
    if len(row["id"] or ()) > _OFF_THE_LOOP:
        return await asyncio.to_thread(_in_columns, row)
    return _in_columns(row)


_COLUMNS = LiveFleet.__struct_fields__[3:]


def _in_columns(row: db.Row) -> LiveFleet:
    columns: dict[str, list[Any]] = {name: row[name] or [] for name in _COLUMNS}
    types = columns["type"]
    return LiveFleet(
        at=row["at"],
        cursor=row["cursor"],
        id=[_public_id(n, i) for n, i in zip(types, row["id"] or (), strict=True)],
        **columns,
    )


_PREFIXES = tuple(PREFIX.values())


@lru_cache(maxsize=100_000)
def _public_id(vehicle_type: int, vehicle_id: UUID) -> str:
    return ids.public(_PREFIXES[vehicle_type], vehicle_id)
