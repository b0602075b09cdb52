"""Areas and coordinates as MDS has them: is a place within a city's boundary?"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from fahrwerk.kernel.errors import Invalid

Position = tuple[float, float]
"""Longitude, latitude."""
Polygons = list[list[list[Position]]]
"""The coordinates of a GeoJSON MultiPolygon: polygons of closed rings, the outer one first."""
DIGITS = 5
"""Of a degree: about a metre, which is what satellites know. More would only seem exact."""


class Area(msgspec.Struct, frozen=True):
    """Polygons with the box around each."""

    polygons: Polygons
    boxes: list[tuple[float, float, float, float]]
    """West, south, east, north."""


def area(polygons: Polygons) -> Area:
    """Polygons, ready to be asked often."""
    boxes = []
    for polygon in polygons:
        longitudes, latitudes = zip(*polygon[0], strict=True)
        boxes.append((min(longitudes), min(latitudes), max(longitudes), max(latitudes)))
    return Area(polygons, boxes)


def within(place: Area, latitude: float, longitude: float) -> bool:
    """True when a point lies in the area; on its edge either answer is right."""
    for polygon, (west, south, east, north) in zip(place.polygons, place.boxes, strict=True):
        if west <= longitude <= east and south <= latitude <= north:
            # Odd crossings of all rings together: within the outer one and in no hole.
            crossings = sum(_crossings(ring, latitude, longitude) for ring in polygon)
            if crossings % 2:
                return True
    return False


def _crossings(ring: list[Position], latitude: float, longitude: float) -> int:
    count = 0
    x0, y0 = ring[-1]
    for x1, y1 in ring:
        if (y0 > latitude) != (y1 > latitude):
            count += longitude < x0 + (latitude - y0) * (x1 - x0) / (y1 - y0)
        x0, y0 = x1, y1
    return count


def shown(degrees: float) -> float:
    """A coordinate as exactly as it is told to cities."""
    return round(degrees, DIGITS)


def polygons_in(geojson: Any, field: str = "geography_json") -> Polygons:
    """All polygons of a FeatureCollection, a Feature or a geometry; points and lines are no areas.

    Raises ``Invalid`` for what is no GeoJSON.
    """
    kind = geojson.get("type") if isinstance(geojson, dict) else None
    if kind in ("FeatureCollection", "GeometryCollection"):
        name = "features" if kind == "FeatureCollection" else "geometries"
        parts = geojson.get(name)
        if not isinstance(parts, list):
            raise Invalid(field=f"{field}.{name}", issue="must be a list")
        found = [polygons_in(each, f"{field}.{name}[{n}]") for n, each in enumerate(parts)]
        return [polygon for part in found for polygon in part]
    if kind == "Feature":
        geometry = geojson.get("geometry")
        return [] if geometry is None else polygons_in(geometry, f"{field}.geometry")
    if kind not in _GEOMETRIES:
        raise Invalid(field=field, issue="is not GeoJSON")
    if kind not in ("Polygon", "MultiPolygon"):
        return []
    given = geojson.get("coordinates")
    try:
        made = msgspec.convert([given] if kind == "Polygon" else given, list[list[_Ring]])
    except msgspec.ValidationError as error:
        raise Invalid(field=f"{field}.coordinates", issue=str(error)) from None
    return [
        [_closed([(p[0], p[1]) for p in ring], f"{field}.coordinates") for ring in polygon]
        for polygon in made
        if polygon
    ]


_GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
)
_Ring = Annotated[
    list[Annotated[list[float], msgspec.Meta(min_length=2, max_length=4)]],
    msgspec.Meta(min_length=3),
]


def _closed(ring: list[Position], field: str) -> list[Position]:
    if not all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in ring):
        raise Invalid(field=field, issue="must be longitude and latitude in degrees")
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]
