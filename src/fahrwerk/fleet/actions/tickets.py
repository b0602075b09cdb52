"""Tickets: opened by staff, riders, alerts and due service; changed, completed, called off.

The vehicle's row is locked first, then the ticket: whether a safety-critical ticket is open decides
whether the vehicle may be rented, so both change together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from fahrwerk.fleet.actions.maintenance import record_within
from fahrwerk.fleet.actions.outages import set_reason
from fahrwerk.fleet.contract import UnknownVehicle
from fahrwerk.fleet.contract.maintenance import (
    TICKET_KINDS,
    FaultKind,
    NotYourRide,
    Part,
    Severity,
    Ticket,
    TicketChange,
    TicketClosed,
    TicketKind,
    TicketOpen,
    TicketSource,
    UnknownTicket,
    VehicleRetired,
)
from fahrwerk.fleet.events import (
    MaintenanceTicketChanged,
    MaintenanceTicketClosed,
    MaintenanceTicketOpened,
)
from fahrwerk.fleet.queries.maintenance import ONE_TICKET, PARTS, ticket, ticket_of
from fahrwerk.fleet.rules import maintenance
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LONGEST_TEXT, LONGEST_REPORT = 2_000, 1_000
_LOCK_VEHICLE = "SELECT id, status, held_rider FROM fleet.vehicle WHERE id = $1 FOR UPDATE"
_OPEN_ONE = """
SELECT id, severity FROM fleet.ticket
WHERE vehicle_id = $1 AND kind = $2 AND closed_at IS NULL FOR UPDATE
"""
_OPEN = """
INSERT INTO fleet.ticket (id, vehicle_id, kind, severity, source, state, description, reports,
                          opened_by, opened_at, rule)
VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $9, $10)
"""


async def open_within(
    tx: db.Tx,
    call: Call,
    vehicle_id: UUID,
    kind: str,
    severity: str,
    source: str,
    description: str,
    ticket_id: UUID | None = None,
    reports: int = 0,
    rule: str | None = None,
) -> UUID:
    """Open a ticket for a vehicle whose row this transaction has locked, and that has none."""
    ticket_id = ticket_id or ids.new()
    await tx.run(
        _OPEN, ticket_id, vehicle_id, kind, severity, source, description, reports, call.actor,
        clock.now(), rule,
    )  # fmt: skip
    news = MaintenanceTicketOpened(ticket_id, vehicle_id, kind, severity, source)
    await events.emit(tx, call, f"ticket:{ticket_id}", 1, news)
    if severity == "safety":
        await set_reason(tx, call, vehicle_id, "ticket", True)
    return ticket_id


async def open_ticket(
    call: Call,
    vehicle_id: UUID,
    kind: TicketKind,
    severity: Severity | None,
    description: str,
    source: TicketSource = "staff",
) -> Ticket:
    """See the contract."""
    call.require("fleet.maintenance.write")
    if kind not in TICKET_KINDS:
        raise Invalid(field="kind", issue=f"must be one of {', '.join(TICKET_KINDS)}")
    maintenance.check_text("description", description, LONGEST_TEXT, is_needed=True)
    ticket_id = ids.derived("ticket", call.tenant, call.actor, call.key) if call.key else ids.new()
    async with db.tx("fleet", call) as tx:
        vehicle = await tx.one(_LOCK_VEHICLE, vehicle_id)
        if vehicle is None:
            raise UnknownVehicle
        known = await tx.one(ONE_TICKET, ticket_id)
        if known is not None:
            return ticket_of(known)
        if vehicle["status"] == "retired":
            raise VehicleRetired
        if (already := await tx.one(_OPEN_ONE, vehicle_id, kind)) is not None:
            raise TicketOpen(ticket_id=ids.public("tick", already["id"]))
        await open_within(
            tx, call, vehicle_id, kind, severity or maintenance.severity_of(kind), source,
            description, ticket_id,
        )  # fmt: skip
        return ticket_of((await tx.run(ONE_TICKET, ticket_id))[0])


_HAD = """
SELECT 1 FROM fleet.ride WHERE vehicle_id = $1 AND rider_id = $2 AND ended_at > $3 LIMIT 1
"""
_REPORT = """
INSERT INTO fleet.fault_report (id, ticket_id, vehicle_id, rider_id, kind, description, is_unsafe,
                                reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, ticket_id, rider_id) DO NOTHING RETURNING id
"""
_JOIN = """
UPDATE fleet.ticket SET reports = reports + 1, severity = $2, version = version + 1
WHERE id = $1 RETURNING version, state
"""


async def report_fault(
    call: Call, vehicle_id: UUID, kind: FaultKind, description: str, is_unsafe: bool
) -> Ticket:
    """See the contract."""
    call.require("fleet.fault.create")
    maintenance.check_text("description", description, LONGEST_REPORT)
    if call.user is None:
        raise NotYourRide
    severity, now = maintenance.severity_of(kind, is_unsafe), clock.now()
    async with db.tx("fleet", call) as tx:
        vehicle = await tx.one(_LOCK_VEHICLE, vehicle_id)
        if vehicle is None:
            raise UnknownVehicle
        if not call.is_staff and vehicle["held_rider"] != call.user:
            since = now - maintenance.RECENTLY
            if await tx.one(_HAD, vehicle_id, call.user, since) is None:
                raise NotYourRide
        already = await tx.one(_OPEN_ONE, vehicle_id, kind)
        if already is None:
            if vehicle["status"] == "retired":
                raise VehicleRetired
            text = f"A rider reports: {kind}."
            ticket_id = await open_within(
                tx, call, vehicle_id, kind, severity, "rider", text, reports=1
            )
        else:
            ticket_id = already["id"]
        said = (vehicle_id, call.user, kind, description, is_unsafe, now)
        is_new = await tx.one(_REPORT, ids.new(), ticket_id, *said) is not None
        if already is not None and is_new:
            severity = maintenance.worse(severity, already["severity"])
            [row] = await tx.run(_JOIN, ticket_id, severity)
            news = MaintenanceTicketChanged(ticket_id, vehicle_id, row["state"], severity)
            await events.emit(tx, call, f"ticket:{ticket_id}", row["version"], news)
            if severity == "safety":
                await set_reason(tx, call, vehicle_id, "ticket", True)
        return ticket_of((await tx.run(ONE_TICKET, ticket_id))[0])


# --- changing and closing

_VEHICLE_OF = "SELECT vehicle_id FROM fleet.ticket WHERE id = $1"
_LOCK = """
SELECT vehicle_id, kind, state, severity, description, resolution, assignee, labour_minutes,
       labour_rate_minor, labour_minor, parts_minor, currency, started_at
FROM fleet.ticket WHERE id = $1 FOR UPDATE
"""
_SAVE = """
UPDATE fleet.ticket
SET state = $2, severity = $3, description = $4, resolution = $5, assignee = $6,
    labour_minutes = $7, labour_rate_minor = $8, labour_minor = $9, parts_minor = $10,
    currency = $11, started_at = $12, closed_at = $13, version = version + 1
WHERE id = $1 RETURNING version
"""
_SAVED = (
    "severity", "description", "resolution", "assignee", "labour_minutes", "labour_rate_minor",
    "labour_minor", "parts_minor", "currency", "started_at",
)  # fmt: skip
_DROP_PARTS = "DELETE FROM fleet.ticket_part WHERE ticket_id = $1"
_KEEP_PARTS = """
INSERT INTO fleet.ticket_part (ticket_id, position, name, part_number, quantity, unit_cost_minor)
SELECT $1, * FROM unnest($2::int4[], $3::text[], $4::text[], $5::int4[], $6::int8[])
"""
_IS_UNSAFE = """
SELECT EXISTS (SELECT 1 FROM fleet.ticket WHERE vehicle_id = $1 AND closed_at IS NULL
               AND severity = 'safety') AS is_unsafe
"""


async def change_ticket(call: Call, ticket_id: UUID, change: TicketChange) -> Ticket:
    """See the contract."""
    call.require("fleet.maintenance.write")
    return await _changed(call, ticket_id, change, None)


async def complete_ticket(
    call: Call, ticket_id: UUID, resolution: str, change: TicketChange | None = None
) -> Ticket:
    """See the contract."""
    call.require("fleet.maintenance.write")
    maintenance.check_text("resolution", resolution, LONGEST_TEXT, is_needed=True)
    return await _changed(call, ticket_id, change or TicketChange(), resolution)


async def _changed(
    call: Call, ticket_id: UUID, change: TicketChange, resolution: str | None
) -> Ticket:
    _check(change)
    if call.scope is not None:
        await ticket(call, ticket_id)
    async with db.tx("fleet", call) as tx:
        found = await tx.one(_VEHICLE_OF, ticket_id)
        if found is None:
            raise UnknownTicket
        await tx.one(_LOCK_VEHICLE, found["vehicle_id"])
        [row] = await tx.run(_LOCK, ticket_id)
        if resolution is not None and row["state"] == "done":
            return await _shown(tx, ticket_id)
        state, after = _after(call, row, change, resolution)
        if change.parts is not UNSET:
            await _keep_parts(tx, ticket_id, change.parts)
        now = clock.now()
        if state == "in_progress":
            after["started_at"] = after["started_at"] or now
        closed_at = now if state in ("done", "cancelled") else None
        values = (after[name] for name in _SAVED)
        [kept] = await tx.run(_SAVE, ticket_id, state, *values, closed_at)
        await _tell(tx, call, ticket_id, kept["version"], state, after)
        await _follow(tx, call, ticket_id, state, after)
        return await _shown(tx, ticket_id)


def _check(change: TicketChange) -> None:
    if change.description is not UNSET:
        maintenance.check_text("description", change.description, LONGEST_TEXT, is_needed=True)
    if isinstance(change.assignee, str):
        maintenance.check_text("assignee", change.assignee, 100, is_needed=True)
    if change.parts is not UNSET:
        maintenance.check_parts(change.parts)


def _after(
    call: Call, row: db.Row, change: TicketChange, resolution: str | None
) -> tuple[str, dict[str, Any]]:
    """The ticket's new state and all its fields."""
    given = {n: v for n, v in msgspec.structs.asdict(change).items() if v is not UNSET}
    parts, wanted = given.pop("parts", None), given.pop("state", None)
    after = {**dict(row), **given}
    if resolution is not None:
        wanted, after["resolution"] = "done", resolution
    state = maintenance.next_state(row["state"], wanted, after["assignee"])
    if row["state"] in ("done", "cancelled"):
        raise TicketClosed(state=row["state"])
    maintenance.check_labour(after["labour_minutes"], after["labour_rate_minor"])
    after["labour_minor"] = maintenance.labour_minor(
        after["labour_minutes"], after["labour_rate_minor"]
    )
    if parts is not None:
        after["parts_minor"] = maintenance.parts_minor(parts)
    if after["labour_minor"] + after["parts_minor"]:
        after["currency"] = row["currency"] or call.currency
    return state, after


async def _keep_parts(tx: db.Tx, ticket_id: UUID, parts: list[Part]) -> None:
    await tx.run(_DROP_PARTS, ticket_id)
    if parts:
        await tx.run(
            _KEEP_PARTS, ticket_id, list(range(1, len(parts) + 1)), [p.name for p in parts],
            [p.part_number for p in parts], [p.quantity for p in parts],
            [p.unit_cost_minor for p in parts],
        )  # fmt: skip


async def _tell(
    tx: db.Tx, call: Call, ticket_id: UUID, version: int, state: str, after: dict[str, Any]
) -> None:
    vehicle_id = after["vehicle_id"]
    news: Any = MaintenanceTicketChanged(ticket_id, vehicle_id, state, after["severity"])
    if state in ("done", "cancelled"):
        cost = after["labour_minor"] + after["parts_minor"]
        news = MaintenanceTicketClosed(
            ticket_id, vehicle_id, after["kind"], state, cost, after["currency"]
        )
    await events.emit(tx, call, f"ticket:{ticket_id}", version, news)


async def _follow(
    tx: db.Tx, call: Call, ticket_id: UUID, state: str, after: dict[str, Any]
) -> None:
    """What a changed ticket means for its vehicle: its record, and whether it may be rented."""
    vehicle_id = after["vehicle_id"]
    if state == "done":
        kind = "service" if after["kind"] == "service" else "repair"
        cost = after["labour_minor"] + after["parts_minor"]
        await record_within(
            tx, call, ids.derived("record", ticket_id), vehicle_id, kind, after["resolution"],
            cost if after["currency"] else None, clock.now(), None, ticket_id,
        )  # fmt: skip
    [row] = await tx.run(_IS_UNSAFE, vehicle_id)
    await set_reason(tx, call, vehicle_id, "ticket", row["is_unsafe"])


async def _shown(tx: db.Tx, ticket_id: UUID) -> Ticket:
    [row] = await tx.run(ONE_TICKET, ticket_id)
    return ticket_of(row, [Part(**part) for part in await tx.run(PARTS, ticket_id)])
