"""Posting: once, balanced, above the floor, for one operator; and never changed again (I5, I7)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.queries import proof
from fahrwerk.payments.rules import ledger as rules
from tests.payments.ledger.keeper import balances, entered, new_key, top_up
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


async def test_a_journal_moves_its_accounts(world: World) -> None:
    call = world.system()
    await ledger.post_journal(call, entered(("bank", 1_000), ("suspense", -1_000)))
    await ledger.post_journal(call, entered(("suspense", 400), ("fees", 600), ("bank", -1_000)))
    assert await balances(call) == {("suspense", ""): -600, ("fees", ""): 600}


async def test_one_statement_once_the_accounts_are_there(world: World) -> None:
    call = world.system()
    await ledger.post_journal(call, entered(("bank", 1), ("suspense", -1)))
    token = db.statements.set([])
    await ledger.post_journal(call, entered(("bank", 1), ("suspense", -1)))
    said = db.statements.get() or []
    db.statements.reset(token)
    assert len(said) == 1


async def test_the_same_key_posts_once(world: World) -> None:
    """PAY-29, WAL-14: also when the repeat says another time; other content is refused."""
    call, key = world.system(), new_key()
    first = await ledger.post_journal(call, entered(("bank", 5), ("suspense", -5), key=key))
    again = await ledger.post_journal(call, entered(("bank", 5), ("suspense", -5), key=key))
    assert first == again
    for other in (
        entered(("bank", 6), ("suspense", -6), key=key),
        entered(("bank", 5), ("rounding", -5), key=key),
        entered(("bank", 5), ("suspense", -5), key=key, kind="other"),
        entered(("bank", 5), ("suspense", -5), key=key, reference=ids.new()),
    ):
        with pytest.raises(ledger.KeyReused):
            await ledger.post_journal(call, other)
    assert await balances(call) == {("bank", ""): 5, ("suspense", ""): -5}


async def test_hot_accounts_are_spread_and_their_balance_is_the_sum(world: World) -> None:
    call = world.system()
    for _ in range(40):
        await ledger.post_journal(call, entered(("bank", 119), ("revenue.1900", -119)))
    rows = await db.run(
        "payments", call,
        "SELECT shard, posted_minor, version FROM payments.account WHERE code = 'revenue.1900'",
    )  # fmt: skip
    assert len(rows) > 5
    assert {row["shard"] for row in rows} <= set(range(1, 17))
    assert sum(row["version"] for row in rows) == 40
    assert (await balances(call))["revenue.1900", ""] == 40 * 119


async def test_operators_have_books_of_their_own(world: World) -> None:
    """I7: the same keys and codes elsewhere, and nothing of it is to be seen."""
    other, key = await make_world(), new_key()
    journal = entered(("bank", 5), ("suspense", -5), key=key)
    mine = await ledger.post_journal(world.system(), journal)
    theirs = await ledger.post_journal(other.system(), journal)
    assert mine != theirs
    with pytest.raises(NotFound):
        await ledger.journal(other.admin(), mine)
    with pytest.raises(NotFound):
        await ledger.reverse_journal(other.admin(), mine, "not mine", "k")
    account = rules.account_id(world.tenant, "bank", "", "EUR")
    with pytest.raises(NotFound):
        await ledger.statement(other.admin(), account, None, None, None, 10)
    page = await ledger.accounts(other.admin(), "bank", None, None, 10, 0)
    assert [each.balance_minor for each in page.accounts] == [5]


async def test_books_are_not_for_riders(world: World) -> None:
    posted = await ledger.post_journal(world.system(), entered(("bank", 5), ("suspense", -5)))
    rider, support = await world.rider(), world.call("support")
    for call in (rider, world.call("provider")):
        with pytest.raises(Forbidden):
            await ledger.journal(call, posted)
        with pytest.raises(Forbidden):
            await ledger.accounts(call, None, None, None, 10, 0)
        with pytest.raises(Forbidden):
            await ledger.trial_balance(call, None, None)
    assert (await ledger.journal(support, posted)).id == posted
    with pytest.raises(Forbidden):
        await ledger.reverse_journal(support, posted, "no", "k")


_CHANGES = {
    "journal": "UPDATE payments.journal SET narration = 'x'",
    "amount": "UPDATE payments.entry SET amount_minor = 1",
    "entry": "DELETE FROM payments.entry",
    "journals": "DELETE FROM payments.journal",
    "use": "UPDATE payments.lot_use SET amount_minor = 1",
}


@pytest.mark.parametrize("name", _CHANGES)
async def test_nothing_is_changed_or_deleted(
    world: World, database: db.Database, name: str
) -> None:
    """By privilege for us, and by trigger even for the owner of the tables."""
    await ledger.post_journal(world.system(), entered(("bank", 5), ("suspense", -5)))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.run("payments", world.system(), _CHANGES[name])
    raw = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    try:
        with pytest.raises(asyncpg.RestrictViolationError, match="append only"):
            await raw.execute(_CHANGES[name])
        with pytest.raises(asyncpg.RestrictViolationError, match="append only"):
            await raw.execute("TRUNCATE payments.entry CASCADE")
    finally:
        await raw.close()


_ENTRY = """
INSERT INTO payments.entry
    (account_id, shard, version, journal_id, at, currency, amount_minor, balance_after_minor)
SELECT account_id, shard, version + 1, journal_id, at, currency, 1, balance_after_minor + 1
FROM payments.entry WHERE journal_id = $1 LIMIT 1
"""


async def test_entries_that_do_not_balance_are_refused_by_the_database(world: World) -> None:
    """I5: whoever finds a way around the rules meets the trigger."""
    call = world.system()
    posted = await ledger.post_journal(call, entered(("bank", 5), ("suspense", -5)))
    with pytest.raises(asyncpg.CheckViolationError, match="is off by 1 EUR"):
        await db.run("payments", call, _ENTRY, posted)
    bank, suspense = (
        rules.account_id(world.tenant, code, "", "EUR") for code in ("bank", "suspense")
    )
    with pytest.raises(asyncpg.CheckViolationError, match="names an account twice"):
        await db.run(
            "payments", call,
            "SELECT payments.post($1, 'twice', 't', NULL, now(), '', 'me', NULL, '', "
            "$2, '{0,0,0}', '{1,1,-1}')",
            ids.new(), [bank, bank, suspense],
        )  # fmt: skip
    assert await proof(call) == []


async def test_a_reversal_is_the_mirror_and_happens_once(world: World) -> None:
    call, staff = world.system(), world.admin()
    posted = await ledger.post_journal(call, entered(("bank", 1_190), ("revenue.1900", -1_190)))
    reversal = await ledger.reverse_journal(staff, posted, " wrong amount ", "a")
    assert (reversal.kind, reversal.reverses, reversal.narration) == (
        "reversal", posted, "wrong amount",
    )  # fmt: skip
    assert sorted((x.code, x.amount_minor) for x in reversal.lines) == [
        ("bank", -1_190), ("revenue.1900", 1_190),
    ]  # fmt: skip
    assert (await ledger.journal(staff, posted)).reversed_by == reversal.id
    assert (await ledger.reverse_journal(staff, posted, "wrong amount", "a")).id == reversal.id
    with pytest.raises(ledger.AlreadyReversed):
        await ledger.reverse_journal(staff, posted, "once more", "b")
    with pytest.raises(ledger.NotReversible):
        await ledger.reverse_journal(staff, reversal.id, "undo the undo", "c")
    with pytest.raises(NotFound):
        await ledger.reverse_journal(staff, ids.new(), "which?", "d")
    for reason in ("", "   ", "x" * 501):
        with pytest.raises(Invalid):
            await ledger.reverse_journal(staff, posted, reason, "e")
    assert await balances(call) == {}
    assert await proof(call) == []


async def test_what_a_gateway_did_is_not_reversed(world: World) -> None:
    """The money is there: it is refunded, and that posts."""
    lines = (("gateway_clearing", 5, "sandbox"), ("receivables", -5, "rider"))
    posted = await ledger.post_journal(world.system(), entered(*lines, kind="capture"))
    with pytest.raises(ledger.NotReversible):
        await ledger.reverse_journal(world.admin(), posted, "no", "a")


async def test_what_cannot_be_posted_posts_nothing(world: World) -> None:
    call = world.system()
    for journal in (
        entered(("bank", 5), ("suspense", -4)),
        entered(("bank", 0), ("suspense", 0)),
        entered(("bank", 5), ("nowhere", -5)),
        entered(("bank", 5), ("suspense", -5), currency="XXX"),
        entered(("bank", 2**63), ("suspense", -(2**63))),
        entered(("wallet_paid", 5, "rider"), ("bank", -5)),
    ):
        with pytest.raises(Invalid):
            await ledger.post_journal(call, journal)
    assert await balances(call) == {}


async def test_balances_at_any_time(world: World) -> None:
    """``as_of``, trial balance of a period, statement page by page: they all agree."""
    call, staff, first = world.system(), world.admin(), clock.now() - timedelta(days=30)
    for day in range(30):
        at = first + timedelta(days=day)
        await ledger.post_journal(
            call, entered(("bank", 100 + day), ("revenue.1900", -100 - day), at=at)
        )
    for days in (0, 1, 10, 29, 40):
        at = first + timedelta(days=days)
        expected = sum(100 + day for day in range(30) if day <= days)
        page = await ledger.accounts(staff, "bank", None, at, 10, 0)
        assert [each.balance_minor for each in page.accounts] == [expected]
        page = await ledger.accounts(staff, "revenue.1900", None, at, 10, 0)
        assert [each.balance_minor for each in page.accounts] == [expected]
    since, until = first + timedelta(days=10), first + timedelta(days=20)
    bank, revenue = await ledger.trial_balance(staff, since, until)
    before, within = sum(range(100, 110)), sum(range(110, 120))
    assert (bank.opening_minor, bank.debit_minor, bank.closing_minor) == (
        before, within, before + within,
    )  # fmt: skip
    assert (revenue.opening_minor, revenue.credit_minor) == (-before, within)
    account = rules.account_id(world.tenant, "revenue.1900", "", "EUR")
    lines, after = [], None
    for _ in range(20):
        page_of = await ledger.statement(staff, account, None, None, after, 4)
        lines += page_of.lines
        after = page_of.after
        if after is None:
            break
    assert [line.amount_minor for line in lines] == [-100 - day for day in reversed(range(30))]
    assert [line.balance_minor for line in lines] == [
        sum(range(100, 101 + day)) for day in reversed(range(30))
    ]
    some = await ledger.statement(staff, account, since, until, None, 100)
    assert some.lines[0].balance_minor == before + within
    for wrong in ("x", "", "w7w=", "MjAyNi0wMS0wMXxub25l", "MjAyNi0wMS0wMXw="):
        with pytest.raises(Invalid):
            await ledger.statement(staff, account, None, None, wrong, 10)


async def test_a_floor_is_the_databases(world: World) -> None:
    """Not even SQL by hand takes more than is there."""
    call = world.system()
    await top_up(call, "rider", paid=100)
    wallet = rules.account_id(world.tenant, "wallet_paid", "rider", "EUR")
    with pytest.raises(asyncpg.CheckViolationError, match="above_floor"):
        await db.run(
            "payments", call,
            "UPDATE payments.account SET posted_minor = 1 WHERE id = $1", wallet,
        )  # fmt: skip
