"""Top-up through a checkout session (WAL-13, WAL-14, WAL-16): credited once, by settled money."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from fahrwerk.payments import contract as payments
from fahrwerk.payments import gateways
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet import contract, queries
from fahrwerk.wallet.actions.topup import drive
from tests.wallet.test_parallel import check_books
from tests.world import World, make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_CAPTURED = "SELECT count(*) FROM payments.sandbox_operation WHERE kind = 'capture'"
_TOLD = (
    "SELECT name, version FROM kernel.event WHERE tenant_id = $1 AND stream = $2 ORDER BY version"
)


def me(rider: Call) -> UUID:
    assert rider.user is not None
    return rider.user


async def captures(world: World) -> int:
    """How often the gateway itself took money."""
    return int((await db.run("payments", world.system("payments"), _CAPTURED))[0][0])


async def check(world: World, rider: Call, balance: int) -> None:
    """This balance, and books that are right."""
    await world.settle()
    assert (await contract.wallet(rider, me(rider))).balance_minor == balance
    await check_books(world, me(rider))
    assert await ledger.proof(world.admin()) == []
    assert await queries.broken_invariants(world.system("wallet")) == []


async def test_a_top_up_is_credited_with_its_bonus(world: World) -> None:
    """WAL-01, WAL-13, WAL-16: 100 EUR bring 10 more; the books balance."""
    rider = await world.rider()
    card = await world.card(rider)
    topup = await contract.open_topup(rider, 10_000, card, "first")
    assert (topup.state, topup.bonus_minor) == ("credited", 1_000)
    own = await contract.wallet(rider, me(rider))
    assert (own.balance_minor, own.paid_minor, own.bonus_minor) == (11_000, 10_000, 1_000)
    assert own.next_expiry is not None
    assert own.next_expiry.amount_minor == 1_000
    again = await contract.open_topup(rider, 10_000, card, "first")
    assert again.id == topup.id
    with pytest.raises(contract.KeyReused):
        await contract.open_topup(rider, 5_000, card, "first")
    await check(world, rider, 11_000)
    told = await db.run("wallet", world.system("wallet"), _TOLD, world.tenant, f"topup:{topup.id}")
    assert [tuple(row) for row in told] == [("topup.started", 1), ("topup.credited", 2)]


async def test_just_below_there_is_no_bonus(world: World) -> None:
    """WAL-16: 99.99 EUR bring nothing more."""
    rider = await world.rider()
    await contract.open_topup(rider, 9_999, await world.card(rider), None)
    await check(world, rider, 9_999)


@pytest.mark.parametrize("key", ["click", None])
async def test_a_double_click_loads_once(world: World, key: str | None) -> None:
    """WAL-14: ten requests at once, with and without a key, are one session and one capture."""
    rider = await world.rider()
    card = await world.card(rider)
    made = await asyncio.gather(*(contract.open_topup(rider, 2_000, card, key) for _ in range(10)))
    assert len({each.id for each in made}) == 1
    await check(world, rider, 2_000)
    assert await captures(world) == 1


async def test_two_settlements_credit_once(world: World) -> None:
    """WAL-14: whoever says that the money is there, and however often."""
    rider = await world.rider()
    topup = await contract.open_topup(rider, 2_000, await world.card(rider), None)
    house = world.system("wallet")
    await asyncio.gather(*(drive(house, topup) for _ in range(10)))
    await drive(house, await contract.topup(rider, topup.id))
    await check(world, rider, 2_000)


@pytest.mark.parametrize("token", ["tok_timeoutAfter", "tok_captureTimeoutAfter", "tok_delayed"])
async def test_the_webhook_comes_before_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """WAL-14: the gateway took the money, its answer was lost: news and janitor end it, once."""
    monkeypatch.setattr(gateways, "TIMEOUT_S", 0.2)
    rider = await world.rider()
    topup = await contract.open_topup(rider, 2_000, await world.card(rider, token), None)
    assert topup.state == "paying"
    assert (await contract.wallet(rider, me(rider))).balance_minor == 0
    now = clock.now()
    for seconds in (1, 20, 40, 60, 90, 120):
        with clock.moved_to(now + timedelta(seconds=seconds)):
            await world.settle()
    assert (await contract.topup(rider, topup.id)).state == "credited"
    await check(world, rider, 2_000)
    assert await captures(world) == 1


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_gateway_that_is_not_open(
    world: World, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    """PAY-28, WAL-13: it waits for the gateway, no longer than the session lasts."""

    def shut(name: str) -> None:
        raise Unavailable

    rider = await world.rider()
    card = await world.card(rider)
    with monkeypatch.context() as patch:
        patch.setattr(gateways, "check_open", shut)
        topup = await contract.open_topup(rider, 2_000, card, None)
        assert topup.state == "paying"
        now = clock.now()
        with clock.moved_to(now + timedelta(minutes=29 if comes_back else 31)):
            await world.settle()
            await world.settle()
    with clock.moved_to(now + timedelta(minutes=29.9 if comes_back else 32)):
        await world.settle()
        await check(world, rider, 2_000 if comes_back else 0)
    state = (await contract.topup(rider, topup.id)).state
    assert state == ("credited" if comes_back else "expired")


async def test_a_refused_card_loads_nothing(world: World) -> None:
    """WAL-13: said as the state of the session; another one may be begun at once."""
    rider = await world.rider()
    card = await world.card(rider, "tok_insufficientFunds")
    topup = await contract.open_topup(rider, 2_000, card, None)
    assert (topup.state, topup.reason) == ("failed", "insufficient_funds")
    good = await contract.open_topup(rider, 2_000, await world.card(rider), None)
    assert good.state == "credited"
    with pytest.raises(contract.TopupClosed):
        await contract.pay_topup(rider, topup.id, None)
    await check(world, rider, 2_000)


async def test_a_challenge_is_passed(world: World) -> None:
    """WAL-13, PAY-05: credited only when the bank has its confirmation."""
    rider = await world.rider()
    card = await world.card(rider, "tok_threeDSecure")
    topup = await contract.open_topup(rider, 2_000, card, None)
    assert topup.state == "paying"
    assert topup.next_action is not None
    await world.settle()
    assert (await contract.wallet(rider, me(rider))).balance_minor == 0
    await payments.complete_authentication(rider, topup.payment_id)
    await world.settle()
    assert (await contract.topup(rider, topup.id)).state == "credited"
    await check(world, rider, 2_000)


async def test_a_challenge_that_fails_ends_it(world: World) -> None:
    """WAL-13: nothing is captured."""
    rider = await world.rider()
    card = await world.card(rider, "tok_threeDSecureFails")
    topup = await contract.open_topup(rider, 2_000, card, None)
    with pytest.raises(payments.AuthenticationRequired):
        await payments.complete_authentication(rider, topup.payment_id)
    await world.settle()
    assert (await contract.topup(rider, topup.id)).state == "failed"
    await check(world, rider, 0)


async def test_a_session_runs_out_after_30_minutes(world: World) -> None:
    """WAL-13: open or waiting for the bank; nothing is charged after that."""
    rider = await world.rider()
    card = await world.card(rider, "tok_threeDSecure")
    idle = await contract.open_topup(rider, 2_000, None, None)
    waiting = await contract.open_topup(rider, 3_000, card, None)
    start = clock.now()
    with clock.moved_to(start + timedelta(minutes=29)):
        await world.settle()
        assert (await contract.topup(rider, idle.id)).state == "open"
    with clock.moved_to(start + timedelta(minutes=31)):
        with pytest.raises(contract.TopupClosed):
            await contract.pay_topup(rider, idle.id, card)
        await world.settle()
        await world.settle()
        assert (await contract.topup(rider, idle.id)).state == "expired"
        assert (await contract.topup(rider, waiting.id)).state == "expired"
        assert (await payments.payment(rider, waiting.payment_id)).state == "voided"
        await check(world, rider, 0)


async def test_a_session_is_paid_later(world: World) -> None:
    """WAL-13: opened without a method, paid with the default one, twice at once."""
    rider = await world.rider()
    await world.card(rider)
    topup = await contract.open_topup(rider, 2_000, None, "k")
    assert topup.state == "open"
    await asyncio.gather(*(contract.pay_topup(rider, topup.id, None) for _ in range(5)))
    await check(world, rider, 2_000)
    assert await captures(world) == 1


@pytest.mark.parametrize("amount", [0, -500, 499, 50_001, 10**15])
async def test_amounts_out_of_bounds(world: World, amount: int) -> None:
    """WAL-13: a clear error, nothing posted."""
    rider = await world.rider()
    with pytest.raises(Invalid):
        await contract.open_topup(rider, amount, await world.card(rider), None)
    await check(world, rider, 0)


async def test_somebody_elses_method_and_session(world: World) -> None:
    """WAL-13, I7: another rider's card, another operator's card: unknown; nothing is written."""
    rider, other = await world.rider(), await world.rider()
    foreign = await make_world()
    stranger = await foreign.rider()
    for card in (await world.card(other), await foreign.card(stranger)):
        with pytest.raises(NotFound):
            await contract.open_topup(rider, 2_000, card, None)
    mine = await contract.open_topup(rider, 2_500, None, None)
    for who in (other, stranger):
        with pytest.raises(NotFound):
            await contract.topup(who, mine.id)
        with pytest.raises(NotFound):
            await contract.pay_topup(who, mine.id, None)
        with pytest.raises(NotFound):
            await contract.wallet(who, me(rider)) if who is other else await contract.topup(
                who, mine.id
            )
    await check(world, rider, 0)


async def test_a_frozen_wallet_takes_no_top_up_but_settled_money(world: World) -> None:
    """Staff's freeze: nothing new begins; what was paid before comes in."""
    rider = await world.rider()
    card = await world.card(rider, "tok_threeDSecure")
    topup = await contract.open_topup(rider, 2_000, card, None)
    await contract.freeze(world.admin(), me(rider), "Looked into")
    with pytest.raises(contract.WalletFrozen):
        await contract.open_topup(rider, 3_000, card, None)
    await payments.complete_authentication(rider, topup.payment_id)
    await check(world, rider, 2_000)
    with pytest.raises(contract.WalletFrozen):
        await contract.charge_usage(world.admin(), me(rider), 100, "Ride", "a")
    await contract.unfreeze(world.admin(), me(rider))
    await contract.charge_usage(world.admin(), me(rider), 100, "Ride", "a")
    await check(world, rider, 1_900)


@pytest.mark.parametrize("spent", [0, 1_500])
async def test_a_refunded_top_up_goes_out_again(world: World, spent: int) -> None:
    """WAL-14: the balance follows the money; what was spent already is owed, and stands there."""
    rider = await world.rider()
    topup = await contract.open_topup(rider, 2_000, await world.card(rider), None)
    if spent:
        await contract.charge_usage(world.admin(), me(rider), spent, "Ride", "a")
    await world.settle()
    admin = world.admin()
    await payments.refund(admin, topup.payment_id, 500, "Asked for", "r1")
    await world.settle()
    await payments.refund(admin, topup.payment_id, 1_500, "Asked for", "r2")
    await check(world, rider, 0)
    owed = await ledger.accounts(admin, "receivables", str(me(rider)), None, 10, 0)
    assert sum(each.balance_minor for each in owed.accounts) == spent


async def test_usage_is_charged_once(world: World) -> None:
    """WAL-32: processUsage by its key, whoever repeats it and whenever."""
    rider = await world.rider()
    await contract.open_topup(rider, 2_000, await world.card(rider), None)
    charges = await asyncio.gather(
        *(contract.charge_usage(world.admin(), me(rider), 500, "Ride", "k1") for _ in range(5))
    )
    assert {each.id for each in charges} == {charges[0].id}
    with pytest.raises(Conflict, match="key"):
        await contract.charge_usage(world.admin(), me(rider), 600, "Ride", "k1")
    await check(world, rider, 1_500)
    trial = {
        each.code: each.closing_minor
        for each in await ledger.trial_balance(world.admin(), None, None)
    }
    assert (trial["revenue.1900"], trial["vat.1900"]) == (-420, -80)


async def test_what_is_not_there_is_refused_and_may_be_tried_again(world: World) -> None:
    """WAL-32: refused leaves nothing; after a top-up the same key is charged."""
    rider = await world.rider()
    await contract.open_topup(rider, 500, await world.card(rider), None)
    with pytest.raises(ledger.InsufficientBalance):
        await contract.charge_usage(world.admin(), me(rider), 600, "Ride", "k")
    await check(world, rider, 500)
    await contract.adjust(world.admin(), me(rider), 100, "Sorry", "a")
    await contract.charge_usage(world.admin(), me(rider), 600, "Ride", "k")
    await check(world, rider, 0)
