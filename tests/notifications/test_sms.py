"""SMS through a gateway: what it is told, and what its answers mean."""

from __future__ import annotations

import json

import httpx
import pytest

from fahrwerk.kernel import clock, ids, outside
from fahrwerk.notifications.channels import Letter, NotNow, Refused, sms
from tests.world import World

URL = "https://user:pass%21word@sms.example/send?route=1"


def message() -> Letter:
    """A code for somebody."""
    return Letter(
        notice_id=ids.new(), user_id=ids.new(), template="AccountSms", sender="", recipient_name="",
        sender_name="Mobility", recipient="+491512345678", subject="Code", text="Code 123456\n",
        html="", language="de", message_id="", at=clock.now(),
    )  # fmt: skip


async def test_a_message_is_handed_over_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway gets number, text and an id that stays the same; 4xx is for good, 5xx is not."""
    told: list[httpx.Request] = []
    answers = [200, 400, 429, 503, 503, 503]

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(request)
        return httpx.Response(answers[len(told) - 1])

    sms._peers.clear()
    _, path = sms.peer_of(URL)
    assert path == "/send?route=1"
    peer = outside.Peer("sms", "https://sms.example", transport=httpx.MockTransport(answer))
    monkeypatch.setitem(sms._peers, URL, (peer, path))
    letter, call = message(), world.system("notifications")
    await sms.send(call, letter, URL)
    assert json.loads(told[0].content) == {
        "id": str(letter.notice_id),
        "to": "+491512345678",
        "text": "Code 123456",
        "from": "Mobility",
    }
    with pytest.raises(Refused):
        await sms.send(call, letter, URL)
    for _ in range(2):
        with pytest.raises(NotNow):
            await sms.send(call, letter, URL)
    assert len({json.loads(each.content)["id"] for each in told}) == 1
    await peer.close()
    for bad in ("sms.example", "ftp://sms.example", "https://", "http://[x"):
        with pytest.raises(NotNow):
            sms.peer_of(bad)
