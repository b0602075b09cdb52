"""What may be asked of zones: where vehicles may be, park, and how fast they may go (FLT-28..30).

A *zone* is an area of one kind with rules; its geometry is longitude before latitude, as GeoJSON
(RFC 7946) has it: a list of polygons, each a list of closed rings, the outer one first
(anticlockwise), then its holes (clockwise). Nothing crosses the antimeridian: what does is split.

A position is only as good as its accuracy: every decision is ``inside``, ``outside`` or ``unsure``,
and on *unsure* nobody is refused or fined.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.fleet.contract import Place
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound, Refused

ZoneKind = Literal[
    "operating_area", "no_go", "no_parking", "parking", "preferred_parking", "slow", "deployment"
]
ZONE_PREFIX = "zone"
"""Of public ids: ``zone_...``."""

Position = tuple[float, float]
"""Longitude, latitude."""
Polygons = list[list[list[Position]]]
"""The coordinates of a GeoJSON MultiPolygon."""


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a zone holds, every week in the operator's time zone; ``end`` is not included.

    ``days`` are ISO: 1 is Monday. An ``end`` that is not after ``start`` is the next day's: 22:00
    to 06:00 on [5] is the night from Friday to Saturday; 00:00 to 24:00 is the whole day.
    """

    days: Annotated[list[Annotated[int, Meta(ge=1, le=7)]], Meta(min_length=1, max_length=7)]
    start: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["07:00"])]
    end: Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["19:30"])]


class ZoneRules(msgspec.Struct, frozen=True, kw_only=True):
    """All of a zone that people decide, but its geometry."""

    name: str
    kind: ZoneKind
    vehicle_types: list[str] = []
    """For these only; empty = for all."""
    priority: int = 0
    """-1000 to 1000. Where zones overlap the higher one holds; of equal ones the stricter."""
    speed_limit_kmh: int | None = None
    """Of slow zones, which must have one: 1 to 130."""
    bonus_minor: int | None = None
    """Of preferred parking: what ending there is worth, in the operator's minor units."""
    schedule: list[Hours] = []
    """Empty = always."""
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as it is now, or was in one of its versions."""

    id: UUID
    rules: ZoneRules
    polygons: Polygons
    source: str
    """``own`` (drawn by the operator) or ``policy`` (a city's; changed by reading it in again)."""
    external_id: str | None
    """What the city calls it, for ``policy``."""
    version: int
    """Grows by one with each change, from 1."""
    change: str
    """What made this version: created | replaced | deleted | restored."""
    changed_at: datetime
    changed_by: str
    """``usr_...`` or ``room:...``"""
    created_at: datetime

    @property
    def is_deleted(self) -> bool:
        """Kept for its history, but in force nowhere."""
        return self.change == "deleted"


class ZonesInForce(msgspec.Struct, frozen=True):
    """All zones that hold now, schedules aside; the first one that applies to a place wins."""

    stamp: int
    """Changes whenever any zone does: an ETag of the whole."""
    time_zone: str
    """Of the schedules."""
    zones: list[Zone]
    """Highest priority first, of equal priority the stricter kind."""


class ZonePage(msgspec.Struct, frozen=True):
    """One page of a list and how many there are in all."""

    zones: list[Zone]
    total: int


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A position at a time. Without ``accuracy_m`` 15 m are assumed."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    at: datetime | None = None


class ZoneHit(msgspec.Struct, frozen=True):
    """A zone that a position is in, or may be in."""

    id: UUID
    name: str
    kind: str
    decision: Literal["inside", "unsure"]
    speed_limit_kmh: int | None
    bonus_minor: int | None


class NearestPlace(msgspec.Struct, frozen=True):
    """Where a ride may end instead: surely allowed, and at most a walk away from nearest."""

    latitude: float
    longitude: float
    distance_m: int
    zone_id: UUID | None
    zone_name: str | None


ParkingReason = Literal["outside_operating_area", "no_parking", "no_go", "parking_only"]


class ParkingDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a ride may end at a place (RNT-47)."""

    is_allowed: bool
    certainty: Literal["sure", "unsure"]
    """``unsure`` is always allowed."""
    reason: ParkingReason | None = None
    message: str | None = None
    """Why not, in the caller's language."""
    zone_id: UUID | None = None
    """That forbids it."""
    zone_name: str | None = None
    nearest: NearestPlace | None = None
    bonus_minor: int = 0
    """For ending in preferred parking, where that is sure."""
    bonus_zone_id: UUID | None = None


class ZoneCheck(msgspec.Struct, frozen=True, kw_only=True):
    """All that zones say of one position."""

    decision: Literal["inside", "outside", "unsure"]
    """Of the operating area; ``inside`` where there is none."""
    zones: list[ZoneHit]
    """Highest priority first."""
    crossed: list[ZoneHit]
    """No-go zones that the way here led through, by the straight lines between its positions."""
    parking: ParkingDecision
    speed_limit_kmh: int | None
    """Of the slow zone that holds here for sure."""


class PolicyZone(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as a city's policy has it. ``external_id`` is the city's name for it: the key."""

    external_id: str
    rules: ZoneRules
    polygons: Polygons


class PolicyOutcome(msgspec.Struct, frozen=True):
    """What became of a city's zones."""

    created: int
    replaced: int
    deleted: int
    unchanged: int


class FeatureProblem(msgspec.Struct, frozen=True):
    """What is wrong with one feature of a FeatureCollection; the first is number 0."""

    feature: int
    name: str | None
    field: str
    issue: str


class ZoneImport(msgspec.Struct, frozen=True):
    """What became of a FeatureCollection: all its zones were written, or none."""

    features: int
    created: int
    replaced: int
    problem_count: int
    problems: list[FeatureProblem]
    """The first 100."""
    dry_run: bool


class UnknownZone(NotFound):
    """No such zone with this operator."""

    code = "UNKNOWN_ZONE"
    message = "There is no such zone."


class ZoneOutdated(Conflict):
    """Somebody else changed it since it was read; ``version`` is the one it has now."""

    code = "ZONE_CHANGED"
    message = "The zone was changed by somebody else. Read it again."


class PolicyOwned(Conflict):
    """A city's zone: it is changed by its policy, not by hand."""

    code = "ZONE_OF_POLICY"
    message = "This zone comes from a city's policy and cannot be changed here."


class TooManyZones(Refused):
    """An operator may have 5,000 zones."""

    code = "TOO_MANY_ZONES"
    message = "There are too many zones."


class BadZones(Invalid):
    """A FeatureCollection with problems that was to be imported; ``details`` as ``ZoneImport``."""

    code = "IMPORT_NOT_VALID"
    message = "The zones were not imported: they have problems."


@query
async def zones_in_force(call: Call) -> ZonesInForce:
    """Every zone that is valid now, with its geometry and rules; schedules are not applied.

    From this process's memory, at most 5 s old. Permission ``fleet.zone.read``.
    """
    raise AssertionError


@query
async def service_area(call: Call) -> Place | None:
    """The middle of where the operator works: where maps begin. Public, as the area itself is.

    Of its largest operating area in force, else of its largest city (``/api/v1/areas``), else of
    where its vehicles are. None: nobody can say yet.
    """
    raise AssertionError


@query
async def all_zones(call: Call) -> ZonesInForce:
    """As ``zones_in_force``, with those whose validity is over or yet to come."""
    raise AssertionError


@query
async def zone(call: Call, zone_id: UUID) -> Zone:
    """One zone, also a deleted one (permission ``fleet.zone.read``). Raises ``UnknownZone``."""
    raise AssertionError


@query
async def zone_page(
    call: Call,
    kind: str | None,
    vehicle_type: str | None,
    source: str | None,
    text: str | None,
    deleted: bool,
    limit: int,
    offset: int,
) -> ZonePage:
    """A page of the operator's zones by name; ``text`` is looked for in names.

    ``deleted`` shows those that were deleted instead. Permission ``fleet.zone.read``.
    """
    raise AssertionError


@query
async def zone_history(call: Call, zone_id: UUID, limit: int, offset: int) -> ZonePage:
    """All versions of a zone, newest first (permission ``fleet.zone.read``)."""
    raise AssertionError


@query
async def check_zones(
    call: Call, vehicle_type: str, track: list[Fix], at: datetime | None = None
) -> ZoneCheck:
    """What zones say of the last position of ``track`` (oldest first, 1 to 500; RNT-47, FLT-29).

    ``at`` is the time that schedules are read at; None = now. Permission ``fleet.zone.read``.
    """
    raise AssertionError


@query
async def parking_decision(
    call: Call, vehicle_id: UUID, place: Place | None = None, at: datetime | None = None
) -> ParkingDecision:
    """May a ride of this vehicle end where it is now (RNT-47)?

    A vehicle with a device is where that says; ``place``, the rider's word, counts for one without.
    A silent vehicle, or one whose place is not known, may end anywhere: that is ``unsure``.
    No permission of its own: whoever may end the ride may ask. Raises ``UnknownVehicle``.
    """
    raise AssertionError


@action
async def create_zone(call: Call, rules: ZoneRules, polygons: Polygons, zone_id: UUID) -> Zone:
    """Add a zone (permission ``fleet.zone.write``). The same id again answers what is there.

    Rings are closed and turned as RFC 7946 wants. Raises ``Invalid`` (naming ring and position),
    ``TooManyZones``.
    """
    raise AssertionError


@action
async def replace_zone(
    call: Call, zone_id: UUID, version: int, rules: ZoneRules, polygons: Polygons
) -> Zone:
    """Write a zone anew (permission ``fleet.zone.write``); ``version`` is the one that was read.

    A replacement without a difference makes no version. Raises ``UnknownZone``, ``ZoneOutdated``,
    ``PolicyOwned``, ``Invalid``.
    """
    raise AssertionError


@action
async def delete_zone(call: Call, zone_id: UUID, version: int | None) -> Zone:
    """Take a zone out of force (permission ``fleet.zone.write``); its history stays. Repeatable.

    Raises ``UnknownZone``, ``ZoneOutdated``, ``PolicyOwned``.
    """
    raise AssertionError


@action
async def restore_zone(call: Call, zone_id: UUID, version: int) -> Zone:
    """Write an earlier version anew, as a new one; this also brings a deleted zone back.

    ``version`` is the one to go back to. Permission ``fleet.zone.write``. Raises ``UnknownZone``
    (also for a version that never was), ``PolicyOwned``, ``TooManyZones``.
    """
    raise AssertionError


@action
async def import_zones(call: Call, dry_run: bool, geojson: bytes) -> ZoneImport:
    """Check a GeoJSON FeatureCollection and, unless ``dry_run``, write all its zones at once.

    At most 10 MB and 1,000 features. A feature whose ``id`` is a zone's is written over it, others
    are new. Permission ``fleet.zone.write``. With problems nothing is written: ``BadZones``.
    """
    raise AssertionError


@action
async def put_policy_zones(
    call: Call, scope: str, zones: list[PolicyZone], *, complete: bool = True
) -> PolicyOutcome:
    """Make a city's zones what its policy says (permission ``fleet.zone.write``).

    ``scope`` names the city or its policy server; zones are known by (scope, external_id). What is
    already so makes no version: the same policy may be read in any number of times. With
    ``complete``, zones of this scope that are not among ``zones`` are deleted. One transaction.
    Raises ``Invalid``: then nothing was written.
    """
    raise AssertionError
