"""What vehicles say becomes their live state; silence, and coming back (FLT-05, FLT-19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import actions, jobs, rules
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import intake
from fahrwerk.fleet.contract import Measured
from fahrwerk.kernel import clock, db, geo, ids
from fahrwerk.kernel.call import system
from tests.fleet.street import BERLIN, answer, connected_vehicle, hold, news, report, row, unlock
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def _stored(world: World, vehicle_id: UUID) -> list[db.Row]:
    return await db.run(
        "fleet", world.system(),
        "SELECT * FROM fleet.telemetry WHERE vehicle_id = $1 ORDER BY time", vehicle_id,
    )  # fmt: skip


async def test_a_reading_is_kept_and_becomes_the_live_state(world: World) -> None:
    """FLT-05, FLT-17, FLT-32, FLT-44."""
    vehicle = await connected_vehicle(world)
    await report(
        vehicle.id, latitude=52.53, longitude=13.41, accuracy_m=4.0, speed_kmh=18.5,
        battery_level=85, voltage=42.1, temperature=23.5, signal_strength=-65, is_locked=False,
        odometer_m=1234,
    )  # fmt: skip
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.latitude, now.longitude, now.accuracy_m) == (52.53, 13.41, 4.0)
    assert (now.battery_level, now.voltage, now.temperature) == (85, 42.1, 23.5)
    assert (now.range_km, now.signal_strength, now.is_locked) == (25, -65, False)
    assert (now.odometer_m, now.is_stale) == (1234, False)
    assert now.last_seen_at is not None
    assert (await row(world, vehicle.id))["cell"] == geo.cell(52.53, 13.41)
    last = (await _stored(world, vehicle.id))[-1]
    assert (last["latitude"], last["speed_kmh"], last["battery_level"]) == (52.53, 18.5, 85)
    assert (last["temperature"], last["signal_strength"], last["odometer_m"]) == (23.5, -65, 1234)


async def test_what_is_missing_stays_and_what_is_older_does_not_overwrite(world: World) -> None:
    vehicle = await connected_vehicle(world, battery_level=90)
    await report(vehicle.id, latitude=52.53, longitude=13.41)
    await report(vehicle.id, seconds_ago=60, latitude=1.0, longitude=2.0, battery_level=10)
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.latitude, now.longitude, now.battery_level) == (52.53, 13.41, 90)
    assert len(await _stored(world, vehicle.id)) == 3


async def test_a_batch_is_folded_per_vehicle_and_operator(world: World) -> None:
    """One call for vehicles of two operators; what is doubled is stored once, strangers counted."""
    other = await make_world()
    mine, theirs = await connected_vehicle(world), await connected_vehicle(other)
    unpaired = await world.vehicle(connected=True)
    now = clock.now()
    batch = [
        Measured(vehicle_id=mine.id, time=now, battery_level=50),
        Measured(vehicle_id=mine.id, time=now, battery_level=50),
        Measured(vehicle_id=mine.id, time=now - timedelta(seconds=1), voltage=40.0),
        Measured(vehicle_id=theirs.id, time=now, battery_level=60),
        Measured(vehicle_id=unpaired.id, time=now, battery_level=1),
        Measured(vehicle_id=ids.new(), time=now, battery_level=2),
    ]
    assert await actions.record_readings(batch) == actions.Recorded(3, 2)
    assert await actions.record_readings(batch) == actions.Recorded(0, 2)
    one = await fleet.vehicle(world.system(), mine.id)
    assert (one.battery_level, one.voltage) == (50, 40.0)
    assert (await fleet.vehicle(other.system(), theirs.id)).battery_level == 60
    assert (await fleet.vehicle(world.system(), unpaired.id)).battery_level is None
    assert await _stored(world, theirs.id) == []


async def test_a_wrong_device_clock_does_no_harm(world: World) -> None:
    """F14: what claims to come from the future or from 1970 is taken as just measured."""
    vehicle = await connected_vehicle(world)
    for odd in (timedelta(hours=1), timedelta(days=-20_000)):
        await report(vehicle.id, seconds_ago=-odd.total_seconds(), battery_level=40)
    await report(vehicle.id, battery_level=39)
    assert (await fleet.vehicle(world.system(), vehicle.id)).battery_level == 39
    times = [r["time"] for r in await _stored(world, vehicle.id)]
    assert max(times) - min(times) < timedelta(minutes=1)


async def test_readings_of_any_day_find_their_partition(world: World) -> None:
    """FLT-05: made when needed, walled like the table they belong to."""
    vehicle = await connected_vehicle(world)
    then = clock.now() + timedelta(days=400)
    with clock.moved_to(then):
        await report(vehicle.id, battery_level=12)
    name = f"telemetry_{then:%Y%m%d}"
    found = await db.run(
        "fleet", world.system(),
        "SELECT relrowsecurity AND relforcerowsecurity AS walled FROM pg_class WHERE relname = $1",
        name,
    )  # fmt: skip
    assert [r["walled"] for r in found] == [True]
    with pytest.raises(Exception, match="permission denied"):
        await db.run("fleet", world.system(), f"SELECT 1 FROM fleet.{name}")


async def test_old_days_are_dropped_whole(world: World) -> None:
    """Retention: by the server's clock; today and the coming days stay."""
    call = system(None, "fleet")
    old = datetime(2001, 5, 4, tzinfo=UTC).date()
    await db.run("fleet", call, "SELECT fleet.open_telemetry_days($1, $1)", old)
    await jobs.keep_telemetry()
    days = await db.run(
        "fleet", call,
        "SELECT relname FROM pg_class WHERE relispartition AND relname LIKE 'telemetry\\_%' "
        "AND relkind = 'r'",
    )  # fmt: skip
    names = {r["relname"] for r in days}
    assert "telemetry_20010504" not in names
    today = datetime.now(UTC)
    assert {f"telemetry_{today + timedelta(days=n):%Y%m%d}" for n in range(8)} <= names


async def test_charging_cycles_are_counted_from_discharge(world: World) -> None:
    """FLT-32: 100 points down are one cycle; a wavering gauge is none."""
    vehicle = await connected_vehicle(world)
    for level in [100, 60, 61, 60, 59, 60, 20, 95, 30]:
        await report(vehicle.id, battery_level=level)
    assert (await row(world, vehicle.id))["discharged_pct"] == 80 + 65
    assert (await fleet.vehicle(world.system(), vehicle.id)).charging_cycles == 1


async def test_silent_for_five_minutes_is_offline_until_heard(world: World) -> None:
    """FLT-19, TST-43: out of the search, back with the first reading; both are told."""
    vehicle = await connected_vehicle(world)
    by_hand = await world.vehicle()
    with clock.moved_to(clock.now() + timedelta(seconds=rules.STALE_S + 5)):
        await world.settle()
        [first, _] = await fleet.nearby_vehicles(world.system(), *BERLIN, None, 500)
        [stale] = [v for v in (first, _) if v.id == vehicle.id]
        assert stale.is_stale  # FLT-20, C-18: still bookable, with a warning
    with clock.moved_to(clock.now() + timedelta(seconds=rules.SILENT_S + 5)):
        await world.settle()
        await world.settle()
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "offline"
        found = await fleet.nearby_vehicles(world.system(), *BERLIN, None, 500)
        assert [v.id for v in found] == [by_hand.id]
        assert not found[0].is_stale
        with pytest.raises(fleet.VehicleTaken):
            await hold(world, vehicle)
        await report(vehicle.id, battery_level=50)
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"
    assert (await news(world, vehicle.id))[-2:] == ["vehicle.offline", "vehicle.online"]


async def test_a_status_message_is_a_sign_of_life_too(world: World) -> None:
    vehicle = await connected_vehicle(world)
    with clock.moved_to(clock.now() + timedelta(minutes=10)):
        await world.settle()
        await actions.vehicle_heard(world.system(), vehicle.id)
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"
    await actions.vehicle_heard(world.system(), ids.new())


async def test_an_old_reading_is_a_sign_of_life_too(world: World) -> None:
    """A device that empties its memory is there, whatever the time of the readings."""
    vehicle = await connected_vehicle(world)
    with clock.moved_to(clock.now() + timedelta(minutes=10)):
        await world.settle()
        await report(vehicle.id, seconds_ago=3600, battery_level=1)
        now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.status, now.battery_level) == ("available", None)


@pytest.mark.parametrize("status", ["in_use", "maintenance"])
async def test_silence_takes_no_vehicle_from_its_rider_or_mechanic(
    world: World, status: str
) -> None:
    vehicle = await connected_vehicle(world)
    if status == "in_use":
        await answer(world, await unlock(world, await hold(world, vehicle)))
    else:
        change = fleet.VehicleChange(status="maintenance")
        await fleet.change_vehicle(world.admin(), vehicle.id, change)
    with clock.moved_to(clock.now() + timedelta(hours=1)):
        await world.settle()
        now = await fleet.vehicle(world.system(), vehicle.id)
        assert (now.status, now.is_stale) == (status, True)
        if status == "maintenance":
            change = fleet.VehicleChange(status="available")
            now = await fleet.change_vehicle(world.admin(), vehicle.id, change)
            assert now.status == "offline"


async def test_telemetry_verifies_what_was_acknowledged_only(world: World) -> None:
    """Nothing is unlocked on the word of an unsigned reading."""
    vehicle = await connected_vehicle(world)
    command = await unlock(world, await hold(world, vehicle))
    await report(vehicle.id, is_locked=False)
    assert (await fleet.command(world.system(), command.id)).state == "queued"
    assert (await fleet.vehicle(world.system(), vehicle.id)).status == "reserved"
    await answer(world, command)
    await report(vehicle.id, is_locked=True)
    assert (await fleet.command(world.system(), command.id)).state == "acknowledged"
    await report(vehicle.id, is_locked=False)
    assert (await fleet.command(world.system(), command.id)).state == "verified"


async def test_a_track_is_where_it_was(world: World) -> None:
    """Distance by the odometer where there is one; else along the way, without the jitter."""
    with_odometer, without = await connected_vehicle(world), await connected_vehicle(world)
    began = clock.now() - timedelta(seconds=200)
    for n in range(100):
        step = {"latitude": 52.52 + n * 0.0001, "longitude": 13.405, "battery_level": 90 - n // 10}
        await actions.record_readings(
            [
                Measured(
                    vehicle_id=v.id, time=began + timedelta(seconds=n), **step,  # type: ignore[arg-type]
                    odometer_m=5_000 + n * 10 if v is with_odometer else None,
                )
                for v in (with_odometer, without)
            ]
        )  # fmt: skip
    until = began + timedelta(seconds=99)
    track = await fleet.track(world.system(), with_odometer.id, began, until, 10)
    assert (track.distance_m, track.battery_used_pct, len(track.points)) == (990, 9, 10)
    assert (track.points[0].at, track.points[-1].at) == (began, until)
    track = await fleet.track(world.system(), without.id, began, until)
    assert abs(track.distance_m - 1101) < 15
    assert len(track.points) == 100
    nothing = await fleet.track(world.system(), without.id, until, began)
    assert nothing == fleet.Track([], 0, 0)
    stranger = await make_world()
    assert (await fleet.track(stranger.system(), without.id, began, until)).points == []


_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_times = st.integers(0, 86_400).map(lambda s: _NOON + timedelta(seconds=s))
_readings = st.lists(
    st.tuples(
        st.sampled_from("ab"), _times, st.none() | st.integers(0, 100), st.none() | st.booleans()
    ).map(
        lambda r: Measured(
            vehicle_id=ids.derived(r[0]), time=r[1], battery_level=r[2], is_locked=r[3]
        )
    ),
    max_size=20,
)


@given(_readings)
def test_the_live_state_has_the_newest_of_each(readings: list[Measured]) -> None:
    batch = intake.measured(readings)
    for vehicle_id, own in batch.by_vehicle.items():
        kept = sorted(own, key=batch.columns["time_us"].__getitem__)
        time_us, *newest = intake._newest(kept, batch.columns)
        assert time_us == max(batch.columns["time_us"][at] for at in own)
        for name in ("battery_level", "is_locked"):
            known = [v for at in kept if (v := getattr(readings[at], name)) is not None]
            assert newest[intake._MEASUREMENTS.index(name)] == (known[-1] if known else None)
        assert all(readings[at].vehicle_id == vehicle_id for at in own)


@given(st.integers(2, 50), st.integers(0, 200))
def test_thinning_keeps_both_ends(most: int, count: int) -> None:
    points = [fleet.TrackPoint(n, 0.0, clock.now()) for n in range(count)]
    kept = rules.thinned(points, most)
    assert len(kept) == min(most, count)
    assert kept == sorted(kept, key=lambda p: p.latitude)
    if count:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
