"""Payments over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import ids
from fahrwerk.kernel.settings import Settings
from tests.payments.till import open_till
from tests.world import http_app, make_world

if TYPE_CHECKING:
    from tests.world import World


async def test_methods_are_added_listed_removed(world: World) -> None:
    """PAY-24, PAY-25, PAY-27."""
    async with world.client(world.call("customer")) as client:
        path = "/api/v1/payment-methods"
        made = await client.post(path, json={"gateway_token": "tok_visa", "make_default": True})
        assert made.status_code == 201
        card = made.json()
        assert card["id"].startswith("pm_")
        assert card["label"] == "Visa ending in 4242"
        assert set(card) == {
            "id", "type", "label", "brand", "last4", "expires", "is_default", "created_at",
            "bank", "mandate_reference",
        }  # fmt: skip
        assert (await client.get(path)).json() == {"payment_methods": [card]}
        assert (await client.delete(f"{path}/{card['id']}")).status_code == 204
        assert (await client.get(path)).json() == {"payment_methods": []}
        assert (await client.delete(f"{path}/{card['id']}")).status_code == 404
        number = await client.post(path, json={"gateway_token": "4242 4242 4242 4242"})
        assert number.status_code == 400
        assert number.json()["error"]["details"]["field"] == "gateway_token"
        refused = await client.post(path, json={"gateway_token": "tok_setupDeclined"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "PAYMENT_FAILED")


async def test_a_booking_is_paid_and_shown(world: World) -> None:
    """PAY-03, G-03, PAY-08, PAY-09, C-25: decimals outside, and a repeat pays nothing twice."""
    till = await open_till(world)
    body = {
        "booking_id": ids.public("rent", till.rental),
        "payment_method_id": ids.public("pm", till.method),
    }
    async with world.client(till.rider) as client:
        paid = await client.post("/api/v1/payments", json=body)
        assert paid.status_code == 201
        expected: dict[str, Any] = {
            "id": ids.public("pay", till.id), "booking_id": body["booking_id"],
            "status": "authorized", "amount": 12.5, "amount_authorized": 12.5,
            "amount_captured": 0.0, "amount_refunded": 0.0, "currency": "EUR",
            "payment_method": "Visa ending in 4242", "transaction_id": None, "reason": None,
            "next_action": None,
        }  # fmt: skip
        assert paid.json() == expected
        again = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
        assert again.json() == expected
        shown = await client.get(f"/api/v1/payments/{expected['id']}")
        assert shown.json() == expected
        listed = (await client.get("/api/v1/payments")).json()
        assert listed["payments"] == [expected]
        assert listed["pagination"]["total"] == 1
    assert await till.done("authorize") == 1


async def test_a_decline_is_a_400(world: World) -> None:
    """C-16, RNT-23."""
    till = await open_till(world, "tok_insufficientFunds")
    async with world.client(till.rider) as client:
        answer = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "PAYMENT_FAILED")
    assert error["message"] == "Payment failed. Please try another payment method."
    assert error["details"] == {"reason": "insufficient_funds"}


async def test_a_challenge_over_http(world: World) -> None:
    """PAY-05: the answer says where to go on, and that is where it goes on."""
    till = await open_till(world, "tok_threeDSecure")
    async with world.client(till.rider) as client:
        answer = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "PAYMENT_AUTHENTICATION_REQUIRED"
        verb, _, path = error["details"]["next_action"]["complete_with"].partition(" ")
        assert verb == "POST"
        done = await client.post(path)
    assert (done.status_code, done.json()["status"]) == (200, "authorized")


async def test_a_silent_gateway_is_a_503(world: World) -> None:
    """PAY-12: nothing is lost, nothing charged twice; try again."""
    till = await open_till(world, "tok_timeoutAfter")
    async with world.client(till.rider) as client:
        answer = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["error"]["code"] == "PAYMENT_PENDING"
        again = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
        assert (again.status_code, again.json()["status"]) == (201, "authorized")
    assert await till.done("authorize") == 1


async def test_refunds_by_staff(world: World) -> None:
    """PAY-13; with a key, a repeat refunds nothing twice (PAY-29)."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    path = f"/api/v1/payments/{ids.public('pay', till.id)}/refunds"
    body = {"amount": 2.0, "reason": "goodwill"}
    async with world.client(world.call("support")) as client:
        for _ in range(2):
            part = await client.post(path, json=body, headers={"Idempotency-Key": "case-1"})
            assert (part.status_code, part.json()["amount_refunded"]) == (201, 2.0)
        for wrong in (0, -1, 2.005, 1e12):
            bad = await client.post(path, json={**body, "amount": wrong})
            assert bad.status_code == 400
        much = await client.post(path, json={"amount": 3.26, "reason": "too much"})
        assert (much.status_code, much.json()["error"]["code"]) == (409, "REFUND_TOO_LARGE")
        rest = await client.post(path, json={"reason": "the rest"})
        assert (rest.json()["status"], rest.json()["amount_refunded"]) == ("refunded", 5.25)
    async with world.client(till.rider) as client:
        assert (await client.post(path, json=body)).status_code == 403


async def test_staff_see_payments_riders_their_own(world: World) -> None:
    """I7."""
    till = await open_till(world)
    path = f"/api/v1/payments/{ids.public('pay', till.id)}"
    foreign = await make_world()
    for caller, status in (
        (world.call("support"), 200), (world.admin(), 200), (world.call("customer"), 404),
    ):  # fmt: skip
        async with world.client(caller) as client:
            assert (await client.get(path)).status_code == status
    async with foreign.client(foreign.admin()) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/api/v1/payments/pay_nonsense")).status_code == 404
    async with world.client() as client:
        assert (await client.get(path)).status_code == 401


async def test_the_fault_script_over_http(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for those who may, only where dev is on."""
    script = {"faults": [{"operation": "authorize", "fault": "declined", "code": "stolen_card"}]}
    till = await open_till(world)
    async with world.client(till.rider) as client:
        assert (await client.post("/dev/gateway/faults", json=script)).status_code == 403
    async with world.client(world.admin()) as client:
        assert (await client.post("/dev/gateway/faults", json=script)).status_code == 204
        wrong = {"faults": [{"operation": "authorize", "fault": "explodes"}]}
        assert (await client.post("/dev/gateway/faults", json=wrong)).status_code == 400
        monkeypatch.setattr(http_app().state, "settings", Settings(dev=False))
        assert (await client.post("/dev/gateway/faults", json=script)).status_code == 404
    async with world.client(till.rider) as client:
        answer = await client.post("/api/v1/payments", json={"booking_id": str(till.rental)})
    assert answer.json()["error"]["details"] == {"reason": "stolen_card"}
