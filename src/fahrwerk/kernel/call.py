"""``Call``: who asks, for which operator, until when. First argument of every contract function.

Nothing in this house is ambient: what a function may know about its caller stands here.
"""

from __future__ import annotations

import time
from uuid import UUID

import msgspec

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Forbidden, Unavailable

STAFF = frozenset({"provider", "admin", "support", "platform", "recorder"})
"""Roles whose actions are written to the audit log."""


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
    request_id: str = ""
    trace: str | None = None
    locale: str = "en"
    currency: str = "EUR"
    deadline: float = float("inf")
    key: str | None = None
    """The caller's ``Idempotency-Key``."""
    address: str = ""

    @property
    def actor(self) -> str:
        """Who did it, for events and audit: ``usr_...`` or ``room:fleet``."""
        return ids.public("usr", self.user) if self.user else f"room:{self.service or 'nobody'}"

    @property
    def is_staff(self) -> bool:
        """True when the caller acts with a privileged role."""
        return bool(self.roles & STAFF)

    def may(self, permission: str) -> bool:
        """True when the caller holds ``permission`` (``room.noun.verb``) or a wildcard over it."""
        room = permission.partition(".")[0]
        return bool(self.permissions & {permission, f"{room}.*", "*"})

    def require(self, permission: str) -> None:
        """Raise ``Forbidden`` unless the caller may."""
        if not self.may(permission):
            raise Forbidden(permission=permission)

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
