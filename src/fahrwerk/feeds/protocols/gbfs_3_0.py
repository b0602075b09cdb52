"""GBFS 3.0: RFC 3339 times, every text in every language, vehicles instead of bikes."""

from __future__ import annotations

from typing import Any

from fahrwerk.feeds.protocols import Facts, _gbfs, _gbfs_3, editions

VERSION = _gbfs_3.STABLE
VEHICLES = _gbfs_3.VEHICLES
moment, vehicles_in = _gbfs_3.moment, _gbfs_3.vehicles_in


def _manifest(facts: Facts) -> dict[str, Any]:
    return {"datasets": [{"system_id": facts.system.id, "versions": editions(facts, VERSION)}]}


FEEDS = _gbfs_3.feeds(
    _gbfs.Dialect(VERSION, moment, _gbfs_3.in_each, _gbfs_3.leave, _gbfs.cost), _manifest
)
"""What there is to tell. Without stations and regions there are no feeds of them."""
