"""Resellers: their terms, their customers, and what they earn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import NotFound, Unauthenticated
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet.contract.resellers import (
    CodeTaken,
    HasReseller,
    Reseller,
    ResellerTerms,
    UnknownReseller,
)
from fahrwerk.wallet.queries.resellers import reseller
from fahrwerk.wallet.rules import resellers as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.wallet.contract import Topup

_ADD = """
INSERT INTO wallet.reseller (id, name, code, rate_bp, least_minor, account, person_id, is_active,
                             created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING RETURNING id
"""


async def add_reseller(call: Call, terms: ResellerTerms) -> Reseller:
    """See the contract."""
    call.require("wallet.reseller.write")
    terms = await _checked(call, terms)
    reseller_id = ids.new()
    made = await db.run(
        "wallet", call, _ADD, reseller_id, terms.name, terms.code, terms.rate_bp,
        terms.least_minor, terms.account, terms.person_id, terms.is_active, clock.now(),
    )  # fmt: skip
    if not made:
        raise CodeTaken
    return await reseller(call, reseller_id)


# Whoever has the code or the person already keeps it; the row is locked until it is decided.
_CHANGE = """
UPDATE wallet.reseller r
SET name = $2, code = $3, rate_bp = $4, least_minor = $5, account = $6, person_id = $7,
    is_active = $8, version = version + 1
WHERE id = $1 AND NOT EXISTS (
    SELECT 1 FROM wallet.reseller o WHERE o.id <> $1 AND (o.code = $3 OR o.person_id = $7))
RETURNING id
"""


async def change_reseller(call: Call, reseller_id: UUID, terms: ResellerTerms) -> Reseller:
    """See the contract."""
    call.require("wallet.reseller.write")
    terms = await _checked(call, terms)
    changed = await db.run(
        "wallet", call, _CHANGE, reseller_id, terms.name, terms.code, terms.rate_bp,
        terms.least_minor, terms.account, terms.person_id, terms.is_active,
    )  # fmt: skip
    found = await reseller(call, reseller_id)
    if not changed:
        raise CodeTaken
    return found


async def _checked(call: Call, terms: ResellerTerms) -> ResellerTerms:
    if terms.person_id is not None and await identity.contact(call, terms.person_id) is None:
        raise NotFound("There is no such person.")
    return rules.checked(terms)


_ASSIGN = """
INSERT INTO wallet.reseller_customer (rider_id, reseller_id, since)
SELECT $1, id, $3 FROM wallet.reseller WHERE id = $2
ON CONFLICT (tenant_id, rider_id) DO UPDATE
SET reseller_id = excluded.reseller_id, since = excluded.since
WHERE reseller_customer.reseller_id <> excluded.reseller_id
"""
_LEAVE = "DELETE FROM wallet.reseller_customer WHERE rider_id = $1"


async def assign_customer(call: Call, rider_id: UUID, reseller_id: UUID | None) -> None:
    """See the contract."""
    call.require("wallet.reseller.write")
    if await identity.contact(call, rider_id) is None:
        raise NotFound("There is no such person.")
    if reseller_id is None:
        await db.run("wallet", call, _LEAVE, rider_id)
        return
    await reseller(call, reseller_id)
    await db.run("wallet", call, _ASSIGN, rider_id, reseller_id, clock.now())


_JOIN = """
INSERT INTO wallet.reseller_customer (rider_id, reseller_id, since)
SELECT $1, id, $3 FROM wallet.reseller WHERE code = $2 AND is_active
ON CONFLICT DO NOTHING
"""
_JOINED = """
SELECT r.name, k.reseller_id IS NOT NULL AS is_in, r.is_active,
       EXISTS (SELECT 1 FROM wallet.reseller_customer WHERE rider_id = $1) AS is_somebody_s
FROM wallet.reseller r
LEFT JOIN wallet.reseller_customer k ON k.reseller_id = r.id AND k.rider_id = $1
WHERE r.code = $2
"""


async def join_reseller(call: Call, code: str) -> str:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    code = rules.code_of(code)
    await db.run("wallet", call, _JOIN, call.user, code, clock.now())
    row = await db.one("wallet", call, _JOINED, call.user, code)
    if row is not None and row["is_in"]:
        return str(row["name"])
    if row is not None and row["is_active"] and row["is_somebody_s"]:
        raise HasReseller
    raise UnknownReseller


_EARN = """
WITH customer AS (
    SELECT k.reseller_id, r.rate_bp, round($4::bigint * r.rate_bp / 10000.0)::bigint AS amount
    FROM wallet.reseller_customer k JOIN wallet.reseller r ON r.id = k.reseller_id
    WHERE k.rider_id = $3 AND r.is_active
), line AS (
    INSERT INTO wallet.commission
        (id, reseller_id, topup_id, rate_bp, base_minor, amount_minor, currency, at)
    SELECT $1, reseller_id, $2, rate_bp, $4, amount, $5, $6 FROM customer WHERE amount <> 0
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO wallet.work (kind, subject, at)
SELECT 'commission', id, kernel.now() FROM line ON CONFLICT DO NOTHING
"""


async def earn(tx: Tx, call: Call, found: Topup, settled_minor: int) -> None:
    """In the transaction that credits a top-up: what its rider's reseller earns by it, if any."""
    line_id = ids.derived("commission", call.tenant, found.id, 0)
    await tx.run(
        _EARN, line_id, found.id, found.rider_id, settled_minor, found.currency, clock.now()
    )


# The rate is the one it was earned by; all lines of a top-up together are what it is worth now.
_CLAW_BACK = """
WITH so_far AS (
    SELECT reseller_id, rate_bp, currency, max(base_minor) - $3::bigint AS rest,
           sum(amount_minor) AS amount
    FROM wallet.commission WHERE topup_id = $2 GROUP BY reseller_id, rate_bp, currency
), line AS (
    INSERT INTO wallet.commission
        (id, reseller_id, topup_id, rate_bp, base_minor, amount_minor, currency, at)
    SELECT $1, reseller_id, $2, rate_bp, rest, round(rest * rate_bp / 10000.0)::bigint - amount,
           currency, $4
    FROM so_far WHERE round(rest * rate_bp / 10000.0)::bigint <> amount
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO wallet.work (kind, subject, at)
SELECT 'commission', id, kernel.now() FROM line ON CONFLICT DO NOTHING
"""


async def claw_back(tx: Tx, call: Call, topup_id: UUID, taken_minor: int) -> None:
    """In the transaction that takes a refund out of the account: ``taken_minor`` in all by now."""
    line_id = ids.derived("commission", call.tenant, topup_id, taken_minor)
    await tx.run(_CLAW_BACK, line_id, topup_id, taken_minor, clock.now())


_LINE = """
SELECT reseller_id, topup_id, amount_minor, currency, at FROM wallet.commission
WHERE id = $1 AND journal_id IS NULL
"""
_POSTED = """
WITH posted AS (UPDATE wallet.commission SET journal_id = coalesce(journal_id, $2) WHERE id = $1)
DELETE FROM wallet.work WHERE kind = 'commission' AND subject = $1
"""


async def post_commission(call: Call, line_id: UUID) -> None:
    """Bring a line of a statement into the books. Harmless to repeat."""
    row = await db.one("wallet", call, _LINE, line_id)
    journal_id = None
    if row is not None:
        journal = ledger.NewJournal(
            key=f"wallet:commission:{line_id}",
            kind="commission",
            currency=row["currency"],
            lines=rules.commission_lines(row["reseller_id"], row["amount_minor"]),
            at=row["at"],
            reference=row["topup_id"],
        )
        journal_id = await ledger.post_journal(call, journal)
    await db.run("wallet", call, _POSTED, line_id, journal_id)
