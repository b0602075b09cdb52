"""A rider's own wallet: balance, top-ups, auto top-up, transactions, chart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, Unauthenticated
from fahrwerk.payments import contract as payments
from fahrwerk.wallet import contract
from fahrwerk.wallet.contract import GroupBy, TransactionFilter, TransactionType
from fahrwerk.wallet.http.exports import Format, export
from fahrwerk.wallet.http.views import (
    Amount,
    BarView,
    ChartView,
    Id,
    Recommendation,
    StatisticsView,
    TopupsView,
    TopupView,
    TransactionsView,
    WalletView,
    to_minor,
    topup_view,
    transaction_view,
    wallet_view,
)

First = Annotated[int, QueryParameter(name="first", ge=1, le=100, description="Most rows")]
After = Annotated[
    Annotated[str, Meta(max_length=100)] | None,
    QueryParameter(description="``next`` of the page before"),
]
Kind = Annotated[TransactionType | None, QueryParameter(name="type")]
Since = Annotated[datetime | None, QueryParameter(name="from", description="From this time on")]
Until = Annotated[datetime | None, QueryParameter(name="to", description="Until before this time")]
FileFormat = Annotated[Format, QueryParameter(name="format", description="csv or xlsx")]
By = Annotated[GroupBy, QueryParameter(name="group_by", description="day, week or month")]


class TopupWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much to load. With a method it is paid at once, else at ``checkout_url``."""

    amount: Amount
    payment_method_id: Id | None = None


class TopupPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to pay with: a stored method, a new one (the gateway's token), or the default one."""

    payment_method_id: Id | None = None
    gateway_token: Annotated[str, Meta(min_length=4, max_length=255)] | None = None


class AutoWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New settings of auto top-up; what is left out stays (WAL-33)."""

    enabled: bool | None = None
    threshold: Amount | None = None
    amount: Amount | None = None
    payment_method_id: Id | None = None
    day_limit: Amount | None = None
    month_limit: Amount | None = None


def rider_of(call: Call) -> UUID:
    """Whose wallet: the caller's."""
    if call.user is None:
        raise Unauthenticated
    return call.user


@get("/api/v1/wallet", permission="wallet.account.read", conditional=True, tags=["wallet"])
async def get_wallet(call: web.Caller) -> WalletView:
    """The caller's balance (WAL-01). Poll it with ``If-None-Match`` where no stream is possible."""
    return wallet_view(await contract.wallet(call, rider_of(call)), call.locale)


@post("/api/v1/wallet/topups", permission="wallet.topup.create", status_code=201, tags=["wallet"])
async def post_topup(call: web.Caller, data: JSONBody[TopupWish]) -> TopupView:
    """Begin a top-up: a checkout session of 30 minutes (WAL-13).

    Send an ``Idempotency-Key``: a repeat loads nothing twice (WAL-14). Look at ``status``: a
    refused card is ``failed``, and ``paying`` with ``next_action`` wants the rider's confirmation.
    """
    method = data.payment_method_id
    found = await contract.open_topup(
        call,
        to_minor(data.amount, call.currency),
        None if method is None else await payments.find_method(call, method),
        call.key,
    )
    return topup_view(found)


@get("/api/v1/wallet/topups", permission="wallet.account.read", tags=["wallet"])
async def list_topups(call: web.Caller, first: First = 20) -> TopupsView:
    """The caller's newest top-ups."""
    found = await contract.topups(call, rider_of(call), first)
    return TopupsView([topup_view(each) for each in found])


@get("/api/v1/wallet/topups/{topup_id:str}", permission="wallet.account.read", tags=["wallet"])
async def get_topup(call: web.Caller, topup_id: FromPath[str]) -> TopupView:
    """How far a top-up has come."""
    return topup_view(await contract.topup(call, ids.parse(topup_id, contract.TOPUP_PREFIX)))


@post(
    "/api/v1/wallet/topups/{topup_id:str}/pay",
    permission="wallet.topup.create",
    status_code=200,
    tags=["wallet"],
)
async def post_topup_payment(
    call: web.Caller, topup_id: FromPath[str], data: JSONBody[TopupPayment]
) -> TopupView:
    """Pay an open session, with a stored method or a new one. 409 TOPUP_CLOSED when it is over."""
    wanted = ids.parse(topup_id, contract.TOPUP_PREFIX)
    method = None
    if data.gateway_token is not None:
        if data.payment_method_id is not None:
            raise Invalid(field="gateway_token", issue="not together with payment_method_id")
        method = (await payments.add_method(call, data.gateway_token, False)).id
    elif data.payment_method_id is not None:
        method = await payments.find_method(call, data.payment_method_id)
    return topup_view(await contract.pay_topup(call, wanted, method))


@post(
    "/api/v1/wallet/topups/{topup_id:str}/checkout",
    permission="wallet.topup.create",
    status_code=200,
    tags=["wallet"],
)
async def post_checkout(call: web.Caller, topup_id: FromPath[str]) -> TopupView:
    """Pay an open session at a page of the gateway, without a stored method.

    Send the rider to `next_action.url`. The page sends them back to the portal; look at `status`:
    it becomes `credited` when the gateway has told. Nobody paying, it ends `expired` with the
    session (30 minutes).
    """
    return topup_view(await contract.check_out(call, ids.parse(topup_id, contract.TOPUP_PREFIX)))


@patch("/api/v1/wallet/auto-topup", permission="wallet.auto.write", tags=["wallet"])
async def patch_auto_topup(call: web.Caller, data: JSONBody[AutoWish]) -> WalletView:
    """Change auto top-up (``updateAutoTopup``). Switching it on forgets strikes and a pause."""

    def minor(amount: Amount | None, field: str) -> int | None:
        return None if amount is None else to_minor(amount, call.currency, field)

    method = data.payment_method_id
    change = contract.AutoTopupChange(
        is_on=data.enabled,
        below_minor=minor(data.threshold, "threshold"),
        amount_minor=minor(data.amount, "amount"),
        method_id=None if method is None else await payments.find_method(call, method),
        day_minor=minor(data.day_limit, "day_limit"),
        month_minor=minor(data.month_limit, "month_limit"),
    )
    return wallet_view(await contract.change_auto_topup(call, change), call.locale)


def filter_of(kind: TransactionType | None, since: Since, until: Until) -> TransactionFilter:
    """What to list. Raises ``Invalid`` for times that say no offset or no year we know."""
    for field, at in (("from", since), ("to", until)):
        if at is not None:
            clock.of_our_days(field, at)
    return TransactionFilter(type=kind, since=since, until=until)


async def page_of(
    call: Call, rider_id: UUID, wanted: TransactionFilter, after: str | None, first: int
) -> TransactionsView:
    """A page of anybody's transactions."""
    page = await contract.transactions(call, rider_id, wanted, after, first)
    return TransactionsView(
        [transaction_view(each, call.locale) for each in page.transactions], page.after
    )


@get("/api/v1/wallet/transactions", permission="wallet.account.read", tags=["wallet"])
async def list_transactions(
    call: web.Caller,
    first: First = 50,
    after: After = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> TransactionsView:
    """The caller's transactions, newest first, page by page (WAL-24, C-50)."""
    return await page_of(call, rider_of(call), filter_of(kind, since, until), after, first)


@get(
    "/api/v1/wallet/transactions/export",
    permission="wallet.account.read",
    limit="analytics",
    media_type="text/csv",
    tags=["wallet"],
)
async def export_transactions(
    call: web.Caller,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    file: FileFormat = "csv",
) -> Stream:
    """All of them as CSV (UTF-8, cells quoted) or as a sheet, newest first (WAL-24).

    ``format=xlsx``: at most 500,000 rows, amounts as numbers, times in UTC.
    """
    return export(call, rider_of(call), filter_of(kind, since, until), file)


@get(
    "/api/v1/wallet/statistics",
    permission="wallet.account.read",
    limit="analytics",
    tags=["wallet"],
)
async def get_statistics(call: web.Caller) -> StatisticsView:
    """Spent, topped up, counted (WAL-27); up to a minute old (WAL-26)."""
    found = await contract.statistics(call, rider_of(call))
    return StatisticsView(
        money.to_major(found.spent_minor, call.currency),
        money.to_major(found.topped_minor, call.currency),
        found.count,
        call.currency,
    )


@get("/api/v1/wallet/recommendation", permission="wallet.account.read", tags=["wallet"])
async def get_recommendation(call: web.Caller) -> Recommendation:
    """How much to load (WAL-31): a month's usage and a fifth more, less what is there."""
    amount = await contract.recommended_topup(call, rider_of(call))
    return Recommendation(money.to_major(amount, call.currency), call.currency)


@get(
    "/api/v1/wallet/usage",
    permission="wallet.account.read",
    limit="analytics",
    tags=["wallet"],
)
async def get_usage(
    call: web.Caller, since: Since = None, until: Until = None, group_by: By = "day"
) -> ChartView:
    """Data of the usage chart (WAL-25): the last 30 days when no span is given."""
    wanted = filter_of(None, since, until)
    end = wanted.until or clock.now()
    start = wanted.since or end - timedelta(days=30)
    bars = await contract.usage(call, rider_of(call), start, end, group_by)
    return ChartView(
        call.currency,
        [
            BarView(
                each.start,
                money.to_major(each.spent_minor, call.currency),
                money.to_major(each.topped_minor, call.currency),
                each.count,
            )
            for each in bars
        ],
    )


handlers = [
    get_wallet,
    post_topup,
    list_topups,
    get_topup,
    post_topup_payment,
    post_checkout,
    patch_auto_topup,
    list_transactions,
    export_transactions,
    get_statistics,
    get_recommendation,
    get_usage,
]
