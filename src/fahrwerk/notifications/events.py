"""What notifications tells. Streams are ``notice:<uuid>``: one fact each, its end."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("notification.sent", topic="notifications")
class NotificationSent(msgspec.Struct, frozen=True):
    """A notice left the house (EV-08)."""

    notice_id: UUID
    user_id: UUID
    template: str
    channel: str


@event("notification.failed", topic="notifications")
class NotificationFailed(msgspec.Struct, frozen=True):
    """A notice could not be delivered and is not tried again."""

    notice_id: UUID
    user_id: UUID
    template: str
    channel: str
    reason: str
