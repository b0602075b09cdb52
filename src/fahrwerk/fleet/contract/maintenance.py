"""What others may ask about upkeep: service that is due, tickets, records, down-time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound

TicketKind = Literal["service", "brakes", "lights", "tyre", "battery", "lock", "damage", "other"]
FaultKind = Literal["brakes", "lights", "tyre", "battery", "lock", "damage", "other"]
Severity = Literal["low", "normal", "high", "safety"]
"""safety: the vehicle is not rented out while the ticket is open."""
TicketSource = Literal["due", "rider", "alert", "staff"]
TicketState = Literal["open", "assigned", "in_progress", "done", "cancelled"]
RecordType = Literal["service", "inspection", "repair", "battery", "cleaning", "other"]
TICKET_KINDS: tuple[str, ...] = get_args(TicketKind)


class ServiceInterval(msgspec.Struct, frozen=True, kw_only=True):
    """After how much of what a vehicle is due for service: whichever comes first."""

    vehicle_type: str
    model: str = ""
    """Empty: all models of the type that have none of their own."""
    days: int | None = None
    """None only to take an interval back."""
    distance_m: int | None = None
    """None: distance does not count."""
    rides: int | None = None
    is_default: bool = False


class ServiceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the service of one vehicle (FLT-11, FLT-34)."""

    vehicle_id: UUID
    last_service_at: datetime | None
    next_service_at: datetime
    """The earliest of: by days, and by kilometres and rides at its use since the last service."""
    interval_days: int
    interval_m: int | None
    interval_rides: int | None
    since_m: int
    """Ridden since the last service."""
    since_rides: int
    due: list[str]
    """Of days, distance, rides: which of them say that it is due now."""


class MaintenanceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a vehicle (FLT-06)."""

    id: UUID
    vehicle_id: UUID
    vehicle_type: str
    type: str
    description: str
    cost_minor: int | None
    currency: str | None
    performed_at: datetime
    next_due: datetime | None
    ticket_id: UUID | None
    created_at: datetime


class RecordPage(msgspec.Struct, frozen=True):
    """One page of records, newest first, and how many there are in all."""

    records: list[MaintenanceRecord]
    total: int


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part used for a ticket."""

    name: str
    part_number: str | None = None
    quantity: int = 1
    unit_cost_minor: int = 0


class FaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one rider said."""

    rider_id: UUID
    kind: str
    description: str
    is_unsafe: bool
    reported_at: datetime


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Work to be done on a vehicle. Money in minor units of ``currency``."""

    id: UUID
    vehicle_id: UUID
    vehicle_type: str
    identifier: str
    kind: str
    severity: str
    source: str
    state: str
    description: str
    resolution: str | None
    assignee: str | None
    reports: int
    """How often riders reported it."""
    labour_minutes: int
    labour_rate_minor: int
    """Per hour."""
    labour_minor: int
    parts_minor: int
    currency: str | None
    opened_by: str
    opened_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    rule: str | None = None
    """The alert rule that opened it."""
    parts: list[Part] = []
    """Of one ticket; empty in lists. So are its ``fault_reports``."""
    fault_reports: list[FaultReport] = []


class TicketPage(msgspec.Struct, frozen=True):
    """One page of tickets, newest first, and how many there are in all."""

    tickets: list[Ticket]
    total: int


class TicketsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tickets to list; None = any."""

    vehicle_id: UUID | None = None
    state: str | None = None
    is_open: bool | None = None
    kind: str | None = None
    severity: str | None = None
    source: str | None = None
    assignee: str | None = None


class TicketChange(msgspec.Struct, frozen=True, kw_only=True):
    """What staff may change of an open ticket; what is left out stays as it is."""

    state: Literal["open", "assigned", "in_progress", "cancelled"] | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    description: str | UnsetType = UNSET
    assignee: str | UnsetType | None = UNSET
    labour_minutes: int | UnsetType = UNSET
    labour_rate_minor: int | UnsetType = UNSET
    parts: list[Part] | UnsetType = UNSET
    """All its parts: replaces those it had."""


class VehicleDowntime(msgspec.Struct, frozen=True):
    """How long one vehicle was in maintenance within a period."""

    vehicle_id: UUID
    vehicle_type: str
    identifier: str
    seconds: int
    times: int
    is_out: bool
    """Still in maintenance at the end of the period."""
    reasons: list[str]
    """staff, battery, ticket: all there were."""


class DowntimeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Down-time of an operator's fleet within a period; the longest first."""

    since: datetime
    until: datetime
    vehicles: list[VehicleDowntime]
    """One page of them."""
    total: int
    """Vehicles that were out at all."""
    seconds: int
    """Of all of them."""
    fleet: int
    """Vehicles of the operator now, without those that are retired."""
    availability: float
    """Of these vehicles: 1 = none was out within the period."""


class VehicleVersion(msgspec.Struct, frozen=True):
    """A version of firmware or hardware and since when (FLT-40); None = taken back."""

    part: str
    version: str | None
    since: datetime


class UnknownTicket(NotFound):
    """No such ticket with this operator."""

    code = "UNKNOWN_TICKET"
    message = "There is no such ticket."


class TicketOpen(Conflict):
    """The vehicle has an open ticket of this kind; ``ticket_id`` names it."""

    code = "TICKET_ALREADY_OPEN"
    message = "This vehicle has an open ticket of this kind."


class TicketClosed(Conflict):
    """A ticket that is done or cancelled stays as it is."""

    code = "TICKET_CLOSED"
    message = "This ticket is closed."


class VehicleRetired(Conflict):
    """No work is begun on a vehicle that is out of the fleet; what is open can be closed."""

    code = "VEHICLE_RETIRED"
    message = "This vehicle is retired."


class SafetyTicketOpen(Conflict):
    """A vehicle with an open safety-critical ticket does not go back on the street."""

    code = "SAFETY_TICKET_OPEN"
    message = "A safety-critical ticket is open. Complete or cancel it first."


class NotYourRide(Forbidden):
    """Riders report faults of vehicles they have or have just had."""

    code = "NOT_YOUR_RIDE"
    message = "You can report faults of a vehicle that you have or had within the last day."


@query
async def service_standing(call: Call, vehicle_id: UUID) -> ServiceStanding:
    """When a vehicle is due for service (FLT-34). Raises ``UnknownVehicle``."""
    raise AssertionError


@query
async def service_intervals(call: Call) -> list[ServiceInterval]:
    """The intervals that hold: of types (defaults included) and of models."""
    raise AssertionError


@action
async def set_service_interval(call: Call, wanted: ServiceInterval) -> list[ServiceInterval]:
    """Set the interval of a type or a model (permission ``fleet.maintenance.write``).

    Without days, distance and rides it is taken back. The days become the interval of all its
    vehicles but those that have one of their own. Answers all intervals; a repeat is harmless.
    Raises ``Invalid``.
    """
    raise AssertionError


@query
async def maintenance_records(
    call: Call,
    vehicle_id: UUID | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> RecordPage:
    """What was done to vehicles, newest first (FLT-06; permission ``fleet.maintenance.read``)."""
    raise AssertionError


@action
async def record_maintenance(
    call: Call,
    vehicle_id: UUID,
    kind: RecordType,
    description: str,
    cost_minor: int | None,
    performed_at: datetime | None,
    next_due: datetime | None,
) -> MaintenanceRecord:
    """Write down what was done (FLT-06; permission ``fleet.maintenance.write``).

    A ``service`` begins the vehicle's intervals anew and closes its open ticket for service. Time:
    now unless given, never in the future. With a key a repeat answers the first record. Raises
    ``UnknownVehicle``, ``Invalid``.
    """
    raise AssertionError


@query
async def tickets(call: Call, wanted: TicketsWanted, limit: int, offset: int) -> TicketPage:
    """Tickets, newest first (permission ``fleet.maintenance.read``)."""
    raise AssertionError


@query
async def ticket(call: Call, ticket_id: UUID) -> Ticket:
    """One ticket with its parts and what riders said (``fleet.maintenance.read``).

    Raises ``UnknownTicket``.
    """
    raise AssertionError


@action
async def open_ticket(
    call: Call,
    vehicle_id: UUID,
    kind: TicketKind,
    severity: Severity | None,
    description: str,
    source: TicketSource = "staff",
) -> Ticket:
    """Open a ticket (permission ``fleet.maintenance.write``).

    ``severity`` None: as the kind is usually taken. A safety-critical one takes the vehicle to
    maintenance, at once or when it is given back. With a key a repeat answers the first ticket.
    Raises ``UnknownVehicle``, ``VehicleRetired``, ``TicketOpen``, ``Invalid``.
    """
    raise AssertionError


@action
async def change_ticket(call: Call, ticket_id: UUID, change: TicketChange) -> Ticket:
    """Change an open ticket, or cancel it (permission ``fleet.maintenance.write``).

    An assignee makes an open ticket assigned. Costs are in the operator's currency. Raises
    ``UnknownTicket``, ``TicketClosed``, ``Conflict`` (no such step), ``Invalid``.
    """
    raise AssertionError


@action
async def complete_ticket(
    call: Call, ticket_id: UUID, resolution: str, change: TicketChange | None = None
) -> Ticket:
    """The work is done (permission ``fleet.maintenance.write``).

    ``change`` is applied first: parts and minutes are known last. Writes a maintenance record with
    the total cost; one for service begins the vehicle's intervals anew. The vehicle is back when
    nothing else keeps it out. A repeat is harmless. Raises ``UnknownTicket``, ``TicketClosed``
    (cancelled), ``Invalid``.
    """
    raise AssertionError


@action
async def report_fault(
    call: Call, vehicle_id: UUID, kind: FaultKind, description: str, is_unsafe: bool
) -> Ticket:
    """A rider says what is wrong (permission ``fleet.fault.create``).

    For vehicles the rider has, or had within the last 24 hours (staff: any). Joined to the open
    ticket of this kind if there is one. Brakes, lights, tyres and locks are serious, and so is
    what the rider calls unsafe: the vehicle leaves the search, a ride under way is not interrupted.
    A repeat by the same rider changes nothing. Raises ``UnknownVehicle``, ``NotYourRide``,
    ``Invalid``.
    """
    raise AssertionError


@query
async def downtime(
    call: Call,
    since: datetime,
    until: datetime,
    vehicle_id: UUID | None,
    limit: int,
    offset: int,
) -> DowntimeReport:
    """How long vehicles were in maintenance (permission ``fleet.maintenance.read``).

    The period is at most 400 days. Raises ``Invalid``.
    """
    raise AssertionError


@query
async def vehicle_versions(call: Call, vehicle_id: UUID) -> list[VehicleVersion]:
    """Hardware and firmware of a vehicle over time, newest first; at most 200 (FLT-40).

    Raises ``UnknownVehicle``.
    """
    raise AssertionError
