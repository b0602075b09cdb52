"""Payment methods: see them, add a test card of the sandbox, take one away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar import Response, get, post

from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Problem
from fahrwerk.payments import contract as payments
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


class Listed(msgspec.Struct, frozen=True):
    """A payment method as pages show it: its public id, and what it is called."""

    id: str
    label: str
    expires: str
    is_default: bool


def listed(visit: Visit, methods: list[payments.Method]) -> list[Listed]:
    """A rider's methods, in the language of the page."""

    def label(each: payments.Method) -> str:
        if each.kind != "card":
            return each.label
        words = "{brand} ending in {last4}"
        return shell.told(visit.call.locale[:2], words, brand=each.brand, last4=each.last4)

    return [
        Listed(ids.public("pm", each.id), label(each), each.expires, each.is_default)
        for each in methods
    ]


async def _page(call: web.Call, visit: Visit, problem: Problem | None = None) -> Response[str]:
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


handlers = [methods, add, remove]
