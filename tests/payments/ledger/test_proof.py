"""Each check of the proof, proven: break the rows as only a superuser can, and see it named."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.queries import broken_invariants, proof
from tests.payments.ledger.keeper import break_rows, entered, top_up, use
from tests.payments.till import Till, open_till

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from tests.world import World

# $1 is the journal that is to be named.
_BREAK = {
    "sums": (
        "UPDATE payments.entry SET amount_minor = amount_minor + 1, "
        "balance_after_minor = balance_after_minor + 1 WHERE journal_id = $1 AND amount_minor > 0",
    ),
    "running": (
        "UPDATE payments.entry SET balance_after_minor = balance_after_minor + 1 "
        "WHERE journal_id = $1 AND amount_minor > 0",
    ),
    "versions": (
        "UPDATE payments.entry SET version = version + 7 "
        "WHERE journal_id = $1 AND amount_minor > 0",
    ),
    "digests": ("UPDATE payments.journal SET kind = 'invented' WHERE id = $1",),
    "replay": ("UPDATE payments.journal SET key = 'capture:' || gen_random_uuid() WHERE id = $1",),
    "refunds": (
        "UPDATE payments.journal SET kind = 'refund' WHERE id = $1",
        "UPDATE payments.entry SET amount_minor = -amount_minor WHERE journal_id = $1",
    ),
    "clearing": (
        "UPDATE payments.payment SET captured_minor = captured_minor - 1 WHERE reference = "
        "(SELECT reference FROM payments.journal WHERE id = $1)",
    ),
}


async def _paid_ride(world: World) -> tuple[Till, UUID]:
    """A ride of 5.25 that is paid and booked, and the journal of its capture."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    await till.at_rest()
    rows = await db.run(
        "payments", world.system(), "SELECT id FROM payments.journal WHERE kind = 'capture'"
    )
    return till, rows[0]["id"]


async def _found(call: Call) -> dict[str, str]:
    """Check -> all that it names and says."""
    told: dict[str, str] = {}
    for each in await proof(call):
        told[each.check] = f"{told.get(each.check, '')}{each} "
    return told


@pytest.mark.parametrize("name", _BREAK)
async def test_what_is_broken_is_named(world: World, database: db.Database, name: str) -> None:
    _, journal = await _paid_ride(world)
    await break_rows(database, *_BREAK[name], args=(journal,))
    with clock.moved_to(clock.now() + timedelta(minutes=3)):
        told = await _found(world.system())
    assert name in told, told
    assert ids.public("jrn", journal) in told[name]


async def test_an_entry_of_another_operator_is_named(world: World, database: db.Database) -> None:
    """I7: whose journal or account is somebody else's."""
    _, journal = await _paid_ride(world)
    stranger = ids.new()
    await break_rows(
        database,
        "UPDATE payments.journal SET tenant_id = $2 WHERE id = $1",
        args=(journal, stranger),
    )
    told = await _found(world.system())
    assert ids.public("jrn", journal) in told["strangers"]
    await break_rows(
        database,
        "UPDATE payments.journal SET tenant_id = $2 WHERE id = $1",
        args=(journal, world.tenant),
    )
    assert await proof(world.system()) == []
    await break_rows(
        database,
        "UPDATE payments.account SET tenant_id = $2 WHERE (id, shard) IN "
        "(SELECT account_id, shard FROM payments.entry WHERE journal_id = $1)",
        args=(journal, stranger),
    )
    assert ids.public("jrn", journal) in (await _found(world.system()))["strangers"]


_BREAK_PURSE = {
    "balances": "UPDATE payments.account SET posted_minor = posted_minor - 1 "
    "WHERE code = 'vat.1900'",
    "versions": "UPDATE payments.account SET version = version + 1 WHERE code = 'goodwill'",
    "lots": "UPDATE payments.lot SET left_minor = left_minor - 1 WHERE left_minor > 1",
    "holds": "UPDATE payments.account SET held_minor = held_minor + 1 WHERE held_minor > 0",
}


@pytest.mark.parametrize("name", _BREAK_PURSE)
async def test_a_purse_that_is_broken_is_named(
    world: World, database: db.Database, name: str
) -> None:
    call = world.system()
    await top_up(call, "rider", paid=1_000, bonus=200)
    await use(call, "rider", 119)
    await ledger.place_hold(call, "ride", "rider", "EUR", 100, 600, "paid", None)
    assert await proof(call) == []
    await break_rows(database, f"{_BREAK_PURSE[name]} AND tenant_id = $1", args=(world.tenant,))
    told = await _found(call)
    assert name in told, told
    assert "acc_" in told[name]
    if name in ("balances", "versions"):
        assert any(each[0] == "I5" for each in await broken_invariants(call))


async def test_a_balance_below_its_floor_is_named(world: World, database: db.Database) -> None:
    """A check constraint holds for everybody, so it has to be gone for a moment."""
    await top_up(world.system(), "rider", paid=1_000)
    await break_rows(
        database,
        "ALTER TABLE payments.account DROP CONSTRAINT above_floor",
        "UPDATE payments.account SET floor_minor = 2000 WHERE code = 'wallet_paid' "
        "AND tenant_id = $1",
        args=(world.tenant,),
    )
    told = await _found(world.system())
    await break_rows(
        database,
        "UPDATE payments.account SET floor_minor = 0 WHERE code = 'wallet_paid' AND tenant_id = $1",
        "ALTER TABLE payments.account ADD CONSTRAINT above_floor CHECK (floor_minor IS NULL OR "
        "CASE WHEN kind IN ('asset', 'expense') THEN posted_minor ELSE -posted_minor END "
        "- held_minor >= floor_minor)",
        args=(world.tenant,),
    )
    assert "below its floor of 2000" in told["floors"]


async def test_suspense_and_bad_mirrors_are_named(world: World, database: db.Database) -> None:
    call, staff = world.system(), world.admin()
    posted = await ledger.post_journal(call, entered(("bank", 5), ("suspense", -5)))
    assert await _found(call) == {}, "it may be under way"
    with clock.moved_to(clock.now() + timedelta(minutes=3)):
        told = await _found(call)
        assert ids.public("jrn", posted) in told["suspense"]
        assert any("in suspense" in detail for _, detail in await broken_invariants(call))
        reversal = await ledger.reverse_journal(staff, posted, "found out", "a")
        later = await ledger.post_journal(call, entered(("bank", 5), ("suspense", -5)))
    with clock.moved_to(clock.now() + timedelta(minutes=6)):
        told = await _found(call)
    assert ids.public("jrn", later) in told["suspense"]
    assert ids.public("jrn", posted) not in told["suspense"]
    await break_rows(
        database,
        "UPDATE payments.entry SET amount_minor = amount_minor * 2 WHERE journal_id = $1",
        args=(reversal.id,),
    )
    assert ids.public("jrn", reversal.id) in (await _found(call))["mirrors"]


async def test_a_capture_that_was_never_booked_is_found(
    world: World, database: db.Database
) -> None:
    """Also when the queue's row is lost: the log remembers, and catching up heals."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    await till.at_rest()
    await break_rows(
        database,
        "DELETE FROM payments.entry WHERE tenant_id = $1",
        "DELETE FROM payments.journal WHERE tenant_id = $1",
        "UPDATE payments.account SET posted_minor = 0, version = 0 WHERE tenant_id = $1",
        args=(world.tenant,),
    )
    call = world.system()
    with clock.moved_to(clock.now() + timedelta(minutes=3)):
        told = await _found(call)
        assert "is not in the books" in told["replay"]
        assert "clearing has 0, the gateway took 525" in told["clearing"]
        assert any("is not in the books" in detail for _, detail in await broken_invariants(call))
        assert await ledger.catch_up(call) == 2
        assert await ledger.catch_up(call) == 0
        assert await proof(call) == []
        assert await broken_invariants(call) == []
