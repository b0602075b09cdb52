"""The demo's mailbox: bounded, walled, readable, and not there in production."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import msgspec

from fahrwerk import app as composition
from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.settings import Settings
from fahrwerk.notifications import contract
from fahrwerk.notifications.channels import Letter, mailbox
from tests.world import World, make_world

if TYPE_CHECKING:
    import pytest

SUBJECT = "Größe & <b>Preis</b>"


def letter(**fields: object) -> Letter:
    values: dict[str, object] = {
        "notice_id": ids.new(),
        "user_id": ids.new(),
        "template": "RideReceipt",
        "sender": "noreply@mobil.example",
        "sender_name": "Mobil",
        "recipient": "ada@example.org",
        "recipient_name": "Ada",
        "subject": SUBJECT,
        "text": "Hello <b>Ada</b>",
        "html": '<p title="x">Hello &lt;b&gt;Ada&lt;/b&gt;</p>',
        "language": "en",
        "message_id": "<1@mobil.example>",
        "at": clock.now(),
    }
    return msgspec.convert(values | fields, Letter)


async def test_the_newest_letters_are_kept_and_a_repeat_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = world.system()
    monkeypatch.setattr(mailbox, "_KEEP", mailbox._KEEP.replace(str(mailbox.KEPT - 1), "2"))
    start = clock.now()
    letters = [letter(subject=str(n), at=start + timedelta(seconds=n)) for n in range(5)]
    for each in letters:
        await mailbox.send(call, each)
    await mailbox.send(call, letters[-1])
    assert [mail.subject for mail in await contract.mails(call, 100)] == ["4", "3", "2"]


async def test_an_operator_sees_its_own_and_a_developer_all(world: World) -> None:
    other = await make_world()
    mine, theirs = letter(), letter()
    await mailbox.send(world.system(), mine)
    await mailbox.send(other.system(), theirs)
    async with world.client() as client:
        own = (await client.get("/dev/mail.json")).json()["mails"]
        foreign = await client.get("/dev/mail", params={"message": str(theirs.notice_id)})
    assert [mail["id"] for mail in own] == [str(mine.notice_id)]
    assert own[0]["operator"] == world.operator.name
    assert own[0]["text"] == "Hello <b>Ada</b>"
    assert foreign.status_code == 404
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        listed = (await client.get("/dev/mail.json")).json()["mails"]
    assert {str(mine.notice_id), str(theirs.notice_id)} <= {mail["id"] for mail in listed}
    assert len(listed) <= 200


async def test_the_page_shows_a_letter_and_lets_nothing_of_it_out(world: World) -> None:
    """Names are people's own words: escaped in the list, and the letter stands in a sandbox."""
    sent = letter()
    await mailbox.send(world.system(), sent)
    async with world.client() as client:
        page = await client.get("/dev/mail", params={"message": str(sent.notice_id)})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    html = page.text
    assert '<html lang="en">' in html
    assert "Größe &amp; &lt;b&gt;Preis&lt;/b&gt;" in html
    assert "<b>Preis" not in html
    frame = re.search(r'<iframe title="[^"]+" sandbox="([^"]*)" srcdoc="([^"]*)">', html)
    assert frame is not None
    # Its links may open in a new tab; no script of it runs, and it is nobody's origin.
    assert not re.search("allow-(scripts|same-origin|forms|top)", frame[1])
    assert frame[2].startswith("&lt;p title=&#34;x&#34;&gt;")
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"<script|(src|href)=.?(https?:)?//|@import|url\(", html)
    assert 'aria-current="page"' in html


async def test_an_empty_and_a_forgotten_letter_have_their_own_words(world: World) -> None:
    async with world.client() as client:
        empty = await client.get("/dev/mail")
        gone = await client.get("/dev/mail", params={"message": str(ids.new())})
        nonsense = await client.get("/dev/mail", params={"message": "x"})
    assert (empty.status_code, "No letters yet" in empty.text) == (200, True)
    assert (gone.status_code, "This letter is not here" in gone.text) == (404, True)
    assert nonsense.status_code == 404


async def test_there_is_no_mailbox_in_production(world: World) -> None:
    await mailbox.send(world.system(), letter())
    app = composition.create_http_app(Settings(dev=False), own_ground=False)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    own = {"X-Tenant-ID": world.operator.slug}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=own) as away:
        for path in ("/dev/mail", "/dev/mail.json"):
            answer = await away.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
