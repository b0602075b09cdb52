"""Where the time of a search and of a booking goes, layer by layer.

One API process under the sampler; its CPU time per request is divided as the samples fall. What
PostgreSQL used is counted by the operating system. Not part of the table: printed, and in the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from tests.bench import booking, load, replay
from tests.bench.city import RIDERS, bookings, places_never_repeated, searches
from tests.bench.floors import EVENTS_PER_S
from tests.bench.report import say
from tests.bench.stage import answering, spent_us
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import Popen

    from tests.bench.city import City
    from tests.bench.floors import Figure
    from tests.bench.load import Run
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

SHOWN = 25
PATIENCE_S = 30.0
SERVE = ("fahrwerk.cli", "serve", "--port")


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """Print the budgets; no line of the table."""
    new = searches(city, places_never_repeated(7_000_000), 1_000)
    repeated = itertools.cycle(
        itertools.islice(searches(city, places_never_repeated(0), 1_000), 200)
    )
    seconds = plan.run_s * 2
    budgets = {}
    for name, requests in (("search, new places", new), ("search, repeated places", repeated)):
        budgets[name] = await _of_api(stage, name, requests, 200, seconds, plan.warm_searches)
    await booking.clear(stage)
    requests = bookings(city, 0, min(RIDERS, 2 * plan.bookings))
    budgets["booking"] = await _of_api(stage, "booking", requests, 201, float("inf"), 200)
    await booking.clear(stage)
    budgets["worker"] = await _of_worker(stage, city, seconds)
    script = await booking.recorded(stage, city)
    await booking.clear(stage)
    alone = replay.replay(
        stage, script, city.tenant, count=plan.bookings // 2, connections=1, report=True
    )
    say("statements of a booking, one client, commit included")
    for ms, sql in zip(alone.each_ms, script.statements, strict=True):
        print(f"    {1000 * ms:7.1f} us  {sql[:100]}", file=sys.stderr)
    stage.facts["budgets"] = budgets
    stage.facts["booking_statements_us"] = [
        [round(1000 * ms, 1), sql] for ms, sql in zip(alone.each_ms, script.statements, strict=True)
    ]
    return []


async def _of_api(
    stage: Stage, name: str, requests: Iterator[bytes], wanted: int, seconds: float, warm: int
) -> dict[str, Any]:
    port = free_port()
    with _sampled(stage, *SERVE, str(port)) as (process, out):
        api = answering([process], [port], "/ready")
        first = itertools.islice(requests, warm)
        await load.as_many_as_possible(api.targets, first, wanted=wanted)
        await _written(process, out)  # what start and warm-up took is not of interest
        before = stage.cpu_s(api.processes)
        run = await load.as_many_as_possible(api.targets, requests, wanted=wanted, seconds=seconds)
        cpu = spent_us(before, stage.cpu_s(api.processes), run.answered)
        return _said(name, run, cpu, "app", await _written(process, out))


async def _of_worker(stage: Stage, city: City, seconds: float) -> dict[str, Any]:
    """What the worker does per booking, at half the rate of the floor (two events each)."""
    rate = EVENTS_PER_S / 2
    with _sampled(stage, "fahrwerk.cli", "work") as (process, out), stage.api(1) as api:
        warm = bookings(city, 0, 200)
        await load.as_many_as_possible(api.targets, warm, wanted=201)
        await asyncio.sleep(3)
        await _written(process, out)
        before = stage.cpu_s(api.processes, worker=[process])
        count = round(rate * seconds)
        run = await load.at_rate(
            api.targets, bookings(city, 200, count), per_second=rate, count=count, wanted=201
        )
        cpu = spent_us(before, stage.cpu_s(api.processes, worker=[process]), run.answered)
        name = f"worker at {rate:.0f} bookings/s"
        return _said(name, run, cpu, "worker", await _written(process, out))


@contextlib.contextmanager
def _sampled(stage: Stage, *command: str) -> Iterator[tuple[Popen[bytes], Path]]:
    out = stage.folder / f"samples-{command[1]}"
    with stage.process("-m", "tests.bench.sampler", str(out), *command) as process:
        yield process, out


async def _written(process: Popen[bytes], out: Path) -> dict[str, Counter[str]]:
    """What was seen since the last time."""
    out.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(PATIENCE_S):
        while not out.exists():
            await asyncio.sleep(0.01)
    found = msgspec.json.decode(out.read_bytes())
    return {name: Counter(counts) for name, counts in found.items()}


def _said(
    name: str, run: Run, cpu: dict[str, float], whose: str, seen: dict[str, Counter[str]]
) -> dict[str, Any]:
    looks = max(1, seen["layers"].total())
    share = cpu[whose] / looks
    budget = {layer: round(share * n, 1) for layer, n in seen["layers"].most_common()}
    worst = {line: round(share * n, 1) for line, n in seen["lines"].most_common(SHOWN)}
    say(f"{name}: {run.per_second:,.0f}/s, CPU us each {cpu}, errors {dict(run.errors)}")
    for layer, us in budget.items():
        print(f"    {us:7.1f} us  {layer}", file=sys.stderr)
    for line, us in worst.items():
        print(f"      {us:7.1f} us  {line}", file=sys.stderr)
    return {"run": run.say(), "cpu_us": cpu, f"{whose}_us": budget, "lines_us": worst, "n": looks}
