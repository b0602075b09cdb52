"""What a rental that is over leaves behind: a ride, what it took of the battery, and the due check.

All of it is part of the handler's transaction, in three short statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fahrwerk.fleet.actions.tickets import open_within
from fahrwerk.fleet.events import MaintenanceChecked
from fahrwerk.fleet.queries.maintenance import OF_SERVICE, standing_of
from fahrwerk.fleet.rules import battery
from fahrwerk.kernel import clock, events, geo

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx


class Booked(Protocol):
    """What is wanted of ``rental.cancelled``; only ``handlers`` knows the rooms above."""

    @property
    def booking_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID: ...
    @property
    def vehicle_id(self) -> UUID: ...


class Ridden(Booked, Protocol):
    """What is wanted of ``rental.ended``."""

    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...
    @property
    def distance_m(self) -> int: ...


# The reading from before the ride: while standing a vehicle may have kept silent for a while.
_BEGAN = """
SELECT v.cell, v.is_connected, v.temperature, v.full_range_km, v.history_m, v.history_pct,
       before.level AS level_before, after.level AS level_after, first.latitude, first.longitude
FROM fleet.vehicle v
LEFT JOIN LATERAL (
    SELECT battery_level AS level FROM fleet.telemetry
    WHERE vehicle_id = v.id AND time BETWEEN $2::timestamptz - interval '1 hour' AND $2
      AND battery_level IS NOT NULL ORDER BY time DESC LIMIT 1) before ON true
LEFT JOIN LATERAL (
    SELECT battery_level AS level FROM fleet.telemetry
    WHERE vehicle_id = v.id AND time > $2 AND time <= $3::timestamptz + interval '1 minute'
      AND battery_level IS NOT NULL ORDER BY time DESC LIMIT 1) after ON true
LEFT JOIN LATERAL (
    SELECT latitude, longitude FROM fleet.telemetry
    WHERE vehicle_id = v.id AND time BETWEEN $2::timestamptz - interval '5 minutes' AND $3
      AND latitude IS NOT NULL ORDER BY time LIMIT 1) first ON true
WHERE v.id = $1
"""
_NOTE = """
WITH noted AS (
    INSERT INTO fleet.ride (rental_id, vehicle_id, rider_id, was_ridden, started_at, ended_at,
                            distance_m, start_cell, used_pct)
    VALUES ($1, $2, $3, true, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING RETURNING vehicle_id
)
UPDATE fleet.vehicle v SET history_m = v.history_m * $9 + $10, history_pct = v.history_pct * $9 + $8
FROM noted WHERE v.id = noted.vehicle_id AND $10::float8 IS NOT NULL
"""


async def note_ride(tx: Tx, event: Ridden) -> None:
    """Keep the ride, and learn from it how far the vehicle goes. Before the vehicle is returned:
    one without a device still stands where its ride began."""
    row = await tx.one(_BEGAN, event.vehicle_id, event.started_at, event.ended_at)
    if row is None:
        return
    cell = None if row["is_connected"] else row["cell"]
    if row["latitude"] is not None:
        cell = geo.cell(row["latitude"], row["longitude"])
    used = None
    if row["level_before"] is not None and row["level_after"] is not None:
        used = row["level_before"] - row["level_after"]
    if used is not None and used < 0:
        used = None  # charged or swapped meanwhile
    learned_m = None
    if used is not None and event.distance_m >= battery.SHORTEST_RIDE_M:
        learned_m = event.distance_m / battery.warmth(row["temperature"])
    await tx.run(
        _NOTE, event.booking_id, event.vehicle_id, event.user_id, event.started_at, event.ended_at,
        min(max(event.distance_m, 0), 2**31 - 1), cell, used, battery.FADE, learned_m,
    )  # fmt: skip


_NOTE_CANCELLED = """
INSERT INTO fleet.ride (rental_id, vehicle_id, rider_id, was_ridden, ended_at)
SELECT $1, id, $3, false, $4 FROM fleet.vehicle WHERE id = $2 ON CONFLICT DO NOTHING
"""


async def note_cancelled(tx: Tx, event: Booked, at: datetime) -> None:
    """Who gave a vehicle back because it was broken may say so."""
    await tx.run(_NOTE_CANCELLED, event.booking_id, event.vehicle_id, event.user_id, at)


_STANDING = f"""
SELECT {OF_SERVICE}, (SELECT t.id FROM fleet.ticket t WHERE t.vehicle_id = v.id
                      AND t.kind = 'service' AND t.closed_at IS NULL) AS ticket_id
FROM fleet.vehicle v WHERE v.id = $1
"""


async def check_service(tx: Tx, call: Call, event: Ridden) -> None:
    """After each ride: is service due (FLT-35)? Tells what it found, and opens a ticket."""
    row = await tx.one(_STANDING, event.vehicle_id)
    if row is None:
        return
    standing = standing_of(row, clock.now())
    ticket_id = row["ticket_id"]
    if standing.due and ticket_id is None:
        ticket_id = await open_within(
            tx, call, event.vehicle_id, "service", "normal", "due", due_text(standing.due)
        )
    news = MaintenanceChecked(
        event.vehicle_id, event.booking_id, standing.due, standing.next_service_at, ticket_id
    )
    await events.emit(tx, call, f"upkeep:{event.booking_id}", 1, news)


def due_text(due: list[str]) -> str:
    """What a ticket for service says."""
    return f"Service is due by {' and '.join(due)}."
