"""Telemetry: from an MQTT message to a stored row and the live state.

Real processes all the way: 1,000 vehicles that publish at QoS 1, Mosquitto, the worker,
PostgreSQL at full durability. Everybody shares the machine, so beside the rate stands what an
event costs in CPU time, of everybody and of each.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec
import psutil

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from tests.bench.city import vehicle_id
from tests.bench.floors import INGEST, INGEST_MEMORY_MB, INGEST_SUSTAINED, Figure
from tests.bench.report import median, noise, say
from tests.bench.stage import _cpu, spent_us
from tests.bench.stream import ALLOWED, SENT, Board, Stream
from tests.servers import first_line, has_mosquitto, mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

BARE, STREAM = "tests.bench.bare", "tests.bench.stream"
VEHICLES = 1_000
WINDOW = 20_000
"""So many messages may be under way when as many as possible are asked for."""
PER_S, SHARED = 1_000, 30
"""1,000 messages a second of 30 readings each: 30,000 events a second."""
BURST = 10
LINES = ("max_queued_messages 0", "max_queued_bytes 0")
"""Of Mosquitto's configuration: as docs/operate.md asks for."""
_STORED = "SELECT coalesce(sum(readings), 0)::bigint FROM fleet.intake"
_ANALYZE = "ANALYZE fleet.intake; ANALYZE fleet.vehicle"
"""As autovacuum does within a minute of the first readings."""
_LAG = """
SELECT extract(epoch FROM max(now() - measured_at))::float8 AS oldest, count(*)::int AS live
FROM fleet.vehicle WHERE measured_at > now() - interval '1 minute'
"""


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The lines of the table about telemetry."""
    if not has_mosquitto():
        say("ingest: Mosquitto is not installed")
        return []
    await _pair(stage, city)
    topics = [f"vehicles/{city.vehicle(k)}/telemetry" for k in range(VEHICLES)]
    run = _Run(stage, topics)
    run.raw = await asyncpg.connect(stage.owner_dsn)
    try:
        # What seeding left behind is not telemetry's to clear away.
        await run.raw.execute("VACUUM ANALYZE")
        await run.raw.execute("CHECKPOINT")
        return [await _ratio(run, plan), *await _sustained(run, plan)]
    finally:
        await run.raw.close()


async def _pair(stage: Stage, city: City) -> None:
    await db.open_database(stage.dsn, 2)
    try:
        call = system(city.tenant, "bench", slug=city.slug)
        for first in range(0, VEHICLES, 500):
            some = [vehicle_id(k) for k in range(first, first + 500)]
            await fleet.pair_vehicles(call, some, "HS256")
    finally:
        await db.close_database()


class _Run:
    """Starts streams, each with numbers of its own, and knows how far the platform has come."""

    def __init__(self, stage: Stage, topics: list[str]) -> None:
        self.stage, self.topics = stage, topics
        self.raw: asyncpg.Connection[Any]
        self._boot = int(time.time()) * 100_000

    async def stored(self) -> int:
        return int(await self.raw.fetchval(_STORED))

    @contextmanager
    def stream(self, url: str, **how: Any) -> Iterator[tuple[subprocess.Popen[str], Board]]:
        """A stream that is ready to go, once its board allows something."""
        self._boot += VEHICLES
        path = self.stage.folder / f"board-{self._boot}"
        board = Board(path)
        plan = Stream(url=url, board=str(path), topics=self.topics, boot=self._boot, **how)
        with _process(STREAM, msgspec.json.encode(plan).decode()) as process:
            yield process, board


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        if first_line(process).strip() != "ready":
            raise RuntimeError(f"{arguments[0]} did not start")
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


# --- as fast as it goes, beside the bare library


async def _ratio(run: _Run, plan: Plan) -> Figure:
    bare: list[_Flood] = []
    ours: list[_Flood] = []
    for n in range(plan.ingest_rounds):
        bare.append(await _bare(run, plan.ingest_messages))
        ours.append(await _ours(run, plan.ingest_messages))
        say(f"ingest, round {n}: {ours[-1]} of {bare[-1]}")
    rates, limits = [each.per_s for each in ours], [each.per_s for each in bare]
    return Figure(
        what="telemetry message to stored row and live state, one reading each, QoS 1",
        measured=median(rates),
        unit="msg/s",
        limit=median(limits),
        limit_unit="msg/s gmqtt alone",
        floor=INGEST,
        noise=noise(rates),
        cpu_us=median([sum(each.cpu_us.values()) for each in ours]),
        limit_cpu_us=median([sum(each.cpu_us.values()) for each in bare]),
        detail={"ours": ours[-1], "bare": bare[-1]},
    )


class _Flood(NamedTuple):
    """Messages a second, and what one costs each process."""

    per_s: float
    cpu_us: dict[str, float]


async def _bare(run: _Run, messages: int) -> _Flood:
    async with mosquitto(lines=LINES) as url:
        path = run.stage.folder / f"bare-{time.monotonic_ns()}"
        received = Board(path)
        with _process(BARE, url, str(path)) as receiver:

            async def done() -> int:
                return received[ALLOWED] + 16

            return await _flood(run, url, messages, done, {"receiver": receiver.pid}, 0.002)


async def _ours(run: _Run, messages: int) -> _Flood:
    async with mosquitto(lines=LINES) as url:
        with run.stage.worker(FAHRWERK_MQTT_URL=url) as worker:
            await _awake(run, url)
            before = await run.stored()

            async def done() -> int:
                return await run.stored() - before

            pids = {"receiver": worker.pid, "postgres": run.stage.server.pid or 0}
            return await _flood(run, url, messages, done, pids, 0.05)


async def _awake(run: _Run, url: str) -> None:
    """Wait until the worker listens, which begins a broker's session: every vehicle says something,
    until all of it is stored."""
    for _ in range(20):
        before = await run.stored()
        with run.stream(url, messages=VEHICLES, readings=1, connections=8) as (_, board):
            board[ALLOWED] = VEHICLES
            for _ in range(30):
                await asyncio.sleep(0.1)
                if await run.stored() - before >= VEHICLES:
                    await run.raw.execute(_ANALYZE)
                    return await _settled(run)
    raise RuntimeError("the worker takes nothing in")


async def _settled(run: _Run) -> None:
    """Wait until what a worker does when it starts, for all of the city, is done."""
    for _ in range(30):
        before = _cpu(run.stage.server.pid or 0, children=True)
        await asyncio.sleep(1)
        if _cpu(run.stage.server.pid or 0, children=True) - before < 0.05:
            return
    say("ingest: the database is never at rest; its other work is counted in")


async def _flood(
    run: _Run,
    url: str,
    messages: int,
    done: Callable[[], Coroutine[Any, Any, int]],
    pids: dict[str, int],
    look_s: float,
) -> _Flood:
    with run.stream(url, messages=messages, readings=1, connections=8) as (process, board):
        pids = pids | {"generator": process.pid, "broker": _broker_pid(url)}
        used = {name: _cpu(pid, children=True) for name, pid in pids.items()}
        began, come = time.perf_counter(), 0
        while come < messages:
            board[ALLOWED] = come + WINDOW
            await asyncio.sleep(look_s)
            come = await done()
            if time.perf_counter() - began > 120:
                raise RuntimeError(f"{come} of {messages} messages have come")
        took_s = time.perf_counter() - began
        after = {name: _cpu(pid, children=True) for name, pid in pids.items()}
    return _Flood(messages / took_s, spent_us(used, after, messages))


def _broker_pid(url: str) -> int:
    port = int(url.rpartition(":")[2])
    for each in psutil.net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN and each.laddr[1] == port and each.pid:  # type: ignore[misc]
            return int(each.pid)
    raise RuntimeError("no broker")


# --- sustained, and a burst


async def _sustained(run: _Run, plan: Plan) -> list[Figure]:
    """30,000 events a second for a minute; then ten times as much for some seconds."""
    async with mosquitto(lines=LINES) as url:
        with run.stage.worker(FAHRWERK_MQTT_URL=url) as worker:
            await _awake(run, url)
            steady = await _stream(run, url, worker.pid, PER_S, plan.ingest_s)
            burst = await _stream(run, url, worker.pid, PER_S * BURST, plan.ingest_burst_s)
    events = round(steady["messages"] * SHARED)
    lag_s = steady["drained_s"]
    say(f"ingest: {steady}")
    say(f"ingest burst: {burst}")
    sound = steady["stored"] == events and burst["stored"] == burst["messages"] * SHARED
    return [
        Figure(
            what=f"telemetry sustained for {plan.ingest_s:.0f} s: {VEHICLES:,} vehicles, "
            f"{steady['messages_per_s']:,.0f} messages/s of {SHARED} readings (last one stored "
            f"{lag_s:.1f} s after it was sent)",
            measured=steady["events_per_s"],
            unit="events/s",
            floor=INGEST_SUSTAINED,
            sound=sound and lag_s < 2,
            cpu_us=sum(steady["cpu_us_an_event"].values()),
            detail=steady,
        ),
        Figure(
            what=f"memory of the ingest worker in a {BURST}-fold burst (before: "
            f"{steady['memory_mb']:.0f} MB; drained {burst['drained_s']:.1f} s after it)",
            measured=burst["memory_mb"],
            unit="MB",
            floor=INGEST_MEMORY_MB,
            sound=sound,
            detail=burst,
        ),
    ]


async def _stream(run: _Run, url: str, worker: int, per_s: int, seconds: float) -> dict[str, Any]:
    messages = int(per_s * seconds)
    before = await run.stored()
    memory = _Memory(worker)
    with run.stream(url, messages=messages, readings=SHARED, connections=VEHICLES, per_s=per_s) as (
        process,
        board,
    ):
        others = {"generator": process.pid, "broker": _broker_pid(url), "worker": worker}
        cpu = _cpus(run, others)
        began = time.perf_counter()
        board[ALLOWED] = messages
        stored = 0
        while board[SENT] < messages:
            await asyncio.sleep(0.25)
            memory.look()
        sent_s = time.perf_counter() - began
        [lag] = await run.raw.fetch(_LAG)
        while stored < messages * SHARED and time.perf_counter() - began < 3 * seconds + 60:
            stored = await run.stored() - before
            memory.look()
            await asyncio.sleep(0.05)
        took_s = time.perf_counter() - began
        cpu = spent_us(cpu, _cpus(run, others), messages * SHARED)
    return {
        "messages": messages,
        "stored": stored,
        "messages_per_s": messages / took_s,
        "events_per_s": messages * SHARED / took_s,
        "sent_s": sent_s,
        "drained_s": took_s - sent_s,
        "live_vehicles": lag["live"],
        "live_state_behind_s": lag["oldest"],
        "memory_mb": memory.most_mb,
        "cpu_us_an_event": cpu,
    }


def _cpus(run: _Run, others: dict[str, int]) -> dict[str, float]:
    used = {name: _cpu(pid) for name, pid in others.items()}
    return used | {"postgres": _cpu(run.stage.server.pid or 0, children=True)}


class _Memory:
    """The most a process had."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.most_mb = 0.0
        self.look()

    def look(self) -> None:
        self.most_mb = max(self.most_mb, self._process.memory_info().rss / 1e6)
