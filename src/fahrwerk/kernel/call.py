"""``Call``: who asks, for which operator, until when. First argument of every contract function.

Nothing in this house is ambient: what a function may know about its caller stands here.
"""

from __future__ import annotations

import time
from uuid import UUID

import msgspec

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Forbidden, Unavailable

RIDERS = frozenset({"customer", "business_user"})
"""Roles of those who only ride. Whoever has any other, an operator's own ones too, is staff."""


class Rights(msgspec.Struct, frozen=True):
    """What somebody may do now: everywhere, and of each permission where only."""

    roles: frozenset[str]
    permissions: frozenset[str]
    scoped: dict[str, frozenset[str]] = {}
    """Permission (or wildcard) to scopes: ``area:<uuid>``, ``group:<uuid>``, ``department:...``."""

    def limited_to(self, wanted: frozenset[str]) -> Rights:
        """What both these rights and ``wanted`` (permissions, wildcards) allow: an API key's."""
        scoped = {
            both: where
            for held, where in self.scoped.items()
            for each in wanted
            if (both := _both(held, each))
        }
        return Rights(self.roles, common(self.permissions, wanted), scoped)


def common(some: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """The permissions that are in both sets, each of which may hold wildcards."""
    return frozenset(both for a in some for b in others if (both := _both(a, b)))


def _both(a: str, b: str) -> str | None:
    """What two permissions have in common: the narrower one, or nothing."""
    for wide, narrow in ((a, b), (b, a)):
        if wide in (narrow, "*") or (wide.endswith(".*") and narrow.startswith(wide[:-1])):
            return narrow
    return None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's side of one request, as it travels from room to room and over the wire.

    ``tenant`` is the operator's id; None only for platform work (creating an operator).
    ``user`` is the person's id; None for the house itself (jobs, handlers, vehicles).
    ``deadline`` is in seconds of ``time.monotonic``; past it a door refuses (F15).
    """

    tenant: UUID | None
    tenant_slug: str = ""
    user: UUID | None = None
    service: str = ""
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    scoped: dict[str, frozenset[str]] = {}
    """What the caller may only somewhere; see :meth:`narrowed`."""
    scope: frozenset[str] | None = None
    """Where this request may look and act; None = everywhere within the operator."""
    request_id: str = ""
    trace: str | None = None
    locale: str = "en"
    currency: str = "EUR"
    deadline: float = float("inf")
    key: str | None = None
    """The caller's ``Idempotency-Key``."""
    address: str = ""
    session: UUID | None = None
    """The log-in this request belongs to; None for API keys and the house itself."""
    api_key: UUID | None = None
    """The API key it came with, instead of a session."""

    @property
    def actor(self) -> str:
        """Who did it, for events and audit: ``usr_...`` or ``room:fleet``."""
        return ids.public("usr", self.user) if self.user else f"room:{self.service or 'nobody'}"

    @property
    def is_staff(self) -> bool:
        """True when the caller acts with a role that riders do not have: its doings are audited."""
        return bool(self.roles - RIDERS)

    def may(self, permission: str) -> bool:
        """True when the caller holds ``permission`` (``room.noun.verb``) or a wildcard over it."""
        room = permission.partition(".")[0]
        return bool(self.permissions & {permission, f"{room}.*", "*"})

    def require(self, permission: str) -> None:
        """Raise ``Forbidden`` unless the caller may."""
        if not self.may(permission):
            raise Forbidden(permission=permission)

    def narrowed(self, permission: str, *, is_scoped: bool, wider: str | None = None) -> Call:
        """This call for an endpoint that needs ``permission``: within where the caller has it.

        An endpoint that cannot narrow (``is_scoped`` false) refuses who has it only somewhere.
        ``wider`` is what lets it do for others what everybody may for himself: whoever has only
        that somewhere is narrowed as well, and what is his own stays his.
        """
        if not self.scoped:
            return self
        wanted = permission
        if self.may(permission):
            if wider is None or self.may(wider):
                return self
            wanted = wider
        room = wanted.partition(".")[0]
        covering = (self.scoped.get(each) for each in (wanted, f"{room}.*", "*"))
        scope = frozenset[str]().union(*filter(None, covering))
        if not scope:
            return self
        if not is_scoped:
            raise Forbidden(
                "Your permission is limited to a part of the operator; this concerns all of it.",
                code="OUT_OF_SCOPE", permission=permission,
            )  # fmt: skip
        more = {each for each, where in self.scoped.items() if scope <= where}
        return msgspec.structs.replace(
            self, permissions=self.permissions | more | {wanted}, scope=scope
        )

    def in_time(self) -> None:
        """Raise ``Unavailable`` when the caller has stopped waiting."""
        if time.monotonic() > self.deadline:
            raise Unavailable("The time for this request ran out.", code="DEADLINE_EXCEEDED")


def system(tenant: UUID | None, room: str, *, trace: str | None = None, slug: str = "") -> Call:
    """A call of the house itself: a job's or a handler's."""
    return Call(
        tenant=tenant,
        tenant_slug=slug,
        service=room,
        permissions=frozenset({"*"}),
        request_id=trace or ids.request_id(),
        trace=trace,
    )
