"""Captured money goes back: wholly, in part, once (PAY-13, I12)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from fahrwerk.payments import contract
from tests.payments.till import Till, open_till
from tests.world import make_world

if TYPE_CHECKING:
    from fahrwerk.payments.contract import Payment
    from tests.world import World


async def paid(world: World, total: int = 525) -> Till:
    till = await open_till(world)
    await till.authorize()
    await till.ended(total)
    assert (await till.work()).state == "completed"
    return till


async def refund(till: Till, amount: int, key: str) -> Payment:
    return await contract.refund(till.world.call("support"), till.id, amount, "goodwill", key)


async def test_in_parts_up_to_the_whole(world: World) -> None:
    till = await paid(world)
    part = await refund(till, 200, "a")
    assert (part.state, part.refunded_minor) == ("completed", 200)
    rest = await refund(till, 325, "b")
    assert (rest.state, rest.refunded_minor) == ("refunded", 525)
    assert (await till.told())[-2:] == ["payment.refunded", "payment.refunded"]
    await till.at_rest()
    with pytest.raises(contract.PaymentClosed):
        await till.authorize()


async def test_never_more_than_was_captured(world: World) -> None:
    """I12."""
    till = await paid(world)
    with pytest.raises(contract.RefundTooLarge):
        await refund(till, 526, "a")
    await refund(till, 500, "b")
    with pytest.raises(contract.RefundTooLarge) as caught:
        await refund(till, 26, "c")
    assert caught.value.details == {"refundable_minor": 25}
    held = await open_till(world)
    await held.authorize()
    with pytest.raises(contract.RefundTooLarge):
        await refund(held, 1, "d")


async def test_the_same_refund_twice_is_one(world: World) -> None:
    """PAY-29; the same key for another amount is a mistake."""
    till = await paid(world)
    for _ in range(3):
        assert (await refund(till, 200, "case 1")).refunded_minor == 200
    with pytest.raises(Conflict):
        await refund(till, 100, "case 1")
    assert await till.done("refund") == 1


async def test_many_at_once_stay_within_what_was_captured(world: World) -> None:
    till = await paid(world, 500)
    results = await asyncio.gather(
        *(refund(till, 200, f"n{n}") for n in range(6)), return_exceptions=True
    )
    assert all(isinstance(r, contract.Payment | Conflict | Unavailable)
               for r in results)  # fmt: skip
    payment = await till.work(20, 40)
    assert payment.refunded_minor == 200 * await till.done("refund") <= 400
    await till.at_rest()


async def test_across_two_captures(world: World) -> None:
    """A ride beyond its hold was captured in two parts; a refund takes from both."""
    till = await paid(world, 3_000)
    assert (await refund(till, 2_000, "a")).refunded_minor == 2_000
    assert (await refund(till, 2_000, "a")).refunded_minor == 2_000
    assert [o for o in await till.operations() if o[0] == "refund"] == [
        ("refund", "done", 1_250), ("refund", "done", 750),
    ]  # fmt: skip
    await till.at_rest()


@pytest.mark.parametrize("amount", [0, -5, 10**12])
async def test_amounts_that_are_none(world: World, amount: int) -> None:
    till = await paid(world)
    with pytest.raises(Invalid):
        await refund(till, amount, "a")


async def test_only_by_staff_of_this_operator(world: World) -> None:
    till = await paid(world)
    with pytest.raises(Forbidden):
        await contract.refund(till.rider, till.id, 1, "for me", "a")
    foreign = (await make_world()).call("support")
    with pytest.raises(NotFound):
        await contract.refund(foreign, till.id, 1, "theirs", "a")
    with pytest.raises(NotFound):
        await contract.refund(world.call("support"), ids.new(), 1, "nobody", "a")
    with pytest.raises(Invalid):
        await contract.refund(world.call("support"), till.id, 1, "  ", "a")
