"""The SMTP channel against a real server: what arrives, what is refused for good, what waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.notifications.channels import Letter, NotNow, Refused, smtp
from tests.notifications.receiving import certificate, smtp_server

if TYPE_CHECKING:
    from pathlib import Path

CALL = system(None, "notifications")
LETTER = Letter(
    notice_id=ids.new(),
    user_id=ids.new(),
    template="RideReceipt",
    sender="noreply@mobil.example",
    sender_name="Müller & Söhne",
    recipient="joerg@example.org",
    recipient_name='Jörg "Ä" Öztürk, Dr.',
    subject="Ihre Fahrt am 5. März: 12,50 €",
    text="Guten Tag Jörg,\n.\n12,50 €\n",
    html="<p>Größe: 12,50&nbsp;€</p>",
    language="de",
    message_id="<1@mobil.example>",
    at=datetime(2026, 3, 5, 12, tzinfo=UTC),
)


async def test_a_letter_arrives_with_umlauts_in_header_and_body() -> None:
    async with smtp_server() as server:
        await smtp.send(CALL, LETTER, server.url)
    (message,) = server.messages
    assert server.recipients == ["joerg@example.org"]
    assert message["Subject"] == LETTER.subject
    assert message["From"].addresses[0].display_name == "Müller & Söhne"
    assert message["To"].addresses[0].display_name == 'Jörg "Ä" Öztürk, Dr.'
    assert message["To"].addresses[0].addr_spec == "joerg@example.org"
    assert message["Message-ID"] == "<1@mobil.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    # A line with only a dot would end the message if it were not doubled on the way.
    assert text.get_content().replace("\r\n", "\n") == LETTER.text
    assert "Größe" in html.get_content()


async def test_it_turns_to_tls_where_the_server_offers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path)
    async with smtp_server(tls=context) as server:
        with pytest.raises(NotNow, match=r"(?i)certificate"):
            await smtp.send(CALL, LETTER, server.url)
        assert not server.messages
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        await smtp.send(CALL, LETTER, server.url)
    assert server.was_tls == [True]


async def test_the_password_never_travels_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    async with smtp_server(login=True) as server:
        url = f"smtp://mobil%40example:secret@127.0.0.1:{server.port}"
        await smtp.send(CALL, LETTER, url)  # to this very machine it may
        assert server.logins == [("mobil@example", "secret")]
        monkeypatch.setattr(smtp, "_HERE", ())
        with pytest.raises(NotNow, match=r"(?i)starttls"):
            await smtp.send(CALL, LETTER, url)
        assert len(server.logins) == 1


@pytest.mark.parametrize("field", ["say_to", "say_after"])
@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ("550 5.1.1 no such mailbox", Refused),
        ("554 message refused", Refused),
        ("450 4.2.1 try again later", NotNow),
        ("451 local error", NotNow),
    ],
)
async def test_5xx_is_for_good_and_4xx_is_not(
    field: str, answer: str, raised: type[Exception]
) -> None:
    async with smtp_server() as server:
        setattr(server, field, answer)
        with pytest.raises(raised, match=answer[:3]):
            await smtp.send(CALL, LETTER, server.url)
    assert not server.messages


async def test_a_wrong_password_of_ours_is_not_the_letters_fault() -> None:
    async with smtp_server(login=True) as server:
        with pytest.raises(NotNow, match="535"):
            await smtp.send(CALL, LETTER, f"smtp://mobil:wrong@127.0.0.1:{server.port}")


async def test_no_server_and_no_answer_mean_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with smtp_server() as server:
        pass
    with pytest.raises(NotNow, match="Connect"):
        await smtp.send(CALL, LETTER, server.url)
    monkeypatch.setattr(smtp, "WHOLE_S", 0.2)
    async with smtp_server() as server:
        server.wait_s = 1
        with pytest.raises(NotNow, match="Timeout"):
            await smtp.send(CALL, LETTER, server.url)


@pytest.mark.parametrize("address", ["nobody", "two@at@example.org", "a@b\r\nBcc: all@b", "", "@"])
async def test_what_is_no_address_is_refused_before_any_server(address: str) -> None:
    with pytest.raises(Refused, match="not an e-mail address"):
        await smtp.send(CALL, msgspec.structs.replace(LETTER, recipient=address), "smtp://x")


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://a:b:c"])
async def test_a_setting_that_does_not_fit_is_named(url: str) -> None:
    with pytest.raises(NotNow, match="FAHRWERK_SMTP_URL"):
        await smtp.send(CALL, LETTER, url)


def test_how_servers_are_named() -> None:
    far = smtp.server_of("smtp://noreply%40mobil.example:p%3Ass@mail.example:587")
    assert far == ("mail.example", 587, "noreply@mobil.example", "p:ss", False, True)
    assert smtp.server_of("smtps://u:p@mail.example") == (
        *("mail.example", 465, "u", "p", True, False),
    )
    assert smtp.server_of("smtp://localhost") == ("localhost", 25, None, None, False, None)


async def test_nothing_is_sent_inside_a_transaction() -> None:
    token = db.in_transaction.set(True)
    try:
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await smtp.send(CALL, LETTER, "smtp://localhost")
    finally:
        db.in_transaction.reset(token)
