"""A simulated vehicle: a real MQTT client that keeps to docs/protocol.md, faults included.

It is what demonstrations ride, what tests unlock, and an example for makers of firmware. It checks
signatures, counter and expiry of every command, acknowledges, says its status and reports; it
drives, and its battery drains. What goes wrong with vehicles in the street goes wrong with it on
request (:class:`Faults`, :meth:`SimVehicle.silence`, :meth:`SimVehicle.lose_network`).

Hundreds fit into one process: a vehicle is one task, and one more of gmqtt's while it is connected.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from fahrwerk.device.obedience import Obedience, answers_to
from fahrwerk.device.zones import ZonesOnBoard
from fahrwerk.fleet.protocols import CAPABILITIES
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.fleet.protocols.line import Line
from fahrwerk.kernel import geo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Self

_log = logging.getLogger(__name__)

FIRMWARE, HARDWARE = "sim-1.0", "sim"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LASTING_S = 10.0
STEP_S = 0.5
METRES_PER_DEGREE = 111_320


class Faults(Struct, frozen=True, kw_only=True):
    """What goes wrong, and how often: chances from 0 to 1, drawn from the vehicle's own dice."""

    silence: float = 0.0
    """Per command: does not hear it, and neither hears nor says anything for ``silence_s``."""
    silence_s: float = 30.0
    network_loss: float = 0.0
    """Per report: the connection ends and comes back after ``network_loss_s``."""
    network_loss_s: float = 20.0
    drop_ack: float = 0.0
    """Per command: it is carried out, but never acknowledged."""
    duplicate_ack: float = 0.0
    delay_ack: float = 0.0
    ack_delay_s: float = 3.0
    lock_jammed: float = 0.0
    """Per unlock or lock: the bolt does not move."""
    clock_offset_ms: int = 0
    """How far the vehicle's clock is ahead."""


NO_FAULTS = Faults()


def _real_time_ms() -> int:
    return time.time_ns() // 1_000_000


class SimVehicle:
    """One vehicle. ``async with SimVehicle(...) as vehicle:`` has it connected within the block.

    ``url`` is ``mqtt://[user:password@]host:port``, or ``mqtts`` for TLS. ``counter`` is that of
    the last command in an earlier life and ``save_counter`` is told each new one before the command
    is carried out: without both, commands of the earlier life could be played again. ``seed``
    makes faults and noise repeatable. The public attributes are the truth about the vehicle; tests
    may set them.
    """

    def __init__(
        self,
        vehicle_id: str,
        key: wire.VehicleKey,
        url: str,
        *,
        latitude: float,
        longitude: float,
        battery_level: float = 100.0,
        is_locked: bool = True,
        counter: int = 0,
        save_counter: Callable[[int], None] | None = None,
        capabilities: Collection[str] = CAPABILITIES,
        keeps_zones: bool = False,
        faults: Faults = NO_FAULTS,
        seed: int | str | None = None,
        idle_interval_s: float = 10.0,
        riding_interval_s: float = 2.0,
        range_m: float = 40_000.0,
        gps_noise_m: float = 2.5,
        now_ms: Callable[[], int] = _real_time_ms,
    ) -> None:
        self.id = vehicle_id
        self.latitude, self.longitude = latitude, longitude
        self.battery_level = battery_level
        self.is_locked = is_locked
        self.is_lit = False
        self.sounds = 0
        self.limit_kmh: int | None = None
        self.openings: list[str] = []
        """Each time its ``top_case`` or its ``battery_cover`` was opened."""
        self.speed_kmh = 0.0
        self.odometer_m = 0.0
        self.capabilities = frozenset(capabilities)
        self.zones = ZonesOnBoard() if keeps_zones else None
        """The operator's slow zones, if it keeps them on board; see ``allowed_kmh``."""
        self.faults = faults
        self._key = key
        self._obedience = Obedience(
            vehicle_id, key, counter, save_counter or (lambda _: None), self._time_ms
        )
        self._idle_s, self._riding_s = idle_interval_s, riding_interval_s
        self._range_m, self._gps_noise_m = range_m, gps_noise_m
        self._now_ms = now_ms
        self._rng = random.Random(seed)
        # Not from the seed: a platform drops readings of a boot that it has seen before.
        self._boot, self._seq = secrets.randbits(32), 0
        self._online, self._wake = asyncio.Event(), asyncio.Event()
        self._line = Line(
            vehicle_id,
            url,
            [wire.command_filter(vehicle_id), *[wire.zones_topic(vehicle_id)] * keeps_zones],
            self._on_message,
            self._wake.set,
        )
        self._life: asyncio.Task[None] | None = None
        self._next_report = self._silent_until = self._offline_until = 0.0

    # --- its life

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def counter(self) -> int:
        """Of the last authentic command."""
        return self._obedience.counter

    @property
    def is_online(self) -> bool:
        """Connected, and ready for commands."""
        return self._online.is_set()

    def start(self) -> None:
        """Begin to live: connect, and connect again whenever the connection ends."""
        if self._life is None:
            self._life = asyncio.create_task(self._live(), name=self.id)

    async def ready(self, within_s: float = 30.0) -> None:
        """Wait until commands reach it. Raises ``TimeoutError``."""
        async with asyncio.timeout(within_s):
            await self._online.wait()

    async def close(self) -> None:
        """Say goodbye to the broker and end. Raises what its life ended with, if that was a bug."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            await asyncio.wait([life])
            if not life.cancelled():
                life.result()

    async def _live(self) -> None:
        pause_s = 0.0
        while True:
            await asyncio.sleep(self._offline_until - time.monotonic())
            await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            try:
                await self._line.open()
            except OSError as error:
                _log.info("%s cannot connect: %s", self.id, error)
                continue
            began = time.monotonic()
            try:
                self._online.set()
                self._say("online", introduces=True)
                self._report()
                await self._report_while_online()
            finally:
                self._online.clear()
                await self._line.close()
            if time.monotonic() - began > LASTING_S:
                pause_s = FIRST_PAUSE_S

    async def _report_while_online(self) -> None:
        while self._line.is_open and self._offline_until <= time.monotonic():
            self._wake.clear()
            left_s = self._next_report - time.monotonic()
            if left_s <= 0:
                self._report()
                if self._happens(self.faults.network_loss):
                    self.lose_network(self.faults.network_loss_s)
                continue
            try:
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            except TimeoutError:
                pass  # time for the next report

    # --- commands

    def _on_message(self, topic: str, payload: bytes, properties: dict[str, Any]) -> None:
        if self._is_silent:
            return
        if self._happens(self.faults.silence):
            self.silence(self.faults.silence_s)
            return
        if self.zones is not None and topic == wire.zones_topic(self.id):
            if (version := self.zones.take(payload)) is not None:
                self._say("online", zones=version)
            return
        self._obey(wire.parse_topic(topic), payload, properties)

    def _obey(self, topic: wire.Topic, payload: bytes, properties: dict[str, Any]) -> None:
        heard = self._obedience.hear(payload, topic.operation)
        if heard.command is None:
            to = answers_to(self.id, properties, trusts_topic=heard.trusts_topic)
            if heard.is_repeat:
                self._send_ack(heard.ack or b"", to)
            elif heard.ack:
                self._acknowledge(heard.ack, to)
            if heard.status:
                self._say(heard.status, heard.command_id)
            return
        command = heard.command
        result, reason = self._carry_out(command)
        ack = self._obedience.answer(command, result, reason)
        self._acknowledge(ack, answers_to(self.id, properties, trusts_topic=True))
        if result == "done" and command.command in ("unlock", "lock"):
            self._say("locked" if self.is_locked else "unlocked", command.id)
        self._report()
        self._wake.set()

    def _carry_out(self, command: wire.Command) -> tuple[wire.Result, str | None]:
        if command.command not in self.capabilities:
            return "refused", "unsupported"
        match command.command:
            case "unlock" | "lock":
                if command.command == "lock" and self.speed_kmh > 0:
                    return "refused", "moving"
                if self._happens(self.faults.lock_jammed):
                    return "failed", "lock_jammed"
                self.is_locked = command.command == "lock"
            case "sound":
                self.sounds += 1
            case "lights":
                self.is_lit = bool(command.args.get("on", True))
            case "speed_limit":
                kmh = command.args.get("kmh")
                if not isinstance(kmh, int) or not 1 <= kmh <= 130:
                    return "refused", "malformed"
                self.limit_kmh = kmh
            case _:
                self.openings.append(command.command)
        return "done", None

    def _acknowledge(self, payload: bytes, to: tuple[list[str], dict[str, Any]]) -> None:
        if self._happens(self.faults.drop_ack):
            return
        delay_s = self.faults.ack_delay_s if self._happens(self.faults.delay_ack) else 0
        for _ in range(2 if self._happens(self.faults.duplicate_ack) else 1):
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self._send_ack, payload, to)
            else:
                self._send_ack(payload, to)

    def _send_ack(self, payload: bytes, to: tuple[list[str], dict[str, Any]]) -> None:
        topics, properties = to
        for topic in topics:
            self._publish(topic, payload, **properties)

    # --- what it says

    def _say(
        self,
        state: wire.State,
        command_id: str | None = None,
        *,
        introduces: bool = False,
        zones: int | None = None,
    ) -> None:
        status = wire.Status(status=state, command_id=command_id, time=self._time_ms(), zones=zones)
        if introduces:
            can = sorted(self.capabilities) + ["zones"] * (self.zones is not None)
            status = msgspec.structs.replace(
                status, firmware=FIRMWARE, hardware=HARDWARE, capabilities=can
            )
        self._publish(wire.status_topic(self.id), wire.encode_status(status))

    def _report(self) -> None:
        """Publish a reading, the heartbeat, and settle when the next one is due."""
        is_riding = self.speed_kmh > 0 or not self.is_locked
        interval_s = self._riding_s if is_riding else self._idle_s
        # A little uneven, so that vehicles started together do not report together for ever.
        self._next_report = time.monotonic() + interval_s * self._rng.uniform(0.9, 1.1)
        self._seq += 1
        payload = wire.encode_readings([self._reading()])
        self._publish(wire.telemetry_topic(self.id), payload, qos=0)

    def _reading(self) -> wire.Reading:
        noise, degrees_m = self._rng.gauss, METRES_PER_DEGREE
        north_m, east_m = noise(0, self._gps_noise_m), noise(0, self._gps_noise_m)
        shrink = max(0.01, math.cos(math.radians(self.latitude)))
        longitude = self.longitude + east_m / (degrees_m * shrink)
        return wire.Reading(
            time=self._time_ms(),
            boot=self._boot,
            seq=self._seq,
            latitude=round(max(-90.0, min(90.0, self.latitude + north_m / degrees_m)), 7),
            longitude=round((longitude + 180) % 360 - 180, 7),
            accuracy_m=round(2 * self._gps_noise_m, 1),
            speed_kmh=round(self.speed_kmh, 1),
            battery_level=round(self.battery_level, 1),
            voltage=round(30 + 12 * self.battery_level / 100, 2),  # ten cells in series
            temperature=round(20 + self.speed_kmh / 5 + noise(0, 0.5), 1),
            signal_strength=round(max(-110.0, min(-50.0, noise(-75, 6)))),
            locked=self.is_locked,
            odometer_m=round(self.odometer_m, 1),
        )

    def _publish(self, topic: str, payload: bytes, *, qos: int = 1, **properties: Any) -> None:
        if not self._is_silent:
            self._line.publish(topic, payload, qos=qos, **properties)

    # --- what happens to it

    def allowed_kmh(self, wanted_kmh: float) -> float:
        """How fast it goes here, if it is to go so fast: what it was commanded, and what its zones
        on board say, are both kept to."""
        limits = [wanted_kmh, self.limit_kmh or wanted_kmh]
        if self.zones is not None:
            now = datetime.fromtimestamp(self._time_ms() / 1000, UTC)
            limits.append(self.zones.limit_kmh(self.latitude, self.longitude, now) or wanted_kmh)
        return min(limits)

    async def drive_to(self, points: Iterable[tuple[float, float]], speed_kmh: float) -> bool:
        """Drive along ``points`` (latitude, longitude) and stop at the last.

        False when it did not get there: locked, or the battery is empty. ``speed_kmh`` is at most
        500, the most a reading can hold; the vehicle goes no faster than it has been limited to,
        also when that changes on the way.
        """
        if not 0 < speed_kmh <= 500:
            raise ValueError("speed_kmh is above 0 and at most 500")
        if self.is_locked:
            return False
        loop = asyncio.get_running_loop()
        self.speed_kmh = self.allowed_kmh(speed_kmh)
        self._next_report = 0.0
        self._wake.set()
        try:
            driven_until = loop.time()
            for lat, lon in points:
                while (left_m := geo.distance_m(self.latitude, self.longitude, lat, lon)) > 0.1:
                    self.speed_kmh = self.allowed_kmh(speed_kmh)
                    metres_per_s = self.speed_kmh / 3.6
                    late_s = loop.time() - driven_until
                    await asyncio.sleep(min(STEP_S, left_m / metres_per_s) - late_s)
                    step_m = min(left_m, (loop.time() - driven_until) * metres_per_s)
                    driven_until += step_m / metres_per_s
                    self._move(step_m / left_m, step_m, lat, lon)
                    if self.battery_level <= 0:
                        return False
        finally:
            self.speed_kmh = 0.0
            self._next_report = 0.0
            self._wake.set()
        return True

    def _move(self, share: float, step_m: float, lat: float, lon: float) -> None:
        self.latitude += (lat - self.latitude) * share
        self.longitude += (lon - self.longitude) * share
        self.odometer_m += step_m
        self.battery_level = max(0.0, self.battery_level - 100 * step_m / self._range_m)

    def silence(self, seconds: float) -> None:
        """Hear nothing and say nothing for a while, though connected: what is sent is lost."""
        self._silent_until = time.monotonic() + seconds

    def lose_network(self, seconds: float) -> None:
        """Lose the connection, and come back after a while."""
        self._offline_until = time.monotonic() + seconds
        self._wake.set()

    @property
    def _is_silent(self) -> bool:
        return time.monotonic() < self._silent_until

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance

    def _time_ms(self) -> int:
        return self._now_ms() + self.faults.clock_offset_ms
