"""Vehicles that speak our own protocol: commands out, acknowledgements, status, telemetry in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Gauge

from fahrwerk.fleet.actions import commands, dispatch, telemetry
from fahrwerk.fleet.contract import PREFIX, Measured
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

FROM_VEHICLES = "vehicles/+/+"
"""Acknowledgements, status and telemetry; commands have one level more."""
WORDS_WAITING = 5_000
READINGS_WAITING = 50_000
READINGS_AT_ONCE = 1_000
GATHER_S = 0.1
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
        self._readings: list[Measured] = []
        self._some = asyncio.Event()
        self._devices: dict[UUID, dispatch.Device] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin in the background; a broker that is away is waited for."""
        hub.hear("fleet.command", lambda _: self._due.set())
        work = [self._keep_open, self._send, self._record, *[self._listen] * LISTENERS]
        self._tasks = [asyncio.create_task(forever(each)) for each in work]

    async def stop(self) -> None:
        """Stop listening; what was heard and not yet written is written first."""
        await self._line.close()
        with contextlib.suppress(TimeoutError, db.DatabaseDown):
            async with asyncio.timeout(2):
                await self._write()
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
            if where.channel == "telemetry":
                self._gather(where.vehicle_id, wire.decode_readings(payload))
            else:
                self._words.put_nowait((where, payload, clock.now()))
            heard.labels(where.channel).inc()
        except wire.Refused as error:
            refused.labels(topic.rpartition("/")[2][:20], error.reason).inc()
        except asyncio.QueueFull:
            refused.labels("acks", "overload").inc()

    def _gather(self, vehicle: str, readings: list[wire.Reading]) -> None:
        try:
            vehicle_id = ids.parse(vehicle, *PREFIX.values())
        except NotFound:
            refused.labels("telemetry", "unknown_vehicle").inc()
            return
        if len(self._readings) + len(readings) > READINGS_WAITING:
            refused.labels("telemetry", "overload").inc(len(readings))
            return
        self._readings += [_measured(vehicle_id, r) for r in readings]
        self._some.set()

    async def _record(self) -> None:
        await self._some.wait()
        await asyncio.sleep(GATHER_S)  # many vehicles speak within this time: one statement
        self._some.clear()
        await self._write()

    async def _write(self) -> None:
        while self._readings:
            batch = self._readings[:READINGS_AT_ONCE]
            try:
                done = await telemetry.record_readings(batch)
            except db.DatabaseDown:
                self._some.set()  # they stay at the head of the queue
                raise
            del self._readings[: len(batch)]
            if done.unknown:
                refused.labels("telemetry", "unknown_vehicle").inc(done.unknown)

    async def _listen(self) -> None:
        where, payload, at = await self._words.get()
        while True:
            try:
                await self._take(where, payload, at)
                return
            except (wire.Refused, NotFound) as error:
                reason = getattr(error, "reason", "unknown_vehicle")
                refused.labels(where.channel, reason).inc()
                return
            except db.DatabaseDown:
                await asyncio.sleep(0.5)  # an acknowledgement must not be lost with the database

    async def _take(self, where: wire.Topic, payload: bytes, at: datetime) -> None:
        vehicle_id = ids.parse(where.vehicle_id, *PREFIX.values())
        device = await self._device(vehicle_id)
        call = system(device.tenant, "fleet")
        if where.channel == "status":
            status = wire.decode_status(payload).status
            turned = {"locked": True, "unlocked": False}.get(status)
            await telemetry.vehicle_heard(call, vehicle_id, turned)
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


def _measured(vehicle_id: UUID, reading: wire.Reading) -> Measured:
    return Measured(
        vehicle_id=vehicle_id,
        time=clock.from_millis(reading.time),
        latitude=reading.latitude,
        longitude=reading.longitude,
        accuracy_m=reading.accuracy_m,
        speed_kmh=reading.speed_kmh,
        battery_level=_whole(reading.battery_level),
        voltage=reading.voltage,
        temperature=reading.temperature,
        signal_strength=_whole(reading.signal_strength),
        is_locked=reading.locked,
        odometer_m=_whole(reading.odometer_m),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
