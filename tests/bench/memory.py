"""Memory: one API process over a million requests, and the whole house with its city.

RSS is what the kernel says of a process; PSS shares out pages that several processes have in common
(PostgreSQL's buffers above all), so only sums of PSS say what the house takes from the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

from tests.bench import load
from tests.bench.city import places_never_repeated, searches
from tests.bench.floors import API_RSS_MB, HOUSE_MB, Figure
from tests.bench.report import say
from tests.bench.stage import tail
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

STEPS = 20
LOOK_EVERY_S = 10.0
READY_WITHIN_S = 180.0
MB = 1 << 20


def mixed(city: City) -> Iterator[bytes]:
    """Mostly repeated searches, as riders do; every twentieth is something else."""
    places = places_never_repeated(5_000_000)
    new = searches(city, places, 1_000)
    repeated = itertools.cycle(
        itertools.islice(searches(city, places_never_repeated(0), 1_000), 200)
    )
    head, stranger = city.headers(0), f"X-Tenant-ID: {city.slug}\r\n"
    others = itertools.cycle(
        [
            load.get("/api/v1/bookings", head),
            load.get("/api/v1/vehicles/search?lat=95&lon=13.4", head),
            load.get("/api/v1/bookings", stranger),
            load.get(f"/api/v1/scooters/{city.vehicle(7)}", head),
            load.get("/api/v1/no-such-path", head),
        ]
    )
    for number in itertools.count():
        if number % 20 == 19:
            yield next(others)
        else:
            yield next(new) if number % 20 == 9 else next(repeated)


async def api(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The line of the table about one API process."""
    requests, rss, cpu = mixed(city), [], []
    statuses: dict[str, int] = {}
    with stage.api(1) as served:
        process = psutil.Process(served.processes[0].pid)
        await load.as_many_as_possible(served.targets, itertools.islice(requests, 2_000))
        rss.append(process.memory_info().rss / MB)
        for _ in range(STEPS):
            part = itertools.islice(requests, plan.requests // STEPS)
            run = await load.as_many_as_possible(served.targets, part)
            rss.append(process.memory_info().rss / MB)
            cpu.append(round(run.per_second))
            statuses["200"] = statuses.get("200", 0) + run.answered
            for status, count in run.errors.items():
                statuses[status] = statuses.get(status, 0) + count
    say(f"API: {rss[0]:.0f} MB at the start, {rss[-1]:.0f} MB after {plan.requests:,} requests")
    growth = rss[-1] - rss[STEPS // 4]
    return [
        Figure(
            what=f"API process after {plan.requests:,} requests (start {rss[0]:.0f}, "
            f"last three quarters {growth:+.1f})",
            measured=max(rss),
            unit="MB RSS",
            floor=API_RSS_MB,
            sound=not any(s.startswith("5") or s == "lost" for s in statuses),
            detail={"rss_mb": [round(x, 1) for x in rss], "statuses": statuses, "rates": cpu},
        )
    ]


class Sample(msgspec.Struct):
    """All processes of the house at one moment."""

    at_s: float
    pss_mb: dict[str, float]
    rss_mb: float
    cpu_s: dict[str, float]
    """Used since the start, by name."""

    @property
    def total_mb(self) -> float:
        return sum(self.pss_mb.values())


async def house(stage: Stage, plan: Plan) -> list[Figure]:
    """The line of the table about ``fahrwerk up`` with its city."""
    folder = stage.folder / "house"
    folder.mkdir(mode=0o755)
    port, mqtt_port = free_port(), free_port()
    log = stage.folder / "up.log"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")}
    with log.open("wb") as out:
        up = subprocess.Popen(
            [
                *(sys.executable, "-m", "fahrwerk.cli", "up", "--data", str(folder)),
                *("--port", str(port), "--mqtt-port", str(mqtt_port)),
            ],
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        await asyncio.to_thread(_await_ready, up, port, log)
        samples = await _watch(up, plan.minutes * 60)
    finally:
        up.terminate()
        await asyncio.to_thread(up.wait, 60)
    return [_of_house(samples, plan)]


def _await_ready(up: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and up.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"`fahrwerk up` did not become ready:\n{tail(log)}")


async def _watch(up: subprocess.Popen[bytes], seconds: float) -> list[Sample]:
    began, samples = time.monotonic(), []
    while (at := time.monotonic() - began) <= seconds:
        if up.poll() is not None:
            raise RuntimeError("`fahrwerk up` ended by itself")
        samples.append(_sample(up.pid, at))
        if len(samples) % 6 == 1:
            say(f"house after {at:.0f} s: {samples[-1].total_mb:.0f} MB PSS")
        await asyncio.sleep(LOOK_EVERY_S)
    return samples


def _sample(pid: int, at_s: float) -> Sample:
    top = psutil.Process(pid)
    pss: dict[str, float] = {}
    cpu: dict[str, float] = {}
    rss = 0.0
    for process in (top, *top.children(recursive=True)):
        try:
            info, name, times = process.memory_full_info(), _name(process), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        pss[name] = pss.get(name, 0.0) + info.pss / MB
        cpu[name] = cpu.get(name, 0.0) + times.user + times.system
        rss += info.rss / MB
    return Sample(at_s, {name: round(mb, 1) for name, mb in pss.items()}, round(rss, 1), cpu)


def _name(process: psutil.Process) -> str:
    line: list[str] = process.cmdline()
    if "fahrwerk.cli" in line:
        return line[line.index("fahrwerk.cli") + 1]
    return "postgres" if "postgres" in process.name() else process.name()


def _of_house(samples: list[Sample], plan: Plan) -> Figure:
    most = max(samples, key=lambda sample: sample.total_mb)
    later = [s for s in samples if s.at_s >= plan.minutes * 15]
    first, last = samples[0], samples[-1]
    busy = {
        name: round((used - first.cpu_s.get(name, 0.0)) / max(1.0, last.at_s - first.at_s), 3)
        for name, used in last.cpu_s.items()
    }
    growth: Any = later[-1].total_mb - later[0].total_mb if later else 0.0
    return Figure(
        what=f"`fahrwerk up` with its city, {plan.minutes:g} min (RSS sum "
        f"{max(s.rss_mb for s in samples):.0f}, last three quarters {growth:+.0f})",
        measured=most.total_mb,
        unit="MB PSS",
        floor=HOUSE_MB,
        detail={"samples": samples, "cores_busy": busy},
    )
