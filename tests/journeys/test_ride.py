"""The ride through HTTP and MQTT, with real processes and a vehicle that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from fahrwerk.sim.vehicle import Faults
from tests.journeys.people import City

pytestmark = pytest.mark.process


async def eventually(
    look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], seconds: float = 10
) -> Any:
    """Look until it is as wanted; the last thing seen is in the message otherwise."""
    end = time.monotonic() + seconds
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        assert time.monotonic() < end, f"still {seen!r}"
        await asyncio.sleep(0.05)


async def _json(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _seen(city: City, vehicle_id: str, status: str = "available") -> None:
    """Wait until the platform has heard of the vehicle."""
    await eventually(
        lambda: _json(city.admin, f"/api/v1/scooters/{vehicle_id}"),
        lambda v: v["status"] == status and bool(v["telemetry"].get("last_heartbeat")),
    )


async def _mails(city: City) -> list[dict[str, Any]]:
    mails: list[dict[str, Any]] = (await _json(city.admin, "/dev/mail.json"))["mails"]
    return mails


async def _watch(rider: httpx.AsyncClient, rental_id: str) -> list[Any]:
    """The ride as the live stream tells it, until the stream ends with it (RNT-46)."""
    seen = []
    async with rider.stream("GET", f"/api/v1/rentals/{rental_id}/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
    return seen


async def test_search_reserve_pay_confirm_unlock_ride_end(city: City) -> None:
    """TST-34, RNT-02..42, NTF-03, NTF-05: every step, over real sockets, to the receipt mail."""
    vehicle_id, thing = await city.vehicle()
    assert thing is not None
    await _seen(city, vehicle_id)
    rider = await city.rider()

    found = await _json(rider, "/vehicles/search?lat=52.5201&lon=13.4051&type=scooter&radius=1000")
    assert found["count"] == 1
    assert found["search_radius_meters"] == 1000
    assert found["vehicles"][0]["id"] == vehicle_id

    answer = await rider.post(
        "/bookings", json={"vehicle_id": vehicle_id, "estimated_duration_minutes": 30}
    )
    assert answer.status_code == 201, answer.text
    booking = answer.json()["booking"]
    assert booking["status"] == "pending"
    # The cache lets go of a reserved vehicle at once (FLT-39, C-31).
    found = await _json(rider, "/vehicles/search?lat=52.5201&lon=13.4051&type=scooter&radius=1000")
    assert found["count"] == 0

    answer = await rider.post(f"/bookings/{booking['id']}/confirm-payment", json={})
    assert answer.status_code == 200, answer.text
    confirmed = answer.json()["booking"]
    assert confirmed["status"] == "confirmed"
    assert confirmed["payment"]["status"] == "authorized"

    answer = await rider.post(f"/vehicles/{vehicle_id}/unlock", json={})
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Vehicle unlocked"
    assert thing.is_locked is False
    vehicle = await _json(city.admin, f"/api/v1/scooters/{vehicle_id}")
    assert vehicle["status"] == "in_use"

    events = (await _json(rider, f"/api/v1/rentals/{booking['id']}/events"))["events"]
    assert [e["event_type"] for e in events] == [
        "rental.reserved", "BookingConfirmed", "rental.started",
    ]  # fmt: skip

    driving = asyncio.create_task(
        thing.drive_to([(52.52, 13.405), (52.5215, 13.409)], speed_kmh=200)
    )
    status = await eventually(
        lambda: _json(rider, f"/api/v1/rentals/{booking['id']}/status"),
        lambda s: s["distance_traveled"] > 0.05 and len(s["route"]) > 2,
    )
    await driving
    assert status["status"] == "active"
    assert status["current_cost"] >= 1.50
    watching = asyncio.create_task(_watch(rider, booking["id"]))
    await asyncio.sleep(0.5)

    answer = await rider.post(
        f"/api/v1/rentals/{booking['id']}/end",
        json={
            "end_location": {"latitude": 52.5215, "longitude": 13.409, "address": "Berlin"},
            "rating": 5,
            "feedback": "Great scooter, smooth ride!",
        },
    )
    assert answer.status_code == 200, answer.text
    ended = answer.json()
    assert ended["status"] == "completed"
    assert ended["total_cost"] == 1.75
    assert ended["payment"]["status"] == "processed"
    assert ended["payment"]["payment_method"] == "Visa ending in 4242"
    assert ended["payment"]["transaction_id"].startswith("txn_")

    seen = await asyncio.wait_for(watching, 10)
    assert [ride["status"] for ride in seen] == ["active"] * (len(seen) - 1) + ["completed"]
    assert len(seen) >= 2

    await eventually(lambda: asyncio.sleep(0, thing.is_locked), bool)
    await _seen(city, vehicle_id, "available")
    mails = await eventually(lambda: _mails(city), lambda m: len(m) >= 2)
    assert all(m["recipient"].endswith("riders.example") for m in mails)
    receipt = await rider.get(ended["receipt_url"], headers={"Accept": "text/html"})
    assert receipt.status_code == 200
    assert "1.75" in receipt.text or "1,75" in receipt.text


async def test_a_rental_in_one_request(city: City) -> None:
    """RNT-35, RNT-36: POST /rentals holds, authorises, unlocks and answers with the tariff."""
    vehicle_id, thing = await city.vehicle()
    assert thing is not None
    await _seen(city, vehicle_id)
    rider = await city.rider()
    answer = await rider.post(
        "/api/v1/rentals",
        json={
            "scooter_id": vehicle_id,
            "start_location": {"latitude": 52.52, "longitude": 13.405, "address": "Berlin"},
            "promo_code": "WELCOME10",
            "business_trip": False,
        },
    )
    assert answer.status_code == 201, answer.text
    rental = answer.json()
    assert rental["status"] == "active"
    assert rental["current_cost"] == 0.0
    assert rental["pricing"] == {"base_fee": 1.5, "price_per_minute": 0.25, "currency": "EUR"}
    assert rental["estimated_cost"] == {
        "per_minute": 0.25, "per_hour": 15.0, "daily_maximum": 75.0,
    }  # fmt: skip
    assert rental["limits"] == {"max_duration_hours": 24, "max_distance_km": 100}
    assert thing.is_locked is False


async def test_a_silent_vehicle_is_not_charged(city: City) -> None:
    """TST-43, RNT-27, F9: 503 with the words of the contract; the late unlock does not happen."""
    vehicle_id, thing = await city.vehicle(faults=Faults(silence=1.0, silence_s=14))
    assert thing is not None
    await _seen(city, vehicle_id)
    rider = await city.rider()
    answer = await rider.post("/bookings", json={"vehicle_id": vehicle_id})
    booking = answer.json()["booking"]["id"]
    answer = await rider.post(f"/bookings/{booking}/confirm-payment", json={})
    assert answer.status_code == 200, answer.text
    answer = await rider.post(f"/vehicles/{vehicle_id}/unlock", json={})
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["message"] == "Vehicle may be offline. Try unlock again in 1 minute."
    state = await _json(rider, f"/bookings/{booking}")
    assert state["status"] == "confirmed"
    answer = await rider.post(f"/bookings/{booking}/cancel", json={})
    assert answer.status_code == 200, answer.text
    payments = await eventually(
        lambda: _json(rider, "/api/v1/payments"),
        lambda p: [x["status"] for x in p["payments"]] == ["voided"],
    )
    assert payments["payments"][0]["amount_captured"] == 0.0
    await asyncio.sleep(6)  # the vehicle is back: what it missed has expired
    assert thing.is_locked is True


async def test_a_declined_card_frees_the_vehicle(city: City) -> None:
    """TST-42, RNT-23, PAY-11."""
    vehicle_id, _ = await city.vehicle()
    await _seen(city, vehicle_id)
    rider = await city.rider("tok_chargeDeclined")
    answer = await rider.post("/bookings", json={"vehicle_id": vehicle_id})
    booking = answer.json()["booking"]["id"]
    answer = await rider.post(f"/bookings/{booking}/confirm-payment", json={})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "PAYMENT_FAILED"
    assert answer.json()["error"]["message"] == (
        "Payment failed. Please try another payment method."
    )
    assert (await _json(rider, f"/bookings/{booking}"))["status"] == "cancelled"
    await _seen(city, vehicle_id, "available")


async def test_of_many_riders_one_wins_and_the_others_see_what_else_is_near(city: City) -> None:
    """TST-31, TST-41, RNT-15, RNT-16: 409 with alternatives."""
    vehicle_id, _ = await city.vehicle("SC001")
    other_id, _ = await city.vehicle("SC002")
    await _seen(city, vehicle_id)
    await _seen(city, other_id)
    riders = await asyncio.gather(*(city.rider(None) for _ in range(12)))
    answers = await asyncio.gather(
        *(rider.post("/bookings", json={"vehicle_id": vehicle_id}) for rider in riders)
    )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 11
    lost = next(a for a in answers if a.status_code == 409).json()["error"]
    assert lost["message"] == "Vehicle no longer available"
    assert [v["id"] for v in lost["details"]["alternatives"]] == [other_id]


async def test_the_same_request_three_times_is_one_booking(city: City) -> None:
    """TST-33, RNT-26: with a key, the same booking comes back."""
    vehicle_id, _ = await city.vehicle()
    await _seen(city, vehicle_id)
    rider = await city.rider(None)
    key = {"Idempotency-Key": "one-and-the-same"}
    answers = [
        await rider.post("/bookings", json={"vehicle_id": vehicle_id}, headers=key)
        for _ in range(3)
    ]
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["booking"]["id"] for a in answers}) == 1
