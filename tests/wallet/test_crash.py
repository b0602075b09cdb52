"""A process that dies at any step: the worker ends it, and the money is there once (F1, I8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, doors
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Unpaid
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet import contract
from tests.wallet.test_auto import rider_with_auto, tried
from tests.wallet.test_parallel import check_books
from tests.wallet.test_topup import captures, check, me

if TYPE_CHECKING:
    from tests.world import World


class Died(BaseException):
    """The process was killed here."""


def dies_at(monkeypatch: pytest.MonkeyPatch, where: str) -> list[str]:
    """Die at this point, once; the list says whether it was passed."""
    passed: list[str] = []

    def point(name: str) -> None:
        if name == where and not passed:
            passed.append(name)
            raise Died

    for module in ("topup", "auto", "takeback"):
        monkeypatch.setattr(f"fahrwerk.wallet.actions.{module}.point", point)
    return passed


POINTS = ["after_start", "after_pay", "after_charge", "after_grant"]


@pytest.mark.parametrize("where", POINTS)
async def test_a_top_up_is_ended_by_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """WAL-14: charged and credited once, whoever goes on; or not at all, when nothing was sent."""
    rider = await world.rider()
    card = await world.card(rider)
    passed = dies_at(monkeypatch, f"wallet.topup.{where}")
    with pytest.raises(Died):
        await contract.open_topup(rider, 10_000, card, "k")
    assert passed
    now = clock.now()
    for seconds in (25, 60, 1_900, 1_930):
        with clock.moved_to(now + timedelta(seconds=seconds)):
            await world.settle()
    begun = where != "after_start"  # a session that was never paid runs out
    with clock.moved_to(now + timedelta(seconds=1_960)):
        await check(world, rider, 11_000 if begun else 0)
    assert await captures(world) == int(begun)
    [topup] = await contract.topups(rider, me(rider), 10)
    assert topup.state == ("credited" if begun else "expired")


@pytest.mark.parametrize("where", ["wallet.auto.after_claim", "wallet.topup.after_charge"])
async def test_an_auto_top_up_is_ended_by_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """WAL-18: claimed before charging, so a crash in between charges once and never twice."""
    rider, rider_id = await rider_with_auto(world)
    passed = dies_at(monkeypatch, where)
    with pytest.raises(Died):
        await world.settle()
    assert passed
    with clock.moved_to(clock.now() + timedelta(seconds=45)):
        await world.settle()
    assert await tried(world, rider_id) == ["credited"]
    await check(world, rider, 2_500)
    assert await captures(world) == 1


async def test_a_refund_is_taken_back_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WAL-14: what was meant to be taken is taken, once, also when the balance changed since."""
    rider = await world.rider()
    topup = await contract.open_topup(rider, 2_000, await world.card(rider), None)
    await world.settle()
    await payments.refund(world.admin(), topup.payment_id, 1_200, "Asked for", "r1")
    passed = dies_at(monkeypatch, "wallet.takeback.after_intent")
    with pytest.raises(Died):
        await world.settle()
    assert passed
    await contract.charge_usage(world.admin(), me(rider), 1_000, "Ride", "a")
    with clock.moved_to(clock.now() + timedelta(seconds=45)):
        await check(world, rider, 0)
    owed = await ledger.accounts(world.admin(), "receivables", str(me(rider)), None, 10, 0)
    assert sum(each.balance_minor for each in owed.accounts) == 200


async def test_usage_is_booked_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """WAL-32: the ledger has it, the process died: the worker books it."""
    rider = await world.rider()
    await contract.adjust(world.admin(), me(rider), 1_000, "Start", "s")

    async def dead(*_: object) -> bool:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("fahrwerk.wallet.actions._book.book", dead)
        with pytest.raises(Died):
            await contract.charge_usage(world.admin(), me(rider), 400, "Ride", "a")
    assert await contract.drift(rider, me(rider)) == 400
    with clock.moved_to(clock.now() + timedelta(seconds=30)):
        await world.settle()
    await check_books(world, me(rider))
    done = await contract.charge_usage(world.admin(), me(rider), 400, "Ride", "a")
    assert (done.amount_minor, done.balance_minor) == (-400, 600)


async def test_over_the_wire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms in different processes: arguments, answers and refusals survive the wire format."""
    monkeypatch.setattr(doors, "runner", "wire")
    rider = await world.rider()
    card = await world.card(rider)
    topup = await contract.open_topup(rider, 10_000, card, "k")
    assert (await contract.topup(rider, topup.id)).state == "credited"
    admin = world.admin()
    with pytest.raises(Unpaid) as refused:
        await contract.charge_usage(admin, me(rider), 20_000, "Ride", "a")
    assert refused.value.error_code == ledger.InsufficientBalance.code
    await contract.charge_usage(admin, me(rider), 10_900, "Ride", "b")
    change = contract.AutoTopupChange(is_on=True, amount_minor=2_000)
    await contract.change_auto_topup(rider, change)
    await world.settle()
    assert (await contract.wallet(rider, me(rider))).balance_minor == 2_100
    rental = rider.user
    assert rental is not None
    await contract.hold_ride(rider, rental, me(rider), 500, 60.0)
    assert (await contract.cover_ride(admin, rental, 600, 10**4, 60.0)).must_stop
    assert (await contract.settle_ride(admin, rental, 2_200)).missing_minor == 100
    page = await contract.transactions(rider, me(rider), contract.TransactionFilter(), None, 2)
    assert page.after is not None
    assert (await contract.marks(rider, [me(rider)])).keys() == {me(rider)}
    other = await world.rider()
    await world.card(other, "tok_expiredCard")
    await contract.change_auto_topup(other, contract.AutoTopupChange(is_on=True))
    await world.settle()
    assert (await contract.wallet(other, me(other))).auto.paused == "expired_card"


_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'wallet' AND c.relkind = 'r'
"""


async def test_no_operator_sees_another_ones(world: World) -> None:
    """I7: without a tenant there are no rows, but for ids in the work queue."""
    rider = await world.rider()
    await contract.open_topup(rider, 2_000, None, None)
    for row in await db.run("wallet", world.system(), _TABLES):
        nobody = Call(tenant=None, service="tests")
        rows = await db.run("wallet", nobody, f"SELECT 1 FROM wallet.{row['relname']} LIMIT 1")
        assert bool(rows) == (row["relname"] == "work")
