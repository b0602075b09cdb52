"""PayPal's own list of transactions: some hours behind, at most 31 days at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from fahrwerk.kernel import money
from fahrwerk.payments.gateways import _paypal_api as api
from fahrwerk.payments.gateways._offers import Listed
from fahrwerk.payments.gateways._paypal_api import Money

if TYPE_CHECKING:
    from fahrwerk.payments.gateways._accounts import Keys

DAYS, PAGE = 30, 500


class _Info(msgspec.Struct):
    transaction_id: str
    transaction_event_code: str
    """T00..: a payment, T11..: given back."""
    transaction_status: str
    """S: carried out."""
    transaction_initiation_date: str
    transaction_amount: Money
    fee_amount: Money | None = None
    """What PayPal kept of it, as a negative amount."""
    custom_field: str | None = None


class _Detail(msgspec.Struct):
    transaction_info: _Info


class _Page(msgspec.Struct):
    transaction_details: list[_Detail] = []
    total_pages: int = 1


async def listed(keys: Keys, since: datetime, until: datetime) -> list[Listed]:
    """All payments and refunds of a span of time."""
    found: list[Listed] = []
    while since < until:
        end = min(until, since + timedelta(days=DAYS))
        number, pages = 1, 1
        while number <= pages:
            query = urlencode(
                {"start_date": since.isoformat(timespec="seconds"),
                 "end_date": end.isoformat(timespec="seconds"),
                 "fields": "transaction_info", "page_size": PAGE, "page": number}
            )  # fmt: skip
            page = await api.ask(keys, "GET", f"/v1/reporting/transactions?{query}", _Page)
            found += [x for x in map(_listed, page.transaction_details) if x is not None]
            number, pages = number + 1, page.total_pages
        since = end
    return found


def _listed(detail: _Detail) -> Listed | None:
    info = detail.transaction_info
    amount, code = info.transaction_amount, info.transaction_event_code
    if info.transaction_status != "S" or code[:3] not in ("T00", "T11"):
        return None  # holds, payouts, fees
    if amount.currency_code not in money.DECIMALS:
        return None
    fee, is_charge = info.fee_amount, code.startswith("T00")
    is_told = fee is not None and is_charge and fee.currency_code == amount.currency_code
    return Listed(
        kind="capture" if is_charge else "refund", ref=info.transaction_id,
        intent=None, key=info.custom_field, amount_minor=abs(_minor(amount)),
        currency=amount.currency_code,
        at=datetime.fromisoformat(info.transaction_initiation_date),
        fee_minor=-_minor(fee) if is_told and fee is not None else None,
    )  # fmt: skip


def _minor(amount: Money) -> int:
    return int(Decimal(amount.value).scaleb(money.decimals(amount.currency_code)))
