"""The verbs of this room: those of the contract, and those of the link to the vehicles."""

from fahrwerk.fleet.actions.commands import (
    command_acknowledged,
    expire_commands,
    lock_open_vehicles,
    send_command,
)
from fahrwerk.fleet.actions.dispatch import (
    Device,
    Outgoing,
    claim_commands,
    devices,
    tenants_with_silent_commands,
)
from fahrwerk.fleet.actions.holds import (
    extend_hold,
    free_expired_holds,
    hold_vehicle,
    release_hold,
)
from fahrwerk.fleet.actions.imports import import_vehicles
from fahrwerk.fleet.actions.pairing import pair_vehicles
from fahrwerk.fleet.actions.telemetry import Recorded, record_readings, vehicle_heard
from fahrwerk.fleet.actions.vehicles import change_vehicle, create_vehicle, move_vehicle

__all__ = [
    "Device",
    "Outgoing",
    "Recorded",
    "change_vehicle",
    "claim_commands",
    "command_acknowledged",
    "create_vehicle",
    "devices",
    "expire_commands",
    "extend_hold",
    "free_expired_holds",
    "hold_vehicle",
    "import_vehicles",
    "lock_open_vehicles",
    "move_vehicle",
    "pair_vehicles",
    "record_readings",
    "release_hold",
    "send_command",
    "tenants_with_silent_commands",
    "vehicle_heard",
]
