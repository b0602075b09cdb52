"""HTTP: from a request to a ``Call``, and from an answer or a ``Problem`` back.

Every endpoint declares what it needs, or the application does not start::

    @get("/api/v1/scooters", permission="fleet.vehicle.read", limit="rental")

``permission=None, public=True`` for the few that are open. ``limit`` names the rate-limit class
(default ``general``). ``conditional=True`` adds an ETag and answers 304. Requests that write
may carry an ``Idempotency-Key``: see ``keyed``.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.middleware import ASGIMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.params import Parameter

from fahrwerk.kernel import clock, crypto, ids, keyed, observe
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated
from fahrwerk.kernel.limits import Limiter, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fahrwerk.kernel.settings import Settings

log = structlog.get_logger()
# ASGI's messages and scopes are plain dictionaries; their exact types only cost casts here.
Scope = Any
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
BODY_BYTES = 1 << 20
REQUEST_S = 30.0
_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.:-]{1,80}$")
_TRACE = re.compile(r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
)

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


class ErrorDetail(msgspec.Struct, frozen=True):
    """The inside of the error envelope."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The one error format (API-02)."""

    error: ErrorDetail


class Operatorish(Protocol):
    """What the front door needs to know of an operator."""

    @property
    def id(self) -> UUID: ...
    @property
    def slug(self) -> str: ...
    @property
    def locale(self) -> str: ...
    @property
    def currency(self) -> str: ...


class Front(Protocol):
    """What the house tells its front door: the only way rooms reach into this file."""

    async def operator_by_slug(self, slug: str) -> Operatorish | None: ...
    async def operator_by_host(self, host: str) -> Operatorish | None: ...
    async def operator_by_id(self, tenant: UUID) -> Operatorish | None: ...
    def permissions_of(self, roles: frozenset[str]) -> frozenset[str]: ...


class Door(ASGIMiddleware):
    """Around every endpoint: request id, caller, tenant, limit, permission, key, metrics."""

    def __init__(self, front: Front, limiter: Limiter) -> None:
        self.front = front
        self.limiter = limiter

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: Any) -> None:
        """Answer one request; a ``Problem`` raised on the way in is answered here."""
        started = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        request_id = headers.get(b"x-request-id", "")
        if not _REQUEST_ID.match(request_id):
            request_id = ids.request_id()
        opt = scope["route_handler"].opt
        status = 500
        state: dict[str, Any] = {"request_id": request_id}
        scope["fahrwerk"] = state

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message["headers"])
                if not any(name == b"x-request-id" for name, _ in own):
                    own.append((b"x-request-id", request_id.encode()))
                own.extend(_HEADERS)
                own.extend(state.get("headers", ()))
                message["headers"] = own
            await send(message)

        token = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            call = await self._call(scope, headers, opt, request_id)
            state["call"] = call
            structlog.contextvars.bind_contextvars(tenant=call.tenant_slug)
            self._limit(call, opt, state)
            if permission := opt.get("permission"):
                if call.user is None:
                    raise Unauthenticated(token_expired=False)
                call.require(permission)
            await self._inside(scope, receive, answer, next_app, call, headers, opt)
        except Problem as problem:
            await _send_problem(answer, problem, request_id)
        finally:
            structlog.contextvars.reset_contextvars(**token)
            structlog.contextvars.unbind_contextvars("tenant")
            route = scope["route_handler"]
            name = (
                min(route.paths, key=len, default="/") if status == 404 else scope["path_template"]
            )
            observe.requests.labels(scope["method"], name, status).observe(
                time.perf_counter() - started
            )

    async def _inside(
        self,
        scope: Scope,
        receive: Receive,
        answer: Send,
        next_app: Any,
        call: Call,
        headers: dict[bytes, str],
        opt: dict[str, Any],
    ) -> None:
        async def run(receive: Receive, send: Send) -> None:
            if (moved := headers.get(b"x-fahrwerk-time")) is not None:
                with clock.moved_to(_moved_time(call, moved), leases=False):
                    await next_app(scope, receive, send)
            else:
                await next_app(scope, receive, send)

        if call.key is not None and scope["method"] != "GET" and not opt.get("unkeyed"):
            limit = opt.get("body_bytes", BODY_BYTES)
            await keyed.answer(call, scope, receive, answer, run, limit)
        elif opt.get("conditional") and scope["method"] == "GET":
            await _with_etag(headers.get(b"if-none-match", ""), receive, answer, run)
        else:
            await run(receive, answer)

    async def _call(
        self, scope: Scope, headers: dict[bytes, str], opt: dict[str, Any], request_id: str
    ) -> Call:
        claims = None
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        if scheme and opt.get("permission"):
            if scheme.lower() != "bearer" or not token or len(token) > 4096:
                raise Unauthenticated(token_expired=False)
            claims = crypto.read_token(token.strip())
        operator = await self._operator(headers, claims)
        roles = claims.roles if claims else frozenset()
        key = headers.get(b"idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            raise Invalid(field="Idempotency-Key", issue="must have 1 to 255 characters")
        trace = _TRACE.match(headers.get(b"traceparent", ""))
        client = scope.get("client")
        return Call(
            tenant=operator.id if operator else None,
            tenant_slug=operator.slug if operator else "",
            user=claims.user if claims else None,
            roles=roles,
            permissions=self.front.permissions_of(roles) if roles else frozenset(),
            request_id=request_id,
            trace=trace[1] if trace else request_id,
            locale=_language(headers, operator.locale if operator else "en"),
            currency=operator.currency if operator else "EUR",
            deadline=time.monotonic() + REQUEST_S,
            key=key,
            address=client[0] if client else "",
        )

    async def _operator(
        self, headers: dict[bytes, str], claims: crypto.Claims | None
    ) -> Operatorish | None:
        """By header, by the token, or by the host's name; they must agree (C-80)."""
        slug = headers.get(b"x-tenant-id")
        operator: Operatorish | None = None
        if slug is not None:
            operator = await self.front.operator_by_slug(slug)
            if operator is None:
                raise NotFound("There is no operator of this name.", code="UNKNOWN_TENANT")
        if claims is not None:
            if operator is None:
                operator = await self.front.operator_by_id(claims.tenant)
            if operator is None or operator.id != claims.tenant:
                raise Invalid(
                    "X-Tenant-ID and the token name different operators.",
                    code="TENANT_MISMATCH",
                    field="X-Tenant-ID",
                    issue="does not match the token",
                )
        if operator is None:
            operator = await self.front.operator_by_host(headers.get(b"host", "").partition(":")[0])
        return operator

    def _limit(self, call: Call, opt: dict[str, Any], state: dict[str, Any]) -> None:
        name = opt.get("limit", "general")
        if name is None:
            return
        # Without a verified person the address is the caller: headers could be invented.
        caller = str(call.user) if call.user else call.address
        try:
            limit, left = self.limiter.take(name, f"{call.tenant}:{caller}")
        except Problem:
            observe.rate_limited.labels(name).inc()
            raise
        state["headers"] = (
            (b"ratelimit-limit", str(limit.count).encode()),
            (b"ratelimit-remaining", str(left).encode()),
        )


def _moved_time(call: Call, text: str) -> datetime:
    if not call.may("clock.move"):
        raise Forbidden(permission="clock.move")
    try:
        at = msgspec.convert(text, type=datetime, strict=False)
    except msgspec.ValidationError:
        raise Invalid(field="X-Fahrwerk-Time", issue="must be an ISO 8601 time") from None
    if at.tzinfo is None:
        raise Invalid(field="X-Fahrwerk-Time", issue="must name its offset from UTC")
    return at


def _language(headers: dict[bytes, str], default: str) -> str:
    wanted = headers.get(b"accept-language", "")[:200].lower()
    for part in wanted.split(","):
        code = part.strip().partition(";")[0].partition("-")[0]
        if code in ("de", "en"):
            return code
    return default[:2]


async def _with_etag(
    known: str,
    receive: Receive,
    send: Send,
    run: Callable[[Receive, Send], Awaitable[None]],
) -> None:
    start: Message | None = None
    chunks: list[bytes] = []

    async def collect(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if message["type"] != "http.response.body" or start is None:
            await send(message)
            return
        chunks.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(chunks)
        if start["status"] == 200:
            tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            start["headers"] = [*start["headers"], (b"etag", tag.encode())]
            if tag in (t.strip().removeprefix("W/") for t in known.split(",")) or known == "*":
                start["status"] = 304
                start["headers"] = [
                    (n, v)
                    for n, v in start["headers"]
                    if n not in (b"content-length", b"content-type")
                ]
                body = b""
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    await run(receive, collect)


def problem_response(problem: Problem, request_id: str) -> Response[ErrorBody]:
    """A problem in the one error format, with ``Retry-After`` where waiting helps."""
    body = ErrorBody(ErrorDetail(problem.error_code, problem.text, problem.details, request_id))
    headers = {"x-request-id": request_id}
    if "retry_after" in problem.details:
        headers["retry-after"] = str(problem.details["retry_after"])
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(
        body, status_code=problem.status, headers=headers, media_type="application/json"
    )


async def _send_problem(send: Send, problem: Problem, request_id: str) -> None:
    response = problem_response(problem, request_id)
    body = msgspec.json.encode(response.content)
    headers = [(k.encode(), v.encode()) for k, v in response.headers.items()]
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


_HTTP_CODES = {
    400: "VALIDATION_ERROR", 401: "AUTHENTICATION_FAILED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE", 429: "RATE_LIMIT_EXCEEDED",
}  # fmt: skip


def _request_id_of(request: Request[Any, Any, Any]) -> str:
    state: dict[str, Any] = request.scope.get("fahrwerk", {})  # type: ignore[assignment]
    return str(state.get("request_id") or ids.request_id())


def _on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[ErrorBody]:
    return problem_response(problem, _request_id_of(request))


def _on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """The framework's own refusals: unknown path, wrong method, a body that does not parse."""
    details: dict[str, Any] = {}
    message = error.detail
    if isinstance(error, ValidationException) or error.status_code == 400:
        message = Invalid.message
        first: dict[str, Any] = next(iter(error.extra if isinstance(error.extra, list) else []), {})
        issue = str(first.get("message") or error.detail)
        field = str(first.get("key") or "")
        if match := re.match(r"Object contains unknown field `(.*?)`", issue):
            field = match[1]
        if match := re.search(r" - at `\$\.?(.*?)`$", issue):
            field = ".".join(filter(None, (field if field != "data" else "", match[1])))
            issue = issue[: match.start()]
        details = {"field": field or "body", "issue": issue}
    body = ErrorDetail(
        _HTTP_CODES.get(error.status_code, "REQUEST_FAILED"),
        message,
        details,
        _request_id_of(request),
    )
    return Response(
        ErrorBody(body), status_code=error.status_code,
        headers={**(error.headers or {}), "x-request-id": body.request_id},
        media_type="application/json",
    )  # fmt: skip


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Anything else is our fault: logged whole, answered without its inside."""
    log.error("request failed", path=request.url.path, method=request.method, exc_info=error)
    return problem_response(Problem(), _request_id_of(request))


def provide_call(request: Request[Any, Any, Any]) -> Call:
    """The ``call`` argument of every endpoint."""
    call: Call = request.scope["fahrwerk"]["call"]  # type: ignore[typeddict-item]
    return call


def create_app(
    settings: Settings,
    handlers: Sequence[Any],
    front: Front,
    *,
    lifespan: Sequence[Any] = (),
) -> Litestar:
    """The application of one process. Raises at once when an endpoint declares no permission."""
    app = Litestar(
        route_handlers=handlers,
        middleware=[Door(front, Limiter(parse(settings.rate_limits)))],
        dependencies={"call": Provide(provide_call, sync_to_thread=False)},
        exception_handlers={Problem: _on_problem, HTTPException: _on_http, Exception: _on_bug},
        lifespan=list(lifespan),
        request_max_body_size=BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Fahrwerk",
            version="1",
            description="The open platform shared mobility runs on. Errors share one format.",
            path="/api",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
                }
            ),
            security=[{"bearer": []}],
            tags=[
                Tag(name=room) for room in ("identity", "fleet", "pricing", "payments", "rentals")
            ],
        ),
        logging_config=None,
        debug=False,
        response_cache_config=ResponseCacheConfig(),
    )
    _check_permissions(app)
    return app


def _check_permissions(app: Litestar) -> None:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            opt = handler.opt
            of_framework = handler.fn.__module__.startswith("litestar.")
            if not of_framework and not opt.get("public") and not opt.get("permission"):
                raise RuntimeError(f"{route.path} ({handler}) declares no permission")
