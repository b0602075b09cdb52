"""What a vehicle measured and what happened to it, for charts and for the story of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.contract import UnknownVehicle
from fahrwerk.fleet.contract.live import Happening, History, Reading, Story
from fahrwerk.fleet.rules import history as rules
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_IS_THERE = "SELECT 1 FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND id = $1"


async def _check_there(call: Call, vehicle_id: UUID) -> None:
    if not await db.run("fleet", call, _IS_THERE, vehicle_id):
        raise UnknownVehicle


# The last place of a step: what a step began with is the end of the one before.
_HISTORY = """
SELECT date_bin(make_interval(secs => $4), time, $2) AS at, count(*)::int,
       round(avg(battery_level), 1)::float8,
       round(avg(speed_kmh)::numeric, 1)::float8, round(max(speed_kmh)::numeric, 1)::float8,
       round(avg(temperature)::numeric, 1)::float8, round(avg(signal_strength), 0)::float8,
       max(odometer_m),
       (array_agg(latitude ORDER BY time DESC) FILTER (WHERE latitude IS NOT NULL))[1],
       (array_agg(longitude ORDER BY time DESC) FILTER (WHERE latitude IS NOT NULL))[1]
FROM fleet.telemetry
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND time >= $2 AND time < $3
GROUP BY at ORDER BY at
"""


async def history(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, step_s: int | None = None
) -> History:
    call.require("fleet.live.read")
    step = rules.step_of(since, until, step_s)
    rows = await db.run("fleet", call, _HISTORY, vehicle_id, since, until, float(step))
    if not rows:
        await _check_there(call, vehicle_id)
    return History(step, db.shaped(Reading, rows))


_STORY = """
WITH all_of_it AS (
    SELECT at, 'event' AS kind, name, actor,
           CASE WHEN coalesce(data ->> 'booking_id', data ->> 'rental_id') ~ '^[0-9a-f-]{36}$'
                THEN coalesce(data ->> 'booking_id', data ->> 'rental_id')::uuid END AS rental_id,
           version, data
    FROM kernel.event
    WHERE tenant_id = kernel.tenant() AND stream = 'vehicle:' || $1::uuid
      AND at >= $2 AND at < $3
    UNION ALL
    SELECT queued_at, 'command', operation,
           CASE WHEN user_id IS NULL THEN 'room:fleet' ELSE user_id::text END, rental_id, NULL,
           jsonb_build_object('command_id', id, 'state', state, 'reason', reason,
               'sent_at', sent_at, 'acknowledged_at', acknowledged_at,
               'verified_at', verified_at, 'args', args)
    FROM fleet.command
    WHERE tenant_id = kernel.tenant() AND vehicle_id = $1::uuid
      AND queued_at >= $2 AND queued_at < $3
)
SELECT *, count(*) OVER () AS total FROM all_of_it
ORDER BY at DESC, version DESC NULLS LAST LIMIT $4 OFFSET $5
"""


async def story(
    call: Call, vehicle_id: UUID, since: datetime, until: datetime, limit: int, offset: int
) -> Story:
    call.require("fleet.live.read")
    rules.check_span(since, until)
    rows = await db.run("fleet", call, _STORY, vehicle_id, since, until, limit, offset)
    if not rows:
        await _check_there(call, vehicle_id)
        if offset:
            first = await db.run("fleet", call, _STORY, vehicle_id, since, until, 1, 0)
            return Story([], first[0]["total"] if first else 0)
    happenings = [Happening(*list(row)[:-1]) for row in rows]
    return Story(happenings, rows[0]["total"] if rows else 0)
