"""The agent: connects, obeys, reports, and keeps what it measured while there is no network.

Three tasks that do not wait for each other: the connection with what is to be delivered, commands
one after the other, and measuring. A reading is in memory until the broker has acknowledged it; as
soon as it cannot be delivered it goes to the buffer on disk, and from there, oldest first, when
there is a network again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.device.obedience import Obedience, Properties, answers_to
from fahrwerk.device.sensors import Battery, Gnss, battery
from fahrwerk.device.zones import ZonesOnBoard
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.device.buffer import Buffer
    from fahrwerk.device.durable import Identity
    from fahrwerk.device.mechanics import Mechanics
    from fahrwerk.device.settings import Settings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LASTING_S = 10.0
COMMANDS_WAITING = 20
AT_ONCE, AT_ONCE_BYTES = 500, 60_000
"""Of readings in one message when the buffer is emptied."""
MOST_IN_MEMORY = 200
LOOK_S = 0.5
_log = logging.getLogger(__name__)


def _real_time_ms() -> int:
    return clock.millis(clock.now())


class Agent:
    """One vehicle. ``await run()`` until it is cancelled."""

    def __init__(
        self,
        identity: Identity,
        settings: Settings,
        mechanics: Callable[[Callable[[], float]], Mechanics],
        buffer: Buffer,
        *,
        firmware: str,
        zones: ZonesOnBoard | None = None,
        now_ms: Callable[[], int] = _real_time_ms,
    ) -> None:
        self.id = identity.vehicle_id
        self.is_online = asyncio.Event()
        self._settings, self._buffer = settings, buffer
        self._firmware, self._now_ms = firmware, now_ms
        self._paired_ms = identity.paired_ms
        self._gnss = Gnss(settings.gnss, settings.baud) if settings.gnss else None
        self._mechanics = mechanics(self._speed)
        self._zones = zones or ZonesOnBoard()
        self._keeps_zones = "speed_limit" in self._mechanics.capabilities
        self._obedience = Obedience(
            self.id, identity.key, identity.counter, identity.store_counter, now_ms
        )
        self._commands: asyncio.Queue[tuple[str, bytes, Properties]] = asyncio.Queue(
            COMMANDS_WAITING
        )
        self._boot, self._seq = secrets.randbits(32), 0
        self._fresh: list[bytes] = []
        self._flying: list[bytes] = []
        self._wake, self._measure_now = asyncio.Event(), asyncio.Event()
        gone = wire.encode_status(wire.Status(status="offline"))
        self._line = Line(
            self.id, settings.broker,
            [wire.command_filter(self.id), *[wire.zones_topic(self.id)] * self._keeps_zones],
            self._hear, self._wake.set,
            will=(wire.status_topic(self.id), gone),
        )  # fmt: skip

    async def run(self) -> None:
        """Live. Whatever was measured and not delivered is on disk when this ends."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._connect())
                tasks.create_task(self._obey())
                tasks.create_task(self._measure())
        finally:
            self._mechanics.close()
            self._keep()
            await self._line.close()
            if self._gnss:
                self._gnss.close()

    # --- the connection

    async def _connect(self) -> None:
        await self._wait_for_the_time()
        pause_s = 0.0
        while True:
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._wake.clear()
            try:
                await self._line.open()
            except OSError as error:
                _log.warning("no connection: %s", error)
                continue
            began = time.monotonic()
            _log.info("connected, %d readings in the buffer", len(self._buffer))
            try:
                self._introduce()
                self.is_online.set()
                self._measure_now.set()
                await self._deliver_while_open()
            finally:
                self.is_online.clear()
                self._keep()
                await self._line.close()
            _log.warning("connection lost")
            if time.monotonic() - began > LASTING_S:
                pause_s = FIRST_PAUSE_S

    async def _wait_for_the_time(self) -> None:
        """A board without a clock wakes up in 1970, where no command has ever expired."""
        while self._now_ms() < self._paired_ms:
            _log.warning("the clock is before the pairing: waiting for the time (NTP, GNSS)")
            await asyncio.sleep(5)

    def _introduce(self) -> None:
        status = wire.Status(
            status="online",
            time=self._now_ms(),
            firmware=self._firmware,
            hardware=self._settings.hardware,
            capabilities=self._mechanics.capabilities + ["zones"] * self._keeps_zones,
            zones=self._zones.version if self._keeps_zones else None,
        )
        self._line.publish(wire.status_topic(self.id), wire.encode_status(status), qos=1)

    async def _deliver_while_open(self) -> None:
        while self._line.is_open:
            kept = self._buffer.oldest(AT_ONCE)
            bodies = _first([body for _, body in kept] or self._fresh)
            if not bodies:
                self._wake.clear()
                if self._line.is_open:
                    await self._wake.wait()
                continue
            if not kept:
                self._flying, self._fresh = bodies, self._fresh[len(bodies) :]
            message = b"[" + b",".join(bodies) + b"]"
            self._line.publish(wire.telemetry_topic(self.id), message, qos=1)
            if not await self._line.delivered():
                return
            self._flying = []
            if kept:
                self._buffer.forget(kept[len(bodies) - 1][0])

    def _keep(self) -> None:
        """What has not been delivered goes to the disk; what fails there stays where it is."""
        try:
            self._buffer.add(self._flying + self._fresh)
        except Exception as error:
            _log.error("the buffer takes nothing: %s", error)
            self._flying, self._fresh = [], self._fresh[-MOST_IN_MEMORY:]
        else:
            self._flying, self._fresh = [], []

    # --- commands

    def _hear(self, topic: str, payload: bytes, properties: dict[str, Any]) -> None:
        if topic == wire.zones_topic(self.id):
            if (version := self._zones.take(payload)) is not None:
                _log.info("zones on board: version %d", version)
                self._say("online", None, version)
                self._keep_to_zones()
            return
        try:
            self._commands.put_nowait((topic, payload, properties))
        except asyncio.QueueFull:
            _log.warning("too many commands at once: one was not heard")

    async def _obey(self) -> None:
        while True:
            topic, payload, properties = await self._commands.get()
            try:
                operation = wire.parse_topic(topic).operation
                heard = self._obedience.hear(payload, operation)
            except OSError as error:
                # The counter could not be stored: then nothing may move (docs/protocol.md).
                _log.error("a command was not carried out, the counter cannot be kept: %s", error)
                continue
            except wire.Refused:
                continue  # a topic that is none of ours
            if heard.command is not None:
                await self._carry_out(heard.command, properties)
                continue
            _log.warning("a command on %s was refused", topic)
            if heard.ack:
                self._acknowledge(heard.ack, properties, trusts_topic=heard.trusts_topic)
            if heard.status:
                self._say(heard.status, heard.command_id)

    async def _carry_out(self, command: wire.Command, properties: Properties) -> None:
        result, reason = await self._mechanics.carry_out(command.command, command.args)
        _log.info("%s: %s", command.command, reason or result)
        ack = self._obedience.answer(command, result, reason)
        self._acknowledge(ack, properties, trusts_topic=True)
        if result == "done" and command.command in ("unlock", "lock"):
            self._say("locked" if command.command == "lock" else "unlocked", command.id)
        self._measure_now.set()

    def _acknowledge(self, ack: bytes, properties: Properties, *, trusts_topic: bool) -> None:
        topics, echo = answers_to(self.id, properties, trusts_topic=trusts_topic)
        for topic in topics:
            self._line.publish(topic, ack, qos=1, **echo)

    def _keep_to_zones(self) -> None:
        """As fast as they allow where it is. Without a position it stays as it was."""
        fix = self._gnss.fix() if self._gnss else None
        if fix is not None and self._keeps_zones:
            here = (fix.latitude, fix.longitude)
            self._mechanics.slow_to(self._zones.limit_kmh(*here, clock.from_millis(self._now_ms())))

    def _say(self, state: wire.State, command_id: str | None, zones: int | None = None) -> None:
        status = wire.Status(status=state, command_id=command_id, time=self._now_ms(), zones=zones)
        self._line.publish(wire.status_topic(self.id), wire.encode_status(status), qos=1)

    # --- measuring

    def _speed(self) -> float:
        return (self._gnss.speed_kmh if self._gnss else None) or 0.0

    async def _measure(self) -> None:
        due = 0.0
        while True:
            if self._gnss:
                self._gnss.poll()
            self._mechanics.look()
            self._keep_to_zones()
            if self._measure_now.is_set() or time.monotonic() >= due:
                self._measure_now.clear()
                self._take(self._reading())
                is_riding = self._mechanics.is_locked is False or self._speed() > 0
                every_s = self._settings.riding_s if is_riding else self._settings.idle_s
                # A little uneven: vehicles switched on together need not report together.
                due = time.monotonic() + every_s * random.uniform(0.9, 1.1)
            try:
                async with asyncio.timeout(min(LOOK_S, max(0.0, due - time.monotonic()))):
                    await self._measure_now.wait()
            except TimeoutError:
                continue

    def _take(self, reading: wire.Reading) -> None:
        self._fresh.append(msgspec.json.encode(reading))
        if not self.is_online.is_set() or len(self._fresh) > MOST_IN_MEMORY:
            self._keep()
        self._wake.set()

    def _reading(self) -> wire.Reading:
        self._seq += 1
        fix = self._gnss.fix() if self._gnss else None
        power = battery(self._settings.battery) if self._settings.battery else Battery()
        return wire.Reading(
            time=self._now_ms(),
            boot=self._boot,
            seq=self._seq,
            latitude=fix.latitude if fix else None,
            longitude=fix.longitude if fix else None,
            accuracy_m=fix.accuracy_m if fix else None,
            speed_kmh=fix.speed_kmh if fix else None,
            battery_level=power.level,
            voltage=power.voltage,
            temperature=power.temperature,
            locked=self._mechanics.is_locked,
            tipped=self._mechanics.is_tipped,
        )


def _first(bodies: list[bytes]) -> list[bytes]:
    """As many as fit into one message."""
    size = 0
    for count, body in enumerate(bodies):
        size += len(body) + 1
        if count >= AT_ONCE or size > AT_ONCE_BYTES:
            return bodies[:count]
    return bodies
