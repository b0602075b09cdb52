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

from tests.bench import booking, city as cities, load, replay
from tests.bench.report import say
from tests.bench.stage import answering, spent_us
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.city import City
    from tests.bench.floors import Figure
    from tests.bench.load import Run
    from tests.bench.plan import Plan
    from tests.bench.stage import Api, Stage

SHOWN = 25
SERVE = ("fahrwerk.cli", "serve", "--port")


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """Print the budgets; no line of the table."""
    new = cities.searches(city, cities.places_never_repeated(7_000_000), 1_000)
    repeated = itertools.cycle(
        itertools.islice(cities.searches(city, cities.places_never_repeated(0), 1_000), 200)
    )
    budgets = {}
    for name, requests in (("search, new places", new), ("search, repeated places", repeated)):
        budgets[name] = await _budget(stage, name, requests, 200, plan.run_s * 2)
    await booking.clear(stage)
    count = min(cities.RIDERS, 2 * plan.bookings)
    budgets["booking"] = await _budget(
        stage, "booking", cities.bookings(city, 0, count), 201, float("inf")
    )
    script = await booking.recorded(stage, city)
    await booking.clear(stage)
    alone = replay.replay(
        stage, script, city.tenant, count=plan.bookings // 2, connections=1, report=True
    )
    for ms, sql in zip(alone.each_ms, script.statements, strict=True):
        print(f"    {1000 * ms:7.1f} us  {sql[:100]}", file=sys.stderr)
    stage.facts["budgets"] = budgets
    stage.facts["booking_statements_us"] = [
        [round(1000 * ms, 1), sql] for ms, sql in zip(alone.each_ms, script.statements, strict=True)
    ]
    return []


async def _budget(
    stage: Stage, name: str, requests: Iterator[bytes], wanted: int, seconds: float
) -> dict[str, Any]:
    out = stage.folder / f"samples-{name.replace(' ', '-').replace(',', '')}"
    with _sampled(stage, out) as api:
        warm = itertools.islice(requests, 200)
        await load.as_many_as_possible(api.targets, warm, wanted=wanted)
        await _written(api, out)  # what start and warm-up took is not of interest
        before = stage.cpu_s(api.processes)
        run = await load.as_many_as_possible(api.targets, requests, wanted=wanted, seconds=seconds)
        cpu = spent_us(before, stage.cpu_s(api.processes), run.answered)
        await _written(api, out)
        found = msgspec.json.decode(out.read_bytes())
        layers, lines = Counter(found["layers"]), Counter(found["lines"])
    return _said(name, run, cpu, layers, lines)


@contextlib.contextmanager
def _sampled(stage: Stage, out: Path) -> Iterator[Api]:
    port = free_port()
    with stage.process("-m", "tests.bench.sampler", str(out), *SERVE, str(port)) as process:
        yield answering([process], [port], "/ready")


async def _written(api: Api, out: Path) -> None:
    out.unlink(missing_ok=True)
    api.processes[0].send_signal(signal.SIGUSR1)
    while not out.exists():
        await asyncio.sleep(0.01)


def _said(
    name: str, run: Run, cpu: dict[str, float], layers: Counter[str], lines: Counter[str]
) -> dict[str, Any]:
    seen = max(1, layers.total())
    budget = {layer: round(cpu["app"] * n / seen, 1) for layer, n in layers.most_common()}
    worst = {line: round(cpu["app"] * n / seen, 1) for line, n in lines.most_common(SHOWN)}
    say(f"{name}: {run.per_second:,.0f}/s, CPU us a request {cpu}, errors {dict(run.errors)}")
    for layer, us in budget.items():
        print(f"    {us:7.1f} us  {layer}", file=sys.stderr)
    for line, us in worst.items():
        print(f"      {us:7.1f} us  {line}", file=sys.stderr)
    return {"run": run.say(), "cpu_us": cpu, "app_us": budget, "lines_us": worst, "seen": seen}
