"""Debits of bank accounts through a gateway, for staff."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.payments.contract import debits as doors


class DebitView(msgspec.Struct, frozen=True, kw_only=True):
    """A debit of a bank account through a gateway."""

    payment_id: str
    booking_id: str
    user_id: str
    gateway: str
    amount: float
    currency: str
    status: doors.DebitState
    """processing (being collected), collected, failed, returned"""
    reason: str | None
    begun_at: str
    due_on: str
    """By then the gateway usually knows."""
    account: str | None
    """None when the rider has removed it."""
    bank: str | None
    mandate_reference: str | None


class DebitsView(msgspec.Struct, frozen=True):
    """A page of debits, newest first."""

    debits: list[DebitView]
    pagination: web.Pagination


@get("/api/v1/payments/debits", permission="payments.sepa.read", tags=["payments"])
async def list_debits(
    call: web.Caller,
    status: Annotated[doors.DebitState | None, QueryParameter(name="status")] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> DebitsView:
    """Debits of bank accounts through a gateway; `status=processing`: being collected."""
    page = await doors.debits(call, status, limit, offset)
    rows = [
        DebitView(
            payment_id=ids.public("pay", each.payment_id),
            booking_id=ids.public("rent", each.reference),
            user_id=ids.public("usr", each.rider_id), gateway=each.gateway,
            amount=money.to_major(each.amount_minor, each.currency), currency=each.currency,
            status=each.state, reason=each.reason, begun_at=clock.stamp(each.begun_at),
            due_on=each.due_on.isoformat(), account=each.label, bank=each.bank or None,
            mandate_reference=each.mandate_reference or None,
        )
        for each in page.debits
    ]  # fmt: skip
    return DebitsView(rows, web.pagination(page.total, limit, offset, len(rows)))


handlers = [list_debits]
