"""What became of a ride's messages, and the mailbox of the demo as a page and as JSON.

The mailbox exists only where ``FAHRWERK_DEV`` is on. It is open without a login, because the
letters a tester wants to read are those of accounts just invented.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.params import QueryParameter

from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.notifications.contract import Mail, Notice, mails, notices
from fahrwerk.notifications.contract import mail as one_mail
from fahrwerk.notifications.templates import letters
from fahrwerk.tenancy.contract import operators

SHOWN = 200
"""Newest letters listed (NTF-03, NTF-05)."""

# The letters are ours, the names in them are not: nothing may run, nothing is fetched.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}


class MailShown(msgspec.Struct, frozen=True, kw_only=True):
    """One letter; times are ISO 8601, UTC.

    ``template`` is BookingConfirmation, RideReceipt or AlertDigest.
    """

    id: str
    operator: str
    template: str
    sender: str
    recipient: str
    subject: str
    language: str
    sent_at: str
    message_id: str
    text: str
    html: str


class Mailbox(msgspec.Struct, frozen=True):
    """The newest letters, newest first."""

    mails: list[MailShown]


class NoticeShown(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person. ``status``: due | sent | failed | dropped; ``reason`` of the last
    failed try, or why there was nothing to send."""

    id: str
    template: str
    channel: str
    status: str
    attempts: int
    reason: str | None
    created_at: str
    next_try_at: str | None
    sent_at: str | None


class Notices(msgspec.Struct, frozen=True):
    """All messages about one rental, oldest first."""

    notices: list[NoticeShown]


@get("/api/v1/notices", permission="notifications.notice.read", tags=["notifications"])
async def list_notices(
    call: web.Caller,
    rental_id: Annotated[str, QueryParameter(max_length=60, description="rent_... or book_...")],
) -> Notices:
    """Whether the rider of a rental got confirmation and receipt, and if not, why (EV-08)."""
    found = await notices(call, ids.parse(rental_id, "rent", "book"))
    return Notices([_notice(each) for each in found])


def _notice(notice: Notice) -> NoticeShown:
    return NoticeShown(
        id=ids.public("ntc", notice.id),
        template=notice.template,
        channel=notice.channel,
        status=notice.state,
        attempts=notice.attempts,
        reason=notice.reason,
        created_at=clock.stamp(notice.created_at),
        next_try_at=clock.stamp(notice.due_at) if notice.state == "due" else None,
        sent_at=clock.stamp(notice.sent_at) if notice.sent_at else None,
    )


def _in_development(state: State) -> None:
    if not state.settings.dev:
        raise NotFound


async def _shown(call: Call) -> tuple[list[Mail], dict[str, str]]:
    found, everyone = await asyncio.gather(
        mails(call, SHOWN), operators(system(None, "notifications"))
    )
    return found, {str(operator.id): operator.name for operator in everyone}


@get("/dev/mail.json", permission=None, public=True, tags=["notifications"])
async def mailbox_json(call: web.Caller, state: State) -> Mailbox:
    """The newest 200 letters of the request's operator, or of all when it names none.

    404 unless ``FAHRWERK_DEV`` is on.
    """
    _in_development(state)
    found, names = await _shown(call)
    return Mailbox(
        [
            MailShown(
                id=str(mail.id),
                operator=names.get(str(mail.tenant), ""),
                template=mail.template,
                sender=mail.sender,
                recipient=mail.recipient,
                subject=mail.subject,
                language=mail.language,
                sent_at=clock.stamp(mail.sent_at),
                message_id=mail.message_id,
                text=mail.text,
                html=mail.html,
            )
            for mail in found
        ]
    )


def _ago(at: datetime, now: datetime) -> str:
    seconds = max(0, int((now - at).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


@get("/dev/mail", permission=None, public=True, include_in_schema=False)
async def mailbox_page(
    call: web.Caller,
    state: State,
    message: Annotated[str | None, QueryParameter(max_length=60)] = None,
) -> Response[str]:
    """The same as a page: a list and one letter (``?message=<id>``; the newest if none is named).

    404 unless ``FAHRWERK_DEV`` is on, or when the letter is not in the mailbox any more.
    """
    _in_development(state)
    found, names = await _shown(call)
    opened = next((mail for mail in found if str(mail.id) == message), None)
    if message is not None and opened is None:
        try:
            opened = await one_mail(call, ids.parse(message))
        except NotFound:
            opened = None
    now = clock.now()
    page = letters.get_template("mailbox.html.j2").render(
        mails=found,
        opened=opened if message is not None else next(iter(found), None),
        is_missing=message is not None and opened is None,
        is_chosen=message is not None,
        operators=names,
        ago=lambda at: _ago(at, now),
        stamp=clock.stamp,
        shown=SHOWN,
    )
    status = 404 if message is not None and opened is None else 200
    return Response(page, media_type=MediaType.HTML, headers=_HEADERS, status_code=status)


handlers = [list_notices, mailbox_json, mailbox_page]
