"""The limit: a bare application that answers a constant, under the platform's own server settings.

What a request costs before any of our code runs: the socket, uvicorn, the HTTP parser, the
framework's routing, and writing as many bytes as the real answer has.
"""

from __future__ import annotations

import os

from litestar import Litestar, MediaType, get

BYTES = "FAHRWERK_BENCH_BYTES"


def constant_app() -> Litestar:
    """For uvicorn's ``--factory``: answers ``/constant`` with that many bytes."""
    body = b"x" * int(os.environ[BYTES])

    @get("/constant", media_type=MediaType.JSON)
    async def constant() -> bytes:
        return body

    return Litestar([constant], openapi_config=None, logging_config=None)
