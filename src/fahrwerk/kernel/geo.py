"""Places on the globe: distances and H3 cells.

Cells of resolution 9 (edge about 200 m) are the index of "what is near"; the exact distance is
always computed afterwards (STACK, nearby search).
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING

import h3.api.basic_int as h3

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLUTION = 9
AREA_RESOLUTION = 8
"""An *area* is seven cells, 0.7 km2: what is read and remembered together."""
EARTH_M = 6_371_008.8
# Each ring of cells around a cell is at least this much farther away: centres of neighbours are
# edge * sqrt(3) apart, in the direction of a hexagon's corner only 3/2 edge; and the smallest cells
# have 0.72 of the mean edge.
_STEP_M = h3.average_hexagon_edge_length(RESOLUTION, "m") * 1.5 * 0.72


def cell(lat: float, lon: float) -> int:
    """The H3 cell of a point, as PostgreSQL ``bigint``."""
    return int(h3.latlng_to_cell(lat, lon, RESOLUTION))


def _disk(centre: int, radius_m: float) -> array[int]:
    """Cells that may hold a point within the radius of any point of ``centre``."""
    lat, lon = h3.cell_to_latlng(centre)
    corner_m = max(distance_m(lat, lon, *corner) for corner in h3.cell_to_boundary(centre))
    # From a point to the middle of its own cell, and from the other cell's middle to its point;
    # neighbours differ in size by some percent.
    reach_m = radius_m + 2.1 * corner_m
    disk = h3.grid_disk(centre, math.ceil(reach_m / _STEP_M))
    return array("q", (c for c in disk if distance_m(lat, lon, *h3.cell_to_latlng(c)) <= reach_m))


# Remembered, 8 bytes a cell: a city has some thousand centres that people search from.
_cells_within = lru_cache(maxsize=4_096)(_disk)


@lru_cache(maxsize=16_384)
def _areas_within(centre: int, radius_m: float) -> array[int]:
    return array("q", {area(each) for each in _disk(centre, radius_m)})


def cells_around(lat: float, lon: float, radius_m: float) -> Sequence[int]:
    """Every cell that may hold a point within ``radius_m``."""
    return _cells_within(cell(lat, lon), radius_m)


def area(cell: int) -> int:
    """The area a cell belongs to."""
    return int(h3.cell_to_parent(cell, AREA_RESOLUTION))


def cells_of(area: int) -> list[int]:
    """The cells of an area."""
    return list(h3.cell_to_children(area, RESOLUTION))


def areas_around(lat: float, lon: float, radius_m: float) -> Sequence[int]:
    """Every area that may hold a point within ``radius_m``."""
    return _areas_within(cell(lat, lon), radius_m)


@lru_cache(maxsize=4_096)
def areas_next_to(cell: int) -> tuple[int, ...]:
    """The areas of a cell and of those it touches: one to three."""
    return tuple({area(each) for each in h3.grid_disk(cell, 1)})


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance in metres."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    h = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, h)))


def on_globe(lat: float, lon: float) -> bool:
    """True for finite coordinates within WGS 84's ranges."""
    return -90 <= lat <= 90 and -180 <= lon <= 180
