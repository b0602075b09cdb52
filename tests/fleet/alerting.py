"""A fleet that is looked at when a test says so, at the time it says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.actions import alert_looks
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import clock, db
from tests.fleet.street import connected_vehicle, report

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract.alerts import Alert
    from tests.world import World

DEFAULTS = {each.name: each for each in rules.DEFAULTS}
NORTH_M = 1 / 111_195
"""Degrees of latitude a metre has."""


class Time:
    """A clock that goes on only when told, a little ahead of the real one that sets things up."""

    def __init__(self) -> None:
        self.at = clock.now() + timedelta(seconds=60)

    async def look(self, world: World, seconds: float = 5) -> None:
        """So many seconds later the fleet is looked at, until nothing is left to do."""
        self.at += timedelta(seconds=seconds)
        with clock.moved_to(self.at):
            while await alert_looks.look(world.system("fleet")):
                pass

    async def report(self, vehicle_id: UUID, **measured: Any) -> None:
        """The vehicle reports now."""
        with clock.moved_to(self.at):
            await report(vehicle_id, **measured)


async def only(world: World, *names: str, **changes: Any) -> None:
    """These of the default rules, changed, and no others."""
    wanted = [msgspec.structs.replace(DEFAULTS[name], **changes) for name in names]
    await contract.set_alert_rules(world.admin(), wanted, None)


async def alerts(world: World, state: str | None = None) -> list[Alert]:
    """Newest first."""
    page = await contract.alert_page(world.admin(), state, None, None, None, None, 100, 0)
    return page.alerts


async def timeline(world: World, alert: Alert) -> list[str]:
    """What happened, in order."""
    details = await contract.alert_details(world.admin(), alert.id)
    return [each.what for each in details.timeline]


NEWS = "SELECT version, name, data FROM kernel.event WHERE stream = $1 ORDER BY version"


async def news(world: World, alert: Alert) -> list[str]:
    """Names of the alert's events; its stream has no gaps (I6)."""
    rows = await db.run("fleet", world.system(), NEWS, f"alert:{alert.id}")
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    [now] = [each for each in await alerts(world) if each.id == alert.id]
    assert now.version == len(rows)
    return [row["name"] for row in rows]


async def low(world: World, time: Time, **changes: Any) -> Alert:
    """A vehicle whose battery is low, and its alert."""
    await only(world, "battery_low", hold_s=0, readings=1, **changes)
    vehicle = await connected_vehicle(world, battery_level=50)
    await time.report(vehicle.id, battery_level=5)
    await time.look(world)
    [alert] = await alerts(world, "open")
    assert alert.vehicle_id == vehicle.id
    return alert
