"""Billing: top up, wait for the money, auto top-up (WAL-05..07, WAL-13, WAL-17..20)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.kernel import ids, settings, web
from fahrwerk.kernel.errors import Invalid, NotFound, Problem
from fahrwerk.payments import contract as payments
from fahrwerk.site.contract import shell
from fahrwerk.wallet import contract
from fahrwerk.wallet.http.own import rider_of
from fahrwerk.wallet.pages.account import listed
from fahrwerk.wallet.pages.entries import minor_of, written

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.cookies import Visit

PERMISSION = "wallet.topup.create"
MOST_SHOWN = 20
Amount = Annotated[str, QueryParameter(max_length=20)]
Which = Annotated[str, QueryParameter(name="topup", max_length=60)]
STATES = {
    "open": "Not paid yet",
    "paying": "Being paid",
    "credited": "Credited",
    "failed": "Failed",
    "expired": "Expired",
}
REASONS = {
    "card_declined": "The card was declined.",
    "insufficient_funds": "The card has not enough money on it.",
    "expired_card": "The card has expired.",
    "authentication_failed": "Your bank did not confirm the payment.",
    "insufficient_balance": "The balance is not enough.",
    "no_payment_method": "There is no payment method any more.",
    "gateway_unreachable": "The payment provider could not be reached.",
}


def language_of(call: web.Call) -> str:
    """Of amounts in forms."""
    return call.locale[:2]


async def _method(call: web.Call, text: str) -> UUID | None:
    return await payments.find_method(call, text) if text else None


async def _billing(
    call: web.Call, visit: Visit, given: dict[str, str], problem: Problem | None = None
) -> Response[str]:
    """The page, with what was entered and what is wrong with it."""
    rider = rider_of(call)
    wallet, methods, topups, settings, advice = await asyncio.gather(
        contract.wallet(call, rider),
        payments.methods(call),
        contract.topups(call, rider, MOST_SHOWN),
        contract.settings(call),
        contract.recommended_topup(call, rider),
    )
    issues = shell.issues_of(visit, problem) if problem else {}
    for field in ("amount", "topup_amount"):
        if field in issues and "least" not in given:
            issues[field] = shell.told(
                language_of(call),
                "Between {least} and {most}.",
                least=shell.sum_of(visit, settings.least_minor, wallet.currency),
                most=shell.sum_of(visit, settings.most_minor, wallet.currency),
            )
    usual = advice or settings.bonus_from_minor
    return await shell.page(
        visit,
        "wallet/billing.html",
        status=problem.status if problem else 200,
        wallet=wallet,
        methods=listed(visit, methods),
        auto_method=ids.public("pm", wallet.auto.method_id) if wallet.auto.method_id else "",
        topups=[(ids.public(contract.TOPUP_PREFIX, each.id), each) for each in topups],
        settings=settings,
        states=STATES,
        reasons=REASONS,
        given={"amount": written(usual, wallet.currency, language_of(call))} | given,
        key=ids.public("key", ids.new()),
        issues=issues,
        written=lambda minor: written(minor, wallet.currency, language_of(call)),
        presets=_presets(settings),
    )


def _presets(settings: contract.Settings) -> list[int]:
    """Sums to choose from: round ones within the limits, and the one that brings the bonus."""
    wanted = {1_000, 2_500, 5_000, settings.bonus_from_minor}
    return sorted(w for w in wanted if settings.least_minor <= w <= settings.most_minor)


@get(
    "/portal/billing",
    permission=PERMISSION,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def billing(call: web.Caller, visit: web.Visitor, amount: Amount = "") -> Response[str]:
    """Top up, what was topped up, auto top-up (WAL-05)."""
    return await _billing(call, visit, {"amount": amount} if amount else {})


@post(
    "/portal/billing/topup",
    permission=PERMISSION,
    page=True,
    limit="page",
    unkeyed=True,  # the form brings a key of its own
    include_in_schema=False,
)
async def top_up(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Begin a top-up, paid at once with a stored method (WAL-06). A double click pays once."""
    key = form.get("key", "")[:80] or None
    try:
        amount = minor_of(form.get("amount", ""), call.currency, language_of(call))
        method = await _method(call, form.get("method", ""))
        found = await contract.open_topup(call, amount, method, key)
    except Problem as problem:
        return await _billing(call, visit, form, problem)
    return _to(visit, found)


PAGE = "page"
"""Instead of a stored method: a page of the gateway."""


def is_page(url: str) -> bool:
    """A gateway's page, or the sandbox's, which is one of ours."""
    return url.startswith(("https://", f"{settings.load().address}/sandbox/"))


def _to(visit: Visit, found: contract.Topup) -> Response[str]:
    return shell.go(
        visit, f"/portal/billing/success?topup={ids.public(contract.TOPUP_PREFIX, found.id)}"
    )


async def _found(call: web.Call, text: str) -> contract.Topup:
    return await contract.topup(call, ids.parse(text, contract.TOPUP_PREFIX))


@get(
    "/portal/billing/success",
    permission=PERMISSION,
    page=True,
    limit="page",
    include_in_schema=False,
)
async def returned(call: web.Caller, visit: web.Visitor, which: Which = "") -> Response[str]:
    """Where a top-up stands (WAL-07): credited, still to be confirmed or paid, or failed."""
    found = await _found(call, which)
    action = found.next_action or {}
    outside = action.get("url", "")
    is_for_app = "client_secret" in action  # for the gateway's own library, which no page loads
    methods = await payments.methods(call) if found.state == "open" else []
    paying = await payments.payment_for(call, found.id) if found.state == "paying" else None
    return await shell.page(
        visit,
        "wallet/topup.html",
        topup=found,
        is_collecting=paying is not None and paying.state == "processing",
        number=ids.public(contract.TOPUP_PREFIX, found.id),
        wallet=await contract.wallet(call, rider_of(call)),
        outside=outside if is_page(outside) else "",
        is_here="complete_with" in action and not is_for_app,
        is_for_app=is_for_app,
        methods=listed(visit, methods),
        states=STATES,
        reasons=REASONS,
    )


@post(
    "/portal/billing/pay",
    permission=PERMISSION,
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def pay(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Pay a top-up that is open: with a stored method, or at a page of the gateway."""
    found = await _found(call, form.get("topup", ""))
    try:
        if form.get("method") == PAGE:
            return _to(visit, await contract.check_out(call, found.id))  # the page is shown there
        method = await _method(call, form.get("method", ""))
        return _to(visit, await contract.pay_topup(call, found.id, method))
    except Problem as problem:
        return shell.go(visit, "/portal/billing", problem.text, "warning")


@post(
    "/portal/billing/confirm",
    permission=PERMISSION,
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def confirm(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """The bank has confirmed: go on with the payment."""
    found = await _found(call, form.get("topup", ""))
    try:
        await payments.complete_authentication(call, found.payment_id)
    except NotFound:
        raise
    except Problem:
        return _to(visit, found)  # what became of it is shown there
    return _to(visit, found)


@post(
    "/portal/auto-topup",
    permission="wallet.auto.write",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def auto(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Change auto top-up (WAL-33): when, how much, with what, and its limits."""

    def minor(field: str, shown: str) -> int | None:
        text = form.get(field, "").strip()
        return minor_of(text, call.currency, language_of(call), shown) if text else None

    try:
        change = contract.AutoTopupChange(
            is_on="is_on" in form,
            below_minor=minor("below", "below"),
            amount_minor=minor("topup_amount", "topup_amount"),
            method_id=await _method(call, form.get("auto_method", "")),
            day_minor=minor("day_limit", "day_limit"),
            month_minor=minor("month_limit", "month_limit"),
        )
        await contract.change_auto_topup(call, change)
    except Problem as problem:
        if isinstance(problem, Invalid) and problem.details.get("field") == "amount":
            problem = Invalid(field="topup_amount", issue="Please enter an amount.")
        return await _billing(call, visit, form, problem)
    said = "Auto top-up is on." if change.is_on else "Auto top-up is off."
    return shell.go(visit, "/portal/billing", said)


handlers = [billing, top_up, returned, pay, confirm, auto]
