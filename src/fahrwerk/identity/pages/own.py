"""One's own profile, addresses and password, and proving again that it is you (IDN-31)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.params import QueryParameter

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import birth, factors, proofs, sessions, sso
from fahrwerk.identity.pages.deeds import done
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Invalid, Problem, Unauthenticated
from fahrwerk.site.contract import shell
from fahrwerk.tenancy.contract import markets

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

PATH = "/account"
SECURITY = "/account/security"
KEYS = "identity.key.manage"
Next = Annotated[str, QueryParameter(name="next", max_length=1000)]
_FIELDS = ("first_name", "last_name", "locale", "phone")

shell.offer(PATH, "My account", "identity.self")


def who(call: Call) -> UUID:
    """Who looks. Raises ``Unauthenticated`` for nobody."""
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    return call.user


async def _page(
    call: Call, visit: Visit, problem: Problem | None = None, form: dict[str, str] | None = None
) -> Response[str]:
    person = await identity.person(call, who(call))
    stored = {name: getattr(person, name) or "" for name in _FIELDS}
    stored["locale"] = stored["locale"][:2]
    return await shell.page(
        visit,
        "identity/account.html",
        status=problem.status if problem else 200,
        given={name: (form or {}).get(name, stored[name]) for name in _FIELDS},
        security=await factors.security(call),
        born=await birth.birth_date(call),
        minimum_ages=await markets.minimum_ages(call),
        may_keys=call.may(KEYS),
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get("/account", permission="identity.self", page=True, limit="page", include_in_schema=False)
async def account(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """Name, language, addresses."""
    return await _page(call, visit)


@post(
    "/account",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def save(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Save the profile; an empty field is removed."""
    said = {name: form.get(name, "").strip() or None for name in _FIELDS}
    deed = identity.change_profile(call, identity.ProfileChange(**said))
    return await done(visit, deed, PATH, "It is saved.", lambda p: _page(call, visit, p, form))


async def _born(call: Call, text: str) -> None:
    try:
        born = date.fromisoformat(text)
    except ValueError:
        raise Invalid(field="birth_date", issue="must be a day in the past 120 years") from None
    await birth.declare_birth_date(call, born)


@post(
    "/account/birth-date",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def say_birth_date(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Say when one was born, once: some cities have a minimum age (TEN-25)."""
    deed = _born(call, form.get("birth_date", "").strip()[:20])
    return await done(visit, deed, PATH, "It is saved.", lambda p: _page(call, visit, p))


@post(
    "/account/email",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def change_email(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Ask for another e-mail address: both addresses have to agree."""
    deed = proofs.ask_email_change(call, form.get("email", "").strip()[:255])
    said = "Please open the links in both letters."
    return await done(visit, deed, PATH, said, lambda p: _page(call, visit, p))


@post(
    "/account/verification",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def ask_verification(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Have a link or code sent that proves an address."""
    deed = proofs.ask_verification(call, form.get("channel", ""))
    return await done(visit, deed, PATH, "It is on its way.", lambda p: _page(call, visit, p))


@post(
    "/account/verification/code",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def verify_phone(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Prove the phone number by the code that was sent there."""
    deed = proofs.verify_code(call, "phone", form.get("code", "")[:40])
    said = "Your phone number is confirmed."
    return await done(visit, deed, PATH, said, lambda p: _page(call, visit, p))


async def _confirm_page(
    call: Call, visit: Visit, after: str, problem: Problem | None = None
) -> Response[str]:
    found = await sso.sso_links(call)
    return await shell.page(
        visit,
        "identity/confirm.html",
        status=problem.status if problem else 200,
        after=after,
        security=await factors.security(call),
        links=[{"id": ids.public("sso", each.provider_id), "name": each.name} for each in found],
        tenant=call.tenant_slug,
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get(
    "/account/confirm",
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def confirm_page(call: web.Caller, visit: web.Visitor, after: Next = PATH) -> Response[str]:
    """Before something sensitive: by password or code, or by logging in once more."""
    return await _confirm_page(call, visit, after)


@post(
    "/account/confirm",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def confirm(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """It is you: good for 15 minutes."""
    after = form.get("next", PATH)
    password, code = form.get("password", "")[:200], form.get("code", "")[:40]
    deed = sessions.confirm(call, password or None, code or None)
    said = "Thank you. Please do it again now."
    return await done(visit, deed, after, said, lambda p: _confirm_page(call, visit, after, p))


handlers = [
    account,
    save,
    say_birth_date,
    change_email,
    ask_verification,
    verify_phone,
    confirm_page,
    confirm,
]
