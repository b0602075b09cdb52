"""Debts: opened by what cannot be collected, dunned by the database's clock, paid once (PAY-28)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import contract, jobs
from fahrwerk.payments.contract import debts as doors
from fahrwerk.payments.contract import gateways as by_hand
from fahrwerk.payments.contract import ledger
from tests.payments.killer import KilledError
from tests.payments.till import Till, open_till

if TYPE_CHECKING:
    from tests.payments.killer import Killer
    from tests.world import World


async def in_debt(world: World, total: int = 1_250, token: str = "tok_captureFails") -> Till:
    """A ride that was ridden and cannot be collected."""
    till = await open_till(world, token)
    await till.authorize()
    await till.ended(total)
    payment = await till.work(0, 5, 20, 60, 200)
    assert payment.state == "due"
    return till


async def later(till: Till, days: float) -> None:
    """What workers do so many days from now."""
    with clock.moved_to(clock.now() + timedelta(days=days)):
        await jobs.remind_debtors()
        for _ in range(3):
            await jobs.settle_payments()
            await jobs.send_sandbox_webhooks()


async def the_debt(till: Till) -> doors.Debt:
    page = await doors.own_debts(till.rider, 10, 0)
    assert page.total == len(page.debts) == 1
    return page.debts[0]


async def owed_in_the_books(till: Till, code: str = "receivables") -> int:
    owner = str(till.rider.user) if code == "receivables" else None
    page = await ledger.accounts(till.world.system(), code, owner, None, 10, 0)
    return sum(each.balance_minor for each in page.accounts)


async def booked(till: Till) -> None:
    """The books are right, and nothing is missing from them."""
    with clock.moved_to(clock.now() + timedelta(days=400)):
        found = [x for x in await ledger.proof(till.world.system()) if x.check != "comparison"]
    assert found == []


async def at_rest(till: Till) -> None:
    """No invariant broken, seen from when all of it is past."""
    with clock.moved_to(clock.now() + timedelta(days=30)):
        await till.at_rest()


async def told(till: Till) -> list[str]:
    rows = await db.run(
        "payments", till.world.system(),
        "SELECT name, version FROM kernel.event WHERE stream LIKE 'debt:%' ORDER BY version",
    )  # fmt: skip
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["name"] for row in rows]


async def test_what_cannot_be_collected_becomes_a_debt(world: World) -> None:
    till = await in_debt(world)
    debt = await the_debt(till)
    assert (debt.state, debt.owed_minor, debt.reference) == ("open", 1_250, till.rental)
    assert await told(till) == ["debt.opened"]
    with pytest.raises(doors.DebtOpen) as blocked:
        await doors.check_debts(world.system(), debt.rider_id)
    assert blocked.value.details["amount_minor"] == 1_250
    assert await owed_in_the_books(till) == 1_250
    await booked(till)


async def test_the_way_of_a_debt_to_the_write_off(world: World) -> None:
    """Fee and charge and letter by step, each once, by the database's clock; then written off."""
    till = await in_debt(world)
    steps = [doors.Step(after_days=1), doors.Step(after_days=3, fee_minor=500, is_retried=False)]
    await doors.set_dunning(
        world.admin(), doors.Dunning(steps=steps, write_off_days=20, block_above_minor=2_000)
    )
    await later(till, 0.9)
    assert (await the_debt(till)).step == 0
    before = len(await till.attempts())
    for _ in range(2):
        await later(till, 1.1)
    assert (await the_debt(till)).step == 1
    assert len(await till.attempts()) > before  # charged once more, and void what came of it
    await later(till, 3.1)
    debt = await the_debt(till)
    assert (debt.step, debt.fee_minor, debt.owed_minor) == (2, 500, 1_750)
    assert await owed_in_the_books(till, "dunning_fees") == 500
    await doors.check_debts(world.system(), debt.rider_id)  # below what blocks
    for _ in range(2):
        await later(till, 20.1)
    debt = await the_debt(till)
    assert (debt.state, debt.written_off_minor) == ("written_off", 1_750)
    assert await told(till) == ["debt.opened", "debt.reminded", "debt.reminded", "debt.closed"]
    await till.work()
    assert await owed_in_the_books(till) == 0
    assert await owed_in_the_books(till, "write_offs") == 1_750
    assert [s.number for s in await doors.debt_steps(till.rider, debt.id)] == [0, 1, 2]
    # Paid after all: the write-off goes back.
    paid = await doors.pay_debt(till.rider, debt.id, await till.card("tok_mastercard"))
    assert (paid.state, paid.owed_minor, paid.written_off_minor) == ("paid", 0, 0)
    await till.work()
    assert (await owed_in_the_books(till), await owed_in_the_books(till, "write_offs")) == (0, 0)
    await booked(till)
    await at_rest(till)


async def test_a_charge_of_the_dunning_that_goes_through_ends_it(world: World) -> None:
    till = await in_debt(world)
    await contract.add_method(till.rider, "tok_mastercard", True)
    await contract.remove_method(till.rider, till.method)
    await later(till, 1.1)
    assert (await the_debt(till)).state == "paid"
    assert await till.done("capture") == 1
    await doors.check_debts(world.system(), till.rider.user or ids.new())
    await at_rest(till)


async def test_paid_twice_side_by_side(world: World) -> None:
    """The rider clicks eight times while a worker tries as well: charged once."""
    till = await in_debt(world)
    debt, card = await the_debt(till), await till.card("tok_visa")

    async def pay() -> str:
        try:
            return (await doors.pay_debt(till.rider, debt.id, card)).state
        except contract.PaymentUnknown:
            return "busy"

    states = await asyncio.gather(*(pay() for _ in range(8)), later(till, 1.1))
    assert "paid" in states
    await till.work(0, 20)
    assert (await the_debt(till)).state == "paid"
    assert await till.done("capture") == 1
    assert (await till.payment()).captured_minor == 1_250
    await at_rest(till)


async def test_paid_from_prepaid_money(world: World) -> None:
    """Once, to the cent; and given back into the purse when it is refunded."""
    till = await in_debt(world)
    debt, owner = await the_debt(till), str(till.rider.user)
    with pytest.raises(contract.PaymentDeclined):
        await doors.pay_debt_from_purse(till.rider, debt.id)
    gift = ledger.NewJournal(
        key="test:gift", kind="gift", currency="EUR", at=clock.now(),
        lines=[ledger.Line("bank", 2_000)],
    )  # fmt: skip
    await ledger.grant(world.system(), owner, [ledger.Grant("paid", 2_000)], gift)
    answers = await asyncio.gather(
        *(doors.pay_debt_from_purse(till.rider, debt.id) for _ in range(4)), return_exceptions=True
    )
    assert any(isinstance(a, doors.Debt) and a.state == "paid" for a in answers)
    await till.work(0, 20)
    assert (await ledger.purse(world.system(), owner, "EUR")).available_minor == 750
    assert await owed_in_the_books(till) == 0
    await contract.refund(world.admin(), till.id, 300, "kind", "r1")
    await till.work()
    assert (await ledger.purse(world.system(), owner, "EUR")).available_minor == 1_050
    page = await ledger.accounts(world.system(), "gateway_clearing", "purse", None, 5, 0)
    assert [each.balance_minor for each in page.accounts] == [0]
    await booked(till)


async def test_paid_by_hand_and_forgiven(world: World) -> None:
    till = await in_debt(world)
    debt = await the_debt(till)
    await by_hand.pay_by_hand(world.admin(), till.id, 250, "cash", "k1")
    await till.work()
    assert (await the_debt(till)).owed_minor == 1_000
    forgiven = await doors.close_debt(world.admin(), debt.id, True, "our mistake")
    assert (forgiven.state, forgiven.written_off_minor) == ("forgiven", 1_000)
    again = await doors.close_debt(world.admin(), debt.id, True, "our mistake")
    assert again.state == "forgiven"
    await doors.check_debts(world.system(), debt.rider_id)
    with pytest.raises(doors.DebtClosed):
        await doors.pay_debt(till.rider, debt.id, None)
    await till.work()
    assert await owed_in_the_books(till) == 0
    await booked(till)


async def test_a_top_up_is_no_debt(world: World) -> None:
    """A payment whose reference is no ride is nobody's debt."""
    till = await open_till(world, "tok_captureFails")
    await till.authorize()
    sql = "UPDATE payments.payment SET due_minor = 1250 WHERE id = $1"
    await db.run("payments", world.system(), sql, till.id)
    from fahrwerk.payments.actions._work import drive

    for seconds in (0, 5, 20, 60):
        with clock.moved_to(clock.now() + timedelta(seconds=seconds)):
            await drive(world.system(), till.id)
    await till.work()
    assert (await till.payment()).state == "due"
    assert (await doors.own_debts(till.rider, 10, 0)).total == 0


async def test_nobody_pays_or_sees_a_strangers_debt(world: World) -> None:
    till = await in_debt(world)
    debt, stranger = await the_debt(till), world.call("customer")
    with pytest.raises(doors.UnknownDebt):
        await doors.debt(stranger, debt.id)
    with pytest.raises(doors.UnknownDebt):
        await doors.pay_debt(stranger, debt.id, None)


async def test_killed_between_the_moves(world: World, killer: Killer) -> None:
    """F1: whatever was lost, each step is taken once and the charge is tried once."""
    till = await open_till(world, "tok_captureFails")
    await till.authorize()
    await till.ended(1_250)
    killer.at = "payments.debt.after_move"
    with pytest.raises(KilledError):
        await till.work(0, 5, 20, 60, 200)
    await till.work(220)
    assert (await the_debt(till)).step == 0
    with clock.moved_to(clock.now() + timedelta(days=1.1)):
        await jobs.remind_debtors()
        killer.at = "payments.debt.after_move"
        with pytest.raises(KilledError):
            await jobs.settle_payments()
    before = len([a for a in await till.attempts() if a[0] == "authorize"])
    for _ in range(2):
        await later(till, 1.2)
    assert (await the_debt(till)).step == 1
    assert len([a for a in await till.attempts() if a[0] == "authorize"]) == before + 1
    assert await told(till) == ["debt.opened", "debt.reminded"]


@pytest.mark.parametrize("days", [(3, 1), (2, 2), (40,)])
async def test_a_dunning_that_cannot_be_walked(world: World, days: tuple[int, ...]) -> None:
    steps = [doors.Step(after_days=day) for day in days]
    with pytest.raises(Invalid):
        await doors.set_dunning(
            world.admin(), doors.Dunning(steps=steps, write_off_days=30, block_above_minor=0)
        )
