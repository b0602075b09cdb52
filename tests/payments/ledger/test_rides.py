"""A ride's money in the books: sold at its end, captured, refunded; once, whatever happens."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids, money
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments import contract, jobs
from fahrwerk.payments.actions._work import drive
from fahrwerk.payments.actions.post_ride import post_ride
from fahrwerk.payments.contract import GatewayFault, ledger
from fahrwerk.payments.queries import proof
from fahrwerk.rentals import contract as rentals
from fahrwerk.tenancy import contract as tenancy
from tests.payments.ledger.keeper import balances, break_rows
from tests.payments.till import HOLD, open_till
from tests.rentals.riding import paying_rider, riding
from tests.world import make_world

if TYPE_CHECKING:
    from tests.payments.till import Till
    from tests.world import World


async def driven(world: World, minutes: int) -> tuple[rentals.Rental, str]:
    """A ride through all rooms, ended and settled; and its rider's id."""
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    with clock.moved_to(clock.now() + timedelta(minutes=minutes)):
        ended = await rentals.end(rider, rental.id, None, None, None, None)
        await world.settle()
    return ended, str(rider.user)


async def kinds(world: World) -> list[str]:
    rows = await db.run(
        "payments", world.system(), "SELECT kind FROM payments.journal ORDER BY posted_at"
    )
    return [row["kind"] for row in rows]


async def test_the_journey_of_a_ride_ends_in_right_balances(world: World) -> None:
    """Net and tax are the receipt's; nothing is receivable; the rest is on its way to the bank."""
    ended, _ = await driven(world, 45)
    assert ended.rating is not None
    total, tax = ended.rating.total_minor, ended.rating.tax_minor
    assert tax == money.tax_within(total, 1900)
    assert await balances(world.system()) == {
        ("gateway_clearing", "sandbox"): total,
        ("revenue.1900", ""): total - tax,
        ("vat.1900", ""): tax,
    }
    assert await kinds(world) == ["sale", "capture"]
    assert await proof(world.system()) == []


async def test_tax_on_top_of_the_price(database: db.Database) -> None:
    """C-21: prices without tax."""
    world = await make_world(tax_included=False, tax_rate_bp=851)
    ended, _ = await driven(world, 45)
    assert ended.rating is not None
    books = await balances(world.system())
    assert books["vat.851", ""] == ended.rating.tax_minor > 0
    net = ended.rating.total_minor - ended.rating.tax_minor
    assert books["revenue.851", ""] == net
    assert await proof(world.system()) == []


async def test_a_rate_changed_later_changes_nothing_posted(world: World) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(1_190)  # its event says nothing of tax
    await till.work()
    await tenancy.change_operator(world.admin(), tenancy.OperatorChange(tax_rate_bp=700))
    staff = world.call("support")
    await contract.refund(staff, till.id, 595, "half", "a")
    await till.at_rest()
    books = await balances(world.system())
    assert (books["revenue.1900", ""], books["refunds.1900", ""]) == (1_000, -500)
    assert books["vat.1900", ""] == 95


async def test_what_is_not_to_be_had_is_receivable_until_it_is_paid(world: World) -> None:
    """PAY-12: only what was captured is on its way; the debt stands on the rider's account."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(3_000)
    await contract.script_sandbox(
        world.admin(),
        [GatewayFault(operation="authorize", fault="declined", code="insufficient_funds", times=3)],
    )
    assert (await till.work(0, 3, 5, 10, 20, 40, 60)).state == "due"
    await till.at_rest()
    rider = str(till.rider.user)
    books = await balances(world.system())
    assert books["receivables", rider] == 3_000 - HOLD
    assert books["gateway_clearing", "sandbox"] == HOLD
    await contract.pay(till.rider, till.rental, await till.card("tok_mastercard"))
    await till.at_rest()
    books = await balances(world.system())
    assert ("receivables", rider) not in books
    assert books["gateway_clearing", "sandbox"] == 3_000


async def test_refunds_take_back_revenue_and_tax(world: World) -> None:
    """PAY-13: in parts that do not divide evenly; when all is given back nothing is left."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    for n, part in enumerate((100, 33, 1, 391)):
        await contract.refund(world.call("support"), till.id, part, "goodwill", f"r{n}")
        await till.at_rest()
    assert await balances(world.system()) == {("revenue.1900", ""): 441, ("refunds.1900", ""): -441}


async def test_a_free_or_cancelled_ride_posts_nothing(world: World) -> None:
    free, off = await open_till(world), await open_till(world)
    await free.authorize()
    await off.authorize()
    await free.ended(0)
    await off.cancelled()
    await free.work()
    await free.at_rest()
    assert await kinds(world) == []


async def test_many_workers_post_each_journal_once(world: World) -> None:
    """The queue may hand a row out twice, and the event may come twice: the key is the event."""
    till = await _captured(world)
    now = clock.now()
    await asyncio.gather(*(post_ride(world.system(), till.rental, now) for _ in range(12)))
    assert sorted(await kinds(world)) == ["capture", "sale"]
    await till.at_rest()


async def _captured(world: World) -> Till:
    """A ride that is captured, of which the books know nothing yet."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await drive(world.system(), till.id)
    assert await kinds(world) == []
    return till


async def test_a_worker_that_dies_between_two_journals_is_gone_on_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: after the sale, before the capture is posted."""
    till = await _captured(world)

    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        raise Killed(name)

    monkeypatch.setattr("fahrwerk.payments.actions.post_ride.point", die)
    with pytest.raises(Killed, match=r"payments\.books\.after_post"):
        await post_ride(world.system(), till.rental, clock.now())
    assert await kinds(world) == ["sale"]
    monkeypatch.undo()
    await jobs.settle_payments()
    assert await kinds(world) == ["sale", "capture"]
    await till.at_rest()


async def test_rides_of_before_the_ledger_are_posted(world: World, database: db.Database) -> None:
    """Their captures were not told one by one, and their events say nothing of tax."""
    till = await _captured(world)
    await break_rows(
        database,
        "DELETE FROM kernel.event WHERE tenant_id = $1 AND name = 'payment.captured'",
        args=(world.tenant,),
    )
    await jobs.settle_payments()  # its row in the queue stands as the migration would write it
    rider = str(till.rider.user)
    books = await balances(world.system())
    assert books == {
        ("gateway_clearing", "sandbox"): 525, ("revenue.1900", ""): 441, ("vat.1900", ""): 84,
    }  # fmt: skip
    assert ("receivables", rider) not in books
    await Pump(["payments"]).drain()
    assert await proof(world.system()) == []
    assert await ledger.catch_up(world.system()) == 0


async def test_a_ride_that_no_gateway_pays_is_a_sale_as_well(world: World) -> None:
    """I2: paid from a balance or by credit; who bears it settles what is receivable."""
    till = await open_till(world)
    till.id = ids.new()  # of a payment that was never opened
    await till.ended(1_190)
    await jobs.settle_payments()
    rider = str(till.rider.user)
    assert await balances(world.system()) == {
        ("receivables", rider): 1_190, ("revenue.1900", ""): 1_000, ("vat.1900", ""): 190,
    }  # fmt: skip
    with clock.moved_to(clock.now() + timedelta(minutes=3)):
        assert await proof(world.system()) == []
