"""Privacy over HTTP for an operator's staff: requests of people, retention, texts of consents."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.identity.contract import privacy as contract
from fahrwerk.identity.http.privacy import (
    PREFIX,
    ConsentsShown,
    ObstaclesShown,
    RequestShown,
    RequestsShown,
    RestrictionShown,
    RestrictionWish,
    consent_shown,
    obstacles_shown,
    request_shown,
    requests_shown,
)
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import clock, ids, web

Which = Annotated[str, QueryParameter(name="status", max_length=10)]


class SettingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``officer``: whom people may turn to. ``grace_days``: an erasure may be called off."""

    officer: Annotated[str, Meta(max_length=500)] = ""
    grace_days: Annotated[int, Meta(ge=0, le=14)] = 0


class RetentionShown(msgspec.Struct, frozen=True, kw_only=True):
    """How long one kind of data is kept."""

    rule: str
    title: str
    days: int
    usual_days: int
    least: int
    most: int


class RetentionsShown(msgspec.Struct, frozen=True):
    """All kinds."""

    retention: list[RetentionShown]


class RetentionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days by rule; what is left out stays."""

    days: Annotated[
        dict[Annotated[str, Meta(max_length=60)], Annotated[int, Meta(ge=1, le=36_500)]],
        Meta(max_length=100),
    ]


class RunShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was thrown away of one kind in one night."""

    rule: str
    before: str
    deleted: int
    at: str


class RunsShown(msgspec.Struct, frozen=True):
    """Newest first."""

    runs: list[RunShown]
    pagination: web.Pagination


class ConsentTextBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words to agree to, in one language."""

    language: Annotated[str, Meta(pattern="^(de|en)$")]
    text: Annotated[str, Meta(min_length=1, max_length=rules.LONGEST_TEXT)]


class ConsentTextShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is agreed to now."""

    purpose: str
    title: str
    language: str
    version: int
    text: str
    published_at: str | None


@get(
    f"{PREFIX}/all-requests",
    permission="identity.privacy.read",
    scoped=True,
    personal=True,
    tags=["identity"],
)
async def list_privacy_requests(
    call: web.Caller, which: Which = "", limit: web.Limit = 50, offset: web.Offset = 0
) -> RequestsShown:
    """What people asked for about their data, by when it is to be answered (Art. 12)."""
    found = await contract.requests(call, None, which or None, limit, offset)
    return requests_shown(found, limit, offset)


@get(
    f"{PREFIX}/users/{{user:str}}/consents",
    permission="identity.privacy.read",
    scoped=True,
    personal=True,
    tags=["identity"],
)
async def list_users_consents(call: web.Caller, user: FromPath[str]) -> ConsentsShown:
    """What somebody agreed to (Art. 7)."""
    found = await contract.consents(call, ids.parse(user, "usr"))
    return ConsentsShown([consent_shown(each) for each in found])


@get(
    f"{PREFIX}/users/{{user:str}}/erasures/check",
    permission="identity.privacy.read", scoped=True, personal=True, tags=["identity"],
)  # fmt: skip
async def check_users_erasure(call: web.Caller, user: FromPath[str]) -> ObstaclesShown:
    """What stands against erasing somebody now."""
    return obstacles_shown(await contract.erasure_obstacles(call, ids.parse(user, "usr")))


@post(
    f"{PREFIX}/users/{{user:str}}/exports",
    permission="identity.privacy.write", limit="auth", status_code=202, tags=["identity"],
)  # fmt: skip
async def export_user(call: web.Caller, user: FromPath[str]) -> RequestShown:
    """Have somebody's data put together who asked for it otherwise; only he can download it."""
    return request_shown(await contract.ask_export(call, ids.parse(user, "usr")))


@post(
    f"{PREFIX}/users/{{user:str}}/erasures",
    permission="identity.privacy.write", limit="auth", status_code=202, tags=["identity"],
)  # fmt: skip
async def erase_user(call: web.Caller, user: FromPath[str]) -> RequestShown:
    """Have somebody erased who asked for it otherwise. 409 ``ERASURE_NOT_POSSIBLE``."""
    return request_shown(await contract.ask_erasure(call, ids.parse(user, "usr")))


@put(
    f"{PREFIX}/users/{{user:str}}/restriction",
    permission="identity.privacy.write",
    tags=["identity"],
)
async def restrict_user(
    call: web.Caller, user: FromPath[str], data: JSONBody[RestrictionWish]
) -> RestrictionShown:
    """Have somebody's data kept but not used, or used again (Art. 18)."""
    person = ids.parse(user, "usr")
    await contract.restrict(call, person, data.is_restricted, data.reason)
    since = await contract.restricted_since(call, person)
    return RestrictionShown(clock.stamp(since) if since else None)


@get(f"{PREFIX}/settings", permission="identity.privacy.read", tags=["identity"])
async def read_privacy_settings(call: web.Caller) -> SettingBody:
    """Whom people may turn to, and how long an erasure may be called off."""
    found = await contract.privacy_setting(call)
    return SettingBody(found.officer, found.grace_days)


@put(f"{PREFIX}/settings", permission="identity.privacy.write", tags=["identity"])
async def write_privacy_settings(call: web.Caller, data: JSONBody[SettingBody]) -> SettingBody:
    """Replace them."""
    wanted = contract.Setting(officer=data.officer, grace_days=data.grace_days)
    found = await contract.change_privacy_setting(call, wanted)
    return SettingBody(found.officer, found.grace_days)


@get(f"{PREFIX}/retention", permission="identity.privacy.read", tags=["identity"])
async def read_retention(call: web.Caller) -> RetentionsShown:
    """How long what is kept (Art. 5 (1) e)."""
    return _retentions(await contract.retention(call))


@put(f"{PREFIX}/retention", permission="identity.privacy.write", tags=["identity"])
async def write_retention(call: web.Caller, data: JSONBody[RetentionBody]) -> RetentionsShown:
    """Keep something longer or shorter, within what is sane."""
    return _retentions(await contract.change_retention(call, data.days))


def _retentions(found: list[contract.Retention]) -> RetentionsShown:
    return RetentionsShown([RetentionShown(**msgspec.structs.asdict(each)) for each in found])


@get(f"{PREFIX}/retention/runs", permission="identity.privacy.read", tags=["identity"])
async def list_retention_runs(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> RunsShown:
    """What was thrown away because of its age, night by night."""
    found = await contract.retention_runs(call, limit, offset)
    shown = [
        RunShown(
            rule=each.rule, before=clock.stamp(each.before), deleted=each.deleted,
            at=clock.stamp(each.at),
        )
        for each in found.runs
    ]  # fmt: skip
    return RunsShown(shown, web.pagination(found.total, limit, offset, len(found.runs)))


@get(f"{PREFIX}/texts/{{purpose:str}}", permission="identity.privacy.read", tags=["identity"])
async def read_consent_text(
    call: web.Caller,
    purpose: FromPath[str],
    language: Annotated[str, QueryParameter(pattern="^(de|en)$")] = "en",
) -> ConsentTextShown:
    """What people are asked to agree to for a purpose."""
    return _text(await contract.consent_text(call, rules.purpose_of(purpose), language))


@put(f"{PREFIX}/texts/{{purpose:str}}", permission="identity.privacy.write", tags=["identity"])
async def write_consent_text(
    call: web.Caller, purpose: FromPath[str], data: JSONBody[ConsentTextBody]
) -> ConsentTextShown:
    """Publish new words: everybody is asked again. The old versions stay, as proof."""
    which = rules.purpose_of(purpose)
    return _text(await contract.publish_consent_text(call, which, data.language, data.text))


def _text(found: contract.ConsentText) -> ConsentTextShown:
    at = found.published_at
    return ConsentTextShown(
        purpose=found.purpose, title=found.title, language=found.locale, version=found.version,
        text=found.body, published_at=clock.stamp(at) if at else None,
    )  # fmt: skip


handlers = [
    *(list_privacy_requests, list_users_consents, check_users_erasure, export_user, erase_user),
    *(restrict_user, read_privacy_settings, write_privacy_settings, read_retention),
    *(write_retention, list_retention_runs, read_consent_text, write_consent_text),
]
