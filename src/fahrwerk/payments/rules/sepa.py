"""SEPA's rules: IBANs and creditor identifiers, bank days, sequences, what a reason code means.

Pure. Amounts are euro cents. A *bank day* is a day on which TARGET is open.
"""

from __future__ import annotations

import base64
import functools
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays
import msgspec
import schwifty
from schwifty.exceptions import (
    InvalidBankCode,
    InvalidBBANChecksum,
    InvalidChecksumDigits,
    InvalidCountryCode,
    InvalidLength,
    SchwiftyException,
)

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

CURRENCY = "EUR"
"""The only currency of SEPA."""
EXPIRY_MONTHS = 36
"""Without use, counted from the last debit (or the signature), a mandate lapses."""
MANDATE_TEXT = "2026-11"
"""The version of ``mandate_text``: a change of the words is a new one."""
MOST_TOKEN = 35
"""Characters of a reference in SEPA."""
BERLIN = ZoneInfo("Europe/Berlin")
Sequence_ = Literal["FRST", "RCUR", "OOFF", "FNAL"]
Scheme = Literal["CORE", "B2B"]
Usable = ("active", "ended")
"""States of mandates whose open debits are still collected."""
_CREDITOR = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}")
_TRANSLATED = {InvalidChecksumDigits: "has wrong check digits", InvalidLength: "has a wrong length",
               InvalidCountryCode: "is of no country that has IBANs",
               InvalidBankCode: "names no bank that exists",
               InvalidBBANChecksum: "has a wrong account number"}  # fmt: skip


# --- accounts


def iban_of(text: str, field: str = "iban") -> str:
    """An IBAN without spaces. Raises ``Invalid`` that says what is wrong with it."""
    compact = re.sub(r"[\s-]", "", text).upper()
    if not compact.isascii() or not 15 <= len(compact) <= 34:
        raise Invalid(field=field, issue="is not an IBAN: 15 to 34 letters and digits")
    try:
        iban = schwifty.IBAN(compact)
    except SchwiftyException as wrong:
        issue = _TRANSLATED.get(type(wrong), "is not an IBAN: its form is wrong")
        raise Invalid(field=field, issue=issue) from None
    if not iban.in_sepa_zone:
        raise Invalid(field=field, issue="is not within SEPA")
    return compact


def bic_of(text: str | None, iban: str) -> str | None:
    """The BIC given, or the one that is known for the IBAN's bank. Raises ``Invalid``."""
    if text is None or not text.strip():
        known = schwifty.IBAN(iban).bic
        return None if known is None else str(known)
    try:
        bic = schwifty.BIC(text.strip().upper())
    except SchwiftyException:
        raise Invalid(field="bic", issue="is not a BIC: 8 or 11 letters and digits") from None
    return str(bic)


def masked(iban: str) -> str:
    """What may be shown of an IBAN: country, check digits and the last four (PAY-24)."""
    return f"{iban[:4]} **** {iban[-4:]}"


def creditor_id_of(text: str) -> str:
    """A creditor identifier with right check digits (EPC AT-02). Raises ``Invalid``."""
    compact = re.sub(r"\s", "", text).upper()
    # The business code in the middle is not part of the check (ISO 7064, mod 97-10).
    rest = compact[7:] + compact[:4]
    if not _CREDITOR.fullmatch(compact) or int("".join(str(int(c, 36)) for c in rest)) % 97 != 1:
        raise Invalid(field="public_key", issue="is not a creditor identifier")
    return compact


def holder_of(text: str) -> str:
    """The account holder's name in one line. Raises ``Invalid``."""
    name = " ".join(text.split())
    if not 2 <= len(name) <= 70 or not name.isprintable():
        raise Invalid(field="holder", issue="must have 2 to 70 printable characters")
    return name


def reference_of(prefix: str, named: UUID) -> str:
    """A reference of at most 35 characters, letters and digits, that is the id: ``MD...``."""
    return prefix + base64.b32encode(named.bytes).decode().rstrip("=")


_REFERENCE = re.compile(r"(?=((?:DD|RF)[A-Z2-7]{26}))")


def references_in(text: str) -> list[str]:
    """What may be our end-to-end ids in a remittance text; banks break lines within them."""
    return [found.group(1) for found in _REFERENCE.finditer(re.sub(r"\s", "", text.upper()))]


# --- days


@functools.lru_cache(maxsize=64)
def _closed(year: int) -> frozenset[date]:
    """The closing days of TARGET besides week-ends."""
    return frozenset(holidays.financial_holidays("XECB", years=[year]))


def is_bank_day(day: date) -> bool:
    """True when TARGET is open."""
    return day.weekday() < 5 and day not in _closed(day.year)


def bank_day(day: date) -> date:
    """This day, or the next one on which TARGET is open."""
    while not is_bank_day(day):
        day += timedelta(days=1)
    return day


def bank_days_after(day: date, count: int) -> date:
    """The ``count``-th bank day after ``day``; 0 = ``bank_day(day)``."""
    day = bank_day(day)
    for _ in range(count):
        day = bank_day(day + timedelta(days=1))
    return day


def collect_on(now: datetime, notice_days: int) -> date:
    """The earliest day of a debit that is announced now."""
    return bank_day(now.astimezone(BERLIN).date() + timedelta(days=notice_days))


def earliest_execution(now: datetime, lead_days: int, cut_off_minute: int) -> date:
    """The first day the bank can execute a file that is handed in now."""
    local = now.astimezone(BERLIN)
    day = local.date()
    if local.hour * 60 + local.minute >= cut_off_minute or not is_bank_day(day):
        day = bank_day(day + timedelta(days=1))
    return bank_days_after(day, lead_days)


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier; the last of the month where there is none such."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError


def is_lapsed(last_used: date | None, signed_at: datetime, today: date) -> bool:
    """True when the mandate was not used for 36 months."""
    since = last_used or signed_at.astimezone(UTC).date()
    return since < months_before(today, EXPIRY_MONTHS)


# --- mandates


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a mandate may be debited."""

    state: str
    is_one_off: bool
    last_used_on: date | None
    signed_at: datetime
    others: int
    """Debits of it that are under way or done."""


def refusal(mandate: Usage | None, currency: str, today: date) -> str | None:
    """Why this mandate cannot be debited with something new; None: it can."""
    if mandate is None:
        return "mandate_unknown"
    if currency != CURRENCY:
        return "currency_not_supported"
    if mandate.state != "active":
        return f"mandate_{mandate.state}"
    if is_lapsed(mandate.last_used_on, mandate.signed_at, today):
        return "mandate_expired"
    if mandate.is_one_off and mandate.others:
        return "mandate_used"
    return None


def sequences(
    is_one_off: bool, is_ended: bool, handed_in: int, count: int, waiting: int
) -> list[Sequence_]:
    """The sequence types of the next ``count`` debits of a mandate, oldest first.

    ``handed_in``: debits before, less those rejected before they were settled. ``waiting``: further
    ones that are not in this file. The last one of an ended mandate says so to the bank.
    """
    if is_one_off:
        return ["OOFF"] * count
    types: list[Sequence_] = ["RCUR"] * count
    if not handed_in and count:
        types[0] = "FRST"
    if is_ended and not waiting and count and (handed_in or count > 1):
        types[-1] = "FNAL"
    return types


def mandate_text(locale: str, creditor: str, creditor_id: str, notice_days: int) -> str:
    """What the rider agrees to, in German or English; its version is ``MANDATE_TEXT``."""
    if locale.startswith("de"):
        days = "einen Kalendertag" if notice_days == 1 else f"{notice_days} Kalendertage"
        return (
            f"Ich ermächtige {creditor} (Gläubiger-Identifikationsnummer {creditor_id}), Zahlungen "
            "von meinem Konto mittels Lastschrift einzuziehen. Zugleich weise ich mein "
            f"Kreditinstitut an, die von {creditor} auf mein Konto gezogenen Lastschriften "
            "einzulösen. Hinweis: Ich kann innerhalb von acht Wochen, beginnend mit dem "
            "Belastungsdatum, die Erstattung des belasteten Betrages verlangen. Es gelten dabei "
            "die mit meinem Kreditinstitut vereinbarten Bedingungen. Lastschriften werden mir "
            f"mindestens {days} vorher angekündigt."
        )
    days = "one calendar day" if notice_days == 1 else f"{notice_days} calendar days"
    return (
        f"By signing this mandate form, you authorise {creditor} (creditor identifier "
        f"{creditor_id}) to send instructions to your bank to debit your account and your bank to "
        f"debit your account in accordance with the instructions from {creditor}. As part of your "
        "rights, you are entitled to a refund from your bank under the terms and conditions of "
        "your agreement with your bank. A refund must be claimed within 8 weeks starting from the "
        "date on which your account was debited. Debits are announced to you at least "
        f"{days} before."
    )


# --- what comes back


class Reason(msgspec.Struct, frozen=True):
    """A reason code of a bank. ``blocks``: the mandate cannot be used any more."""

    meaning: str
    blocks: bool = False


REASONS = {
    "AC01": Reason("incorrect account number", blocks=True),
    "AC04": Reason("account closed", blocks=True),
    "AC06": Reason("account blocked", blocks=True),
    "AC13": Reason("account of a consumer (B2B)", blocks=True),
    "AG01": Reason("direct debits are not possible on this account", blocks=True),
    "AG02": Reason("wrong sequence or transaction code"),
    "AM04": Reason("insufficient funds"),
    "AM05": Reason("duplicate collection"),
    "BE05": Reason("creditor identifier not recognised"),
    "FF01": Reason("file format invalid"),
    "MD01": Reason("no valid mandate", blocks=True),
    "MD02": Reason("mandate data wrong", blocks=True),
    "MD06": Reason("refund claimed by the debtor"),
    "MD07": Reason("debtor deceased", blocks=True),
    "MS02": Reason("refused by the debtor"),
    "MS03": Reason("no reason given by the bank"),
    "RC01": Reason("BIC wrong"),
    "RR04": Reason("regulatory reason"),
    "SL01": Reason("refused by a special service of the debtor's bank", blocks=True),
}
"""Of rejects, returns, refunds and reversals (EPC rulebooks); others are taken as they come."""


def blocks_mandate(code: str) -> bool:
    """True when a debit that came back with this code ends the mandate."""
    return code in REASONS and REASONS[code].blocks


ReturnKind = Literal["reject", "return", "refund", "reversal"]


def return_kind(
    code: str, is_settled: bool, is_reversal: bool, settled_on: date | None, on: date
) -> ReturnKind:
    """What sort of R-transaction this is: before or after settlement, and by whom."""
    if is_reversal:
        return "reversal"
    if not is_settled:
        return "reject"
    late = settled_on is not None and on > bank_days_after(settled_on, 5)
    return "refund" if code == "MD06" or (code == "MD01" and late) else "return"


MOST_FEE_MINOR = 10_000


def fee_in(debited_minor: int, order_minor: int) -> int | None:
    """The bank's fee in a debit that takes an order back; None: this is not that order's amount."""
    fee = debited_minor - order_minor
    return fee if 0 <= fee <= MOST_FEE_MINOR else None


def is_settled_by(credited_minor: int, amounts: Sequence[int], gone: Sequence[int]) -> bool | None:
    """Whether a batch's credit is of all its debits (True), or of all but those rejected (False).

    None: neither, so nobody can say what it is.
    """
    if credited_minor == sum(amounts) + sum(gone):
        return True
    return False if credited_minor == sum(amounts) and gone else None
