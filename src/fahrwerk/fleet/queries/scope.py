"""Where in the fleet a call may look and act: all of it, or the areas and groups of its grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.fleet.contract import OutOfReach, UnknownVehicle
from fahrwerk.tenancy.contract import markets

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Place, Vehicle
    from fahrwerk.kernel.call import Call
    from fahrwerk.tenancy.contract.markets import Places


class Reach(msgspec.Struct, frozen=True):
    """A part of the fleet: what stands in these boxes, and what is in these groups."""

    places: Places
    groups: list[UUID]

    def has(self, vehicle: Vehicle) -> bool:
        """True for a vehicle of this part."""
        return bool(set(self.groups) & set(vehicle.group_ids)) or self.places.have(
            vehicle.latitude, vehicle.longitude
        )

    def columns(self) -> tuple[Any, ...]:
        """The five arguments of ``within``."""
        boxes = self.places
        return boxes.south, boxes.west, boxes.north, boxes.east, self.groups


def within(first: int) -> str:
    """The condition for vehicles of a part of the fleet, whose arguments begin at ``$first``."""
    s, w, n, e, groups = (f"${first + i}" for i in range(5))
    return f"""(group_ids && {groups}::uuid[] OR EXISTS (
    SELECT FROM unnest({s}::float8[], {w}::float8[], {n}::float8[], {e}::float8[]) AS b (s, w, n, e)
    WHERE latitude BETWEEN b.s AND b.n AND longitude BETWEEN b.w AND b.e))"""


async def reach(call: Call) -> Reach | None:
    """The part of the fleet a call is limited to; None: it is not."""
    if call.scope is None:
        return None
    areas = [UUID(each[5:]) for each in call.scope if each.startswith("area:")]
    groups = [UUID(each[6:]) for each in call.scope if each.startswith("group:")]
    return Reach(await markets.places_of(call, areas), groups)


async def check_vehicle(call: Call, vehicle: Vehicle) -> None:
    """Raise ``UnknownVehicle`` for one beyond the caller's part: it looks like none at all."""
    part = await reach(call)
    if part is not None and not part.has(vehicle):
        raise UnknownVehicle


async def check_place(call: Call, place: Place) -> None:
    """Raise ``OutOfReach`` for a place beyond the caller's areas; groups are everywhere."""
    part = await reach(call)
    if part is None or part.groups:
        return
    if not part.places.have(place.latitude, place.longitude):
        raise OutOfReach
