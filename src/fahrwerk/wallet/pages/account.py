"""Payment methods: see them, sign a mandate, add a bank account or a test card, take one away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Invalid, Problem
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import mandates
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.cookies import Visit

TEST_CARDS = {
    "tok_visa": "Visa ···· 4242",
    "tok_mastercard": "Mastercard ···· 4444",
    "tok_threeDSecure": "Visa ···· 3155 (3-D Secure)",
    "tok_chargeDeclined": "Visa ···· 0002 (declined)",
}
"""What the sandbox offers to try with; its gateway takes nothing else for a card."""


Told = Annotated[str, QueryParameter(max_length=255)]
_DEBIT = "Direct debit, account ending in {last4}"
WORDS = {"card": "{brand} ending in {last4}", "sepa": _DEBIT, "sepa_debit": _DEBIT}
STORED = "/portal/methods/account/stored"
"""Where the gateway's page sends back to."""


class Listed(msgspec.Struct, frozen=True):
    """A payment method as pages show it: its public id, and what it is called."""

    id: str
    label: str
    expires: str
    is_default: bool


def listed(visit: Visit, methods: list[payments.Method]) -> list[Listed]:
    """A rider's methods, in the language of the page."""

    def label(each: payments.Method) -> str:
        words = WORDS.get(each.kind)
        if words is None:
            return each.label
        return shell.told(visit.call.locale[:2], words, brand=each.brand, last4=each.last4)

    return [
        Listed(ids.public("pm", each.id), label(each), each.expires, each.is_default)
        for each in methods
    ]


async def _mandate(call: web.Call) -> mandates.MandateOffer | None:
    """What is to be signed; None where the operator does not collect by direct debit."""
    try:
        return await mandates.mandate_offer(call)
    except Problem:
        return None


async def _page(
    call: web.Call,
    visit: Visit,
    problem: Problem | None = None,
    given: web.Form | None = None,
    outside: str = "",
) -> Response[str]:
    """All of it; ``outside`` is the page of the gateway where an account can be stored now."""
    try:
        gateway = (await payments.begin_set_up(call, "card")).gateway
    except Problem:
        gateway = ""  # none takes cards, or it does not answer: what is stored is shown anyway
    return await shell.page(
        visit,
        "wallet/methods.html",
        status=problem.status if problem else 200,
        methods=listed(visit, await payments.methods(call)),
        cards=TEST_CARDS if gateway == "sandbox" else {},
        mandate=await _mandate(call),
        takes_accounts="sepa_debit" in await payments.method_kinds(call),
        outside=outside,
        given=given or {},
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get(
    "/portal/methods",
    permission="payments.method.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def methods(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """The stored ways to pay."""
    return await _page(call, visit)


@post(
    "/portal/methods",
    permission="payments.method.write",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def add(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Store one of the sandbox's test cards."""
    token = form.get("card", "")
    try:
        if token not in TEST_CARDS:
            raise payments.UnknownMethod
        await payments.add_method(call, token, "is_default" in form, "sandbox")
    except Problem as problem:
        return await _page(call, visit, problem)
    return shell.go(visit, "/portal/methods", "The card is stored.")


@post(
    "/portal/methods/mandate",
    permission="payments.method.write",
    page=True,
    limit="page",
    unkeyed=True,  # the same account again is the same mandate
    include_in_schema=False,
)
async def sign(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Sign a SEPA mandate (PAY-33): the account becomes a payment method."""
    wanted = mandates.NewMandate(
        iban=form.get("iban", ""),
        holder=form.get("holder", ""),
        agreed_text=form.get("agreed_text", ""),
        make_default="mandate_default" in form,
    )
    try:
        if "agreed" not in form:
            raise Invalid(field="agreed", issue="Please confirm the mandate.")
        await mandates.sign_mandate(call, wanted)
    except Problem as problem:
        return await _page(call, visit, problem, form)
    return shell.go(visit, "/portal/methods", "The mandate is signed.")


@post(
    "/portal/methods/account",
    permission="payments.method.write",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def begin_account(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Make a page of the gateway where the rider enters an IBAN and gives the mandate there."""
    try:
        begun = await payments.begin_set_up(call, "sepa_debit", STORED)
    except Problem as problem:
        return await _page(call, visit, problem)
    # A link and no redirect: a form of ours must not lead elsewhere (CSP).
    return await _page(call, visit, outside=begun.url or "")


@get(
    STORED,
    permission="payments.method.write",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def store_account(
    call: web.Caller, visit: web.Visitor, result: Told = "", token: Told = ""
) -> Response[str]:
    """Back from there: what was stored is the rider's own, so coming twice is harmless."""
    if result != "success":
        return await _page(call, visit)
    try:
        await payments.add_method(call, token, False, kind="sepa_debit")
    except Problem as problem:
        return await _page(call, visit, problem)
    return shell.go(visit, "/portal/methods", "The bank account is stored.")


@post(
    "/portal/methods/remove",
    permission="payments.method.write",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def remove(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Forget one; one that a ride or auto top-up needs stays."""
    try:
        await payments.remove_method(call, ids.parse(form.get("method", ""), "pm"))
    except Problem as problem:
        return await _page(call, visit, problem)
    return shell.go(visit, "/portal/methods", "The payment method is removed.")


handlers = [methods, add, sign, begin_account, store_account, remove]
