"""The books' rules: the chart of accounts, what a ride's facts post, and which lots are spent.

Pure. The journals of a ride are a function of its facts (``journals_of``): the worker posts those
that are not in the books yet, and the nightly proof compares them all.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.ledger import AccountKind, Grant, Line, LotKind, NewJournal
from fahrwerk.payments.events import (
    DisputeMoney,
    DisputeOwed,
    FeeCharged,
    FeeKept,
    PaymentCaptured,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentReturned,
    PaymentWrittenOff,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHARDS = 16
MOST_LINES = 40
MOST_LINE_MINOR = 10**14
"""Larger than any operator's turnover, and far from where 64 bits end."""


class Chart(msgspec.Struct, frozen=True):
    """One code of the chart. ``is_hot``: spread over shards. ``floor_minor``: None = none."""

    kind: AccountKind
    is_hot: bool = False
    floor_minor: int | None = None
    by_rate: bool = False
    """Written with a tax rate in basis points behind a point."""


CHART: dict[str, Chart] = {
    "bank": Chart("asset"),
    "gateway_clearing": Chart("asset", is_hot=True),  # owner: the gateway
    "receivables": Chart("asset"),  # owner: the rider
    "suspense": Chart("asset"),
    "wallet_paid": Chart("liability", floor_minor=0),  # owner: of the purse
    "wallet_bonus": Chart("liability", floor_minor=0),
    "wallet_voucher": Chart("liability", floor_minor=0),
    "vat": Chart("liability", is_hot=True, by_rate=True),
    "commission_payable": Chart("liability"),  # owner: the reseller
    "revenue": Chart("income", is_hot=True, by_rate=True),
    "refunds": Chart("income", by_rate=True),  # against revenue: its balance is negative
    "expired_balance": Chart("income"),
    "dunning_fees": Chart("income"),
    "fees": Chart("expense", is_hot=True),
    "chargebacks": Chart("expense"),
    "write_offs": Chart("expense"),
    "commission": Chart("expense"),
    "goodwill": Chart("expense"),
    "rounding": Chart("expense"),
}
"""The chart of accounts of every operator (docs/books.md)."""

PLATFORM = "platform"
"""The owner of ``fees`` that whoever runs the platform takes."""
KINDS: tuple[LotKind, ...] = ("bonus", "voucher", "paid")
"""Kinds of money in a purse, in the order they are spent after the one wished for first."""
PURSE = frozenset(f"wallet_{kind}" for kind in KINDS)
GATEWAY_FACTS = frozenset({"capture", "refund", "chargeback", "return", "platform_fee",
                           "gateway_fee", "bank_settled", "bank_returned",
                           "bank_unmatched"})  # fmt: skip
"""Kinds of journals that say what a gateway did: refunded, not reversed."""
_CODE = re.compile(r"([a-z_]+)(?:\.(0|[1-9][0-9]{0,3}))?")
_KIND = re.compile(r"[a-z_]{1,40}")


def chart_of(code: str) -> Chart:
    """The chart's line for a code such as ``bank`` or ``revenue.1900``. Raises ``Invalid``."""
    match = _CODE.fullmatch(code)
    chart = CHART.get(match[1]) if match else None
    if match is None or chart is None or chart.by_rate != (match[2] is not None):
        raise Invalid(field="code", issue="is not in the chart of accounts")
    return chart


def sign_of(kind: str) -> int:
    """1 where a balance people call positive is a debit, -1 where it is a credit."""
    return 1 if kind in ("asset", "expense") else -1


def account_id(tenant: UUID | None, code: str, owner: str, currency: str) -> UUID:
    """The id of an account: known to whoever can name it."""
    return ids.derived("account", tenant, code, owner, currency)


def shard_of(code: str, key: str) -> int:
    """Which row of the account a journal moves: always the same for the same key."""
    return 1 + zlib.crc32(key.encode()) % SHARDS if chart_of(code).is_hot else 0


def checked(journal: NewJournal, *, with_purse: bool = False) -> NewJournal:
    """The journal with one line an account, none of them zero. Raises ``Invalid``."""
    if not 1 <= len(journal.key) <= 200 or not _KIND.fullmatch(journal.kind):
        raise Invalid(field="key", issue="key or kind is empty or too long")
    if journal.currency not in money.DECIMALS:
        raise Invalid(field="currency", issue=f"must be one of {', '.join(money.DECIMALS)}")
    if len(journal.narration) > 500:
        raise Invalid(field="narration", issue="must not be longer than 500")
    sums: dict[tuple[str, str], int] = {}
    for line in journal.lines:
        chart_of(line.code)
        if line.code in PURSE and not with_purse:
            raise Invalid(field="lines", issue=f"{line.code} moves with its lots: grant or spend")
        at = (line.code, line.owner)
        sums[at] = sums.get(at, 0) + line.amount_minor
    lines = [Line(code, amount, owner) for (code, owner), amount in sorted(sums.items()) if amount]
    if any(abs(line.amount_minor) > MOST_LINE_MINOR for line in lines):
        raise Invalid(field="lines", issue="an amount is impossibly large")
    if not 2 <= len(lines) <= MOST_LINES or sum(line.amount_minor for line in lines) != 0:
        raise Invalid(field="lines", issue="must be at least two, and zero in sum")
    return msgspec.structs.replace(journal, lines=lines)


def digest(kind: str, reference: UUID | None, lines: Iterable[tuple[str, str, str, int]]) -> bytes:
    """What makes two journals the same; lines are ``(code, owner, currency, amount)``.

    Not the time: who repeats a request says *now* once more.
    """
    content = [kind, str(reference), sorted(lines)]
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def digest_of(journal: NewJournal) -> bytes:
    """The digest of a journal that is to be posted."""
    lines = ((x.code, x.owner, journal.currency, x.amount_minor) for x in journal.lines)
    return digest(journal.kind, journal.reference, lines)


def half_even(value: Fraction) -> int:
    """To the nearest whole number; halves to the even one, so that many of them err to no side."""
    return round(value)


def tax_in(gross_minor: int, rate_bp: int) -> int:
    """The tax within a gross amount: net and tax are exactly the gross."""
    return half_even(Fraction(gross_minor * rate_bp, 10_000 + rate_bp))


# --- the money of a ride


SALE, CAPTURED, REFUNDED = "rental.ended", "payment.captured", "payment.refunded"
REFUND_FAILED = "payment.refund_failed"
FEE, WRITTEN_OFF, DISPUTED = "payment.fee_charged", "payment.written_off", "payment.dispute_money"
RETURNED, DISPUTE_OWED = "payment.returned", "payment.dispute_owed"
FEE_KEPT = "payment.fee_kept"
FACTS = (SALE, CAPTURED, REFUNDED, REFUND_FAILED, FEE, WRITTEN_OFF, DISPUTED, RETURNED,
         DISPUTE_OWED, FEE_KEPT)  # fmt: skip
"""The names of the events that move money."""
OF_FACTS = ("sale", "capture", "refund", "dunning_fee", "write_off", "chargeback",
            "return", "return_rest", "dispute_debt", "platform_fee", "gateway_fee")  # fmt: skip
"""The kinds of journals that are derived from them."""


class Ended(msgspec.Struct, frozen=True):
    """What the books need of ``rental.ended``, read from the log; what else it tells is ignored."""

    user_id: UUID
    ended_at: datetime
    total_minor: int
    currency: str
    tax_minor: int | None = None
    """As the receipt shows it; None in events of before the ledger."""
    tax_rate_bp: int | None = None


class MoneyFact(msgspec.Struct, frozen=True):
    """An event of the ride or its payment, as it stands in the log."""

    id: UUID
    name: str
    at: datetime
    data: dict[str, Any]


class RideMoney(msgspec.Struct, frozen=True, kw_only=True):
    """A ride, or what else a payment is for, with all that was told about its money, in order."""

    reference: UUID
    """The rental, or the top-up."""
    payment_id: UUID | None
    """None when no gateway had to do with it; so are the next three."""
    rider_id: UUID | None
    gateway: str | None
    currency: str | None
    captured_minor: int
    usual_rate_bp: int
    """The operator's tax rate, for rides of before the ledger."""
    facts: list[MoneyFact]


class _Sale(msgspec.Struct, frozen=True):
    gross_minor: int
    tax_minor: int
    rate_bp: int
    at: datetime

    def tax_of(self, part_minor: int) -> int:
        """The tax in a part of the price; of the whole exactly the tax of the sale."""
        return half_even(Fraction(self.tax_minor * part_minor, self.gross_minor))


class _Payer(msgspec.Struct, frozen=True):
    reference: UUID
    rider: str
    currency: str

    def journal(self, kind: str, fact_id: UUID, at: datetime, *lines: Line) -> NewJournal:
        return checked(
            NewJournal(
                key=f"{kind}:{fact_id}", kind=kind, currency=self.currency, lines=list(lines),
                at=at, reference=self.reference,
            )
        )  # fmt: skip


def journals_of(ride: RideMoney) -> list[NewJournal]:
    """What must stand in the books about this ride: the same for the same facts, in their order."""
    made: list[NewJournal] = []
    sale: _Sale | None = None
    payer = _Payer(ride.reference, str(ride.rider_id), ride.currency or "")
    untold, refunded = ride.captured_minor, 0
    for fact in ride.facts:
        if fact.name == SALE and sale is None:
            ended = msgspec.convert(fact.data, Ended)
            payer = _Payer(ride.reference, str(ended.user_id), ended.currency)
            if ended.total_minor > 0:
                sale = _sale_of(ended, ride.usual_rate_bp)
                made.append(_sold(payer, fact, sale))
        elif fact.name == CAPTURED:
            captured = msgspec.convert(fact.data, PaymentCaptured)
            untold -= captured.amount
            made.append(_captured(payer, fact.id, fact.at, captured.amount, captured.gateway))
            made += _platform_fee(payer, fact, captured.platform_fee, captured.gateway)
        elif fact.name == REFUNDED:
            back = msgspec.convert(fact.data, PaymentRefunded)
            made.append(_refunded(payer, fact, sale, refunded, back, ride.gateway or ""))
            made += _platform_fee(payer, fact, -back.platform_fee, back.gateway)
            refunded += back.amount
        elif fact.name == REFUND_FAILED:
            back = _unrefunded(msgspec.convert(fact.data, PaymentRefundFailed))
            made.append(_refunded(payer, fact, sale, refunded, back, ride.gateway or ""))
            refunded += back.amount
        elif fact.name == RETURNED:
            made += _returned(payer, fact)
        elif fact.name in _BESIDE:
            made.append(_beside(payer, fact))
    if untold > 0 and sale is not None and ride.payment_id is not None:
        # Captures were not told one by one before there was a ledger.
        made.append(_captured(payer, ride.payment_id, sale.at, untold, ride.gateway or ""))
    return made


def _sale_of(ended: Ended, usual_rate_bp: int) -> _Sale:
    rate = usual_rate_bp if ended.tax_rate_bp is None else ended.tax_rate_bp
    tax = tax_in(ended.total_minor, rate) if ended.tax_minor is None else ended.tax_minor
    return _Sale(ended.total_minor, tax, rate, ended.ended_at)


def _sold(payer: _Payer, fact: MoneyFact, sale: _Sale) -> NewJournal:
    return payer.journal(
        "sale", fact.id, sale.at,
        Line("receivables", sale.gross_minor, payer.rider),
        Line(f"revenue.{sale.rate_bp}", sale.tax_minor - sale.gross_minor),
        Line(f"vat.{sale.rate_bp}", -sale.tax_minor),
    )  # fmt: skip


def _captured(payer: _Payer, fact_id: UUID, at: datetime, amount: int, gateway: str) -> NewJournal:
    return payer.journal(
        "capture", fact_id, at,
        Line("gateway_clearing", amount, gateway),
        Line("receivables", -amount, payer.rider),
    )  # fmt: skip


def _platform_fee(payer: _Payer, fact: MoneyFact, fee: int, gateway: str) -> list[NewJournal]:
    """What the platform takes out of the operator's account at the gateway, or gives back."""
    if not fee:
        return []
    lines = [Line("fees", fee, PLATFORM), Line("gateway_clearing", -fee, gateway)]
    return [payer.journal("platform_fee", fact.id, fact.at, *lines)]


def _unrefunded(failed: PaymentRefundFailed) -> PaymentRefunded:
    """A refund that the bank sent back, as one of less than nothing."""
    return PaymentRefunded(
        failed.booking_id, failed.payment_id, -failed.amount, failed.currency, failed.reason,
        failed.gateway, failed.key,
    )  # fmt: skip


def _refunded(
    payer: _Payer, fact: MoneyFact, sale: _Sale | None, before: int, back: PaymentRefunded,
    gateway: str,
) -> NewJournal:  # fmt: skip
    """Given back: of the price and of its tax, so that all refunds together take back the sale's.

    What was given back of a payment of no ride (a top-up) waits in suspense until the room whose
    payment it was has taken it back; the proof finds what waits for long.
    """
    clearing = Line("gateway_clearing", -back.amount, back.gateway or gateway)
    if sale is None:
        wait = Line("suspense", back.amount)
        return payer.journal("refund", fact.id, fact.at, clearing, wait)
    # The price first; what goes beyond it was a dunning fee, without tax.
    done, until = (min(part, sale.gross_minor) for part in (before, before + back.amount))
    price, tax = until - done, sale.tax_of(until) - sale.tax_of(done)
    return payer.journal(
        "refund", fact.id, fact.at, clearing,
        Line(f"refunds.{sale.rate_bp}", price - tax), Line(f"vat.{sale.rate_bp}", tax),
        Line("dunning_fees", back.amount - price),
    )  # fmt: skip


def _returned(payer: _Payer, fact: MoneyFact) -> list[NewJournal]:
    """A debit came back: the rider owes it again.

    So they do what had been refunded of it before, which is no price of the ride: on its own. What
    is told as refunded is booked as that.
    """
    back = msgspec.convert(fact.data, PaymentReturned)
    parts = {"return": back.due, "return_rest": back.amount - back.due - back.refunded}
    return [
        payer.journal(
            kind, fact.id, fact.at, Line("receivables", part, payer.rider),
            Line("gateway_clearing", -part, back.gateway),
        )
        for kind, part in parts.items() if part
    ]  # fmt: skip


_BESIDE = (FEE, WRITTEN_OFF, DISPUTED, DISPUTE_OWED, FEE_KEPT)


def _beside(payer: _Payer, fact: MoneyFact) -> NewJournal:
    """Fees, write-offs (and what came in later), what disputes moved and made owed."""
    if fact.name == FEE:
        fee = msgspec.convert(fact.data, FeeCharged).amount
        lines = [Line("receivables", fee, payer.rider), Line("dunning_fees", -fee)]
        return payer.journal("dunning_fee", fact.id, fact.at, *lines)
    if fact.name == WRITTEN_OFF:
        lost = msgspec.convert(fact.data, PaymentWrittenOff).amount
        lines = [Line("write_offs", lost), Line("receivables", -lost, payer.rider)]
        return payer.journal("write_off", fact.id, fact.at, *lines)
    if fact.name == FEE_KEPT:
        kept = msgspec.convert(fact.data, FeeKept)
        lines = [Line("fees", kept.amount), Line("gateway_clearing", -kept.amount, kept.gateway)]
        return payer.journal("gateway_fee", fact.id, fact.at, *lines)
    if fact.name == DISPUTE_OWED:
        owed = msgspec.convert(fact.data, DisputeOwed).amount
        lines = [Line("receivables", owed, payer.rider), Line("chargebacks", -owed)]
        return payer.journal("dispute_debt", fact.id, fact.at, *lines)
    moved = msgspec.convert(fact.data, DisputeMoney)
    return payer.journal(
        "chargeback", fact.id, fact.at, Line("chargebacks", moved.withdrawn),
        Line("fees", moved.fee),
        Line("gateway_clearing", -moved.withdrawn - moved.fee, moved.gateway),
    )  # fmt: skip


# --- purses


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A lot with something left."""

    id: UUID
    kind: LotKind
    left_minor: int
    granted_at: datetime
    expires_at: datetime | None


def order_of(first: LotKind) -> tuple[LotKind, ...]:
    """Kinds in the order they are spent."""
    return (first, *(kind for kind in KINDS if kind != first))


def unexpired(lots: Iterable[Left], now: datetime) -> list[Left]:
    """Lots that have not run out."""
    return [lot for lot in lots if lot.expires_at is None or lot.expires_at > now]


def in_order(lots: Iterable[Left], first: LotKind) -> list[Left]:
    """Lots in the order they are spent: by kind, then what runs out soonest, then the oldest."""
    order = order_of(first)

    def rank(lot: Left) -> tuple[int, bool, float, datetime, UUID]:
        ends = lot.expires_at.timestamp() if lot.expires_at else 0.0
        return order.index(lot.kind), lot.expires_at is None, ends, lot.granted_at, lot.id

    return sorted(lots, key=rank)


def spendable(
    lots: Iterable[Left], free: Mapping[LotKind, int], now: datetime
) -> dict[LotKind, int]:
    """How much of each kind may be spent or held now: not held, and not run out.

    ``free`` is balance less holds. Holds count against what has run out first: they were placed
    while it had not, and keep it from expiring.
    """
    good = dict.fromkeys(KINDS, 0)
    for lot in unexpired(lots, now):
        good[lot.kind] += lot.left_minor
    return {kind: max(0, min(good[kind], free.get(kind, 0))) for kind in KINDS}


def spread(
    amount_minor: int, available: Mapping[LotKind, int], first: LotKind
) -> dict[LotKind, int] | None:
    """How much of an amount each kind bears; None when all together is not enough."""
    parts: dict[LotKind, int] = {}
    for kind in order_of(first):
        part = min(amount_minor, available.get(kind, 0))
        if part > 0:
            parts[kind] = part
            amount_minor -= part
    return None if amount_minor > 0 else parts


def drawn(lots: Sequence[Left], parts: Mapping[LotKind, int]) -> list[tuple[UUID, int]]:
    """Which lots bear these parts; ``lots`` in the order they are spent."""
    left = dict(parts)
    uses: list[tuple[UUID, int]] = []
    for lot in lots:
        part = min(left.get(lot.kind, 0), lot.left_minor)
        if part > 0:
            uses.append((lot.id, part))
            left[lot.kind] -= part
    return uses


def granted(owner: str, grants: Sequence[Grant], journal: NewJournal) -> NewJournal:
    """The journal of a grant with the purse's lines. Raises ``Invalid``."""
    if len({each.kind for each in grants}) != len(grants) or not grants or not owner:
        raise Invalid(field="grants", issue="at least one, each of another kind, for an owner")
    if any(each.amount_minor <= 0 for each in grants):
        raise Invalid(field="grants", issue="must be more than nothing")
    own = [Line(f"wallet_{each.kind}", -each.amount_minor, owner) for each in grants]
    _refuse_purse(journal)
    return checked(msgspec.structs.replace(journal, lines=[*journal.lines, *own]), with_purse=True)


def spent(owner: str, parts: Mapping[LotKind, int], journal: NewJournal) -> NewJournal:
    """The journal of a spending with the purse's lines. Raises ``Invalid``."""
    own = [Line(f"wallet_{kind}", amount, owner) for kind, amount in parts.items()]
    _refuse_purse(journal)
    return checked(msgspec.structs.replace(journal, lines=[*journal.lines, *own]), with_purse=True)


def to_spend(journal: NewJournal) -> int:
    """How much a journal's credits ask of the purse. Raises ``Invalid``."""
    amount = -sum(line.amount_minor for line in journal.lines)
    if not 0 < amount <= MOST_LINE_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    return amount


def _refuse_purse(journal: NewJournal) -> None:
    if any(line.code in PURSE for line in journal.lines):
        raise Invalid(field="lines", issue="the purse's lines are added by the ledger")
