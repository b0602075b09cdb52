"""What people write into forms: amounts and days as their language has them."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from fahrwerk.kernel import money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.wallet.http.views import to_minor

_AMOUNT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def minor_of(text: str, currency: str, language: str, field: str = "amount") -> int:
    """``25``, ``25,50``, ``1.000,00`` in minor units. Raises ``Invalid``.

    The last separator is the decimal one, unless three digits follow and it is the language's mark
    of thousands.
    """
    tidy = re.sub(r"[\s\u00a0\u202f€$£']", "", text)
    if len(tidy) > 20:
        raise Invalid(field=field, issue="Please enter an amount.")
    places = [tidy.rfind(mark) for mark in ",."]
    mark = tidy[max(places)] if max(places) >= 0 else "."
    other = "." if mark == "," else ","
    thousands = "." if language == "de" else ","
    is_grouped = other not in tidy and re.fullmatch(rf"[0-9]{{1,3}}(\{mark}[0-9]{{3}})+", tidy)
    if is_grouped and (mark == thousands or tidy.count(mark) > 1):
        number = tidy.replace(mark, "")
    else:
        number = tidy.replace(other, "").replace(mark, ".")
    if not _AMOUNT.fullmatch(number):
        raise Invalid(field=field, issue="Please enter an amount.")
    return to_minor(Decimal(number), currency, field)


def written(minor: int, currency: str, language: str) -> str:
    """An amount as it stands in a field: ``25,50``."""
    digits = money.decimals(currency)
    text = f"{Decimal(minor).scaleb(-digits):.{digits}f}"
    return text.replace(".", ",") if language == "de" else text


class Days(msgspec.Struct, frozen=True):
    """A span of days in the operator's zone; None = open."""

    since: datetime | None
    until: datetime | None


def days(first: str, last: str, zone: str) -> Days:
    """From the first day's beginning to the last one's end. Raises ``Invalid``."""
    since, until = _day("from", first, zone), _day("to", last, zone)
    if until is not None:
        # The next local midnight: a day has 23 or 25 hours when the clocks change.
        noon = until + timedelta(hours=36)
        until = datetime.combine(noon.date(), time(), ZoneInfo(zone))
    if since is not None and until is not None and since >= until:
        raise Invalid(field="to", issue="The last day is before the first.")
    return Days(since, until)


def _day(field: str, text: str, zone: str) -> datetime | None:
    if not text:
        return None
    issue = "Please enter a day between 2000 and 2099."
    if not DAY.fullmatch(text) or not 2000 <= int(text[:4]) < 2100:
        raise Invalid(field=field, issue=issue)
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), time(), ZoneInfo(zone))
    except ValueError:
        raise Invalid(field=field, issue=issue) from None
