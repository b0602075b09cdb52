"""HEAD: what GET would answer, without the body (RFC 9110, 9.3.2).

Around the whole application, because the framework wants a handler of its own for each method. What
streams for ever is ended as soon as its head is known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fahrwerk.kernel.asgi import Message, Receive, Scope, Send


def answering(app: Any) -> Any:
    """The same ASGI application, answering HEAD wherever it answers GET."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        has_begun = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start" and not has_begun.is_set():
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                has_begun.set()

        asking = asyncio.ensure_future(app({**scope, "method": "GET"}, receive, send_head))
        waiting = asyncio.ensure_future(has_begun.wait())
        try:
            await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                # What has a body to write writes it at once; what goes on has nothing to say here.
                await asyncio.wait((asking,), timeout=0.05)
        finally:
            waiting.cancel()
            asking.cancel()
            await asyncio.gather(asking, waiting, return_exceptions=True)
        if asking.done() and not asking.cancelled() and (error := asking.exception()) is not None:
            raise error

    return answer
