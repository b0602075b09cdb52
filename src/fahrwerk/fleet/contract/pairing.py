"""How far a vehicle's pairing has come, and which devices knock that nobody has paired (FLT-16)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import query
from fahrwerk.kernel.errors import NotFound


class Step(msgspec.Struct, frozen=True):
    """One thing that must be so before a vehicle goes out."""

    name: str
    """``paired``, ``contact``, ``telemetry`` or ``lock``."""
    is_done: bool
    says: str
    """In words, for whoever stands beside the vehicle."""


class LinkProblem(msgspec.Struct, frozen=True):
    """The last message of a vehicle that was not taken since it was paired."""

    reason: str
    says: str
    at: datetime


class PairingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far the pairing of one vehicle has come."""

    vehicle_id: UUID
    protocol: str | None
    """``fahrwerk`` for our own; None = neither key nor device."""
    imei: str | None
    """Of a device of another maker."""
    paired_at: datetime | None
    last_seen_at: datetime | None
    measured_at: datetime | None
    firmware_version: str | None
    hardware_version: str | None
    capabilities: list[str]
    steps: list[Step]
    problem: LinkProblem | None

    @property
    def is_ready(self) -> bool:
        """Every step is done."""
        return all(step.is_done for step in self.steps)


class Stranger(msgspec.Struct, frozen=True):
    """A device that spoke to us and is not paired."""

    protocol: str
    name: str
    """Its IMEI, Traccar's unique id, or the vehicle's id in our own protocol."""
    knocks: int
    """At least so often: heard once a minute at most."""
    first_seen_at: datetime
    last_seen_at: datetime


class OnBoard(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the zones that a vehicle keeps on board (docs/protocol.md, 8)."""

    newest_version: int
    """Of the operator's zones."""
    sent_version: int | None
    """None: it is sent them when it comes online."""
    sent_at: datetime
    taken_version: int | None
    """What it last said that it has; None = has never said so."""
    taken_at: datetime | None


class KeepsNoZones(NotFound):
    """The vehicle has never said that it keeps zones on board."""

    code = "KEEPS_NO_ZONES"
    message = "This vehicle has never said that it keeps zones on board."


@query
async def zones_on_board(call: Call, vehicle_id: UUID) -> OnBoard:
    """Which zones a vehicle was sent and which it has (permission ``fleet.live.read``).

    Raises ``KeepsNoZones``.
    """
    raise AssertionError


@query
async def pairing_status(call: Call, vehicle_id: UUID) -> PairingStatus:
    """How far a vehicle's pairing has come (``fleet.vehicle.pair``). Raises ``UnknownVehicle``."""
    raise AssertionError


@query
async def unknown_devices(call: Call, name: str | None = None) -> list[Stranger]:
    """Devices that knock and are not paired, newest first, at most 500 (``fleet.vehicle.pair``).

    Devices on a line that all operators share belong to nobody yet: where there is more than one
    operator they are told only to who can ``name`` them, as from the label on the device.
    """
    raise AssertionError
