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
class VehicleChanged(msgspec.Struct, frozen=True):
    """Staff changed a vehicle or took it out of service; ``status`` is its new one."""

    vehicle_id: UUID
    status: str


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
