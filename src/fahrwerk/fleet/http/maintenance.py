"""Upkeep: service intervals, what was done, down-time, versions (docs/maintenance.md)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import maintenance as upkeep
from fahrwerk.fleet.contract.maintenance import RecordType
from fahrwerk.fleet.rules.maintenance import to_minor
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call

VehicleType = Literal["scooter", "ebike", "car", "van"]
Since = Annotated[datetime | None, QueryParameter(description="ISO 8601, with its offset")]
Until = Annotated[datetime | None, QueryParameter(description="ISO 8601, with its offset")]
OfVehicle = Annotated[
    str | None, QueryParameter(max_length=300, description="Id, identifier or code of a vehicle")
]


def moment(field: str, at: datetime | None) -> datetime | None:
    """A time of a query. Raises ``Invalid`` unless it names its offset and is of our days."""
    return None if at is None else clock.of_our_days(field, at)


async def id_of(call: Call, reference: str | None) -> UUID | None:
    """The vehicle that a query names, if it names one."""
    return None if reference is None else (await fleet.find_vehicle(call, reference)).id


# --- service


class IntervalBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """When vehicles are due: whichever comes first. An empty body takes an interval back."""

    model: Annotated[str, Meta(max_length=100)] = ""
    """Empty: all models of the type that have no interval of their own."""
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    kilometres: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    rides: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class IntervalView(msgspec.Struct, frozen=True):
    """An interval; ``is_default``: nobody has set one for this type."""

    vehicle_type: str
    model: str
    days: int | None
    kilometres: float | None
    rides: int | None
    is_default: bool


class IntervalList(msgspec.Struct, frozen=True):
    """All intervals of the operator."""

    intervals: list[IntervalView]


def _intervals(found: list[upkeep.ServiceInterval]) -> IntervalList:
    return IntervalList(
        [
            IntervalView(
                each.vehicle_type, each.model, each.days, _km(each.distance_m), each.rides,
                each.is_default,
            )
            for each in found
        ]
    )  # fmt: skip


def _km(metres: int | None) -> float | None:
    return None if metres is None else metres / 1_000


@get(
    "/api/v1/maintenance/intervals",
    permission="fleet.maintenance.read",
    scoped=True,
    tags=["fleet"],
)
async def service_intervals(call: web.Caller) -> IntervalList:
    """The service intervals that hold (FLT-34)."""
    return _intervals(await upkeep.service_intervals(call))


@put(
    "/api/v1/maintenance/intervals/{vehicle_type:str}",
    permission="fleet.maintenance.write",
    tags=["fleet"],
)
async def set_service_interval(
    call: web.Caller, vehicle_type: FromPath[VehicleType], data: JSONBody[IntervalBody]
) -> IntervalList:
    """Set when vehicles of a type, or of one model of it, are due for service (FLT-34)."""
    wanted = upkeep.ServiceInterval(
        vehicle_type=vehicle_type,
        model=data.model,
        days=data.days,
        distance_m=None if data.kilometres is None else data.kilometres * 1_000,
        rides=data.rides,
    )
    return _intervals(await upkeep.set_service_interval(call, wanted))


class ServiceView(msgspec.Struct, frozen=True):
    """How it stands with the service of a vehicle."""

    last_service: str | None
    next_service_due: str
    due: list[str]
    """Of days, distance, rides: which of them say that it is due now."""
    interval_days: int
    interval_kilometres: float | None
    interval_rides: int | None
    kilometres_since: float
    rides_since: int


@get(
    "/api/v1/vehicles/{vehicle_id:str}/service",
    permission="fleet.maintenance.read",
    scoped=True,
    tags=["fleet"],
)
async def service_standing(call: web.Caller, vehicle_id: FromPath[str]) -> ServiceView:
    """When a vehicle is due for service, and by what (FLT-34)."""
    found = await fleet.find_vehicle(call, vehicle_id)
    at = await upkeep.service_standing(call, found.id)
    return ServiceView(
        stamp(at.last_service_at), clock.stamp(at.next_service_at), at.due, at.interval_days,
        _km(at.interval_m), at.interval_rides, at.since_m / 1_000, at.since_rides,
    )  # fmt: skip


# --- records


class RecordBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What was done to a vehicle; a ``service`` begins its intervals anew."""

    type: RecordType
    description: Annotated[str, Meta(max_length=2_000)] = ""
    cost: Decimal | None = None
    """In the operator's currency."""
    performed_at: Annotated[datetime, Meta(tz=True)] | None = None
    """Now unless given."""
    next_due: Annotated[datetime, Meta(tz=True)] | None = None


class RecordView(msgspec.Struct, frozen=True):
    """A maintenance record (FLT-06)."""

    id: str
    vehicle_id: str
    type: str
    description: str
    cost: float | None
    currency: str | None
    performed_at: str
    next_due: str | None
    ticket_id: str | None
    created_at: str


class RecordList(msgspec.Struct, frozen=True):
    """A page of records, newest first."""

    records: list[RecordView]
    pagination: web.Pagination


def _record(record: upkeep.MaintenanceRecord) -> RecordView:
    cost = None
    if record.cost_minor is not None and record.currency is not None:
        cost = money.to_major(record.cost_minor, record.currency)
    return RecordView(
        ids.public("mrec", record.id), ids.public(PREFIX[record.vehicle_type], record.vehicle_id),
        record.type, record.description, cost, record.currency, clock.stamp(record.performed_at),
        stamp(record.next_due), ids.public("tick", record.ticket_id) if record.ticket_id else None,
        clock.stamp(record.created_at),
    )  # fmt: skip


def stamp(at: datetime | None) -> str | None:
    """A time as answers show it, if there is one."""
    return clock.stamp(at) if at is not None else None


@post(
    "/api/v1/vehicles/{vehicle_id:str}/maintenance",
    permission="fleet.maintenance.write",
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def record_maintenance(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[RecordBody]
) -> RecordView:
    """Write down what was done to a vehicle (FLT-06)."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    cost = None if data.cost is None else to_minor("cost", data.cost, call.currency)
    made = await upkeep.record_maintenance(
        call, vehicle.id, data.type, data.description, cost, data.performed_at, data.next_due
    )
    return _record(made)


@get(
    "/api/v1/maintenance/records", permission="fleet.maintenance.read", scoped=True, tags=["fleet"]
)
async def maintenance_records(
    call: web.Caller,
    vehicle: OfVehicle = None,
    kind: Annotated[RecordType | None, QueryParameter(name="type")] = None,
    since: Since = None,
    until: Until = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> RecordList:
    """What was done to vehicles, of one or all, newest first (FLT-06)."""
    page = await upkeep.maintenance_records(
        call, await id_of(call, vehicle), kind, moment("since", since), moment("until", until),
        limit, offset,
    )  # fmt: skip
    shown = [_record(each) for each in page.records]
    return RecordList(shown, web.pagination(page.total, limit, offset, len(shown)))


# --- down-time and versions


class DowntimeView(msgspec.Struct, frozen=True):
    """How long a vehicle was in maintenance within the period."""

    vehicle_id: str
    identifier: str
    seconds: int
    times: int
    is_out: bool
    reasons: list[str]
    """All there were: staff, battery, ticket."""


class DowntimeAnswer(msgspec.Struct, frozen=True):
    """Down-time of a period, the longest first."""

    since: str
    until: str
    fleet: int
    """Vehicles of the operator now, without those that are retired."""
    vehicles_out: int
    seconds: int
    availability: float
    """Of these vehicles: 1 = none was in maintenance at all."""
    vehicles: list[DowntimeView]
    pagination: web.Pagination


@get(
    "/api/v1/maintenance/downtime",
    permission="fleet.maintenance.read",
    scoped=True,
    limit="analytics",
    tags=["fleet"],
)
async def downtime(
    call: web.Caller,
    since: Annotated[datetime, QueryParameter(description="ISO 8601, with its offset")],
    until: Annotated[datetime, QueryParameter(description="At most 400 days later")],
    vehicle: OfVehicle = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> DowntimeAnswer:
    """How long vehicles were out of service, each and together."""
    moment("since", since)
    moment("until", until)
    report = await upkeep.downtime(call, since, until, await id_of(call, vehicle), limit, offset)
    shown = [
        DowntimeView(
            ids.public(PREFIX[each.vehicle_type], each.vehicle_id), each.identifier, each.seconds,
            each.times, each.is_out, each.reasons,
        )
        for each in report.vehicles
    ]  # fmt: skip
    return DowntimeAnswer(
        clock.stamp(report.since), clock.stamp(report.until), report.fleet, report.total,
        report.seconds, report.availability, shown,
        web.pagination(report.total, limit, offset, len(shown)),
    )  # fmt: skip


class VersionView(msgspec.Struct, frozen=True):
    """A version of firmware or hardware; null: taken back."""

    part: str
    version: str | None
    since: str


class VersionList(msgspec.Struct, frozen=True):
    """Versions, newest first; at most 200."""

    versions: list[VersionView]


@get(
    "/api/v1/vehicles/{vehicle_id:str}/versions",
    permission="fleet.maintenance.read",
    scoped=True,
    tags=["fleet"],
)
async def vehicle_versions(call: web.Caller, vehicle_id: FromPath[str]) -> VersionList:
    """Hardware and firmware of a vehicle over time (FLT-40)."""
    found = await fleet.find_vehicle(call, vehicle_id)
    return VersionList(
        [
            VersionView(each.part, each.version, clock.stamp(each.since))
            for each in await upkeep.vehicle_versions(call, found.id)
        ]
    )


handlers = [
    service_intervals,
    set_service_interval,
    service_standing,
    record_maintenance,
    maintenance_records,
    downtime,
    vehicle_versions,
]
