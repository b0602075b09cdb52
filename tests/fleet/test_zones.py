"""Zones through the contract: drawn, changed, found again, and what they say (FLT-28..30)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet.contract import zones as contract
from fahrwerk.fleet.contract.zones import Fix, PolicyZone, Zone, ZoneRules
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from tests.world import World

LAT, LON = 52.52, 13.405


def square(
    size: float = 0.01, lon: float = LON, lat: float = LAT
) -> list[list[list[tuple[float, float]]]]:
    """A square around a place, ``size`` degrees to each side."""
    w, e, s, n = lon - size, lon + size, lat - size, lat + size
    return [[[(w, s), (e, s), (e, n), (w, n), (w, s)]]]


async def drawn(world: World, kind: Any, polygons: Any = None, **rules: Any) -> Zone:
    """A zone of this operator."""
    given = ZoneRules(name=rules.pop("name", kind), kind=kind, **rules)
    return await contract.create_zone(world.admin(), given, polygons or square(), ids.new())


async def check(world: World, lat: float = LAT, lon: float = LON, **wish: Any) -> Any:
    fix = Fix(latitude=lat, longitude=lon, accuracy_m=wish.pop("accuracy_m", 5.0))
    return await contract.check_zones(
        world.admin(), wish.pop("vehicle_type", "scooter"), [fix], wish.pop("at", None)
    )


async def test_a_zone_is_drawn_and_decides_at_once(world: World) -> None:
    """FLT-28: what has been written is in force for the very next question."""
    before = await check(world)
    assert (before.decision, before.zones, before.parking.is_allowed) == ("inside", [], True)
    await drawn(world, "operating_area")
    assert (await check(world)).decision == "inside"
    outside = await check(world, LAT + 0.02)
    assert (outside.decision, outside.parking.is_allowed) == ("outside", False)
    assert outside.parking.reason == "outside_operating_area"
    edge = await check(world, LAT + 0.01, accuracy_m=20)
    assert (edge.decision, edge.parking.is_allowed, edge.parking.certainty) == (
        "unsure", True, "unsure",
    )  # fmt: skip


async def test_every_change_keeps_a_version_and_who_made_it(world: World) -> None:
    """Versions, optimistic replacement, deletion, restoring; the event stream has no gap (I6)."""
    zone = await drawn(world, "no_parking", name="Park")
    admin = world.admin()
    wider = square(0.02)
    second = await contract.replace_zone(admin, zone.id, 1, zone.rules, wider)
    assert (second.version, second.change, second.changed_by) == (2, "replaced", admin.actor)
    with pytest.raises(contract.ZoneOutdated) as outdated:
        await contract.replace_zone(admin, zone.id, 1, zone.rules, square())
    assert outdated.value.details == {"version": 2}
    same = await contract.replace_zone(admin, zone.id, 2, zone.rules, wider)
    assert same.version == 2
    gone = await contract.delete_zone(admin, zone.id, 2)
    assert gone.is_deleted
    assert (await contract.delete_zone(admin, zone.id, None)).version == 3
    assert (await check(world)).zones == []
    with pytest.raises(contract.UnknownZone):
        await contract.replace_zone(admin, zone.id, 3, zone.rules, wider)
    back = await contract.restore_zone(admin, zone.id, 1)
    assert (back.version, back.change, back.polygons) == (4, "restored", zone.polygons)
    history = await contract.zone_history(admin, zone.id, 10, 0)
    assert [each.change for each in history.zones] == ["restored", "deleted", "replaced", "created"]
    assert history.total == 4
    rows = await db.run(
        "fleet", world.system("fleet"),
        "SELECT version, name FROM kernel.event WHERE stream = $1 ORDER BY version",
        f"zone:{zone.id}",
    )  # fmt: skip
    assert [row["version"] for row in rows] == [1, 2, 3, 4]


async def test_the_same_id_draws_one_zone(world: World) -> None:
    """A repeated creation answers what is there."""
    zone_id = ids.new()
    rules = ZoneRules(name="A", kind="parking")
    first = await contract.create_zone(world.admin(), rules, square(), zone_id)
    assert await contract.create_zone(world.admin(), rules, square(0.5), zone_id) == first


async def test_zones_are_found_by_what_they_are(world: World) -> None:
    """The list filters and pages; zones for all types are found for each."""
    await drawn(world, "slow", name="Slow one", speed_limit_kmh=6, vehicle_types=["ebike"])
    for n in range(3):
        await drawn(world, "parking", name=f"Rack {n}")
    admin = world.admin()

    async def names(*wish: Any) -> list[str]:
        page = await contract.zone_page(admin, *wish)
        return [zone.rules.name for zone in page.zones]

    assert await names("slow", None, None, None, False, 10, 0) == ["Slow one"]
    racks = ["Rack 0", "Rack 1", "Rack 2"]
    assert await names(None, "scooter", None, None, False, 10, 0) == racks
    assert await names(None, "ebike", None, "SLOW", False, 10, 0) == ["Slow one"]
    assert await names(None, None, None, None, False, 2, 2) == ["Rack 2", "Slow one"]
    beyond = await contract.zone_page(admin, None, None, "own", None, False, 10, 40)
    assert (beyond.zones, beyond.total) == ([], 4)


async def test_riders_see_what_concerns_them(world: World) -> None:
    """Riders read zones, but neither change them nor see deployment zones or the past."""
    zone = await drawn(world, "deployment")
    rider = world.call("customer")
    with pytest.raises(contract.UnknownZone):
        await contract.zone(rider, zone.id)
    assert (await contract.zones_in_force(rider)).zones == []
    assert len((await contract.zones_in_force(world.admin())).zones) == 1
    with pytest.raises(Forbidden):
        await contract.zone_history(rider, zone.id, 10, 0)
    with pytest.raises(Forbidden):
        await contract.create_zone(rider, zone.rules, square(), ids.new())


async def test_another_operators_zones_are_not_there(world: World) -> None:
    """I7: not to be read, and not in its decisions."""
    from tests.world import make_world

    zone = await drawn(world, "no_go")
    other = await make_world()
    with pytest.raises(contract.UnknownZone):
        await contract.zone(other.admin(), zone.id)
    assert (await check(other)).zones == []


async def test_a_citys_policy_is_taken_in_again_and_again(world: World) -> None:
    """The same policy makes no version; what it no longer has is deleted; nobody edits it."""
    call, rules = world.system("feeds"), ZoneRules(name="Slow", kind="slow", speed_limit_kmh=10)
    zones = [PolicyZone(external_id=n, rules=rules, polygons=square()) for n in ("a", "b")]
    first = await contract.put_policy_zones(call, "berlin", zones)
    assert (first.created, first.unchanged) == (2, 0)
    stamp = (await contract.zones_in_force(call)).stamp
    again = await contract.put_policy_zones(call, "berlin", zones)
    assert (again.created, again.unchanged, again.deleted) == (0, 2, 0)
    assert (await contract.zones_in_force(call)).stamp == stamp
    less = await contract.put_policy_zones(call, "berlin", zones[:1])
    assert (less.deleted, less.unchanged) == (1, 1)
    [left] = (await contract.zones_in_force(call)).zones
    assert (left.external_id, left.source) == ("a", "policy")
    with pytest.raises(contract.PolicyOwned):
        await contract.delete_zone(world.admin(), left.id, None)
    back = await contract.put_policy_zones(call, "berlin", zones)
    assert (back.replaced, back.unchanged) == (1, 1)
    other = await contract.put_policy_zones(call, "hamburg", [])
    assert other.deleted == 0


async def test_a_bad_policy_changes_nothing(world: World) -> None:
    """One flaw, and all of it is refused, with its place."""
    rules = ZoneRules(name="Slow", kind="slow", speed_limit_kmh=10)
    bad = [[[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]]]
    zones = [
        PolicyZone(external_id="a", rules=rules, polygons=square()),
        PolicyZone(external_id="b", rules=rules, polygons=bad),
    ]
    with pytest.raises(Invalid) as wrong:
        await contract.put_policy_zones(world.system("feeds"), "berlin", zones)
    assert str(wrong.value.details["field"]).startswith("zones[1].polygons[0][0]")
    assert (await contract.zones_in_force(world.admin())).zones == []
