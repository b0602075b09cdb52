"""What there is: dashboard, transactions, their files, usage."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, cast
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.site.contract import shell
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.wallet import contract
from fahrwerk.wallet.contract import GroupBy, TransactionFilter, TransactionType
from fahrwerk.wallet.http.exports import Format, export
from fahrwerk.wallet.http.own import rider_of
from fahrwerk.wallet.http.views import WalletView, wallet_view
from fahrwerk.wallet.pages import drawing, entries
from fahrwerk.wallet.pages.debts import owed_by

TYPES = {
    "usage": "Usage",
    "topup": "Top-up",
    "bonus": "Bonus",
    "refund": "Refund",
    "adjustment": "Adjustment",
    "expiry": "Expired bonus",
}
SPANS: dict[GroupBy, tuple[str, timedelta]] = {
    "day": ("By day", timedelta(days=29)),
    "week": ("By week", timedelta(weeks=12)),
    "month": ("By month", timedelta(days=365)),
}
ON_PAGE = 25
Text = Annotated[str, QueryParameter(max_length=100)]
Kind = Annotated[str, QueryParameter(name="type", max_length=20)]
From = Annotated[str, QueryParameter(name="from", max_length=20)]
To = Annotated[str, QueryParameter(name="to", max_length=20)]
FileFormat = Annotated[Format, QueryParameter(name="format")]
By = Annotated[str, QueryParameter(name="by", max_length=10)]


async def bars(call: web.Call, by: GroupBy) -> drawing.Chart:
    """The chart of the last days, weeks or months."""
    now = clock.now()
    found = await contract.usage(call, rider_of(call), now - SPANS[by][1], now, by)
    return drawing.chart(found)


@get(
    "/portal/",
    permission="wallet.account.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def dashboard(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """Balance, what was spent, the last transactions (WAL-03, WAL-23, WAL-25, WAL-27, WAL-29)."""
    rider = rider_of(call)
    wallet, recent, statistics, chart, advice, settings = await asyncio.gather(
        contract.wallet(call, rider),
        contract.transactions(call, rider, TransactionFilter(), None, 8),
        contract.statistics(call, rider),
        bars(call, "day"),
        contract.recommended_topup(call, rider),
        contract.settings(call),
    )
    return await shell.page(
        visit,
        "wallet/dashboard.html",
        owed_minor=await owed_by(call),
        wallet=wallet,
        recent=recent.transactions,
        statistics=statistics,
        chart=chart,
        advice_minor=advice,
        settings=settings,
        types=TYPES,
    )


@get(
    "/portal/balance",
    permission="wallet.account.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def balance(call: web.Caller) -> WalletView:
    """The balance for the page's script where no stream is possible (WAL-11)."""
    return wallet_view(await contract.wallet(call, rider_of(call)), call.locale)


async def _wanted(
    call: web.Call, kind: str, first: str, last: str
) -> tuple[TransactionFilter, Invalid | None]:
    """The filter that was asked for; what is wrong with it is left out, and said."""
    zone = (await tenancy.operator(call)).time_zone
    chosen = cast("TransactionType", kind) if kind in TYPES else None
    try:
        span = entries.days(first, last, zone)
    except Invalid as problem:
        return TransactionFilter(type=chosen), problem
    return TransactionFilter(type=chosen, since=span.since, until=span.until), None


@get(
    "/portal/transactions",
    permission="wallet.account.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def transactions(
    call: web.Caller,
    visit: web.Visitor,
    kind: Kind = "",
    first: From = "",
    last: To = "",
    after: Text = "",
) -> Response[str]:
    """All transactions, page by page, filtered (WAL-08, WAL-24)."""
    wanted, problem = await _wanted(call, kind, first, last)
    found = await contract.transactions(call, rider_of(call), wanted, after or None, ON_PAGE)
    chosen = {"type": kind if kind in TYPES else "", "from": first, "to": last}
    query = urlencode({name: value for name, value in chosen.items() if value and not problem})
    return await shell.page(
        visit,
        "wallet/transactions.html",
        status=problem.status if problem else 200,
        transactions=found.transactions,
        more=f"/portal/transactions?{query}&after={found.after}" if found.after else "",
        chosen=chosen,
        query=query,
        types=TYPES,
        issues=shell.issues_of(visit, problem) if problem else {},
        is_first=not after,
    )


@get(
    "/portal/transactions/export",
    permission="wallet.account.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def download(
    call: web.Caller,
    file: FileFormat = "csv",
    kind: Kind = "",
    first: From = "",
    last: To = "",
) -> Stream:
    """The transactions that are shown, all of them, as CSV or XLSX (WAL-24)."""
    wanted, problem = await _wanted(call, kind, first, last)
    if problem is not None:
        raise problem
    return export(call, rider_of(call), wanted, file)


@get(
    "/portal/usage",
    permission="wallet.account.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def usage(call: web.Caller, visit: web.Visitor, by: By = "day") -> Response[str]:
    """What was used, as a chart and as a list (WAL-25)."""
    chosen: GroupBy = next((each for each in SPANS if each == by), "day")
    chart, found = await asyncio.gather(
        bars(call, chosen),
        contract.transactions(call, rider_of(call), TransactionFilter(type="usage"), None, ON_PAGE),
    )
    return await shell.page(
        visit,
        "wallet/usage.html",
        chart=chart,
        by=chosen,
        spans={each: words for each, (words, _) in SPANS.items()},
        used=[(each, _ride(each)) for each in found.transactions],
        has_more=found.after is not None,
    )


def _ride(each: contract.Transaction) -> str:
    """The public id of the ride that was paid, for its receipt."""
    return ids.public("rent", each.reference) if each.reference else ""


handlers = [dashboard, balance, transactions, download, usage]
