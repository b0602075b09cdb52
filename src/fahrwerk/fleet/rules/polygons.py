"""Polygons as people draw them, made sound: RFC 7946 GeoJSON in, checked and turned rings out.

Planar geometry in degrees, as GeoJSON defines it: a straight line is straight on the map. What is
wrong is said with its place, such as ``coordinates[0][17]``.

What is mended: rings that are not closed, positions that repeat, wrong orientation (RFC 7946
3.1.6), and areas across the antimeridian, which are split there (3.1.9): two neighbouring
positions more than 180 degrees apart are meant to be joined the short way.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from fahrwerk.kernel import geo
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fahrwerk.fleet.contract.zones import Polygons, Position

Ring = list["Position"]
Edge = tuple[float, float, float, float]

MOST_VERTICES = 5_000
"""Of one zone: a city limit at full detail has about 2,000."""
MOST_POLYGONS, MOST_HOLES = 100, 200
SMALLEST_M2 = 4.0
"""About one parked scooter with room around it."""
LARGEST_KM2 = 2_000_000.0
_DECIMALS = 7
"""Of a degree: a centimetre."""
_M_PER_DEGREE = geo.EARTH_M * math.pi / 180


def polygons_of(kind: str, coordinates: object, field: str = "geometry") -> Polygons:
    """The sound polygons of a GeoJSON Polygon or MultiPolygon. Raises ``Invalid``."""
    if kind not in ("Polygon", "MultiPolygon"):
        raise Invalid(field=f"{field}.type", issue="must be Polygon or MultiPolygon")
    where = f"{field}.coordinates"
    many = coordinates if kind == "MultiPolygon" else [coordinates]
    if not isinstance(many, list) or not 1 <= len(many) <= MOST_POLYGONS:
        raise Invalid(field=where, issue=f"must be a list of 1 to {MOST_POLYGONS} polygons")
    names = [f"{where}[{n}]" if kind == "MultiPolygon" else where for n in range(len(many))]
    read = [_read_polygon(each, name) for each, name in zip(many, names, strict=True)]
    return sound(read, where, names)


def sound(given: Polygons, where: str = "polygons", names: Sequence[str] = ()) -> Polygons:
    """Polygons with their rings checked, closed, turned, and split at the antimeridian.

    What comes out, goes through again unchanged. Raises ``Invalid``.
    """
    if not 1 <= len(given) <= MOST_POLYGONS:
        raise Invalid(field=where, issue=f"must be 1 to {MOST_POLYGONS} polygons")
    names = names or [f"{where}[{n}]" for n in range(len(given))]
    if (size := sum(len(ring) for polygon in given for ring in polygon)) > MOST_VERTICES:
        issue = f"has {size} positions; at most {MOST_VERTICES} are allowed"
        raise Invalid(field=where, issue=issue)
    made: Polygons = []
    for polygon, name in zip(given, names, strict=True):
        rings = [_closed(ring, f"{name}[{n}]") for n, ring in enumerate(polygon)]
        if not 1 <= len(rings) <= MOST_HOLES + 1:
            raise Invalid(field=name, issue=f"must have 1 to {MOST_HOLES + 1} rings")
        rings = [rings[0], *(_beside(rings[0], hole) for hole in rings[1:])]
        _check_rings(rings, [f"{name}[{n}]" for n in range(len(rings))])
        _check_holes(rings, name)
        made += split(_turned(rings))
    _check_apart(made, where)
    area_m2 = sum(map(area_of, made))
    if area_m2 < SMALLEST_M2:
        raise Invalid(field=where, issue=f"has an area of less than {SMALLEST_M2:g} square metres")
    if area_m2 > LARGEST_KM2 * 1e6:
        raise Invalid(field=where, issue=f"has more than {LARGEST_KM2:,.0f} square kilometres")
    return made


def vertices(polygons: Polygons) -> int:
    """Positions in all rings, each counted once."""
    return sum(len(ring) - 1 for polygon in polygons for ring in polygon)


def area_of(polygon: list[Ring]) -> float:
    """Square metres, near enough for limits: as if the latitude were everywhere its middle one."""
    lats = [lat for _, lat in polygon[0]]
    scale = math.cos(math.radians((min(lats) + max(lats)) / 2)) * _M_PER_DEGREE**2
    return (
        (abs(_twice_area(polygon[0])) - sum(abs(_twice_area(r)) for r in polygon[1:])) / 2 * scale
    )


# --- reading


def _read_polygon(given: object, name: str) -> list[Ring]:
    if not isinstance(given, list) or not given:
        raise Invalid(field=name, issue="must be a list of rings, the outer one first")
    rings = []
    for n, ring in enumerate(given):
        if not isinstance(ring, list):
            raise Invalid(field=f"{name}[{n}]", issue="must be a list of positions")
        rings.append([_position(each, f"{name}[{n}]", i) for i, each in enumerate(ring)])
    return rings


def _position(given: object, ring: str, i: int) -> Position:
    if not isinstance(given, list | tuple) or not 2 <= len(given) <= 4:
        raise Invalid(field=f"{ring}[{i}]", issue="must be [longitude, latitude]")
    lon, lat = given[:2]
    for value in (lon, lat):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid(field=f"{ring}[{i}]", issue="must be two numbers: longitude, latitude")
    return (lon, lat)


def _closed(given: Sequence[Position], name: str) -> Ring:
    """A ring whose first position is its last, without repetitions, in centimetres."""
    ring: Ring = []
    for i, (lon, lat) in enumerate(given):
        if not -180 <= lon <= 180:
            raise Invalid(field=f"{name}[{i}]", issue=f"longitude {lon:g} is not -180 to 180")
        if not -90 <= lat <= 90:
            swapped = "; longitude comes first" if -90 <= lon <= 90 else ""
            raise Invalid(field=f"{name}[{i}]", issue=f"latitude {lat:g} is not -90 to 90{swapped}")
        # Minus nothing is nothing: -0.0 would not be written as it is read.
        place = (round(float(lon), _DECIMALS) + 0.0, round(float(lat), _DECIMALS) + 0.0)
        if not ring or place != ring[-1]:
            ring.append(place)
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
    if len(ring) < 4:
        raise Invalid(field=name, issue="must have at least three different positions")
    return _unrolled(ring, name)


def _unrolled(ring: Ring, name: str) -> Ring:
    """A ring that crosses the antimeridian goes on beyond 180 degrees, to be split later."""
    turns, lons = 0, [ring[0][0]]
    for (before, _), (lon, _) in pairwise(ring):
        if abs(lon - before) > 180:
            turns += 1 if lon < before else -1
        lons.append(lon + 360 * turns)
    if turns:
        raise Invalid(field=name, issue="goes around a pole, which a zone cannot")
    if min(lons) < -180:
        lons = [lon + 360 for lon in lons]
    if max(lons) - min(lons) > 180 and max(lons) > 180:
        raise Invalid(field=name, issue="is wider than half the globe")
    return [(lon, lat) for lon, (_, lat) in zip(lons, ring, strict=True)]


def _beside(outer: Ring, hole: Ring) -> Ring:
    """A hole wholly beyond the antimeridian, counted on as its outer ring is."""
    if max(x for x, _ in hole) < min(x for x, _ in outer):
        return [(x + 360, y) for x, y in hole]
    return hole


# --- shape


def _twice_area(ring: Ring) -> float:
    x0, y0 = ring[0]  # near the ring, or the products would drown it
    return sum(
        (ax - x0) * (by - y0) - (bx - x0) * (ay - y0) for (ax, ay), (bx, by) in pairwise(ring)
    )


def _turned(rings: list[Ring]) -> list[Ring]:
    """The outer ring anticlockwise, holes clockwise (RFC 7946 3.1.6)."""
    outer, *holes = rings
    turned = [outer if _twice_area(outer) > 0 else outer[::-1]]
    return turned + [hole if _twice_area(hole) < 0 else hole[::-1] for hole in holes]


def side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> float:
    """Above zero when (x, y) is on the left of the line from a to b; exactly zero when on it."""
    left, right = (bx - ax) * (y - ay), (x - ax) * (by - ay)
    found = left - right
    if abs(found) > 4e-16 * (abs(left) + abs(right)):
        return found
    # Too near for floats. In units of their own grid coordinates are whole numbers: exact.
    return float(_exact_side(ax, ay, bx, by, x, y))


def _exact_side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> int:
    ratios = [value.as_integer_ratio() for value in (ax, ay, bx, by, x, y)]
    scale = max(bottom for _, bottom in ratios)  # powers of two: the largest holds all others
    iax, iay, ibx, iby, ix, iy = (top * (scale // bottom) for top, bottom in ratios)
    found = (ibx - iax) * (iy - iay) - (ix - iax) * (iby - iay)
    return (found > 0) - (found < 0)


def meets(a: Edge, b: Edge) -> str | None:
    """How two edges meet: ``cross`` (or share a stretch), ``touch`` in one point, or None."""
    ax, ay, bx, by = a
    cx, cy, dx, dy = b
    c, d = side(ax, ay, bx, by, cx, cy), side(ax, ay, bx, by, dx, dy)
    if (c > 0 and d > 0) or (c < 0 and d < 0):
        return None
    if c == 0 and d == 0:
        return _overlap(a, b)
    p, q = side(cx, cy, dx, dy, ax, ay), side(cx, cy, dx, dy, bx, by)
    if (p > 0 and q > 0) or (p < 0 and q < 0):
        return None
    return "cross" if c and d and p and q else "touch"


def _overlap(a: Edge, b: Edge) -> str | None:
    """Two edges on one line."""
    axis = 0 if abs(a[2] - a[0]) >= abs(a[3] - a[1]) else 1
    low = max(min(a[axis], a[axis + 2]), min(b[axis], b[axis + 2]))
    high = min(max(a[axis], a[axis + 2]), max(b[axis], b[axis + 2]))
    return None if low > high else "touch" if low == high else "cross"


def _check_rings(rings: list[Ring], names: list[str]) -> None:
    """Raise ``Invalid`` where a ring meets itself, or crosses another of its polygon."""
    edges = [
        (min(ax, bx), max(ax, bx), min(ay, by), max(ay, by), r, i, (ax, ay, bx, by))
        for r, ring in enumerate(rings)
        for i, ((ax, ay), (bx, by)) in enumerate(pairwise(ring))
    ]
    for one, other in _neighbours(edges):
        (r, i, a), (s, j, b) = one, other
        if r != s:
            if meets(a, b) == "cross":
                issue = f"crosses {names[s]} near its position {j}"
                raise Invalid(field=f"{names[r]}[{i}]", issue=issue)
            continue
        last = len(rings[r]) - 2
        is_next = j == i + 1 or (i == 0 and j == last)
        found = meets(a, b)
        if found == "cross" or (found and not is_next):
            issue = f"the ring meets itself: its edge from here meets that from position {j}"
            raise Invalid(field=f"{names[r]}[{i}]", issue=issue)


Side = tuple[int, int, Edge]


def _neighbours(
    edges: list[tuple[float, float, float, float, int, int, Edge]],
) -> Iterator[tuple[Side, Side]]:
    """Pairs of edges whose boxes touch, the earlier one first: a sweep from west to east."""
    active: list[tuple[float, float, float, float, int, int, Edge]] = []
    for edge in sorted(edges, key=lambda e: e[0]):
        west, _, south, north, *_ = edge
        active = [other for other in active if other[1] >= west]
        for other in active:
            if other[2] <= north and other[3] >= south:
                first, second = (other, edge) if other[4:6] < edge[4:6] else (edge, other)
                yield first[4:7], second[4:7]
        active.append(edge)


def within(ring: Ring, x: float, y: float) -> bool | None:
    """Whether a point is within a ring; None on its border. Exact."""
    inside = False
    for (ax, ay), (bx, by) in pairwise(ring):
        if (ay > y) != (by > y):
            turn = side(ax, ay, bx, by, x, y)
            if turn == 0:
                return None
            inside ^= (turn > 0) == (by > ay)
        elif (ay == y == by and min(ax, bx) <= x <= max(ax, bx)) or (ax, ay) == (x, y):
            return None
    return inside


def _first_off(ring: Ring, other: Ring) -> tuple[int, bool] | None:
    """The first position (or middle of an edge) of a ring that is not on the other, and whether it
    is within that."""
    for i, ((ax, ay), (bx, by)) in enumerate(pairwise(ring)):
        for x, y in ((ax, ay), ((ax + bx) / 2, (ay + by) / 2)):
            if (found := within(other, x, y)) is not None:
                return i, found
    return None


def _all_within(ring: Ring, other: Ring) -> int | None:
    """The first position of a ring that is outside the other; None when none is."""
    for i, (x, y) in enumerate(ring):
        if within(other, x, y) is False:
            return i
    found = _first_off(ring, other)
    return found[0] if found is not None and not found[1] else None


def _check_holes(rings: list[Ring], name: str) -> None:
    outer, *holes = rings
    for n, hole in enumerate(holes, start=1):
        if (i := _all_within(hole, outer)) is not None:
            raise Invalid(field=f"{name}[{n}][{i}]", issue="this hole is not within the outer ring")
        for m, other in enumerate(holes[: n - 1], start=1):
            if _boxes_meet(hole, other) and _share(hole, other):
                raise Invalid(field=f"{name}[{n}]", issue=f"overlaps the hole {name}[{m}]")


def _box(ring: Ring) -> tuple[float, float, float, float]:
    return (
        min(x for x, _ in ring), min(y for _, y in ring),
        max(x for x, _ in ring), max(y for _, y in ring),
    )  # fmt: skip


def _boxes_meet(a: Ring, b: Ring) -> bool:
    aw, as_, ae, an = _box(a)
    bw, bs, be, bn = _box(b)
    return aw <= be and bw <= ae and as_ <= bn and bs <= an


def _share(a: Ring, b: Ring) -> bool:
    """True when two rings that do not cross have area in common: one is within the other."""
    return any(
        within(one, x, y) is True for one, other in ((a, b), (b, a)) for x, y in other
    ) or any(
        found is not None and found[1] for found in (_first_off(a, b), _first_off(b, a))
    )  # fmt: skip


def _check_apart(polygons: Polygons, where: str) -> None:
    """Raise ``Invalid`` where two polygons of a zone overlap: is it in, or twice in?"""
    boxes = [_box(polygon[0]) for polygon in polygons]
    for n, polygon in enumerate(polygons):
        for m in range(n):
            a, b = boxes[n], boxes[m]
            if not (a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]):
                continue
            both = [*polygon, *polygons[m]]
            names = [f"{where}[{n}]"] * len(polygon) + [f"{where}[{m}]"] * len(polygons[m])
            _check_rings(both, names)
            if _polygons_share(polygon, polygons[m]):
                raise Invalid(field=f"{where}[{n}]", issue=f"overlaps {where}[{m}]")


def _polygons_share(a: list[Ring], b: list[Ring]) -> bool:
    """Whether one of two polygons whose rings do not cross lies in the other, and in no hole."""
    for one, other in ((a, b), (b, a)):
        inside = _all_within(one[0], other[0]) is None
        if inside and not any(_all_within(one[0], hole) is None for hole in other[1:]):
            return True
    return False


# --- the antimeridian


def split(rings: list[Ring]) -> Polygons:
    """A polygon that goes beyond 180 degrees as one on each side; others as they are."""
    if max(x for x, _ in rings[0]) <= 180:
        return [rings]
    if min(x for x, _ in rings[0]) >= 180:
        return [[[(x - 360, y) for x, y in ring] for ring in rings]]
    west = _half(rings, beyond=False)
    east = [[[(x - 360, y) for x, y in r] for r in rings] for rings in _half(rings, beyond=True)]
    return [*west, *east]


def _half(rings: list[Ring], *, beyond: bool) -> Polygons:
    """What of a polygon is on this side of 180 degrees, as polygons.

    The border is cut where it crosses; the cuts, sorted along the meridian, are joined in pairs,
    because between the first and the second is inside, between the second and the third is not.
    """
    chains: list[Ring] = []
    whole: list[Ring] = []
    for ring in rings:
        flags = [(x > 180) == beyond for x, _ in ring[:-1]]
        if all(flags):
            whole.append(ring)
        elif any(flags):
            chains += _chains(ring, flags)
    outers = _joined(chains)
    if any(ring is rings[0] for ring in whole):
        outers.append(rings[0])
    holes = [ring for ring in whole if ring is not rings[0]]
    made = []
    for outer in outers:
        mine = [hole for hole in holes if _all_within(hole, outer) is None]
        made.append(_turned([outer, *mine]))
    return made


def _joined(chains: list[Ring]) -> list[Ring]:
    ends = sorted((chain[at][1], n, at) for n, chain in enumerate(chains) for at in (0, -1))
    partner = {}
    for (_, n, at), (_, m, to) in zip(ends[::2], ends[1::2], strict=True):
        partner[n, at], partner[m, to] = m, n
    made: list[Ring] = []
    left = set(range(len(chains)))
    while left:
        n = min(left)
        ring: Ring = []
        while n in left:
            left.discard(n)
            ring += chains[n]
            n = partner[n, -1]
        ring = [place for i, place in enumerate(ring) if i == 0 or place != ring[i - 1]]
        if ring[0] != ring[-1]:
            ring.append(ring[0])
        if len(ring) >= 4 and _twice_area(ring):  # what only touched the meridian has no area
            made.append(ring)
    return made


def _chains(ring: Ring, flags: list[bool]) -> Iterable[Ring]:
    """The runs of a ring that are on one side, each from cut to cut."""
    size = len(flags)
    first = next(i for i in range(size) if flags[i] and not flags[i - 1])
    chain: Ring = []
    for step in range(size + 1):
        i = (first + step) % size
        here, before = ring[i], ring[i - 1 if i else size - 1]
        is_here, was_here = flags[i], flags[i - 1]
        if is_here != was_here and (step < size or was_here):
            cut = (180.0, round(_height(before, here), _DECIMALS))
            if is_here:
                chain = [cut]
            else:
                yield [*chain, cut]
                chain = []
        if is_here and step < size:
            chain.append(here)


def _height(a: Position, b: Position) -> float:
    """The latitude where the line from a to b meets 180 degrees."""
    return a[1] + (b[1] - a[1]) * (180.0 - a[0]) / (b[0] - a[0])
