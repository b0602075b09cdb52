"""Each reading once, gaps visible, and nothing that cannot be right in the live state (FLT-17)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import actions
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions.intake import odd
from fahrwerk.fleet.contract import Measured
from fahrwerk.fleet.contract import telemetry as heard
from fahrwerk.fleet.rules import intake
from fahrwerk.kernel import clock, db
from tests.conftest import new_database
from tests.fleet.street import connected_vehicle
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract.telemetry import Heard
    from fahrwerk.kernel import postgres
    from tests.world import World

SECOND = 1_000_000


# --- rules


@given(st.lists(st.integers(0, 60), max_size=80), st.booleans())
def test_every_number_is_new_exactly_once(numbers: list[int], is_first: bool) -> None:
    """In any order, with any repeats; what is missing is what is missing."""
    boots = [] if is_first else [intake.Boot(1, 5, 0, 0, 1)]
    verdicts = intake.sort_out(boots, [(7, n, t) for t, n in enumerate(numbers, 1)])
    new = [n for n, verdict in zip(numbers, verdicts, strict=True) if verdict]
    assert len(new) == len(set(new))
    for n, verdict in zip(numbers, verdicts, strict=True):
        assert n in new or verdict is None or (n, None) in zip(numbers, verdicts, strict=True)
    if numbers:
        known = next(b for b in boots if b.boot == 7)
        assert known.highest == max(numbers)
        gone = {n for first, last in known.missing for n in range(first, last + 1)}
        said = {n for n, verdict in zip(numbers, verdicts, strict=True) if verdict is not False}
        assert gone == set(range(known.floor + 1, known.highest + 1)) - said


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2**53), st.integers(0, 100))))
def test_what_is_remembered_is_bounded(numbers: list[tuple[int, int, int]]) -> None:
    boots: list[intake.Boot] = []
    for boot, number, time_us in numbers:
        intake.sort_out(boots, [(boot, number, time_us)])
    assert len(boots) <= intake.MOST_BOOTS
    assert all(len(b.missing) <= intake.MOST_GAPS for b in boots)
    assert boots == sorted(boots, key=lambda b: -b.newest_us)


def test_of_too_many_gaps_the_oldest_is_given_up_and_looked_up() -> None:
    boots: list[intake.Boot] = []
    intake.sort_out(boots, [(1, n, n) for n in range(1, 100, 2)])
    [known] = boots
    assert (len(known.missing), known.forgotten) == (intake.MOST_GAPS, 49 - intake.MOST_GAPS)
    assert intake.missing(known) + known.forgotten == 49
    assert intake.sort_out(boots, [(1, 2, 200), (1, 98, 201), (1, 98, 202)]) == [None, True, False]


_NOW = 1_790_000_000 * SECOND


@given(st.lists(st.integers(0, 4 * _NOW), min_size=1))
def test_no_time_is_ahead_or_too_old(claimed: list[int]) -> None:
    """F14"""
    times, odd_ones = intake.believed_times(claimed, _NOW)
    assert all(_NOW - intake.LATE_US <= t <= _NOW for t in times)
    assert odd_ones <= len(claimed)
    for said, believed in zip(claimed, times, strict=True):
        if _NOW - intake.LATE_US <= said <= _NOW:
            assert believed == said


def test_a_clock_years_off_still_knows_how_long_a_second_is() -> None:
    for years in (-20, 20):
        begin = _NOW + years * 365 * 86_400 * SECOND
        times, odd_ones = intake.believed_times([begin + n * SECOND for n in range(5)], _NOW)
        assert (times, odd_ones) == ([_NOW - (4 - n) * SECOND for n in range(5)], 5)


def test_a_clock_that_drifts_is_not_odd() -> None:
    times, odd_ones = intake.believed_times([_NOW + 3 * SECOND, _NOW + 2 * SECOND], _NOW)
    assert (times, odd_ones) == ([_NOW, _NOW - SECOND], 0)


def test_what_is_far_away_for_long_enough_is_there() -> None:
    """The first position may have been the wrong one; and a ferry takes longer than a second."""
    places = intake.Places(intake.State())
    assert places.takes(52.52, 13.4, 0)
    said = [places.takes(48.85, 2.35, n * SECOND) for n in range(1, 5)]
    assert said == [False, False, True, True]
    assert (places.jumps, places.null_island) == (2, 0)
    assert places.takes(40.4, -3.7, 8 * 3600 * SECOND)
    assert not places.takes(0.0, 0.0, 8 * 3600 * SECOND + 1)
    assert places.null_island == 1


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.integers(0, 10))))
def test_wild_positions_do_not_move_a_vehicle(wild: list[tuple[float, float, int]]) -> None:
    """Unless three in a row agree; each is judged, whatever it is."""
    places = intake.Places(intake.State(believed=intake.Spot(52.52, 13.4, 0)))
    taken = sum(places.takes(*each) for each in wild)
    assert taken + places.jumps + places.null_island == len(wild)


# --- stored


def _numbered(vehicle_id: UUID, boot: int, *numbers: int, **measured: Any) -> list[Measured]:
    began = clock.now() - timedelta(seconds=300)
    return [
        Measured(
            vehicle_id=vehicle_id, time=began + timedelta(seconds=n), boot=boot, sequence=n,
            **measured,
        )
        for n in numbers
    ]  # fmt: skip


async def _heard(world: World, vehicle_id: UUID) -> Heard:
    return await heard.telemetry_gaps(world.system(), vehicle_id)


async def _rows(world: World, vehicle_id: UUID) -> list[tuple[int, int]]:
    rows = await db.run(
        "fleet", world.system(),
        "SELECT boot, sequence FROM fleet.telemetry WHERE vehicle_id = $1 AND boot IS NOT NULL "
        "ORDER BY boot, sequence", vehicle_id,
    )  # fmt: skip
    return [(row["boot"], row["sequence"]) for row in rows]


def _odd(kind: str) -> float:
    return float(odd.labels(kind)._value.get())


async def test_duplicates_are_dropped_late_ones_kept_and_gaps_shown(world: World) -> None:
    """Known by (vehicle, boot, sequence), also two of one moment; counted per vehicle, and all."""
    vehicle = await connected_vehicle(world)
    before = {kind: _odd(kind) for kind in ("duplicate", "late", "missing", "recovered")}
    first = _numbered(vehicle.id, 5, 1, 2, 3, 7, 8, battery_level=50)
    assert await actions.record_readings(first) == actions.Recorded(5, 0)
    assert await actions.record_readings(first[2:4]) == actions.Recorded(0, 0)
    now = await _heard(world, vehicle.id)
    [boot] = now.boots
    assert (boot.boot, boot.highest, boot.missing) == (5, 8, 3)
    assert boot.gaps == [heard.MissingReadings(4, 6)]
    late = _numbered(vehicle.id, 5, 5, battery_level=99)
    same_moment = [
        Measured(vehicle_id=vehicle.id, time=first[-1].time, boot=5, sequence=9, is_tipped=True),
        Measured(vehicle_id=vehicle.id, time=first[-1].time, boot=5, sequence=10, battery_level=7),
    ]
    assert await actions.record_readings([*late, *same_moment]) == actions.Recorded(3, 0)
    now = await _heard(world, vehicle.id)
    assert now.boots[0].gaps == [heard.MissingReadings(4, 4), heard.MissingReadings(6, 6)]
    assert (now.duplicates, now.readings) == (2, 9)
    assert now.late == 8  # than the one with which the vehicle began
    assert {kind: _odd(kind) - n for kind, n in before.items()} == {
        "duplicate": 2, "late": 8, "missing": 3, "recovered": 1,
    }  # fmt: skip
    assert await _rows(world, vehicle.id) == [(5, n) for n in (1, 2, 3, 5, 7, 8, 9, 10)]


async def test_a_batch_that_was_stored_may_be_given_again(world: World) -> None:
    """After a COMMIT whose outcome nobody knows; also over boots that have been forgotten."""
    vehicle = await connected_vehicle(world)
    batch = [r for boot in range(1, 9) for r in _numbered(vehicle.id, boot, 1, 2, 3)]
    assert (await actions.record_readings(batch)).stored == 24
    for part in (batch, batch[:5], batch[::-1]):
        assert await actions.record_readings(part) == actions.Recorded(0, 0)
    assert len(await _rows(world, vehicle.id)) == 24
    assert len((await _heard(world, vehicle.id)).boots) == intake.MOST_BOOTS


async def test_two_writers_of_one_vehicle_store_each_reading_once(world: World) -> None:
    vehicle = await connected_vehicle(world)
    batch = _numbered(vehicle.id, 3, *range(1, 200))
    parts = [batch[n : n + 60] for n in range(0, 180, 20)]
    stored = await asyncio.gather(*(actions.record_readings(part) for part in parts * 2))
    assert sum(each.stored for each in stored) == len(await _rows(world, vehicle.id)) == 199


async def test_a_place_that_cannot_be_right_reaches_nobody(world: World) -> None:
    """0/0 and across the globe: stored as doubted, counted; live state and track know better."""
    vehicle = await connected_vehicle(world)
    began = clock.now()
    wild = [(0.0, 0.0), (52.5201, 13.4051), (-33.9, 151.2), (35.7, 139.7), (52.5202, 13.4052)]
    batch = [
        Measured(
            vehicle_id=vehicle.id, time=began + timedelta(milliseconds=n), latitude=lat,
            longitude=lon, battery_level=60 + n, boot=1, sequence=n + 1,
        )
        for n, (lat, lon) in enumerate(wild)
    ]  # fmt: skip
    await asyncio.sleep(0.02)  # until all of these have been
    assert (await actions.record_readings(batch)).stored == 5
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.latitude, now.longitude, now.battery_level) == (52.5202, 13.4052, 64)
    counted = await _heard(world, vehicle.id)
    assert (counted.null_island, counted.jumps) == (1, 2)
    track = await fleet.track(world.system(), vehicle.id, began, clock.now())
    assert [(p.latitude, p.longitude) for p in track.points] == [wild[1], wild[4]]
    rows = await db.run(
        "fleet", world.system(),
        "SELECT doubted_latitude AS it FROM fleet.telemetry WHERE vehicle_id = $1 "
        "AND doubted_latitude IS NOT NULL ORDER BY sequence", vehicle.id,
    )  # fmt: skip
    assert [r["it"] for r in rows] == [0.0, -33.9, 35.7]


async def test_clocks_years_off_are_counted_and_do_no_harm(world: World) -> None:
    vehicle = await connected_vehicle(world)
    for years in (30, -30):
        at = clock.now() + timedelta(days=365 * years)
        await actions.record_readings(
            [
                Measured(vehicle_id=vehicle.id, time=at + timedelta(seconds=n), battery_level=n)
                for n in range(3)
            ]
        )
    counted = await _heard(world, vehicle.id)
    assert counted.bad_clock == 6
    assert counted.newest_at is not None
    assert abs((counted.newest_at - clock.now()).total_seconds()) < 60
    await actions.record_readings(
        [Measured(vehicle_id=vehicle.id, time=clock.now(), battery_level=77)]
    )
    assert (await fleet.vehicle(world.system(), vehicle.id)).battery_level == 77


async def test_staff_see_what_is_missing(world: World) -> None:
    """GET /api/v1/vehicles/{id}/telemetry/gaps; not riders, not another operator's staff."""
    vehicle = await connected_vehicle(world)
    await actions.record_readings(_numbered(vehicle.id, 5, 1, 4))
    path = f"/api/v1/vehicles/{vehicle.id}/telemetry/gaps"
    answer = await world.client(world.admin()).get(path)
    assert answer.status_code == 200, answer.text
    [boot] = answer.json()["boots"]
    assert (boot["missing"], boot["gaps"]) == (2, [{"first": 2, "last": 3}])
    assert (await world.client(await world.rider()).get(path)).status_code == 403
    other = await make_world()
    assert (await other.client(other.admin()).get(path)).status_code == 404


async def test_gateways_may_number_and_repeat(world: World) -> None:
    """POST /api/v1/telemetry: a batch that is sent again is not stored again."""
    vehicle = await connected_vehicle(world)
    client = world.client(world.admin())
    reading = {"vehicle_id": f"{vehicle.id}", "time": clock.stamp(clock.now()), "boot": 4}
    body = {"readings": [reading | {"sequence": n, "is_tipped": n == 2} for n in (1, 2, 4)]}
    for stored in (3, 0):
        answer = await client.post("/api/v1/telemetry", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"stored": stored, "unknown": 0}
    assert (await _heard(world, vehicle.id)).boots[0].missing == 1
    half = {"readings": [reading]}
    assert (await client.post("/api/v1/telemetry", json=half)).status_code == 400


async def test_with_timescaledb_its_chunks_take_the_place_of_partitions(
    server: postgres.EmbeddedPostgres, worker_id: str
) -> None:
    """The guard, with a stand-in: the extension is not here. No partition is made for a hypertable,
    and old days are dropped by ``drop_chunks``."""
    name = f"fahrwerk_chunks_{worker_id}"
    await new_database(server, name)
    raw = await asyncpg.connect(server.dsn(name, "postgres"))
    try:
        assert not await raw.fetchval("SELECT fleet.has_hypertable()")
        await raw.execute("""
            DROP TABLE fleet.telemetry;
            CREATE TABLE fleet.telemetry (tenant_id uuid, vehicle_id uuid, time timestamptz);
            CREATE FUNCTION public.drop_chunks(relation regclass, older_than timestamptz)
            RETURNS SETOF text LANGUAGE sql RETURN relation || ' before ' || older_than;
        """)
        assert await raw.fetchval("SELECT fleet.has_hypertable()")
        made = await raw.fetchval("SELECT fleet.open_telemetry_days('2001-01-01', '2001-01-03')")
        assert made == 0
        assert await raw.fetchval("SELECT fleet.drop_telemetry_days('2001-01-01')") == 1
    finally:
        await raw.close()
