"""Ways a letter leaves the house. One file per way; each is ``async def send(call, letter, ...)``.

A way raises ``Refused`` when this letter will never be taken, ``NotNow`` when a later try may
succeed. Any other error counts as ``NotNow``.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail, ready to go."""

    notice_id: UUID
    user_id: UUID
    template: str
    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    subject: str
    text: str
    html: str
    language: str
    message_id: str
    """The same at each try: a mail program that gets it twice shows it once."""
    at: datetime


class Refused(Exception):
    """The other side will never take this letter; the text says why."""


class NotNow(Exception):
    """It did not work this time; the text says why."""
