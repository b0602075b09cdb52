"""The search before a booking, its prices and its cache (RNT-01..07, RNT-10, C-31)."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import db, geo, ids
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import Found
from fahrwerk.rentals.queries import around
from fahrwerk.rentals.queries.answers import Answers
from fahrwerk.rentals.queries.around import Surroundings

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from tests.world import World

HERE = (50.11, 8.68)


# The function of this name hides the module it stands in.
module = sys.modules["fahrwerk.rentals.queries.search"]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> tuple[Answers, Surroundings]:
    """This test's own memory in place of the process's."""
    own = Answers(), Surroundings()
    monkeypatch.setattr(module, "answers", own[0])
    monkeypatch.setattr(module, "surroundings", own[1])
    return own


async def look(call: Call, radius_m: int = 1000, **wishes: Any) -> Found:
    kind = wishes.pop("vehicle_type", "scooter")
    limit = wishes.pop("limit", 50)
    body = await contract.search(call, *HERE, kind, radius_m, limit, **wishes)
    return json_of(body)


def json_of(body: bytes) -> Found:
    return msgspec.json.decode(body, type=Found)


def counted() -> dict[str, float]:
    return {w: module.searches.labels(w)._value.get() for w in ("hit", "near", "miss")}


async def test_search_answers_with_distance_price_and_range(world: World) -> None:
    """RNT-02, RNT-03, RNT-04, RNT-07: field for field, over HTTP, nearest first."""
    near = await world.vehicle(latitude=50.1105, longitude=8.6821, battery_level=85)
    far = await world.vehicle(latitude=50.115, longitude=8.68, battery_level=40)
    await world.vehicle(latitude=50.2, longitude=8.68)
    await world.vehicle("car", latitude=50.11, longitude=8.68)
    rider = await world.rider()
    async with world.client(rider) as client:
        wanted: dict[str, Any] = {"lat": 50.11, "lon": 8.68, "type": "scooter", "radius": 1000}
        answer = await client.get("/vehicles/search", params=wanted)
        same = await client.get("/api/v1/vehicles/search", params=wanted)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert same.json() == body
    assert body["count"] == 2
    assert body["search_radius_meters"] == 1000
    assert [v["id"] for v in body["vehicles"]] == [ids.public("sco", v.id) for v in (near, far)]
    first = body["vehicles"][0]
    assert first == {
        "id": ids.public("sco", near.id),
        "type": "scooter",
        "identifier": near.identifier,
        "model": near.model,
        "battery": 85,
        "location": {"lat": 50.1105, "lon": 8.6821},
        "distance_meters": 160,
        "price_per_hour": 15.0,
        "price_per_minute": 0.25,
        "base_fee": 1.5,
        "currency": "EUR",
        "estimated_range_km": near.range_km,
    }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"lat": 91}, "lat"), ({"lon": "east"}, "lon"), ({"radius": 0}, "radius"),
     ({"radius": 50_001}, "radius"), ({"type": "boat"}, "type"), ({"limit": 101}, "limit")],
)  # fmt: skip
async def test_a_search_that_makes_no_sense_is_told_why(
    world: World, wrong: dict[str, Any], field: str
) -> None:
    async with world.client(await world.rider()) as client:
        answer = await client.get("/vehicles/search", params={"lat": 50.1, "lon": 8.6} | wrong)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"]["field"] == field


async def test_search_needs_a_login(world: World) -> None:
    """RNT-02: JWT"""
    async with world.client() as client:
        answer = await client.get("/vehicles/search", params={"lat": 50.1, "lon": 8.6})
    assert answer.status_code == 401


async def test_without_a_type_every_type_is_found_at_its_own_price(world: World) -> None:
    await world.vehicle("scooter", *HERE)
    await world.vehicle("car", *HERE)
    rider = await world.rider()
    found = await look(rider, vehicle_type=None)
    prices = {v.type: v.price_per_minute for v in found.vehicles}
    assert prices.keys() == {"scooter", "car"}
    assert {v.id.partition("_")[0] for v in found.vehicles} == {PREFIX[t] for t in prices}


async def test_a_vehicle_silent_for_a_while_carries_a_warning(world: World) -> None:
    """C-18, FLT-20: stale but not yet offline: bookable with a warning."""
    fresh = await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    call = await world.rider()
    near = await fleet.nearby_vehicles(call, *HERE, "scooter", 1000)
    stale = msgspec.structs.replace(near[0], is_stale=True)
    terms = (await pricing.tariffs(call))["scooter"]
    assert module._found(stale, module._price(terms), 0).warning == (
        "This vehicle hasn't reported its status recently."
    )
    assert (await look(call)).vehicles[0].warning is None
    assert near[0].id == fresh.id


async def test_riders_filter_by_battery_model_and_price(world: World) -> None:
    """RNT-01"""
    await world.vehicle(latitude=HERE[0], longitude=HERE[1], battery_level=30, model="Max G2")
    full = await world.vehicle(latitude=HERE[0], longitude=HERE[1], battery_level=90, model="ES4")
    rider = await world.rider()
    full_id = ids.public("sco", full.id)
    assert [v.id for v in (await look(rider, min_battery=50)).vehicles] == [full_id]
    assert [v.id for v in (await look(rider, model="es4")).vehicles] == [full_id]
    assert (await look(rider, max_price_per_minute=0.25)).count == 2
    assert (await look(rider, max_price_per_minute=0.24)).count == 0
    assert (await look(rider, min_battery=10, limit=1)).count == 1


async def test_a_miss_is_one_statement_and_a_hit_none(world: World) -> None:
    """RNT-05, RNT-06, RNT-10: the second rider's answer comes from the cache, and is counted."""
    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    rider, other = await world.rider(), await world.rider()
    await pricing.tariffs(rider)  # known for seconds
    before = counted()
    seen: list[str] = []
    token = db.statements.set(seen)
    try:
        first = await contract.search(rider, *HERE, "scooter", 1000, 50)
        assert len(seen) == 1, seen
        second = await contract.search(other, HERE[0] + 0.00004, HERE[1], "scooter", 1000, 50)
        assert len(seen) == 1
    finally:
        db.statements.reset(token)
    assert first == second
    after = counted()
    assert after["miss"] - before["miss"] == 1
    assert after["hit"] - before["hit"] == 1


async def test_another_operator_never_gets_this_ones_answer(world: World) -> None:
    """I7: the cache is behind the tenants' wall too."""
    from tests.world import make_world

    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    assert (await look(await world.rider())).count == 1
    stranger = await make_world()
    assert (await look(await stranger.rider())).count == 0


@pytest.mark.parametrize("radius_m", [1000, 20_000])
async def test_a_vehicle_that_is_taken_is_gone_at_once(world: World, radius_m: int) -> None:
    """C-31: not after 30 s, but with the signal; whether its cells are indexed or not."""
    taken = await world.vehicle(latitude=50.1105, longitude=8.6821)
    rider = await world.rider()
    assert (await look(rider, radius_m)).count == 1
    holder = ids.new()
    await fleet.hold_vehicle(rider, ids.public("sco", taken.id), holder, holder, 60)
    assert (await look(rider, radius_m)).count == 0
    await fleet.release_hold(rider, taken.id, holder, "cancelled")
    assert (await look(rider, radius_m)).count == 1


async def test_a_change_elsewhere_leaves_the_answer(world: World) -> None:
    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    far = await world.vehicle(latitude=50.2, longitude=8.8)
    rider = await world.rider()
    await look(rider)
    before = counted()
    await fleet.hold_vehicle(rider, ids.public("sco", far.id), ids.new(), ids.new(), 60)
    await look(rider)
    assert counted()["hit"] - before["hit"] == 1


async def test_a_new_place_next_to_a_known_one_asks_nobody(world: World) -> None:
    """RNT-10: and says what the database would say, in the same words."""
    for n in range(60):
        place = HERE[0] + (n % 8 - 4) / 900, HERE[1] + (n // 8 - 4) / 700
        await world.vehicle("ebike" if n % 3 else "scooter", *place, battery_level=n)
    rider = await world.rider()
    await look(rider, 1500, vehicle_type=None)
    for kind, radius_m, limit in ((None, 600, 50), ("ebike", 700, 10), ("car", 500, 50)):
        args = (HERE[0] + 0.0021, HERE[1] - 0.0013, kind, radius_m, limit)
        before, seen = counted(), list[str]()
        token = db.statements.set(seen)
        try:
            body = await contract.search(rider, *args)
        finally:
            db.statements.reset(token)
        assert not seen
        assert counted()["near"] - before["near"] == 1
        assert body == await module._by_database(rider, *args, module._NO_WISHES)


@pytest.mark.parametrize("radius_m", [1000, 20_000])
async def test_what_was_read_before_a_change_is_not_kept_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch, radius_m: int
) -> None:
    """The race: the vehicle is taken while the answer without that knowledge is worked out."""
    taken = await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    rider = await world.rider()
    name = "available_in" if radius_m == 1000 else "nearby_vehicles"
    asking, read, go_on = getattr(fleet, name), asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> Any:
        found = await asking(*args)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(fleet, name, slow)
    asked = asyncio.create_task(look(rider, radius_m))
    await read.wait()
    await fleet.hold_vehicle(rider, ids.public("sco", taken.id), ids.new(), ids.new(), 60)
    go_on.set()
    assert (await asked).count == 1, "this answer was true when it was asked for"
    assert (await look(rider, radius_m)).count == 0


@pytest.mark.parametrize("radius_m", [1000, 20_000])
async def test_an_answer_is_not_older_than_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch, radius_m: int
) -> None:
    """C-31: where a signal is lost, 30 s are the most, whatever the answer was made from."""
    monkeypatch.setattr(around, "TTL_S", 0.05)
    monkeypatch.setattr(module, "TTL_S", 0.05)
    rider = await world.rider()
    await look(rider, radius_m)
    before = counted()
    await look(rider, radius_m)
    await asyncio.sleep(0.06)
    await look(rider, radius_m)
    after = counted()
    assert {w: after[w] - before[w] for w in after} == {"hit": 1, "near": 0, "miss": 1}


async def test_a_search_that_fails_leaves_nothing_that_counts_as_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any) -> Any:
        raise db.DatabaseDown

    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    rider = await world.rider()
    with monkeypatch.context() as broken:
        broken.setattr(fleet, "available_in", down)
        with pytest.raises(db.DatabaseDown):
            await look(rider)
    assert (await look(rider)).count == 1


async def test_a_vehicle_that_crossed_a_border_shows_once_where_it_is_now(
    world: World, nothing_known: tuple[Answers, Surroundings]
) -> None:
    """It moved between the reading of two neighbourhoods; and once taken, it is gone from both."""
    west, east = (50.11, 8.6800), (50.11, 8.6890)
    assert geo.area(geo.cell(*west)) != geo.area(geo.cell(*east))
    vehicle = await world.vehicle(latitude=west[0], longitude=west[1])
    rider = await world.rider()
    public = ids.public("sco", vehicle.id)
    assert json_of(await contract.search(rider, *west, None, 50, 50)).count == 1
    await db.run(
        "fleet", rider, "UPDATE fleet.vehicle SET latitude=$2, longitude=$3, cell=$4 WHERE id=$1",
        vehicle.id, *east, geo.cell(*east),
    )  # fmt: skip
    nothing_known[1]._forget((world.tenant.int, geo.area(geo.cell(*east))))
    found = json_of(await contract.search(rider, 50.11, 8.6845, None, 1000, 50))
    assert [(v.id, v.location.lon) for v in found.vehicles] == [(public, east[1])]


async def test_the_front_door_answers_as_the_endpoint_does(world: World) -> None:
    """RNT-10: the short way has the same limit, headers and refusals; what it cannot read plainly
    it leaves to the framework."""
    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    path = f"/api/v1/vehicles/search?lat={HERE[0]}&lon={HERE[1]}"
    async with world.client(await world.rider()) as client:
        first = await client.get(path)
        before = counted()
        again = await client.get(path)
        odd = await client.get(f"{path}&nobody=asked")
        twice = await client.get(f"{path}&lat=1")
        wrong = await client.get(f"{path}&limit=0")
        nan = await client.get("/api/v1/vehicles/search?lat=nan&lon=8.6")
    assert counted()["hit"] - before["hit"] >= 2
    assert again.content == first.content == odd.content
    same = [
        {k: v for k, v in each.headers.items() if not k.startswith(("ratelimit-rem", "x-request"))}
        for each in (first, again)
    ]
    assert same[0] == same[1]
    assert "ratelimit-remaining" in again.headers
    assert {each.status_code for each in (wrong, nan)} == {400}
    assert twice.status_code in (200, 400)
    async with world.client() as stranger:
        assert (await stranger.get(path)).status_code == 401
