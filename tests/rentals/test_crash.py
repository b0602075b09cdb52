"""Dying at every step boundary (F1): the repeat goes on, or leases end it; nothing is left over.

The process does not really die here: at the point an exception is thrown that nothing in the house
catches, so no clean-up runs, as none would. Real processes are killed in ``tests/sim``.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.payments import contract as payments
from fahrwerk.rentals import contract, jobs
from tests.rentals.riding import alive, keyed, paying_rider, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.kernel.call import Call
    from tests.world import World

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
POINTS = [
    "rentals.book.after_hold",
    "rentals.book.after_quote",
    "rentals.book.after_insert",
    "rentals.start.after_book",
    "rentals.confirm.after_open",
    "rentals.confirm.after_authorize",
    "rentals.confirm.after_confirm",
    "rentals.confirm.after_extend",
    "rentals.start.after_confirm",
    "rentals.unlock.after_command",
]


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """``die_at(name)``: the next time that point is passed, the process is no more."""

    def prepare(name: str) -> list[str]:
        left, died = [name], []

        def point(passed: str) -> None:
            if passed in left:
                left.remove(passed)
                died.append(passed)
                raise Killed

        for module in list(sys.modules.values()):
            if module.__name__.startswith("fahrwerk.rentals") and hasattr(module, "point"):
                monkeypatch.setattr(module, "point", point)
        return died

    return prepare


async def start(rider: Call, vehicle_id: object) -> contract.Rental:
    return await contract.start(rider, str(vehicle_id), None, None, None, False)


@pytest.mark.parametrize("name", POINTS)
async def test_a_repeat_goes_on_where_the_process_died(
    world: World, die_at: Callable[[str], list[str]], name: str
) -> None:
    """I1, I2, I6: the same key: one rental, one authorisation, one ride."""
    rider, vehicle = keyed(await paying_rider(world)), await world.vehicle()
    died = die_at(name)
    async with alive(world):
        with pytest.raises(Killed):
            await start(rider, vehicle.id)
        assert died == [name]
        rental = await start(rider, vehicle.id)
    assert rental.state == "in_progress"
    assert (await contract.rental_page(rider, rider.user, None, 9, 0)).total == 1
    assert await told(world, rental.id) == ["rental.reserved", "BookingConfirmed", "rental.started"]
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert payment.authorized_minor == rental.hold_minor
    assert (await fleet.vehicle(rider, vehicle.id)).status == "in_use"


@pytest.mark.parametrize("name", [p for p in POINTS if "unlock" not in p])
async def test_if_nobody_repeats_it_leases_end_it(
    world: World, die_at: Callable[[str], list[str]], name: str
) -> None:
    """I3, I8, I12: the rider is gone: the vehicle comes free, the money goes back, by itself."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    die_at(name)
    with clock.moved_to(START), pytest.raises(Killed):
        await start(rider, vehicle.id)
    for minutes in (1, 5.1, 11, 17):
        with clock.moved_to(START + timedelta(minutes=minutes)):
            await world.settle()
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    page = await contract.rental_page(rider, rider.user, None, 9, 0)
    assert [r.state for r in page.rentals] in ([], ["cancelled"])
    for rental in page.rentals:
        payment = await payments.payment_for(rider, rental.id)
        assert payment is not None
        assert payment.state == "voided"
        assert (await told(world, rental.id))[-1] == "rental.cancelled"
    assert await db.run("rentals", world.system(), "SELECT FROM rentals.deadline "
                        "WHERE tenant_id = kernel.tenant()") == []  # fmt: skip


@pytest.mark.parametrize("name", ["rentals.end.after_rating", "rentals.end.after_end"])
async def test_a_ride_is_ended_once_whatever_dies(
    world: World, die_at: Callable[[str], list[str]], name: str
) -> None:
    """I1, I6, I9: the meter of what was written first counts; one capture."""
    rider, vehicle = keyed(await paying_rider(world)), await world.vehicle()
    with clock.moved_to(START):
        async with alive(world):
            rental = await start(rider, vehicle.id)
    died = die_at(name)
    with clock.moved_to(START + timedelta(minutes=10)):
        with pytest.raises(Killed):
            await contract.end(rider, rental.id, None, None, None, None)
        assert died
    with clock.moved_to(START + timedelta(minutes=11)):
        ended = await contract.end(rider, rental.id, None, None, None, None)
        await world.settle()
    assert ended.rating is not None
    assert ended.rating.billed_minutes == (11 if name.endswith("rating") else 10)
    assert (await told(world, rental.id)).count("rental.ended") == 1
    payment = await payments.payment_for(rider, rental.id)
    assert payment is not None
    assert (payment.state, payment.captured_minor) == ("completed", ended.rating.total_minor)


@pytest.mark.parametrize(
    "name", ["rentals.deadline.after_claim", "rentals.deadline.after_expiry",
             "rentals.cancel.after_cancel", "rentals.cancel.after_release"],
)  # fmt: skip
async def test_a_worker_that_dies_is_followed_by_another(
    world: World, die_at: Callable[[str], list[str]], name: str
) -> None:
    """I8: what it had claimed is due again within 120 s."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(START):
        rental = await contract.book(rider, str(vehicle.id), None, None, None, False, None)
    died = die_at(name)
    with clock.moved_to(START + timedelta(minutes=5, seconds=1)):
        with pytest.raises(Killed):
            await jobs.look_at_due()
        assert died
    with clock.moved_to(START + timedelta(minutes=5, seconds=40)):
        await world.settle()
    gone = await contract.rental(rider, rental.id)
    assert (gone.state, gone.reason) == ("cancelled", "expired")
    assert (await fleet.vehicle(rider, vehicle.id)).status == "available"
    assert await told(world, rental.id) == ["rental.reserved", "rental.cancelled"]


async def test_a_turn_that_fails_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F19: a rental that cannot be looked at is put off; its neighbours are not."""
    broken, fine = [
        await contract.book(
            await world.rider(), str((await world.vehicle()).id), None, None, None, False, None
        )
        for _ in range(2)
    ]
    look = jobs._look

    async def sometimes(call: Call, rental_id: object) -> None:
        if rental_id == broken.id:
            raise ValueError("not this one")
        await look(call, rental_id)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "_look", sometimes)
    now = clock.now()
    with clock.moved_to(now + timedelta(minutes=6)):
        await jobs.look_at_due()
        admin = world.admin()
        assert (await contract.rental(admin, fine.id)).state == "cancelled"
        assert (await contract.rental(admin, broken.id)).state == "pending"
    monkeypatch.undo()
    with clock.moved_to(now + timedelta(minutes=7)):
        await jobs.look_at_due()
        assert (await contract.rental(admin, broken.id)).state == "cancelled"
