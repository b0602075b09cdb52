"""Formats of the outside world, one file per version, found by its number.

Each has ``VERSION``, ``FEEDS`` (name -> what stands in its ``data``), ``moment`` (how it writes a
time) and ``vehicles_in`` (reads its own list of vehicles back, for the self-check).
"""

from __future__ import annotations

import msgspec

from fahrwerk.feeds.rules import Kind, Plan, Shown, System

VERSIONS = ("2.3", "3.0")
"""Of GBFS, in the order the specification asks for."""
LIVE = frozenset({"vehicle_status", "free_bike_status"})
"""Feeds of the vehicles themselves: new with every reading."""
PRICED = frozenset({"vehicle_types", "system_pricing_plans"})
"""Feeds of types and tariffs."""


def ttl_s(name: str) -> int:
    """Seconds until a feed is read anew."""
    return 30 if name in LIVE else 60


class Facts(msgspec.Struct, frozen=True):
    """What a feed is made of; what it does not need is empty."""

    system: System
    kinds: list[Kind] = []
    plans: list[Plan] = []
    vehicles: list[Shown] = []


class Link(msgspec.Struct, frozen=True):
    """Where a feed is found."""

    name: str
    url: str


class Edition(msgspec.Struct, frozen=True):
    """Where a version of the feeds begins."""

    version: str
    url: str


def editions(facts: Facts) -> list[Edition]:
    """All versions that this operator publishes."""
    return [Edition(v, f"{facts.system.address}/{v}/gbfs.json") for v in VERSIONS]


FORMS = {
    "scooter": ("scooter_standing", "electric", 2),
    "ebike": ("bicycle", "electric_assist", 2),
    "car": ("car", "electric", 4),
    "van": ("car", "electric", 4),
}
"""form_factor, propulsion_type, wheel_count. GBFS has no form for vans; carsharing calls them
cars."""
