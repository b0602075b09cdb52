"""What identity tells. Ids only: personal data stay in identity's own rows.

Streams are ``person:<uuid>`` and, for the end of a session, ``session:<uuid>``.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("user.registered", topic="identity")
class UserRegistered(msgspec.Struct, frozen=True):
    """A new account (EV-09)."""

    user_id: UUID
    roles: list[str]


@event("session.revoked", topic="identity")
class SessionRevoked(msgspec.Struct, frozen=True):
    """A session was ended; ``reason``: logout | reuse_detected | blocked."""

    user_id: UUID
    session_id: UUID
    reason: str


@event("user.blocked", topic="identity")
class UserBlocked(msgspec.Struct, frozen=True):
    """The operator blocked an account: no log-in and no new ride."""

    user_id: UUID


@event("user.unblocked", topic="identity")
class UserUnblocked(msgspec.Struct, frozen=True):
    """A blocked account may ride again."""

    user_id: UUID
