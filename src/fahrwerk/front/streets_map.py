"""The base map that needs no other server: the demo city's streets, and nature drawn by hand."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from fahrwerk.sim import streets

NATURE = Path(__file__).parent / "nature.geojson"
"""Rivers, lakes and parks of inner Berlin, drawn by hand, rough on purpose: for orientation."""


@lru_cache(maxsize=1)
def streets_as_geojson() -> bytes:
    """All streets as one MultiLineString, longitude before latitude."""
    graph = streets.load_streets()
    lines = [
        [[round(lon, 5), round(lat, 5)] for lat, lon in map(graph.at, way)] for way in graph.ways
    ]
    geometry = {"type": "MultiLineString", "coordinates": lines}
    return msgspec.json.encode({"type": "Feature", "properties": {}, "geometry": geometry})
