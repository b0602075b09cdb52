"""GBFS 3.1-RC3, a draft: as 3.0, but a daily cap is a cap, and the manifest shows the area."""

from __future__ import annotations

from typing import Any

from fahrwerk.feeds.protocols import DRAFT, Facts, _gbfs, _gbfs_3, editions

VERSION = DRAFT
VEHICLES = _gbfs_3.VEHICLES
moment, vehicles_in = _gbfs_3.moment, _gbfs_3.vehicles_in


def _manifest(facts: Facts) -> dict[str, Any]:
    dataset: dict[str, Any] = {
        "system_id": facts.system.id,
        "versions": editions(facts, VERSION),
    }
    if facts.area:
        dataset["area"] = {"type": "MultiPolygon", "coordinates": facts.area}
    return {"datasets": [dataset]}


FEEDS = _gbfs_3.feeds(
    _gbfs.Dialect(VERSION, moment, _gbfs_3.in_each, _gbfs_3.leave, _gbfs.capped), _manifest
)
"""What there is to tell. Without stations and regions there are no feeds of them."""
