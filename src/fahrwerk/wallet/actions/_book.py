"""Booking: a transaction is written as pending, the ledger moves the money, then it is booked.

The ledger decides whether the money is there; its key is the transaction's id, so whoever repeats a
step repeats nothing. What a crash leaves pending, the worker brings to its end.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.errors import Unpaid
from fahrwerk.kernel.live import hub
from fahrwerk.payments.contract import ledger
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.wallet import rules
from fahrwerk.wallet.contract import InFlight, KeyReused, Transaction, WalletFrozen
from fahrwerk.wallet.events import WalletBooked
from fahrwerk.wallet.queries import COLUMNS, account_signal, settings
from fahrwerk.wallet.rules import Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row

    Run = Callable[..., Awaitable[list[Row]]]

WORK = "wallet.work"
"""The signal that there is something to do now."""
RETRY_S = 20
"""When the worker takes up what its first process did not finish."""

_OPEN = """
INSERT INTO wallet.account
    (rider_id, currency, low_minor, auto_below_minor, auto_minor, auto_day_minor,
     auto_month_minor, opened_at, moved_at)
VALUES ($1, $2, $3::bigint, greatest($3::bigint, 1), $4::bigint, $4::bigint * 2, $4::bigint * 10,
        $5, $5)
ON CONFLICT DO NOTHING
"""


async def open_account(call: Call, rider_id: UUID) -> str:
    """Make sure that a rider has an account; its currency."""
    currency = (await tenancy.operator(call)).currency
    own = await settings(call)
    amount = min(max(rules.USUAL_AUTO_MINOR, own.least_minor), own.most_minor)
    await db.run("wallet", call, _OPEN, rider_id, currency, own.low_minor, amount, clock.now())
    return currency


_BEGIN = """
WITH made AS (
    INSERT INTO wallet.transaction AS t
        (id, rider_id, key, type, amount_minor, currency, description, reference, rate_bp, actor,
         at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM wallet.account
    WHERE rider_id = $2 AND (frozen_reason IS NULL OR $12)
    ON CONFLICT (tenant_id, id) DO UPDATE SET state = 'pending', at = excluded.at
    WHERE t.state = 'refused' AND (t.type, t.amount_minor) = (excluded.type, excluded.amount_minor)
    RETURNING id
), work AS (
    INSERT INTO wallet.work (kind, subject, at)
    SELECT 'transaction', id, kernel.now() + make_interval(secs => $13) FROM made
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT id FROM made
"""
_FIND = f"SELECT state, {COLUMNS} FROM wallet.transaction WHERE id = $1"
_REFUSE = """
WITH refused AS (
    UPDATE wallet.transaction SET state = 'refused' WHERE id = $1 AND state = 'pending'
    RETURNING id
)
DELETE FROM wallet.work w USING refused r WHERE w.kind = 'transaction' AND w.subject = r.id
"""


async def booked(call: Call, entry: Entry, *, despite_freeze: bool = False) -> Transaction:
    """Book an entry, once. Raises ``Unpaid``, ``WalletFrozen``, ``KeyReused``, ``InFlight``."""
    made = await db.run(
        "wallet", call, _BEGIN, entry.id, entry.rider_id, entry.key, entry.type,
        entry.amount_minor, entry.currency, entry.description, entry.reference, entry.rate_bp,
        call.actor, entry.at, despite_freeze, RETRY_S,
    )  # fmt: skip
    return await finish(call, entry) if made else await _known(call, entry)


async def finish(call: Call, entry: Entry) -> Transaction:
    """Have the ledger move the money, then book. Raises ``Unpaid`` when it is not there."""
    try:
        journal_id = await _moved(call, entry)
    except Unpaid:
        await db.run("wallet", call, _REFUSE, entry.id)
        raise
    made = await book(partial(db.run, "wallet", call), call, entry, journal_id)
    return made or await _known(call, entry)


async def _moved(call: Call, entry: Entry) -> UUID:
    journal = ledger.NewJournal(
        key=f"wallet:{entry.id}",
        kind="wallet_" + entry.type,
        currency=entry.currency,
        lines=rules.lines_of(entry),
        at=entry.at,
        reference=entry.reference or entry.id,
        # Words about a rider stand in his account: what is in the books stays there for years.
        narration=f"wallet {entry.type}",
    )
    owner = str(entry.rider_id)
    if entry.amount_minor > 0:
        gift = [ledger.Grant("bonus", entry.amount_minor)]
        return await ledger.grant(call, owner, gift, journal)
    return (await ledger.spend(call, owner, "bonus", journal)).journal_id


# The account's row is locked first: transactions get their numbers one after the other (WAL-15).
_BOOK = f"""
WITH locked AS (
    SELECT version, balance_minor, low_minor FROM wallet.account WHERE rider_id = $7
    FOR NO KEY UPDATE
), fresh AS (
    INSERT INTO wallet.transaction AS t
        (id, rider_id, key, type, amount_minor, currency, description, reference, rate_bp, actor,
         at, state, number, balance_minor, journal_id)
    SELECT $6, $7, $8, $9, $10, $11, $12, $13, $14, $4, $15, 'booked', l.version + 1,
           l.balance_minor + $10, $16 FROM locked l
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET state = 'booked', number = excluded.number, balance_minor = excluded.balance_minor,
        journal_id = excluded.journal_id
    WHERE t.state <> 'booked'
    RETURNING t.*
), moved AS (
    UPDATE wallet.account a
    SET balance_minor = f.balance_minor, version = f.number, moved_at = greatest(moved_at, $15)
    FROM fresh f WHERE a.rider_id = f.rider_id
    RETURNING a.rider_id, a.low_minor, a.balance_minor < a.auto_below_minor AND a.has_auto
              AND a.auto_paused IS NULL AS is_wanting
), done AS (
    DELETE FROM wallet.work w USING fresh f WHERE w.kind = 'transaction' AND w.subject = f.id
), wanting AS (
    INSERT INTO wallet.work (kind, subject, at)
    SELECT 'auto', rider_id, kernel.now() FROM moved WHERE is_wanting
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = least(work.at, excluded.at)
), told AS (
    {events.INSERT}
    SELECT 'wallet:' || f.rider_id, f.number, $1, $2, $3::jsonb || jsonb_build_object(
               'number', f.number, 'balance', f.balance_minor,
               'is_low', f.balance_minor < m.low_minor,
               'has_become_low', f.balance_minor < m.low_minor
                                 AND f.balance_minor - f.amount_minor >= m.low_minor), $4, $5
    FROM fresh f JOIN moved m ON m.rider_id = f.rider_id
)
SELECT m.is_wanting, {", ".join(f"f.{name}" for name in COLUMNS.replace(",", "").split())}
FROM moved m JOIN fresh f ON f.rider_id = m.rider_id
"""


async def book(run: Run, call: Call, entry: Entry, journal_id: UUID | None) -> Transaction | None:
    """Book what the ledger has moved; None when it was booked before. One statement."""
    fact = WalletBooked(
        rider_id=entry.rider_id, transaction_id=entry.id, type=entry.type,
        amount=entry.amount_minor, currency=entry.currency,
    )  # fmt: skip
    values: tuple[Any, ...] = (
        *events.columns(call, fact), entry.id, entry.rider_id, entry.key, entry.type,
        entry.amount_minor, entry.currency, entry.description, entry.reference, entry.rate_bp,
        entry.at, journal_id,
    )  # fmt: skip
    rows = await run(_BOOK, *values)
    if not rows:
        return None
    is_wanting, *stored = rows[0]
    hub.signal(account_signal(entry.rider_id))
    if is_wanting:
        hub.signal(WORK)
    return Transaction(**dict(zip(Transaction.__struct_fields__, stored, strict=True)))


_IS_FROZEN = "SELECT 1 FROM wallet.account WHERE rider_id = $1 AND frozen_reason IS NOT NULL"


async def _known(call: Call, entry: Entry) -> Transaction:
    """What is there under this entry's id, when it is the same; waits a moment if it is pending."""
    for _ in range(20):
        row = await db.one("wallet", call, _FIND, entry.id)
        if row is None:
            if await db.run("wallet", call, _IS_FROZEN, entry.rider_id):
                raise WalletFrozen
            raise ledger.InsufficientBalance(available_minor=0)
        state, *values = row
        if row["type"] != entry.type or row["amount_minor"] != entry.amount_minor:
            raise KeyReused(key=entry.key)
        if state == "booked":
            return Transaction(**dict(zip(Transaction.__struct_fields__, values, strict=True)))
        await asyncio.sleep(0.05)
    raise InFlight(retry_after=1)
