"""What others may ask of notifications."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query
from fahrwerk.kernel.errors import NotFound


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter kept instead of sent, because no SMTP server is configured."""

    id: UUID
    """The notice's id."""
    tenant: UUID
    template: str
    sender: str
    recipient: str
    subject: str
    text: str
    html: str
    language: str
    message_id: str
    sent_at: datetime


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """How far one message to one person has come.

    ``state``: due -> sent | failed (not deliverable, ``reason`` says why) | dropped (nothing to
    say any more, or nobody to say it to).
    """

    id: UUID
    user_id: UUID
    template: str
    channel: str
    reference: UUID
    """What it is about: the rental's id."""
    state: str
    attempts: int
    reason: str | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None


class UnknownMail(NotFound):
    """Not in the mailbox, or not any more: it keeps the newest letters only."""

    message = "This mail is not in the mailbox."


@query
async def mails(call: Call, limit: int) -> list[Mail]:
    """The newest letters in the mailbox: of the call's operator, or of all when it has none."""
    raise AssertionError


@query
async def mail(call: Call, mail_id: UUID) -> Mail:
    """One letter of the mailbox. Raises ``UnknownMail``."""
    raise AssertionError


@query
async def notices(call: Call, reference: UUID) -> list[Notice]:
    """What was written to whom about one rental, oldest first."""
    raise AssertionError
