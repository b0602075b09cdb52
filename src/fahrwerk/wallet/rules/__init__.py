"""The wallet's decisions: bonus, journals, auto top-up, stop at balance. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.ledger import Grant, Line

if TYPE_CHECKING:
    from fahrwerk.wallet.contract import AutoTopupChange, Settings, TransactionType

SESSION_S = 1800
COOLDOWN_S = 3600
MOST_STRIKES = 3
DOUBLE_CLICK_S = 10
USUAL_AUTO_MINOR = 2_500
MOST_MINOR = 10_000_000
"""More than any charge or adjustment: an amount above is a mistake."""
NEVER_RETRY = frozenset(
    {
        *("fraud_suspected", "fraudulent", "stolen_card", "lost_card", "pickup_card"),
        *("expired_card", "restricted_card", "invalid_account", "card_not_supported"),
        *("transaction_not_allowed", "revocation_of_authorization", "no_payment_method"),
        *("revocation_of_all_authorizations", "stop_payment_order", "account_closed"),
        *("authentication_required", "authentication_failed", "mandate_revoked"),
    }
)
"""Answers after which a card network wants no other try, or which only the rider can mend."""
OUTAGES = frozenset({"gateway_unreachable", "amount_mismatch", "expired"})
"""Not the rider's fault: no strike (WAL-19)."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to be booked."""

    id: UUID
    rider_id: UUID
    key: str
    type: TransactionType
    amount_minor: int
    currency: str
    description: str = ""
    reference: UUID | None = None
    rate_bp: int | None = None
    actor: str = ""
    at: datetime


def transaction_id(tenant: UUID | None, rider_id: UUID, key: str) -> UUID:
    """The id of what a key names on an account."""
    return ids.derived("wallet", tenant, rider_id, key)


def payment_id(topup_id: UUID) -> UUID:
    """The payment of a top-up."""
    return ids.derived("wallet.payment", topup_id)


def bonus_of(amount_minor: int, settings: Settings) -> int:
    """What is given on top of a top-up (WAL-16)."""
    return settings.bonus_minor if amount_minor >= settings.bonus_from_minor else 0


def check_amount(amount_minor: int, most: int = MOST_MINOR, least: int = 1) -> None:
    """Raise ``Invalid`` outside of ``least`` to ``most``."""
    if not least <= amount_minor <= most:
        raise Invalid(field="amount", issue=f"must be {least} to {most} minor units")


def check_text(field: str, text: str, most: int = 500) -> str:
    """The text without spaces around it. Raises ``Invalid`` when nothing or too much is left."""
    text = text.strip()
    if not 1 <= len(text) <= most or not text.isprintable():
        raise Invalid(field=field, issue=f"must have 1 to {most} printable characters")
    return text


def lines_of(entry: Entry) -> list[Line]:
    """What an entry that the ledger books by itself stands against: without the purse's lines.

    Usage is a sale of its own, or pays a sale that is in the books already (a ride).
    """
    amount = abs(entry.amount_minor)
    if entry.type == "adjustment":
        return [Line("goodwill", entry.amount_minor)]
    if entry.rate_bp is None:
        return [Line("receivables", -amount, str(entry.rider_id))]
    tax = money.tax_within(amount, entry.rate_bp)
    return [Line(f"revenue.{entry.rate_bp}", tax - amount), Line(f"vat.{entry.rate_bp}", -tax)]


def topup_lines(rider_id: UUID, amount_minor: int, bonus_minor: int) -> list[Line]:
    """Where a top-up's money comes from: the capture that payments booked, and our goodwill."""
    return [Line("receivables", amount_minor, str(rider_id)), Line("goodwill", bonus_minor)]


def topup_grants(
    amount_minor: int, bonus_minor: int, bonus_days: int | None, at: datetime
) -> list[Grant]:
    """The lots of a top-up: paid money for ever, the bonus with its term."""
    ends = None if bonus_days is None else at + timedelta(days=bonus_days)
    bonus = [Grant("bonus", bonus_minor, ends)] if bonus_minor else []
    return [Grant("paid", amount_minor), *bonus]


class Verdict(msgspec.Struct, frozen=True):
    """What a failed auto top-up means for the account."""

    strikes: int
    pause: str | None


def after_failure(strikes: int, reason: str) -> Verdict:
    """Outages are no strikes; three strikes pause, and some answers at once (WAL-19)."""
    if reason in NEVER_RETRY:
        return Verdict(strikes + 1, reason)
    if reason in OUTAGES:
        return Verdict(strikes, None)
    return Verdict(strikes + 1, "too_many_failures" if strikes + 1 >= MOST_STRIKES else None)


def check_auto(change: AutoTopupChange, settings: Settings) -> None:
    """Raise ``Invalid`` for amounts that make no sense."""
    if change.amount_minor is not None:
        check_amount(change.amount_minor, settings.most_minor, settings.least_minor)
    for field, value in (
        ("below", change.below_minor), ("day_limit", change.day_minor),
        ("month_limit", change.month_minor),
    ):  # fmt: skip
        if value is not None and not 1 <= value <= MOST_MINOR:
            raise Invalid(field=field, issue=f"must be 1 to {MOST_MINOR} minor units")


def recommended(spent_minor: int, available_minor: int, settings: Settings, tens: int) -> int:
    """A fifth more than a month's usage, to the nearest ten, as far as the balance lacks it.

    MLS-05 with what was spent for the forecast; ``tens``: ten units of the currency in minor units.
    """
    reach = money.round_half_up(Decimal(spent_minor * 6) / (5 * tens)) * tens
    missing = reach - available_minor
    if missing <= 0:
        return 0
    whole = -(-missing // tens) * tens
    return min(max(whole, settings.least_minor), settings.most_minor)


def to_hold(held_minor: int, cost_minor: int, ahead_minor: int, available_minor: int) -> int:
    """How much more a running ride needs kept; what is there, when that is not all."""
    return max(0, min(cost_minor + ahead_minor - held_minor, available_minor))
