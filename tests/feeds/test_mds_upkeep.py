"""Cities that are reported to no more, and for how long it is kept what they were told."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from fahrwerk.feeds import contract as feeds
from fahrwerk.feeds import jobs
from fahrwerk.feeds.actions import forget
from fahrwerk.feeds.contract import agencies, policies
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.feeds.mds_reading import JSON, City, city
from tests.feeds.reading import public
from tests.feeds.test_mds import geographies, ridden, told
from tests.feeds.test_mds_policies import SLOW, document, policy

if TYPE_CHECKING:
    from tests.world import World


async def _change(berlin: City, **change: object) -> agencies.Agency:
    wanted = agencies.AgencyChange(**change)  # type: ignore[arg-type]
    return await agencies.change_agency(berlin.world.admin(), berlin.id, wanted)


async def _enforced(world: World) -> int:
    found = await zones.zones_in_force(world.system())
    return sum(zone.source == "policy" for zone in found.zones)


async def _with_policies(world: World) -> City:
    berlin = await city(world, is_published=True)
    areas = msgspec.json.encode(geographies())
    for kind, body in (("geographies", areas), ("policies", document(policy(SLOW)))):
        await policies.put_document(world.admin(), berlin.id, kind, body)
    assert await _enforced(world) > 0
    return berlin


async def test_a_city_that_is_paused_learns_nothing_and_then_all(world: World) -> None:
    """Its token ends at once, also in the middle; what happened meanwhile is told later."""
    berlin = await _with_policies(world)
    vehicle = await world.vehicle()
    await world.settle()
    before = len(await berlin.events())
    assert before > 0
    assert not (await _change(berlin, is_enabled=False)).is_enabled
    assert (await berlin.ask("vehicles")).status_code == 401
    async with public() as client:
        path = f"/mds/{world.operator.slug}/agencies/berlin/policies"
        assert (await client.get(path, headers={"Accept": JSON})).status_code == 404
    assert await _enforced(world) == 0, "its rules do not hold any more"
    await jobs.enforce_policies()
    assert await _enforced(world) == 0
    away = fleet.VehicleChange(status="retired")
    await fleet.change_vehicle(world.admin(), vehicle.id, away)
    await world.settle()
    assert len(await berlin.events()) == before
    await _change(berlin, is_enabled=True)
    await world.settle()
    assert told(await berlin.events(), vehicle)[-1] == (("decommissioned",), "removed")
    assert (await berlin.ask("vehicles")).status_code == 200
    assert await _enforced(world) > 0
    await jobs.check_whole(world.operator)
    [checked] = await feeds.mds_checks(world.system(), world.operator.slug)
    assert checked.differences == 0


async def test_a_city_is_deleted(world: World) -> None:
    """Nothing opens and nothing holds from this moment; its rows go, its name is free again."""
    berlin = await _with_policies(world)
    paris = await city(world, "paris")
    await ridden(world, await world.vehicle(), (52.523, 13.41))
    with pytest.raises(Forbidden):
        await agencies.delete_agency(world.call("support"), berlin.id)
    async with world.client(world.call("provider")) as staff:
        path = f"/api/v1/feeds/agencies/agc_{'0' * 22}"
        assert (await staff.delete(path)).status_code == 404
        shown = (await staff.get("/api/v1/feeds/agencies")).json()["agencies"]
        mine = next(each["id"] for each in shown if each["slug"] == "berlin")
        assert (await staff.delete(f"/api/v1/feeds/agencies/{mine}")).status_code == 204
        assert (await staff.get(f"/api/v1/feeds/agencies/{mine}")).status_code == 404
        assert len((await staff.get("/api/v1/feeds/agencies")).json()["agencies"]) == 1
    assert (await berlin.ask("vehicles")).status_code == 401
    assert await _enforced(world) == 0
    with pytest.raises(agencies.UnknownAgency):
        await agencies.issue_token(world.admin(), berlin.id, "Late")
    again = await city(world)
    await world.settle()
    while await forget.forget_deleted():
        pass
    assert await berlin.events() == []
    rows = await db.run("feeds", world.system("feeds"), "SELECT slug FROM feeds.agency")
    assert sorted(row["slug"] for row in rows) == ["berlin", "paris"]
    assert len(await again.events()) == len(await paris.events()) > 0


async def test_what_is_too_old_is_told_to_nobody_and_removed(world: World) -> None:
    """The last event of a vehicle stays: how it stands with it is known by that."""
    berlin = await city(world)
    vehicle = await world.vehicle()
    await ridden(world, vehicle, (52.523, 13.41))
    ended = clock.now()
    hour = ended.astimezone(UTC).strftime("%Y-%m-%dT%H")
    with pytest.raises(Invalid):
        await feeds.change_setting(world.admin(), feeds.SettingChange(mds_days=7))
    await feeds.change_setting(world.admin(), feeds.SettingChange(mds_days=60))
    call = world.system("feeds")
    with clock.moved_to(ended + timedelta(days=59)):
        assert await forget.forget_old(call) == 0
        answer = await berlin.ask(f"telemetry?telemetry_time={hour}")
        assert len(answer.json()["telemetry"]) == 4
    with clock.moved_to(ended + timedelta(days=61)):
        for path in (f"trips?end_time={hour}", f"events/historical?event_time={hour}",
                     f"telemetry?telemetry_time={hour}"):  # fmt: skip
            assert (await berlin.ask(path)).status_code == 404, path
        assert await forget.forget_old(call) > 0
        assert await forget.forget_old(call) == 0
        [last] = await berlin.events()
        assert last["types"] == ["trip_end"]
        [shown] = (await berlin.read("vehicles/status", "vehicles_status"))["vehicles_status"]
        assert shown["last_event"]["event_types"] == ["trip_end"]
    left = await db.run("feeds", call, "SELECT count(*) AS n FROM feeds.trip")
    assert left[0]["n"] == 0
