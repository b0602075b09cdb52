"""A ride from start to receipt, field for field (RNT-35..44, RNT-48..53, EV-07, C-22, C-23)."""

from __future__ import annotations

import asyncio
import base64
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.errors import Invalid, Unavailable
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import NoPhoto, UnknownRental, WrongState
from tests.rentals.riding import (
    alive,
    book,
    fact,
    heard,
    paying_rider,
    public,
    riding,
    told,
)
from tests.world import make_world

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from tests.world import World

pytestmark = pytest.mark.usefixtures("database")
START = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
PHOTO_OF = Image.new("RGB", (40, 30), (10, 120, 60))


def data_uri() -> str:
    out = io.BytesIO()
    PHOTO_OF.save(out, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


WISH: dict[str, Any] = {
    "start_location": {
        "latitude": 52.520008,
        "longitude": 13.404954,
        "address": "Alexanderplatz, Berlin",
    },
    "promo_code": "WELCOME10",
    "business_trip": False,
}


# long: one ride, request by request
async def test_a_ride_field_for_field() -> None:
    """RNT-35, 36, 38, 39, 40, 41, 42, C-21..23: the example of the catalogue, at its own time.

    Its tax (1.00 on 11.75) is that of an operator who adds 8.51 % to net prices.
    """
    world = await make_world(tax_rate_bp=851, tax_included=False)
    rider, vehicle = await world.rider(), await world.vehicle()
    method = await world.card(rider)
    with clock.moved_to(START):
        async with alive(world), world.client(rider) as client:
            wish = WISH | {
                "scooter_id": ids.public("sco", vehicle.id),
                "payment_method_id": ids.public("pm", method),
            }
            started = await client.post("/api/v1/rentals", json=wish)
    assert started.status_code == 201, started.text
    body = started.json()
    rental_id = body["id"]
    assert rental_id.startswith("rent_")
    scooter = {
        "id": ids.public("sco", vehicle.id),
        "identifier": vehicle.identifier,
        "model": vehicle.model,
        "type": "scooter",
    }
    assert body == {
        "id": rental_id,
        "scooter": scooter,
        "vehicle": scooter,
        "status": "active",
        "start_time": "2024-01-15T10:30:00Z",
        "start_location": {"latitude": 52.520008, "longitude": 13.404954},
        "pricing": {"base_fee": 1.5, "price_per_minute": 0.25, "currency": "EUR"},
        "current_cost": 0.0,
        "estimated_cost": {"per_minute": 0.25, "per_hour": 15.0, "daily_maximum": 75.0},
        "limits": {"max_duration_hours": 24, "max_distance_km": 100},
    }

    with clock.moved_to(START + timedelta(minutes=15)):
        await tell_route(world, vehicle)
        async with world.client(rider) as client:
            status = await client.get(f"/api/v1/rentals/{rental_id}/status")
    assert status.json() == {
        "id": rental_id,
        "status": "active",
        "duration_minutes": 15,
        "current_cost": 5.25,
        "currency": "EUR",
        "distance_traveled": 2.3,
        "average_speed": 9.2,
        "battery_consumed": 5,
        "current_location": {"latitude": 52.518008, "longitude": 13.402954},
        "route": [
            {"latitude": 52.520008, "longitude": 13.404954, "timestamp": "2024-01-15T10:30:00Z"},
            {"latitude": 52.518008, "longitude": 13.402954, "timestamp": "2024-01-15T10:45:00Z"},
        ],
    }

    with clock.moved_to(START + timedelta(minutes=45)):
        await heard(world, vehicle, START + timedelta(minutes=44), 52.51, 13.39, 70, 106_800)
        async with alive(world), world.client(rider) as client:
            end = {
                "end_location": {
                    "latitude": 52.515,
                    "longitude": 13.399,
                    "address": "Potsdamer Platz, Berlin",
                },
                "end_photo": data_uri(),
                "rating": 5,
                "feedback": "Great scooter, smooth ride!",
            }
            ended = await client.post(f"/api/v1/rentals/{rental_id}/end", json=end)
            receipt = await client.get(f"/api/v1/rentals/{rental_id}/receipt")
            shown = await client.get(f"/api/v1/rentals/{rental_id}")
            photo = await client.get(f"/api/v1/rentals/{rental_id}/photo")
    assert ended.status_code == 200, ended.text
    body = ended.json()
    transaction = body["payment"]["transaction_id"]
    assert transaction.startswith("txn_")
    assert body == {
        "id": rental_id,
        "status": "completed",
        "end_time": "2024-01-15T11:15:00Z",
        "duration_minutes": 45,
        "total_distance": 6.8,
        "total_cost": 12.75,
        "currency": "EUR",
        "cost_breakdown": {
            "base_fee": 1.5,
            "time_cost": 11.25,
            "promo_discount": -1.0,
            "tax": 1.0,
            "tax_included": False,
        },
        "payment": {
            "status": "processed",
            "payment_method": "Visa ending in 4242",
            "transaction_id": transaction,
        },
        "receipt_url": body["receipt_url"],
    }
    assert body["receipt_url"].startswith(f"http://test/receipts/{rental_id}?key=")
    assert receipt.json() == body | {
        "operator": world.operator.name,
        "vehicle": scooter,
        "start_time": "2024-01-15T10:30:00Z",
        "pricing": {"base_fee": 1.5, "price_per_minute": 0.25, "currency": "EUR"},
        "tax_rate": 8.51,
    }
    assert shown.json() == {
        "id": rental_id,
        "status": "completed",
        "user_id": ids.public("usr", rider.user) if rider.user else "",
        "vehicle": {"id": ids.public("sco", vehicle.id), "type": "scooter"},
        "pricing": {"base_fee": 1.5, "price_per_minute": 0.25, "currency": "EUR"},
        "start_time": "2024-01-15T10:30:00Z",
        "end_time": "2024-01-15T11:15:00Z",
        "start_location": WISH["start_location"],
        "end_location": end["end_location"],
        "duration_minutes": 45,
        "total_distance": 6.8,
        "total_cost": 12.75,
        "cost_breakdown": body["cost_breakdown"],
        "business_trip": False,
        "rating": 5,
        "feedback": "Great scooter, smooth ride!",
    }
    assert photo.headers["content-type"] == "image/jpeg"
    assert photo.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(photo.content)) as image:
        assert image.size == PHOTO_OF.size


async def tell_route(world: World, vehicle: Vehicle) -> None:
    """The route of RNT-38: 2.3 km in 15 minutes with 5 % of the battery."""
    await heard(world, vehicle, START, 52.520008, 13.404954, 85, 100_000)
    await heard(world, vehicle, START + timedelta(minutes=15), 52.518008, 13.402954, 80, 102_300)


async def test_german_prices_contain_their_tax(world: World) -> None:
    """C-21, PRC-14: the default: 19 % in the total, which is base + time + promotion."""
    rider = await paying_rider(world)
    with clock.moved_to(START):
        rental = await riding(world, rider, await world.vehicle(), promo_code="WELCOME10")
    with clock.moved_to(START + timedelta(minutes=45)):
        ended = await contract.end(rider, rental.id, None, None, None, None)
    rating = ended.rating
    assert rating is not None
    assert (rating.base_fee_minor, rating.time_cost_minor) == (150, 1125)
    assert rating.promo_discount_minor == -100
    assert rating.total_minor == 1175
    assert (rating.tax_minor, rating.tax_included) == (188, True)


async def test_the_end_is_told_to_everyone_with_the_state(world: World) -> None:
    """RNT-49, RNT-50, EV-07, RNT-44: state and event of one statement, the stream as a view."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await riding(world, rider, vehicle, is_business=True, promo_code="WELCOME10")
    with clock.moved_to(START + timedelta(minutes=10)):
        place = contract.Point(52.515, 13.399)
        ended = await contract.end(rider, rental.id, place, None, 4, "fine")
        await world.settle()
    assert await told(world, rental.id) == [
        "rental.reserved", "BookingConfirmed", "rental.started", "rental.ended",
    ]  # fmt: skip
    told_ended = await fact(world, rental.id, "rental.ended")
    assert told_ended.pop("end_place").startswith("pk1.")  # sealed for the rider
    assert told_ended == {
        "booking_id": str(rental.id),
        "user_id": str(rider.user),
        "vehicle_id": str(vehicle.id),
        "payment_id": str(rental.payment_id),
        "started_at": "2024-01-15T10:30:00Z",
        "ended_at": "2024-01-15T10:40:00Z",
        "duration_s": 600,
        "distance_m": 0,
        "total_minor": 360,
        "currency": "EUR",
        "promo_code": "WELCOME10",
        "is_business": True,
        "end_latitude": None,
        "end_longitude": None,
        "is_recorded": False,
        "tax_minor": 57,
        "tax_rate_bp": 1900,
        "secured_by": "payment",
    }
    assert (ended.stars, ended.feedback) == (4, "fine")
    assert (await fleet.vehicle(world.admin(), vehicle.id)).status == "available"
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert (payment.state, payment.captured_minor) == ("completed", 360)
    async with world.client(rider) as client:
        rows = (await client.get(f"/api/v1/rentals/{public(rental)}/events")).json()["events"]
    assert [row["version"] for row in rows] == [1, 2, 3, 4]
    assert [row["event_type"] for row in rows] == await told(world, rental.id)
    assert {"id", "rental_id", "event_type", "event_data", "created_at"} <= rows[0].keys()
    assert rows[0]["rental_id"] == public(rental)
    assert rows[0]["actor"] == rider.actor
    assert rows[3]["event_data"]["total_minor"] == 360


async def test_of_two_ends_the_first_counts_and_both_answer_it(world: World) -> None:
    """RNT-41, F13: the meter stops once; a repeat is harmless."""
    rider = await paying_rider(world)
    with clock.moved_to(START):
        rental = await riding(world, rider, await world.vehicle())

    async def end_after(minutes: int) -> contract.Rental:
        with clock.moved_to(START + timedelta(minutes=minutes)):
            return await contract.end(rider, rental.id, None, None, None, None)

    results = await asyncio.gather(*(end_after(10) for _ in range(10)))
    assert len({(r.ended_at, r.version) for r in results}) == 1
    later = await end_after(30)
    assert later == results[0]
    assert later.rating is not None
    assert later.rating.billed_minutes == 10
    assert (await told(world, rental.id)).count("rental.ended") == 1


async def test_a_ride_not_begun_cannot_end(world: World) -> None:
    rider, vehicle = await paying_rider(world), await world.vehicle()
    rental = await book(rider, vehicle)
    for _ in ("pending", "confirmed"):
        with pytest.raises(WrongState):
            await contract.end(rider, rental.id, None, None, None, None)
        await contract.confirm(rider, rental.id, None)
    with pytest.raises(WrongState):
        await contract.receipt(rider, rental.id, None)
    async with world.client(rider) as client:
        live = (await client.get(f"/api/v1/rentals/{public(rental)}/status")).json()
        answer = await client.get(f"/api/v1/rentals/{public(rental)}/receipt")
    assert answer.status_code == 409
    assert (live["status"], live["current_cost"], live["route"]) == ("confirmed", 0.0, [])


async def test_only_its_rider_or_support_ends_a_ride(world: World) -> None:
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    with pytest.raises(UnknownRental):
        await contract.end(await world.rider(), rental.id, None, None, None, None)
    ended = await contract.end(world.call("support"), rental.id, None, None, None, None)
    assert ended.state == "completed"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rating": 6}, "rating"),
        ({"rating": 0}, "rating"),
        ({"feedback": "x" * 2001}, "feedback"),
        ({"end_location": {"latitude": 91, "longitude": 0}}, "end_location.latitude"),
        ({"end_photo": "data:image/svg+xml;utf8,<svg/>"}, "end_photo"),
        ({"end_photo": "data:image/jpeg;base64,%%%"}, "end_photo"),
        ({"end_photo": "data:image/jpeg;base64,aGVsbG8="}, "end_photo"),
        ({"tip": 5}, "tip"),
    ],
)
async def test_an_end_that_makes_no_sense_ends_nothing(
    world: World, wrong: dict[str, Any], field: str
) -> None:
    """API-03: 400 names the field; the ride goes on."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    async with world.client(rider) as client:
        answer = await client.post(f"/api/v1/rentals/{public(rental)}/end", json=wrong)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"]["field"] == field
    assert (await contract.rental(rider, rental.id)).state == "in_progress"


async def test_a_photo_of_8_mb_comes_through_and_more_does_not(world: World) -> None:
    """RNT-48: the larger body is allowed here only."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    noise = Image.effect_noise((2200, 2200), 100)
    out = io.BytesIO()
    noise.save(out, "PNG")
    assert 4 << 20 < len(out.getvalue()) < 8 << 20
    large = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    async with world.client(rider) as client:
        path = f"/api/v1/rentals/{public(rental)}/end"
        too_large = await client.post(path, json={"end_photo": "x" * (13 << 20)})
        assert too_large.status_code == 413
        elsewhere = await client.post("/api/v1/bookings", json={"vehicle_id": "x" * (2 << 20)})
        assert elsewhere.status_code == 413
        answer = await client.post(path, json={"end_photo": large})
        assert answer.status_code == 200, answer.text
        photo = await client.get(f"/api/v1/rentals/{public(rental)}/photo")
    assert photo.content[:2] == b"\xff\xd8"


async def test_a_photo_is_optional(world: World) -> None:
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    await contract.end(rider, rental.id, None, None, None, None)
    with pytest.raises(NoPhoto):
        await contract.photo(rider, rental.id)
    with pytest.raises(UnknownRental):
        await contract.photo(await world.rider(), rental.id)


async def test_a_ride_ends_though_nobody_reaches_the_vehicle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The meter stops with the request: what is down later only misses its figures."""

    async def down(*_: Any) -> Any:
        raise Unavailable

    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    monkeypatch.setattr(fleet, "track", down)
    ended = await contract.end(rider, rental.id, None, None, None, None)
    assert (ended.state, ended.distance_m) == ("completed", 0)


async def test_where_the_rider_says_nothing_the_vehicle_knows(world: World) -> None:
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await riding(world, rider, vehicle)
        await tell_route(world, vehicle)
    with clock.moved_to(START + timedelta(minutes=20)):
        ended = await contract.end(rider, rental.id, None, None, None, None)
    assert ended.end == contract.Point(52.518008, 13.402954)
    assert (ended.distance_m, ended.battery_used_pct) == (2300, 5)


async def test_stars_and_words_have_limits_for_other_rooms_too(world: World) -> None:
    """RNT-52"""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    with pytest.raises(Invalid):
        await contract.end(rider, rental.id, None, None, 6, None)
    with pytest.raises(Invalid):
        await contract.end(rider, rental.id, None, None, 5, "x" * 2001)
