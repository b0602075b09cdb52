"""The command: see the package."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec
import uvloop

from tests.bench import (
    alerts,
    booking,
    gbfs,
    ingest,
    lag,
    ledger,
    live,
    memory,
    page,
    people,
    profile,
    report,
    search,
    unlock,
    wallet,
    zones,
)
from tests.bench.city import seed
from tests.bench.plan import QUICK, Plan
from tests.bench.stage import durability, stage

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.floors import Figure
    from tests.bench.stage import Stage

Measure = Callable[["Stage", "City", Plan], Coroutine[Any, Any, list["Figure"]]]


async def _house(on: Stage, _: City, plan: Plan) -> list[Figure]:
    return await memory.house(on, plan)


MEASURES: dict[str, Measure] = {
    "search": search.measure,
    "booking": booking.measure,
    "unlock": unlock.measure,
    "lag": lag.measure,
    "ingest": ingest.measure,
    "live": live.measure,
    "ledger": ledger.measure,
    "wallet": wallet.measure,
    "alerts": alerts.measure,
    "zones": zones.measure,
    "gbfs": gbfs.measure,
    "people": people.measure,
    "api": memory.api,
    "house": _house,
    "profile": profile.measure,
}


def _wishes() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--hour", action="store_true", help="watch `fahrwerk up` for an hour")
    parser.add_argument("--minutes", type=float, help="watch `fahrwerk up` this long")
    parser.add_argument("--requests", type=int, help="to the API process whose memory is watched")
    parser.add_argument("--processes", type=int, help="API processes (2)")
    parser.add_argument("--page", action="store_true", help=f"put the figures into {page.PAGE}")
    wishes = parser.parse_args()
    if unknown := set(wishes.names) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return wishes


def _plan(wishes: argparse.Namespace) -> Plan:
    wanted = {
        "minutes": 60.0 if wishes.hour else wishes.minutes,
        "requests": wishes.requests,
        "processes": wishes.processes,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    return msgspec.structs.replace(QUICK if wishes.quick else Plan(), **changes)


def main() -> int:
    """Run what was asked for; 1 when a floor is missed."""
    wishes = _wishes()
    plan = _plan(wishes)
    figures: list[Figure] = []
    names = [name for name in MEASURES if name in (wishes.names or MEASURES)]
    facts = {"machine": report.machine(), "plan": plan, "measures": names}
    with stage() as on:
        facts["postgres"] = durability(on)
        report.say("seeding")
        city = seed(on)
        for name in names:
            report.say(f"--- {name}")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                figures += runner.run(MEASURES[name](on, city, plan))
    print(report.table(figures))
    missed = [figure for figure in figures if not figure.holds]
    for figure in missed:
        words = figure.floor.words if figure.floor and figure.sound else "the run went wrong"
        print(f"\nmissed: {figure.what}: {words}")
    facts |= on.facts
    print(f"\n{report.keep(figures, facts)}")
    if wishes.page:
        page.write(figures, facts)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
