"""The verbs of this room: those of the contract, and those of the link to the vehicles."""

from fahrwerk.fleet.actions.accounts import issue_accounts, revoke_account
from fahrwerk.fleet.actions.alerts import (
    acknowledge_alerts,
    note_alert,
    resolve_alert,
    set_alert_rules,
    silence_alert,
)
from fahrwerk.fleet.actions.battery import set_battery_threshold
from fahrwerk.fleet.actions.bulk import cancel_bulk, start_bulk, start_import, undo_bulk
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
from fahrwerk.fleet.actions.groups import (
    change_group,
    create_group,
    delete_group,
    move_in_group,
)
from fahrwerk.fleet.actions.holds import (
    extend_hold,
    free_expired_holds,
    hold_vehicle,
    release_hold,
)
from fahrwerk.fleet.actions.imports import import_vehicles
from fahrwerk.fleet.actions.maintenance import record_maintenance, set_service_interval
from fahrwerk.fleet.actions.pairing import add_device, pair_vehicles, remove_device
from fahrwerk.fleet.actions.plans import (
    cancel_battery_plan,
    close_battery_stop,
    make_battery_plan,
    record_battery,
)
from fahrwerk.fleet.actions.sealing import reseal
from fahrwerk.fleet.actions.telemetry import (
    record_readings,
    report_devices,
    report_readings,
    vehicle_heard,
)
from fahrwerk.fleet.actions.tickets import (
    change_ticket,
    complete_ticket,
    open_ticket,
    report_fault,
)
from fahrwerk.fleet.actions.vehicles import change_vehicle, create_vehicle, move_vehicle
from fahrwerk.fleet.actions.zone_files import import_zones, put_policy_zones
from fahrwerk.fleet.actions.zones import create_zone, delete_zone, replace_zone, restore_zone
from fahrwerk.fleet.contract import Recorded

__all__ = [
    "Device",
    "Outgoing",
    "Paired",
    "Recorded",
    "Waiting",
    "acknowledge_alerts",
    "add_device",
    "cancel_battery_plan",
    "cancel_bulk",
    "change_group",
    "change_ticket",
    "change_vehicle",
    "claim_commands",
    "claim_held",
    "close_battery_stop",
    "command_acknowledged",
    "complete_ticket",
    "create_group",
    "create_vehicle",
    "create_zone",
    "delete_group",
    "delete_zone",
    "devices",
    "expire_commands",
    "extend_hold",
    "free_expired_holds",
    "hold_vehicle",
    "import_vehicles",
    "import_zones",
    "issue_accounts",
    "lock_open_vehicles",
    "make_battery_plan",
    "move_in_group",
    "move_vehicle",
    "note_alert",
    "open_ticket",
    "pair_vehicles",
    "paired_devices",
    "put_policy_zones",
    "record_battery",
    "record_maintenance",
    "record_readings",
    "release_hold",
    "remove_device",
    "replace_zone",
    "report_devices",
    "report_fault",
    "report_readings",
    "reseal",
    "resolve_alert",
    "restore_zone",
    "revoke_account",
    "send_command",
    "set_alert_rules",
    "set_battery_threshold",
    "set_service_interval",
    "silence_alert",
    "start_bulk",
    "start_import",
    "tenants_with_silent_commands",
    "undo_bulk",
    "vehicle_heard",
]
