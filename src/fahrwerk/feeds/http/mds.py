"""The MDS 2.0 Provider API, for agencies with a token: ``/mds/<operator>/<mode>/...``

Its addresses, media types, statuses and errors are those of the specification, also where ours are
others; so it is left out of our OpenAPI document: the specification has one of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from fahrwerk.feeds.contract import mds
from fahrwerk.feeds.protocols import mds_2_0
from fahrwerk.kernel import clock, settings, web
from fahrwerk.kernel.errors import Invalid, Problem

AnyRequest = Request[Any, Any, State]
MOST = 1_000
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d", re.ASCII)
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])\.csv", re.ASCII)
_LAST_MS = 7_258_118_400_000  # the year 2200
log = structlog.get_logger()


class NotThisVersion(Invalid):
    """No media type with a version of MDS that we speak was asked for."""

    status = 406
    code = "VERSION_NOT_SUPPORTED"
    message = "Ask for a version that is supported."


class Failure(msgspec.Struct, frozen=True):
    """An error as MDS has it."""

    error: str
    error_description: str
    error_details: list[str]


def failed(_: AnyRequest, problem: Problem) -> Response[bytes]:
    """A problem in the words of MDS."""
    field = problem.details.get("field")
    issue = str(problem.details.get("issue", problem.text))
    word = problem.error_code.lower()
    if isinstance(problem, Invalid) and not isinstance(problem, NotThisVersion):
        word = "missing_param" if issue == "is missing" else "bad_param"
    body = Failure(word, issue if field else problem.text, [str(field)] if field else [])
    headers = {"www-authenticate": "Bearer"} if problem.status == 401 else {}
    kind = "application/json" if problem.status in (406, 500) else mds_2_0.JSON
    return Response(
        msgspec.json.encode(body), status_code=problem.status, media_type=kind, headers=headers
    )


def _failed_otherwise(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if error.status_code == 400:
        return failed(request, Invalid(field="request", issue=error.detail))
    problem = Problem(error.detail, code="REQUEST_FAILED")
    answer = failed(request, problem)
    answer.status_code = error.status_code
    return answer


def _broken(request: AnyRequest, error: Exception) -> Response[bytes]:
    log.error("request failed", path=request.url.path, method="GET", exc_info=error)
    return failed(request, Problem())


HANDLERS: dict[Any, Any] = {
    Problem: failed, HTTPException: _failed_otherwise, Exception: _broken,
}  # fmt: skip
OPEN: dict[str, Any] = {
    "limit": "feeds", "include_in_schema": False, "exception_handlers": HANDLERS, "tags": ["feeds"],
}  # fmt: skip


def negotiate(request: AnyRequest, kind: str) -> None:
    """Raise ``NotThisVersion`` unless ``kind`` (a media type with its version) was asked for.

    Without one the specification wants version 0.2, which nobody should get any more.
    """
    wanted, _, version = kind.partition(";version=")
    for part in request.headers.get("accept", "")[:1_000].split(","):
        essence, *parameters = (each.strip().lower() for each in part.split(";"))
        given = {each.replace(" ", "").replace('"', "") for each in parameters}
        if essence == wanted and f"version={version}" in given:
            return
    raise NotThisVersion(field="Accept", issue=f"must name {kind}")


def _access(request: AnyRequest, slug: str, mode: str, kind: str = mds_2_0.JSON) -> mds.Access:
    negotiate(request, kind)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" and len(token) <= 200 else ""
    return mds.Access(slug, mode, token, f"{settings.load().address}{request.url.path}")


def _sent(answer: mds.Answer) -> Response[bytes]:
    return Response(
        answer.body, status_code=200 if answer.is_complete else 202, media_type=mds_2_0.JSON
    )


def _id(text: str | None, field: str) -> UUID | None:
    if text is None:
        return None
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise Invalid(field=field, issue="must be a UUID")


def _number(request: AnyRequest, field: str, default: int, most: int) -> int:
    text = request.query_params.get(field)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) <= most):
        raise Invalid(field=field, issue=f"must be a number up to {most}")
    return int(text)


def _limit(request: AnyRequest) -> int:
    return max(1, _number(request, "limit", MOST, MOST))


def _moment(request: AnyRequest, field: str) -> datetime:
    if field not in request.query_params:
        raise Invalid(field=field, issue="is missing")
    return clock.from_millis(_number(request, field, 0, _LAST_MS))


def _hour(request: AnyRequest, field: str) -> datetime:
    text = request.query_params.get(field)
    if text is None:
        raise Invalid(field=field, issue="is missing")
    try:
        if _HOUR.fullmatch(text):
            hour = datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
            if 2000 <= hour.year < 2200:
                return hour
    except ValueError:
        pass
    raise Invalid(field=field, issue="must be an hour in UTC such as 2026-11-20T07")


@get("/mds/{slug:str}/{mode:str}/vehicles", permission=None, public=True, **OPEN)
async def vehicles(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """Vehicles deployed within 30 days, by pages."""
    access = _access(request, slug, mode)
    after = _id(request.query_params.get("after"), "after")
    return _sent(await mds.mds_vehicles(call, access, None, after, _limit(request)))


@get("/mds/{slug:str}/{mode:str}/vehicles/{device_id:str}", permission=None, public=True, **OPEN)
async def vehicle(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str],
    device_id: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """One vehicle, whenever it was deployed."""
    access = _access(request, slug, mode)
    return _sent(await mds.mds_vehicles(call, access, _id(device_id, "device_id"), None, 1))


@get("/mds/{slug:str}/{mode:str}/vehicles/status", permission=None, public=True, **OPEN)
async def states(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """How it stands with the vehicles, by pages."""
    access = _access(request, slug, mode)
    after = _id(request.query_params.get("after"), "after")
    return _sent(await mds.mds_vehicle_states(call, access, None, after, _limit(request)))


@get(
    "/mds/{slug:str}/{mode:str}/vehicles/status/{device_id:str}",
    permission=None, public=True, **OPEN,
)  # fmt: skip
async def state(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str],
    device_id: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """How it stands with one vehicle."""
    access = _access(request, slug, mode)
    return _sent(await mds.mds_vehicle_states(call, access, _id(device_id, "device_id"), None, 1))


@get("/mds/{slug:str}/{mode:str}/trips", permission=None, public=True, **OPEN)
async def trips(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """All trips that ended within an hour: 202 until it is whole, 404 where there is none."""
    access = _access(request, slug, mode)
    return _sent(await mds.mds_trips(call, access, _hour(request, "end_time")))


@get("/mds/{slug:str}/{mode:str}/telemetry", permission=None, public=True, **OPEN)
async def telemetry(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """Readings of an hour, by pages of vehicles."""
    access = _access(request, slug, mode)
    after = _id(request.query_params.get("after"), "after")
    hour = _hour(request, "telemetry_time")
    return _sent(await mds.mds_telemetry(call, access, hour, after))


@get("/mds/{slug:str}/{mode:str}/events/historical", permission=None, public=True, **OPEN)
async def events(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """All events of an hour: 202 until it is whole, 404 where there is none."""
    access = _access(request, slug, mode)
    return _sent(await mds.mds_events(call, access, _hour(request, "event_time")))


@get("/mds/{slug:str}/{mode:str}/events/recent", permission=None, public=True, **OPEN)
async def recent_events(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """Events of a span within the last two weeks, by pages, as they were published."""
    access = _access(request, slug, mode)
    since, until = _moment(request, "start_time"), _moment(request, "end_time")
    after = _number(request, "after", 0, 10**18 - 1)
    limit = _limit(request)
    return _sent(await mds.mds_recent_events(call, access, since, until, after, limit))


@get("/mds/{slug:str}/{mode:str}/stops", permission=None, public=True, **OPEN)
async def stops(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str]
) -> Response[bytes]:
    """Stops: there are none, nothing here is docked."""
    return _sent(await mds.mds_stops(call, _access(request, slug, mode), None))


@get("/mds/{slug:str}/{mode:str}/stops/{stop_id:str}", permission=None, public=True, **OPEN)
async def stop(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str],
    stop_id: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """One stop."""
    access = _access(request, slug, mode)
    return _sent(await mds.mds_stops(call, access, _id(stop_id, "stop_id")))


@get("/mds/{slug:str}/{mode:str}/reports/{file:str}", permission=None, public=True, **OPEN)
async def report(
    call: web.Caller, request: AnyRequest, slug: FromPath[str], mode: FromPath[str],
    file: FromPath[str],
) -> Response[bytes]:  # fmt: skip
    """The report of a month: ``2026-10.csv``."""
    access = _access(request, slug, mode, mds_2_0.CSV)
    month = _MONTH.fullmatch(file)
    if month is None:
        raise mds.NoSuchHour
    answer = await mds.mds_report(call, access, int(month[1]), int(month[2]))
    return Response(answer.body, media_type=mds_2_0.CSV)


handlers = [
    vehicles, vehicle, states, state, trips, telemetry, events, recent_events, stops, stop, report,
]  # fmt: skip
