"""Sends letters through the operator's SMTP server (``FAHRWERK_SMTP_URL``).

``smtp://user:password@host:port`` turns to TLS by STARTTLS: always when there is a password, which
never travels in clear except to this very machine; otherwise where the server offers it.
``smtps://`` begins with TLS. Certificates are verified.
"""

from __future__ import annotations

import asyncio
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib

from fahrwerk.kernel import db, observe
from fahrwerk.notifications.channels import NotNow, Refused

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.notifications.channels import Letter

ANSWER_S = 15.0
"""Longest wait for one answer of the server."""
WHOLE_S = 60.0
"""Longest time for one letter; the claim on its notice lasts longer."""

_PORTS = {"smtp": 25, "smtps": 465}
_HERE = ("localhost", "127.0.0.1", "::1")


class Server(NamedTuple):
    """Where letters go."""

    host: str
    port: int
    user: str | None
    password: str | None
    is_tls: bool
    starttls: bool | None
    """True: or not at all. None: when offered."""


def server_of(url: str) -> Server:
    """Read ``FAHRWERK_SMTP_URL``. Raises ``NotNow``: mail waits until the setting is put right."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in _PORTS or not host:
        raise NotNow("FAHRWERK_SMTP_URL is not like smtp://user:password@host:port")
    is_tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    return Server(
        host=host,
        port=port or _PORTS[parts.scheme],
        user=user,
        password=unquote(parts.password or "") if user else None,
        is_tls=is_tls,
        starttls=False if is_tls else (True if user and host not in _HERE else None),
    )


def message_of(letter: Letter) -> EmailMessage:
    """The letter as MIME: plain text, and HTML beside it. Raises ``Refused`` on a bad address."""
    message = EmailMessage()
    try:
        message["From"] = Address(letter.sender_name, addr_spec=letter.sender)
        message["To"] = Address(letter.recipient_name, addr_spec=letter.recipient)
    except (MessageError, ValueError, IndexError) as error:  # what the parser raises on nonsense
        raise Refused(f"not an e-mail address: {error}") from error
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = letter.message_id
    # Out-of-office programs do not answer a machine (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    message["Content-Language"] = letter.language  # last: setting content clears such headers
    return message


async def send(call: Call, letter: Letter, url: str) -> None:
    """Hand the letter to the server. Returns when the server has taken it.

    Raises ``Refused`` for a permanent answer about this letter (5xx to its recipient or content),
    ``NotNow`` for everything else: no connection, no answer, 4xx, our log-in or sender refused.
    A time-out after the content was sent is *unknown* and tried again with the same Message-ID.
    """
    if db.in_transaction.get():
        raise RuntimeError("a call to the SMTP server inside a transaction")
    server = server_of(url)
    message = message_of(letter)
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.is_tls,
        start_tls=server.starttls,
        timeout=ANSWER_S,
        # Our own name: looking it up could take longer than sending.
        local_hostname=letter.sender.rpartition("@")[2],
    )
    taken = False
    try:
        async with asyncio.timeout(WHOLE_S), client:
            await client.send_message(message)
            taken = True
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        if not taken:  # else it only failed to say good-bye
            observe.outside_calls.labels("smtp", "failed").inc()
            raise _told(error) from error
    observe.outside_calls.labels("smtp", "answered").inc()


def _told(error: Exception) -> Refused | NotNow:
    """The error as the queue needs it: is there any point in another try?"""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {' '.join(error.message.split())}"
        ours = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
        return Refused(text) if error.code >= 500 and isinstance(error, ours) else NotNow(text)
    if isinstance(error, aiosmtplib.SMTPNotSupported) and "SMTPUTF8" in str(error):
        return Refused("the server does not take addresses with such characters")
    return NotNow(f"{type(error).__name__}: {error}".rstrip(": "))
