"""What answers of wallets look like: amounts in decimals and as people read them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.wallet import contract

if TYPE_CHECKING:
    from uuid import UUID

Amount = Annotated[Decimal, Meta(examples=["25.00"], description="With at most two decimals")]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]
Id = Annotated[str, Meta(min_length=1, max_length=80)]


class Sum(msgspec.Struct, frozen=True):
    """An amount of money; ``formatted`` in the caller's language."""

    amount: float
    currency: str
    formatted: str


class ExpiryView(msgspec.Struct, frozen=True):
    """What runs out next."""

    amount: float
    at: str


class AutoView(msgspec.Struct, frozen=True, kw_only=True):
    """Auto top-up as it is set (WAL-33). ``paused``: why it rests until it is switched on again."""

    enabled: bool
    threshold: float
    amount: float
    payment_method_id: str | None
    day_limit: float
    month_limit: float
    strikes: int
    paused: str | None
    next_possible_at: str | None


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """A balance (WAL-01, WAL-29), with the field names of the portal's contract."""

    user_id: str
    amount: float
    balance_cents: int
    currency: str
    formatted: str
    available: float
    """Less what is held for rides."""
    held: float
    paid: float
    bonus: float
    low_balance: bool = msgspec.field(name="lowBalance")
    last_updated: str | None = msgspec.field(name="lastUpdated")
    frozen: bool
    frozen_reason: str | None
    next_expiry: ExpiryView | None
    auto_topup: AutoView
    version: int
    """Transactions so far."""


class TransactionView(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on an account (WAL-02); usage is negative."""

    id: str
    type: str
    """usage, topup, bonus, refund, adjustment, expiry"""
    amount: float
    amount_cents: int
    currency: str
    formatted: str
    balance: float
    """After it."""
    description: str
    reference: str | None
    at: str


class TransactionsView(msgspec.Struct, frozen=True):
    """A page, newest first; send ``next`` as ``after`` for the one behind it (WAL-24)."""

    transactions: list[TransactionView]
    next: str | None


class StatisticsView(msgspec.Struct, frozen=True):
    """In all (WAL-27); up to a minute old."""

    spent: float
    topped: float
    count: int
    currency: str


class Recommendation(msgspec.Struct, frozen=True):
    """A top-up that would last a month."""

    amount: float
    currency: str


class BarView(msgspec.Struct, frozen=True):
    """A day, week or month of the chart, by its first day."""

    start: str
    spent: float
    topped: float
    count: int


class ChartView(msgspec.Struct, frozen=True):
    """The usage chart (WAL-25): a bar for every day, week or month, the empty ones too."""

    currency: str
    bars: list[BarView]


class TopupView(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout session (WAL-13). Pay it at ``checkout_url`` while it is ``open``."""

    id: str
    status: str
    """open, paying, credited, failed, expired"""
    amount: float
    bonus: float
    currency: str
    is_auto: bool
    payment_id: str
    next_action: dict[str, str] | None
    """What the rider has to do for their bank, while it is ``paying``."""
    reason: str | None
    checkout_url: str | None
    created_at: str
    expires_at: str
    credited_at: str | None


class TopupsView(msgspec.Struct, frozen=True):
    """The newest top-ups."""

    topups: list[TopupView]


class SettingsView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The operator's rules: limits of a top-up, bonus, when a balance is low."""

    least: Amount
    most: Amount
    bonus_from: Amount
    bonus: Amount
    bonus_days: Annotated[int, Meta(ge=1, le=3660)] | None
    low: Amount


def to_minor(amount: Decimal, currency: str, field: str = "amount") -> int:
    """An amount as people write it, in minor units. Raises ``Invalid`` for a fraction of those."""
    digits = money.decimals(currency)
    sane = amount.is_finite() and abs(amount) < 10**10
    minor = amount.scaleb(digits) if sane else Decimal("0.1")
    if minor != minor.to_integral_value():
        raise Invalid(field=field, issue=f"must be a number with at most {digits} decimals")
    return int(minor)


def wallet_view(own: contract.Wallet, locale: str) -> WalletView:
    """An account for its rider or for staff."""

    def major(minor: int) -> float:
        return money.to_major(minor, own.currency)

    auto = own.auto
    return WalletView(
        user_id=ids.public("usr", own.rider_id),
        amount=major(own.balance_minor),
        balance_cents=own.balance_minor,
        currency=own.currency,
        formatted=money.formatted(own.balance_minor, own.currency, locale),
        available=major(own.available_minor),
        held=major(own.held_minor),
        paid=major(own.paid_minor),
        bonus=major(own.bonus_minor),
        low_balance=own.is_low,
        last_updated=clock.stamp(own.moved_at) if own.moved_at else None,
        frozen=own.frozen is not None,
        frozen_reason=own.frozen,
        next_expiry=ExpiryView(major(own.next_expiry.amount_minor), clock.stamp(own.next_expiry.at))
        if own.next_expiry
        else None,
        auto_topup=AutoView(
            enabled=auto.is_on,
            threshold=major(auto.below_minor),
            amount=major(auto.amount_minor),
            payment_method_id=ids.public("pm", auto.method_id) if auto.method_id else None,
            day_limit=major(auto.day_minor),
            month_limit=major(auto.month_minor),
            strikes=auto.strikes,
            paused=auto.paused,
            next_possible_at=clock.stamp(auto.next_at) if auto.next_at else None,
        ),
        version=own.version,
    )


def transaction_view(each: contract.Transaction, locale: str) -> TransactionView:
    """One line of the list."""
    return TransactionView(
        id=ids.public(contract.TRANSACTION_PREFIX, each.id),
        type=each.type,
        amount=money.to_major(each.amount_minor, each.currency),
        amount_cents=each.amount_minor,
        currency=each.currency,
        formatted=money.formatted(each.amount_minor, each.currency, locale),
        balance=money.to_major(each.balance_minor, each.currency),
        description=each.description,
        reference=public_reference(each.type, each.reference),
        at=clock.stamp(each.at),
    )


def public_reference(kind: str, reference: UUID | None) -> str | None:
    """What a transaction speaks of: a top-up, or the ride."""
    if reference is None:
        return None
    prefixes = {"topup": contract.TOPUP_PREFIX, "bonus": contract.TOPUP_PREFIX, "usage": "rent"}
    prefixes |= {"refund": contract.TOPUP_PREFIX, "expiry": "lot"}
    return ids.public(prefixes.get(kind, "ref"), reference)


def topup_view(each: contract.Topup) -> TopupView:
    """A checkout session."""
    public = ids.public(contract.TOPUP_PREFIX, each.id)
    is_open = each.state == "open"
    return TopupView(
        id=public,
        status=each.state,
        amount=money.to_major(each.amount_minor, each.currency),
        bonus=money.to_major(each.bonus_minor, each.currency),
        currency=each.currency,
        is_auto=each.is_auto,
        payment_id=ids.public("pay", each.payment_id),
        next_action=each.next_action,
        reason=each.reason,
        checkout_url=f"/api/v1/wallet/topups/{public}/pay" if is_open else None,
        created_at=clock.stamp(each.created_at),
        expires_at=clock.stamp(each.expires_at),
        credited_at=clock.stamp(each.credited_at) if each.credited_at else None,
    )
