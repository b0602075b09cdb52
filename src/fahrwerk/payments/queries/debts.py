"""Debts as riders and staff see them, and whether one may book beside them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.payments.contract.debts import (
    DEBT_PREFIX,
    Debt,
    DebtOpen,
    DebtPage,
    DebtStep,
    Dunning,
    UnknownDebt,
)
from fahrwerk.payments.rules import debts as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

READ = "payments.debt.read"
# What a bank account is being debited for is owed until it has arrived.
_IS_OWED = "p.state IN ('due', 'processing')"
_OWED = f"CASE WHEN {_IS_OWED} THEN p.due_minor - p.captured_minor ELSE 0 END"
COLUMNS = f"""d.id, d.payment_id, d.reference, d.rider_id, d.state, d.currency,
       ({_OWED}) AS owed_minor, d.opened_minor, d.fee_minor, d.written_off_minor, d.step, d.round,
       d.reason, d.opened_at, CASE WHEN d.state = 'open' THEN d.next_at END AS next_at,
       d.closed_at, p.state = 'processing' AS is_collecting"""
_FROM = """FROM payments.debt d
JOIN payments.payment p ON p.tenant_id = d.tenant_id AND p.id = d.payment_id
WHERE d.tenant_id = kernel.tenant()"""

_BLOCKING = f"""
SELECT d.id, d.currency, {_OWED} AS owed,
       coalesce((SELECT block_above_minor FROM payments.dunning
                 WHERE tenant_id = kernel.tenant()), $2) AS limit_minor
{_FROM} AND d.rider_id = $1 AND d.state IN ('open', 'written_off') AND {_IS_OWED}
ORDER BY d.opened_at LIMIT 100
"""


async def check_debts(call: Call, rider_id: UUID) -> None:
    """See the contract."""
    rows = await db.run("payments", call, _BLOCKING, rider_id, rules.USUAL.block_above_minor)
    owed = sum(row["owed"] for row in rows)
    if rows and owed > rows[0]["limit_minor"]:
        raise DebtOpen(
            amount_minor=owed, currency=rows[0]["currency"],
            debt_ids=[ids.public(DEBT_PREFIX, row["id"]) for row in rows[:20]],
            pay_at="POST /api/v1/debts/{debt_id}/pay",
        )  # fmt: skip


_PAGE = f"""
SELECT {COLUMNS} {_FROM} AND ($1::uuid IS NULL OR d.rider_id = $1)
  AND ($2::text IS NULL OR d.state = $2)
ORDER BY d.opened_at DESC, d.id LIMIT $3 OFFSET $4
"""
_TOTAL = """
SELECT count(*) FROM payments.debt d WHERE d.tenant_id = kernel.tenant()
  AND ($1::uuid IS NULL OR d.rider_id = $1) AND ($2::text IS NULL OR d.state = $2)
"""


async def own_debts(call: Call, limit: int, offset: int) -> DebtPage:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    return await _page(call, call.user, None, limit, offset)


async def all_debts(call: Call, state: str | None, limit: int, offset: int) -> DebtPage:
    """See the contract."""
    call.require(READ)
    return await _page(call, None, state, limit, offset)


async def _page(
    call: Call, rider: UUID | None, state: str | None, limit: int, offset: int
) -> DebtPage:
    rows, total = await asyncio.gather(
        db.run("payments", call, _PAGE, rider, state, limit, offset),
        db.run("payments", call, _TOTAL, rider, state),
    )
    return DebtPage([Debt(**row) for row in rows], total[0][0])


_ONE = f"SELECT {COLUMNS} {_FROM} AND d.id = $1"


async def debt(call: Call, debt_id: UUID) -> Debt:
    """See the contract."""
    row = await db.one("payments", call, _ONE, debt_id)
    if row is None or (call.user not in (None, row["rider_id"]) and not call.may(READ)):
        raise UnknownDebt
    return Debt(**row)


_STEP = """id, debt_id, number, owed_minor, fee_minor, is_retried, is_noticed, at"""
_STEPS = f"""
SELECT {_STEP} FROM payments.debt_step WHERE tenant_id = kernel.tenant() AND debt_id = $1
ORDER BY at, id LIMIT 100
"""


async def debt_steps(call: Call, debt_id: UUID) -> list[DebtStep]:
    """See the contract."""
    await debt(call, debt_id)
    return [DebtStep(**row) for row in await db.run("payments", call, _STEPS, debt_id)]


_ONE_STEP = f"""
SELECT {_STEP} FROM payments.debt_step WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def debt_step(call: Call, step_id: UUID) -> DebtStep:
    """See the contract."""
    row = await db.one("payments", call, _ONE_STEP, step_id)
    if row is None:
        raise UnknownDebt
    found = DebtStep(**row)
    await debt(call, found.debt_id)
    return found


_DUNNING = """
SELECT steps, write_off_days, block_above_minor, is_dispute_owed FROM payments.dunning
WHERE tenant_id = kernel.tenant()
"""


async def dunning(call: Call) -> Dunning:
    """See the contract."""
    row = await db.one("payments", call, _DUNNING)
    return rules.USUAL if row is None else msgspec.convert(dict(row), Dunning)
