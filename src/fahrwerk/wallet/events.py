"""What wallet tells. Amounts are minor units."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("wallet.booked", topic="wallet")
class WalletBooked(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened on an account (WAL-02). Stream ``wallet:<rider uuid>``."""

    rider_id: UUID
    transaction_id: UUID
    type: str
    """usage | topup | bonus | refund | adjustment | expiry"""
    amount: int
    """Into the account positive, out of it negative."""
    currency: str
    number: int = 0
    """Of the transaction on its account: 1, 2, 3 ..."""
    balance: int = 0
    """After it."""
    is_low: bool = False
    has_become_low: bool = False
    """It was not low before this (WAL-29)."""


@event("wallet.changed", topic="wallet")
class WalletChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An account was frozen or freed, or its auto top-up changed or paused.

    Stream ``wallet_account:<rider uuid>``.
    """

    rider_id: UUID
    what: str
    """frozen | unfrozen | auto_changed | auto_paused"""
    reason: str = ""


@event("topup.started", topic="wallet")
class TopupStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A rider, or auto top-up, wants to load money. Stream ``topup:<uuid>``, as of the others."""

    topup_id: UUID
    rider_id: UUID
    payment_id: UUID
    amount: int
    currency: str
    is_auto: bool


@event("topup.credited", topic="wallet")
class TopupCredited(msgspec.Struct, frozen=True, kw_only=True):
    """The money was settled and is on the account, with its bonus (WAL-16)."""

    topup_id: UUID
    rider_id: UUID
    amount: int
    bonus: int
    currency: str
    is_auto: bool


@event("topup.failed", topic="wallet")
class TopupFailed(msgspec.Struct, frozen=True, kw_only=True):
    """It came to nothing; no money was taken."""

    topup_id: UUID
    rider_id: UUID
    amount: int
    currency: str
    is_auto: bool
    reason: str
    """The gateway's code; ``expired`` when the session ran out."""
    strikes: int = 0
    """Refusals of auto top-up in a row, this one included."""
    is_paused: bool = False
    """Auto top-up rests now until the rider switches it on again (WAL-19)."""


@event("reseller.payout_changed", topic="wallet")
class ResellerPayoutChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A payout was drafted, paid or cancelled. Stream ``payout:<uuid>``."""

    payout_id: UUID
    reseller_id: UUID
    state: str
    """draft | paid | cancelled"""
    amount: int
    currency: str
