"""The streets of inner Berlin, for simulated vehicles to stand in and ride along.

A small graph of the streets that buses and trams use (data/README.md says where it is from): about
420 km inside ``BOX``. It knows no one-way streets and no side streets, which is enough for vehicles
that move believably on a map; it is no navigation.

Nothing here reads a clock or draws its own chance: the same ``random.Random`` gives the same ride.
Positions are WGS 84 degrees, lengths metres.
"""

from __future__ import annotations

import gzip
import heapq
import json
import math
import random
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from fahrwerk.kernel import geo

SOUTH, WEST, NORTH, EAST = BOX = (52.46, 13.28, 52.56, 13.48)
"""Every place of this module lies in here: the S-Bahn ring and a little more."""

CREDIT = (
    "Streets: VBB Verkehrsverbund Berlin-Brandenburg GmbH (CC BY 4.0), OpenStreetMap contributors"
)
"""To be shown wherever these streets are (the licence asks for it)."""

NODE_EVERY_M = 40.0
"""Long straight streets get nodes in between, so that a node is never far from any point."""

_DATA = Path(__file__).parent / "data" / "streets.json.gz"
_M_PER_DEG_LAT = 111_195.0
_M_PER_DEG_LON = _M_PER_DEG_LAT * math.cos(math.radians((SOUTH + NORTH) / 2))
_SQUARE_M = 250.0  # squares for `nearest`
_AT_HUBS = 0.65  # share of places that are near a hub; the rest is spread over all streets
_HUB_SPREAD_M = 450.0
_ON_LINE_M = 0.5

LatLon: TypeAlias = tuple[float, float]


class Hub(NamedTuple):
    """A station or square that people come from and go to; ``weight`` is how many, roughly."""

    name: str
    lat: float
    lon: float
    weight: int


HUBS: tuple[Hub, ...] = (
    Hub("Alexanderplatz", 52.5219, 13.4132, 10),
    Hub("Hackescher Markt", 52.5226, 13.4023, 8),
    Hub("Friedrichstraße", 52.5203, 13.3869, 8),
    Hub("Hauptbahnhof", 52.5251, 13.3694, 10),
    Hub("Potsdamer Platz", 52.5096, 13.3760, 8),
    Hub("Brandenburger Tor", 52.5163, 13.3800, 6),
    Hub("Zoologischer Garten", 52.5072, 13.3325, 8),
    Hub("Wittenbergplatz", 52.5020, 13.3430, 4),
    Hub("Nollendorfplatz", 52.4994, 13.3537, 4),
    Hub("Ernst-Reuter-Platz", 52.5120, 13.3222, 4),
    Hub("Charlottenburg", 52.5047, 13.3036, 3),
    Hub("Turmstraße", 52.5259, 13.3417, 3),
    Hub("Leopoldplatz", 52.5464, 13.3593, 3),
    Hub("Gesundbrunnen", 52.5487, 13.3885, 4),
    Hub("Schönhauser Allee", 52.5494, 13.4150, 4),
    Hub("Eberswalder Straße", 52.5415, 13.4121, 5),
    Hub("Rosenthaler Platz", 52.5297, 13.4014, 5),
    Hub("Landsberger Allee", 52.5289, 13.4555, 2),
    Hub("Frankfurter Tor", 52.5158, 13.4540, 4),
    Hub("Ostbahnhof", 52.5103, 13.4348, 4),
    Hub("Warschauer Straße", 52.5055, 13.4490, 7),
    Hub("Ostkreuz", 52.5030, 13.4691, 5),
    Hub("Moritzplatz", 52.5037, 13.4107, 3),
    Hub("Kottbusser Tor", 52.4990, 13.4181, 6),
    Hub("Hermannplatz", 52.4869, 13.4245, 5),
    Hub("Neukölln", 52.4692, 13.4422, 3),
    Hub("Hallesches Tor", 52.4977, 13.3914, 3),
    Hub("Mehringdamm", 52.4934, 13.3884, 4),
    Hub("Südkreuz", 52.4755, 13.3655, 4),
    Hub("Bundesplatz", 52.4779, 13.3286, 2),
)
_HUB_WEIGHTS = tuple(accumulate(hub.weight for hub in HUBS))


class Place(msgspec.Struct, frozen=True):
    """A point where a vehicle can stand, and the street node next to it."""

    lat: float
    lon: float
    node: int


Stop: TypeAlias = int | Place
"""Where a way may begin or end: a node, or a place beside one."""


@dataclass(frozen=True, slots=True, eq=False)
class Streets:
    """The street graph. One for the whole process, from ``load_streets``; never changes.

    A *corner* is where streets meet or end; a *way* is the street between two corners. Corners are
    the nodes 0, 1, 2 ...; the nodes along the ways follow. A way is searched corner by corner and
    then drawn node by node: that is why a route costs a millisecond in plain Python.
    """

    lat: array[float]
    lon: array[float]
    corners: int
    """How many of the nodes are corners."""
    ways: tuple[array[int], ...]
    """The nodes of each way, corners included."""
    way_m: tuple[array[float], ...]
    """How far each node of a way is from the way's first one."""
    _way_of: array[int]
    _from_corner: tuple[tuple[int, ...], ...]  # the ways at each corner
    _squares: dict[tuple[int, int], array[int]]
    _ways_end_m: array[float]  # running sum of the lengths of all ways

    def at(self, node: int) -> LatLon:
        """Where a node lies."""
        return self.lat[node], self.lon[node]

    def neighbours(self, node: int) -> tuple[int, ...]:
        """The nodes one step along the street, each joined to this one by a straight line."""
        if node >= self.corners:
            way = self.ways[self._way_of[node]]
            i = self._index_on_way(node)
            return way[i - 1], way[i + 1]
        found = []
        for number in self._from_corner[node]:
            way = self.ways[number]
            if way[0] == node:
                found.append(way[1])
            if way[-1] == node:
                found.append(way[-2])
        return tuple(dict.fromkeys(found))

    def nearest(self, lat: float, lon: float) -> int:
        """The node nearest to a point; a point outside the box gets one at its edge."""
        lat, lon = min(max(lat, SOUTH), NORTH), min(max(lon, WEST), EAST)
        row, column = _square(lat, lon)
        best, best_m, ring = -1, math.inf, 0
        # Squares of ring n begin (n - 1) sides away at the least.
        while (ring - 1) * _SQUARE_M < best_m:
            for square in _ring(row, column, ring):
                for node in self._squares.get(square, ()):
                    apart_m = math.hypot(
                        (self.lat[node] - lat) * _M_PER_DEG_LAT,
                        (self.lon[node] - lon) * _M_PER_DEG_LON,
                    )
                    if apart_m < best_m:
                        best, best_m = node, apart_m
            ring += 1
        return best

    def place(self, lat: float, lon: float) -> Place:
        """A point as a place: it keeps its position and knows its node."""
        return Place(lat, lon, self.nearest(lat, lon))

    def random_place(self, rng: random.Random) -> Place:
        """A point on a street: two of three near a hub, the others anywhere."""
        if rng.random() >= _AT_HUBS:
            return self._anywhere(rng)
        (hub,) = rng.choices(HUBS, cum_weights=_HUB_WEIGHTS)
        node = self.nearest(
            hub.lat + rng.gauss(0.0, _HUB_SPREAD_M) / _M_PER_DEG_LAT,
            hub.lon + rng.gauss(0.0, _HUB_SPREAD_M) / _M_PER_DEG_LON,
        )
        # Somewhere up to half-way to the next node, or they would all stand on the same spots.
        onward = rng.choice(self.neighbours(node))
        lat, lon = _between(self.at(node), self.at(onward), rng.random() / 2)
        return Place(lat, lon, node)

    def route(self, a: Stop, b: Stop, max_nodes: int = 5_000) -> list[LatLon]:
        """The shortest way along the streets, both ends included; one point if they are the same.

        A ``Place`` is begun or ended at exactly, without turning back to its node first.
        ``LookupError`` once ``max_nodes`` corners were looked at; the graph is in one piece and has
        far fewer than the default, so only a caller who sets a smaller limit can meet it.
        """
        start = a.node if isinstance(a, Place) else a
        goal = b.node if isinstance(b, Place) else b
        points = [self.at(node) for node in self._nodes_between(start, goal, max_nodes)]
        if isinstance(a, Place):
            points = _begin_at((a.lat, a.lon), points)
        if isinstance(b, Place):
            points = _begin_at((b.lat, b.lon), points[::-1])[::-1]
        return points

    def _index_on_way(self, node: int) -> int:
        # The inner nodes of a way have consecutive numbers.
        return node - self.ways[self._way_of[node]][1] + 1

    def _ends(self, node: int) -> list[tuple[int, float]]:
        """The corners a node is between, and how far they are; a corner is its own."""
        if node < self.corners:
            return [(node, 0.0)]
        number = self._way_of[node]
        way, along_m = self.ways[number], self.way_m[number]
        at_m = along_m[self._index_on_way(node)]
        return [(way[0], at_m), (way[-1], along_m[-1] - at_m)]

    def _nodes_between(self, start: int, goal: int, max_nodes: int) -> list[int]:
        if start == goal:
            return [start]
        limit_m, best = math.inf, list[int]()
        number = self._shared_way(start, goal)
        if number >= 0:
            i, j = self._place_on_way(number, start), self._place_on_way(number, goal)
            limit_m = abs(self.way_m[number][i] - self.way_m[number][j])
            best = _slice(self.ways[number], i, j)
        corners = self._search(start, goal, limit_m, max_nodes)
        if not corners:
            return best
        nodes = self._to_corner(start, corners[0])
        for u, v in pairwise(corners):
            nodes += self._along(u, v)[1:]
        return nodes + self._to_corner(goal, corners[-1])[-2::-1]

    def _shared_way(self, a: int, b: int) -> int:
        """The way both nodes are on, if one of them is inside it; else -1."""
        number = self._way_of[a] if a >= self.corners else self._way_of[b]
        if number < 0:
            return -1
        way = self.ways[number]
        inside = all(
            self._way_of[node] == number if node >= self.corners else node in (way[0], way[-1])
            for node in (a, b)
        )
        return number if inside else -1

    def _place_on_way(self, number: int, node: int) -> int:
        if node >= self.corners:
            return self._index_on_way(node)
        return 0 if self.ways[number][0] == node else len(self.ways[number]) - 1

    def _to_corner(self, node: int, corner: int) -> list[int]:
        if node < self.corners:
            return [node]
        number = self._way_of[node]
        way, i = self.ways[number], self._index_on_way(node)
        along_m = self.way_m[number]
        # Both ends of a way may be the same corner: then the shorter half is meant.
        backwards = way[0] == corner and (
            way[-1] != corner or along_m[i] <= along_m[-1] - along_m[i]
        )
        return _slice(way, i, 0 if backwards else len(way) - 1)

    def _along(self, u: int, v: int) -> list[int]:
        """The nodes of the shortest way between two neighbouring corners."""
        numbers = [n for n in self._from_corner[u] if v in (self.ways[n][0], self.ways[n][-1])]
        number = min(numbers, key=lambda n: self.way_m[n][-1])
        way = self.ways[number]
        return list(way) if way[0] == u else list(way)[::-1]

    def _search(self, start: int, goal: int, limit_m: float, max_nodes: int) -> list[int]:
        """A*: the corners on the way from start to goal; none if it is not shorter than limit."""
        goal_at = self.at(goal)
        last_m: dict[int, float] = {}
        for corner, to_goal_m in self._ends(goal):
            last_m[corner] = min(to_goal_m, last_m.get(corner, math.inf))
        came_from: dict[int, int] = {}
        so_far: dict[int, float] = {}
        todo: list[tuple[float, int]] = []
        done: set[int] = set()

        def reach(corner: int, after_m: float) -> bool:
            if after_m >= so_far.get(corner, math.inf):
                return False
            so_far[corner] = after_m
            left_m = geo.distance_m(self.lat[corner], self.lon[corner], *goal_at)
            heapq.heappush(todo, (after_m + left_m, corner))
            return True

        for corner, from_start_m in self._ends(start):
            reach(corner, from_start_m)
        arrived = -1
        while todo:
            guess_m, corner = heapq.heappop(todo)
            if guess_m >= limit_m:
                break
            if corner in done:
                continue
            done.add(corner)
            if len(done) > max_nodes:
                raise LookupError(f"no way found within {max_nodes} corners")
            here_m = so_far[corner]
            if corner in last_m and here_m + last_m[corner] < limit_m:
                limit_m, arrived = here_m + last_m[corner], corner
            for number in self._from_corner[corner]:
                way = self.ways[number]
                other = way[-1] if way[0] == corner else way[0]
                if reach(other, here_m + self.way_m[number][-1]):
                    came_from[other] = corner
        if arrived < 0:
            return []
        corners = [arrived]
        while corners[-1] in came_from:
            corners.append(came_from[corners[-1]])
        return corners[::-1]

    def _anywhere(self, rng: random.Random) -> Place:
        at_m = rng.random() * self._ways_end_m[-1]
        number = bisect_right(self._ways_end_m, at_m)
        number = min(number, len(self.ways) - 1)
        way, along_m = self.ways[number], self.way_m[number]
        at_m -= self._ways_end_m[number] - along_m[-1]
        i = min(max(bisect_right(along_m, at_m), 1), len(way) - 1)
        share = (at_m - along_m[i - 1]) / (along_m[i] - along_m[i - 1])
        lat, lon = _between(self.at(way[i - 1]), self.at(way[i]), share)
        return Place(lat, lon, way[i - 1] if share < 0.5 else way[i])


@lru_cache(maxsize=1)
def load_streets() -> Streets:
    """The streets, read on the first call (tens of milliseconds) and kept."""
    document = json.loads(gzip.decompress(_DATA.read_bytes()))
    units = document["units_per_deg"]
    corner_units = list(zip(accumulate(document["lat"]), accumulate(document["lon"]), strict=True))
    lat = array("d", (y / units for y, _ in corner_units))
    lon = array("d", (x / units for _, x in corner_units))
    corners = len(corner_units)
    way_of = array("i", [-1] * corners)
    from_corner: list[list[int]] = [[] for _ in range(corners)]
    ways, way_m = [], []
    for number, (first, last, *steps) in enumerate(document["ways"]):
        y, x = corner_units[first]
        drawn = [(y / units, x / units)]
        for north, east in zip(steps[::2], steps[1::2], strict=True):
            y, x = y + north, x + east
            drawn.append((y / units, x / units))
        drawn.append((lat[last], lon[last]))
        inner = _with_nodes_between(drawn)[1:-1]
        way = array("i", [first, *range(len(lat), len(lat) + len(inner)), last])
        lat.extend(y for y, _ in inner)
        lon.extend(x for _, x in inner)
        way_of.extend([number] * len(inner))
        ways.append(way)
        steps_m = (geo.distance_m(lat[a], lon[a], lat[b], lon[b]) for a, b in pairwise(way))
        way_m.append(array("d", accumulate(steps_m, initial=0.0)))
        for corner in {first, last}:
            from_corner[corner].append(number)
    squares: defaultdict[tuple[int, int], array[int]] = defaultdict(lambda: array("i"))
    for node, (y, x) in enumerate(zip(lat, lon, strict=True)):
        squares[_square(y, x)].append(node)
    return Streets(
        lat=lat,
        lon=lon,
        corners=corners,
        ways=tuple(ways),
        way_m=tuple(way_m),
        _way_of=way_of,
        _from_corner=tuple(map(tuple, from_corner)),
        _squares=dict(squares),
        _ways_end_m=array("d", accumulate(along_m[-1] for along_m in way_m)),
    )


def route_length_m(points: Sequence[LatLon]) -> float:
    """The length of a polyline."""
    return sum(geo.distance_m(*a, *b) for a, b in pairwise(points))


def point_along(points: Sequence[LatLon], travelled_m: float) -> LatLon:
    """Where one is after so many metres; the last point if the line is shorter."""
    return _first_part(points, travelled_m)[-1]


def wander(rng: random.Random, start: Stop, distance_m: float) -> list[LatLon]:
    """A believable ride of that length (to the metre) from ``start``, as a polyline.

    A short ride goes straight to somewhere; a long one, as of a car, calls at places in between.
    """
    streets = load_streets()
    points = streets.route(start, start)
    left_m, here = distance_m, start
    while left_m > _ON_LINE_M:
        aim_m = left_m if left_m <= _LONGEST_LEG_M else rng.uniform(0.4, 0.8) * _LONGEST_LEG_M
        leg, here = _leg(rng, streets, here, aim_m)
        leg = _first_part(leg, left_m)
        left_m -= route_length_m(leg)
        points += leg[1:]
    return points


_LONGEST_LEG_M = 7_000.0
_DETOUR = 1.25  # streets are longer than the crow's way by about this
_TRIES = 5


def _leg(
    rng: random.Random, streets: Streets, here: Stop, aim_m: float
) -> tuple[list[LatLon], Place]:
    """A way to some place, at least as long as aimed for if one of a few tries is."""
    lat, lon = (here.lat, here.lon) if isinstance(here, Place) else streets.at(here)
    best: tuple[tuple[bool, float], list[LatLon], Place] | None = None
    for _ in range(_TRIES):
        bearing = rng.uniform(0.0, math.tau)
        there = streets.nearest(
            lat + math.cos(bearing) * aim_m / _DETOUR / _M_PER_DEG_LAT,
            lon + math.sin(bearing) * aim_m / _DETOUR / _M_PER_DEG_LON,
        )
        onward = rng.choice(streets.neighbours(there))
        place = Place(*_between(streets.at(there), streets.at(onward), 0.25), there)
        points = streets.route(here, place)
        length_m = route_length_m(points)
        # First those that are long enough, the shortest of them first; then the longest.
        rank = (length_m < aim_m, abs(length_m - aim_m))
        if length_m > _ON_LINE_M and (best is None or rank < best[0]):
            best = rank, points, place
    if best is None:
        place = streets.random_place(rng)
        return streets.route(here, place), place
    return best[1], best[2]


def nearest_hub(lat: float, lon: float) -> Hub:
    """The station or square people would name."""
    return min(HUBS, key=lambda hub: geo.distance_m(lat, lon, hub.lat, hub.lon))


def address_near(lat: float, lon: float) -> str:
    """An address for the demo: "Berlin, near Hackescher Markt". Not a real geocoder."""
    return f"Berlin, near {nearest_hub(lat, lon).name}"


def _between(a: LatLon, b: LatLon, share: float) -> LatLon:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _first_part(points: Sequence[LatLon], length_m: float) -> list[LatLon]:
    part = [points[0]]
    for a, b in pairwise(points):
        step_m = geo.distance_m(*a, *b)
        if step_m >= length_m:
            if step_m > 0.0:
                part.append(_between(a, b, max(0.0, length_m) / step_m))
            return part
        part.append(b)
        length_m -= step_m
    return part


def _begin_at(place: LatLon, points: list[LatLon]) -> list[LatLon]:
    """The line with its start moved from the node to the place beside it."""
    if len(points) > 1:
        past_node_m = (
            geo.distance_m(*points[0], *place)
            + geo.distance_m(*place, *points[1])
            - geo.distance_m(*points[0], *points[1])
        )
        if past_node_m < _ON_LINE_M:  # it lies on the first step: do not go back for the node
            points = points[1:]
    return points if points[0] == place else [place, *points]


def _slice(way: array[int], i: int, j: int) -> list[int]:
    return list(way[i : j + 1]) if i <= j else list(way[j : i + 1])[::-1]


def _square(lat: float, lon: float) -> tuple[int, int]:
    return (
        math.floor((lat - SOUTH) * _M_PER_DEG_LAT / _SQUARE_M),
        math.floor((lon - WEST) * _M_PER_DEG_LON / _SQUARE_M),
    )


def _ring(row: int, column: int, ring: int) -> list[tuple[int, int]]:
    """The squares exactly so many steps away."""
    if ring == 0:
        return [(row, column)]
    span = range(-ring, ring + 1)
    across = [(row + side, column + step) for side in (-ring, ring) for step in span]
    return across + [(row + step, column + side) for side in (-ring, ring) for step in span[1:-1]]


def _with_nodes_between(drawn: list[LatLon]) -> list[LatLon]:
    points = [drawn[0]]
    for a, b in pairwise(drawn):
        pieces = max(1, math.ceil(geo.distance_m(*a, *b) / NODE_EVERY_M))
        points += [_between(a, b, piece / pieces) for piece in range(1, pieces)]
        points.append(b)
    return points
