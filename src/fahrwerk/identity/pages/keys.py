"""API keys, for those who may have some (IDN-36)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar import Response, get, post

from fahrwerk.identity.contract import keys
from fahrwerk.identity.pages.deeds import refused
from fahrwerk.identity.pages.security import once
from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Invalid, Problem
from fahrwerk.site.contract import shell

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.cookies import Visit

PATH = "/account/keys"
A_PAGE = 25
OVERLAP_H = 24


async def _page(
    call: Call,
    visit: Visit,
    offset: int = 0,
    problem: Problem | None = None,
    form: dict[str, str] | None = None,
) -> Response[str]:
    found = await keys.keys(call, A_PAGE, offset)
    shown = [
        msgspec.structs.asdict(each)
        | {"public_id": ids.public(keys.KEY_PREFIX, each.id), "is_own": each.person_id == call.user}
        for each in found.keys
    ]
    return await shell.page(
        visit,
        "identity/keys.html",
        status=problem.status if problem else 200,
        keys=shown,
        total=found.total,
        limit=A_PAGE,
        offset=offset,
        may=sorted(call.permissions),
        given={name: (form or {}).get(name, "") for name in ("name", "days", "scopes")},
        issues=shell.issues_of(visit, problem) if problem else {},
    )


@get(
    "/account/keys",
    permission="identity.key.manage",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def api_keys(call: web.Caller, visit: web.Visitor, offset: web.Offset = 0) -> Response[str]:
    """The keys one has made; of all with permission for that."""
    return await _page(call, visit, offset)


@post(
    "/account/keys",
    permission="identity.key.manage",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def make(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """Make a key; its secret is shown this once."""
    try:
        days = form.get("days", "")
        if not (days.isascii() and days.isdigit() and len(days) <= 3):
            raise Invalid(field="days", issue="1 to 366")
        made = await keys.make_key(
            call, form.get("name", "")[:101], form.get("scopes", "")[:9000].split(), int(days)
        )
    except Problem as problem:
        return await refused(visit, problem, PATH, lambda p: _page(call, visit, 0, p, form))
    return await once(visit, "Your new API key", [made.secret], PATH)


@post(
    "/account/keys/change",
    permission="identity.key.manage",
    page=True,
    limit="auth",
    unkeyed=True,
    include_in_schema=False,
)
async def change(call: web.Caller, visit: web.Visitor, form: web.Form) -> Response[str]:
    """A new secret for a key (the one before is good for a day more), or its end."""
    try:
        chosen = ids.parse(form.get("key", ""), keys.KEY_PREFIX)
        if form.get("deed") == "rotate":
            turned = await keys.rotate_key(call, chosen, OVERLAP_H)
            return await once(visit, "Your new API key", [turned.secret], PATH)
        await keys.revoke_key(call, chosen)
    except Problem as problem:
        return await refused(visit, problem, PATH, lambda p: _page(call, visit, 0, p))
    return shell.go(visit, PATH, "The key is ended.")


handlers = [api_keys, make, change]
