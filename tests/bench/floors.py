"""What must hold, in the words it was asked for. ``make bench`` fails when one is missed.

Ratios, because both sides are measured in the same run on the same machine: a slower machine
lowers both. The few absolute limits are far enough from what any machine of ours does.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """A bound on one figure: ``at_least`` on a ratio, or ``below`` on the measured value."""

    words: str
    at_least: float | None = None
    below: float | None = None
    least: float | None = None
    """On the measured value."""

    def holds(self, measured: float, ratio: float | None) -> bool:
        if self.at_least is not None:
            return ratio is not None and ratio >= self.at_least
        if self.least is not None:
            return measured >= self.least
        return self.below is not None and measured < self.below

    def __str__(self) -> str:
        if self.least is not None:
            return f">= {self.least:,.0f}"
        return f">= {self.at_least:g}" if self.at_least is not None else f"< {self.below:g}"


SEARCH_NEW = Floor(
    words="Search (50 of 50,000 vehicles within 1 km, priced, authenticated, coordinates never "
    "repeated): at least 0.12 of the requests per second that the same server gives for a "
    "constant response of the same size",
    at_least=0.12,
)
SEARCH_REPEATED = Floor(
    words="Repeated coordinates, served from the short cache that a reservation invalidates at "
    "once: at least 0.5 of the same limit",
    at_least=0.5,
)
BOOKING = Floor(
    words="Booking (POST /api/v1/bookings, distinct vehicles, authenticated, with its event): at "
    "least 0.2 of what pgbench reaches with the same SQL",
    at_least=0.2,
)
BOOKING_P95_MS = Floor(words="Booking: p95 below 50 ms at 500 bookings per second", below=50)
BOOKINGS_PER_S = 500
UNLOCK_P95_MS = Floor(
    words="Unlock, from the request to verified, with a simulated vehicle: p95 below 300 ms",
    below=300,
)
EVENT_LAG_P95_MS = Floor(
    words="From the commit of an event to its handler: p95 below 100 ms at 500 events per second",
    below=100,
)
EVENTS_PER_S = 500
API_RSS_MB = Floor(words="An API process: below 150 MB after a million requests", below=150)
LEDGER = Floor(
    words="Ledger postings: at least 0.6 of what pgbench reaches with the same SQL", at_least=0.6
)
LEDGER_HOT = Floor(
    words="One hot account spread over 16 shards: at least 3 times the rate of one row", at_least=3
)

USAGES_PER_S = 300
USAGE_P95_MS = Floor(
    words=f"Wallet usage charge over HTTP: p95 under 30 ms at {USAGES_PER_S} per second", below=30
)
BALANCE_EVENT_P95_MS = Floor(words="A balance event at the client: p95 under 300 ms", below=300)

REQUESTS = 1_000_000
HOUSE_MB = Floor(
    words="`fahrwerk up`, all processes, with the city running: below 1.5 GB", below=1536
)
INGEST = Floor(
    words="Telemetry: MQTT message to stored row and live state at least 0.5 of what the bare "
    "client library receives on the same machine",
    at_least=0.5,
)
INGEST_SUSTAINED = Floor(
    words="Telemetry: 30,000 events per second for a minute with 1,000 vehicles on two cores",
    least=29_500,
)
INGEST_MEMORY_MB = Floor(
    words="Telemetry: the memory of an ingest worker is bounded under a ten-fold burst", below=500
)

LIVE_SNAPSHOT_S = Floor(words="Live snapshot of 50,000 vehicles: under 1 s", below=1)
LIVE_SNAPSHOT_BYTES = Floor(
    words="Live snapshot of 50,000 vehicles: under 1.2 MB as sent (gzip)", below=1.2
)
ALERT_LOOK_S = Floor(words="A look of the alert rules at 50,000 vehicles: under 1 s", below=1)
LIVE_CHANGE_S = Floor(words="A vehicle's change shows live within 2 s", below=2)
HISTORY_MS = Floor(
    words="A year of telemetry of 1,000 vehicles, queried for one vehicle and day: under 50 ms",
    below=50,
)

GBFS_COLD_S = Floor(
    words="GBFS vehicle_status of 50,000 vehicles: under 0.5 s cold, 304 when unchanged", below=0.5
)

ZONES = 500
VERIFIED_US = Floor(
    words="A verified caller costs the front door under 30 us more than a stranger", below=30
)
ZONE_US = Floor(words="A zone decision at 500 zones: under 20 us median", below=20)
ZONE_DISAGREEMENTS = Floor(
    words="No disagreement with shapely (GEOS) on a million random points", below=1
)


class Figure(msgspec.Struct, kw_only=True):
    """One line of the table."""

    what: str
    measured: float
    unit: str
    limit: float | None = None
    limit_unit: str = ""
    floor: Floor | None = None
    sound: bool = True
    """False when the run itself went wrong (errors, too few answers): then no floor holds."""
    noise: float | None = None
    """(largest - smallest) / median of the runs it is the median of."""
    cpu_us: float | None = None
    """CPU microseconds of everybody, per request: less noisy than time on a machine in use."""
    limit_cpu_us: float | None = None
    detail: dict[str, Any] = {}

    @property
    def ratio(self) -> float | None:
        return self.measured / self.limit if self.limit else None

    @property
    def holds(self) -> bool:
        return self.sound and (self.floor is None or self.floor.holds(self.measured, self.ratio))
