"""Which zones a point is in, in microseconds: polygons compiled into a tree that grows as asked.

The globe is divided into cells, each into 4 by 4 smaller ones. A cell knows which shapes cover it
wholly, margin included, and of the others only those edges that come near it. A cell is made when
somebody first asks about a place in it, from what the larger one around it knows; so a city's cells
exist and the oceans' do not. A question is then: find the cell, measure the distance to the few
edges there, and where those leave it open, count crossings.

What is near a tie is decided in whole numbers, so that the answer for a point is the one of plane
geometry (tests compare it with GEOS on a million points). Distances are those on a plane that
touches the globe at the point: below the margins here that is a matter of millimetres.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from fahrwerk.fleet.rules.polygons import Edge, side
from fahrwerk.kernel import geo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fahrwerk.fleet.contract.zones import Polygons, Position

M_PER_DEGREE = geo.EARTH_M * math.pi / 180
MOST_ACCURACY_M = 1_000.0
"""A position vouched for less than this says nothing about zones."""

_SIZES = tuple(1 / 512 * 4**n for n in range(9))
"""Degrees; the smallest are 217 m from south to north."""
_MARGINS_M = (64.0, 256.0, *(MOST_ACCURACY_M,) * 7)
_MOST_CELLS = 60_000
_MOST_BANDS, _ENTRIES_PER_EDGE = 2_048, 16
_SAMPLES = 16
_LAST_LON, _LAST_LAT = 179.999_999_9, 89.999_999_9
"""The edges of the map belong to its last cells."""

Cell = tuple[list[tuple[int, bool]], list[tuple[int, list[Edge]]]]
"""Shapes that cover the cell and its margin (as answers), and of the others the edges near it."""


class Shape:
    """The polygons of one zone, ready to be asked about points. Even-odd over all rings."""

    __slots__ = ("_bands", "_per_degree", "border", "box")

    def __init__(self, polygons: Polygons) -> None:
        rings = [ring for polygon in polygons for ring in polygon]
        edges = [(ax, ay, bx, by) for ring in rings for (ax, ay), (bx, by) in pairwise(ring)]
        xs, ys = [e[0] for e in edges], [e[1] for e in edges]
        self.box = west, south, east, north = min(xs), min(ys), max(xs), max(ys)
        self.border = [*filter(_is_border, edges), *_beyond(edges, west, east)]
        height = north - south
        # Long edges stand in many bands: no more of these than so many entries an edge.
        spread = sum(abs(by - ay) for _, ay, _, by in edges) / height if height else 1.0
        most = min(_MOST_BANDS, int(_ENTRIES_PER_EDGE * len(edges) / spread))
        count = max(1, min(len(edges) // 2, most))
        self._per_degree = count / height if height else 0.0
        self._bands: list[list[Edge]] = [[] for _ in range(count)]
        for ax, ay, bx, by in edges:
            if ay != by:
                up = (ax, ay, bx, by) if ay < by else (bx, by, ax, ay)
                first, last = (int((y - south) * self._per_degree) for y in (up[1], up[3]))
                for band in self._bands[min(first, count - 1) : last + 1]:
                    band.append(up)

    def holds(self, x: float, y: float) -> bool:
        """Whether the point is within; on the border itself either may be answered."""
        west, south, east, north = self.box
        if not (west <= x <= east and south <= y <= north):
            return False
        bands = self._bands
        n = int((y - south) * self._per_degree)
        inside = False
        for ax, ay, bx, by in bands[n] if n < len(bands) else bands[-1]:
            if ay <= y < by and (
                (ax > x and bx > x) or ((ax > x or bx > x) and side(ax, ay, bx, by, x, y) > 0)
            ):
                inside = not inside
        return inside

    def along(
        self, a: Position, b: Position, care_m: float
    ) -> Literal["inside", "unsure", "outside"]:
        """Whether the straight line from a to b leads through: ``inside`` only where it is at some
        place further than ``care_m`` from the border."""
        (ax, ay), (bx, by) = a, b
        kx = M_PER_DEGREE * math.cos(math.radians((ay + by) / 2))
        mx, my = care_m / max(kx, 1.0), care_m / M_PER_DEGREE
        west, east = min(ax, bx) - mx, max(ax, bx) + mx
        south, north = min(ay, by) - my, max(ay, by) + my
        if self.box[0] > east or self.box[2] < west or self.box[1] > north or self.box[3] < south:
            return "outside"
        near = [
            edge for edge in self.border
            if min(edge[0], edge[2]) <= east and max(edge[0], edge[2]) >= west
            and min(edge[1], edge[3]) <= north and max(edge[1], edge[3]) >= south
        ]  # fmt: skip
        cuts = sorted([0.0, *(t for e in near if (t := _cut(a, b, e)) is not None), 1.0])
        answer: Literal["unsure", "outside"] = "outside"
        for since, until in pairwise(cuts):
            middle = (since + until) / 2
            if not self.holds(ax + (bx - ax) * middle, ay + (by - ay) * middle):
                continue
            answer = "unsure"
            for n in range(_SAMPLES + 1):
                t = since + (until - since) * n / _SAMPLES
                x, y = ax + (bx - ax) * t, ay + (by - ay) * t
                if not is_near(near, x, y, kx, care_m):
                    return "inside"
        return answer


def _is_border(edge: Edge) -> bool:
    """Edges on the antimeridian are where a polygon was split: nobody passes a border there."""
    return not (edge[0] == edge[2] and abs(edge[0]) == 180)


def _beyond(edges: list[Edge], west: float, east: float) -> list[Edge]:
    """The edges as they are seen from the other side of the antimeridian, if they are near it."""
    shift = 360.0 if west < -179 else -360.0 if east > 179 else 0.0
    if not shift:
        return []
    return [(ax + shift, ay, bx + shift, by) for ax, ay, bx, by in filter(_is_border, edges)]


def _cut(a: Position, b: Position, edge: Edge) -> float | None:
    """Where on the way from a (0) to b (1) the edge is crossed."""
    (ax, ay), (bx, by) = a, b
    cx, cy, dx, dy = edge
    across = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if across == 0:
        return None
    t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / across
    u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / across
    return t if 0 < t < 1 and 0 <= u <= 1 else None


def is_near(edges: Iterable[Edge], x: float, y: float, kx: float, metres: float) -> bool:
    """True when one of the edges is less than so many metres away; ``kx`` metres a degree east."""
    square = metres * metres
    for ax, ay, bx, by in edges:
        px, py = (ax - x) * kx, (ay - y) * M_PER_DEGREE
        dx, dy = (bx - ax) * kx, (by - ay) * M_PER_DEGREE
        along = -(px * dx + py * dy)
        if along <= 0:
            if px * px + py * py < square:
                return True
        elif along < (length := dx * dx + dy * dy):
            across = px * dy - py * dx
            if across * across < square * length:
                return True
        elif (px + dx) ** 2 + (py + dy) ** 2 < square:
            return True
    return False


def nearest_on(edges: Iterable[Edge], x: float, y: float) -> list[tuple[float, float, float]]:
    """The point of each edge that is nearest, as (metres, longitude, latitude)."""
    kx = M_PER_DEGREE * math.cos(math.radians(y))
    found = []
    for ax, ay, bx, by in edges:
        px, py = (ax - x) * kx, (ay - y) * M_PER_DEGREE
        dx, dy = (bx - ax) * kx, (by - ay) * M_PER_DEGREE
        length = dx * dx + dy * dy
        t = min(1.0, max(0.0, -(px * dx + py * dy) / length)) if length else 0.0
        metres = math.hypot(px + t * dx, py + t * dy)
        found.append((metres, ax + t * (bx - ax), ay + t * (by - ay)))
    return found


class ZoneIndex:
    """Many shapes. Not to be changed; what it remembers of cells is bounded."""

    __slots__ = ("_cells", "shapes")

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = list(shapes)
        self._cells: dict[tuple[int, int, int], Cell] = {}

    def at(self, x: float, y: float, accuracy_m: float) -> list[tuple[int, bool]]:
        """The shapes a position is in: (number, True); and those it may be in: (number, False).

        A position is in or out for sure when it is ``accuracy_m`` or more from the border. From
        1,000 m on it may be in any.
        """
        if accuracy_m >= MOST_ACCURACY_M:
            return [(n, False) for n in range(len(self.shapes))]
        x, y = min(x, _LAST_LON), min(y, _LAST_LAT)
        level = 0 if accuracy_m <= 64.0 else 1 if accuracy_m <= 256.0 else 2
        size = _SIZES[level]
        key = (level, int((x + 180) // size), int((y + 90) // size))
        sure, open_ = self._cells.get(key) or self._make(key)
        if not open_:
            return sure
        found = sure.copy()
        kx = M_PER_DEGREE * math.cos(math.radians(y))
        for n, edges in open_:
            if accuracy_m and is_near(edges, x, y, kx, accuracy_m):
                found.append((n, False))
            elif self.shapes[n].holds(x, y):
                found.append((n, True))
        return found

    def _make(self, key: tuple[int, int, int]) -> Cell:
        level, ix, iy = key
        if level + 1 < len(_SIZES):
            above = (level + 1, ix >> 2, iy >> 2)
            sure, open_ = self._cells.get(above) or self._make(above)
        else:
            sure, open_ = [], [(n, shape.border) for n, shape in enumerate(self.shapes)]
        size = _SIZES[level]
        x, y = (ix + 0.5) * size - 180, (iy + 0.5) * size - 90
        hy = size / 2 + _MARGINS_M[level] / M_PER_DEGREE
        narrow = math.cos(math.radians(min(90.0, abs(y) + hy)))
        hx = size / 2 + _MARGINS_M[level] / (M_PER_DEGREE * max(narrow, 0.000_5))
        sure, still_open = sure.copy(), []
        for n, edges in open_:
            if near := _crossing(edges, x, y, hx, hy):
                still_open.append((n, near))
            elif self.shapes[n].holds(min(x, _LAST_LON), min(y, _LAST_LAT)):
                sure.append((n, True))
        if len(self._cells) >= _MOST_CELLS:
            self._cells.clear()
        made = self._cells[key] = (sure, still_open)
        return made


def _crossing(edges: list[Edge], x: float, y: float, hx: float, hy: float) -> list[Edge]:
    """The edges that come into the box around (x, y): a few more, but none less."""
    west, east, south, north = x - hx, x + hx, y - hy, y + hy
    found = []
    for edge in edges:
        ax, ay, bx, by = edge
        if (
            (ax < west and bx < west) or (ax > east and bx > east)
            or (ay < south and by < south) or (ay > north and by > north)
        ):  # fmt: skip
            continue
        dx, dy = bx - ax, by - ay
        reach = (hx * abs(dy) + hy * abs(dx)) * 1.000_001 + 1e-12
        if abs(dx * (y - ay) - dy * (x - ax)) <= reach:
            found.append(edge)
    return found
