"""The bare client library: gmqtt as anybody would use it, counting what it receives at QoS 1.

python -m tests.bench.bare <broker's URL> <board>
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
from gmqtt import Client

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from tests.bench.stream import ALLOWED, Board

logging.getLogger("gmqtt").setLevel(logging.CRITICAL)


async def _receive(url: str, board: Board) -> None:
    where = urlsplit(url)
    count = 0

    def heard(_client: Any, _topic: str, _payload: bytes, _qos: int, _properties: Any) -> None:
        nonlocal count
        count += 1
        if count % 16 == 0:
            board[ALLOWED] = count

    client = Client("bare", clean_session=True)
    client.on_message = heard
    client.on_connect = lambda *_: client.subscribe(wire.TELEMETRY, qos=1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    await client.connect(where.hostname, where.port)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(_receive(sys.argv[1], Board(Path(sys.argv[2]))))
