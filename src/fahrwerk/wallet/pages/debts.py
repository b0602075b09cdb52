"""What rides still owe: see it and pay it, with a stored method or from the balance (PAY-28)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import NotFound, Problem
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import debts as contract
from fahrwerk.payments.contract.debts import DEBT_PREFIX
from fahrwerk.site.contract import shell
from fahrwerk.wallet import contract as wallet
from fahrwerk.wallet.http.own import rider_of
from fahrwerk.wallet.pages.account import listed
from fahrwerk.wallet.pages.topup import REASONS, is_page

if TYPE_CHECKING:
    from fahrwerk.kernel.cookies import Visit

ON_PAGE = 25
BALANCE = "balance"
"""Instead of a stored method."""
STATES = {"open": "To be paid", "written_off": "To be paid", "paid": "Paid", "forgiven": "Waived"}
From = Annotated[int, QueryParameter(name="offset", ge=0, le=100_000)]


async def owed_by(call: web.Call) -> int:
    """What keeps the caller from booking, in minor units; 0 when nothing does."""
    try:
        await contract.check_debts(call, rider_of(call))
    except contract.DebtOpen as problem:
        return int(problem.details["amount_minor"])
    return 0


async def _page(
    call: web.Call, visit: Visit, offset: int = 0, problem: Problem | None = None, at: str = ""
) -> Response[str]:
    """All debts; ``at`` is the one that a problem is about."""
    page, methods, account = await asyncio.gather(
        contract.own_debts(call, ON_PAGE, offset),
        payments.methods(call),
        wallet.wallet(call, rider_of(call)),
    )
    asked = problem if isinstance(problem, payments.AuthenticationRequired) else None
    action = (asked.details.get("next_action") if asked else None) or {}
    return await shell.page(
        visit,
        "wallet/debts.html",
        status=problem.status if problem else 200,
        debts=[(ids.public(DEBT_PREFIX, each.id), each) for each in page.debts],
        total=page.total,
        offset=offset,
        limit=ON_PAGE,
        methods=listed(visit, methods),
        balance=account.available_minor,
        currency=account.currency,
        states=STATES,
        at=at,
        is_asked=asked is not None and bool(action),
        outside=action.get("url", "") if is_page(action.get("url", "")) else "",
        is_for_app="client_secret" in action,
        issues=_issues(visit, problem) if problem else {},
        ride=lambda each: ids.public("rent", each.reference),
    )


def _issues(visit: Visit, problem: Problem) -> dict[str, str]:
    """Why it was not paid, in words where there are some."""
    reason = REASONS.get(str(problem.details.get("reason")))
    if reason is None:
        return shell.issues_of(visit, problem)
    return {"": shell.told(visit.call.locale[:2], reason)}


@get(
    "/portal/debts",
    permission="payments.payment.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def debts(call: web.Caller, visit: web.Visitor, offset: From = 0) -> Response[str]:
    """What the rider owes, and what was owed."""
    return await _page(call, visit, offset)


@post(
    "/portal/debts/pay",
    permission="wallet.topup.create",
    page=True,
    limit="page",
    unkeyed=True,  # what is paid is not paid again
    include_in_schema=False,
)
async def pay(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Pay one, whole. A double click pays once."""
    public, method = form.get("debt", ""), form.get("method", "")
    try:
        debt_id = ids.parse(public, DEBT_PREFIX)
        if method == BALANCE:
            await wallet.pay_debt(call, debt_id)
        else:
            chosen = await payments.find_method(call, method) if method else None
            await contract.pay_debt(call, debt_id, chosen)
    except NotFound:
        raise
    except Problem as problem:
        return await _page(call, visit, 0, problem, public)
    return shell.go(visit, "/portal/debts", "Thank you, that is paid.")


@post(
    "/portal/debts/confirm",
    permission="wallet.topup.create",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def confirm(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """The bank has confirmed: go on with the payment."""
    public = form.get("debt", "")
    found = await contract.debt(call, ids.parse(public, DEBT_PREFIX))
    try:
        await payments.complete_authentication(call, found.payment_id)
    except NotFound:
        raise
    except Problem as problem:
        return await _page(call, visit, 0, problem, public)
    return shell.go(visit, "/portal/debts", "Thank you, that is paid.")


handlers = [debts, pay, confirm]
