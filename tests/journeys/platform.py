"""The real platform for a test: HTTP server, worker and broker as processes of their own.

PostgreSQL is the run's embedded server with a database of its own for this platform. A process that
dies is restarted only when the test says so, or at once after ``heal()`` (without the crash point
that killed it), as a supervisor would.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx

from fahrwerk.kernel import db, ids, postgres
from fahrwerk.kernel.migrate import APP_LOGIN
from tests.conftest import new_database
from tests.journeys.nursery import Child, Nursery
from tests.servers import mosquitto_program

GENEROUS = "all=1000000/minute"
FAHRWERK = ("fahrwerk.cli",)
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
_one_at_a_time = asyncio.Lock()


@functools.cache
def nursery() -> Nursery:
    """Where this test process's platforms get their processes from."""
    made = Nursery()
    atexit.register(made.close)
    return made


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Death(NamedTuple):
    """A process that ended without being told to; ``code`` as subprocess gives it."""

    name: str
    code: int


class Broker:
    """Mosquitto (or the bundled broker) on a port of its own, to be killed and started again."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("persistence false",)) -> None:
        self.lines = lines
        """Of Mosquitto's configuration."""
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        program = mosquitto_program()
        if program is None:
            command = [sys.executable, "-m", "fahrwerk.broker", "--port", str(self.port)]
        else:
            conf = self._folder / "mosquitto.conf"
            user = "user root\n" if os.getuid() == 0 else ""
            conf.write_text(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                f"set_tcp_nodelay true\n{user}" + "".join(f"{line}\n" for line in self.lines)
            )
            command = [program, "-c", str(conf)]
        with open(self._folder / "broker.log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Platform:
    """The processes of one installation and how to reach them.

    A process is called by its command (``serve``, ``work``); a second one ``work-2`` and so on.
    """

    def __init__(
        self, server: postgres.EmbeddedPostgres, database: str, broker: Broker, data: Path
    ) -> None:
        self.server = server
        self.dsn = server.dsn(database, APP_LOGIN)
        self.owner_dsn = server.dsn(database, "postgres")
        self.broker = broker
        self.mqtt_url = broker.url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.program: tuple[str, ...] = FAHRWERK
        self.processes: dict[str, Child] = {}
        self.deaths: list[Death] = []
        self._always: dict[str, dict[str, str]] = {}
        self._healing: asyncio.Task[None] | None = None
        self._database: db.Database | None = None
        self._eye: asyncpg.Connection[Any] | None = None
        self._looking = asyncio.Lock()

    def environment(self, **extra: str) -> dict[str, str]:
        """What every process of this installation is started with."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")},
            "FAHRWERK_DATA": str(self.data),
            "FAHRWERK_DATABASE_URL": self.dsn,
            "FAHRWERK_DATABASE_ADMIN_URL": self.owner_dsn,
            "FAHRWERK_DATABASE_POOL": "8",
            "FAHRWERK_MQTT_URL": self.mqtt_url,
            "FAHRWERK_HTTP_PORT": str(self.port),
            "FAHRWERK_JWT_SECRET": "tests",
            "FAHRWERK_RATE_LIMITS": GENEROUS,
            "FAHRWERK_LOG_LEVEL": "WARNING",
            "PYTHONWARNINGS": "default",
            **extra,
        }

    # --- processes

    def always(self, name: str, **environment: str) -> None:
        """What this process gets whenever it is started, also by ``heal``."""
        self._always[name] = environment

    def spawn(self, name: str, **extra: str) -> None:
        """Start a process; ``extra`` holds for this one life."""
        arguments = [*self.program, name.partition("-")[0]]
        environment = self.environment(**(self._always.get(name, {}) | extra))
        self.processes[name] = nursery().fork(arguments, environment, self.data / f"{name}.log")

    def kill(self, name: str) -> None:
        """End a process as a power cut would; it is not healed."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        """The end of a process's log, for messages of failed tests."""
        path = self.data / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    async def ready(self, seconds: float = READY_WITHIN_S) -> None:
        """Wait until the HTTP server answers /ready."""
        end = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.url) as client:
            while time.monotonic() < end:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get("/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise AssertionError(f"the platform did not become ready:\n{self.log('serve')}")

    def heal(self) -> None:
        """From now on restart whatever dies, without its crash point."""
        self._healing = self._healing or asyncio.create_task(self._heal())

    async def _heal(self) -> None:
        while True:
            for name, process in list(self.processes.items()):
                if (code := process.poll()) is not None:
                    self.deaths.append(Death(name, code))
                    self.spawn(name)
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End everything this platform has started, by process id."""
        if self._healing:
            self._healing.cancel()
            await asyncio.gather(self._healing, return_exceptions=True)
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN_S
        while any(process.poll() is None for process in self.processes.values()):
            if time.monotonic() > end:
                for process in self.processes.values():
                    process.send_signal(signal.SIGKILL)
            await asyncio.sleep(0.05)
        self.broker.kill()
        if self._database is not None:
            await self._database.close()
        if self._eye is not None:
            self._eye.terminate()

    # --- its database, from here

    @contextlib.asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """This test process is one of the installation for the block: rooms can be called."""
        async with _one_at_a_time:
            if self._database is None:
                self._database = db.Database(self.dsn, 2)
            before, db._database = db._database, self._database
            try:
                yield
            finally:
                db._database = before

    async def look(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """What is in the database, through the owner's login: all rooms, all operators."""
        async with self._looking:
            if self._eye is None or self._eye.is_closed():
                self._eye = await asyncpg.connect(self.owner_dsn)
            return await self._eye.fetch(sql, *args)


@contextlib.asynccontextmanager
async def platform(
    server: postgres.EmbeddedPostgres,
    data: Path,
    *,
    serve: dict[str, str] | None = None,
    work: dict[str, str] | None = None,
    program: tuple[str, ...] = FAHRWERK,
    broker: Broker | None = None,
) -> AsyncIterator[Platform]:
    """A running platform with an empty database; ``serve`` and ``work``: extra environment."""
    name = f"journey_{ids.new().hex[-12:]}"
    await new_database(server, name)
    running = Platform(server, name, broker or Broker(data), data)
    running.program = program
    running.always("serve", **(serve or {}))
    running.always("work", **(work or {}))
    try:
        await running.broker.start()
        running.spawn("serve")
        running.spawn("work")
        await running.ready()
        yield running
    finally:
        await running.stop()


def client_for(running: Platform, slug: str, token: str | None = None) -> httpx.AsyncClient:
    """An HTTP client over a real socket."""
    headers: dict[str, Any] = {"X-Tenant-ID": slug}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30)
