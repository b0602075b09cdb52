"""What fleet tells. Streams are ``vehicle:<uuid>``."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("vehicle.created", topic="vehicle-lifecycle")
class VehicleCreated(msgspec.Struct, frozen=True):
    """A vehicle joined the fleet."""

    vehicle_id: UUID
    vehicle_type: str


@event("VehicleReserved", topic="vehicle-lifecycle")
class VehicleReserved(msgspec.Struct, frozen=True):
    """A vehicle is held for a rental (EV-01)."""

    vehicle_id: UUID
    user_id: UUID
    booking_id: UUID
    reserved_at: datetime
    expires_at: datetime


@event("vehicle.hold_extended", topic="vehicle-lifecycle")
class VehicleHoldExtended(msgspec.Struct, frozen=True):
    """A hold was given more time (a paid booking waits for its unlock)."""

    vehicle_id: UUID
    booking_id: UUID
    expires_at: datetime


@event("vehicle.released", topic="vehicle-lifecycle")
class VehicleReleased(msgspec.Struct, frozen=True):
    """A hold ended without a ride (``reason`` expired | cancelled | payment_failed | ...)."""

    vehicle_id: UUID
    booking_id: UUID
    reason: str


@event("VehicleUnlocked", topic="vehicle-status")
class VehicleUnlocked(msgspec.Struct, frozen=True):
    """The vehicle confirmed an unlock (EV-06); ``at`` is when we heard it."""

    vehicle_id: UUID
    command_id: UUID
    booking_id: UUID | None
    at: datetime


@event("vehicle.locked", topic="vehicle-status")
class VehicleLocked(msgspec.Struct, frozen=True):
    """The vehicle confirmed a lock."""

    vehicle_id: UUID
    command_id: UUID
    booking_id: UUID | None
    at: datetime


@event("command.failed", topic="vehicle-status")
class CommandFailed(msgspec.Struct, frozen=True):
    """A command came to nothing: refused, failed at the vehicle, or expired unanswered."""

    vehicle_id: UUID
    command_id: UUID
    operation: str
    booking_id: UUID | None
    reason: str


@event("vehicle.returned", topic="vehicle-lifecycle")
class VehicleReturned(msgspec.Struct, frozen=True):
    """A ride ended and the vehicle is free again (``status`` is its new one)."""

    vehicle_id: UUID
    booking_id: UUID
    status: str


@event("vehicle.offline", topic="vehicle-status")
class VehicleOffline(msgspec.Struct, frozen=True):
    """Silent for five minutes: out of search (FLT-19)."""

    vehicle_id: UUID
    last_seen_at: datetime | None


@event("vehicle.online", topic="vehicle-status")
class VehicleOnline(msgspec.Struct, frozen=True):
    """Heard again after silence."""

    vehicle_id: UUID


@event("vehicle.changed", topic="vehicle-lifecycle")
class VehicleChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vehicle was changed, or went out of service or back; ``status`` is its new one.

    ``reason`` says what turned the status: battery, ticket; None = staff.
    """

    vehicle_id: UUID
    status: str
    reason: str | None = None


@event("vehicle.moved", topic="vehicle-lifecycle")
class VehicleMoved(msgspec.Struct, frozen=True):
    """Staff put a vehicle somewhere else (rebalancing)."""

    vehicle_id: UUID
    latitude: float
    longitude: float


@event("vehicle.paired", topic="vehicle-lifecycle")
class VehiclePaired(msgspec.Struct, frozen=True):
    """A vehicle's device was given a new key (FLT-16), or paired by its IMEI.

    ``kind`` is that of the key, HS256 or EdDSA, or the protocol: omni, teltonika, traccar.
    """

    vehicle_id: UUID
    kind: str


@event("vehicle.unpaired", topic="vehicle-lifecycle")
class VehicleUnpaired(msgspec.Struct, frozen=True):
    """A device that was paired by its IMEI was taken off."""

    vehicle_id: UUID


# --- alerts: streams are ``alert:<uuid>``


@event("alert.raised", topic="vehicle-alerts")
class AlertRaised(msgspec.Struct, frozen=True):
    """A rule found something (WEB-10), or found it again within five minutes (``is_reopened``)."""

    alert_id: UUID
    rule: str
    kind: str
    severity: str
    vehicle_id: UUID | None
    """None = fleet-wide: ``vehicles`` of them at once."""
    vehicles: int
    value: float
    is_reopened: bool
    is_told: bool
    """False in quiet hours and while silenced: nobody is to be disturbed."""
    tell: list[str]
    """Roles that are to be told."""


@event("alert.escalated", topic="vehicle-alerts")
class AlertEscalated(msgspec.Struct, frozen=True):
    """To be told now: nobody acknowledged it in time (``is_escalated``: one step more severe), or
    it waited for the end of quiet hours or of a silence."""

    alert_id: UUID
    rule: str
    kind: str
    severity: str
    vehicle_id: UUID | None
    vehicles: int
    is_escalated: bool
    escalations: int
    tell: list[str]


@event("alert.acknowledged", topic="vehicle-alerts")
class AlertAcknowledged(msgspec.Struct, frozen=True):
    """Somebody deals with it."""

    alert_id: UUID
    rule: str
    vehicle_id: UUID | None
    user_id: UUID | None


@event("alert.resolved", topic="vehicle-alerts")
class AlertResolved(msgspec.Struct, frozen=True):
    """It is over: ``resolution`` is cleared | person | grouped | rule_changed."""

    alert_id: UUID
    rule: str
    kind: str
    vehicle_id: UUID | None
    resolution: str
    user_id: UUID | None


@event("vehicle.battery_critical", topic="vehicle-status")
class VehicleBatteryCritical(msgspec.Struct, frozen=True):
    """Its battery fell below the critical level (FLT-31); told once until it has been charged."""

    vehicle_id: UUID
    battery_level: int


@event("vehicle.battery_changed", topic="vehicle-status")
class VehicleBatteryChanged(msgspec.Struct, frozen=True):
    """Staff swapped or charged its battery (``kind`` swap | charge), now at ``battery_level``."""

    vehicle_id: UUID
    kind: str
    battery_level: int


@event("battery.plan_made", topic="fleet-upkeep")
class BatteryPlanMade(msgspec.Struct, frozen=True):
    """A crew has a tour; stream ``battery_plan:<uuid>``."""

    plan_id: UUID
    kind: str
    stops: int


@event("battery.plan_closed", topic="fleet-upkeep")
class BatteryPlanClosed(msgspec.Struct, frozen=True):
    """A tour is over (``state`` done | cancelled | expired)."""

    plan_id: UUID
    state: str
    done: int
    skipped: int


@event("maintenance.checked", topic="fleet-upkeep")
class MaintenanceChecked(msgspec.Struct, frozen=True):
    """After a ride: is its vehicle due for service (FLT-35, EV-08)? Stream ``upkeep:<rental>``.

    ``due``: of days, distance, rides; empty = not yet. ``ticket_id``: the open ticket for it.
    """

    vehicle_id: UUID
    booking_id: UUID
    due: list[str]
    next_service_at: datetime
    ticket_id: UUID | None


@event("maintenance.ticket_opened", topic="fleet-upkeep")
class MaintenanceTicketOpened(msgspec.Struct, frozen=True):
    """Work is to be done on a vehicle; stream ``ticket:<uuid>``."""

    ticket_id: UUID
    vehicle_id: UUID
    kind: str
    severity: str
    source: str


@event("maintenance.ticket_changed", topic="fleet-upkeep")
class MaintenanceTicketChanged(msgspec.Struct, frozen=True):
    """A ticket was changed, assigned, begun, or reported once more."""

    ticket_id: UUID
    vehicle_id: UUID
    state: str
    severity: str


@event("maintenance.ticket_closed", topic="fleet-upkeep")
class MaintenanceTicketClosed(msgspec.Struct, frozen=True):
    """The work is done or was called off (``state`` done | cancelled); costs in minor units."""

    ticket_id: UUID
    vehicle_id: UUID
    kind: str
    state: str
    cost_minor: int
    currency: str | None


@event("maintenance.recorded", topic="fleet-upkeep")
class MaintenanceRecorded(msgspec.Struct, frozen=True):
    """Something was done to a vehicle (FLT-06); stream ``maintenance_record:<uuid>``."""

    record_id: UUID
    vehicle_id: UUID
    kind: str


@event("vehicle_group.changed", topic="vehicle-lifecycle")
class GroupChanged(msgspec.Struct, frozen=True):
    """A group was ``created``, ``changed`` or ``deleted``; stream ``vehicle_group:<uuid>``."""

    group_id: UUID
    name: str
    change: str


# --- zones: streams are ``zone:<uuid>``


@event("zone.changed", topic="fleet-zones")
class ZoneChanged(msgspec.Struct, frozen=True):
    """A zone was created, replaced, deleted or restored: ``change`` says which (FLT-28..30)."""

    zone_id: UUID
    kind: str
    change: str
    version: int
