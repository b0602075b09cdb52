"""Privacy over HTTP for the people whose data it is (GDP-01..06). ``/gdpr/`` is the older name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from fahrwerk.identity.contract import privacy as contract
from fahrwerk.identity.contract.privacy import REQUEST_PREFIX
from fahrwerk.identity.http.own import own
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

UserAgent = Annotated[str, HeaderParameter(name="User-Agent", required=False)]
PREFIX = "/api/v1/privacy"


class AnswerShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to a text, and the proof of it."""

    purpose: str
    is_given: bool
    version: int
    language: str
    text_digest: str
    """SHA-256 of the text."""
    way: str
    at: str
    ended_at: str | None
    """Withdrawn, or answered anew."""


class ConsentShown(msgspec.Struct, frozen=True, kw_only=True):
    """One purpose: the text of now, and how it stands."""

    purpose: str
    title: str
    text: str
    version: int
    language: str
    is_given: bool
    """Given to this very text, and not withdrawn."""
    is_asked: bool
    """To be asked (again): never answered, or the text has changed since."""
    answer: AnswerShown | None


class ConsentsShown(msgspec.Struct, frozen=True):
    """All purposes."""

    consents: list[ConsentShown]


class HistoryShown(msgspec.Struct, frozen=True):
    """Answers, newest first, by ``limit`` and ``offset``."""

    answers: list[AnswerShown]


class ConsentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``version``: of the text that was shown; left out, it is that of now."""

    is_given: bool
    version: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class RequestShown(msgspec.Struct, frozen=True, kw_only=True):
    """An export or erasure; ``status``: waiting | running | erasing | ready | done | refused |
    cancelled | failed | expired."""

    id: str
    user_id: str
    kind: str
    status: str
    progress: float
    """0 to 1."""
    asked_at: str
    asked_by: str
    due_at: str
    """By law, a month after it was asked for."""
    begins_at: str | None
    """Until then it can be called off."""
    ended_at: str | None
    expires_at: str | None
    download_url: str | None
    bytes: int
    result: dict[str, Any] | None
    """Why it was refused; or what an erasure left, and why."""


class RequestsShown(msgspec.Struct, frozen=True):
    """Newest first."""

    requests: list[RequestShown]
    pagination: web.Pagination


class ObstacleShown(msgspec.Struct, frozen=True):
    """Why an account cannot be deleted now."""

    code: str
    message: str
    details: dict[str, Any]


class ObstaclesShown(msgspec.Struct, frozen=True):
    """All that stands against it; none: it can be deleted."""

    is_possible: bool
    obstacles: list[ObstacleShown]


class RestrictionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Art. 18: keep, do not use."""

    is_restricted: bool
    reason: Annotated[str, Meta(max_length=200)] = ""


class RestrictionShown(msgspec.Struct, frozen=True):
    """Since when, or null."""

    restricted_since: str | None


class ProcessingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the records of processing (Art. 30)."""

    section: str
    title: str
    purpose: str
    legal_basis: str
    data: list[str]
    kept: str
    recipients: str
    at_erasure: str
    """deleted | detached | kept"""
    why_kept: str


class RecordsShown(msgspec.Struct, frozen=True):
    """Everything that is held about people, as the rooms say it."""

    officer: str
    """Whom to turn to."""
    records: list[ProcessingShown]


def answer_shown(answer: contract.Answer) -> AnswerShown:
    """An answer, without where it came from."""
    return AnswerShown(
        purpose=answer.purpose, is_given=answer.is_given, version=answer.version,
        language=answer.locale, text_digest=answer.text_digest, way=answer.way,
        at=clock.stamp(answer.at),
        ended_at=clock.stamp(answer.ended_at) if answer.ended_at else None,
    )  # fmt: skip


def consent_shown(consent: contract.Consent) -> ConsentShown:
    """One purpose."""
    text = consent.text
    return ConsentShown(
        purpose=text.purpose, title=text.title, text=text.body, version=text.version,
        language=text.locale, is_given=consent.is_given, is_asked=consent.is_asked,
        answer=answer_shown(consent.answer) if consent.answer else None,
    )  # fmt: skip


def request_shown(asked: contract.Request) -> RequestShown:
    """A request."""
    public = ids.public(REQUEST_PREFIX, asked.id)
    ended = asked.state in ("ready", "done", "expired")
    done = 1.0 if ended else asked.sections_done / max(1, asked.sections)
    is_waiting = asked.state == "waiting" and asked.next_at is not None
    return RequestShown(
        id=public, user_id=ids.public("usr", asked.person_id), kind=asked.kind,
        status=asked.state, progress=round(done, 2), asked_at=clock.stamp(asked.asked_at),
        asked_by=asked.asked_by, due_at=clock.stamp(asked.due_at),
        begins_at=clock.stamp(asked.next_at) if is_waiting and asked.next_at else None,
        ended_at=clock.stamp(asked.ended_at) if asked.ended_at else None,
        expires_at=clock.stamp(asked.expires_at) if asked.expires_at else None,
        download_url=f"{PREFIX}/requests/{public}/file" if asked.state == "ready" else None,
        bytes=asked.bytes, result=asked.result,
    )  # fmt: skip


def requests_shown(found: contract.RequestPage, limit: int, offset: int) -> RequestsShown:
    """A page of them."""
    return RequestsShown(
        [request_shown(each) for each in found.requests],
        web.pagination(found.total, limit, offset, len(found.requests)),
    )


def obstacles_shown(found: list[contract.Obstacle]) -> ObstaclesShown:
    """What stands against an erasure."""
    told = [ObstacleShown(each.code, each.text, each.details) for each in found]
    return ObstaclesShown(not told, told)


@get([f"{PREFIX}/consents", "/api/v1/gdpr/consents"], permission="identity.self", tags=["identity"])
async def gdpr_consents(call: web.Caller) -> ConsentsShown:
    """What you may agree to, and what you did (GDP-04)."""
    return ConsentsShown([consent_shown(each) for each in await contract.consents(call, own(call))])


@put(
    [f"{PREFIX}/consents/{{purpose:str}}", "/api/v1/gdpr/consents/{purpose:str}"],
    permission="identity.self", limit="auth", tags=["identity"],
)  # fmt: skip
async def gdpr_consent(
    call: web.Caller, purpose: FromPath[str], data: JSONBody[ConsentWish], agent: UserAgent = ""
) -> ConsentShown:
    """Agree, refuse or take back (GDP-04, Art. 7). 409 ``CONSENT_TEXT_CHANGED``: read it first."""
    which = rules.purpose_of(purpose)
    return consent_shown(
        await contract.answer_consent(call, which, data.is_given, data.version, "app", agent)
    )


@get(f"{PREFIX}/consents/history", permission="identity.self", tags=["identity"])
async def gdpr_consent_history(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> HistoryShown:
    """Every answer you gave, newest first (Art. 7)."""
    found = await contract.consent_history(call, own(call), limit, offset)
    return HistoryShown([answer_shown(each) for each in found])


@post(
    [f"{PREFIX}/exports", "/api/v1/gdpr/export"],
    permission="identity.self", limit="auth", status_code=202, tags=["identity"],
)  # fmt: skip
async def gdpr_export(call: web.Caller) -> RequestShown:
    """Have everything that is held about you put together (GDP-01, GDP-03, Art. 15, 20).

    403 ``CONFIRMATION_NEEDED``: log in again or confirm first. 429: five a day.
    """
    return request_shown(await contract.ask_export(call, own(call)))


@post(
    [f"{PREFIX}/erasures", "/api/v1/gdpr/delete"],
    permission="identity.self", limit="auth", status_code=202, tags=["identity"],
)  # fmt: skip
async def gdpr_delete(call: web.Caller) -> RequestShown:
    """Have your account and what is held about you deleted (GDP-02, Art. 17).

    409 ``ERASURE_NOT_POSSIBLE`` with what stands against it; 403 ``CONFIRMATION_NEEDED``.
    """
    return request_shown(await contract.ask_erasure(call, own(call)))


@get(f"{PREFIX}/erasures/check", permission="identity.self", tags=["identity"])
async def gdpr_delete_check(call: web.Caller) -> ObstaclesShown:
    """What stands against deleting your account now (GDP-02)."""
    return obstacles_shown(await contract.erasure_obstacles(call, own(call)))


@get([f"{PREFIX}/requests", "/api/v1/gdpr/requests"], permission="identity.self", tags=["identity"])
async def gdpr_requests(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> RequestsShown:
    """What you asked for about your data."""
    found = await contract.requests(call, own(call), None, limit, offset)
    return requests_shown(found, limit, offset)


@get(f"{PREFIX}/requests/{{request_id:str}}", permission="identity.self", tags=["identity"])
async def gdpr_request(call: web.Caller, request_id: FromPath[str]) -> RequestShown:
    """How far one has come."""
    return request_shown(await contract.request(call, ids.parse(request_id, REQUEST_PREFIX)))


@post(
    f"{PREFIX}/requests/{{request_id:str}}/cancel",
    permission="identity.self", status_code=200, tags=["identity"],
)  # fmt: skip
async def gdpr_cancel(call: web.Caller, request_id: FromPath[str]) -> RequestShown:
    """Call off what has not begun. 409 ``PRIVACY_REQUEST_CLOSED``."""
    return request_shown(await contract.cancel_request(call, ids.parse(request_id, REQUEST_PREFIX)))


@get(
    f"{PREFIX}/requests/{{request_id:str}}/file",
    permission="identity.self", media_type="application/zip", tags=["identity"],
)  # fmt: skip
async def gdpr_file(call: web.Caller, request_id: FromPath[str]) -> Stream:
    """Your data as a ZIP of JSON files, pictures and one page to read; for seven days.

    409 ``EXPORT_NOT_READY``.
    """
    return await file_of(call, ids.parse(request_id, REQUEST_PREFIX))


async def file_of(call: Call, request_id: UUID) -> Stream:
    """An export, part by part. Raises ``UnknownRequest``, ``NoFile``."""
    file = await contract.export_file(call, request_id)
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    return Stream(
        _parts(patient, request_id, file),
        media_type="application/zip",
        headers={
            "content-disposition": f'attachment; filename="{file.name}"',
            "content-length": str(file.bytes),
            "cache-control": "no-store",
        },
    )


async def _parts(call: Call, request_id: UUID, file: contract.File) -> AsyncIterator[bytes]:
    for number in range(file.parts):
        yield await contract.export_part(call, request_id, file.turn, number)


@put(f"{PREFIX}/restriction", permission="identity.self", tags=["identity"])
async def gdpr_restrict(call: web.Caller, data: JSONBody[RestrictionWish]) -> RestrictionShown:
    """Have your data kept but not used, or used again (Art. 18): no ride meanwhile."""
    await contract.restrict(call, own(call), data.is_restricted, data.reason)
    since = await contract.restricted_since(call, own(call))
    return RestrictionShown(clock.stamp(since) if since else None)


Locale = Annotated[str, QueryParameter(max_length=5, description="de or en")]


@get(f"{PREFIX}/processing", permission="identity.self", tags=["identity"])
async def gdpr_processing(call: web.Caller, locale: Locale = "") -> RecordsShown:
    """What is held about people, what for, by what right and how long (Art. 13, 30)."""
    found = await contract.processing(call, locale or call.locale)
    setting = await contract.privacy_setting(call)
    return RecordsShown(
        setting.officer,
        [
            ProcessingShown(
                section=each.section, title=each.title, purpose=each.purpose,
                legal_basis=each.basis, data=each.columns, kept=each.kept,
                recipients=each.recipients, at_erasure=each.at_erasure, why_kept=each.why_kept,
            )
            for each in found
        ],
    )  # fmt: skip


handlers = [
    *(gdpr_consents, gdpr_consent, gdpr_consent_history, gdpr_export, gdpr_delete),
    *(gdpr_delete_check, gdpr_requests, gdpr_request, gdpr_cancel, gdpr_file, gdpr_restrict),
    gdpr_processing,
]
