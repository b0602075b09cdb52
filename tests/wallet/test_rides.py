"""Rides paid from the balance: held, stopped at the balance, settled once; through rentals too."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, crash, ids
from fahrwerk.kernel.errors import Unpaid
from fahrwerk.payments.contract import debts, ledger
from fahrwerk.rentals import contract as rentals
from fahrwerk.wallet import contract
from tests.rentals.riding import alive
from tests.wallet.test_parallel import check_books
from tests.wallet.test_topup import check, me
from tests.world import World

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


async def rich(world: World, amount: int) -> Call:
    rider = await world.rider()
    await contract.adjust(world.admin(), me(rider), amount, "For the test", "start")
    return rider


async def test_a_ride_is_held_covered_and_settled(world: World) -> None:
    """WAL-32: what is held cannot be spent elsewhere; the rest is free again afterwards."""
    rider, rental, admin = await world.rider(), ids.new(), world.admin()
    await contract.open_topup(rider, 2_000, await world.card(rider), None)
    cover = await contract.hold_ride(rider, rental, me(rider), 1_250, 600.0)
    assert (cover.held_minor, cover.left_minor, cover.must_stop) == (1_250, 750, False)
    with pytest.raises(Unpaid):
        await contract.charge_usage(admin, me(rider), 800, "Other", "o")
    cover = await contract.cover_ride(admin, rental, 1_500, 100, 600.0)
    assert (cover.held_minor, cover.left_minor, cover.must_stop) == (1_600, 400, False)
    settled = await asyncio.gather(*(contract.settle_ride(admin, rental, 1_700) for _ in range(4)))
    assert {(each.paid_minor, each.missing_minor) for each in settled} == {(1_700, 0)}
    own = await contract.wallet(rider, me(rider))
    assert (own.balance_minor, own.available_minor, own.held_minor) == (300, 300, 0)
    await check_books(world, me(rider))


async def test_the_balance_stops_a_ride(world: World) -> None:
    """The ride is to end while it can still be paid; what is missing all the same stays owed."""
    rider, rental, admin = await rich(world, 1_000), ids.new(), world.admin()
    await contract.hold_ride(rider, rental, me(rider), 500, 600.0)
    assert not (await contract.cover_ride(admin, rental, 700, 100, 600.0)).must_stop
    cover = await contract.cover_ride(admin, rental, 950, 100, 600.0)
    assert (cover.held_minor, cover.left_minor, cover.must_stop) == (1_000, 0, True)
    settled = await contract.settle_ride(admin, rental, 1_020)
    assert (settled.paid_minor, settled.missing_minor) == (1_000, 20)
    await check_books(world, me(rider))


async def test_a_ride_that_came_to_nothing(world: World) -> None:
    """Released: all of it is there again, and it is not held any more afterwards."""
    rider, rental = await rich(world, 1_000), ids.new()
    await contract.hold_ride(rider, rental, me(rider), 500, 600.0)
    await contract.release_ride(rider, rental)
    await contract.release_ride(rider, rental)
    assert (await contract.wallet(rider, me(rider))).available_minor == 1_000
    with pytest.raises(Unpaid):
        await contract.hold_ride(rider, ids.new(), me(rider), 1_001, 600.0)


@pytest.mark.parametrize("where", ["wallet.ride.after_capture", "wallet.ride.after_hold"])
async def test_a_crash_while_settling(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """F1: whoever goes on asks for the same, so the ride is paid once and the holds are gone."""
    rider, rental, admin = await rich(world, 2_000), ids.new(), world.admin()

    class Died(BaseException):
        pass

    def point(name: str) -> None:
        if name == where:
            monkeypatch.setattr(crash, "point", lambda _: None)
            raise Died

    def armed() -> None:
        for module in ("rides",):
            monkeypatch.setattr(f"fahrwerk.wallet.actions.{module}.point", point)

    await contract.hold_ride(rider, rental, me(rider), 300, 600.0)
    armed()
    with pytest.raises(Died):
        await contract.cover_ride(admin, rental, 500, 0, 600.0)
        await contract.settle_ride(admin, rental, 900)
    monkeypatch.setattr("fahrwerk.wallet.actions.rides.point", lambda _: None)
    await contract.cover_ride(admin, rental, 500, 0, 600.0)
    settled = await contract.settle_ride(admin, rental, 900)
    assert settled.paid_minor == 900
    with clock.moved_to(clock.now() + timedelta(minutes=5)):
        await world.settle()
    own = await contract.wallet(rider, me(rider))
    assert (own.balance_minor, own.held_minor) == (1_100, 0)
    await check_books(world, me(rider))


async def ride(world: World, rider: Call, minutes: int) -> UUID:
    """A ride by rentals, paid with ``wallet``."""
    vehicle = await world.vehicle()
    async with alive(world):
        begun = await rentals.start(rider, vehicle.identifier, None, "wallet", None, False)
    assert begun.secured_by == "wallet"
    await world.settle()
    with clock.moved_to(clock.now() + timedelta(minutes=minutes)):
        await world.settle()
        await rentals.end(rider, begun.id, None, None, None, None)
        await world.settle()
    return begun.id


async def test_a_rental_is_paid_from_the_wallet(world: World) -> None:
    """WAL-32, RNT-35: held at the start, paid at the end; sale, tax and balance agree."""
    rider = await rich(world, 5_000)
    rental_id = await ride(world, rider, 10)
    found = await rentals.details(rider, rental_id)
    assert found.rental.rating is not None
    assert found.payment is not None
    total = found.rental.rating.total_minor
    assert total > 0
    assert (found.payment.state, found.payment.captured_minor) == ("completed", total)
    assert found.payment.method_label == "Wallet"
    own = await contract.wallet(rider, me(rider))
    assert (own.balance_minor, own.held_minor) == (5_000 - total, 0)
    owed = await ledger.accounts(world.admin(), "receivables", str(me(rider)), None, 10, 0)
    assert sum(each.balance_minor for each in owed.accounts) == 0
    await check(world, rider, 5_000 - total)


async def test_what_the_balance_did_not_bear_is_a_debt(world: World) -> None:
    """PAY-28: opened once, dunned and paid like any other; the receivables are zero then."""
    rider = await rich(world, 1_300)
    vehicle = await world.vehicle()
    async with alive(world):
        begun = await rentals.start(rider, vehicle.identifier, None, "wallet", None, False)
    with clock.moved_to(clock.now() + timedelta(minutes=180)):
        await rentals.end(rider, begun.id, None, None, None, None)  # before anybody covered it
        for _ in range(2):
            await world.settle()
    found = await rentals.details(rider, begun.id)
    assert found.rental.rating is not None
    missing = found.rental.rating.total_minor - 1_300
    assert missing > 0
    (debt,) = (await debts.own_debts(rider, 10, 0)).debts
    assert (debt.state, debt.owed_minor, debt.reference) == ("open", missing, begun.id)
    assert debt.reason == "insufficient_balance"
    with pytest.raises(debts.DebtOpen):
        await debts.check_debts(rider, me(rider))
    await contract.settle_ride(world.admin(), begun.id, found.rental.rating.total_minor)
    assert (await debts.own_debts(rider, 10, 0)).total == 1
    await contract.adjust(world.admin(), me(rider), missing + 5, "More", "more")
    paid = await asyncio.gather(*(contract.pay_debt(rider, debt.id) for _ in range(3)),
                                return_exceptions=True)  # fmt: skip
    assert any(isinstance(each, debts.Debt) and each.state == "paid" for each in paid)
    await world.settle()
    assert (await contract.wallet(rider, me(rider))).balance_minor == 5
    owed = await ledger.accounts(world.admin(), "receivables", str(me(rider)), None, 10, 0)
    assert sum(each.balance_minor for each in owed.accounts) == 0
    await check(world, rider, 5)


async def test_a_rental_without_the_money(world: World) -> None:
    """RNT-23: like a declined card: the booking is cancelled, the vehicle free."""
    rider = await rich(world, 10)
    vehicle = await world.vehicle()
    with pytest.raises(Unpaid) as refused:
        await rentals.start(rider, vehicle.identifier, None, "wallet", None, False)
    assert refused.value.error_code == "INSUFFICIENT_BALANCE"
    await world.settle()
    await contract.adjust(world.admin(), me(rider), 5_000, "More", "more")
    async with alive(world):
        begun = await rentals.start(rider, vehicle.identifier, None, "wallet", None, False)
    assert begun.state == "in_progress"


async def test_a_cancelled_booking_frees_the_money(world: World) -> None:
    """C-84: what was held is available again."""
    rider = await rich(world, 5_000)
    vehicle = await world.vehicle()
    booking = await rentals.book(rider, vehicle.identifier, None, 10, None, False, None)
    await rentals.confirm(rider, booking.id, "wallet")
    assert (await contract.wallet(rider, me(rider))).held_minor == booking.estimated_minor
    await rentals.cancel(rider, booking.id, "rider")
    await world.settle()
    assert (await contract.wallet(rider, me(rider))).available_minor == 5_000


async def test_the_wallet_ends_a_rental(world: World) -> None:
    """Stop at balance: the house ends the ride before the balance is gone, and it is paid."""
    rider = await rich(world, 1_300)
    vehicle = await world.vehicle()
    async with alive(world):
        begun = await rentals.start(rider, vehicle.identifier, None, "wallet", None, False)
    await world.settle()
    start = clock.now()
    for minute in range(1, 240):
        with clock.moved_to(start + timedelta(minutes=minute)):
            await world.settle()
            found = await rentals.rental(rider, begun.id)
            if found.state == "completed":
                break
    assert (found.state, found.reason) == ("completed", "balance")
    with clock.moved_to(start + timedelta(hours=5)):
        await world.settle()
        paid = await rentals.details(rider, begun.id)
        assert paid.payment is not None
        assert paid.payment.state == "completed"
        assert (await contract.wallet(rider, me(rider))).balance_minor >= 0
