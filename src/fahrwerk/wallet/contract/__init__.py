"""What may be asked of wallets. Amounts are minor units of the operator's currency."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound
from fahrwerk.payments.contract.debts import Debt

TOPUP_PREFIX, TRANSACTION_PREFIX = "top", "wtx"
TransactionType = Literal["usage", "topup", "bonus", "refund", "adjustment", "expiry"]
GroupBy = Literal["day", "week", "month"]


class AutoTopup(msgspec.Struct, frozen=True, kw_only=True):
    """Auto top-up of one account (WAL-17..20, WAL-33)."""

    is_on: bool
    below_minor: int
    """It starts when the balance falls below this."""
    amount_minor: int
    method_id: UUID | None
    """None = the rider's default method."""
    day_minor: int
    """At most so much in 24 hours."""
    month_minor: int
    """At most so much in 30 days."""
    strikes: int
    paused: str | None
    """Why it rests until it is switched on again."""
    next_at: datetime | None
    """Not before then: 60 minutes after the last one was begun."""


class Expiry(msgspec.Struct, frozen=True):
    """What runs out next, and when."""

    amount_minor: int
    at: datetime


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """One rider's account (WAL-01). Signalled as ``wallet.account:<rider uuid>``."""

    rider_id: UUID
    currency: str
    balance_minor: int
    available_minor: int
    """Balance less what is held for rides."""
    held_minor: int
    paid_minor: int
    bonus_minor: int
    """Bonus and vouchers: spent first."""
    is_low: bool
    frozen: str | None
    """Why it is frozen, or None."""
    next_expiry: Expiry | None
    auto: AutoTopup
    version: int
    """Transactions booked so far."""
    moved_at: datetime | None
    """None: nobody has opened it yet."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on an account (WAL-02)."""

    id: UUID
    rider_id: UUID
    type: TransactionType
    amount_minor: int
    """Into the account positive, out of it negative."""
    currency: str
    description: str
    reference: UUID | None
    number: int
    balance_minor: int
    """After it."""
    at: datetime


class TransactionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which transactions; None = any."""

    type: TransactionType | None = None
    since: datetime | None = None
    until: datetime | None = None


class TransactionPage(msgspec.Struct, frozen=True):
    """Newest first; ``after`` is where the next page begins, None at the end (WAL-24)."""

    transactions: list[Transaction]
    after: str | None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has seen in all (WAL-27)."""

    spent_minor: int
    topped_minor: int
    count: int


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of the usage chart (WAL-25). ``start``: the first day, where the operator is."""

    start: str
    spent_minor: int
    topped_minor: int
    count: int


class Topup(msgspec.Struct, frozen=True, kw_only=True):
    """A checkout session (WAL-13). Signalled as ``wallet.account:<rider uuid>``.

    ``state``: open -> paying -> credited | failed, or expired. ``paying`` with ``next_action``: the
    rider's bank wants a confirmation. Settled money is credited even after failed or expired.
    """

    id: UUID
    rider_id: UUID
    payment_id: UUID
    state: Literal["open", "paying", "credited", "failed", "expired"]
    is_auto: bool
    amount_minor: int
    bonus_minor: int
    currency: str
    next_action: dict[str, str] | None
    reason: str | None
    created_at: datetime
    expires_at: datetime
    credited_at: datetime | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decided about its wallets."""

    least_minor: int = 500
    """Of a top-up."""
    most_minor: int = 50_000
    bonus_from_minor: int = 10_000
    bonus_minor: int = 1_000
    bonus_days: int | None = 365
    """How long a bonus lasts; None = for ever. Paid money does not run out."""
    low_minor: int = 1_000
    """Below this a new account's balance is called low, and its auto top-up starts."""


class AutoTopupChange(msgspec.Struct, frozen=True, kw_only=True):
    """New settings of auto top-up; what is None stays. Switching it on forgets strikes."""

    is_on: bool | None = None
    below_minor: int | None = None
    amount_minor: int | None = None
    method_id: UUID | None = None
    day_minor: int | None = None
    month_minor: int | None = None


class Cover(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running ride is covered. ``must_stop``: the balance does not reach any further."""

    held_minor: int
    left_minor: int
    """Still available beside what is held."""
    must_stop: bool


class RideMoney(msgspec.Struct, frozen=True, kw_only=True):
    """How a ride stands that is paid from a balance."""

    state: Literal["open", "settling", "settled", "released"]
    currency: str
    held_minor: int
    total_minor: int | None
    """Its price, once it has ended."""
    paid_minor: int | None
    """What the balance bore of it, once settled."""
    transaction_id: UUID


class Settled(msgspec.Struct, frozen=True):
    """What the account paid of a ride; ``missing_minor`` was not there and stays owed."""

    paid_minor: int
    missing_minor: int


class WalletFrozen(Conflict):
    """Staff has frozen the account: nothing goes out and no top-up begins."""

    code = "WALLET_FROZEN"
    message = "This wallet is frozen. Please contact support."


class KeyReused(Conflict):
    """The key names something else already."""

    code = "WALLET_KEY_REUSED"
    message = "This key was used for something else."


class InFlight(Conflict):
    """The same request is still under way."""

    code = "WALLET_IN_FLIGHT"
    message = "The same request is still under way. Try again shortly."


class TopupClosed(Conflict):
    """The session has run out or has failed: begin a new one."""

    code = "TOPUP_CLOSED"
    message = "This top-up is over. Please begin a new one."


class UnknownTopup(NotFound):
    """Not one of the caller's top-ups."""

    code = "UNKNOWN_TOPUP"
    message = "There is no such top-up."


@query
async def wallet(call: Call, rider_id: UUID) -> Wallet:
    """A rider's account; an empty one for somebody who never had any money in it.

    One's own, or anybody's with ``wallet.account.read_any``; else ``NotFound``.
    """
    raise AssertionError


@query
async def transactions(
    call: Call, rider_id: UUID, wanted: TransactionFilter, after: str | None, limit: int
) -> TransactionPage:
    """Booked transactions, newest first (WAL-24). Like ``wallet``; ``Invalid`` (``after``)."""
    raise AssertionError


@query
async def statistics(call: Call, rider_id: UUID) -> Statistics:
    """Spent, topped up and counted; up to 60 s old (WAL-26, WAL-27). Like ``wallet``."""
    raise AssertionError


@query
async def usage(
    call: Call, rider_id: UUID, since: datetime, until: datetime, group_by: GroupBy
) -> list[Bucket]:
    """Bars of the usage chart, the empty ones too (WAL-25). At most 400, else ``Invalid``."""
    raise AssertionError


@query
async def recommended_topup(call: Call, rider_id: UUID) -> int:
    """How much to load (WAL-31): 30 days' usage and a fifth more, in tens, less the balance.

    0 when the balance reaches. Like ``wallet``.
    """
    raise AssertionError


@query
async def topup(call: Call, topup_id: UUID) -> Topup:
    """One's own top-up, or anybody's with ``wallet.account.read_any``. Raises ``UnknownTopup``."""
    raise AssertionError


@query
async def topups(call: Call, rider_id: UUID, limit: int) -> list[Topup]:
    """The newest top-ups of a rider. Like ``wallet``."""
    raise AssertionError


@query
async def ride_money(call: Call, rental_id: UUID) -> RideMoney | None:
    """How a ride stands that is paid from its rider's balance; None for any other.

    Signalled as ``wallet.account:<rider uuid>``. Like ``wallet``.
    """
    raise AssertionError


@query
async def settings(call: Call) -> Settings:
    """The operator's wallet settings."""
    raise AssertionError


@query
async def marks(call: Call, rider_ids: list[UUID]) -> dict[UUID, str]:
    """A mark for each of these accounts that changes whenever its row does: for those who wait."""
    raise AssertionError


@query
async def drift(call: Call, rider_id: UUID) -> int:
    """Balance here less the purse in the ledger; at rest 0."""
    raise AssertionError


@action
async def change_settings(call: Call, wanted: Settings) -> Settings:
    """Replace the operator's settings (``wallet.setting.write``). Raises ``Invalid``."""
    raise AssertionError


@action
async def open_topup(
    call: Call, amount_minor: int, method_id: UUID | None, key: str | None
) -> Topup:
    """Begin a checkout session of 30 minutes for the caller, and pay it at once with ``method_id``.

    Repeating it with its key answers the same session; without a key, so does the same amount
    within 10 seconds (a double click). What became of the payment is the ``state``, no error.
    Raises ``Invalid`` (amount), ``WalletFrozen``, ``KeyReused``, ``UnknownMethod`` of payments.
    """
    raise AssertionError


@action
async def pay_topup(call: Call, topup_id: UUID, method_id: UUID | None) -> Topup:
    """Pay an open session (None = the default method). Repeating it goes on where it stands.

    Raises ``UnknownTopup``, ``TopupClosed``, ``UnknownMethod`` of payments.
    """
    raise AssertionError


@action
async def check_out(call: Call, topup_id: UUID) -> Topup:
    """Pay an open session at a page of the gateway: its address is in ``next_action`` (WAL-13).

    For who has no stored method, or wants none. The page closes with the session; what was paid
    there is credited once, whoever hears of it first. A repeat answers the same page. Raises
    ``UnknownTopup``, ``TopupClosed``, ``NoGateway`` of payments, ``Conflict`` (it is being paid
    with a stored method).
    """
    raise AssertionError


@action
async def pay_debt(call: Call, debt_id: UUID) -> Debt:
    """Pay what one of the caller's rides still owes from the balance; harmless to repeat.

    Raises ``WalletFrozen``, ``UnknownDebt``, ``PaymentDeclined`` of payments
    (``insufficient_balance``).
    """
    raise AssertionError


@action
async def charge_usage(
    call: Call, rider_id: UUID, amount_minor: int, description: str, key: str
) -> Transaction:
    """Charge usage against a balance, exactly once by key (``processUsage``, WAL-32).

    The amount contains the tax. Permission ``wallet.usage.create``. Raises ``Unpaid``
    (INSUFFICIENT_BALANCE), ``WalletFrozen``, ``KeyReused``, ``InFlight``, ``Invalid``.
    """
    raise AssertionError


@action
async def adjust(
    call: Call, rider_id: UUID, amount_minor: int, reason: str, key: str
) -> Transaction:
    """Staff gives goodwill (positive) or takes it back (negative), once by key, with a reason.

    Permission ``wallet.account.adjust``. Raises like ``charge_usage``.
    """
    raise AssertionError


@action
async def freeze(call: Call, rider_id: UUID, reason: str) -> Wallet:
    """Let nothing out of an account (``wallet.account.freeze``); settled money still comes in."""
    raise AssertionError


@action
async def unfreeze(call: Call, rider_id: UUID) -> Wallet:
    """Take the freeze back (``wallet.account.freeze``)."""
    raise AssertionError


@action
async def change_auto_topup(call: Call, change: AutoTopupChange) -> Wallet:
    """Change the caller's auto top-up (``updateAutoTopup``, WAL-33).

    Raises ``Invalid`` (an amount, or no payment method to charge).
    """
    raise AssertionError


@action
async def hold_ride(
    call: Call, rental_id: UUID, rider_id: UUID, amount_minor: int, lease_s: float
) -> Cover:
    """Keep money for a ride that is to be paid from the balance; once per rental.

    Raises ``Unpaid`` (INSUFFICIENT_BALANCE), ``WalletFrozen``.
    """
    raise AssertionError


@action
async def cover_ride(
    call: Call, rental_id: UUID, cost_minor: int, ahead_minor: int, lease_s: float
) -> Cover:
    """Keep so much that the ride's cost so far and ``ahead_minor`` more are covered.

    Asked every minute or so while it runs. When the balance does not reach it holds what is left
    and says ``must_stop`` as soon as ``cost_minor`` and ``ahead_minor`` are not covered: end the
    ride now, and it is still paid. Raises ``NotFound``.
    """
    raise AssertionError


@action
async def settle_ride(call: Call, rental_id: UUID, total_minor: int) -> Settled:
    """Pay an ended ride from what is held for it, then from what else is there; the rest is freed.

    Once; a repeat answers the same. The sale itself is posted by payments. Raises ``NotFound``.
    """
    raise AssertionError


@action
async def release_ride(call: Call, rental_id: UUID) -> None:
    """No ride: let go of what is held for it. Harmless to repeat, and for a rental nobody knows."""
    raise AssertionError
