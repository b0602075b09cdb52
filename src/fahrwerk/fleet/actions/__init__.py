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
    Paired,
    Waiting,
    claim_commands,
    claim_held,
    devices,
    paired_devices,
    tenants_with_silent_commands,
)
from fahrwerk.fleet.actions.holds import (
    extend_hold,
    free_expired_holds,
    hold_vehicle,
    release_hold,
)
from fahrwerk.fleet.actions.imports import import_vehicles
from fahrwerk.fleet.actions.pairing import add_device, pair_vehicles, remove_device
from fahrwerk.fleet.actions.telemetry import (
    record_readings,
    report_devices,
    report_readings,
    vehicle_heard,
)
from fahrwerk.fleet.actions.vehicles import change_vehicle, create_vehicle, move_vehicle
from fahrwerk.fleet.contract import Recorded

__all__ = [
    "Device",
    "Outgoing",
    "Paired",
    "Recorded",
    "Waiting",
    "add_device",
    "change_vehicle",
    "claim_commands",
    "claim_held",
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
    "paired_devices",
    "record_readings",
    "release_hold",
    "remove_device",
    "report_devices",
    "report_readings",
    "send_command",
    "tenants_with_silent_commands",
    "vehicle_heard",
]
