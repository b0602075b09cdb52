"""Sends zones to the vehicles that keep them on board: when they come online, and on changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.zone_bundles import AT_ONCE, DUE, claim_bundles
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.queries.zones import CHANGED
from fahrwerk.kernel.live import hub, rung

if TYPE_CHECKING:
    from fahrwerk.fleet.protocols.line import Line

LOOK_S = 5.0
PAUSE_S = 0.5
"""Between two batches: 100 vehicles a second, so that commands are not kept waiting."""


class Bundles:
    """One link's part in it; ``send`` is one round of work, for ever."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._due = asyncio.Event()
        for name in (DUE, CHANGED):
            hub.hear(name, lambda _: self._due.set())

    async def send(self) -> None:
        """Wait for something to send, and send it all."""
        await rung(self._due, LOOK_S)
        self._due.clear()
        while self._line.is_open and (batch := await claim_bundles()):
            for each in batch:
                self._line.publish(wire.zones_topic(each.public_vehicle_id), each.payload, qos=1)
            if len(batch) == AT_ONCE:
                await asyncio.sleep(PAUSE_S)
