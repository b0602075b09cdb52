"""Zones as GeoJSON (WEB-13): draw, change, look back, take in a file, and ask about a place."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, post, put
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter, RawBody
from msgspec import Meta

from fahrwerk.fleet.contract import zones as contract
from fahrwerk.fleet.contract.zones import Fix, ParkingDecision, Zone, ZoneHit, ZoneImport, ZoneKind
from fahrwerk.fleet.http.vehicles import Latitude, Longitude, VehicleType
from fahrwerk.fleet.rules.geojson import (
    GeoGeometry,
    ZoneCollection,
    ZoneFeature,
    ZoneProperties,
    box_of,
    polygons_in,
    rules_in,
)
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid

IMPORT_BYTES = 10_000_000
_FEATURE_BYTES = 1 << 20
_TAG = re.compile(r'(?:W/)?"?(\d{1,18})"?')
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", required=False, max_length=40, description="The version that was read"
    ),
]


def _id_in(text: str) -> Any:
    return ids.parse(text, contract.ZONE_PREFIX)


def _feature(call: Call, zone: Zone) -> ZoneFeature:
    rules, many = zone.rules, zone.polygons
    one = len(many) == 1
    bonus = rules.bonus_minor
    return ZoneFeature(
        id=ids.public(contract.ZONE_PREFIX, zone.id),
        geometry=GeoGeometry("Polygon", many[0]) if one else GeoGeometry("MultiPolygon", many),
        bbox=box_of(many),
        properties=ZoneProperties(
            name=rules.name,
            kind=rules.kind,
            vehicle_types=rules.vehicle_types,  # type: ignore[arg-type]
            priority=rules.priority,
            speed_limit_kmh=rules.speed_limit_kmh,
            bonus_amount=None if bonus is None else money.to_major(bonus, call.currency),
            schedule=rules.schedule,
            valid_from=rules.valid_from,
            valid_until=rules.valid_until,
            version=zone.version,
            source=zone.source,
            external_id=zone.external_id,
            change=zone.change,
            changed_at=clock.stamp(zone.changed_at),
            # Who of the staff did it is not for riders.
            changed_by=zone.changed_by if call.is_staff else None,
            created_at=clock.stamp(zone.created_at),
        ),
    )


def _answer(call: Call, zone: Zone, status: int = 200) -> Response[ZoneFeature]:
    return Response(
        _feature(call, zone), status_code=status, headers={"etag": f'"{zone.version}"'},
        media_type="application/json",
    )  # fmt: skip


async def _wanted(call: Call, data: ZoneFeature) -> tuple[contract.ZoneRules, contract.Polygons]:
    rules = rules_in(data.properties, call.currency)
    # A large polygon takes a while to check: not on everybody's time.
    return rules, await asyncio.to_thread(polygons_in, data.geometry)


def _version(given: str | None) -> int | None:
    if given is None:
        return None
    if (found := _TAG.fullmatch(given)) is None:
        raise Invalid(field="If-Match", issue='must be a version, such as "3"')
    return int(found[1])


class ZoneRow(msgspec.Struct, frozen=True, kw_only=True):
    """A zone in a list: all but its geometry."""

    id: str
    bbox: list[float]
    positions: int
    properties: ZoneProperties


class ZoneList(msgspec.Struct, frozen=True):
    """One page of zones, by name."""

    zones: list[ZoneRow]
    pagination: web.Pagination


@get("/api/v1/zones", permission="fleet.zone.read", scoped=True, tags=["fleet"])
async def list_zones(
    call: web.Caller,
    kind: FromQuery[ZoneKind | None] = None,
    vehicle_type: FromQuery[VehicleType | None] = None,
    source: FromQuery[Literal["own", "policy"] | None] = None,
    q: Annotated[str | None, QueryParameter(max_length=100, description="In the name")] = None,
    deleted: FromQuery[bool] = False,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> ZoneList:
    """Zones by name, without their geometry (FLT-28..30). ``deleted=true``: those that are gone."""
    page = await contract.zone_page(call, kind, vehicle_type, source, q, deleted, limit, offset)
    shown = [_row(call, zone) for zone in page.zones]
    return ZoneList(shown, web.pagination(page.total, limit, offset, len(shown)))


def _row(call: Call, zone: Zone) -> ZoneRow:
    feature = _feature(call, zone)
    positions = sum(len(ring) - 1 for polygon in zone.polygons for ring in polygon)
    return ZoneRow(
        id=feature.id or "", bbox=feature.bbox or [], positions=positions,
        properties=feature.properties,
    )  # fmt: skip


@get(
    "/api/v1/zones.geojson",
    permission="fleet.zone.read",
    scoped=True,
    conditional=True,
    tags=["fleet"],
)
async def zones_geojson(call: web.Caller) -> ZoneCollection:
    """All zones as one FeatureCollection, highest priority first: what ``import`` takes back."""
    every = await contract.all_zones(call)
    return ZoneCollection(features=[_feature(call, zone) for zone in every.zones])


@post(
    "/api/v1/zones",
    permission="fleet.zone.write",
    scoped=True,
    status_code=201,
    request_max_body_size=_FEATURE_BYTES,
    body_bytes=_FEATURE_BYTES,
    tags=["fleet"],
)
async def create_zone(call: web.Caller, data: JSONBody[ZoneFeature]) -> Response[ZoneFeature]:
    """Draw a zone. Rings are closed, turned, and split at the antimeridian (RFC 7946).

    400 names the ring and the position of what is wrong with the geometry.
    """
    if data.id is not None:
        raise Invalid(field="id", issue="is given by the platform: leave it out, or use PUT")
    rules, polygons = await _wanted(call, data)
    zone_id = ids.derived("zone", call.tenant, call.user, call.key) if call.key else ids.new()
    return _answer(call, await contract.create_zone(call, rules, polygons, zone_id), 201)


@get("/api/v1/zones/{zone_id:str}", permission="fleet.zone.read", scoped=True, tags=["fleet"])
async def zone(call: web.Caller, zone_id: FromPath[str]) -> Response[ZoneFeature]:
    """A zone with its geometry. The ETag is its version, for ``If-Match``."""
    return _answer(call, await contract.zone(call, _id_in(zone_id)))


@put("/api/v1/zones/{zone_id:str}", permission="fleet.zone.write", scoped=True, tags=["fleet"])
async def replace_zone(
    call: web.Caller, zone_id: FromPath[str], data: JSONBody[ZoneFeature], if_match: IfMatch = None
) -> Response[ZoneFeature]:
    """Write a zone anew. ``If-Match`` (or ``properties.version``) is the version that was read.

    409 ``ZONE_CHANGED`` when somebody else was faster: nothing is overwritten unseen.
    """
    wanted = _id_in(zone_id)
    await contract.zone(call, wanted)  # what is not there is 404, whatever the body says
    if data.id is not None and _id_in(data.id) != wanted:
        raise Invalid(field="id", issue="is not that of the path")
    version = _version(if_match) or data.properties.version
    if version is None:
        raise Invalid(field="If-Match", issue="or properties.version is needed: what was read")
    rules, polygons = await _wanted(call, data)
    return _answer(call, await contract.replace_zone(call, wanted, version, rules, polygons))


@delete(
    "/api/v1/zones/{zone_id:str}",
    permission="fleet.zone.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def delete_zone(
    call: web.Caller, zone_id: FromPath[str], if_match: IfMatch = None
) -> Response[ZoneFeature]:
    """Take a zone out of force. Its history stays, and it can be restored."""
    zone = await contract.delete_zone(call, _id_in(zone_id), _version(if_match))
    return _answer(call, zone)


class Restore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version to go back to."""

    version: Annotated[int, Meta(ge=1, le=2**31)]


@post(
    "/api/v1/zones/{zone_id:str}/restore",
    permission="fleet.zone.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def restore_zone(
    call: web.Caller, zone_id: FromPath[str], data: JSONBody[Restore]
) -> Response[ZoneFeature]:
    """Write an earlier version anew; also brings a deleted zone back."""
    return _answer(call, await contract.restore_zone(call, _id_in(zone_id), data.version))


class ZoneHistory(msgspec.Struct, frozen=True):
    """Versions of one zone, newest first."""

    versions: list[ZoneFeature]
    pagination: web.Pagination


@get(
    "/api/v1/zones/{zone_id:str}/history", permission="fleet.zone.read", scoped=True, tags=["fleet"]
)
async def zone_history(
    call: web.Caller, zone_id: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> ZoneHistory:
    """Every version with its geometry: what held when, and who said so. For staff."""
    page = await contract.zone_history(call, _id_in(zone_id), limit, offset)
    shown = [_feature(call, zone) for zone in page.zones]
    return ZoneHistory(shown, web.pagination(page.total, limit, offset, len(shown)))


@dataclass
class _TakesGeojson(Operation):
    """A raw body says nothing of itself to the OpenAPI document, so it is said here."""

    def __post_init__(self) -> None:
        collection = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))
        self.request_body = RequestBody(
            content={"application/geo+json": collection, "application/json": collection},
            required=True,
        )


@post(
    "/api/v1/zones/import",
    operation_class=_TakesGeojson,
    permission="fleet.zone.write",
    status_code=200,
    request_max_body_size=IMPORT_BYTES,
    body_bytes=IMPORT_BYTES,
    tags=["fleet"],
)
async def import_zones(
    call: web.Caller, body: RawBody, dry_run: FromQuery[bool] = True
) -> ZoneImport:
    """Check a FeatureCollection, and with ``dry_run=false`` write all its zones.

    A feature whose ``id`` is a zone's is written over it, others become new zones. Each bad one is
    named by its number, field and issue; then nothing is written: 400 ``IMPORT_NOT_VALID``. At most
    10 MB and 1,000 features.
    """
    return await contract.import_zones(call, dry_run, bytes(body))


class TrackFix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One position on the way here."""

    latitude: Latitude
    longitude: Longitude
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place to be asked about. Without ``accuracy_m`` 15 m are assumed."""

    latitude: Latitude
    longitude: Longitude
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    vehicle_type: VehicleType
    at: Annotated[datetime, Meta(tz=True)] | None = None
    """The time that schedules and validity are read at; None = now."""
    track: Annotated[list[TrackFix], Meta(max_length=499)] = []
    """The positions before, oldest first: what lies between them is looked at too."""


class ShownHit(msgspec.Struct, frozen=True):
    """A zone that the place is in (``inside``) or may be in (``unsure``)."""

    id: str
    name: str
    kind: str
    decision: Literal["inside", "unsure"]
    speed_limit_kmh: int | None
    bonus_amount: float | None


class ShownPlace(msgspec.Struct, frozen=True):
    """Where a ride can end instead."""

    latitude: float
    longitude: float
    distance_meters: int
    zone_id: str | None
    zone_name: str | None


class ShownParking(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a ride can end here; ``unsure`` is always allowed."""

    allowed: bool
    certainty: Literal["sure", "unsure"]
    reason: str | None
    message: str | None
    zone_id: str | None
    nearest: ShownPlace | None
    bonus_amount: float | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What zones say of a place. ``decision`` is of the operating area."""

    decision: Literal["inside", "outside", "unsure"]
    zones: list[ShownHit]
    crossed: list[ShownHit]
    """No-go zones that the track led through."""
    parking: ShownParking
    speed_limit_kmh: int | None


@post(
    "/api/v1/zones/check",
    permission="fleet.zone.read",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def check_zones(call: web.Caller, data: JSONBody[Question]) -> Answer:
    """Which zones a place is in, whether a ride can end there, and where else (RNT-47)."""
    last = Fix(latitude=data.latitude, longitude=data.longitude, accuracy_m=data.accuracy_m)
    track = [
        Fix(latitude=f.latitude, longitude=f.longitude, accuracy_m=f.accuracy_m, at=f.at)
        for f in data.track
    ]
    found = await contract.check_zones(call, data.vehicle_type, [*track, last], _sane(data.at))
    return Answer(
        decision=found.decision,
        zones=[_hit(call, each) for each in found.zones],
        crossed=[_hit(call, each) for each in found.crossed],
        parking=_parking(call, found.parking),
        speed_limit_kmh=found.speed_limit_kmh,
    )


def _sane(at: datetime | None) -> datetime | None:
    if at is not None and not 2000 <= at.year < 2200:
        raise Invalid(field="at", issue="must be between the years 2000 and 2200")
    return at


def _hit(call: Call, hit: ZoneHit) -> ShownHit:
    bonus = None if hit.bonus_minor is None else money.to_major(hit.bonus_minor, call.currency)
    return ShownHit(
        ids.public(contract.ZONE_PREFIX, hit.id), hit.name, hit.kind, hit.decision,
        hit.speed_limit_kmh, bonus,
    )  # fmt: skip


def _parking(call: Call, found: ParkingDecision) -> ShownParking:
    near = found.nearest
    return ShownParking(
        allowed=found.is_allowed,
        certainty=found.certainty,
        reason=found.reason,
        message=found.message,
        zone_id=ids.public(contract.ZONE_PREFIX, found.zone_id) if found.zone_id else None,
        nearest=ShownPlace(
            near.latitude, near.longitude, near.distance_m,
            ids.public(contract.ZONE_PREFIX, near.zone_id) if near.zone_id else None,
            near.zone_name,
        ) if near else None,
        bonus_amount=money.to_major(found.bonus_minor, call.currency) or None,
    )  # fmt: skip


handlers = [
    list_zones,
    zones_geojson,
    create_zone,
    zone,
    replace_zone,
    delete_zone,
    restore_zone,
    zone_history,
    import_zones,
    check_zones,
]
