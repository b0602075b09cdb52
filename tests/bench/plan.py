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
    ingest_rounds: int = 5
    ingest_messages: int = 150_000
    """Of one round, by the platform and by the bare client library alike."""
    ingest_s: float = 60.0
    telemetry_days: int = 365
    ingest_burst_s: float = 5.0
    zone_points: int = 1_000_000
    postings: int = 20_000
    """Of one round, by the platform and by pgbench alike."""


QUICK = Plan(
    rounds=3,
    run_s=2.0,
    warm_s=1.0,
    warm_searches=5_000,
    bookings=3_000,
    rate_s=8.0,
    unlocks=40,
    telemetry_days=60,
    requests=50_000,
    ingest_rounds=3,
    ingest_messages=60_000,
    ingest_s=15.0,
    ingest_burst_s=3.0,
    zone_points=200_000,
    postings=6_000,
)
"""For developing: the same figures, less certain."""
