"""PAY-15: money sent on to partners, once, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import contract, jobs
from fahrwerk.payments.contract.ledger import KeyReused
from fahrwerk.payments.contract.transfers import transfer, transfer_of
from tests.payments.gateways.kits import open_stripe
from tests.payments.killer import KilledError
from tests.payments.till import open_till

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World


async def sent(world: World) -> int:
    rows = await db.run(
        "payments", world.system(), "SELECT coalesce(sum(amount), 0) FROM payments.sandbox_transfer"
    )
    return int(rows[0][0])


async def later(seconds: float) -> None:
    with clock.moved_to(clock.now() + timedelta(seconds=seconds)):
        await jobs.settle_payments()


async def test_once_per_key(world: World) -> None:
    call = world.system()
    made = await asyncio.gather(*(transfer(call, "acct_1", 500, "EUR", "p1") for _ in range(5)))
    assert {each.id for each in made} == {made[0].id}
    known = await transfer_of(call, "p1")
    assert known
    assert (known.state, await sent(world)) == ("done", 500)
    with pytest.raises(KeyReused):
        await transfer(call, "acct_1", 501, "EUR", "p1")
    with pytest.raises(Invalid):
        await transfer(call, "acct_1", 0, "EUR", "p2")
    assert (await transfer(call, "acct_closed_1", 5, "EUR", "p3")).state == "declined"


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "error_500_after"])
async def test_an_answer_is_lost(world: World, fault: str) -> None:
    spoilt = contract.GatewayFault(operation="transfer", fault=fault)  # type: ignore[arg-type]
    await contract.script_sandbox(world.admin(), [spoilt])
    assert (await transfer(world.system(), "acct_1", 500, "EUR", "p1")).state == "sent"
    await later(100)
    assert (await transfer(world.system(), "acct_1", 500, "EUR", "p1")).state == "done"
    assert await sent(world) == 500


@pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
async def test_killed(world: World, killer: Killer, phase: str) -> None:
    killer.at = f"payments.transfer.{phase}"
    with pytest.raises(KilledError):
        await transfer(world.system(), "acct_1", 500, "EUR", "p1")
    await later(20)
    known = await transfer_of(world.system(), "p1")
    assert known
    assert (known.state, await sent(world)) == ("done", 500)


async def test_at_stripe(world: World, stripe: FakeStripe) -> None:
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    await till.ended(525)
    await till.work()
    account.faults.spoil("POST /v1/transfers", "timeout_after")
    assert (await transfer(world.system(), "acct_42", 500, "EUR", "p1")).state == "sent"
    account.forget_keys()
    await later(100)
    known = await transfer_of(world.system(), "p1")
    assert known
    assert (known.state, account.sent()) == ("done", 500)
    more = await transfer(world.system(), "acct_42", 500, "EUR", "p2")
    assert (more.state, more.reason) == ("declined", "balance_insufficient")
