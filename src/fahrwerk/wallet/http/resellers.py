"""Resellers for staff, for themselves, and the code a rider types in (WAL-30)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.wallet.contract import resellers as contract
from fahrwerk.wallet.http.own import Since, Until
from fahrwerk.wallet.http.views import Amount, Id, to_minor

Search = Annotated[
    Annotated[str, Meta(max_length=100)] | None,
    QueryParameter(description="A part of name or code"),
]
Of = Annotated[Annotated[str, Meta(max_length=80)] | None, QueryParameter(name="reseller_id")]
PayoutState = Literal["draft", "paying", "paid", "cancelled"]
Percent = Annotated[
    Decimal, Meta(examples=["2.5"], description="Percent of the amount loaded, to two decimals")
]


class TermsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was agreed with a reseller."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    code: Annotated[str, Meta(min_length=3, max_length=20)]
    rate: Percent
    least: Amount = Decimal(0)
    account: Annotated[str, Meta(max_length=100)] = ""
    user_id: Id | None = None
    is_active: bool = True


class ResellerView(msgspec.Struct, frozen=True, kw_only=True):
    """A reseller, his terms and how he stands."""

    id: str
    name: str
    code: str
    rate: float
    least: float
    account: str
    user_id: str | None
    is_active: bool
    customers: int
    earned: float
    open: float
    currency: str
    created_at: str


class ResellersView(msgspec.Struct, frozen=True):
    """One page of resellers."""

    resellers: list[ResellerView]
    pagination: web.Pagination


class CommissionView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a statement: earned, or clawed back when negative."""

    id: str
    topup_id: str
    rate: float
    base: float
    amount: float
    currency: str
    at: str
    payout_id: str | None


class CommissionsView(msgspec.Struct, frozen=True):
    """One page of a statement."""

    lines: list[CommissionView]
    pagination: web.Pagination


class PayoutView(msgspec.Struct, frozen=True, kw_only=True):
    """What a reseller is paid at once."""

    id: str
    reseller_id: str
    until: str
    amount: float
    currency: str
    state: str
    made_by: str
    made_at: str
    paid_by: str | None
    paid_at: str | None
    bank_reference: str
    gateway: str
    reason: str


class PayoutsView(msgspec.Struct, frozen=True):
    """One page of payouts."""

    payouts: list[PayoutView]
    pagination: web.Pagination


class PayoutRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines until before this time; now when left out."""

    until: datetime | None = None


class PayoutDrafts(msgspec.Struct, frozen=True):
    """What a run has drafted; nothing where nobody has enough to come."""

    payouts: list[PayoutView]


class Paid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the transfer is called at the bank."""

    bank_reference: Annotated[str, Meta(max_length=140)] = ""


class JoinBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reseller's code."""

    code: Annotated[str, Meta(min_length=3, max_length=20)]


class Joined(msgspec.Struct, frozen=True):
    """Whose customer the rider is now."""

    reseller: str


def _check_times(since: datetime | None, until: datetime | None) -> None:
    for field, at in (("from", since), ("to", until)):
        if at is not None:
            clock.of_our_days(field, at)


def _terms(data: TermsBody, currency: str) -> contract.ResellerTerms:
    # Asked first: there are numbers (sNaN, 1e999999) with which nothing can be reckoned.
    is_share = data.rate.is_finite() and abs(data.rate) <= 100
    rate = data.rate * 100 if is_share else Decimal("0.1")
    if rate != rate.to_integral_value():
        raise Invalid(field="rate", issue="must have at most two decimals")
    return contract.ResellerTerms(
        name=data.name,
        code=data.code,
        rate_bp=int(rate),
        least_minor=to_minor(data.least, currency, "least"),
        account=data.account,
        person_id=None if data.user_id is None else ids.parse(data.user_id, "usr"),
        is_active=data.is_active,
    )


def _reseller(found: contract.Reseller, currency: str) -> ResellerView:
    return ResellerView(
        id=ids.public(contract.RESELLER_PREFIX, found.id),
        name=found.name,
        code=found.code,
        rate=found.rate_bp / 100,
        least=money.to_major(found.least_minor, currency),
        account=found.account,
        user_id=None if found.person_id is None else ids.public("usr", found.person_id),
        is_active=found.is_active,
        customers=found.customers,
        earned=money.to_major(found.earned_minor, currency),
        open=money.to_major(found.open_minor, currency),
        currency=currency,
        created_at=clock.stamp(found.created_at),
    )


def _commission(line: contract.Commission) -> CommissionView:
    return CommissionView(
        id=ids.public("com", line.id),
        topup_id=ids.public("top", line.topup_id),
        rate=line.rate_bp / 100,
        base=money.to_major(line.base_minor, line.currency),
        amount=money.to_major(line.amount_minor, line.currency),
        currency=line.currency,
        at=clock.stamp(line.at),
        payout_id=None
        if line.payout_id is None
        else ids.public(contract.PAYOUT_PREFIX, line.payout_id),
    )


def _payout(found: contract.Payout) -> PayoutView:
    return PayoutView(
        id=ids.public(contract.PAYOUT_PREFIX, found.id),
        reseller_id=ids.public(contract.RESELLER_PREFIX, found.reseller_id),
        until=clock.stamp(found.until),
        amount=money.to_major(found.amount_minor, found.currency),
        currency=found.currency,
        state=found.state,
        made_by=found.made_by,
        made_at=clock.stamp(found.made_at),
        paid_by=found.paid_by,
        paid_at=None if found.paid_at is None else clock.stamp(found.paid_at),
        bank_reference=found.bank_reference,
        gateway=found.gateway,
        reason=found.reason,
    )


@get("/api/v1/resellers", permission="wallet.reseller.read", tags=["wallet"])
async def list_resellers(
    call: web.Caller, q: Search = None, limit: web.Limit = 50, offset: web.Offset = 0
) -> ResellersView:
    """Resellers by name, with customers, commission earned and still to come."""
    page = await contract.resellers(call, q, limit, offset)
    shown = [_reseller(each, call.currency) for each in page.resellers]
    return ResellersView(shown, web.pagination(page.total, limit, offset, len(shown)))


@post("/api/v1/resellers", permission="wallet.reseller.write", status_code=201, tags=["wallet"])
async def post_reseller(call: web.Caller, data: JSONBody[TermsBody]) -> ResellerView:
    """A new reseller. 409 RESELLER_CODE_TAKEN for a code or person another one has."""
    made = await contract.add_reseller(call, _terms(data, call.currency))
    return _reseller(made, call.currency)


@get("/api/v1/resellers/{reseller_id:str}", permission="wallet.reseller.read", tags=["wallet"])
async def get_reseller(call: web.Caller, reseller_id: FromPath[str]) -> ResellerView:
    """One reseller."""
    found = await contract.reseller(call, ids.parse(reseller_id, contract.RESELLER_PREFIX))
    return _reseller(found, call.currency)


@put("/api/v1/resellers/{reseller_id:str}", permission="wallet.reseller.write", tags=["wallet"])
async def put_reseller(
    call: web.Caller, reseller_id: FromPath[str], data: JSONBody[TermsBody]
) -> ResellerView:
    """Replace the terms; a new rate holds for top-ups from now on."""
    wanted = ids.parse(reseller_id, contract.RESELLER_PREFIX)
    changed = await contract.change_reseller(call, wanted, _terms(data, call.currency))
    return _reseller(changed, call.currency)


@get(
    "/api/v1/resellers/{reseller_id:str}/commissions",
    permission="wallet.reseller.read",
    tags=["wallet"],
)
async def list_commissions(
    call: web.Caller,
    reseller_id: FromPath[str],
    since: Since = None,
    until: Until = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> CommissionsView:
    """A reseller's statement, newest first."""
    wanted = ids.parse(reseller_id, contract.RESELLER_PREFIX)
    _check_times(since, until)
    await contract.reseller(call, wanted)  # or it is nobody's statement
    page = await contract.commissions(call, wanted, since, until, limit, offset)
    shown = [_commission(line) for line in page.lines]
    return CommissionsView(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/reseller", permission="wallet.reseller.own", tags=["wallet"])
async def get_own_reseller(call: web.Caller) -> ResellerView:
    """The caller's own terms and standing, for a reseller who logs in."""
    return _reseller(await contract.own_reseller(call), call.currency)


@get("/api/v1/reseller/commissions", permission="wallet.reseller.own", tags=["wallet"])
async def list_own_commissions(
    call: web.Caller,
    since: Since = None,
    until: Until = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> CommissionsView:
    """The caller's own statement, newest first."""
    _check_times(since, until)
    own = await contract.own_reseller(call)
    page = await contract.commissions(call, own.id, since, until, limit, offset)
    shown = [_commission(line) for line in page.lines]
    return CommissionsView(shown, web.pagination(page.total, limit, offset, len(shown)))


@get("/api/v1/reseller-payouts", permission="wallet.reseller.read", tags=["wallet"])
async def list_payouts(
    call: web.Caller,
    of: Of = None,
    status: Annotated[PayoutState | None, QueryParameter()] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> PayoutsView:
    """Payouts, newest first; `status=draft` are those that wait for a second person."""
    wanted = None if of is None else ids.parse(of, contract.RESELLER_PREFIX)
    page = await contract.payouts(call, wanted, status, limit, offset)
    shown = [_payout(each) for each in page.payouts]
    return PayoutsView(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/reseller-payouts", permission="wallet.payout.create", status_code=201, tags=["wallet"]
)
async def post_payouts(call: web.Caller, data: JSONBody[PayoutRun]) -> PayoutDrafts:
    """Draft a payout for every reseller who has enough to come."""
    until = clock.now() if data.until is None else clock.of_our_days("until", data.until)
    made = await contract.run_payouts(call, until)
    return PayoutDrafts([_payout(each) for each in made])


@post(
    "/api/v1/reseller-payouts/{payout_id:str}/pay",
    permission="wallet.payout.pay",
    while_suspended=True,
    status_code=200,
    tags=["wallet"],
)
async def post_paid(call: web.Caller, payout_id: FromPath[str], data: JSONBody[Paid]) -> PayoutView:
    """Say that the money has left the bank. 403 SECOND_PERSON_NEEDED for who drafted it."""
    wanted = ids.parse(payout_id, contract.PAYOUT_PREFIX)
    return _payout(await contract.pay_payout(call, wanted, data.bank_reference))


@post(
    "/api/v1/reseller-payouts/{payout_id:str}/transfer",
    permission="wallet.payout.pay",
    while_suspended=True,
    status_code=200,
    tags=["wallet"],
)
async def post_transfer(call: web.Caller, payout_id: FromPath[str]) -> PayoutView:
    """Pay by a transfer to the reseller's account at the gateway (such as ``acct_...``).

    ``paying`` until the gateway has answered; ``draft`` again with a ``reason`` when it refuses.
    """
    wanted = ids.parse(payout_id, contract.PAYOUT_PREFIX)
    return _payout(await contract.transfer_payout(call, wanted))


@post(
    "/api/v1/reseller-payouts/{payout_id:str}/cancel",
    permission="wallet.payout.create",
    status_code=200,
    tags=["wallet"],
)
async def post_cancelled(call: web.Caller, payout_id: FromPath[str]) -> PayoutView:
    """Drop a draft; its lines come into the next run."""
    return _payout(await contract.cancel_payout(call, ids.parse(payout_id, contract.PAYOUT_PREFIX)))


@post("/api/v1/wallet/reseller", permission="wallet.account.read", status_code=200, tags=["wallet"])
async def post_join(call: web.Caller, data: JSONBody[JoinBody]) -> Joined:
    """Become the customer of the reseller who has this code."""
    return Joined(await contract.join_reseller(call, data.code))


handlers = [
    list_resellers,
    post_reseller,
    get_reseller,
    put_reseller,
    list_commissions,
    get_own_reseller,
    list_own_commissions,
    list_payouts,
    post_payouts,
    post_paid,
    post_transfer,
    post_cancelled,
    post_join,
]
