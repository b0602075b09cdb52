"""What happens in the street: vehicles that are paired, answer and report, without a broker."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.fleet import actions
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import Measured
from fahrwerk.kernel import clock, db, ids

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract import Command, Held, Vehicle
    from tests.world import World

BERLIN = (52.52, 13.405)
_imeis = itertools.count(860_000_000_000_000)


def new_imei() -> str:
    """Of a device that nobody has paired yet."""
    return str(next(_imeis))


async def connected_vehicle(world: World, **fields: Any) -> Vehicle:
    """A paired vehicle that has just reported where it stands, locked."""
    vehicle = await world.vehicle(connected=True, **fields)
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "HS256")
    await report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1], is_locked=True)
    return await fleet.vehicle(world.system(), vehicle.id)


async def report(vehicle_id: UUID, *, seconds_ago: float = 0, **measured: Any) -> actions.Recorded:
    """One reading comes in."""
    at = clock.now() - timedelta(seconds=seconds_ago)
    return await actions.record_readings([Measured(vehicle_id=vehicle_id, time=at, **measured)])


async def hold(world: World, vehicle: Vehicle, seconds: int = 300) -> Held:
    """Some rider's rental holds the vehicle."""
    return await fleet.hold_vehicle(world.system(), str(vehicle.id), ids.new(), ids.new(), seconds)


async def unlock(world: World, held: Held, command_id: UUID | None = None) -> Command:
    """The rental that holds the vehicle asks for it to be unlocked."""
    return await fleet.send_command(
        world.system(), held.vehicle.id, "unlock", held.holder, command_id or ids.new()
    )


async def answer(world: World, command: Command, result: str = "done", **how: Any) -> None:
    """The vehicle acknowledges, as the link hands it on."""
    await actions.command_acknowledged(
        world.system(), command.vehicle_id, command.id, result, how.get("reason"), clock.now()
    )


async def row(world: World, vehicle_id: UUID) -> db.Row:
    """The vehicle's row, with what no contract shows."""
    found = await db.one(
        "fleet", world.system(), "SELECT * FROM fleet.vehicle WHERE id = $1", vehicle_id
    )
    assert found is not None
    return found


_NEWS = """
SELECT version, name, data FROM kernel.event WHERE stream = 'vehicle:' || $1::text ORDER BY version
"""


async def news(world: World, vehicle_id: UUID) -> list[str]:
    """Names of the vehicle's events in order; the stream has no gaps and ends with its row (I6)."""
    rows = await db.run("fleet", world.system(), _NEWS, str(vehicle_id))
    assert [r["version"] for r in rows] == list(range(1, len(rows) + 1))
    assert (await row(world, vehicle_id))["version"] == len(rows)
    return [r["name"] for r in rows]


async def last_news(world: World, vehicle_id: UUID) -> dict[str, Any]:
    """The data of the vehicle's newest event."""
    rows = await db.run("fleet", world.system(), _NEWS, str(vehicle_id))
    data: dict[str, Any] = rows[-1]["data"]
    return data
