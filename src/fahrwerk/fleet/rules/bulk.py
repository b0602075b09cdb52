"""What an operation on many vehicles means for one of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import VehicleChange, VehicleInUse
from fahrwerk.fleet.contract.bulk import COMMANDS, MODES, Operation
from fahrwerk.fleet.contract.groups import MOST_OF_A_VEHICLE
from fahrwerk.fleet.contract.maintenance import SafetyTicketOpen
from fahrwerk.fleet.rules import check, check_args, status_by_staff
from fahrwerk.fleet.rules.maintenance import out_by_staff
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

UNDOABLE = ("set_status", "set_category", "join_group", "leave_group")
STATUSES = ("available", "maintenance", "retired")
"""What staff may ask for."""
IN, OUT = "in", "out"
"""What a line of a job about a group says of the vehicle."""


class Target(msgspec.Struct, frozen=True):
    """One line of a job."""

    position: int
    vehicle_id: UUID
    found: str | None
    """Of an undo: what it must still have."""
    made: str | None
    """Of an undo: what it is to have again."""
    is_known: bool
    """There is such a vehicle."""


class Now(msgspec.Struct, frozen=True):
    """A vehicle as it is."""

    status: str
    category: str
    is_connected: bool
    is_silent: bool
    out_for: tuple[str, ...] = ()
    is_in: bool = False
    """In the group that the job is about."""
    groups: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of it: ``made`` instead of ``found``, or a reason why not."""

    found: str | None = None
    made: str | None = None
    reason: str | None = None
    out_for: tuple[str, ...] = ()
    """Of a status: what keeps it out of service from now on."""


def within(
    room: int | None, outcomes: list[tuple[Target, Outcome]], code: str
) -> list[tuple[Target, Outcome]]:
    """Taken back into the fleet are only as many retired ones as there is room for; None: any."""
    if room is None:
        return outcomes
    kept: list[tuple[Target, Outcome]] = []
    for target, outcome in outcomes:
        comes_back = outcome.found == "retired" and outcome.made not in (None, "retired")
        if comes_back and room <= 0:
            kept.append((target, Outcome(reason=code)))
            continue
        room -= comes_back
        kept.append((target, outcome))
    return kept


def check_operation(operation: Operation) -> None:
    """Raise ``Invalid`` unless it can be done with any vehicle at all."""
    if operation.kind == "set_status":
        if operation.value not in STATUSES:
            raise Invalid(field="status", issue=f"must be one of {', '.join(STATUSES)}")
    elif operation.kind == "set_category":
        check(VehicleChange(category=operation.value))
    elif operation.kind == "command":
        if operation.value not in COMMANDS:
            raise Invalid(field="command", issue=f"must be one of {', '.join(COMMANDS)}")
        check_args(operation.value, operation.args)
        return
    elif operation.kind == "import" and operation.value not in MODES:
        raise Invalid(field="mode", issue=f"must be one of {', '.join(MODES)}")
    if operation.args:
        raise Invalid(field="args", issue="belong to commands only")


def decide(kind: str, value: str, is_undo: bool, target: Target, now: Now) -> Outcome:
    """What the operation does to a vehicle."""
    if kind in ("join_group", "leave_group"):
        has = IN if now.is_in else OUT
        value = IN if kind == "join_group" else OUT
    else:
        has = now.status if kind == "set_status" else now.category
    if is_undo and has != target.found:
        return Outcome(reason="CHANGED_SINCE")
    wanted = target.made or "" if is_undo else value
    if kind != "set_status":
        if wanted == IN != has and kind != "set_category" and now.groups >= MOST_OF_A_VEHICLE:
            return Outcome(reason="TOO_MANY_GROUPS")
        return Outcome(has, wanted)
    try:
        asked = wanted if wanted in STATUSES else "available"
        made = status_by_staff(has, asked, now.is_connected, now.is_silent)
        reasons = out_by_staff(now.out_for, asked)
    except (VehicleInUse, SafetyTicketOpen) as refused:
        return Outcome(reason=refused.error_code)
    return Outcome(has, made, out_for=tuple(reasons))
