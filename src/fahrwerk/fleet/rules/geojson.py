"""Zones as GeoJSON Features (RFC 7946), in and out: what people draw, download and bring back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fahrwerk.fleet.contract.zones import (
    ZONE_PREFIX,
    FeatureProblem,
    Hours,
    Polygons,
    ZoneKind,
    ZoneRules,
)
from fahrwerk.fleet.rules.polygons import polygons_of
from fahrwerk.fleet.rules.zones import MOST_KMH, check_rules
from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from uuid import UUID

MOST_FEATURES, MOST_PROBLEMS = 1_000, 100

_LISTS_IN_LISTS = {"items": {"type": "array", "items": {"type": "array", "items": {}}}}


class GeoGeometry(msgspec.Struct, frozen=True):
    """A Polygon or MultiPolygon: positions are [longitude, latitude]."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: Annotated[
        list[Any],
        Meta(
            extra_json_schema={"items": {"type": "array", "items": {"type": "array", "items": {}}}}
        ),
    ]
    """Rings of a Polygon, the outer one first; polygons of a MultiPolygon."""


class ZoneProperties(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone's rules. Those from ``version`` on are for reading; sent back, they are ignored."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: ZoneKind
    vehicle_types: Annotated[
        list[Literal["scooter", "ebike", "car", "van"]], Meta(max_length=4)
    ] = []
    """Empty = all."""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    """Where zones overlap the higher one holds; of equal ones the stricter."""
    speed_limit_kmh: Annotated[int, Meta(ge=1, le=MOST_KMH)] | None = None
    """Of slow zones."""
    bonus_amount: Annotated[float, Meta(ge=0, le=1000)] | None = None
    """Of preferred parking, in the operator's currency."""
    schedule: Annotated[list[Hours], Meta(max_length=50)] = []
    """In the operator's time zone; empty = always."""
    valid_from: Annotated[datetime, Meta(tz=True)] | None = None
    valid_until: Annotated[datetime, Meta(tz=True)] | None = None
    version: int | None = None
    source: str | None = None
    external_id: str | None = None
    change: str | None = None
    """What made this version: created, replaced, deleted or restored."""
    changed_at: str | None = None
    changed_by: str | None = None
    created_at: str | None = None


class ZoneFeature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone as a GeoJSON Feature."""

    type: Literal["Feature"] = "Feature"
    id: str | None = None
    """``zone_...``: given by the platform, so a new zone comes without."""
    geometry: GeoGeometry
    properties: ZoneProperties
    bbox: list[float] | None = None
    """West, south, east, north; ignored when sent."""


class ZoneCollection(msgspec.Struct, frozen=True, kw_only=True):
    """Zones as a GeoJSON FeatureCollection."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[ZoneFeature]


def rules_in(given: ZoneProperties, currency: str) -> ZoneRules:
    """A feature's properties as rules, checked. Raises ``Invalid``."""
    bonus = given.bonus_amount
    made = ZoneRules(
        name=given.name, kind=given.kind, vehicle_types=list(given.vehicle_types),
        priority=given.priority, speed_limit_kmh=given.speed_limit_kmh,
        bonus_minor=None if bonus is None else _minor(bonus, currency), schedule=given.schedule,
        valid_from=given.valid_from, valid_until=given.valid_until,
    )  # fmt: skip
    check_rules(made)
    return made


def _minor(amount: float, currency: str) -> int:
    return money.round_half_up(Decimal(str(amount)) * 10 ** money.decimals(currency))


def polygons_in(given: GeoGeometry) -> Polygons:
    """A feature's geometry, checked and mended. Raises ``Invalid``."""
    return polygons_of(given.type, given.coordinates)


def box_of(polygons: Polygons) -> list[float]:
    """West, south, east, north; across the antimeridian west is the greater (RFC 7946 5.2)."""
    boxes = [
        (min(x for x, _ in p[0]), min(y for _, y in p[0]), max(x for x, _ in p[0]),
         max(y for _, y in p[0]))
        for p in polygons
    ]  # fmt: skip
    west, east = min(b[0] for b in boxes), max(b[2] for b in boxes)
    if west == -180 and east == 180 and len(boxes) > 1:
        west = min((b[0] for b in boxes if b[0] > 0), default=west)
        east = max((b[2] for b in boxes if b[2] < 0), default=east)
    return [west, min(b[1] for b in boxes), east, max(b[3] for b in boxes)]


class Wanted(msgspec.Struct, frozen=True):
    """One feature of a collection, understood. ``zone_id`` is None for a new zone."""

    number: int
    zone_id: UUID | None
    rules: ZoneRules
    polygons: Polygons


def read_collection(body: bytes, currency: str) -> tuple[list[Wanted], list[FeatureProblem], int]:
    """The features of a FeatureCollection (or one Feature) that are zones, and what is wrong with
    the others; how many there are. What GeoJSON allows beside our properties is passed over.

    Raises ``Invalid`` for what is no such collection at all.
    """
    features = _features(body)
    wanted: list[Wanted] = []
    problems: list[FeatureProblem] = []
    seen: set[UUID] = set()
    for n, each in enumerate(features):
        try:
            made = _read_feature(n, each, currency)
            if made.zone_id in seen:
                raise Invalid(field="id", issue="another feature of this file has the same id")
            if made.zone_id is not None:
                seen.add(made.zone_id)
            wanted.append(made)
        except Invalid as problem:
            field, issue = str(problem.details["field"]), str(problem.details["issue"])
            problems.append(FeatureProblem(n, _name_of(each), field, issue))
    return wanted, problems, len(features)


def _features(body: bytes) -> list[Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid(field="body", issue="is not JSON") from None
    except RecursionError:
        raise Invalid(field="body", issue="is nested too deeply") from None
    kind = found.get("type") if isinstance(found, dict) else None
    features = [found] if kind == "Feature" else found.get("features") if kind else None
    if kind not in ("Feature", "FeatureCollection") or not isinstance(features, list):
        raise Invalid(field="type", issue="must be a GeoJSON FeatureCollection")
    if not 1 <= len(features) <= MOST_FEATURES:
        raise Invalid(field="features", issue=f"must be 1 to {MOST_FEATURES}")
    return features


_KNOWN = frozenset(ZoneProperties.__struct_fields__)


def _read_feature(number: int, given: Any, currency: str) -> Wanted:
    if not isinstance(given, dict) or given.get("type") != "Feature":
        raise Invalid(field="type", issue="must be Feature")
    properties, geometry = given.get("properties"), given.get("geometry")
    if not isinstance(properties, dict):
        raise Invalid(field="properties", issue="must be an object with name and kind")
    if not isinstance(geometry, dict):
        raise Invalid(field="geometry", issue="must be a Polygon or MultiPolygon")
    read_only = ZoneProperties.__struct_fields__[9:]
    own = {k: v for k, v in properties.items() if k in _KNOWN and k not in read_only}
    try:
        typed = msgspec.convert(own, ZoneProperties)
    except msgspec.ValidationError as error:
        issue, _, where = str(error).partition(" - at `$")
        name = where.rstrip("`") or ""
        raise Invalid(field=f"properties{name}", issue=issue) from None
    rules = rules_in(typed, currency)
    polygons = polygons_of(str(geometry.get("type")), geometry.get("coordinates"))
    return Wanted(number, _id_of(given.get("id")), rules, polygons)


def _id_of(given: Any) -> UUID | None:
    """A zone's own id; what other programs number their features with means nothing here."""
    if not isinstance(given, str) or not given.startswith(f"{ZONE_PREFIX}_"):
        return None
    try:
        return ids.parse(given, ZONE_PREFIX)
    except NotFound:
        raise Invalid(field="id", issue="is no zone's id") from None


def _name_of(given: Any) -> str | None:
    properties = given.get("properties") if isinstance(given, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return name[:100] if isinstance(name, str) else None
