"""Where in the fleet a call may look and act: all of it, or the areas and groups of its grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.fleet.contract import OutOfReach, UnknownVehicle
from fahrwerk.kernel import db
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


def within(first: int, of: str = "") -> str:
    """The condition for vehicles of a part of the fleet, whose arguments begin at ``$first``.

    ``of``: what the table is called, with its dot.
    """
    s, w, n, e, groups = (f"${first + i}" for i in range(5))
    return f"""({of}group_ids && {groups}::uuid[] OR EXISTS (
    SELECT FROM unnest({s}::float8[], {w}::float8[], {n}::float8[], {e}::float8[]) AS b (s, w, n, e)
    WHERE {of}latitude BETWEEN b.s AND b.n AND {of}longitude BETWEEN b.w AND b.e))"""


def if_limited(first: int, of: str = "") -> str:
    """The same for calls that may not be limited: with the arguments of :func:`part_of`."""
    return f"(${first}::float8[] IS NULL OR {within(first, of)})"


def about(first: int, vehicle: str) -> str:
    """:func:`if_limited` for what is about a vehicle whose id stands in the column ``vehicle``."""
    return f"""(${first}::float8[] IS NULL OR EXISTS (
    SELECT FROM fleet.vehicle w WHERE w.tenant_id = kernel.tenant() AND w.id = {vehicle}
      AND {within(first, "w.")}))"""


async def part_of(call: Call) -> tuple[Any, ...]:
    """The five arguments of :func:`if_limited` and :func:`about`; nothing but None: no limit."""
    part = await reach(call)
    return (None,) * 5 if part is None else part.columns()


async def reach(call: Call) -> Reach | None:
    """The part of the fleet a call is limited to; None: it is not."""
    if call.scope is None:
        return None
    areas = [UUID(each[5:]) for each in call.scope if each.startswith("area:")]
    groups = [UUID(each[6:]) for each in call.scope if each.startswith("group:")]
    return Reach(await markets.places_of(call, areas), groups)


_IS_IN = f"SELECT id FROM fleet.vehicle WHERE id = $1 AND {within(2)}"


async def check_reach(call: Call, vehicle_id: UUID) -> None:
    """Raise ``UnknownVehicle`` for one beyond the caller's part, of which only the id is known."""
    part = await reach(call)
    if part is not None and not await db.run("fleet", call, _IS_IN, vehicle_id, *part.columns()):
        raise UnknownVehicle


async def check_vehicle(call: Call, vehicle: Vehicle) -> None:
    """Raise ``UnknownVehicle`` for one beyond the caller's part: it looks like none at all."""
    part = await reach(call)
    if part is not None and not part.has(vehicle):
        raise UnknownVehicle


def check_shape(part: Reach | None, polygons: list[Any]) -> None:
    """Raise ``OutOfReach`` for a zone that is not wholly within one of the caller's areas.

    A zone concerns whoever rides there, so a grant for a group of vehicles reaches none.
    """
    if part is None:
        return
    boxes = part.places
    sides = zip(boxes.south, boxes.west, boxes.north, boxes.east, strict=True)
    corners = [corner for polygon in polygons for ring in polygon for corner in ring]
    if not any(
        all(s <= lat <= n and w <= lon <= e for lon, lat in corners) for s, w, n, e in sides
    ):
        raise OutOfReach


async def check_place(call: Call, place: Place) -> None:
    """Raise ``OutOfReach`` for a place beyond the caller's areas; groups are everywhere."""
    part = await reach(call)
    if part is None or part.groups:
        return
    if not part.places.have(place.latitude, place.longitude):
        raise OutOfReach
