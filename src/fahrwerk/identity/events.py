"""What identity tells. Ids only: personal data stay in identity's own rows."""

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
