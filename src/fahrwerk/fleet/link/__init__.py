"""The links to the vehicles: over MQTT for our own protocol, over TCP for other makers' devices.

Over MQTT words (``mqtt``) and readings (``ingest``) go over lines of their own: a flood of readings
holds up no unlock.

Run in the worker. Commands are claimed from their table and sent; what vehicles say is verified or
decoded and written by ``actions``. Nothing here decides anything, and every message may come
twice, late or forged: the table's states go forwards only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fahrwerk.fleet.link import ingest, mqtt, tcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fahrwerk.kernel.settings import Settings


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """The links of a worker that are configured, for the block."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(mqtt.running(settings.mqtt_url))
        await stack.enter_async_context(ingest.running(settings))
        if ports := tcp.wanted(settings):
            await stack.enter_async_context(tcp.running(settings, ports))
        yield
