"""HTTP: from a request to a ``Call``, and from an answer or a ``Problem`` back.

Every endpoint declares what it needs, or the application does not start::

    @get("/api/v1/scooters", permission="fleet.vehicle.read", limit="rental")

``permission=None, public=True`` for the few that are open. ``limit`` names the rate-limit class
(default ``general``); ``limit=None`` is for probes: not counted, for no operator, so that they ask
nothing of the database. ``conditional=True`` adds an ETag and answers 304. ``remembered=f`` is for
what is read most: ``f(call, *arguments)``, called with those of the endpoint in their order, may
know the JSON answer already, and is asked before the framework parses anything. Requests that
write may
carry an ``Idempotency-Key``: see ``keyed``; ``unkeyed=True`` where the answer must not be kept.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.middleware import ASGIMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import Parameter
from litestar.serialization import decode_json

from fahrwerk.kernel import asgi, audit, clock, cors, document, head, ids, keyed, observe, pages
from fahrwerk.kernel.admission import Admission, Front
from fahrwerk.kernel.asgi import ErrorBody, ErrorDetail, Message, Receive, Scope, Send
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.declared import endpoints, is_of_framework, openapi, reader
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated
from fahrwerk.kernel.limits import limiter, parse
from fahrwerk.kernel.pages import ErrorPage, Form, Html, Visitor, page_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.kernel.settings import Settings

log = structlog.get_logger()
BODY_BYTES = 1 << 20
DOCUMENT = "/api/openapi.json"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,80}")

Limit = Annotated[int, Parameter(ge=1, le=100, description="Most rows to return (API-07)")]
Offset = Annotated[int, Parameter(ge=0, le=10_000_000, description="Rows to skip (API-07)")]


Caller = NamedDependency[Call]
"""The type of the ``call`` argument of an endpoint."""


class Pagination(msgspec.Struct, frozen=True):
    """Where a page stands in the whole (FLT-09)."""

    total: int
    limit: int
    offset: int
    has_more: bool


def pagination(total: int, limit: int, offset: int, shown: int) -> Pagination:
    """The ``pagination`` object of a list answer."""
    return Pagination(total, limit, offset, offset + shown < total)


class Door(ASGIMiddleware):
    """Around every endpoint: request id, caller, limit, operator, permission, key, metrics."""

    def __init__(
        self,
        admission: Admission,
        always: Sequence[tuple[bytes, bytes]],
        error_page: ErrorPage | None = None,
    ) -> None:
        self.admission = admission
        self.always = always
        self.error_page = error_page
        self._timers: dict[tuple[str, str, int], Any] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: Any) -> None:
        """Answer one request; a ``Problem`` raised on the way in is answered here."""
        started = time.perf_counter()
        headers, twice = asgi.headers_of(scope)
        request_id = headers.get(b"x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = ids.request_id()
        status = 500
        state: dict[str, Any] = {"request_id": request_id}
        scope["fahrwerk"] = state
        knows = self.admission.front.is_web_origin

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = asgi.completed(
                    message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *self.always,
                    *state.get("headers", ()),
                )
                if b"origin" in headers or state.get("origins"):
                    message["headers"] = await cors.shared(
                        message["headers"], scope, headers, state, knows, status
                    )
                if (visit := state.get("visit")) is not None and visit.jar.set:
                    message["headers"] = [*message["headers"], *visit.jar.set]
            await send(message)

        token = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            if twice is not None:
                raise Invalid(field=twice, issue="was sent more than once")
            if scope["query_string"].count(b"&") >= asgi.MOST_ASKED:
                raise Invalid(field="query", issue=f"has more than {asgi.MOST_ASKED} parameters")
            await self._inside(scope, receive, answer, next_app, headers, state)
            await _refused(scope, state, state.get("problem"))
        except Problem as problem:
            await _refused(scope, state, problem)
            if (
                said := _in_own_words(scope, problem.status, problem.text, problem.details)
            ) is not None:
                await asgi.send_whole(answer, *said)
            elif self.error_page is not None and scope["route_handler"].opt.get("html"):
                shown = self.error_page(
                    state.get("visit"), problem, request_id, headers.get(b"accept-language", "")
                )
                await asgi.send_whole(answer, *shown)
            else:
                await asgi.send_problem(answer, problem, request_id)
        finally:
            structlog.contextvars.reset_contextvars(**token)
            structlog.contextvars.unbind_contextvars("tenant")
            route = scope["route_handler"]
            name = (
                min(route.paths, key=len, default="/") if status == 404 else scope["path_template"]
            )
            self._timer(scope["method"], name, status).observe(time.perf_counter() - started)

    def _timer(self, method: str, name: str, status: int) -> Any:
        """The histogram's child: finding it by its labels takes longer than counting."""
        key = (method, name, status)
        if (timer := self._timers.get(key)) is None:
            timer = self._timers[key] = observe.requests.labels(*key)
        return timer

    async def _inside(
        self,
        scope: Scope,
        receive: Receive,
        answer: Send,
        next_app: Any,
        headers: dict[bytes, str],
        state: dict[str, Any],
    ) -> None:
        handler = scope["route_handler"]
        opt = handler.opt
        call = state["call"] = await self.admission.call(scope, headers, opt, state)
        structlog.contextvars.bind_contextvars(tenant=call.tenant_slug)
        if is_of_framework(handler) and scope["method"] == "GET" and scope["path"] != DOCUMENT:
            raise NotFound  # pages the framework would add beside the document
        if permission := opt.get("permission"):
            if call.user is None:
                raise Unauthenticated(token_expired=False)
            # ``scoped=True``, or the permission that widens what everybody may for himself.
            wider = scoped if isinstance(scoped := opt.get("scoped"), str) else None
            call = state["call"] = call.narrowed(permission, is_scoped=bool(scoped), wider=wider)
            call.require(permission)
        if (
            (remembered := opt.get("remembered")) is not None
            and scope["method"] == "GET"
            and b"x-fahrwerk-time" not in headers
            and (arguments := opt["understand"](scope["query_string"])) is not None
            and (body := remembered(call, *arguments)) is not None
        ):
            await asgi.send_json(answer, body)
            return
        if opt.get("personal") and call.is_staff:
            audit.seen(call, *_looked_at(handler, scope))
            await audit.room_to_wait()
        if (takes := opt.get("takes")) is not None:
            asgi.check_media(headers, is_json=takes == "json")

        async def run(receive: Receive, send: Send) -> None:
            if (moved := headers.get(b"x-fahrwerk-time")) is not None:
                with clock.moved_to(_moved_time(call, moved), leases=False):
                    await next_app(scope, receive, send)
            else:
                await next_app(scope, receive, send)

        if call.key is not None and scope["method"] in document.WRITES and not opt.get("unkeyed"):
            limit = opt.get("body_bytes", BODY_BYTES)
            await keyed.answer(call, scope, receive, answer, run, limit)
        elif opt.get("conditional") and scope["method"] == "GET":
            await asgi.with_etag(headers.get(b"if-none-match", ""), receive, answer, run)
        else:
            await run(receive, answer)


async def _refused(scope: Scope, state: dict[str, Any], problem: Problem | None) -> None:
    """Write down that staff asked for what they may not, at the front door or anywhere behind it;
    unless it was a deed, whose row says so."""
    call = state.get("call")
    if problem is None or problem.status != 403 or problem.is_told:
        return
    if call is not None and call.is_staff:
        audit.refused(call, *_looked_at(scope["route_handler"], scope), problem.error_code)
        await audit.room_to_wait()


def _looked_at(handler: Any, scope: Scope) -> tuple[str, str]:
    """What somebody looks at, for the audit log: the endpoint, and the ids in its path."""
    tag = next(iter(handler.resolve_tags() or ()), "operations")
    named = [str(each)[:80] for each in (scope.get("path_params") or {}).values()]
    # Of a question only whom it is about: what else was searched for may be a name.
    asked = parse_qsl(scope["query_string"].decode("latin-1"))
    named += [value[:80] for name, value in asked if name in ("user", "user_id")]
    return f"{tag}.{handler.fn.__name__}", ",".join(named)


def _moved_time(call: Call, text: str) -> datetime:
    if not call.may("clock.move"):
        raise Forbidden(permission="clock.move")
    try:
        at = msgspec.convert(text, type=datetime, strict=False)
    except msgspec.ValidationError:
        raise Invalid(field="X-Fahrwerk-Time", issue="must be an ISO 8601 time") from None
    return clock.of_our_days("X-Fahrwerk-Time", at)


def problem_response(problem: Problem, request_id: str) -> Response[bytes]:
    """A problem in the one error format, for where the framework wants a response."""
    headers, body = asgi.problem_answer(problem, request_id)
    return Response(
        body,
        status_code=problem.status,
        headers={n.decode(): v.decode() for n, v in headers if n != b"content-length"},
        media_type="application/json",
    )


_HTTP_CODES = {
    400: "VALIDATION_ERROR", 401: "AUTHENTICATION_FAILED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE", 429: "RATE_LIMIT_EXCEEDED",
}  # fmt: skip


def _request_id_of(request: Request[Any, Any, Any]) -> str:
    state: dict[str, Any] = request.scope.get("fahrwerk", {})  # type: ignore[assignment]
    return str(state.get("request_id") or ids.request_id())


def _in_own_words(
    scope: Any, status: int, text: str, details: dict[str, Any]
) -> tuple[int, asgi.Headers, bytes] | None:
    """A refusal as an endpoint of somebody else's standard says it (``refuses_as``)."""
    says = getattr(scope.get("route_handler"), "opt", {}).get("refuses_as")
    return says(status, text, details) if says is not None else None


def _on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    state: dict[str, Any] = request.scope.get("fahrwerk", {})  # type: ignore[assignment]
    state["problem"] = problem
    request_id = _request_id_of(request)
    return pages.shown(request, problem, request_id) or problem_response(problem, request_id)


def _on_http(
    request: Request[Any, Any, Any], error: HTTPException
) -> Response[ErrorBody] | Response[bytes]:
    """The framework's own refusals: unknown path, wrong method, a body that does not parse."""
    if (
        error.status_code in (404, 405)
        and (page := pages.shown(request, NotFound(), _request_id_of(request))) is not None
    ):
        return page
    if (
        error.status_code == 400
        and (page := pages.shown(request, Invalid(), _request_id_of(request))) is not None
    ):
        return page
    if (said := _in_own_words(request.scope, error.status_code, error.detail, {})) is not None:
        status, headers, content = said
        known = {name.decode(): value.decode() for name, value in headers}
        return Response(content, status_code=status, headers=known)
    details: dict[str, Any] = {}
    message = error.detail
    if isinstance(error, ValidationException) or error.status_code == 400:
        message = Invalid.message
        details = _what_is_wrong(error, request.scope.get("route_handler"))
    code = _HTTP_CODES.get(error.status_code, "REQUEST_FAILED")
    body = ErrorDetail(code, message, details, _request_id_of(request))
    # What is no endpoint's does not pass the door, which would add these.
    safe = {} if "fahrwerk" in request.scope else asgi.SAFE_HEADERS
    return Response(
        ErrorBody(body), status_code=error.status_code,
        headers={**{n.decode(): v.decode() for n, v in safe}, **(error.headers or {}),
                 "x-request-id": body.request_id},
        media_type="application/json",
    )  # fmt: skip


def _what_is_wrong(error: HTTPException, handler: Any = None) -> dict[str, str]:
    """``field`` and ``issue`` (API-03), from the framework's or msgspec's sentence about it."""
    first: dict[str, Any] = next(iter(error.extra if isinstance(error.extra, list) else []), {})
    issue = str(first.get("message") or error.detail)
    field = str(first.get("key") or "")
    if handler is not None and first.get("source") in ("query", "header", "cookie", "path"):
        field = _sent_as(handler, field)
    if match := re.match(r"Object contains unknown field `(.*?)`", issue):
        field = match[1]
    if match := re.match(r"Missing required \w+ parameter '(.*?)'", issue):
        field, issue = match[1], "is missing"
    if match := re.search(r" - at `\$\.?(.*?)`$", issue):
        # Of a number that no type can hold, msgspec does not know the name of its place.
        where = "" if "..." in match[1] else match[1]
        field = ".".join(filter(None, (field if field != "data" else "", where)))
        issue = issue[: match.start()]
    return {"field": field or "body", "issue": issue}


def _sent_as(handler: Any, argument: str) -> str:
    """How a client calls an argument of an endpoint: ``from``, where the code says ``since``."""
    given = handler.parsed_fn_signature.parameters.get(argument)
    return str(getattr(getattr(given, "kwarg_definition", None), "name", None) or argument)


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Anything else is our fault: logged whole, answered without its inside."""
    if (issue := _unreadable(error)) is not None:
        return problem_response(Invalid(field="body", issue=issue), _request_id_of(request))
    log.error("request failed", path=request.url.path, method=request.method, exc_info=error)
    problem, request_id = Problem(), _request_id_of(request)
    return pages.shown(request, problem, request_id) or problem_response(problem, request_id)


def _unreadable(error: Exception) -> str | None:
    """What is wrong with a body that the decoder itself stumbled over; None for a bug of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_globals.get("__name__") != decode_json.__module__:
        return None
    issues = {RecursionError: "is nested too deeply", UnicodeDecodeError: "is not UTF-8"}
    return issues.get(type(error))


def provide_call(request: Request[Any, Any, Any]) -> Call:
    """The ``call`` argument of every endpoint."""
    call: Call = request.scope["fahrwerk"]["call"]  # type: ignore[typeddict-item]
    return call


class _Document(JsonRenderPlugin):
    """Serves our own document: see ``kernel.document``."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._body: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document, put together once."""
        if self._body is None:
            self._body = msgspec.json.encode(openapi(request.app))
        return self._body


def create_app(
    settings: Settings,
    handlers: Sequence[Any],
    front: Front,
    *,
    lifespan: Sequence[Any] = (),
    error_page: ErrorPage | None = None,
) -> Litestar:
    """The application of one process. Raises at once when an endpoint declares no permission.

    ``error_page`` shows a problem to a browser, where it asked for a page.
    """
    limits = parse(settings.rate_limits)
    counting = limiter(limits, settings.redis_url)
    always = list(asgi.SAFE_HEADERS)
    if settings.address.startswith("https:"):
        always.append((b"strict-transport-security", b"max-age=31536000"))
    app = Litestar(
        route_handlers=handlers,
        middleware=[
            Door(
                Admission(front, counting, settings.address, dev=settings.dev),
                always,
                error_page,
            )
        ],
        dependencies={
            "call": Provide(provide_call, sync_to_thread=False),
            "visit": Provide(pages.provide_visit, sync_to_thread=False),
            "form": Provide(pages.provide_form),
        },
        exception_handlers={
            Problem: _on_problem,
            HTTPException: _on_http,
            Exception: _on_bug,
        },
        lifespan=list(lifespan),
        request_max_body_size=BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Fahrwerk", version="1", path="/api", render_plugins=[_Document()]
        ),
        logging_config=None,
        debug=False,
        response_cache_config=ResponseCacheConfig(),
    )
    app.state.error_page = error_page
    app.asgi_handler = head.answering(app.asgi_handler)
    for path, method, handler in endpoints(app):
        opt = handler.opt
        if not opt.get("public") and not opt.get("permission"):
            raise RuntimeError(f"{path} ({handler}) declares no permission")
        if opt.get("limit", "general") not in (None, *limits):
            raise RuntimeError(f"{path} ({handler}) is limited by a class that does not exist")
        if handler.parsed_data_field is not None:
            opt["takes"] = "json"
        elif "body" in handler.parsed_fn_signature.parameters:
            opt["takes"] = "bytes"
        if "remembered" in opt:
            opt["understand"] = reader(handler)
        if opt.get("page"):
            pages.check(path, method, handler)
    return app


__all__ = [
    "Call",
    "Caller",
    "ErrorBody",
    "ErrorDetail",
    "ErrorPage",
    "Form",
    "Front",
    "Html",
    "Limit",
    "Offset",
    "Pagination",
    "Visitor",
    "create_app",
    "openapi",
    "page_response",
    "pagination",
    "problem_response",
]
