"""MDS 2.0 as a city reads it: valid, in time, of its own area only, for who has a token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fahrwerk.feeds import jobs
from fahrwerk.feeds.contract import agencies, policies
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, doors, ids
from fahrwerk.kernel.pump import Pump
from fahrwerk.rentals import contract as rentals
from tests.feeds.mds_reading import CSV, SQUARE, City, city
from tests.feeds.reading import public, said
from tests.rentals.riding import alive, book, confirmed, paying_rider
from tests.world import World


def hour_of(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H")


async def ridden(
    world: World, vehicle: fleet.Vehicle, end: tuple[float, float], via: float = 52.5205
) -> rentals.Rental:
    """A whole ride, with two readings on its way."""
    rider = await paying_rider(world)
    rental = await confirmed(rider, vehicle)
    async with alive(world):
        rental = await rentals.unlock(rider, rental.id)
    await said(world, vehicle, clock.now(), via, 13.4052, 79)
    await said(world, vehicle, clock.now() + timedelta(milliseconds=5), *end, 78)
    rental = await rentals.end(rider, rental.id, None, None, None, None)
    await world.settle()
    return rental


def told(rows: list[db.Row], vehicle: fleet.Vehicle) -> list[tuple[tuple[str, ...], str]]:
    return [(tuple(r["types"]), r["state"]) for r in rows if r["vehicle_id"] == vehicle.id]


async def test_a_ride_is_told_in_the_specifications_words(world: World) -> None:
    """Issue 3, point 8: vehicle, states, trip, readings; each answer valid, ids agreeing."""
    berlin = await city(world)
    vehicle = await world.vehicle(battery_level=80, metadata={"year": 2024, "max_speed": 20})
    began = clock.now()
    rental = await ridden(world, vehicle, (52.523, 13.41))
    assert told(await berlin.events(), vehicle) == [
        (("provider_drop_off",), "available"),
        (("reservation_start",), "reserved"),
        (("trip_start",), "on_trip"),
        (("trip_end",), "available"),
    ]
    [shown] = (await berlin.read("vehicles", "vehicles"))["vehicles"]
    assert (shown["device_id"], shown["vehicle_id"]) == (str(vehicle.id), vehicle.identifier)
    assert (shown["vehicle_type"], shown["maximum_speed"]) == ("scooter_standing", 20)
    assert shown["vehicle_attributes"] == {
        "make": "Segway", "model": "Ninebot ES4", "year": 2024,
    }  # fmt: skip
    [status] = (await berlin.read("vehicles/status", "vehicles_status"))["vehicles_status"]
    assert status["last_event"]["event_types"] == ["trip_end"]
    assert status["last_telemetry"]["location"]["lat"] == 52.523
    assert status["last_telemetry"]["trip_ids"] is None
    assert status["last_event"]["provider_id"] == shown["provider_id"]
    later = clock.now() + timedelta(hours=2)
    with clock.moved_to(later, leases=False):
        hour = hour_of(rental.ended_at or later)
        await ready(berlin, hour)
        trips = (await berlin.read("trips", "trips", end_time=hour))["trips"]
        events = await berlin.read("events/historical", "events", event_time=hour_of(began))
        read = (await berlin.read("telemetry", "telemetry", telemetry_time=hour))["telemetry"]
    [trip] = trips
    assert (trip["device_id"], trip["duration"] < 30) == (str(vehicle.id), True)
    assert (trip["start_location"], trip["end_location"]) == (
        {"lat": 52.5205, "lng": 13.4052}, {"lat": 52.523, "lng": 13.41},
    )  # fmt: skip
    of_trip = [e for e in events["events"] if "trip_ids" in e]
    assert {tuple(e["trip_ids"]) for e in of_trip} == {(trip["trip_id"],)}
    assert [e["event_types"] for e in of_trip] == [["trip_start"], ["trip_end"]]
    assert of_trip[1]["timestamp"] >= trip["end_time"] >= of_trip[0]["timestamp"]
    on_trip = [r for r in read if r["trip_ids"] == [trip["trip_id"]]]
    assert len(on_trip) >= 2, "start and end at least"
    assert str(rental.id) not in str(trips), "only we can link a trip to a rental"


async def ready(berlin: City, hour: str) -> None:
    """The hour is whole: as real time has not passed, whoever waits for it is told so."""
    answer = await berlin.ask("trips", end_time=hour)
    assert answer.status_code in (200, 202), answer.text


@pytest.fixture(autouse=True)
def heard_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is moved in these tests, the log of events is not: all of it has been heard."""

    async def passed(room: str, at: datetime) -> bool:
        return True

    monkeypatch.setattr("fahrwerk.kernel.progress.has_passed", passed)


async def test_an_hour_is_told_when_it_is_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """404 for hours to come and before we began, 202 while something is missing, 200 also when
    there is nothing to report; 400 without a time."""
    berlin = await city(world)
    vehicle = await world.vehicle()
    await world.settle()
    now = clock.now()
    paths = (("trips", "end_time", "trips"), ("events/historical", "event_time", "events"))
    wanted: dict[str, Any]
    for path, name, payload in paths:
        await berlin.failure(await berlin.ask(path), 400, "missing_param")
        for wrong in ("2026-11-20", "2026-11-20T24", "x", "2026-13-01T00", "٢٠٢٦-11-20T07"):
            answer = await berlin.ask(path, **{name: wrong})
            assert (await berlin.failure(answer, 400, "bad_param"))["error_details"] == [name]
        for when in (now, now + timedelta(hours=5), now - timedelta(hours=3)):
            answer = await berlin.ask(path, **{name: hour_of(when)})
            await berlin.failure(answer, 404, "no_such_hour")
        with clock.moved_to(now + timedelta(hours=3), leases=False):
            wanted = {name: hour_of(now)}
            assert (await berlin.read(path, payload, **wanted))["version"] == "2.0.2"
            wanted = {name: hour_of(now + timedelta(hours=1))}
            empty = await berlin.read(path, payload, **wanted)
            assert empty[payload] == []
    # Something of that hour has happened, and was not told yet.
    await fleet.change_vehicle(world.admin(), vehicle.id, fleet.VehicleChange(status="maintenance"))
    await Pump().drain()
    with clock.moved_to(now + timedelta(hours=3), leases=False):
        for path, name, _ in paths:
            wanted = {name: hour_of(now)}
            await berlin.read(path, "waiting", status=202, **wanted)
    await world.settle()
    with clock.moved_to(now + timedelta(hours=3), leases=False):
        found = await berlin.read("events/historical", "events", event_time=hour_of(now))
    assert [e["vehicle_state"] for e in found["events"]] == ["available", "non_operational"]

    async def behind(room: str, at: datetime) -> bool:
        return False

    monkeypatch.setattr("fahrwerk.kernel.progress.has_passed", behind)
    with clock.moved_to(now + timedelta(hours=3), leases=False):
        await berlin.read("trips", "waiting", status=202, end_time=hour_of(now))


async def test_recent_events_by_pages(world: World) -> None:
    berlin = await city(world)
    for _ in range(5):
        await world.vehicle()
    await world.settle()
    now = clock.now()
    span = {
        "start_time": clock.millis(now - timedelta(hours=1)), "end_time": clock.millis(now) + 1,
    }  # fmt: skip
    seen: list[Any] = []
    query: dict[str, Any] = span | {"limit": 2}
    for _ in range(4):
        page = await berlin.read("events/recent", "recent", **query)
        seen += page["events"]
        if page["links"]["next"] is None:
            break
        url = page["links"]["next"]
        assert f"/mds/{world.operator.slug}/micromobility/events/recent?" in url
        query = dict(part.split("=") for part in url.partition("?")[2].split("&"))
    assert len({e["event_id"] for e in seen}) == len(seen) == 5
    for wrong in (
        {"start_time": span["start_time"]},
        {"end_time": span["end_time"]},
        span | {"start_time": "yesterday"},
        span | {"start_time": clock.millis(now - timedelta(days=15))},
        span | {"start_time": "9" * 30},
        span | {"limit": "-1"},
    ):
        assert (await berlin.ask("events/recent", **wrong)).status_code == 400, wrong


async def test_vehicles_by_pages_and_one_by_one(world: World) -> None:
    berlin = await city(world)
    made = [await world.vehicle() for _ in range(5)]
    await world.settle()
    for path, name in (("vehicles", "vehicles"), ("vehicles/status", "vehicles_status")):
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            page = await berlin.read(path, name, **query)
            seen += [each["device_id"] for each in page[name]]
            if page["links"]["next"] is None:
                break
            query = dict(p.split("=") for p in page["links"]["next"].partition("?")[2].split("&"))
        assert sorted(seen) == sorted(str(v.id) for v in made)
        one = await berlin.read(f"{path}/{made[3].id}", name)
        assert [each["device_id"] for each in one[name]] == [str(made[3].id)]
        await berlin.failure(await berlin.ask(f"{path}/{ids.new()}"), 404, "unknown_device")
        await berlin.failure(await berlin.ask(f"{path}/not-an-id"), 400, "bad_param")
        await berlin.failure(await berlin.ask(path, after="x"), 400, "bad_param")
    assert (await berlin.read("stops", "stops"))["stops"] == []
    await berlin.failure(await berlin.ask(f"stops/{ids.new()}"), 404, "unknown_stop")


async def test_each_mode_is_a_provider_of_its_own(world: World) -> None:
    """Cars and vans are car-share, with their own state machine and provider_id."""
    berlin = await city(world)
    scooter = await world.vehicle()
    car = await world.vehicle(
        "car", license_plate="B-CA 1E", metadata={"color": "blue", "year": 2023, "vin": "W0X"}
    )
    await ridden(world, car, (52.523, 13.41))
    rows = await berlin.events()
    assert told(rows, scooter) == [(("provider_drop_off",), "available")]
    assert told(rows, car) == [
        (("recommissioned", "service_start"), "available"),
        (("reservation_start",), "reserved"),
        (("reservation_stop", "trip_start"), "on_trip"),
        (("trip_stop", "trip_end"), "available"),
    ]
    own: dict[str, str] = {}
    for mode, vehicle in (("micromobility", scooter), ("car-share", car)):
        [shown] = (await berlin.read("vehicles", "vehicles", mode=mode))["vehicles"]
        assert shown["device_id"] == str(vehicle.id)
        own[mode] = shown["provider_id"]
        await berlin.read("vehicles/status", "vehicles_status", mode=mode)
    assert own["micromobility"] != own["car-share"]
    with clock.moved_to(clock.now() + timedelta(hours=2), leases=False):
        hour = hour_of(clock.now() - timedelta(hours=2))
        found = await berlin.read("trips", "trips", mode="car-share", end_time=hour)
        assert len(found["trips"]) == 1
        await berlin.read("events/historical", "events", mode="car-share", event_time=hour)
        await berlin.read("telemetry", "telemetry", mode="car-share", telemetry_time=hour)
    registered = ids.new()
    async with world.client(world.admin()) as client:
        change = {"micromobility_id": str(registered)}
        assert (await client.patch("/api/v1/feeds/setting", json=change)).status_code == 200
    [shown] = (await berlin.read("vehicles", "vehicles"))["vehicles"]
    assert shown["provider_id"] == str(registered)


async def test_staff_silence_and_batteries(world: World) -> None:
    """What staff do and devices do not do is told too, with where it was."""
    berlin = await city(world)
    vehicle, admin = await world.vehicle(), world.admin()
    await world.settle()
    await fleet.change_vehicle(admin, vehicle.id, fleet.VehicleChange(status="maintenance"))
    await fleet.change_vehicle(admin, vehicle.id, fleet.VehicleChange(status="available"))
    await fleet.change_vehicle(admin, vehicle.id, fleet.VehicleChange(brand="Other"))
    await fleet.move_vehicle(admin, vehicle.id, fleet.Place(52.55, 13.45))
    await world.settle()
    rows = await berlin.events()
    assert told(rows, vehicle) == [
        (("provider_drop_off",), "available"),
        (("maintenance",), "non_operational"),
        (("maintenance",), "available"),
        (("rebalance_pick_up",), "removed"),
        (("provider_drop_off",), "available"),
    ]
    assert [(r["latitude"], r["longitude"]) for r in rows[-2:]] == [(52.52, 13.405), (52.55, 13.45)]
    rider = await paying_rider(world)
    rental = await book(rider, vehicle)
    await rentals.cancel(rider, rental.id, "changed my mind")
    await world.settle()
    assert told(await berlin.events(), vehicle)[-2:] == [
        (("reservation_start",), "reserved"),
        (("reservation_cancel",), "available"),
    ]


GEOGRAPHY = str(ids.new())


def geographies(geometry: dict[str, Any] = SQUARE) -> dict[str, Any]:
    return {
        "version": "2.0.0",
        "last_updated": 1_700_000_000_000,
        "geographies": [
            {
                "geography_id": GEOGRAPHY, "name": "Limits", "published_date": 1_700_000_000_000,
                "geography_json": {
                    "type": "FeatureCollection",
                    "features": [{"type": "Feature", "properties": {}, "geometry": geometry}],
                },
            }
        ],
    }  # fmt: skip


async def bounded(berlin: City) -> None:
    """The city may know of what is within its limits."""
    admin = berlin.world.admin()
    await policies.put_document(admin, berlin.id, "geographies", msgspec.json.encode(geographies()))
    change = agencies.AgencyChange(boundary_id=ids.parse(GEOGRAPHY))
    await agencies.change_agency(admin, berlin.id, change)


async def test_a_city_learns_of_its_own_area_only(world: World) -> None:
    """What is outside is not there; who crosses the border leaves or enters; a trip that touches
    the area is told whole, one that does not is not."""
    berlin, brandenburg = await city(world), await city(world, "brandenburg")
    await bounded(berlin)
    inside, outside = await world.vehicle(latitude=52.599), await world.vehicle(latitude=52.9)
    await ridden(world, outside, (52.902, 13.405), via=52.901)
    rental = await ridden(world, inside, (52.601, 13.405), via=52.5995)
    rows = await berlin.events()
    assert told(rows, outside) == []
    assert told(rows, inside)[-1] == (("trip_leave_jurisdiction",), "elsewhere")
    assert all(52.4 <= r["latitude"] <= 52.6 for r in rows)
    assert told(await brandenburg.events(), inside)[-1] == (("trip_end",), "available")
    shown = (await berlin.read("vehicles/status", "vehicles_status"))["vehicles_status"]
    assert [s["last_event"]["vehicle_state"] for s in shown] == ["elsewhere"]
    assert shown[0]["last_telemetry"]["location"]["lat"] <= 52.6, "no word of where it is now"
    hour = hour_of(rental.ended_at or clock.now())
    with clock.moved_to(clock.now() + timedelta(hours=1, minutes=35), leases=False):
        assert (await berlin.read("vehicles/status", "vehicles_status"))["vehicles_status"] == []
        trips = (await berlin.read("trips", "trips", end_time=hour))["trips"]
        assert [t["device_id"] for t in trips] == [str(inside.id)]
        assert trips[0]["end_location"]["lat"] == 52.601, "the whole of it"
        others = (await brandenburg.read("trips", "trips", end_time=hour))["trips"]
        assert len(others) == 2
        read = (await berlin.read("telemetry", "telemetry", telemetry_time=hour))["telemetry"]
        assert {r["device_id"] for r in read} == {str(inside.id)}
    # Staff fetch it from beyond the border.
    await fleet.move_vehicle(world.admin(), inside.id, fleet.Place(52.5, 13.4))
    await world.settle()
    assert told(await berlin.events(), inside)[-1] == (
        ("rebalance_pick_up", "provider_drop_off"), "available",
    )  # fmt: skip


async def test_who_comes_late_is_told_the_past(world: World) -> None:
    """An agency added today reads what happened before, and each agency the same once."""
    vehicle = await world.vehicle()
    await ridden(world, vehicle, (52.523, 13.41))
    berlin = await city(world)
    await world.settle()
    assert [types for types, _ in told(await berlin.events(), vehicle)] == [
        ("provider_drop_off",), ("reservation_start",), ("trip_start",), ("trip_end",),
    ]  # fmt: skip
    before = await berlin.events()
    potsdam = await city(world, "potsdam")
    await world.settle()
    assert await berlin.events() == before
    assert [r["types"] for r in await potsdam.events()] == [r["types"] for r in before]


async def test_a_report_of_a_month(world: World) -> None:
    """CSV; few trips are told as -1; a month that is not over is not there."""
    berlin = await city(world)
    vehicle = await world.vehicle()
    rental = await ridden(world, vehicle, (52.523, 13.41))
    await bounded(berlin)
    now = clock.now()
    month = f"{(rental.started_at or now):%Y-%m}"
    answer = await berlin.ask(f"reports/{month}.csv", accept=CSV)
    await berlin.failure(answer, 404, "no_such_hour")
    await db.run("feeds", world.system("feeds"), _MANY_TRIPS, berlin.id)
    with clock.moved_to(now + timedelta(days=32), leases=False):
        answer = await berlin.ask(f"reports/{month}.csv", accept=CSV)
        assert (await berlin.ask(f"reports/{month}.csv")).status_code == 406
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{CSV}; charset=utf-8")
    head, *lines = answer.text.strip().splitlines()
    assert head == (
        "provider_id,start_date,duration,special_group_type,geography_id,vehicle_type,trip_count,"
        "rider_count"
    )
    rows = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
    counts = {r["special_group_type"]: (r["trip_count"], r["rider_count"]) for r in rows}
    assert counts == {"low_income": ("-1", "-1"), "adaptive_scooter": ("-1", "-1"),
                      "all_riders": ("12", "-1")}  # fmt: skip
    assert {r["geography_id"] for r in rows} == {GEOGRAPHY}
    assert rows[0]["start_date"] == f"{month}-01"
    for wrong in ("2026-13.csv", "x", "2026-10", "..%2f2026-10.csv"):
        assert (await berlin.ask(f"reports/{wrong}", accept=CSV)).status_code == 404


_MANY_TRIPS = """
WITH more AS (
    INSERT INTO feeds.trip (id, rental_id, vehicle_id, vehicle_type, started_at, ended_at,
                            duration_s, distance_m, rider_mark, start_latitude, start_longitude,
                            end_latitude, end_longitude)
    SELECT gen_random_uuid(), gen_random_uuid(), vehicle_id, vehicle_type, started_at, ended_at,
           duration_s, distance_m, rider_mark, start_latitude, start_longitude, end_latitude,
           end_longitude
    FROM feeds.trip, generate_series(1, 11) RETURNING id, ended_at
)
INSERT INTO feeds.told_trip (agency_id, number, trip_id, mode, ended_at, published_at)
SELECT $1, 100 + row_number() OVER (), id, 'micromobility', ended_at, ended_at FROM more
"""


async def test_through_the_wire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same between two processes."""
    berlin = await city(world)
    vehicle = await world.vehicle()
    monkeypatch.setattr(doors, "runner", "wire")
    await ridden(world, vehicle, (52.523, 13.41))
    assert len(await berlin.events()) == 4
    await berlin.read("vehicles/status", "vehicles_status")
    await berlin.read("vehicles", "vehicles")


async def test_the_self_check_knows_what_agencies_believe(world: World) -> None:
    """Published beside that of GBFS: right while all is well, and it sees a wrong state."""
    berlin = await city(world)
    vehicle = await world.vehicle()
    await ridden(world, vehicle, (52.523, 13.41))
    broken = await world.vehicle()
    await fleet.change_vehicle(world.admin(), broken.id, fleet.VehicleChange(status="maintenance"))
    await world.settle()
    path = f"/gbfs/{world.operator.slug}/check.json"
    async with public() as client:
        await jobs.check_whole(world.operator)
        [found] = (await client.get(path)).json()["mds"]
        assert (found["agency"], found["is_right"]) == ("berlin", True)
        assert (found["vehicles"], found["shown"], found["waiting"]) == (2, 2, 0)
        lie = "UPDATE feeds.told_vehicle SET state = 'available' WHERE vehicle_id = $1"
        await db.run("feeds", world.system("feeds"), lie, broken.id)
        gone = "DELETE FROM feeds.told_vehicle WHERE vehicle_id = $1"
        await db.run("feeds", world.system("feeds"), gone, vehicle.id)
        await jobs.check_whole(world.operator)
        [found] = (await client.get(path)).json()["mds"]
        text = (await client.get("/metrics")).text
    assert (found["is_right"], found["wrong"], found["missing"]) == (False, 1, 0)
    assert found["waiting"] == 1, "not told: it is known that something is left to tell"
    past = (await world.client(world.admin()).get("/api/v1/feeds/checks")).json()["hours"]
    assert {each["feed"]: each["differences"] for each in past} == {"gbfs": 0, "mds:berlin": 1}
    assert f'operator="{world.operator.slug}"' in text
    assert "fahrwerk_mds_differences" in text
    assert berlin.id
