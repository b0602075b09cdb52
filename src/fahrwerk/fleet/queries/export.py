"""The fleet as rows of text, part by part: a file of any length needs the memory of one part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract.live import EXPORT_COLUMNS, Box, Exported
from fahrwerk.fleet.queries.scope import if_limited, part_of
from fahrwerk.kernel import db, ids

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_UTC = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_PART = f"""
SELECT identifier, model, brand, license_plate, qr_code, vehicle_type, category, external_id,
       latitude::text, longitude::text, id, status, battery_level::text, odometer_m::text,
       trips::text, {_UTC.format("last_seen_at")}, {_UTC.format("created_at")}
FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR identifier > $1)
  AND ($2::text IS NULL OR vehicle_type = $2) AND ($3::text IS NULL OR status = $3)
  AND ($4::float8 IS NULL OR latitude BETWEEN $4 AND $5 AND CASE
       WHEN $6::float8 <= $7::float8 THEN longitude BETWEEN $6 AND $7
       ELSE longitude >= $6 OR longitude <= $7 END)
  AND ($8::uuid IS NULL OR $8 = ANY(group_ids)) AND {if_limited(9)}
ORDER BY identifier LIMIT $14
"""
_ID, _TYPE = EXPORT_COLUMNS.index("id"), EXPORT_COLUMNS.index("vehicle_type")


async def exported(
    call: Call,
    vehicle_type: str | None,
    status: str | None,
    box: Box | None,
    after: str | None = None,
    limit: int = 2_000,
    group_id: UUID | None = None,
) -> Exported:
    call.require("fleet.live.read")
    sides = (None,) * 4 if box is None else (box.south, box.north, box.west, box.east)
    wanted = (after, vehicle_type, status, *sides, group_id, *await part_of(call))
    found = await db.run("fleet", call, _PART, *wanted, limit)
    rows = []
    for each in found:
        cells = list(each)
        cells[_ID] = ids.public(PREFIX[cells[_TYPE]], cells[_ID])
        rows.append([cell or "" for cell in cells])
    return Exported(rows, rows[-1][0] if len(rows) == limit else None)
