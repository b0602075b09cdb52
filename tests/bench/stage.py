"""What is measured: PostgreSQL, the platform's processes, a broker; started, watched, stopped.

PostgreSQL is the embedded server exactly as ``fahrwerk up`` starts it, at its default durability,
on a folder of its own. The platform's processes are ``fahrwerk serve`` and ``fahrwerk work`` with
no other change than the rate limits. Everything shares the machine with the load generator.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from fahrwerk.kernel import postgres
from fahrwerk.kernel.migrate import APP_LOGIN, create_database, migrate
from tests.bench.constant import BYTES
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.bench.load import Target

DATABASE = "bench"
SECRET = "bench"
UNLIMITED = "all=1000000000/hour"
READY_WITHIN_S = 60.0
CALM_WITHIN_S = 90.0
CALM_ROUNDS, CALM_US = 4, 300_000
SERVER = (
    *("-m", "uvicorn", "--no-access-log", "--no-server-header", "--log-level", "warning"),
    *("--timeout-graceful-shutdown", "3"),
)
"""How ``fahrwerk serve`` runs uvicorn; the constant application gets the same."""


class Stage:
    """One PostgreSQL and whatever is started on it."""

    def __init__(self, folder: Path, server: postgres.EmbeddedPostgres) -> None:
        self.folder = folder
        self.server = server
        self.dsn = server.dsn(DATABASE, APP_LOGIN)
        self.owner_dsn = server.dsn(DATABASE, "postgres")
        self.facts: dict[str, Any] = {}
        """What goes into the report beside the figures."""

    def environment(self, **more: str) -> dict[str, str]:
        """Of every process of the platform."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")}
        return {
            **clean,
            "FAHRWERK_DATA": str(self.folder / "data"),
            "FAHRWERK_DATABASE_URL": self.dsn,
            "FAHRWERK_JWT_SECRET": SECRET,
            "FAHRWERK_RATE_LIMITS": UNLIMITED,
            "FAHRWERK_LOG_LEVEL": "WARNING",
            "FAHRWERK_MQTT_URL": "mqtt://127.0.0.1:9",  # nobody: who needs a broker says which
            **more,
        }

    @contextlib.contextmanager
    def process(self, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """A Python process for the block; its output in a log in the stage's folder."""
        log = self.folder / f"{arguments[-1].strip('-')}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env=self.environment(**env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            yield process
            if process.poll() is not None:
                raise RuntimeError(f"{arguments} ended by itself:\n{tail(log)}")
        except BaseException:
            sys.stderr.write(tail(log))
            raise
        finally:
            _end(process)

    @contextlib.contextmanager
    def api(self, count: int, **env: str) -> Iterator[Api]:
        """``count`` API processes, each on a port of its own, as behind a load balancer."""
        with contextlib.ExitStack() as stack:
            ports = [free_port() for _ in range(count)]
            serve = [("-m", "fahrwerk.cli", "serve", "--port", str(port)) for port in ports]
            processes = [stack.enter_context(self.process(*each, **env)) for each in serve]
            yield answering(processes, ports, "/ready")

    @contextlib.contextmanager
    def constant(self, count: int, size: int) -> Iterator[Api]:
        """The same number of processes of the constant application."""
        with contextlib.ExitStack() as stack:
            ports = [free_port() for _ in range(count)]
            app = ("--factory", "tests.bench.constant:constant_app", "--port")
            processes = [
                stack.enter_context(self.process(*SERVER, *app, str(port), **{BYTES: str(size)}))
                for port in ports
            ]
            yield answering(processes, ports, "/constant")

    @contextlib.contextmanager
    def worker(self, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """The real worker process at work: pump, nudges, the link to the vehicles."""
        port = free_port()
        env = {"FAHRWERK_WORK_METRICS_PORT": str(port), **env}
        with self.process("-m", "fahrwerk.cli", "work", **env) as process:
            answering([process], [port], "/metrics")
            yield process

    async def calm(self, worker: subprocess.Popen[bytes]) -> None:
        """Wait until a worker has taken up 50,000 vehicles it has never seen, and is idle."""
        until = time.monotonic() + CALM_WITHIN_S
        quiet = 0
        while quiet < CALM_ROUNDS and time.monotonic() < until:
            before = self.cpu_s(worker=[worker])
            await asyncio.sleep(1)
            used = spent_us(before, self.cpu_s(worker=[worker]), 1)
            quiet = quiet + 1 if used["worker"] + used["postgres"] < CALM_US else 0

    def cpu_s(
        self,
        app: Sequence[subprocess.Popen[bytes]] = (),
        **others: Sequence[subprocess.Popen[bytes]],
    ) -> dict[str, float]:
        """CPU seconds used so far: by these processes, by PostgreSQL, by the load generator."""
        named = {"app": app, **others}
        return {
            **{name: sum(_cpu(each.pid) for each in those) for name, those in named.items()},
            "postgres": _cpu(self.server.pid or 0, children=True),
            "generator": time.process_time(),
        }


class Api(msgspec.Struct):
    """Running servers."""

    processes: list[subprocess.Popen[bytes]]
    targets: list[Target]


def spent_us(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> dict[str, float]:
    """Microseconds of CPU per request, by who used them."""
    return {name: round(1e6 * (after[name] - before[name]) / max(1, count), 1) for name in before}


def _cpu(pid: int, *, children: bool = False) -> float:
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        total = times.user + times.system
        if children:
            total += times.children_user + times.children_system  # of those that have ended
            total += sum(_cpu(child.pid) for child in process.children())
    except psutil.NoSuchProcess:
        return 0.0
    return float(total)


def answering(processes: list[subprocess.Popen[bytes]], ports: list[int], path: str) -> Api:
    """Wait until each of them answers ``path``."""
    for process, port in zip(processes, ports, strict=True):
        until = time.monotonic() + READY_WITHIN_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                asking.request("GET", path)
                if asking.getresponse().status == 200:
                    break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{process.args!r} did not answer {path}")
            time.sleep(0.05)
    return Api(processes, [("127.0.0.1", port) for port in ports])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A migrated database on a server of its own; gone when the block ends, or on SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # PostgreSQL's system user must be able to walk down to it, hence not mkdtemp's mode.
    folder = Path(tempfile.gettempdir()) / f"fahrwerk-bench-{os.getpid()}"
    folder.mkdir(mode=0o755)
    (folder / "data").mkdir()
    server = postgres.start(folder / "postgres")
    try:
        asyncio.run(create_database(server.dsn("postgres", "postgres"), DATABASE))
        asyncio.run(migrate(server.dsn(DATABASE, "postgres")))
        yield Stage(folder, server)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def durability(stage: Stage) -> dict[str, Any]:
    """What the server says of its durability, and what one ``fdatasync`` takes on its disk."""
    shown = subprocess.run(
        [
            *(str(stage.server.programs / "psql"), "-XAt", stage.owner_dsn, "-c"),
            "SELECT name || '=' || setting FROM pg_settings WHERE name IN ('fsync', "
            "'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'shared_buffers', "
            "'server_version') ORDER BY name",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    took: list[float] = []
    with (stage.folder / "sync").open("wb") as probe:
        for _ in range(100):
            probe.write(b"x" * 8192)
            probe.flush()
            began = time.perf_counter()
            os.fdatasync(probe.fileno())
            took.append(time.perf_counter() - began)
    settings = dict(line.split("=", 1) for line in shown.stdout.split())
    return {**settings, "fdatasync_us": round(1e6 * sorted(took)[50])}
