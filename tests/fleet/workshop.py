"""What happens in the workshop and on a crew's tour: rides that end, events that tell of upkeep."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.rentals.events import RentalCancelled, RentalEnded

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def end_ride(
    world: World, vehicle_id: UUID, rental_id: UUID | None = None, **fields: Any
) -> UUID:
    """A ride of this vehicle is over, ten minutes and 2.5 km long; all news are heard."""
    rental_id = rental_id or ids.new()
    now = clock.now()
    values: dict[str, Any] = {
        "booking_id": rental_id, "user_id": ids.new(), "vehicle_id": vehicle_id,
        "payment_id": ids.new(), "started_at": now - timedelta(minutes=10), "ended_at": now,
        "duration_s": 600, "distance_m": 2_500, "total_minor": 400, "currency": "EUR",
        "promo_code": None, "is_business": False, "end_latitude": None, "end_longitude": None,
    }  # fmt: skip
    await _tell(world, rental_id, RentalEnded(**(values | fields)))
    return rental_id


async def cancel_ride(world: World, vehicle_id: UUID, rental_id: UUID, rider: UUID) -> None:
    """A booking came to nothing."""
    await _tell(world, rental_id, RentalCancelled(rental_id, rider, vehicle_id, ids.new(), "rider"))


async def _tell(world: World, rental_id: UUID, fact: Any) -> None:
    call = world.system("rentals")
    async with db.tx("rentals", call) as tx:
        await events.emit(tx, call, f"rental:{rental_id}", 1, fact)
    await world.settle()


_NEWS = "SELECT name, data, version FROM kernel.event WHERE stream = $1 ORDER BY version"


async def told(world: World, stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and data of a stream's events; its versions have no gaps (I6)."""
    rows = await db.run("fleet", world.system(), _NEWS, stream)
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["name"], row["data"]) for row in rows]
