"""How long and how often everything is measured."""

from __future__ import annotations

import msgspec

from tests.bench.floors import REQUESTS


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the benchmarks."""

    processes: int = 2
    """API processes: one per core of the machine the floors were set on."""
    rounds: int = 5
    run_s: float = 5.0
    warm_s: float = 2.0
    warm_searches: int = 25_000
    """Until the processes know the surroundings of most places, as after minutes of business."""
    bookings: int = 8_000
    """Of one round, by the platform and by pgbench alike."""
    rate_s: float = 30.0
    """How long the fixed rates are kept."""
    unlocks: int = 200
    requests: int = REQUESTS
    minutes: float = 5.0
    """How long ``fahrwerk up`` is watched."""


QUICK = Plan(
    rounds=3,
    run_s=2.0,
    warm_s=1.0,
    warm_searches=5_000,
    bookings=3_000,
    rate_s=8.0,
    unlocks=40,
    requests=50_000,
)
"""For developing: the same figures, less certain."""
