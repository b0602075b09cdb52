"""Payment methods: see them, sign a SEPA mandate, add a test card of the sandbox, take one away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar import Response, get, post

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


WORDS = {"card": "{brand} ending in {last4}", "sepa": "Direct debit, account ending in {last4}"}


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
    call: web.Call, visit: Visit, problem: Problem | None = None, given: web.Form | None = None
) -> Response[str]:
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


handlers = [methods, add, sign, remove]
