"""Tickets for staff, and faults that riders report (docs/maintenance.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import maintenance as upkeep
from fahrwerk.fleet.contract.maintenance import (
    FaultKind,
    Severity,
    TicketKind,
    TicketSource,
    TicketState,
)
from fahrwerk.fleet.http.maintenance import OfVehicle, id_of, stamp
from fahrwerk.fleet.rules.maintenance import to_minor
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
Minutes = Annotated[int, Meta(ge=0, le=100_000)]


class PartBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A part used."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    part_number: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    quantity: Annotated[int, Meta(ge=1, le=10_000)] = 1
    unit_cost: Decimal = Decimal(0)
    """In the operator's currency."""


class PartView(msgspec.Struct, frozen=True):
    """A part used for a ticket."""

    name: str
    part_number: str | None
    quantity: int
    unit_cost: float


class ReportView(msgspec.Struct, frozen=True):
    """What a rider said."""

    rider_id: str
    description: str
    is_unsafe: bool
    reported_at: str


class CostView(msgspec.Struct, frozen=True):
    """What a ticket has cost so far."""

    labour: float
    parts: float
    total: float
    currency: str


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """Work to be done on a vehicle."""

    id: str
    vehicle_id: str
    identifier: str
    kind: str
    severity: str
    """safety: the vehicle is not rented out while the ticket is open."""
    source: str
    state: str
    description: str
    resolution: str | None
    assignee: str | None
    reports: int
    """How many riders reported it."""
    labour_minutes: int
    labour_rate: float
    """Per hour."""
    cost: CostView
    opened_by: str
    opened_at: str
    started_at: str | None
    closed_at: str | None
    alert_rule: str | None
    """The alert rule that opened it."""


class TicketDetail(TicketView, frozen=True, kw_only=True):
    """A ticket with its parts and what riders said."""

    parts: list[PartView]
    fault_reports: list[ReportView]


class TicketList(msgspec.Struct, frozen=True):
    """A page of tickets, newest first."""

    tickets: list[TicketView]
    pagination: web.Pagination


def _view(call: Call, ticket: upkeep.Ticket) -> TicketView:
    currency = ticket.currency or call.currency

    def major(amount_minor: int) -> float:
        return money.to_major(amount_minor, currency)

    return TicketView(
        id=ids.public("tick", ticket.id),
        vehicle_id=ids.public(PREFIX[ticket.vehicle_type], ticket.vehicle_id),
        identifier=ticket.identifier,
        kind=ticket.kind,
        severity=ticket.severity,
        source=ticket.source,
        state=ticket.state,
        description=ticket.description,
        resolution=ticket.resolution,
        assignee=ticket.assignee,
        reports=ticket.reports,
        labour_minutes=ticket.labour_minutes,
        labour_rate=major(ticket.labour_rate_minor),
        cost=CostView(
            major(ticket.labour_minor), major(ticket.parts_minor),
            major(ticket.labour_minor + ticket.parts_minor), currency,
        ),
        opened_by=ticket.opened_by,
        opened_at=clock.stamp(ticket.opened_at),
        started_at=stamp(ticket.started_at),
        closed_at=stamp(ticket.closed_at),
        alert_rule=ticket.rule,
    )  # fmt: skip


def _detail(call: Call, ticket: upkeep.Ticket) -> TicketDetail:
    currency = ticket.currency or call.currency
    return TicketDetail(
        **msgspec.structs.asdict(_view(call, ticket)),
        parts=[
            PartView(
                part.name, part.part_number, part.quantity,
                money.to_major(part.unit_cost_minor, currency),
            )
            for part in ticket.parts
        ],
        fault_reports=[
            ReportView(
                ids.public("usr", said.rider_id), said.description, said.is_unsafe,
                clock.stamp(said.reported_at),
            )
            for said in ticket.fault_reports
        ],
    )  # fmt: skip


@get(
    "/api/v1/maintenance/tickets", permission="fleet.maintenance.read", scoped=True, tags=["fleet"]
)
async def tickets(
    call: web.Caller,
    vehicle: OfVehicle = None,
    wanted_state: Annotated[TicketState | None, QueryParameter(name="state")] = None,
    is_open: FromQuery[bool | None] = None,
    kind: FromQuery[TicketKind | None] = None,
    severity: FromQuery[Severity | None] = None,
    source: FromQuery[TicketSource | None] = None,
    assignee: Annotated[str | None, QueryParameter(max_length=100)] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> TicketList:
    """Tickets, newest first; ``is_open=true``: neither done nor cancelled."""
    wanted = upkeep.TicketsWanted(
        vehicle_id=await id_of(call, vehicle), state=wanted_state, is_open=is_open, kind=kind,
        severity=severity, source=source, assignee=assignee,
    )  # fmt: skip
    page = await upkeep.tickets(call, wanted, limit, offset)
    shown = [_view(call, each) for each in page.tickets]
    return TicketList(shown, web.pagination(page.total, limit, offset, len(shown)))


@get(
    "/api/v1/maintenance/tickets/{ticket_id:str}",
    permission="fleet.maintenance.read",
    scoped=True,
    tags=["fleet"],
)
async def ticket(call: web.Caller, ticket_id: FromPath[str]) -> TicketDetail:
    """A ticket with its parts and what riders said."""
    return _detail(call, await upkeep.ticket(call, ids.parse(ticket_id, "tick")))


class NewTicket(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Work to be done."""

    vehicle_id: Annotated[str, Meta(min_length=1, max_length=300)]
    """Id, identifier or code."""
    kind: TicketKind
    severity: Severity | None = None
    """None: as the kind is usually taken."""
    description: Text


@post(
    "/api/v1/maintenance/tickets",
    permission="fleet.maintenance.write",
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def open_ticket(call: web.Caller, data: JSONBody[NewTicket]) -> TicketDetail:
    """Open a ticket; 409 ``TICKET_ALREADY_OPEN`` names the one there is of this kind."""
    vehicle = await fleet.find_vehicle(call, data.vehicle_id)
    made = await upkeep.open_ticket(call, vehicle.id, data.kind, data.severity, data.description)
    return _detail(call, made)


class WorkBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Minutes, parts, and who did it; what is left out stays as it is."""

    assignee: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType | None = UNSET
    labour_minutes: Minutes | UnsetType = UNSET
    labour_rate: Decimal | UnsetType = UNSET
    """Per hour, in the operator's currency."""
    parts: Annotated[list[PartBody], Meta(max_length=100)] | UnsetType = UNSET
    """All parts: replaces those there were."""


class TicketBody(WorkBody, forbid_unknown_fields=True, kw_only=True):
    """What may be changed of an open ticket."""

    state: Literal["open", "assigned", "in_progress", "cancelled"] | UnsetType = UNSET
    """``cancelled`` calls it off; done is what ``/complete`` makes of it."""
    severity: Severity | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class CompleteBody(WorkBody, forbid_unknown_fields=True, kw_only=True):
    """What was done."""

    resolution: Text


def _change(call: Call, data: WorkBody) -> upkeep.TicketChange:
    given = {
        name: value
        for name in ("assignee", "labour_minutes", "severity", "description", "state")
        if (value := getattr(data, name, UNSET)) is not UNSET
    }
    if data.labour_rate is not UNSET:
        given["labour_rate_minor"] = to_minor("labour_rate", data.labour_rate, call.currency)
    if data.parts is not UNSET:
        given["parts"] = [
            upkeep.Part(
                name=part.name, part_number=part.part_number, quantity=part.quantity,
                unit_cost_minor=to_minor(f"parts.{n}.unit_cost", part.unit_cost, call.currency),
            )
            for n, part in enumerate(data.parts)
        ]  # fmt: skip
    return upkeep.TicketChange(**given)


@patch(
    "/api/v1/maintenance/tickets/{ticket_id:str}",
    permission="fleet.maintenance.write",
    scoped=True,
    tags=["fleet"],
)
async def change_ticket(
    call: web.Caller, ticket_id: FromPath[str], data: JSONBody[TicketBody]
) -> TicketDetail:
    """Assign a ticket, begin it, add parts and minutes, call it off."""
    wanted = ids.parse(ticket_id, "tick")
    return _detail(call, await upkeep.change_ticket(call, wanted, _change(call, data)))


@post(
    "/api/v1/maintenance/tickets/{ticket_id:str}/complete",
    permission="fleet.maintenance.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def complete_ticket(
    call: web.Caller, ticket_id: FromPath[str], data: JSONBody[CompleteBody]
) -> TicketDetail:
    """The work is done: recorded with its cost; the vehicle is back if nothing else keeps it."""
    wanted = ids.parse(ticket_id, "tick")
    done = await upkeep.complete_ticket(call, wanted, data.resolution, _change(call, data))
    return _detail(call, done)


# --- faults that riders report


class FaultBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is wrong with a vehicle."""

    kind: FaultKind
    description: Annotated[str, Meta(max_length=1_000)] = ""
    is_unsafe: bool = False
    """Nobody should ride it like this."""


class FaultAnswer(msgspec.Struct, frozen=True):
    """The report was taken."""

    report_id: str
    """Names the fault when you talk to support."""
    message: str


_THANKS = {
    "en": "Thank you. We are looking into it.",
    "de": "Danke. Wir kümmern uns darum.",
}


@post(
    "/api/v1/vehicles/{vehicle_id:str}/faults",
    permission="fleet.fault.create",
    while_suspended=True,
    scoped=True,
    status_code=201,
    tags=["fleet"],
)
async def report_fault(
    call: web.Caller, vehicle_id: FromPath[str], data: JSONBody[FaultBody]
) -> FaultAnswer:
    """Say what is wrong with a vehicle you have, or had within the last day.

    403 ``NOT_YOUR_RIDE`` for any other. What makes it unsafe takes it out of the search.
    """
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    told = await upkeep.report_fault(call, vehicle.id, data.kind, data.description, data.is_unsafe)
    return FaultAnswer(ids.public("tick", told.id), _THANKS.get(call.locale[:2], _THANKS["en"]))


handlers = [tickets, ticket, open_ticket, change_ticket, complete_ticket, report_fault]
