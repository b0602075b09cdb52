"""Sends short messages through the operator's SMS gateway (``FAHRWERK_SMS_URL``).

One ``POST`` of JSON: ``{"id", "to", "text", "from"}``, ``to`` in E.164. A 2xx means taken; the same
``id`` again is the same message. A password in the address (``https://user:password@host/path``)
goes as HTTP Basic. 4xx but 408 and 429 is a refusal for good.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fahrwerk.kernel.errors import Unavailable
from fahrwerk.kernel.outside import Peer
from fahrwerk.notifications.channels import NotNow, Refused

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.notifications.channels import Letter

_LATER = (408, 425, 429)
_peers: dict[str, tuple[Peer, str]] = {}


def peer_of(url: str) -> tuple[Peer, str]:
    """The gateway and the path there. Raises ``NotNow`` until the setting is put right."""
    if (known := _peers.get(url)) is not None:
        return known
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise NotNow("FAHRWERK_SMS_URL is not like https://user:password@host/path")
    headers = {}
    if parts.username:
        said = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(said).decode()}"
    name = f"[{host}]" if ":" in host else host
    where = f"{parts.scheme}://{name}{f':{port}' if port else ''}"
    query = f"?{parts.query}" if parts.query else ""
    _peers[url] = (Peer("sms", where, headers=headers), f"{parts.path or '/'}{query}")
    return _peers[url]


async def send(call: Call, letter: Letter, url: str) -> None:
    """Hand the message to the gateway. Raises ``Refused`` or ``NotNow``."""
    peer, path = peer_of(url)
    body = {
        "id": str(letter.notice_id),
        "to": letter.recipient,
        "text": letter.text.strip(),
        "from": letter.sender_name,
    }
    try:
        # Safe to repeat: the gateway knows the message by its id.
        answer = await peer.call("POST", path, safe=True, json=body)
    except Unavailable as silence:
        raise NotNow(silence.text) from silence
    if answer.is_success:
        return
    why = f"the SMS gateway answers {answer.status_code}"
    if 400 <= answer.status_code < 500 and answer.status_code not in _LATER:
        raise Refused(why)
    raise NotNow(why)
