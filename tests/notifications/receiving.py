"""A real SMTP server in the test's own event loop: what it takes, what it refuses, how it talks."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage
    from pathlib import Path


class Received:
    """What came in; ``say_to`` and ``say_after`` make it answer something else than 250."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.was_tls: list[bool] = []
        self.logins: list[tuple[str, str]] = []
        self.say_to: str | None = None
        self.say_after: str | None = None
        self.wait_s = 0.0
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks for this name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.say_to is not None:
            return self.say_to
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.wait_s)
        if self.say_after is not None:
            return self.say_after
        self.recipients += envelope.rcpt_tos
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.was_tls.append(session.ssl is not None)
        return "250 taken"

    def let_in(self, server: Any, session: Any, envelope: Any, how: str, said: Any) -> AuthResult:
        self.logins.append((said.login.decode(), said.password.decode()))
        return AuthResult(success=said.password == b"secret", handled=False)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def smtp_server(
    port: int = 0, *, tls: ssl.SSLContext | None = None, login: bool = False
) -> AsyncIterator[Received]:
    """The server for the block; ``port`` 0 takes a free one."""
    received = Received()
    sessions: list[SMTP] = []

    def protocol() -> SMTP:
        made = SMTP(
            received,
            hostname="mail.test",
            tls_context=tls,
            authenticator=received.let_in if login else None,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )
        sessions.append(made)
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    received.port = server.sockets[0].getsockname()[1]
    try:
        yield received
    finally:
        server.close()
        for session in sessions:
            if session.transport is not None:
                session.transport.close()
        await server.wait_closed()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for 127.0.0.1 and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "cert.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
