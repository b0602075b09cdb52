"""Money sent on from the operator's account at a gateway to a partner's account there (PAY-15)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: sent (the gateway has not said) -> done | declined."""

    id: UUID
    key: str
    gateway: str
    account: str
    """The partner's account there, such as ``acct_...``."""
    amount_minor: int
    currency: str
    state: str
    ref: str | None
    reason: str | None
    begun_at: datetime
    ended_at: datetime | None


class TransferPage(msgspec.Struct, frozen=True):
    """One page of transfers, newest first, and how many there are in all."""

    transfers: list[Transfer]
    total: int


@action
async def transfer(
    call: Call, account: str, amount_minor: int, currency: str, key: str
) -> Transfer:
    """Send money on, once per key (permission ``payments.transfer.create``).

    Harmless to repeat; while the gateway has not answered the state is ``sent``, and a worker finds
    out. Whose debt it settles is posted by who asks for it, when it is ``done``: debit what was
    owed, credit ``gateway_clearing`` of the gateway. Raises ``Invalid`` (amount, currency,
    account), ``NoGateway``, ``KeyReused``.
    """
    raise AssertionError


@query
async def transfer_of(call: Call, key: str) -> Transfer | None:
    """How a transfer stands (permission ``payments.transfer.create``)."""
    raise AssertionError


@query
async def transfers(call: Call, state: str | None, limit: int, offset: int) -> TransferPage:
    """All of them, newest first (permission ``payments.transfer.read``); None = any state."""
    raise AssertionError
