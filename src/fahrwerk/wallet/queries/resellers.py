"""Resellers, their statements and payouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.contract import notes
from fahrwerk.wallet.contract.resellers import (
    Commission,
    CommissionPage,
    Customer,
    CustomerPage,
    Payout,
    PayoutPage,
    Reseller,
    ResellerPage,
    UnknownPayout,
    UnknownReseller,
)

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.notes import NotePage

READ = "wallet.reseller.read"
PAYOUT = """id, reseller_id, until, amount_minor, currency, state, made_by, made_at, paid_by,
       paid_at, bank_reference, gateway, reason"""

_RESELLERS = """
SELECT r.id, r.name, r.code, r.rate_bp, r.least_minor, r.account, r.person_id, r.is_active,
       r.version, r.created_at, c.earned_minor, c.open_minor,
       (SELECT count(*) FROM wallet.reseller_customer k WHERE k.reseller_id = r.id) AS customers
FROM wallet.reseller r CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0)::bigint AS earned_minor,
           coalesce(sum(amount_minor) FILTER (WHERE payout_id IS NULL), 0)::bigint AS open_minor
    FROM wallet.commission c WHERE c.reseller_id = r.id) c
"""
_PAGE = f"""
WITH wanted AS (
    SELECT id, count(*) OVER () AS total FROM wallet.reseller
    WHERE $1::text IS NULL OR strpos(lower(name || ' ' || code), lower($1)) > 0
    ORDER BY lower(name), id LIMIT $2 OFFSET $3
)
SELECT found.*, w.total FROM ({_RESELLERS}) found JOIN wanted w USING (id)
ORDER BY lower(found.name), found.id
"""


async def resellers(call: Call, q: str | None, limit: int, offset: int) -> ResellerPage:
    """See the contract."""
    found, total = _paged(await db.run("wallet", call, _PAGE, q, limit, offset), offset)
    return ResellerPage([Reseller(**each) for each in found], total)


_ONE = f"SELECT * FROM ({_RESELLERS}) found WHERE id = $1"
_OWN = f"SELECT * FROM ({_RESELLERS}) found WHERE person_id = $1"


async def reseller(call: Call, reseller_id: UUID) -> Reseller:
    """See the contract."""
    row = await db.one("wallet", call, _ONE, reseller_id)
    if row is None:
        raise UnknownReseller
    return Reseller(**row)


async def own_reseller(call: Call) -> Reseller:
    """See the contract."""
    row = await db.one("wallet", call, _OWN, call.user)
    if row is None:
        raise UnknownReseller
    return Reseller(**row)


async def check_may_read(call: Call, reseller_id: UUID | None) -> None:
    """Raise ``NotFound`` unless the caller is staff or this reseller's person."""
    if call.user is None or call.may(READ):
        return
    if reseller_id is None or (await own_reseller(call)).id != reseller_id:
        raise NotFound


_COMMISSIONS = """
SELECT id, topup_id, rate_bp, base_minor, amount_minor, currency, at, payout_id,
       count(*) OVER () AS total
FROM wallet.commission
WHERE reseller_id = $1 AND ($2::timestamptz IS NULL OR at >= $2)
  AND ($3::timestamptz IS NULL OR at < $3)
ORDER BY at DESC, id DESC LIMIT $4 OFFSET $5
"""


async def commissions(
    call: Call,
    reseller_id: UUID,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> CommissionPage:
    """See the contract."""
    await check_may_read(call, reseller_id)
    rows = await db.run("wallet", call, _COMMISSIONS, reseller_id, since, until, limit, offset)
    lines, total = _paged(rows, offset)
    return CommissionPage([Commission(**each) for each in lines], total)


_PAYOUTS = f"""
SELECT {PAYOUT}, count(*) OVER () AS total FROM wallet.payout
WHERE ($1::uuid IS NULL OR reseller_id = $1) AND ($2::text IS NULL OR state = $2)
ORDER BY made_at DESC, id DESC LIMIT $3 OFFSET $4
"""


async def payouts(
    call: Call, reseller_id: UUID | None, state: str | None, limit: int, offset: int
) -> PayoutPage:
    """See the contract."""
    await check_may_read(call, reseller_id)
    rows = await db.run("wallet", call, _PAYOUTS, reseller_id, state, limit, offset)
    found, total = _paged(rows, offset)
    return PayoutPage([Payout(**each) for each in found], total)


_CUSTOMERS = """
WITH own AS (
    SELECT rider_id, since, count(*) OVER () AS total FROM wallet.reseller_customer
    WHERE reseller_id = $1 ORDER BY since DESC, rider_id LIMIT $2 OFFSET $3
)
SELECT o.rider_id, o.since, o.total,
       (SELECT coalesce(sum(c.amount_minor), 0)::bigint
        FROM wallet.topup t JOIN wallet.commission c ON c.topup_id = t.id
        WHERE t.rider_id = o.rider_id AND c.reseller_id = $1) AS earned_minor
FROM own o ORDER BY o.since DESC, o.rider_id
"""


async def customers(call: Call, reseller_id: UUID, limit: int, offset: int) -> CustomerPage:
    """See the contract."""
    call.require(READ)
    await reseller(call, reseller_id)
    rows = await db.run("wallet", call, _CUSTOMERS, reseller_id, limit, offset)
    found, total = _paged(rows, offset)
    return CustomerPage([Customer(**each) for each in found], total)


def _paged(rows: list[db.Row], offset: int) -> tuple[list[dict[str, Any]], int]:
    """The rows without their count of all; behind the last page that is what was passed over."""
    found = [dict(row) for row in rows]
    return found, {each.pop("total") for each in found}.pop() if found else offset


_IS_PAYOUT = "SELECT FROM wallet.payout WHERE id = $1"


async def check_is_payout(call: Call, payout_id: UUID) -> None:
    """Raise ``UnknownPayout`` when it is none."""
    if await db.one("wallet", call, _IS_PAYOUT, payout_id) is None:
        raise UnknownPayout


async def payout_notes(call: Call, payout_id: UUID, limit: int, offset: int) -> NotePage:
    """See the contract."""
    call.require(READ)
    await check_is_payout(call, payout_id)
    return await notes.notes_on(call, payout_id, limit, offset)
