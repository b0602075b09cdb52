"""The order of things in ``up``: start, watch and heal, stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from fahrwerk.kernel import postgres
from fahrwerk.kernel.settings import Settings
from fahrwerk.sim import demo
from fahrwerk.sim.api import Away
from fahrwerk.sim.pulse import Pulse
from fahrwerk.up.obstacles import free_port, locked
from fahrwerk.up.processes import Child, Database, Failed, Tended
from fahrwerk.up.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import TextIO

LOOK_EVERY_S = 0.25
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LASTING_S = 60.0
"""Who lived this long before it ended is started again with the first pause."""
READY_WITHIN_S = 40.0
STOP_WITHIN_S, DATABASE_STOP_WITHIN_S = 6.0, 9.0
LOG_BYTES, LOGS_EVERY_S = 4 << 20, 20.0
FEWEST_RIDERS, MOST_RIDERS = 4, 40
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STATUS_EVERY_S, STATUS_LINE_EVERY_S = 5.0, 30.0


class Plan(msgspec.Struct, frozen=True):
    """What the command line asked for."""

    settings: Settings
    own_broker: bool
    city: bool = True
    scale: float = 1.0
    """Of the fleet: 1.0 is 400 vehicles."""

    @property
    def mqtt_port(self) -> int:
        """The broker's."""
        return urlsplit(self.settings.mqtt_url).port or 1883

    @property
    def riders(self) -> int:
        """At most so many at a time: a smaller fleet has fewer."""
        return max(FEWEST_RIDERS, min(MOST_RIDERS, round(MOST_RIDERS * self.scale)))


class _Lapse(msgspec.Struct):
    """One that ended. ``due`` is when it is started again, None once it was."""

    pause_s: float
    due: float | None


class House:
    """Everything that one ``up`` looks after."""

    def __init__(self, plan: Plan, screen: Screen, lock: Path, leash: int) -> None:
        self.plan, self.settings, self.screen = plan, plan.settings, screen
        self.logs = self.settings.data / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._leash = leash
        self.env = {
            "FAHRWERK_DATA": str(self.settings.data),
            "FAHRWERK_HTTP_HOST": self.settings.http_host,
            "FAHRWERK_HTTP_PORT": str(self.settings.http_port),
            "FAHRWERK_MQTT_URL": self.settings.mqtt_url,
            "FAHRWERK_RATE_LIMITS": self.settings.rate_limits or demo.RATE_LIMITS,
        }
        self.address = address_of(self.settings)
        self.pulse = Pulse(self.address)
        self.tended: list[Tended] = []
        self._since: dict[str, float] = {}
        self._lapses: dict[str, _Lapse] = {}
        self.database = (
            None
            if self.settings.database_url
            else Database(self.settings.data / "postgres", lock, leash)
        )

    # --- start

    async def start(self) -> None:
        """Everything, in order; each step is said. Raises ``Failed``."""
        await self._start_database()
        if self.plan.own_broker:
            with self.screen.step("Broker") as found:
                broker = self._child("broker", "--port", str(self.plan.mqtt_port))
                await self._until(broker, lambda: _answers(self.plan.mqtt_port))
                found.append(self.settings.mqtt_url)
        with self.screen.step("Demo data") as found:
            found.append(await self._once("seed", "--scale", str(self.plan.scale)))
        with self.screen.step("Platform") as found:
            work, serve = self._child("work"), self._child("serve")
            await self._until(serve, self.pulse.is_ready)
            await self._until(work, _at_once)
            found.append(self.address)
        if self.plan.city:
            with self.screen.step("City") as found:
                where = ("--url", self.address, "--mqtt", self.settings.mqtt_url)
                city = self._child("sim", *where, "--riders", str(self.plan.riders))
                await self._until(city, _at_once)
                found.append("vehicles come online, riders follow within a minute")

    async def _start_database(self) -> None:
        if self.database is not None:
            with self.screen.step("Database") as found:
                self._keep(self.database)
                await asyncio.to_thread(self.database.start)
                found.append(f"PostgreSQL {postgres.MAJOR}, process {self.database.pid}")
        if self.database is None and not self.settings.database_admin_url:
            self.screen.line("  Migrations   yours to run: FAHRWERK_DATABASE_ADMIN_URL is not set")
            return
        with self.screen.step("Migrations") as found:
            found.append(await self._once("migrate"))
        if self.database is not None:
            self.env["FAHRWERK_DATABASE_URL"] = self.database.server.dsn()

    def _child(self, *arguments: str) -> Child:
        child = Child(arguments, self.env, self.logs, self._leash)
        self._keep(child)
        child.start()
        return child

    def _keep(self, tended: Tended) -> None:
        self.tended.append(tended)
        self._since[tended.name] = time.monotonic()

    async def _once(self, *arguments: str) -> str:
        """Run a command of ours to its end: its last line. Raises ``Failed`` with its words."""
        child = Child(arguments, self.env, self.logs, self._leash)
        self.tended.append(child)
        try:
            child.start()
            while (ended := child.ended()) is None:  # noqa: ASYNC110 (a process tells no event)
                await asyncio.sleep(0.02)
        finally:
            await child.stop(time.monotonic() + 2)
            self.tended.remove(child)
        words = child.last_words()
        if ended != "exit code 0":
            raise Failed(f"fahrwerk {child.name} failed ({ended}):\n{words}")
        return words.splitlines()[-1].strip() if words else ""

    async def _until(self, child: Child, is_ready: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            if (ended := child.ended()) is not None:
                raise Failed(f"fahrwerk {child.name} ended ({ended}):\n{child.last_words()}")
            if await is_ready():
                return
            if time.monotonic() > deadline:
                seconds = f"{READY_WITHIN_S:.0f} s"
                raise Failed(f"fahrwerk {child.name} is not ready after {seconds}: {child.log}")
            await asyncio.sleep(0.05)

    # --- watch

    async def watch(self) -> None:
        """Start again what ended, keep the logs small, say how things are; until cancelled."""
        async with asyncio.TaskGroup() as group:
            for tended in self.tended:  # one task each: a slow start holds up nobody else's
                group.create_task(self._keep_alive(tended))
            group.create_task(self._keep_logs_short())
            group.create_task(self._report())

    async def _keep_alive(self, tended: Tended) -> None:
        while True:
            await self._look_after(tended)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.to_thread(self._shorten_logs)
            await asyncio.sleep(LOGS_EVERY_S)

    async def _look_after(self, tended: Tended) -> None:
        name, now = tended.name, time.monotonic()
        lapse = self._lapses.get(name)
        if (ended := tended.ended()) is None:
            if lapse is not None and now - self._since[name] > LASTING_S:
                del self._lapses[name]
            return
        if lapse is None or lapse.due is None:
            pause_s = min(2 * lapse.pause_s, LONGEST_PAUSE_S) if lapse else FIRST_PAUSE_S
            self._lapses[name] = _Lapse(pause_s, now + pause_s)
            self.screen.line(f"  {name} ended ({ended}); starting it again in {pause_s:.1f} s")
        elif now >= lapse.due:
            self._since[name], lapse.due = now, None
            try:
                await asyncio.to_thread(tended.start)
            except (Failed, OSError) as error:
                self.screen.line(f"  {name} did not start: {error}")
            else:
                self.screen.line(f"  {name} is back, process {tended.pid}")

    def _shorten_logs(self) -> None:
        logs = sorted(self.logs.glob("*.log"))
        if self.database is not None:
            logs.append(self.database.server.folder / "server.log")
        for log in logs:
            with contextlib.suppress(OSError):
                if log.stat().st_size > LOG_BYTES:
                    # Everybody appends to the same file and cannot be told of a new one: the old
                    # lines are copied away, and the file begins anew under their hands.
                    shutil.copyfile(log, log.with_suffix(".log.1"))
                    os.truncate(log, 0)

    async def _report(self) -> None:
        every_s = STATUS_EVERY_S if self.screen.is_terminal else STATUS_LINE_EVERY_S
        began = time.monotonic()
        while True:
            try:
                text = str(await self.pulse.read())
            except Away as error:
                text = str(error)
            minutes, seconds = divmod(int(time.monotonic() - began), 60)
            self.screen.status(f"  {minutes:02}:{seconds:02}  {text}")
            await asyncio.sleep(every_s)

    # --- stop

    async def stop(self) -> None:
        """End everything in reverse order, the database last; at most about ten seconds."""
        self.screen.clear()
        began = time.monotonic()
        for tended in reversed(self.tended):
            is_database = tended is self.database
            within_s = DATABASE_STOP_WITHIN_S if is_database else STOP_WITHIN_S
            if tended.ended() is not None:  # nothing to say; a start under way is waited for
                await tended.stop(began + within_s)
                continue
            with self.screen.step(tended.name) as found:
                await tended.stop(began + within_s)
                found.append("stopped")
        await self.pulse.close()


def address_of(settings: Settings) -> str:
    """Where this machine reaches the platform, whatever it listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.http_host, settings.http_host)  # noqa: S104
    return f"http://{host}:{settings.http_port}"


async def _at_once() -> bool:
    return True


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _welcome(house: House) -> list[str]:
    at, city = house.address, house.plan.city
    lines = [
        f"Start page    {at}/",
        f"API           {at}/api/docs",
        f"Mailbox       {at}/dev/mail",
        f"Metrics       {at}/metrics",
        f"Vehicles      {house.settings.mqtt_url}",
        "",
        "Log in as one of these. The passwords are public: this is a demo.",
        f"  {'X-Tenant-ID':<13}{'who':<15}{'e-mail':<27}password",
    ]
    for login in demo.LOGINS:
        lines.append(f"  {login.tenant:<13}{login.who:<15}{login.email:<27}{login.password}")
    lines.append(f"  A city reads MDS at {at}/mds/{demo.TENANT}/micromobility/vehicles")
    lines.append(f"  with Authorization: Bearer {demo.MDS_TOKEN}")
    lines.append("  and Accept: application/vnd.mds+json;version=2.0 (docs/mds.md)")
    data = house.settings.data
    ride = ".venv/bin/fahrwerk ride" + (f" --data {data}" if data != Settings().data else "")
    if house.settings.http_host not in LOOPBACK:
        lines.append("  CAUTION: other machines can reach this, and log in with these passwords.")
    lines += ["", f"Try a ride    {ride}"] if city else []
    return [*lines, f"Logs          {house.logs}/", "Stop          Ctrl-C"]


async def _live(house: House, stop: asyncio.Event) -> int:
    async def run() -> None:
        await house.start()
        house.screen.box(_welcome(house))
        await house.watch()

    began = time.monotonic()
    running = asyncio.create_task(run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    code = 0
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        pass
    except Failed as error:
        house.screen.line(f"\n{error}\n")
        code = 1
    finally:
        stopping.cancel()
        await house.stop()
    house.screen.line(f"  Stopped after {(time.monotonic() - began) / 60:.1f} min.")
    return code


async def _main(house: House) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A shell script starts what runs behind it deaf to SIGINT; whoever sends one means it though.
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    return await _live(house, stop)


def main(plan: Plan, out: TextIO) -> int:
    """Run until stopped: the exit code. Raises ``Failed`` when something stands in the way."""
    found, screen = plan.settings, Screen(out)
    screen.line(f"Fahrwerk {version('fahrwerk')}, data in {found.data.absolute()}")
    reading, writing = os.pipe()
    try:
        with locked(found.data, address_of(found), found.mqtt_url) as lock:
            free_port(found.http_host, found.http_port, "--port")
            if plan.own_broker:
                free_port("127.0.0.1", plan.mqtt_port, "--mqtt-port")
            return asyncio.run(_main(House(plan, screen, lock, reading)))
    finally:
        os.close(writing)
        os.close(reading)
