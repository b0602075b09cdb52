"""Other makers' devices, which connect by TCP and say their IMEI (docs/devices.md).

A connection is one device. Whoever holds it sends the vehicle's commands, one at a time, and hands
on what the device says; it is thanked only for what has been written. The IMEI is all that a device
proves itself with, so who can reach the port is for the operator to see to; what can be seen to
here is that strangers cost little: few connections, little memory, and not for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from fahrwerk.fleet.actions import commands, dispatch, knocks
from fahrwerk.fleet.contract import Measured
from fahrwerk.fleet.link.intake import Intake
from fahrwerk.fleet.link.steady import forever, heard, patiently, refused
from fahrwerk.fleet.protocols import Malformed, Order, Unsupported, omni, teltonika
from fahrwerk.kernel import clock
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.live import hub, rung

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.protocols import Answer, Conversation, Heard
    from fahrwerk.kernel.settings import Settings

MOST_OPEN = 20_000
MOST_STRANGERS = 500
"""Connections that have not said yet who they are, or whose IMEI is being looked up."""
SIGN_IN_S = 15.0
WHOLE_S = 20.0
"""A message that has begun must be complete by then: nobody holds a line byte by byte."""
IDLE_S = 900.0
"""Omni devices speak every four minutes unless told otherwise, Teltonika's as configured."""
MOST_PROBLEMS = 20
"""Broken messages from one connection, and it is closed."""
MOST_UNSENT = 65_536
AT_ONCE = 4_096
LOOK_S, CHECK_S = 1.0, 60.0
PACE_S = 0.05
"""Between two looks that found nothing to send, however much is being said meanwhile."""
log = structlog.get_logger()

connections = Gauge("fahrwerk_device_connections", "Devices connected by TCP", ["protocol"])
noticed = Counter("fahrwerk_device_notices", "Alarms and faults told", ["protocol", "notice"])


class Port(NamedTuple):
    """A protocol, where it is listened for, and who talks with each device."""

    protocol: str
    number: int
    talk: Callable[[], Conversation]


def wanted(settings: Settings) -> list[Port]:
    """The ports that are configured."""
    talks: dict[str, tuple[int | None, Callable[[], Conversation]]] = {
        "omni": (settings.omni_port, omni.Conversation),
        "teltonika": (
            settings.teltonika_port,
            partial(teltonika.Conversation, settings.teltonika_codec),
        ),
    }
    return [Port(name, port, talk) for name, (port, talk) in talks.items() if port is not None]


class _HungUp(Exception):
    """The connection is to be closed; the reason is counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Line:
    """One device's connection."""

    def __init__(self, port: Port, writer: asyncio.StreamWriter) -> None:
        self.protocol = port.protocol
        self.words = port.talk()
        self.device: dispatch.Paired | None = None
        self.problems = 0
        self.is_listening = False
        """What it said is being recorded: no order cuts in before the reply."""
        self.is_awaited = False
        """Somebody may be waiting for this line to become free."""
        self.whole_at = time.monotonic()
        self._writer = writer

    def patience_s(self) -> float:
        """How long to wait for the next bytes; at most 0 = no longer."""
        since = time.monotonic() - self.whole_at
        if self.device is None:
            return SIGN_IN_S - since
        return WHOLE_S - since if self.words.kept else IDLE_S

    def heard_whole(self) -> None:
        """A message is complete. A stranger's time runs on until it says who it is."""
        if self.device is not None:
            self.whole_at = time.monotonic()

    def send(self, data: bytes) -> None:
        """Put on its way; a device that does not take it in is hung up on, not waited for."""
        if self._writer.transport.get_write_buffer_size() > MOST_UNSENT:
            self.hang_up()
        elif data:
            self._writer.write(data)

    def hang_up(self) -> None:
        self._writer.transport.abort()

    def is_free(self, now: datetime) -> bool:
        """May be given an order."""
        is_open = self.device is not None and not self._writer.transport.is_closing()
        return is_open and not self.is_listening and not self.words.is_busy(now)


class Devices:
    """All connections of one process."""

    def __init__(self, host: str, networks: str) -> None:
        self.ports: dict[str, int] = {}
        """Protocol -> where it is listened for."""
        self._host = host
        self._networks = [ipaddress.ip_network(n.strip()) for n in networks.split(",") if n.strip()]
        self._lines: dict[UUID, _Line] = {}
        self._everyone: dict[_Line, asyncio.Task[None] | None] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._due, self._changed = asyncio.Event(), asyncio.Event()
        self._intake = Intake()

    async def start(self, ports: list[Port]) -> None:
        """Listen. An address that is taken ends the process, with the reason."""
        hub.hear("fleet.command", lambda _: self._due.set())
        hub.hear("fleet.device", lambda _: self._changed.set())
        for port in ports:
            try:
                server = await asyncio.start_server(
                    partial(self._serve, port), self._host, port.number, limit=AT_ONCE
                )
            except OSError as error:
                await self.stop()
                raise SystemExit(f"Cannot listen for {port.protocol} devices: {error}") from None
            self.ports[port.protocol] = server.sockets[0].getsockname()[1]
            self._servers.append(server)
        work = (self._send, self._check, self._intake.write)
        self._tasks = [asyncio.create_task(forever(each)) for each in work]

    async def stop(self) -> None:
        """Hang up on everybody. What was not thanked for is sent again, to whoever is next."""
        for server in self._servers:
            server.close()
        waiting = [*filter(None, self._everyone.values()), *self._tasks]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    # --- in

    async def _serve(
        self, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = _Line(port, writer)
        reason = self._turned_away(writer)
        if reason is not None:
            refused.labels(port.protocol, reason).inc()
            line.hang_up()
            return
        self._everyone[line] = asyncio.current_task()
        connections.labels(port.protocol).inc()
        try:
            await self._converse(line, reader)
        except (Malformed, _HungUp) as error:
            refused.labels(port.protocol, error.reason).inc()
        except TimeoutError:
            reason = "silent" if line.device and not line.words.kept else "too_slow"
            refused.labels(port.protocol, reason).inc()
        except OSError as error:
            log.debug("device gone", protocol=port.protocol, reason=type(error).__name__)
        except asyncio.CancelledError:
            line.hang_up()  # only ``stop`` cancels, and asyncio would report it as a failure
        except Exception as error:
            log.error("device connection failed", protocol=port.protocol, exc_info=error)
        finally:
            self._forget(line)
            connections.labels(port.protocol).dec()
            writer.close()

    def _turned_away(self, writer: asyncio.StreamWriter) -> str | None:
        peer = writer.get_extra_info("peername")
        address = ipaddress.ip_address(peer[0].partition("%")[0]) if peer else None
        if self._networks and not any(address in each for each in self._networks if address):
            return "foreign_network"
        if len(self._everyone) >= MOST_OPEN:
            return "too_many"
        strangers = len(self._everyone) - len(self._lines)
        return "too_many_strangers" if strangers >= MOST_STRANGERS else None

    async def _converse(self, line: _Line, reader: asyncio.StreamReader) -> None:
        while True:
            async with asyncio.timeout(max(0.0, line.patience_s())):
                data = await reader.read(AT_ONCE)
            if not data:
                return
            line.is_listening = True
            for said in line.words.hear(data, clock.now()):
                await self._take(line, said)
                line.heard_whole()
            line.is_listening = False
            if line.is_awaited:
                line.is_awaited = False
                self._due.set()
            if not line.words.kept:
                line.heard_whole()

    async def _take(self, line: _Line, said: Heard) -> None:
        if said.problem is not None:
            refused.labels(line.protocol, said.problem).inc()
            line.problems += 1
            if line.device:
                await knocks.went_wrong(line.device.tenant, line.device.vehicle_id, said.problem)
            if line.problems >= MOST_PROBLEMS:
                raise _HungUp("too_many_problems")
        if said.imei is not None:
            await self._sign_in(line, said.imei)
        if (device := line.device) is None:
            return
        for notice in said.notices:
            noticed.labels(line.protocol, notice[:40]).inc()
            log.info("device notice", vehicle=str(device.vehicle_id), notice=notice)
        if said.answer is not None:
            await self._hand_on(device, said.answer)
            line.is_awaited = True
        if said.readings:
            await self._intake.keep(
                [
                    Measured(vehicle_id=device.vehicle_id, **msgspec.structs.asdict(each))
                    for each in said.readings
                ]
            )
        line.send(said.reply)
        heard.labels(line.protocol).inc()

    async def _sign_in(self, line: _Line, imei: str) -> None:
        found = await patiently(lambda: dispatch.paired_devices([imei]))
        device = found.get(imei)
        if device is None or device.protocol != line.protocol:
            log.info("unknown device", protocol=line.protocol, imei=imei)
            await patiently(lambda: knocks.knocked(None, line.protocol, imei))
            line.send(line.words.refusal)
            raise _HungUp("unknown_device")
        # A device that lost its network comes again before we notice that the old line is dead.
        if before := self._lines.get(device.vehicle_id):
            before.hang_up()
        line.device, line.is_awaited = device, True
        self._lines[device.vehicle_id] = line

    async def _hand_on(self, device: dispatch.Paired, answer: Answer) -> None:
        point("fleet.link.before_ack")
        await patiently(
            lambda: commands.command_acknowledged(
                system(device.tenant, "fleet"), device.vehicle_id, answer.order_id, answer.result,
                answer.reason, clock.now(),
            )
        )  # fmt: skip
        point("fleet.link.after_ack")

    def _forget(self, line: _Line) -> None:
        del self._everyone[line]
        if line.device and self._lines.get(line.device.vehicle_id) is line:
            del self._lines[line.device.vehicle_id]

    # --- out

    async def _send(self) -> None:
        """Claim for those that are connected here and not in the middle of something."""
        await rung(self._due, LOOK_S)
        self._due.clear()
        now, free = clock.now(), {}
        for vehicle_id, line in self._lines.items():
            if line.device and line.is_free(now):
                free[vehicle_id] = line.device.imei
            line.is_awaited = line.is_awaited or line.is_listening
        waiting = await dispatch.claim_held(free)
        if not waiting:
            await asyncio.sleep(PACE_S)
            return
        point("fleet.link.after_claim")
        for command in waiting:
            await self._tell(command)

    async def _tell(self, command: dispatch.Waiting) -> None:
        line, now = self._lines.get(command.vehicle_id), clock.now()
        if line is None or not line.is_free(now):
            reason = "disconnected"  # since it was claimed, or replaced: nothing has been sent
        else:
            order = Order(
                id=command.id, operation=command.operation, expires_at=command.expires_at,
                args=command.args,
            )  # fmt: skip
            try:
                line.send(line.words.tell(order, now))
                return
            except Unsupported:
                reason = "unsupported"
        await commands.command_acknowledged(
            system(command.tenant, "fleet"), command.vehicle_id, command.id, "refused", reason, now
        )

    async def _check(self) -> None:
        """Hang up on devices that have been taken off or given to another vehicle."""
        await rung(self._changed, CHECK_S)
        self._changed.clear()
        held = {line.device.imei: line for line in self._lines.values() if line.device}
        known = await dispatch.paired_devices(held) if held else {}
        for imei, line in held.items():
            if known.get(imei) != line.device:
                line.hang_up()


@contextlib.asynccontextmanager
async def running(settings: Settings, ports: list[Port]) -> AsyncIterator[Devices]:
    """Listen for devices, for the block."""
    devices = Devices(settings.device_host, settings.device_networks)
    await devices.start(ports)
    try:
        yield devices
    finally:
        await devices.stop()
