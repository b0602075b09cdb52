"""Prices over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import ids

if TYPE_CHECKING:
    from tests.world import World


async def test_batch_prices_many_vehicles_at_once(world: World) -> None:
    """PRC-11, RNT-07, C-49: both paths, any of a vehicle's names, in the order asked."""
    scooter = await world.vehicle()
    car = await world.vehicle("car")
    public = ids.public("sco", scooter.id)
    rider = await world.rider()
    async with world.client(rider) as client:
        for path in ("/api/v1/pricing/batch", "/pricing/batch"):
            asked = f"{public},{car.identifier},{ids.public('sco', ids.new())}"
            answer = await client.get(path, params={"vehicle_ids": asked})
            assert answer.status_code == 200
            assert answer.json() == {
                "prices": [
                    {
                        "vehicle_id": public, "base_fee": 1.5, "price_per_minute": 0.25,
                        "price_per_hour": 15.0, "daily_maximum": 75.0, "currency": "EUR",
                    },
                    {
                        "vehicle_id": car.identifier, "base_fee": 0.0, "price_per_minute": 0.0417,
                        "price_per_hour": 2.5, "daily_maximum": 75.0, "currency": "EUR",
                    },
                ]
            }  # fmt: skip


@pytest.mark.parametrize("asked", ["", ",,", ",".join(["x"] * 101)])
async def test_batch_takes_one_to_a_hundred(world: World, asked: str) -> None:
    async with world.client(await world.rider()) as client:
        answer = await client.get("/api/v1/pricing/batch", params={"vehicle_ids": asked})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == "vehicle_ids"


async def test_quote_is_itemised(world: World) -> None:
    """PRC-14, PRC-17, C-21, RNT-34."""
    body = {
        "vehicle_type": "scooter", "estimated_duration_minutes": 45, "promo_code": "WELCOME10",
    }  # fmt: skip
    async with world.client(await world.rider()) as client:
        answer = await client.post("/api/v1/pricing/quote", json=body)
    assert answer.status_code == 200
    quote = answer.json()
    assert quote["estimated_cost"] == 11.75
    assert quote["cost_breakdown"] == {
        "base_fee": 1.5, "time_cost": 11.25, "promo_discount": -1.0, "tax": 1.88,
        "tax_included": True,
    }  # fmt: skip
    assert quote["authorization_amount"] == 75.0
    assert quote["tariff"]["unit"] == "minute"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"vehicle_type": "boat"}, "VALIDATION_ERROR"),
        ({"vehicle_type": "scooter", "estimated_duration_minutes": 0}, "VALIDATION_ERROR"),
        ({"vehicle_type": "scooter", "surprise": 1}, "VALIDATION_ERROR"),
        ({"vehicle_type": "scooter", "promo_code": "NOSUCH"}, "PROMOTION_NOT_VALID"),
    ],
)
async def test_quotes_that_cannot_be(world: World, body: dict[str, object], code: str) -> None:
    async with world.client(await world.rider()) as client:
        answer = await client.post("/api/v1/pricing/quote", json=body)
    assert answer.status_code == (422 if code == "PROMOTION_NOT_VALID" else 400)
    assert answer.json()["error"]["code"] == code


async def test_an_operator_sets_its_prices(world: World) -> None:
    """PRC-07: up to four decimals (C-24), by the minute or by the hour."""
    async with world.client(world.admin()) as client:
        by_minute = await client.put(
            "/api/v1/tariffs/scooter",
            json={"base_fee": 1, "price_per_minute": 0.375, "daily_maximum": 40},
        )
        assert (by_minute.status_code, by_minute.json()["price_per_hour"]) == (200, 22.5)
        by_hour = await client.put(
            "/api/v1/tariffs/van", json={"price_per_hour": 7.5, "daily_maximum": 60.5}
        )
        assert by_hour.json()["unit"] == "hour"
        listed = (await client.get("/api/v1/tariffs")).json()["tariffs"]
    assert {t["vehicle_type"]: t["price_per_hour"] for t in listed} == {
        "scooter": 22.5, "ebike": 15.0, "car": 2.5, "van": 7.5,
    }  # fmt: skip
    assert listed[0]["tax_rate"] == 19.0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("scooter", {"daily_maximum": 75}, "price_per_minute"),
        (
            "scooter",
            {"daily_maximum": 75, "price_per_minute": 1, "price_per_hour": 1},
            "price_per_minute",
        ),
        ("scooter", {"daily_maximum": 75, "price_per_minute": 0.12345}, "price_per_minute"),
        ("scooter", {"daily_maximum": 75, "price_per_minute": -1}, "price_per_minute"),
        ("scooter", {"daily_maximum": 75.001, "price_per_minute": 1}, "daily_maximum"),
        ("boat", {"daily_maximum": 75, "price_per_minute": 1}, "vehicle_type"),
    ],
)
async def test_prices_that_cannot_be(
    world: World, path: str, body: dict[str, float], field: str
) -> None:
    async with world.client(world.admin()) as client:
        answer = await client.put(f"/api/v1/tariffs/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"] == field


async def test_promotions_are_made_and_listed(world: World) -> None:
    """PRC-05."""
    body = {"code": "spring-26", "percent": 12.5, "at_most": 2, "uses_per_rider": 1}
    async with world.client(world.admin()) as client:
        made = await client.post("/api/v1/promotions", json=body)
        assert made.status_code == 201
        assert made.json() == {
            "code": "SPRING-26", "percent": 12.5, "at_most": 2.0, "currency": "EUR",
        }  # fmt: skip
        page = (await client.get("/api/v1/promotions", params={"limit": 1})).json()
    assert page["promotions"][0]["code"] == "SPRING-26"
    assert page["pagination"] == {"total": 2, "limit": 1, "offset": 0, "has_more": True}


async def test_riders_see_prices_and_set_none(world: World) -> None:
    async with world.client(await world.rider()) as client:
        assert (await client.get("/api/v1/tariffs")).status_code == 200
        put = await client.put(
            "/api/v1/tariffs/scooter", json={"price_per_minute": 0, "daily_maximum": 1}
        )
        assert put.status_code == 403
        assert (await client.get("/api/v1/promotions")).status_code == 403
    async with world.client() as client:
        assert (await client.get("/api/v1/tariffs")).status_code == 401
