"""3-D Secure: the bank wants the rider (PAY-05, PAY-06, RNT-24)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments import contract
from fahrwerk.payments.gateways import _sandbox_server as server
from tests.payments.till import HOLD, open_till

if TYPE_CHECKING:
    from tests.payments.till import Till
    from tests.world import World


async def challenged(world: World, token: str = "tok_threeDSecure") -> Till:
    till = await open_till(world, token)
    with pytest.raises(contract.AuthenticationRequired):
        await till.authorize()
    return till


async def test_a_challenge_is_told_and_passed(world: World) -> None:
    """400 with what the client has to do; afterwards authorised, once."""
    till = await open_till(world, "tok_threeDSecure")
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await till.authorize()
    assert (caught.value.status, caught.value.error_code) == (
        400, "PAYMENT_AUTHENTICATION_REQUIRED",
    )  # fmt: skip
    action = caught.value.details["next_action"]
    assert action["type"] == "three_d_secure"
    assert ids.public("pay", till.id) in action["complete_with"]
    payment = await till.payment()
    assert (payment.state, payment.next_action) == ("action_required", action)
    done = await contract.complete_authentication(till.rider, till.id)
    assert (done.state, done.next_action) == ("authorized", None)
    assert await till.told() == ["payment.action_required", "PaymentAuthorized"]
    assert await till.operations() == [("authorize", "done", HOLD)]
    await till.at_rest()


async def test_asking_again_before_it_is_passed(world: World) -> None:
    """The same challenge, not a second authorisation."""
    till = await challenged(world)
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await till.authorize()
    assert caught.value.details["next_action"]["type"] == "three_d_secure"
    assert await till.attempts() == [("authorize", "action_required")]


async def test_a_failed_challenge_may_be_tried_again(world: World) -> None:
    """RNT-24, C-17: the booking stays; no PaymentFailed is told; another card works."""
    till = await challenged(world, "tok_threeDSecureFails")
    with pytest.raises(contract.AuthenticationRequired) as caught:
        await contract.complete_authentication(till.rider, till.id)
    assert caught.value.details == {"reason": "authentication_failed"}
    payment = await till.payment()
    assert (payment.state, payment.reason) == ("action_required", "authentication_failed")
    assert payment.next_action is None
    assert (await till.authorize(await till.card("tok_visa"))).state == "authorized"
    assert "PaymentFailed" not in await till.told()
    await till.at_rest()


async def test_another_card_instead_of_the_challenge(world: World) -> None:
    """The first card's challenge is dropped at the gateway before the second one is charged."""
    till = await challenged(world)
    held = await till.authorize(await till.card("tok_mastercard"))
    assert (held.state, held.authorized_minor) == ("authorized", HOLD)
    assert held.method_label == "Mastercard ending in 4444"
    assert await till.attempts() == [
        ("authorize", "failed"), ("void", "succeeded"), ("authorize", "succeeded"),
    ]  # fmt: skip
    assert (await contract.complete_authentication(till.rider, till.id)).state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()


async def test_an_abandoned_challenge_is_dropped_with_the_booking(world: World) -> None:
    till = await challenged(world)
    await till.cancelled()
    assert (await till.work()).state == "voided"
    assert (await contract.complete_authentication(till.rider, till.id)).state == "voided"
    assert await till.done("authorize") == 0
    await till.at_rest()


async def test_a_challenge_passed_while_nobody_waits_is_heard_by_webhook(world: World) -> None:
    """The client confirmed with the gateway and never came back to us."""
    till = await challenged(world)
    key = f"{till.id.hex}-authorize-hold-1"
    assert await server.finish_challenge(world.system(), key, "tok_threeDSecure")
    assert (await till.work(1, 2)).state == "authorized"
    await till.at_rest()


async def test_off_session_no_challenge_is_possible(world: World) -> None:
    """What goes beyond the hold needs the rider: it stays due, and is paid with a challenge."""
    till = await challenged(world)
    await contract.complete_authentication(till.rider, till.id)
    await till.ended(3_000)
    payment = await till.work(0, 5, 20)
    assert (payment.state, payment.reason) == ("due", "authentication_required")
    assert payment.captured_minor == HOLD
    with pytest.raises(contract.AuthenticationRequired):
        await contract.pay(till.rider, till.rental, None)
    assert (await till.payment()).state == "due"
    paid = await contract.complete_authentication(till.rider, till.id)
    assert (paid.state, paid.captured_minor, paid.next_action) == ("completed", 3_000, None)
    await till.at_rest()


async def test_nobody_else_passes_it(world: World) -> None:
    till = await challenged(world)
    with pytest.raises(NotFound):
        await contract.complete_authentication(world.call("customer"), till.id)
