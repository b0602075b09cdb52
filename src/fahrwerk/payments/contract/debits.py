"""Debits of bank accounts through a gateway: what is being collected, and what became of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query

DebitState = Literal["processing", "collected", "failed", "returned"]


class Debit(msgspec.Struct, frozen=True, kw_only=True):
    """One debit. Operators' own ones, without a provider between, are SEPA orders (``sepa``)."""

    payment_id: UUID
    reference: UUID
    """The ride, or what else the payment is for."""
    rider_id: UUID
    gateway: str
    amount_minor: int
    currency: str
    state: DebitState
    """processing (being collected), then collected or failed; returned: it came back later."""
    reason: str | None
    """Of what failed or came back: the gateway's code."""
    begun_at: datetime
    due_on: date
    """By then the gateway usually knows: five bank days later."""
    label: str | None
    """The account, masked; None when the rider has removed it."""
    bank: str
    mandate_reference: str
    """What stands on the rider's statement."""


class DebitPage(msgspec.Struct, frozen=True):
    """One page of debits, newest first, and how many there are in all."""

    debits: list[Debit]
    total: int


@query
async def debits(call: Call, state: DebitState | None, limit: int, offset: int) -> DebitPage:
    """Debits, newest first (permission ``payments.sepa.read``); None = in any state."""
    raise AssertionError
