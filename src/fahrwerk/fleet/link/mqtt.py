"""Vehicles that speak our own protocol: commands out, acknowledgements and status in.

Every worker hears all of these, and each may come twice; telemetry is heard by ``ingest``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Gauge

from fahrwerk.fleet.actions import commands, dispatch, knocks, telemetry, zone_bundles
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.link.bundles import Bundles
from fahrwerk.fleet.link.steady import forever, heard, refused
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.live import hub, rung

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

FROM_VEHICLES = (wire.ACKS, wire.STATUSES)
WORDS_WAITING = 5_000
LOOK_S = 1.0
LISTENERS = 4
DEVICES_KNOWN = 100_000
log = structlog.get_logger()

is_up = Gauge("fahrwerk_vehicle_link_up", "1 while connected to the broker")


class Link:
    """One process's link. ``start`` and ``stop``; it finds the broker again by itself."""

    def __init__(self, url: str) -> None:
        name = f"fahrwerk-{socket.gethostname()[:20]}-{os.getpid()}"
        self._lost = asyncio.Event()
        self._line = Line(name, url, FROM_VEHICLES, self._hear, self._lost.set)
        self._due = asyncio.Event()
        self._words: asyncio.Queue[tuple[wire.Topic, bytes, datetime]] = asyncio.Queue(
            WORDS_WAITING
        )
        self._devices: dict[UUID, dispatch.Device] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin in the background; a broker that is away is waited for."""
        hub.hear("fleet.command", lambda _: self._due.set())
        bundles = Bundles(self._line)
        work = [self._keep_open, self._send, bundles.send, *[self._listen] * LISTENERS]
        self._tasks = [asyncio.create_task(forever(each)) for each in work]

    async def stop(self) -> None:
        """Stop speaking and listening."""
        await self._line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_open(self) -> None:
        pause_s = 0.2
        while True:
            self._lost.clear()
            try:
                await self._line.open()
            except OSError as error:
                log.info("broker not reached", reason=str(error) or type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)
                continue
            pause_s = 0.2
            is_up.set(1)
            self._due.set()
            await self._lost.wait()
            is_up.set(0)

    # --- out

    async def _send(self) -> None:
        await rung(self._due, LOOK_S)
        self._due.clear()
        # A command is claimed only when it can be sent: while the broker is away it stays queued.
        while self._line.is_open and (batch := await dispatch.claim_commands()):
            point("fleet.link.after_claim")
            for command in batch:
                self._publish(command)
            point("fleet.link.after_publish")

    def _publish(self, out: dispatch.Outgoing) -> None:
        vehicle_id = out.public_vehicle_id
        command_id = ids.public("cmd", out.id)
        rental_id = ids.public("rent", out.rental_id) if out.rental_id else None
        command = wire.Command(
            id=command_id,
            vehicle_id=vehicle_id,
            command=out.operation,
            timestamp=clock.millis(out.queued_at),
            expires=clock.millis(out.expires_at),
            counter=out.counter,
            user_id=ids.public("usr", out.user_id) if out.user_id else None,
            booking_id=rental_id,
            rental_id=rental_id,
            args=dict(out.args),
        )
        self._line.publish(
            wire.command_topic(vehicle_id, out.operation),
            wire.encode_command(command, out.device.key),
            qos=1,
            # The envelope's own expiry rules; this spares a vehicle that was away the late message.
            message_expiry_interval=max(1, round((command.expires - command.timestamp) / 1000)),
            response_topic=wire.ack_topic(vehicle_id),
            correlation_data=command_id.encode(),
        )

    # --- in

    def _hear(self, topic: str, payload: bytes, _: dict[str, Any]) -> None:
        try:
            where = wire.parse_topic(topic)
            self._words.put_nowait((where, payload, clock.now()))
            heard.labels(where.channel).inc()
        except wire.Refused as error:
            refused.labels(topic.rpartition("/")[2][:20], error.reason).inc()
        except asyncio.QueueFull:
            refused.labels("acks", "overload").inc()

    async def _listen(self) -> None:
        where, payload, at = await self._words.get()
        while True:
            try:
                await self._take(where, payload, at)
                return
            except (wire.Refused, NotFound) as error:
                reason = getattr(error, "reason", "unknown_vehicle")
                refused.labels(where.channel, reason).inc()
                await self._complain(where.vehicle_id, reason)
                return
            except db.DatabaseDown:
                await asyncio.sleep(0.5)  # an acknowledgement must not be lost with the database

    async def _take(self, where: wire.Topic, payload: bytes, at: datetime) -> None:
        vehicle_id = ids.parse(where.vehicle_id, *PREFIX.values())
        device = await self._device(vehicle_id)
        call = system(device.tenant, "fleet")
        if where.channel == "status":
            said = wire.decode_status(payload)
            if said.status == "offline":
                return  # the broker's word, no sign of life: silence is what tells
            turned = {"locked": True, "unlocked": False}.get(said.status)
            await telemetry.vehicle_heard(call, vehicle_id, turned)
            await knocks.introduced(
                call, vehicle_id, said.firmware, said.hardware, said.capabilities
            )
            await zone_bundles.vehicle_wants_zones(call, vehicle_id, said.capabilities)
            if said.zones is not None:
                await zone_bundles.zones_taken(call, vehicle_id, said.zones)
            return
        try:
            ack = wire.verify_ack(payload, device.key, where.vehicle_id)
        except wire.Refused as error:
            if error.reason != "bad_signature":
                raise
            # It may have been paired anew since we learned its key.
            device = await self._device(vehicle_id, again=True)
            ack = wire.verify_ack(payload, device.key, where.vehicle_id)
        point("fleet.link.before_ack")
        if ack.command_id is not None:
            await commands.command_acknowledged(
                call, vehicle_id, ids.parse(ack.command_id, "cmd"), ack.result, ack.reason, at
            )
        point("fleet.link.after_ack")

    async def _complain(self, vehicle: str, reason: str) -> None:
        """Have it said to whoever pairs this vehicle."""
        with contextlib.suppress(NotFound):
            vehicle_id = ids.parse(vehicle, *PREFIX.values())
            if known := self._devices.get(vehicle_id):
                await knocks.went_wrong(known.tenant, vehicle_id, reason)
            elif reason == "unknown_vehicle":
                await knocks.knocked(None, "fahrwerk", vehicle)

    async def _device(self, vehicle_id: UUID, *, again: bool = False) -> dispatch.Device:
        known = self._devices.get(vehicle_id)
        if known is None or again:
            found = await dispatch.devices([vehicle_id])
            if vehicle_id not in found:
                raise NotFound
            if len(self._devices) >= DEVICES_KNOWN:
                self._devices.clear()
            known = self._devices[vehicle_id] = found[vehicle_id]
        return known


@contextlib.asynccontextmanager
async def running(url: str) -> AsyncIterator[None]:
    """The link to the broker at ``url``, for the block."""
    link = Link(url)
    await link.start()
    try:
        yield
    finally:
        await link.stop()
