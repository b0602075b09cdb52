"""Search against the constant response: new places, repeated places, and how soon a booking shows.

Both servers run all the time and are loaded in turn (constant, new, repeated, constant, ...), so
that whatever else the machine does meets all of them; the medians are compared.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import msgspec

from tests.bench import load
from tests.bench.city import places_never_repeated, searches
from tests.bench.floors import SEARCH_NEW, SEARCH_REPEATED, Figure
from tests.bench.report import median, noise, say
from tests.bench.stage import spent_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.city import City
    from tests.bench.load import Run
    from tests.bench.plan import Plan
    from tests.bench.stage import Api, Stage

RIDERS = 1_000
PLACES = 200
"""Repeated places: fewer than the cache keeps."""


class Loaded(msgspec.Struct):
    """The runs of one kind."""

    runs: list[Run] = []
    cpu: list[dict[str, float]] = []

    @property
    def rates(self) -> list[float]:
        return [run.per_second for run in self.runs]

    @property
    def cpu_us(self) -> float:
        return median([sum(each.values()) for each in self.cpu])

    @property
    def is_clean(self) -> bool:
        return not any(run.errors for run in self.runs)

    def detail(self) -> dict[str, Any]:
        return {"runs": [run.say() for run in self.runs], "cpu_us_per_request": self.cpu}


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The three lines of the table about searching."""
    places = places_never_repeated(0)
    new = searches(city, places, RIDERS)
    some = list(itertools.islice(searches(city, places, RIDERS), PLACES))
    repeated = itertools.cycle(some)
    with stage.api(plan.processes) as api:
        known = itertools.islice(new, plan.warm_searches * plan.processes)
        await load.as_many_as_possible(api.targets, known)
        warm = await load.as_many_as_possible(api.targets, repeated, seconds=plan.warm_s)
        if not warm.answered:
            raise RuntimeError(f"search does not answer: {warm.errors} {warm.sample}")
        size = warm.mean_size
        constant = itertools.repeat(load.get("/constant", city.headers(0)))
        with stage.constant(plan.processes, size) as bare:
            await load.as_many_as_possible(bare.targets, constant, seconds=plan.warm_s)
            kinds = {
                "constant": (bare, constant),
                "new": (api, new),
                "repeated": (api, repeated),
            }
            loaded = {name: Loaded() for name in kinds}
            for _ in range(plan.rounds):
                for name, (server, requests) in kinds.items():
                    await _run(stage, loaded[name], server, requests, plan.run_s)
                    say(f"{name}: {loaded[name].rates[-1]:,.0f} req/s {loaded[name].cpu[-1]}")
        gone = await _gone_after_booking(api, city, next(places))
    return [
        _figure("search, new places", loaded["new"], loaded["constant"], SEARCH_NEW, size),
        _figure(
            "search, repeated places", loaded["repeated"], loaded["constant"], SEARCH_REPEATED, size
        ),
        gone,
    ]


async def _run(
    stage: Stage, loaded: Loaded, server: Api, requests: Iterator[bytes], seconds: float
) -> None:
    before = stage.cpu_s(server.processes)
    run = await load.as_many_as_possible(server.targets, requests, seconds=seconds)
    loaded.cpu.append(spent_us(before, stage.cpu_s(server.processes), run.answered))
    loaded.runs.append(run)


def _figure(what: str, side: Loaded, limit: Loaded, floor: Any, size: int) -> Figure:
    return Figure(
        what=what,
        measured=median(side.rates),
        unit="req/s",
        limit=median(limit.rates),
        limit_unit="req/s",
        floor=floor,
        sound=side.is_clean and limit.is_clean,
        noise=max(noise(side.rates), noise(limit.rates)),
        cpu_us=side.cpu_us,
        limit_cpu_us=limit.cpu_us,
        detail={"bytes": size, "measured_side": side.detail(), "limit_side": limit.detail()},
    )


async def _gone_after_booking(api: Api, city: City, place: tuple[float, float]) -> Figure:
    """Book what a cached search shows, then search again at each process until it is gone."""
    lat, lon = place
    path = f"/api/v1/vehicles/search?lat={lat:.4f}&lon={lon:.4f}&radius=1000&limit=50"
    search = load.get(path, city.headers(1))
    answers: list[bytes] = []

    async def ask(target: load.Target, request: bytes, wanted: int) -> Any:
        answers.clear()
        run = await load.as_many_as_possible(
            [target], iter([request]), connections=1, wanted=wanted,
            told=lambda _, body: answers.append(body),
        )  # fmt: skip
        if run.errors:
            raise RuntimeError(f"{run.errors} {run.sample}")
        return msgspec.json.decode(answers[0])

    for target in api.targets:
        for _ in range(2):  # the second is from the cache
            shown = await ask(target, search, 200)
    vehicle = shown["vehicles"][0]["id"]
    body = msgspec.json.encode({"vehicle_id": vehicle, "estimated_duration_minutes": 30})
    booking = load.post("/api/v1/bookings", body, city.headers(2))
    await ask(api.targets[0], booking, 201)
    booked, took = time.perf_counter(), []
    for target in api.targets:
        looks = 0
        while True:
            found = await ask(target, search, 200)
            ms, looks = 1000 * (time.perf_counter() - booked), looks + 1
            if all(each["id"] != vehicle for each in found["vehicles"]):
                break
            if ms > 31_000:  # only the cache's time limit would have freed it
                raise RuntimeError("a booked vehicle stayed in cached search answers")
        took.append({"searches": looks, "ms": round(ms, 1)})
    return Figure(
        what="booked vehicle gone from cached searches of all processes",
        measured=took[-1]["ms"],
        unit="ms",
        # Where it was booked, the next answer already knows.
        sound=took[0]["searches"] == 1,
        detail={"processes": took},
    )
