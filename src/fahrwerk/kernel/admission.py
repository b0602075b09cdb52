"""Who is at the front door: from the headers of a request to a ``Call``.

An operator is named by ``X-Tenant-ID``, by the token or by the host; a person by the token alone,
never by a body (IDN-11); on pages by a cookie instead (``kernel.cookies``).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from fahrwerk.kernel import api_keys, asgi, cookies, crypto, document, observe
from fahrwerk.kernel.call import Call, Rights
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated
from fahrwerk.kernel.limits import OPERATOR, Limit

if TYPE_CHECKING:
    from collections.abc import Hashable
    from uuid import UUID

    from fahrwerk.kernel.limits import Limiter

REQUEST_S = 30.0
_NONE = Rights(frozenset(), frozenset())
_TRACE = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_KEY = re.compile(document.KEY_PATTERN)
_HOST = re.compile(r"([A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")


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
    @property
    def status(self) -> str: ...
    @property
    def max_requests_per_minute(self) -> int | None: ...
    @property
    def web_origins(self) -> tuple[str, ...]: ...


class Front(Protocol):
    """What the house tells its front door: the only way rooms reach into this file."""

    async def operator_by_slug(self, slug: str) -> Operatorish | None: ...
    async def operator_by_host(self, host: str) -> Operatorish | None: ...
    async def operator_by_id(self, tenant: UUID) -> Operatorish | None: ...
    async def operator_of_pages(self) -> Operatorish | None: ...
    async def is_web_origin(self, origin: str) -> bool: ...
    async def has_ended(self, tenant: UUID, session: UUID) -> bool: ...
    async def page_session(self, token: str) -> crypto.Claims | None: ...
    async def rights_of(self, tenant: UUID, user: UUID, roles: frozenset[str]) -> Rights: ...
    async def key_holder(self, key: str, address: str) -> crypto.Claims | None: ...


class Admission:
    """Makes the ``Call`` of a request, or refuses it."""

    def __init__(
        self, front: Front, limiter: Limiter, address: str = "", *, dev: bool = False
    ) -> None:
        self.front = front
        self.limiter = limiter
        self.address = address
        self.dev = dev
        self.pages = cookies.Remembered()
        self.keys = api_keys.Ring(front.key_holder)

    async def call(
        self,
        scope: asgi.Scope,
        headers: dict[bytes, str],
        opt: dict[str, Any],
        state: dict[str, Any],
    ) -> Call:
        """The call of a request whose endpoint declares ``opt``.

        Counted before anything is looked up: strangers must not reach the database as often as
        they like. What the limit has to say goes into ``state["headers"]``.
        """
        client = scope.get("client")
        address = client[0] if client else ""
        jar = self._jar(scope, headers, opt)
        claims = await self._who(headers, jar, opt, address, state)
        if not _HOST.fullmatch(headers.get(b"host", "")):
            raise Invalid(field="Host", issue="is malformed")
        operator, is_named = None, False
        if jar is not None:
            if scope["method"] in document.WRITES:
                cookies.check_origin(headers, jar, self.address)
            if opt.get("limit", "general") is not None:
                operator = await self._operator(headers, None)
                is_named = operator is not None
                claims, operator = await self._visitor(scope, jar, claims, operator)
        elif claims is not None and await self.front.has_ended(claims.tenant, claims.session):
            raise Unauthenticated(token_expired=True)
        elif opt.get("limit", "general") is not None:
            operator = await self._operator(headers, claims)
        if operator is not None:
            state["origins"] = operator.web_origins
            await self._take_of(operator)
        key = headers.get(b"idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Invalid(
                field="Idempotency-Key", issue="must have 1 to 255 characters, all printable ASCII"
            )
        rights = await self._rights(claims) if claims is not None else _NONE
        if operator is not None and operator.status != "active":
            _check_open(operator.status, scope["method"], opt, rights)
        trace = _TRACE.fullmatch(headers.get(b"traceparent", ""))
        call = Call(
            tenant=operator.id if operator else None,
            tenant_slug=operator.slug if operator else "",
            user=claims.user if claims else None,
            roles=rights.roles,
            permissions=rights.permissions,
            scoped=rights.scoped,
            request_id=state["request_id"],
            trace=trace[1] if trace else state["request_id"],
            locale=(jar.get(cookies.LANGUAGE) if jar else "")[:2]
            or _language(headers, operator.locale if operator else "en"),
            currency=operator.currency if operator else "EUR",
            deadline=time.monotonic() + REQUEST_S,
            key=key,
            address=address,
            session=claims.session if claims and claims.scopes is None else None,
            api_key=claims.session if claims and claims.scopes is not None else None,
        )
        if jar is not None:
            query = scope["query_string"].decode("latin-1")
            path = scope["path"] + (f"?{query}" if query else "")
            if scope["method"] in document.WRITES:
                path = cookies.came_from(headers)
            session = claims.session if claims else None
            host = headers.get(b"host", "").partition(":")[0]
            state["visit"] = cookies.Visit(call, jar, host, path, session, is_named=is_named)
        return call

    async def _who(
        self,
        headers: dict[bytes, str],
        jar: cookies.Jar | None,
        opt: dict[str, Any],
        address: str,
        state: dict[str, Any],
    ) -> crypto.Claims | None:
        """Whose token, key or remembered cookie it is; counted, good or not, before it is asked."""
        claims, refused, api_key = None, None, None
        try:
            if jar is not None:
                claims = self.pages.find(jar.get(cookies.SESSION))
            elif opt.get("permission"):
                token = _bearer(headers)
                if token is not None and token.startswith(api_keys.PREFIX):
                    api_key, claims = token, self.keys.find(token)
                elif token is not None:
                    claims = crypto.read_token(token)
        except Unauthenticated as problem:
            refused = problem
        await self._count(claims, address, opt, state)
        if refused is not None:
            raise refused
        if api_key is not None:
            claims = await self.keys.claims(api_key, address)
            if claims is None:
                raise Unauthenticated(token_expired=True)
        return claims

    async def _rights(self, claims: crypto.Claims) -> Rights:
        """What this person may do now; with an API key no more than its scopes."""
        rights = await self.front.rights_of(claims.tenant, claims.user, claims.roles)
        return rights if claims.scopes is None else rights.limited_to(claims.scopes)

    def _jar(
        self, scope: asgi.Scope, headers: dict[bytes, str], opt: dict[str, Any]
    ) -> cookies.Jar | None:
        """The cookies, where they count: on pages, and never below ``/api/``."""
        kind = opt.get("page")
        if not kind or scope["path"].startswith("/api/"):
            return None
        if kind == "also" and b"authorization" in headers:
            return None
        return cookies.jar_of(scope, headers, dev=self.dev)

    async def _visitor(
        self,
        scope: asgi.Scope,
        jar: cookies.Jar,
        claims: crypto.Claims | None,
        operator: Operatorish | None,
    ) -> tuple[crypto.Claims | None, Operatorish | None]:
        """Whose cookie it is, and the operator: by header or host, the cookie, or what was chosen.

        A cookie that has ended, or is another operator's, is none: pages then ask for a log-in.
        """
        token = jar.get(cookies.SESSION)
        if claims is None and token:
            claims = await self.front.page_session(token)
            if claims is not None:
                self.pages.keep(token, claims)
        if claims is not None and await self.front.has_ended(claims.tenant, claims.session):
            claims = None
        if operator is None and (chosen := _chosen(scope)) is not None:
            operator = await self.front.operator_by_slug(chosen)
            if operator is not None:
                jar.put(cookies.OPERATOR, operator.slug, None)
        if operator is None and claims is not None:
            operator = await self.front.operator_by_id(claims.tenant)
        if operator is None and (slug := jar.get(cookies.OPERATOR)):
            operator = await self.front.operator_by_slug(slug)
        if operator is None:
            operator = await self.front.operator_of_pages()
        if claims is not None and (operator is None or claims.tenant != operator.id):
            claims = None
        return claims, operator

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

    async def _count(
        self,
        claims: crypto.Claims | None,
        address: str,
        opt: dict[str, Any],
        state: dict[str, Any],
    ) -> None:
        name = opt.get("limit", "general")
        if name is None:
            return
        # Without a verified person the address is the caller: all else could be invented.
        # By the integers of the ids: they are compared and hashed without running any Python.
        caller: Hashable = asgi.network_of(address)
        if claims is not None:
            # A program has a share of its own, so that it cannot use up its maker's.
            who = claims.user if claims.scopes is None else claims.session
            caller = (claims.tenant.int, who.int)
        limit, left = await self._take(name, caller)
        state["headers"] = (
            (b"ratelimit-limit", str(limit.count).encode()),
            (b"ratelimit-remaining", str(left).encode()),
        )

    async def _take_of(self, operator: Operatorish) -> None:
        """Count one request of all that come for an operator: as many as its plan allows."""
        allowed = operator.max_requests_per_minute
        if allowed is not None:
            most = self.limiter.limits[OPERATOR]
            if allowed * most.window_s < most.count * 60:  # a plan cannot allow more than the house
                await self._take(OPERATOR, operator.id.int, Limit(allowed, 60))
                return
        await self._take(OPERATOR, operator.id.int)

    async def _take(
        self, name: str, caller: Hashable, own: Limit | None = None
    ) -> tuple[Limit, int]:
        try:
            return await self.limiter.count(name, caller, own)
        except Problem:
            observe.rate_limited.labels(name).inc()
            raise


class Closed(NotFound):
    """The operator is gone for good."""

    status = 410
    code = "TENANT_CLOSED"
    message = "This operator is closed."


def _check_open(status: str, method: str, opt: dict[str, Any], rights: Rights) -> None:
    """What is still possible with an operator that does no business: reading, ending what runs,
    one's own account, what gateways report; and everything for the platform."""
    if "*" in rights.permissions:
        return
    if status == "closed":
        raise Closed
    if opt.get("limit") == "feeds":
        raise NotFound("This operator is suspended.", code="TENANT_SUSPENDED")
    if (
        method in document.WRITES
        and not opt.get("while_suspended")
        and opt.get("limit") not in ("auth", "webhook")
        and opt.get("permission") != "identity.self"
    ):
        raise Forbidden(
            "This operator is suspended at the moment: nothing new begins, rides can be ended.",
            code="TENANT_SUSPENDED",
        )


def _bearer(headers: dict[bytes, str]) -> str | None:
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer" or not token or len(token) > 4096:
        raise Unauthenticated(token_expired=False)
    return token.strip()


def _chosen(scope: asgi.Scope) -> str | None:
    """``?tenant=mobility``: which operator's pages, where the host is the whole platform's."""
    query = scope["query_string"]
    if b"tenant=" not in query:
        return None
    given = parse_qsl(query.decode("latin-1"))
    return next((value for name, value in given if name == "tenant"), None)


def _language(headers: dict[bytes, str], default: str) -> str:
    wanted = headers.get(b"accept-language", "")[:200].lower()
    for part in wanted.split(","):
        code = part.strip().partition(";")[0].partition("-")[0]
        if code in ("de", "en"):
            return code
    return default[:2]
