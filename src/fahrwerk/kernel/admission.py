"""Who is at the front door: from the headers of a request to a ``Call``.

An operator is named by ``X-Tenant-ID``, by the token or by the host; a person by the token alone,
never by a body (IDN-11).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Protocol

from fahrwerk.kernel import asgi, crypto, document, observe
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound, Problem, Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.limits import Limiter

REQUEST_S = 30.0
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


class Front(Protocol):
    """What the house tells its front door: the only way rooms reach into this file."""

    async def operator_by_slug(self, slug: str) -> Operatorish | None: ...
    async def operator_by_host(self, host: str) -> Operatorish | None: ...
    async def operator_by_id(self, tenant: UUID) -> Operatorish | None: ...
    async def has_ended(self, tenant: UUID, session: UUID) -> bool: ...
    def permissions_of(self, roles: frozenset[str]) -> frozenset[str]: ...


class Admission:
    """Makes the ``Call`` of a request, or refuses it."""

    def __init__(self, front: Front, limiter: Limiter) -> None:
        self.front = front
        self.limiter = limiter

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
        claims, refused = None, None
        try:
            claims = _claims(headers) if opt.get("permission") else None
        except Unauthenticated as problem:
            refused = problem
        self._count(claims, address, opt, state)
        if refused is not None:
            raise refused
        if claims is not None and await self.front.has_ended(claims.tenant, claims.session):
            raise Unauthenticated(token_expired=True)
        if not _HOST.fullmatch(headers.get(b"host", "")):
            raise Invalid(field="Host", issue="is malformed")
        operator = None
        if opt.get("limit", "general") is not None:
            operator = await self._operator(headers, claims)
        key = headers.get(b"idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise Invalid(
                field="Idempotency-Key", issue="must have 1 to 255 characters, all printable ASCII"
            )
        roles = claims.roles if claims else frozenset()
        trace = _TRACE.fullmatch(headers.get(b"traceparent", ""))
        return Call(
            tenant=operator.id if operator else None,
            tenant_slug=operator.slug if operator else "",
            user=claims.user if claims else None,
            roles=roles,
            permissions=self.front.permissions_of(roles) if roles else frozenset(),
            request_id=state["request_id"],
            trace=trace[1] if trace else state["request_id"],
            locale=_language(headers, operator.locale if operator else "en"),
            currency=operator.currency if operator else "EUR",
            deadline=time.monotonic() + REQUEST_S,
            key=key,
            address=address,
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

    def _count(
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
        caller = (claims.tenant.int, claims.user.int) if claims else asgi.network_of(address)
        try:
            limit, left = self.limiter.take(name, caller)
        except Problem:
            observe.rate_limited.labels(name).inc()
            raise
        state["headers"] = (
            (b"ratelimit-limit", str(limit.count).encode()),
            (b"ratelimit-remaining", str(left).encode()),
        )


def _claims(headers: dict[bytes, str]) -> crypto.Claims | None:
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer" or not token or len(token) > 4096:
        raise Unauthenticated(token_expired=False)
    return crypto.read_token(token.strip())


def _language(headers: dict[bytes, str], default: str) -> str:
    wanted = headers.get(b"accept-language", "")[:200].lower()
    for part in wanted.split(","):
        code = part.strip().partition(";")[0].partition("-")[0]
        if code in ("de", "en"):
            return code
    return default[:2]
