"""Zone decisions: how long one takes with 500 zones, and whether GEOS would decide the same.

500 zones of a city: operating areas with hundreds of corners, districts, blocks and parking bays,
some with holes, overlapping as they come, some with schedules and types. A decision is what
``fleet`` asks for every position: which zones apply to this type of vehicle at this time, and for
sure or perhaps, with a GPS accuracy of 8 m. Points are nowhere twice; the index begins empty, so
making its cells is in the figures.
"""

from __future__ import annotations

import gc
import math
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import shapely

from fahrwerk.fleet.contract.zones import Hours, Zone, ZoneRules
from fahrwerk.fleet.rules.polygons import sound
from fahrwerk.fleet.rules.zones import Book
from tests.bench.floors import ZONE_DISAGREEMENTS, ZONE_US, ZONES, Figure

if TYPE_CHECKING:
    from fahrwerk.fleet.contract.zones import Polygons, ZoneKind
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

WEST, SOUTH, EAST, NORTH = 13.09, 52.34, 13.76, 52.68
ACCURACY_M = 8.0
NOW = datetime(2026, 7, 3, 20, 30, tzinfo=UTC)
_SHAPES: tuple[tuple[ZoneKind, int, float, int], ...] = (
    ("operating_area", 3, 0.2, 600),
    ("slow", 97, 0.012, 60),
    ("no_parking", 150, 0.006, 40),
    ("no_go", 50, 0.004, 30),
    ("parking", 150, 0.000_6, 8),
    ("preferred_parking", 50, 0.000_4, 12),
)
"""Kind, how many, radius in degrees, corners."""


def drawn(seed: str = "zones") -> list[Zone]:
    """The zones, the same every time."""
    rng = random.Random(seed)
    zones: list[Zone] = []
    for kind, count, size, corners in _SHAPES:
        for _ in range(count):
            rules = ZoneRules(
                name=f"{kind} {len(zones)}", kind=kind, priority=rng.randint(0, 3),
                vehicle_types=["scooter"] if rng.random() < 0.2 else [],
                speed_limit_kmh=12 if kind == "slow" else None,
                schedule=[Hours(days=[5, 6], start="20:00", end="06:00")]
                if rng.random() < 0.1 else [],
            )  # fmt: skip
            zones.append(
                Zone(
                    id=UUID(int=len(zones)), rules=rules, polygons=_polygon(rng, size, corners),
                    source="own", external_id=None, version=1, change="created", changed_at=NOW,
                    changed_by="", created_at=NOW,
                )
            )  # fmt: skip
    return zones


def _polygon(rng: random.Random, size: float, corners: int) -> Polygons:
    x, y = rng.uniform(WEST + 0.1, EAST - 0.1), rng.uniform(SOUTH + 0.05, NORTH - 0.05)

    def ring(size: float, corners: int) -> list[tuple[float, float]]:
        turns = [2 * math.pi * n / corners for n in range(corners)]
        far = [size * rng.uniform(0.5, 1) for _ in turns]
        return [
            (x + 1.6 * f * math.cos(t), y + f * math.sin(t))
            for f, t in zip(far, turns, strict=True)
        ]

    rings = [ring(size, corners)]
    if rng.random() < 0.2:
        rings.append(ring(size * 0.3, 7))
    return sound([rings])


async def measure(_: Stage, __: City, plan: Plan) -> list[Figure]:
    """The lines of the table about zones."""
    began = time.perf_counter()
    book = Book(1, "Europe/Berlin", drawn())
    compiled_ms = (time.perf_counter() - began) * 1000
    chance = np.random.default_rng(2026)
    xs = chance.uniform(WEST, EAST, plan.zone_points)
    ys = chance.uniform(SOUTH, NORTH, plan.zone_points)
    times_us = _times(book, xs, ys)
    began = time.perf_counter()
    disagreements = _disagreements(book, xs, ys)
    detail = {
        "p99_us": round(float(np.percentile(times_us, 99)), 1),
        "mean_us": round(float(times_us.mean()), 1),
        "most_us": round(float(times_us.max()), 1),
        "compiled_ms": round(compiled_ms, 1),
    }
    return [
        Figure(
            what=f"Zone decision, {ZONES} zones, median of {plan.zone_points:,} places",
            measured=float(np.median(times_us)), unit="us", floor=ZONE_US, detail=detail,
            sound=len(book.zones) == ZONES,
        ),
        Figure(
            what=f"Zone decisions that GEOS would decide otherwise, of {plan.zone_points:,} places",
            measured=float(disagreements), unit="", floor=ZONE_DISAGREEMENTS,
            detail={"compared_s": round(time.perf_counter() - began, 1)},
        ),
    ]  # fmt: skip


def _times(book: Book, xs: Any, ys: Any) -> Any:
    """Microseconds of each decision."""
    clock, hits = time.perf_counter_ns, book.hits
    times = np.empty(len(xs))
    gc.disable()  # as in a process that freezes what it loaded; a pause is no part of a decision
    try:
        for n, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            began = clock()
            hits("scooter", x, y, ACCURACY_M, NOW)
            times[n] = clock() - began
    finally:
        gc.enable()
    return times / 1000


def _disagreements(book: Book, xs: Any, ys: Any) -> int:
    """Pairs of a place and a zone that one of the two has inside and the other has not.

    Without an accuracy: both decide the point itself.
    """
    ours: list[list[int]] = [[] for _ in book.zones]
    for n, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
        for number, _ in book.index.at(x, y, 0.0):
            ours[number].append(n)
    found = 0
    for each in book.zones:
        shape = shapely.MultiPolygon([shapely.Polygon(p[0], p[1:]) for p in each.zone.polygons])
        shapely.prepare(shape)
        west, south, east, north = shape.bounds
        near = np.nonzero((xs >= west) & (xs <= east) & (ys >= south) & (ys <= north))[0]
        theirs = near[shapely.contains_xy(shape, xs[near], ys[near])]
        found += len(set(theirs.tolist()) ^ set(ours[each.number]))
    return found
