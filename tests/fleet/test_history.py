"""What a vehicle measured, what happened to it, where it was (FLT-05, FLT-17, WEB-08)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import actions
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import Measured, live
from fahrwerk.fleet.rules import history as rules
from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import answer, connected_vehicle, hold, unlock
from tests.world import World, make_world


async def _day(world: World, minutes: int = 60) -> tuple[fleet.Vehicle, datetime]:
    """A vehicle that reported every ten seconds, an hour ago: level falls, it drives east."""
    vehicle = await world.vehicle(connected=True)
    await fleet.pair_vehicles(world.admin(), [vehicle.id], "HS256")
    start = (clock.now() - timedelta(minutes=minutes + 5)).replace(second=0, microsecond=0)
    await actions.record_readings(
        [
            Measured(
                vehicle_id=vehicle.id, time=start + timedelta(seconds=10 * n),
                latitude=52.52, longitude=13.405 + n * 0.0001, battery_level=100 - n // 6,
                speed_kmh=float(n % 6), temperature=20.5, signal_strength=-70, odometer_m=n * 7,
            )
            for n in range(minutes * 6)
        ]
    )  # fmt: skip
    return vehicle, start


def _query(since: datetime, until: datetime, **more: Any) -> dict[str, str]:
    return {"from": since.isoformat(), "to": until.isoformat(), **more}


async def test_history_is_thinned_in_even_steps(world: World) -> None:
    vehicle, start = await _day(world)
    end = start + timedelta(hours=1)
    found = await live.history(world.call("support"), vehicle.id, start, end, 600)
    assert (found.step_s, len(found.readings)) == (600, 6)
    first = found.readings[0]
    assert first.at == start
    assert (first.readings, first.battery_pct, first.speed_kmh) == (60, 95.5, 2.5)
    assert (first.top_speed_kmh, first.temperature_c, first.signal_dbm) == (5.0, 20.5, -70)
    assert (first.odometer_m, first.latitude) == (59 * 7, 52.52)
    assert first.longitude == pytest.approx(13.405 + 59 * 0.0001)  # the last of the step
    fine = await live.history(world.admin(), vehicle.id, start, end)
    assert (fine.step_s, len(fine.readings)) == (2, 360)


async def test_over_http(world: World) -> None:
    vehicle, start = await _day(world, 20)
    end = start + timedelta(minutes=20)
    path = f"/api/v1/vehicles/{vehicle.identifier}"
    async with world.client(world.call("provider")) as client:
        found = (await client.get(f"{path}/history", params=_query(start, end, step="60"))).json()
        assert (found["step_s"], len(found["at"])) == (60, 20)
        assert found["at"][0] == clock.stamp(start)
        assert all(len(found[n]) == 20 for n in ("battery_pct", "speed_kmh", "latitude"))
        track = (await client.get(f"{path}/track", params=_query(start, end, points="10"))).json()
        assert len(track["at"]) == len(track["latitude"]) == 10
        assert (track["latitude"][0], track["longitude"][0]) == (52.52, 13.405)
        assert track["distance_m"] == 119 * 7
        assert track["battery_used_pct"] == 19
        wrong = [
            _query(end, start),
            _query(start - timedelta(days=32), end),
            _query(start, end, step="0"),
            {"from": "2024-01-01T00:00:00", "to": "2024-01-02T00:00:00Z"},
            {"from": "x", "to": "y"},
            {"from": "9999-12-31T23:59:59Z", "to": "9999-12-31T23:59:59Z"},
        ]
        for each in wrong:
            for what in ("history", "timeline", "track"):
                if each.get("step") and what != "history":
                    continue
                answered = await client.get(f"{path}/{what}", params=each)
                assert answered.status_code == 400, (what, each, answered.text)
        long = _query(start - timedelta(hours=25), end)
        assert (await client.get(f"{path}/track", params=long)).status_code == 400
        assert (await client.get(f"{path}/history", params=long)).status_code == 200
        nobody = f"/api/v1/vehicles/{ids.public('sco', ids.new())}/history"
        assert (await client.get(nobody, params=_query(start, end))).status_code == 404
    async with world.client(await world.rider()) as client:
        for what in ("history", "timeline", "track"):
            answered = await client.get(f"{path}/{what}", params=_query(start, end))
            assert answered.status_code == 403  # where others have been is nothing for riders


async def test_other_operators_vehicles_are_not_there(world: World) -> None:
    """I7"""
    vehicle, start = await _day(world, 1)
    other = (await make_world()).admin()
    end = start + timedelta(hours=1)
    with pytest.raises(fleet.UnknownVehicle):
        await live.history(other, vehicle.id, start, end)
    with pytest.raises(fleet.UnknownVehicle):
        await live.story(other, vehicle.id, start, end, 10, 0)
    with pytest.raises(Forbidden):
        await live.story(await world.rider(), vehicle.id, start, end, 10, 0)


async def test_the_story_of_a_ride(world: World) -> None:
    """Events and commands in one line of time, newest first, paged."""
    vehicle = await connected_vehicle(world)
    held = await hold(world, vehicle)
    command = await unlock(world, held)
    await answer(world, command)
    now = clock.now()
    span = (now - timedelta(hours=1), now + timedelta(hours=1))
    story = await live.story(world.admin(), vehicle.id, *span, 100, 0)
    names = [(each.kind, each.name) for each in story.happenings]
    assert names[0] == ("event", "VehicleUnlocked")
    assert ("command", "unlock") in names
    assert names[-1] == ("event", "vehicle.created")
    assert story.total == len(names)
    assert {e.rental_id for e in story.happenings if e.name in ("VehicleReserved", "unlock")} == {
        held.holder
    }
    async with world.client(world.call("support")) as client:
        path = f"/api/v1/vehicles/{vehicle.identifier}/timeline"
        page = (await client.get(path, params=_query(*span, limit="2", offset="1"))).json()
        assert page["pagination"]["total"] == story.total
        assert len(page["happenings"]) == 2
        beyond = (await client.get(path, params=_query(*span, offset="1000"))).json()
        assert (beyond["happenings"], beyond["pagination"]["total"]) == ([], story.total)
        every = (await client.get(path, params=_query(*span))).json()["happenings"]
    reserved = next(each for each in every if each["name"] == "VehicleReserved")
    assert reserved["rental_id"] == ids.public("rent", held.holder)
    assert reserved["details"]["booking_id"] == reserved["rental_id"]
    sent = next(each for each in every if each["kind"] == "command")
    assert sent["details"]["command_id"] == ids.public("cmd", command.id)
    assert sent["details"]["state"] == "acknowledged"


@given(
    st.integers(1_704_067_200, 1_767_225_600),
    st.timedeltas(timedelta(seconds=1), timedelta(days=31)),
    st.none() | st.integers(1, 100_000),
)
def test_never_more_steps_than_a_chart_has_room_for(
    began: int, span: timedelta, wanted: int | None
) -> None:
    since = datetime.fromtimestamp(began, UTC)
    try:
        step = rules.step_of(since, since + span, wanted)
    except Invalid as refused:
        assert wanted is not None
        least = int(refused.details["issue"].split()[4])
        assert rules.step_of(since, since + span, least) == least
        return
    assert step >= 1
    assert span.total_seconds() / step <= rules.MOST_STEPS
    assert wanted in (None, step)
