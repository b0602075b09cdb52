"""GBFS 3.0 and 2.3 as the public reads them: valid, private, apart, fast when nothing is new."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from gbfs_validator import GBFS

from fahrwerk.feeds import contract as feeds
from fahrwerk.feeds import jobs
from fahrwerk.feeds.queries import gbfs
from fahrwerk.feeds.rules import fences
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import clock, db, doors, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.rentals import contract as rentals
from tests.feeds import reading, schemas
from tests.feeds.reading import everything, feed, out_of_date, public, said, vehicles
from tests.rentals.riding import alive, book, confirmed, paying_rider
from tests.world import World, make_world

DEFAULTS = {
    "is_public": True, "contact_email": None, "license_url": None, "has_draft": False,
    "micromobility_id": None, "car_share_id": None, "mds_days": 730,
}  # fmt: skip
DISABLED = fleet.VehicleChange(status="maintenance")


async def _mixed(world: World) -> dict[str, fleet.Vehicle]:
    """One vehicle of each kind and condition."""
    made = {
        "scooter": await world.vehicle(battery_level=80),
        "ebike": await world.vehicle("ebike", battery_level=33),
        "car": await world.vehicle("car"),
        "van": await world.vehicle("van", connected=True, battery_level=0),
        "broken": await world.vehicle(battery_level=50),
        "unplaced": await world.vehicle(latitude=None, longitude=None),  # type: ignore[arg-type]
    }
    await fleet.change_vehicle(world.admin(), made["broken"].id, DISABLED)
    await said(world, made["scooter"], clock.now(), 52.5211119, 13.4, 79)
    return made


def _name_of(url: str) -> str:
    return url.rpartition("/")[2].removesuffix(".json")


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_every_file_keeps_to_the_specification(world: World, locale: str) -> None:
    """Issue 3, point 8: each file reachable from the manifest, by our own strict schemas."""
    world = await make_world(locale=locale, tax_included=locale == "de")
    await _mixed(world)
    files = await everything(world)
    assert len(files) == len(schemas.DATA["3.0"]) + len(schemas.DATA["2.3"])
    for url, body in files.items():
        validator = jsonschema_rs.validator_for(schemas.schema(body["version"], _name_of(url)))
        assert [
            f"{url}: {e.message} at {e.instance_path}" for e in validator.iter_errors(body)
        ] == []
        assert f"/{body['version']}/" in url or url.endswith("/manifest.json")


class _Read:
    """The validator's way to the files: those already read."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = files

    def get_json(self, url: str) -> Any:
        return self.files[url]


async def _fenced(world: World) -> None:
    """An operating area with a place of each kind in it."""

    def square(x: float, y: float, size: float) -> zones.Polygons:
        far_x, far_y = x + size, y + size
        return [[[(x, y), (far_x, y), (far_x, far_y), (x, far_y), (x, y)]]]

    made: list[tuple[str, float, dict[str, Any]]] = [
        ("operating_area", 1.0, {}),
        ("no_go", 0.1, {"priority": 5}),
        ("no_parking", 0.2, {"vehicle_types": ["scooter"], "valid_until": clock.now() + DAY}),
        ("preferred_parking", 0.05, {"priority": 9}),
        ("slow", 0.3, {"speed_limit_kmh": 12}),
        ("deployment", 0.3, {}),
    ]
    for kind, size, more in made:
        rules = zones.ZoneRules(name=f"Zone <{kind}>", kind=kind, **more)  # type: ignore[arg-type]
        await zones.create_zone(world.admin(), rules, square(13.0, 52.0, size), ids.new())


DAY = timedelta(days=1)


@pytest.mark.parametrize("version", ["3.1-RC3", "3.0", "2.3"])
async def test_the_validator_from_pypi_finds_no_error(world: World, version: str) -> None:
    """Done when (issue 3): 0 errors, the vehicles' feed being required of us; and it can find."""
    await _mixed(world)
    await _fenced(world)
    await feeds.change_setting(world.admin(), feeds.SettingChange(has_draft=True))
    files = await everything(world, *(["3.1-RC3/gbfs.json"] if version == "3.1-RC3" else []))
    for url, body in files.items():
        jsonschema_rs.validate(schemas.schema(body["version"], _name_of(url)), body)
    start = next(url for url in files if url.endswith(f"{version}/gbfs.json"))
    report = GBFS(start, freefloating=True, fetcher=_Read(files)).validation()
    errors = {f["file"]: f["languages"] for f in report["files"] if f["hasErrors"]}
    assert (report["summary"]["errorsCount"], errors) == (0, {})
    assert report["summary"]["version"] == {"detected": version, "validated": version}
    seen = {f["file"] for f in report["files"] if f["exists"]}
    assert {f"{name}.json" for name in schemas.DATA[version]} <= seen
    name = gbfs.PROTOCOLS[version].VEHICLES
    broken = next(body for url, body in files.items() if url.endswith(f"{version}/{name}.json"))
    broken["data"]["bikes" if version == "2.3" else "vehicles"][0]["lat"] = "north"
    report = GBFS(start, freefloating=True, fetcher=_Read(files)).validation()
    assert report["summary"]["errorsCount"] > 0


async def test_an_empty_fleet_has_feeds_too(world: World) -> None:
    """No vehicles, no types, no plans; the files are there all the same."""
    for url, body in (await everything(world)).items():
        jsonschema_rs.validate(schemas.schema(body["version"], _name_of(url)), body)
    assert await vehicles(world) == []
    assert (await feed(world, "3.0", "vehicle_types"))["vehicle_types"] == []


async def test_what_is_told_of_a_vehicle(world: World) -> None:
    """FLT-32 and GBFS: six digits of place, range in metres, charge from 0 to 1, whole seconds."""
    made = await _mixed(world)
    shown = {(v["vehicle_type_id"], v["is_disabled"]): v for v in await vehicles(world)}
    assert len(shown) == 5, "what has no place is not shown"
    scooter = shown["scooter", False]
    assert (scooter["lat"], scooter["current_fuel_percent"]) == (52.521112, 0.79)
    assert scooter["current_range_meters"] == 23_700
    assert shown["car", False]["current_range_meters"] == 0
    assert "current_fuel_percent" not in shown["car", False]
    assert shown["van", False]["current_fuel_percent"] == 0.0, "known to be empty"
    assert ("scooter", True) in shown, "in maintenance"
    async with public() as client:
        for version, name in (("3.0", "vehicle_status"), ("2.3", "free_bike_status")):
            text = (await client.get(f"/gbfs/{world.operator.slug}/{version}/{name}.json")).text
            assert reading.fleet_ids(text, *(v.id for v in made.values())) == []
            assert not any(v.identifier in text for v in made.values())


async def test_types_and_plans_are_the_operators_own(world: World) -> None:
    """Only types it has; each with the tariff that pricing has for it."""
    await world.vehicle("ebike", metadata={"full_range_km": 80})
    types = (await feed(world, "3.0", "vehicle_types"))["vehicle_types"]
    assert [(t["vehicle_type_id"], t["max_range_meters"]) for t in types] == [("ebike", 80_000)]
    plans = (await feed(world, "3.0", "system_pricing_plans"))["plans"]
    assert [p["plan_id"] for p in plans] == [types[0]["default_pricing_plan_id"]]
    assert (plans[0]["price"], plans[0]["currency"], plans[0]["is_taxable"]) == (1.5, "EUR", False)
    first = plans[0]["per_min_pricing"][0]
    assert (first["start"], first["rate"], first["interval"]) == (0, 0.25, 1)


async def test_a_name_lasts_until_the_next_trip(world: World) -> None:
    """A reader cannot follow a rider: held and ridden vehicles are gone, and come back renamed."""
    rider, vehicle, other = await paying_rider(world), await world.vehicle(), await world.vehicle()
    await fleet.move_vehicle(world.admin(), other.id, fleet.Place(52.6, 13.5))
    before = {v["lat"]: v["vehicle_id"] for v in await vehicles(world)}
    assert {v["lat"]: v["vehicle_id"] for v in await vehicles(world)} == before, "asking changes it"
    rental = await book(rider, vehicle)
    assert [v["vehicle_id"] for v in await vehicles(world)] == [before[52.6]], "held"
    await rentals.cancel(rider, rental.id, "changed my mind")
    await world.settle()
    assert {v["lat"]: v["vehicle_id"] for v in await vehicles(world)} == before, (
        "no trip, no change"
    )
    rental = await confirmed(rider, vehicle)
    async with alive(world):
        rental = await rentals.unlock(rider, rental.id)
    assert rental.state == "in_progress"
    assert [v["vehicle_id"] for v in await vehicles(world)] == [before[52.6]], "ridden"
    await rentals.end(rider, rental.id, None, None, None, None)
    await world.settle()
    after = {v["lat"]: v["vehicle_id"] for v in await vehicles(world)}
    assert after.keys() == before.keys()
    assert after[52.6] == before[52.6]
    assert after[52.52] != before[52.52]


async def test_operators_are_strictly_apart(world: World) -> None:
    """I7: nobody's feed has another's vehicle, and the operator is the one in the path, whatever
    header or token a request carries."""
    other = await make_world()
    assert gbfs.key_of(world.tenant) != gbfs.key_of(other.tenant)
    await world.vehicle(latitude=52.1)
    await other.vehicle("car", latitude=48.1)
    for own, stranger in ((world, other), (other, world)):
        out_of_date(own)
        path = f"/gbfs/{own.operator.slug}/3.0/"
        async with stranger.client(stranger.admin()) as client:
            answer = (await client.get(f"{path}vehicle_status.json")).json()
            types = (await client.get(f"{path}vehicle_types.json")).json()
        lat = 52.1 if own is world else 48.1
        assert [v["lat"] for v in answer["data"]["vehicles"]] == [lat]
        assert len(types["data"]["vehicle_types"]) == 1
    async with other.client(other.admin()) as client:
        await client.patch("/api/v1/feeds/setting", json={"is_public": False})
    async with public() as client:
        assert (await client.get(f"/gbfs/{world.operator.slug}/3.0/gbfs.json")).status_code == 200
        assert (await client.get(f"/gbfs/{other.operator.slug}/3.0/gbfs.json")).status_code == 404


async def test_an_unchanged_feed_is_a_304(world: World) -> None:
    """ETag, Cache-Control, and no second look into the database while a reading is fresh."""
    await world.vehicle()
    path = f"/gbfs/{world.operator.slug}/3.0/vehicle_status.json"
    async with public() as client:
        first = await client.get(path)
        age = first.headers["cache-control"].removeprefix("public, max-age=")
        assert 0 < int(age) <= first.json()["ttl"]
        assert first.headers["access-control-allow-origin"] == "*"
        seen: list[str] = []
        token = db.statements.set(seen)
        again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
        db.statements.reset(token)
        assert (again.status_code, again.content, seen) == (304, b"", [])
        assert again.headers["cache-control"].startswith("public, max-age=")
        await world.vehicle()
        out_of_date(world)
        fresh = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert fresh.status_code == 200
        assert len(fresh.json()["data"]["vehicles"]) == 2


async def test_last_updated_is_when_something_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed of vehicles is as old as its reading; another keeps its time while it says the same,
    so that its readers get a 304 for as long."""
    await world.vehicle()

    async def at(name: str) -> datetime:
        async with public() as client:
            answer = await client.get(f"/gbfs/{world.operator.slug}/3.0/{name}.json")
        return msgspec.convert(answer.json()["last_updated"], type=datetime)

    first = {name: await at(name) for name in ("vehicle_status", "vehicle_types")}
    later = time.monotonic() + 61
    monkeypatch.setattr("fahrwerk.feeds.queries.gbfs.monotonic", lambda: later)
    with clock.moved_to(clock.now() + timedelta(seconds=61), leases=False):
        assert (await at("vehicle_status") - first["vehicle_status"]).total_seconds() >= 60
        assert await at("vehicle_types") == first["vehicle_types"]
    await world.vehicle("car")
    monkeypatch.setattr("fahrwerk.feeds.queries.gbfs.monotonic", lambda: later + 61)
    with clock.moved_to(clock.now() + timedelta(seconds=122), leases=False):
        assert (await at("vehicle_types") - first["vehicle_types"]).total_seconds() >= 120


async def test_many_at_once_are_one_reading(world: World) -> None:
    """A crowd at the end of a time to live does not become a crowd at the database."""
    await world.vehicle()
    out_of_date(world)
    call = system(None, "tests")
    await feeds.document(call, world.operator.slug, "3.0", "gbfs")  # setting and operator known
    seen: list[str] = []
    token = db.statements.set(seen)
    wanted = (call, world.operator.slug, "3.0", "vehicle_status")
    bodies = await asyncio.gather(*(feeds.document(*wanted) for _ in range(20)))
    db.statements.reset(token)
    assert len({each.body for each in bodies}) == 1
    assert sum("fleet.vehicle" in sql for sql in seen) == 1


async def test_what_is_kept_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest document makes room; one that is too large alone is sent, not kept."""
    await world.vehicle()
    out_of_date(world)
    call = system(None, "tests")
    gbfs._kept.clear()
    monkeypatch.setattr(gbfs, "MOST_KEPT_BYTES", 1_500)
    for name in ("gbfs", "gbfs_versions", "system_information", "vehicle_types"):
        await feeds.document(call, world.operator.slug, "3.0", name)
    assert 0 < sum(len(each.body) for each in gbfs._kept.values()) <= 1_500
    monkeypatch.setattr(gbfs, "MOST_KEPT_BYTES", 10)
    assert (await feeds.document(call, world.operator.slug, "3.0", "system_alerts")).body
    assert gbfs._kept == {}


async def test_an_operator_switches_its_feeds_off(world: World) -> None:
    """At once, all files, and on again; the change is told once."""
    slug = world.operator.slug
    paths = [f"/gbfs/{slug}/{p}" for p in ("manifest.json", "2.3/gbfs.json", "check.json")]
    await jobs.check_operator(world.operator, feeds.Setting())
    async with public() as client, world.client(world.call("provider")) as provider:
        assert [(await client.get(p)).status_code for p in paths] == [200, 200, 200]
        for is_public in (False, False, True):
            answer = await provider.patch("/api/v1/feeds/setting", json={"is_public": is_public})
            assert answer.json()["is_public"] is is_public
            status = 200 if is_public else 404
            assert [(await client.get(p)).status_code for p in paths] == [status] * 3
    rows = await db.run("feeds", world.system("feeds"), _TOLD, f"feeds:{world.tenant}")
    assert [(r["version"], r["data"]["is_public"]) for r in rows] == [(1, False), (2, True)]


_TOLD = "SELECT version, data FROM kernel.event WHERE stream = $1 ORDER BY version"


async def test_contact_and_terms_are_published(world: World) -> None:
    """GBFS 3.0 must name somebody; silence on terms means CC0, so an operator can name its own."""
    default = await feed(world, "3.0", "system_information")
    assert "@" in default["feed_contact_email"]
    assert "license_url" not in default
    async with world.client(world.admin()) as client:
        own = {"contact_email": "feeds@op.example", "license_url": "https://op.example/terms"}
        assert (await client.patch("/api/v1/feeds/setting", json=own)).status_code == 200
        assert (await client.get("/api/v1/feeds/setting")).json() == {**DEFAULTS, **own}
        for version in ("3.0", "2.3"):
            told = await feed(world, version, "system_information")
            assert (told["feed_contact_email"], told["license_url"]) == tuple(own.values())
        back = await client.patch("/api/v1/feeds/setting", json={"license_url": None})
        assert back.json() == {**DEFAULTS, **own, "license_url": None}
        wrong = await client.patch("/api/v1/feeds/setting", json={"contact_email": "nobody"})
        assert wrong.status_code == 400
        assert wrong.json()["error"]["details"]["field"] == "contact_email"


async def test_only_staff_changes_what_is_published(world: World) -> None:
    """IDN-26: riders and support may not."""
    for call in (await world.rider(), world.call("support")):
        with pytest.raises(Forbidden):
            await feeds.change_setting(call, feeds.SettingChange(is_public=False))
        with pytest.raises(Forbidden):
            await feeds.setting(call)
    with pytest.raises(Invalid):
        await feeds.change_setting(world.admin(), feeds.SettingChange(license_url="nowhere"))


@pytest.mark.parametrize(
    "path",
    [
        "nobody-here/3.0/gbfs.json", "{}/3.1/gbfs.json", "{}/2.3/vehicle_status.json",
        "{}/3.0/free_bike_status.json", "{}/3.0/station_status.json", "{}/3.0/manifest.json",
        "{}/3.0/gbfs", "{}/3.0/.json", "{}/2.3/__class__.json", "..%2f/3.0/gbfs.json",
    ],
)  # fmt: skip
async def test_what_is_not_published_is_not_found(world: World, path: str) -> None:
    """Stations, regions and zones: nobody has any, so there are no files of them."""
    async with public() as client:
        answer = await client.get("/gbfs/" + path.format(world.operator.slug))
    assert answer.status_code == 404
    assert "error" in answer.json()


async def test_the_self_check_is_published(world: World) -> None:
    """It agrees with the truth while a vehicle is held; and it sees a feed that lies."""
    await _mixed(world)
    rider, vehicle = await paying_rider(world), await world.vehicle()
    await book(rider, vehicle)
    path = f"/gbfs/{world.operator.slug}/check.json"
    async with public() as client:
        missing = await client.get(path)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_CHECKED_YET")
        await jobs.check_whole(world.operator)
        found = (await client.get(path)).json()
    assert found["is_right"] is True
    assert found["truth"] == found["feed"] == {"available": 4, "disabled": 1}
    assert (found["unplaced"], found["moving"]) == (1, 0)
    assert set(found["differences"].values()) == {0}


async def test_the_self_check_sees_a_ridden_vehicle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst lie: where somebody rides. Reported at check.json and in the metrics."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    truth = await fleet.public_vehicles(world.system())
    await book(rider, vehicle)

    async def stale(call: Any) -> list[fleet.PublicVehicle]:
        return truth

    monkeypatch.setattr(fleet, "public_vehicles", stale)
    found = await jobs.check_operator(world.operator, feeds.Setting())
    assert (found.in_use, found.differences) == (2, 2), "in both versions"
    async with public() as client:
        shown = (await client.get(f"/gbfs/{world.operator.slug}/check.json")).json()
        text = (await client.get("/metrics")).text
    assert shown["is_right"] is False
    past = (await world.client(world.admin()).get("/api/v1/feeds/checks")).json()["hours"]
    assert [(each["feed"], each["differences"]) for each in past] == [("gbfs", 2)]
    assert shown["differences"]["in_use"] == 2
    assert (
        f'fahrwerk_feed_differences{{kind="in_use",operator="{world.operator.slug}"}} 2.0' in text
    )


async def test_the_doors_carry_feeds_between_processes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same through the wire format."""
    await _mixed(world)
    local = await vehicles(world)
    monkeypatch.setattr(doors, "runner", "wire")
    assert await vehicles(world) == local
    assert (await jobs.check_operator(world.operator, feeds.Setting())).differences == 0


async def test_zones_in_the_order_in_which_they_go_before_each_other(world: World) -> None:
    """Issue 3, point 8: what is about parking by priority, then operating areas, then speeds; each
    rule says of parking what holds there, and what holds elsewhere is said once."""
    await world.vehicle()
    await world.vehicle("car")
    await _fenced(world)
    found = await feed(world, "3.0", "geofencing_zones")
    features = found["geofencing_zones"]["features"]
    names = [f["properties"]["name"][1]["text"].removeprefix("Zone ") for f in features]
    assert names == ["preferred_parking", "no_go", "no_parking", "operating_area", "slow"]
    rules = {n: f["properties"]["rules"] for n, f in zip(names, features, strict=True)}
    both = {"vehicle_type_ids": ["car", "scooter"]}
    assert rules["no_go"] == [both | _allowed(False, False, False)]
    assert rules["operating_area"] == [both | _allowed(True, True, True)]
    assert rules["slow"] == [both | _allowed(True, False, True) | {"maximum_speed_kph": 12}]
    assert found["global_rules"] == [both | _allowed(True, False, True)]
    assert rules["no_parking"] == [{"vehicle_type_ids": ["scooter"]} | _allowed(True, False, True)]
    assert "end" in features[2]["properties"]
    old = await feed(world, "2.3", "geofencing_zones")
    said = [f["properties"]["rules"][0] for f in old["geofencing_zones"]["features"]]
    assert [(r["ride_allowed"], r["ride_through_allowed"]) for r in said] == [
        (True, True), (False, False), (False, True), (True, True), (False, True),
    ]  # fmt: skip


def _allowed(start: bool, end: bool, through: bool) -> dict[str, bool]:
    return {
        "ride_start_allowed": start, "ride_end_allowed": end, "ride_through_allowed": through,
    }  # fmt: skip


async def test_without_zones_all_is_allowed(world: World) -> None:
    await world.vehicle()
    found = await feed(world, "3.0", "geofencing_zones")
    assert found["geofencing_zones"]["features"] == []
    assert found["global_rules"] == [{"vehicle_type_ids": ["scooter"]} | _allowed(True, True, True)]


async def test_the_draft_is_published_where_it_is_wanted(world: World) -> None:
    """3.1-RC3 behind a setting: named by itself only, with the cap as a cap and the area."""
    await world.vehicle("ebike")
    await _fenced(world)
    path = f"/gbfs/{world.operator.slug}/3.1-RC3"
    async with public() as client:
        assert (await client.get(f"{path}/gbfs.json")).status_code == 404
        await feeds.change_setting(world.admin(), feeds.SettingChange(has_draft=True))
        manifest = (await client.get(f"{path}/manifest.json")).json()
        assert manifest["data"]["datasets"][0]["area"]["type"] == "MultiPolygon"
    plan = (await feed(world, "3.1-RC3", "system_pricing_plans"))["plans"][0]
    assert plan["fare_capping"]["duration"] == 1440
    assert [(s["start"], s["interval"]) for s in plan["per_min_pricing"]] == [(0, 1)]
    named = (await feed(world, "3.0", "gbfs_versions"))["versions"]
    assert [each["version"] for each in named] == ["2.3", "3.0"]
    named = (await feed(world, "3.1-RC3", "gbfs_versions"))["versions"]
    assert [each["version"] for each in named] == ["2.3", "3.0", "3.1-RC3"]
    assert (
        await jobs.check_operator(world.operator, feeds.Setting(has_draft=True))
    ).differences == 0


@pytest.mark.parametrize(
    ("days", "start", "end", "on", "off"),
    [
        ([1], "08:00", "10:00", [480, 599], [479, 600, 480 + 1440]),
        ([5], "22:00", "06:00", [4 * 1440 + 1320, 5 * 1440 + 359], [5 * 1440 + 360, 359]),
        ([7], "23:00", "01:00", [6 * 1440 + 1400, 30], [60, 1440]),
        ([3], "00:00", "24:00", [2 * 1440, 3 * 1440 - 1], [2 * 1440 - 1, 3 * 1440]),
    ],
)
def test_a_weekly_schedule(
    days: list[int], start: str, end: str, on: list[int], off: list[int]
) -> None:
    hours = [zones.Hours(days=days, start=start, end=end)]
    assert all(fences.is_on(hours, minute) for minute in on)
    assert not any(fences.is_on(hours, minute) for minute in off)
    assert fences.is_on([], 0)
