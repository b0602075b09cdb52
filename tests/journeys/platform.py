"""The real platform for a test: HTTP server, worker and broker as processes of their own.

PostgreSQL is the run's embedded server with a database of its own for this platform. A process that
dies is restarted only when the test says so, or at once with ``heal=True`` (without the crash point
that killed it), as a supervisor would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from fahrwerk.kernel import ids, postgres
from fahrwerk.kernel.migrate import APP_LOGIN
from tests.conftest import new_database
from tests.servers import mosquitto

GENEROUS = ",".join(
    f"{name}=1000000/minute" for name in ("general", "auth", "rental", "booking", "analytics")
)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Platform:
    """The processes of one installation and how to reach them."""

    def __init__(
        self, server: postgres.EmbeddedPostgres, database: str, mqtt_url: str, data: Path
    ) -> None:
        self.server = server
        self.dsn = server.dsn(database, APP_LOGIN)
        self.owner_dsn = server.dsn(database, "postgres")
        self.mqtt_url = mqtt_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._healing: asyncio.Task[None] | None = None
        self.deaths: list[str] = []

    def environment(self, **extra: str) -> dict[str, str]:
        """What every process of this installation is started with."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")},
            "FAHRWERK_DATA": str(self.data),
            "FAHRWERK_DATABASE_URL": self.dsn,
            "FAHRWERK_DATABASE_ADMIN_URL": self.owner_dsn,
            "FAHRWERK_MQTT_URL": self.mqtt_url,
            "FAHRWERK_HTTP_PORT": str(self.port),
            "FAHRWERK_JWT_SECRET": "tests",
            "FAHRWERK_RATE_LIMITS": GENEROUS,
            "FAHRWERK_LOG_LEVEL": "WARNING",
            "PYTHONWARNINGS": "default",
            **extra,
        }

    def spawn(self, name: str, **extra: str) -> None:
        """Start ``serve`` or ``work``."""
        with open(self.data / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "fahrwerk.cli", name],
                env=self.environment(**extra),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def kill(self, name: str) -> None:
        """End a process as a power cut would."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def log(self, name: str) -> str:
        """The end of a process's log, for messages of failed tests."""
        path = self.data / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    async def ready(self, seconds: float = 30) -> None:
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
        self._healing = asyncio.create_task(self._heal())

    async def _heal(self) -> None:
        while True:
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    self.deaths.append(name)
                    self.spawn(name)
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End everything this platform has started, by process id."""
        if self._healing:
            self._healing.cancel()
            await asyncio.gather(self._healing, return_exceptions=True)
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.asynccontextmanager
async def platform(
    server: postgres.EmbeddedPostgres,
    data: Path,
    *,
    serve: dict[str, str] | None = None,
    work: dict[str, str] | None = None,
) -> AsyncIterator[Platform]:
    """A running platform with an empty database; ``serve`` and ``work``: extra environment."""
    name = f"journey_{ids.new().hex[-12:]}"
    await new_database(server, name)
    async with mosquitto() as mqtt_url:
        running = Platform(server, name, mqtt_url, data)
        running.spawn("serve", **(serve or {}))
        running.spawn("work", **(work or {}))
        try:
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
