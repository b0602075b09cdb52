"""Many vehicles at once, for what cities are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract.reporting import Measurement, Reported, Was
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.contract.reporting import Moment
    from fahrwerk.kernel.call import Call

MOST = 1_000


def _check(many: Sequence[object], field: str) -> None:
    if len(many) > MOST:
        raise Invalid(field=field, issue=f"must be at most {MOST}")


_REPORTED = """
SELECT id, vehicle_type, identifier, brand, model, license_plate, metadata, status, latitude,
       longitude, accuracy_m, speed_kmh, battery_level, is_tipped, measured_at
FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND id = ANY($1)
"""


async def reported(call: Call, vehicle_ids: list[UUID]) -> list[Reported]:
    _check(vehicle_ids, "vehicle_ids")
    rows = await db.run("fleet", call, _REPORTED, vehicle_ids)
    return [Reported(**row) for row in rows]


_WHEREABOUTS = """
SELECT was.latitude, was.longitude, was.battery_level, was.time
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS asked (vehicle_id, at, n)
LEFT JOIN LATERAL (
    SELECT latitude, longitude, battery_level, time FROM fleet.telemetry t
    WHERE t.tenant_id = kernel.tenant() AND t.vehicle_id = asked.vehicle_id
      AND t.time <= asked.at AND t.time >= asked.at - make_interval(secs => $3)
      AND t.latitude IS NOT NULL
    ORDER BY t.time DESC LIMIT 1
) was ON true
ORDER BY asked.n
"""


async def whereabouts(call: Call, moments: list[Moment], within_s: int = 600) -> list[Was | None]:
    _check(moments, "moments")
    rows = await db.run(
        "fleet", call, _WHEREABOUTS,
        [each.vehicle_id for each in moments], [each.at for each in moments], float(within_s),
    )  # fmt: skip
    return [Was(*row) if row["time"] is not None else None for row in rows]


_MEASUREMENTS = """
SELECT read.vehicle_id, read.time, read.latitude, read.longitude, read.speed_kmh,
       read.battery_level, read.is_tipped
FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) wanted
CROSS JOIN LATERAL (
    SELECT t.vehicle_id, t.time, t.latitude, t.longitude, t.speed_kmh::float8 AS speed_kmh,
           t.battery_level, t.is_tipped
    FROM fleet.telemetry t
    WHERE t.tenant_id = kernel.tenant() AND t.vehicle_id = wanted.id
      AND t.time >= $2 AND t.time < $3 AND t.latitude IS NOT NULL
    ORDER BY t.time LIMIT $4
) read
ORDER BY read.vehicle_id, read.time LIMIT $4
"""


async def measurements(
    call: Call, vehicle_ids: list[UUID], since: datetime, until: datetime, most: int = 20_000
) -> list[Measurement]:
    _check(vehicle_ids, "vehicle_ids")
    args = (vehicle_ids, since, until, most)
    return db.shaped(Measurement, await db.run("fleet", call, _MEASUREMENTS, *args))
