"""Formats of the outside world, one file per version, found by its number.

Each has ``VERSION``, ``FEEDS`` (name -> what stands in its ``data``), ``moment`` (how it writes a
time) and ``vehicles_in`` (reads its own list of vehicles back, for the self-check).
"""

from __future__ import annotations

import msgspec

from fahrwerk.feeds.contract.alerts import PublicAlert
from fahrwerk.feeds.rules import Kind, Plan, Shown, System
from fahrwerk.feeds.rules.fences import Fence, Leave
from fahrwerk.feeds.rules.places import Polygons

VERSIONS = ("2.3", "3.0")
"""Of GBFS, in the order the specification asks for."""
DRAFT = "3.1-RC3"
"""Of the next version: published where the operator wants it, and named by itself only."""
LIVE = frozenset({"vehicle_status", "free_bike_status"})
"""Feeds of the vehicles themselves: new with every reading."""
PRICED = frozenset({"vehicle_types", "system_pricing_plans"})
"""Feeds of types and tariffs."""
ALERTED = frozenset({"system_alerts"})
ZONED = frozenset({"geofencing_zones", "manifest"})
"""Feeds of zones."""


def ttl_s(name: str) -> int:
    """Seconds until a feed is read anew."""
    return 30 if name in LIVE else 60


class Facts(msgspec.Struct, frozen=True):
    """What a feed is made of; what it does not need is empty."""

    system: System
    kinds: list[Kind] = []
    plans: list[Plan] = []
    vehicles: list[Shown] = []
    fences: list[Fence] = []
    everywhere: list[Leave] = []
    """What holds outside of all fences."""
    area: Polygons = []
    """Where the operator works."""
    alerts: list[PublicAlert] = []


class Link(msgspec.Struct, frozen=True):
    """Where a feed is found."""

    name: str
    url: str


class Edition(msgspec.Struct, frozen=True):
    """Where a version of the feeds begins."""

    version: str
    url: str


def editions(facts: Facts, version: str) -> list[Edition]:
    """All versions that a version may name: a draft is not known to those before it."""
    named = (*VERSIONS, DRAFT) if version == DRAFT else VERSIONS
    return [Edition(v, f"{facts.system.address}/{v}/gbfs.json") for v in named]


FORMS = {
    "scooter": ("scooter_standing", "electric", 2),
    "ebike": ("bicycle", "electric_assist", 2),
    "car": ("car", "electric", 4),
    "van": ("car", "electric", 4),
}
"""form_factor, propulsion_type, wheel_count. GBFS has no form for vans; carsharing calls them
cars."""
