"""Charge usage (``processUsage``, WAL-32); staff's goodwill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.contract import ledger
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import booked, open_account

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.wallet.contract import Transaction


async def charge_usage(
    call: Call, rider_id: UUID, amount_minor: int, description: str, key: str
) -> Transaction:
    """See the contract."""
    call.require("wallet.usage.create")
    rules.check_amount(amount_minor)
    operator = await tenancy.operator(call)
    key = f"usage:{rules.check_text('key', key, 180)}"
    entry = rules.Entry(
        id=rules.transaction_id(call.tenant, rider_id, key),
        rider_id=rider_id,
        key=key,
        type="usage",
        amount_minor=-amount_minor,
        currency=operator.currency,
        description=rules.check_text("description", description),
        rate_bp=operator.tax_rate_bp,
        at=clock.now(),
    )
    try:
        return await booked(call, entry)
    except ledger.InsufficientBalance:
        await _check_person(call, rider_id)  # who is nobody has nothing
        raise


async def adjust(
    call: Call, rider_id: UUID, amount_minor: int, reason: str, key: str
) -> Transaction:
    """See the contract."""
    call.require("wallet.account.adjust")
    rules.check_amount(abs(amount_minor))
    reason = rules.check_text("reason", reason)
    key = f"adjust:{rules.check_text('key', key, 180)}"
    await _check_person(call, rider_id)
    entry = rules.Entry(
        id=rules.transaction_id(call.tenant, rider_id, key),
        rider_id=rider_id,
        key=key,
        type="adjustment",
        amount_minor=amount_minor,
        currency=await open_account(call, rider_id),
        description=reason,
        at=clock.now(),
    )
    return await booked(call, entry, despite_freeze=True)


async def _check_person(call: Call, rider_id: UUID) -> None:
    if await identity.contact(call, rider_id) is None:
        raise NotFound
