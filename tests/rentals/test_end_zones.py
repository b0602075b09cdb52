"""A ride ends only where it may (RNT-47): refused with words and a place, never on a doubt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet.contract import zones
from fahrwerk.fleet.contract.zones import ZoneRules
from fahrwerk.kernel import clock, db, geo, ids, person_keys
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import ParkingRefused, Point
from tests.rentals.riding import fact, paying_rider, public, riding, told

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental
    from tests.world import World

LAT, LON = 52.52, 13.405
INSIDE, OUTSIDE = Point(LAT, LON), Point(LAT + 0.03, LON)


async def draw(world: World, kind: Any, size: float, **rules: Any) -> zones.Zone:
    w, e, s, n = LON - size, LON + size, LAT - size, LAT + size
    square = [[[(w, s), (e, s), (e, n), (w, n), (w, s)]]]
    given = ZoneRules(name=rules.pop("name", kind), kind=kind, **rules)
    return await zones.create_zone(world.admin(), given, square, ids.new())


async def end(call: Call, rental: Rental, place: Point | None) -> Rental:
    return await contract.end(call, rental.id, place, None, None, None)


async def test_a_ride_does_not_end_outside_and_goes_on(world: World) -> None:
    """RNT-47: refused outside with the nearest place; ended there; the meter ran till then."""
    await draw(world, "operating_area", 0.01)
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    with pytest.raises(ParkingRefused) as refused:
        await end(rider, rental, OUTSIDE)
    details = refused.value.details
    assert details["reason"] == "outside_operating_area"
    near = details["nearest"]
    assert geo.distance_m(LAT + 0.03, LON, near["latitude"], near["longitude"]) == pytest.approx(
        near["distance_meters"], abs=2
    )
    assert 2_200 < near["distance_meters"] < 2_300  # 0.02 degrees, and 20 m into the area
    assert (await contract.rental(rider, rental.id)).state == "in_progress"
    with clock.moved_to(clock.now() + timedelta(minutes=7)):
        ended = await end(rider, rental, Point(near["latitude"], near["longitude"]))
    assert ended.state == "completed"
    assert ended.rating is not None
    assert ended.rating.billed_minutes in (7, 8)
    assert ended.reason is None
    assert (await told(world, rental.id))[-1] == "rental.ended"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Im Bereich „Tiergarten“ darf nicht geparkt werden"),
        ("en", "parking is not allowed in"),
    ],
)
async def test_the_refusal_is_one_of_the_house(world: World, language: str, words: str) -> None:
    """The one error format, 422, in the rider's language, with the zone and a place to end."""
    await draw(world, "no_parking", 0.005, name="Tiergarten")
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    body = {"end_location": {"latitude": LAT, "longitude": LON}}
    async with world.client(rider, **{"Accept-Language": language}) as client:
        answer = await client.post(f"/api/v1/rentals/{public(rental)}/end", json=body)
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert error["code"] == "PARKING_NOT_ALLOWED"
        assert words in error["message"]
        assert error["details"]["reason"] == "no_parking"
        assert error["details"]["zone_id"].startswith("zone_")
        near = error["details"]["nearest"]
        place = {"latitude": near["latitude"], "longitude": near["longitude"]}
        there = {"end_location": place}
        again = await client.post(f"/api/v1/rentals/{public(rental)}/end", json=there)
        assert again.status_code == 200, again.text


_SPEAKS = """
UPDATE fleet.vehicle SET is_connected = true, latitude = $2, longitude = $3, cell = $4,
    accuracy_m = $5, speed_kmh = 0, measured_at = $6,
    last_seen_at = kernel.now() - make_interval(secs => $7)
WHERE id = $1
"""


async def speaks(
    world: World, rental: Rental, place: Point, accuracy_m: float, ago_s: float
) -> None:
    """The vehicle has a device, which has said where it is."""
    await db.run(
        "fleet", world.system("fleet"), _SPEAKS, rental.vehicle_id, place.latitude,
        place.longitude, geo.cell(place.latitude, place.longitude), accuracy_m,
        clock.now() - timedelta(seconds=ago_s), ago_s,
    )  # fmt: skip


async def test_the_vehicle_knows_better_than_the_phone(world: World) -> None:
    """A vehicle with a device is where that says, whatever the app claims."""
    await draw(world, "operating_area", 0.01)
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    await speaks(world, rental, OUTSIDE, 5, 1)
    with pytest.raises(ParkingRefused):
        await end(rider, rental, INSIDE)


@pytest.mark.parametrize(
    ("accuracy_m", "ago_s"), [(5.0, 400.0), (5_000.0, 1.0), (900.0, 1.0)], ids=str
)
async def test_on_a_doubt_the_ride_ends(world: World, accuracy_m: float, ago_s: float) -> None:
    """Silent, or too inexact: nobody is kept in a ride because of a receiver."""
    await draw(world, "no_parking", 0.005)
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    await speaks(world, rental, INSIDE, accuracy_m, ago_s)
    assert (await end(rider, rental, INSIDE)).state == "completed"


async def test_without_a_position_the_ride_ends(world: World) -> None:
    """A vehicle without a device, and a rider who does not say: unsure, so allowed."""
    await draw(world, "no_parking", 0.005)
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    assert (await end(rider, rental, None)).state == "completed"


async def test_staff_end_it_all_the_same(world: World) -> None:
    """Force end: ``end_any`` overrides, and the rental says so."""
    await draw(world, "operating_area", 0.01)
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    ended = await end(world.call("support"), rental, OUTSIDE)
    assert ended.state == "completed"
    assert ended.reason == "staff_despite_outside_operating_area"
    told = await fact(world, rental.id, "rental.ended")
    assert str(OUTSIDE.latitude) not in str(told)  # sealed: where riders were is theirs
    assert rider.user is not None
    key = await person_keys.known_key_of(world.system(), rider.user)
    place = person_keys.unseal_text(key, told["end_place"])
    assert place == f"{OUTSIDE.latitude},{OUTSIDE.longitude}"


async def test_other_types_and_other_times_do_not_count(world: World) -> None:
    """A zone for cars, and one that was valid until yesterday, stop no scooter."""
    await draw(world, "no_parking", 0.005, vehicle_types=["car"])
    await draw(world, "no_parking", 0.005, valid_until=clock.now() - timedelta(days=1))
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    assert (await end(rider, rental, INSIDE)).state == "completed"


async def test_ending_twice_is_harmless_even_where_it_may_not(world: World) -> None:
    """A repeat answers the ended rental, whatever was drawn since."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    await end(rider, rental, INSIDE)
    await draw(world, "no_parking", 0.005)
    assert (await end(rider, rental, INSIDE)).state == "completed"


async def test_a_bonus_for_parking_where_it_is_wanted(world: World) -> None:
    """FLT-30: a line of its own, in breakdown and receipt; the total is what is charged."""
    await draw(world, "preferred_parking", 0.001, bonus_minor=40)
    rider = await paying_rider(world)
    here, there = [await riding(world, rider, await world.vehicle()) for _ in range(2)]
    async with world.client(rider) as client:
        ended = []
        for rental, place in ((here, INSIDE), (there, OUTSIDE)):
            body = {"end_location": {"latitude": place.latitude, "longitude": place.longitude}}
            url = f"/api/v1/rentals/{public(rental)}/end"
            ended.append((await client.post(url, json=body)).json())
        receipt = await client.get(ended[0]["receipt_url"])
    wanted, usual = (each["cost_breakdown"] for each in ended)
    assert wanted["parking_bonus"] == -0.4
    assert "parking_bonus" not in usual
    assert ended[0]["total_cost"] == pytest.approx(ended[1]["total_cost"] - 0.4)
    assert "arking bonus" in receipt.text or "Parkbonus" in receipt.text
    assert (await fact(world, here.id, "rental.ended"))["total_minor"] == round(
        ended[0]["total_cost"] * 100
    )
