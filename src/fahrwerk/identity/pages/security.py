"""How one's own account is secured: password, authenticator app, recovery codes, passkeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar import Response, get, post

from fahrwerk.identity.contract import factors, passkeys, sessions, sso
from fahrwerk.identity.pages.deeds import done, refused
from fahrwerk.identity.pages.own import KEYS, SECURITY
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit


async def _page(call: Call, visit: Visit, problem: Problem | None = None) -> Response[str]:
    found = [
        msgspec.structs.asdict(each) | {"public_id": ids.public(passkeys.PASSKEY_PREFIX, each.id)}
        for each in await passkeys.passkeys(call)
    ]
    return await shell.page(
        visit,
        "identity/security.html",
        status=problem.status if problem else 200,
        security=await factors.security(call),
        passkeys=found,
        links=await sso.sso_links(call),
        may_keys=call.may(KEYS),
        issues=shell.issues_of(visit, problem) if problem else {},
    )


async def once(visit: Visit, title: str, secrets: list[str], after: str) -> Response[str]:
    """Secrets that are shown this once; pages are kept by nobody (``no-store``)."""
    return await shell.page(visit, "identity/once.html", title=title, secrets=secrets, after=after)


@get(
    "/account/security",
    permission="identity.self",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def security(call: web.Caller, visit: web.Visitor) -> Response[str]:
    """How the account is secured."""
    return await _page(call, visit)


@post(
    "/account/password",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def change_password(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Another password; all other sessions end."""
    old, new = form.get("old_password", "")[:200], form.get("password", "")[:201]
    deed = sessions.change_password(call, old, new)
    return await done(
        visit, deed, SECURITY, "Your password is changed.", lambda p: _page(call, visit, p)
    )


async def _totp_page(
    visit: Visit, setup: factors.TotpSetup | None, problem: Problem | None = None
) -> Response[str]:
    return await shell.page(
        visit,
        "identity/totp.html",
        status=problem.status if problem else 200,
        setup=setup,
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@post(
    "/account/totp",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def begin_totp(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """The picture for an authenticator app; it counts with its first code."""
    try:
        setup = await factors.begin_totp(call)
    except Problem as problem:
        return await refused(visit, problem, SECURITY, lambda p: _page(call, visit, p))
    return await _totp_page(visit, setup)


@post(
    "/account/totp/confirm",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def confirm_totp(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """The app's first code. A wrong one may be repeated: the app knows its key by now."""
    try:
        codes = await factors.confirm_totp(call, form.get("code", "")[:40])
    except Problem as problem:
        return await _totp_page(visit, None, problem)
    return await once(visit, "Your recovery codes", codes, SECURITY)


@post(
    "/account/totp/remove",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def remove_totp(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Do without the app."""
    deed = factors.remove_totp(call)
    return await done(visit, deed, SECURITY, "The app is removed.", lambda p: _page(call, visit, p))


@post(
    "/account/recovery-codes",
    permission="identity.self",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def new_recovery_codes(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Ten new ones; those of before are worth nothing."""
    try:
        codes = await factors.new_recovery_codes(call)
    except Problem as problem:
        return await refused(visit, problem, SECURITY, lambda p: _page(call, visit, p))
    return await once(visit, "Your recovery codes", codes, SECURITY)


@post(
    "/account/passkeys/rename",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def rename_passkey(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Another name for a passkey."""
    chosen = ids.parse(form.get("passkey", ""), passkeys.PASSKEY_PREFIX)
    deed = passkeys.rename_passkey(call, chosen, form.get("name", ""))
    return await done(visit, deed, SECURITY, "It is saved.", lambda p: _page(call, visit, p))


@post(
    "/account/passkeys/remove",
    permission="identity.self",
    page=True,
    limit="page",
    unkeyed=True,
    include_in_schema=False,
)
async def remove_passkey(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Do without a passkey."""
    chosen = ids.parse(form.get("passkey", ""), passkeys.PASSKEY_PREFIX)
    deed = passkeys.delete_passkey(call, chosen)
    return await done(
        visit, deed, SECURITY, "The passkey is removed.", lambda p: _page(call, visit, p)
    )


handlers = [
    security,
    change_password,
    begin_totp,
    confirm_totp,
    remove_totp,
    new_recovery_codes,
    rename_passkey,
    remove_passkey,
]
