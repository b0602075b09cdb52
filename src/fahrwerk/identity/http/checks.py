"""Checks of age and driving licence (IDN-02)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.identity.contract import checks
from fahrwerk.identity.http.own import own
from fahrwerk.kernel import clock, ids, web


class NewCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``document``: the token that the provider's page or library gave for it."""

    kind: Literal["age", "licence"]
    document: Annotated[str, Meta(min_length=1, max_length=200)]


class CheckShown(msgspec.Struct, frozen=True, kw_only=True):
    """One check; ``status``: pending | verified | rejected | expired."""

    id: str
    kind: str
    provider: str
    status: str
    reason: str | None
    classes: list[str]
    good_until: str | None
    created_at: str
    decided_at: str | None


class ChecksShown(msgspec.Struct, frozen=True):
    """The newest checks of a person, at most 50."""

    id_checks: list[CheckShown]


def checks_shown(found: list[checks.IdCheck]) -> ChecksShown:
    """Checks for their owner or staff."""
    return ChecksShown([check_shown(each) for each in found])


def check_shown(check: checks.IdCheck) -> CheckShown:
    """One check."""
    return CheckShown(
        id=ids.public(checks.CHECK_PREFIX, check.id),
        kind=check.kind,
        provider=check.provider,
        status=check.state,
        reason=check.reason,
        classes=check.classes,
        good_until=clock.stamp(check.good_until) if check.good_until else None,
        created_at=clock.stamp(check.created_at),
        decided_at=clock.stamp(check.decided_at) if check.decided_at else None,
    )


@get("/api/v1/me/id-checks", permission="identity.self", tags=["identity"])
async def list_checks(call: web.Caller) -> ChecksShown:
    """Your checks of age and driving licence (IDN-02), newest first."""
    return checks_shown(await checks.checks(call, own(call)))


@post("/api/v1/me/id-checks", permission="identity.self", limit="auth", tags=["identity"])
async def start_check(call: web.Caller, data: JSONBody[NewCheck]) -> CheckShown:
    """Have your age or driving licence checked (IDN-02); at most five a day.

    422 ``ID_CHECK_REFUSED``, 503 ``ID_PROVIDER_UNAVAILABLE``.
    """
    return check_shown(await checks.start_check(call, data.kind, data.document))


@get(
    "/api/v1/users/{user:str}/id-checks",
    permission="identity.check.read",
    scoped=True,
    tags=["identity"],
)
async def list_users_checks(call: web.Caller, user: FromPath[str]) -> ChecksShown:
    """Somebody's checks of age and driving licence (IDN-02)."""
    return checks_shown(await checks.checks(call, ids.parse(user, "usr")))


handlers = [list_checks, start_check, list_users_checks]
