"""Verbs for the tests of rentals: bring a booking or a ride to where a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.actions import command_acknowledged, intake
from fahrwerk.fleet.contract import Measured
from fahrwerk.kernel import clock, db, ids
from fahrwerk.rentals import contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental
    from tests.world import World


@contextlib.asynccontextmanager
async def alive(world: World) -> AsyncIterator[None]:
    """The house at work beside the block, as a worker process is beside an API process."""

    is_over = asyncio.Event()

    async def work() -> None:
        while not is_over.is_set():
            await world.settle()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), 0.02)

    working = asyncio.create_task(work())
    try:
        yield
    finally:
        is_over.set()
        await working


async def paying_rider(world: World, token: str = "tok_visa") -> Call:
    """A registered rider with a card."""
    rider = await world.rider()
    await world.card(rider, token)
    return rider


async def book(rider: Call, vehicle: Vehicle, **wishes: Any) -> Rental:
    """A booking: state pending."""
    return await contract.book(
        rider,
        str(vehicle.id),
        wishes.pop("planned_start_at", None),
        wishes.pop("minutes", 30),
        wishes.pop("promo_code", None),
        wishes.pop("is_business", False),
        wishes.pop("start", None),
    )


async def confirmed(rider: Call, vehicle: Vehicle, **wishes: Any) -> Rental:
    """A paid booking."""
    return await contract.confirm(rider, (await book(rider, vehicle, **wishes)).id, None)


async def riding(world: World, rider: Call, vehicle: Vehicle, **wishes: Any) -> Rental:
    """A ride under way."""
    rental = await confirmed(rider, vehicle, **wishes)
    async with alive(world):
        return await contract.unlock(rider, rental.id)


_COMMANDS = """
SELECT id, operation, state FROM fleet.command
WHERE tenant_id = kernel.tenant() AND rental_id = $1 ORDER BY queued_at, id
"""


async def commands(world: World, rental: Rental) -> list[db.Row]:
    """What its vehicle was told on behalf of a rental."""
    return await db.run("fleet", world.system("fleet"), _COMMANDS, rental.id)


async def vehicle_answers(
    world: World, rental: Rental, result: str = "done", reason: str | None = None
) -> None:
    """The device answers the last command of a rental, as the link would take it in."""
    last = (await commands(world, rental))[-1]
    await command_acknowledged(
        world.system("fleet"), rental.vehicle_id, last["id"], result, reason, clock.now()
    )


async def heard(
    world: World,
    vehicle: Vehicle,
    at: datetime,
    latitude: float,
    longitude: float,
    battery: int,
    odometer_m: int,
) -> None:
    """The vehicle has said where it is, though it has no device that could have."""
    reading = Measured(
        vehicle_id=vehicle.id,
        time=at,
        latitude=latitude,
        longitude=longitude,
        battery_level=battery,
        odometer_m=odometer_m,
    )
    with clock.moved_to(at):
        await intake.keep(world.system("fleet"), intake.measured([reading]))


_EVENTS = "SELECT name, version, data FROM kernel.event WHERE stream = $1 ORDER BY version"


async def told(world: World, rental_id: UUID) -> list[str]:
    """The names of a rental's events; fails when the stream has a gap (I6)."""
    rows = await db.run("rentals", world.system("rentals"), _EVENTS, f"rental:{rental_id}")
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["name"] for row in rows]


async def fact(world: World, rental_id: UUID, name: str) -> dict[str, Any]:
    """The data of one event of a rental."""
    rows = await db.run("rentals", world.system("rentals"), _EVENTS, f"rental:{rental_id}")
    data: dict[str, Any] = next(row["data"] for row in rows if row["name"] == name)
    return data


def keyed(call: Call, key: str = "key-1") -> Call:
    """The same caller with an ``Idempotency-Key``."""
    return msgspec.structs.replace(call, key=key)


def public(rental: Rental) -> str:
    """``rent_...``"""
    return ids.public("rent", rental.id)
