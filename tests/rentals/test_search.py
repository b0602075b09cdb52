"""The search before a booking, its prices and its cache (RNT-01..07, RNT-10, C-31)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.live import hub
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import contract, queries
from fahrwerk.rentals.contract import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fahrwerk.kernel.call import Call
    from tests.world import World

HERE = (50.11, 8.68)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[queries.Answers]:
    """A cache of this test's own, heard by the hub in place of the process's."""
    own = queries.Answers()
    monkeypatch.setattr(queries, "answers", own)
    hearers = hub._hearers["fleet.cell"]
    hearers.append(own.changed)
    yield own
    hearers.remove(own.changed)


async def look(call: Call, radius_m: int = 1000, **wishes: Any) -> Found:
    kind = wishes.pop("vehicle_type", "scooter")
    limit = wishes.pop("limit", 50)
    body = await contract.search(call, *HERE, kind, radius_m, limit, **wishes)
    return msgspec.json.decode(body, type=Found)


def counted() -> dict[str, float]:
    return {w: queries.searches.labels(w)._value.get() for w in ("hit", "miss")}


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
    assert queries._found(stale, terms).warning == (
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


async def test_a_change_elsewhere_leaves_the_answer(
    world: World, empty_cache: queries.Answers
) -> None:
    await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    far = await world.vehicle(latitude=50.2, longitude=8.8)
    rider = await world.rider()
    await look(rider)
    assert len(empty_cache) == 1
    await fleet.hold_vehicle(rider, ids.public("sco", far.id), ids.new(), ids.new(), 60)
    assert len(empty_cache) == 1


async def test_what_was_read_before_a_change_is_not_kept_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch, empty_cache: queries.Answers
) -> None:
    """The race: the vehicle is taken while the answer without that knowledge is worked out."""
    taken = await world.vehicle(latitude=HERE[0], longitude=HERE[1])
    rider = await world.rider()
    nearby, read, go_on = fleet.nearby_vehicles, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> Any:
        found = await nearby(*args)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(fleet, "nearby_vehicles", slow)
    asked = asyncio.create_task(look(rider))
    await read.wait()
    await fleet.hold_vehicle(rider, ids.public("sco", taken.id), ids.new(), ids.new(), 60)
    go_on.set()
    assert (await asked).count == 1, "this answer was true when it was asked for"
    assert len(empty_cache) == 0
    assert (await look(rider)).count == 0
    assert not empty_cache._covering.get("nobody")


async def test_an_answer_is_not_older_than_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C-31: where a signal is lost, 30 s are the most."""
    monkeypatch.setattr(queries, "TTL_S", 0.05)
    rider = await world.rider()
    await look(rider)
    before = counted()
    await look(rider)
    await asyncio.sleep(0.06)
    await look(rider)
    after = counted()
    assert (after["hit"] - before["hit"], after["miss"] - before["miss"]) == (1, 1)


async def test_the_cache_is_bounded_and_forgets_wholly(
    monkeypatch: pytest.MonkeyPatch, empty_cache: queries.Answers
) -> None:
    """TST-38: eviction costs a look at the database, and leaves nothing behind."""
    monkeypatch.setattr(queries, "MOST_ANSWERS", 10)
    for n in range(50):
        answer = empty_cache.reserve("t", (n,), [n, n + 1, 1000])
        empty_cache.keep(answer, b"{}")
    assert len(empty_cache) == 10
    assert empty_cache.get((49,)) == b"{}"
    assert empty_cache.get((39,)) is None
    assert len(empty_cache._covering["t"][1000]) == 10
    empty_cache.changed("fleet.cell:t:1000")
    assert len(empty_cache) == 0
    assert empty_cache._covering == {}


async def test_a_search_that_fails_reserves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, empty_cache: queries.Answers
) -> None:
    async def down(*_: Any) -> Any:
        raise db.DatabaseDown

    monkeypatch.setattr(fleet, "nearby_vehicles", down)
    with pytest.raises(db.DatabaseDown):
        await look(await world.rider())
    assert empty_cache._covering == {}
