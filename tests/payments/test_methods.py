"""Stored methods: masked, owned, forgotten (PAY-24, PAY-27)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Conflict, Invalid, Unauthenticated, Unpaid
from fahrwerk.payments import contract
from fahrwerk.payments.actions import methods as verbs
from fahrwerk.payments.contract import GatewayFault
from tests.payments.till import open_till
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


async def test_a_card_is_stored_masked(world: World) -> None:
    """PAY-24, PAY-27: label, brand, last four; and a token that is not the client's."""
    rider = world.call("customer")
    made = await contract.add_method(rider, "tok_visa", False)
    assert (made.label, made.brand, made.last4) == ("Visa ending in 4242", "Visa", "4242")
    assert (made.kind, made.expires, made.is_default) == ("card", "12/34", True)
    rows = await db.run("payments", rider, "SELECT gateway_ref FROM payments.method")
    assert rows[0][0].startswith("pm_")
    assert await contract.methods(rider) == [made]
    assert await contract.find_method(rider, ids.public("pm", made.id)) == made.id


async def test_the_default_one_comes_first(world: World) -> None:
    rider = world.call("customer")
    visa = await contract.add_method(rider, "tok_visa", False)
    amex = await contract.add_method(rider, "tok_amex", False)
    assert [m.id for m in await contract.methods(rider)] == [visa.id, amex.id]
    master = await contract.add_method(rider, "tok_mastercard", True)
    listed = await contract.methods(rider)
    assert [m.id for m in listed] == [master.id, amex.id, visa.id]
    assert [m.is_default for m in listed] == [True, False, False]


async def test_the_same_token_again_is_the_same_method(world: World) -> None:
    """PAY-29: a repeat after a lost answer stores nothing twice; another rider's is another's."""
    rider = world.call("customer")
    first = await contract.add_method(rider, "tok_visa", True)
    assert (await contract.add_method(rider, "tok_visa", False)).id == first.id
    assert len(await contract.methods(rider)) == 1
    other = await contract.add_method(world.call("customer"), "tok_visa", True)
    assert other.id != first.id


async def test_removing_makes_the_next_one_the_default(world: World) -> None:
    rider = world.call("customer")
    visa = await contract.add_method(rider, "tok_visa", True)
    amex = await contract.add_method(rider, "tok_amex", False)
    await contract.remove_method(rider, visa.id)
    assert [(m.id, m.is_default) for m in await contract.methods(rider)] == [(amex.id, True)]
    with pytest.raises(contract.UnknownMethod):
        await contract.remove_method(rider, visa.id)
    with pytest.raises(contract.UnknownMethod):
        await contract.find_method(rider, ids.public("pm", visa.id))


async def test_a_removed_method_is_forgotten_everywhere(world: World) -> None:
    """PAY-27: the worker has the gateway detach it, then the row goes; adding it again works."""
    till = await open_till(world)
    await contract.remove_method(till.rider, till.method)
    await till.work()
    assert await db.run("payments", till.rider, "SELECT id FROM payments.method") == []
    detached = await db.run(
        "payments", till.rider, "SELECT detached_at FROM payments.sandbox_method"
    )
    assert [row[0] is not None for row in detached] == [True]
    again = await contract.add_method(till.rider, "tok_visa", True)
    assert again.id == till.method
    assert (await till.authorize()).state == "authorized"


async def test_added_again_before_it_was_forgotten(world: World) -> None:
    till = await open_till(world)
    await contract.remove_method(till.rider, till.method)
    await contract.add_method(till.rider, "tok_visa", True)
    await till.work()
    assert (await till.authorize()).state == "authorized"


async def test_not_while_a_ride_is_to_be_paid_with_it(world: World) -> None:
    till = await open_till(world)
    await till.authorize()
    with pytest.raises(contract.MethodInUse):
        await contract.remove_method(till.rider, till.method)
    await till.ended(100)
    await till.work()
    await contract.remove_method(till.rider, till.method)
    assert (await till.payment()).method_label == "Visa ending in 4242"


@pytest.mark.parametrize(
    "token",
    ["4242424242424242", "tok_4242 4242 4242 4242", "tok_nosuch", "", "x", "tok visa", "t" * 300],
)
async def test_only_tokens_never_numbers(world: World, token: str) -> None:
    """PAY-27: a card number must not even reach the gateway's adapter."""
    with pytest.raises(Invalid) as caught:
        await contract.add_method(world.call("customer"), token, True)
    assert caught.value.details["field"] == "gateway_token"
    assert "4242" not in str(caught.value.details)


async def test_a_card_the_gateway_refuses(world: World) -> None:
    with pytest.raises(Unpaid) as caught:
        await contract.add_method(world.call("customer"), "tok_setupDeclined", True)
    assert caught.value.details == {"reason": "incorrect_cvc"}


async def test_a_gateway_that_does_not_answer(world: World) -> None:
    rider = world.call("customer")
    faults = [GatewayFault(operation="set_up", fault="timeout_after")]
    await contract.script_sandbox(world.admin(), faults)
    with pytest.raises(contract.PaymentUnknown):
        await contract.add_method(rider, "tok_visa", True)
    await contract.add_method(rider, "tok_visa", True)
    assert len(await contract.methods(rider)) == 1


async def test_not_without_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "MOST_METHODS", 2)
    rider = world.call("customer")
    for token in ("tok_visa", "tok_amex"):
        await contract.add_method(rider, token, False)
    with pytest.raises(Conflict):
        await contract.add_method(rider, "tok_mastercard", False)


async def test_nobody_sees_or_touches_anothers(world: World) -> None:
    """I7: another rider's and another operator's are not there."""
    mine = await contract.add_method(world.call("customer"), "tok_visa", True)
    for other in (world.call("customer"), (await make_world()).call("customer")):
        assert await contract.methods(other) == []
        with pytest.raises(contract.UnknownMethod):
            await contract.find_method(other, ids.public("pm", mine.id))
        with pytest.raises(contract.UnknownMethod):
            await contract.remove_method(other, mine.id)
    with pytest.raises(Unauthenticated):
        await contract.add_method(world.system(), "tok_visa", True)


@pytest.mark.parametrize("reference", ["pm_", "pm_123456", "usr_0000000000000000000000", "", "💳"])
async def test_references_that_name_nothing(world: World, reference: str) -> None:
    with pytest.raises(contract.UnknownMethod):
        await contract.find_method(world.call("customer"), reference)


async def test_outside_the_demo_play_money_pays_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PAY-27: with FAHRWERK_DEV off the sandbox takes no cards."""
    monkeypatch.setenv("FAHRWERK_DEV", "false")
    with pytest.raises(Conflict) as refused:
        await contract.add_method(world.call("customer"), "tok_visa", False)
    assert refused.value.error_code == "NO_PAYMENT_GATEWAY"
