"""The sandbox's checkout page: a real page, without scripts, where a tester pays or declines.

It stands for a page of a remote gateway: who knows its address may pay there, as with a gateway's
own. It exists only where ``FAHRWERK_DEV`` is on.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, QueryParameter, RawBody
from litestar.response import Redirect

from fahrwerk.kernel import money, web
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.gateways import _sandbox_pages as pages

AnyRequest = Request[Any, Any, State]
_PATH = "/sandbox/checkout/{operator:uuid}/{page:str}"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action *; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
_CARDS = {
    "tok_visa": ("Visa 4242", "geht durch / succeeds"),
    "tok_mastercard": ("Mastercard 4444", "geht durch / succeeds"),
    "tok_insufficientFunds": ("Visa 9995", "nicht gedeckt / insufficient funds"),
    "tok_chargeDeclined": ("Visa 0002", "abgelehnt / declined"),
    "tok_captureTimeoutAfter": ("Visa 1882", "Zeit\u00fcberschreitung / time-out"),
    "tok_createDispute": ("Visa 0259", "wird beanstandet / disputed later"),
}
_SHELL = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;
color:#1a1c20;background:#f5f6f8}}main{{background:#fff;border:1px solid #d8dbe0;
border-radius:.75rem;padding:1.5rem}}h1{{font-size:1.9rem;margin:.25rem 0 1rem}}
label{{display:block;padding:.4rem 0}}
small{{color:#5a6070}}button{{font:inherit;padding:.7rem 1rem;border-radius:.5rem;border:1px solid
#1f5eff;width:100%;margin-top:.75rem;cursor:pointer}}.pay{{background:#1f5eff;color:#fff}}.no{{
background:#fff;color:#1f5eff}}.bad{{background:#fdecec;border-radius:.5rem;padding:.6rem .8rem}}
</style></head><body><main><small>{play}</small><h1>{title}</h1>{content}</main></body></html>"""
_WORDS = {
    "de": {
        "play": "Sandbox-Kasse: Spielgeld, keine echte Zahlung", "pay": "Bezahlen",
        "no": "Abbrechen", "over": "Diese Zahlung ist abgelaufen oder geschlossen.",
        "paid": "Bezahlt. Sie k\u00f6nnen diese Seite schlie\u00dfen.",
        "refused": "Die Karte wurde abgelehnt:", "again": "Bitte nehmen Sie eine andere.",
        "back": "Zur\u00fcck",
    },
    "en": {
        "play": "Sandbox checkout: play money, no real payment", "pay": "Pay", "no": "Cancel",
        "over": "This payment has run out or was closed.", "paid": "Paid. You may close this page.",
        "refused": "The card was declined:", "again": "Please choose another one.",
        "back": "Back",
    },
}  # fmt: skip


async def _found(request: AnyRequest, operator: UUID, page: str) -> tuple[Call, pages.Shown]:
    """The page, where there are such pages. Raises ``NotFound``."""
    if not request.app.state.settings.dev:
        raise NotFound
    call = system(operator, "payments")
    found = await pages.look(call, page[:80])
    if found is None:
        raise NotFound
    return call, found


@get(_PATH, permission=None, public=True, include_in_schema=False)
async def checkout_page(
    call: web.Caller,
    operator: FromPath[UUID],
    page: FromPath[str],
    request: AnyRequest,
    refused: Annotated[str | None, QueryParameter(max_length=60)] = None,
) -> Response[str]:
    """Amount, test cards, pay, cancel."""
    _, found = await _found(request, operator, page)
    lang = "de" if call.locale.lower().startswith("de") else "en"
    return _page(found, lang, refused)


@post(
    _PATH,
    permission=None,
    public=True,
    unkeyed=True,
    status_code=303,
    include_in_schema=False,
)
async def checkout_payment(
    call: web.Caller,
    operator: FromPath[UUID],
    page: FromPath[str],
    body: RawBody,
    request: AnyRequest,
) -> Redirect:
    """Pay with the chosen test card, or cancel; then back to where the rider came from."""
    there, found = await _found(request, operator, page)
    form = {name: values[0] for name, values in parse_qs(body[:2_000].decode("latin-1")).items()}
    here = f"/sandbox/checkout/{operator}/{page}"
    if form.get("do") == "cancel":
        return Redirect(found.cancel_url, status_code=303)
    problem = await pages.pay(there, page[:80], form.get("card", ""))
    if problem is not None:
        return Redirect(f"{here}?refused={problem}", status_code=303)
    return Redirect(found.success_url, status_code=303)


def _page(found: pages.Shown, lang: str, refused: str | None) -> Response[str]:
    words = _WORDS[lang]
    if found.state in ("requires_capture", "succeeded"):
        content = _note(words["paid"], found.success_url, words["back"])
    elif found.is_over or found.state != "requires_action":
        content = _note(words["over"], found.cancel_url, words["back"])
    else:
        content = _form(words, refused)
    title = money.formatted(found.amount_minor, found.currency, lang)
    text = _SHELL.format(lang=lang, title=escape(title), play=words["play"], content=content)
    return Response(text, media_type=MediaType.HTML, headers=_HEADERS)


def _note(text: str, where: str, label: str) -> str:
    return f'<p>{text}</p><p><a href="{escape(where)}">{label}</a></p>'


def _form(words: dict[str, str], refused: str | None) -> str:
    again = f"{words['refused']} {escape(refused or '')}. {words['again']}"
    why = f'<p class="bad" role="alert">{again}</p>' if refused else ""
    cards = "".join(
        f'<label><input type="radio" name="card" value="{token}"'
        f"{'' if number else ' checked'}> {name} <small>{what}</small></label>"
        for number, (token, (name, what)) in enumerate(_CARDS.items())
    )
    return (
        f'{why}<form method="post">{cards}'
        f'<button class="pay" name="do" value="pay">{words["pay"]}</button>'
        f'<button class="no" name="do" value="cancel">{words["no"]}</button></form>'
    )


handlers = [checkout_page, checkout_payment]
