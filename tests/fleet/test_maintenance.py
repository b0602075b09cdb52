"""Service, tickets, records, faults, down-time and versions (FLT-06, FLT-11, FLT-34, FLT-35)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet import jobs
from fahrwerk.fleet.actions.maintenance import open_due_tickets
from fahrwerk.fleet.contract import UnknownVehicle, VehicleChange, VehicleInUse, VehicleUnsafe
from fahrwerk.fleet.contract import maintenance as upkeep
from fahrwerk.fleet.contract.maintenance import (
    NotYourRide,
    Part,
    SafetyTicketOpen,
    ServiceInterval,
    Ticket,
    TicketChange,
    TicketClosed,
    TicketOpen,
    TicketsWanted,
    UnknownTicket,
)
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import hold, last_news, news, row, unlock
from tests.fleet.workshop import cancel_ride, end_ride, told
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.kernel.call import Call
    from tests.world import World


async def now_of(world: World, vehicle: Vehicle) -> Vehicle:
    return await fleet.vehicle(world.system(), vehicle.id)


async def interval(world: World, vehicle_type: str = "scooter", **fields: Any) -> None:
    wanted = ServiceInterval(vehicle_type=vehicle_type, **fields)
    await upkeep.set_service_interval(world.admin(), wanted)


async def tickets(world: World, **wanted: Any) -> list[Ticket]:
    return (await upkeep.tickets(world.admin(), TicketsWanted(**wanted), 100, 0)).tickets


# --- service


async def test_after_each_ride_service_is_checked(world: World) -> None:
    """FLT-35, EV-08, RNT-50: told each time; a ticket when due, and only one."""
    await interval(world, days=90, rides=2)
    vehicle = await world.vehicle()
    first = await end_ride(world, vehicle.id)
    second = await end_ride(world, vehicle.id)
    third = await end_ride(world, vehicle.id)
    [ticket] = await tickets(world)
    assert (ticket.kind, ticket.source, ticket.state) == ("service", "due", "open")
    assert ticket.description == "Service is due by rides."
    due = []
    for rental_id in (first, second, third):
        [(name, data)] = await told(world, f"upkeep:{rental_id}")
        assert (name, data["vehicle_id"]) == ("maintenance.checked", str(vehicle.id))
        due.append((data["due"], data["ticket_id"]))
    assert due == [([], None), (["rides"], str(ticket.id)), (["rides"], str(ticket.id))]
    [(name, data)] = await told(world, f"ticket:{ticket.id}")
    assert (name, data["source"]) == ("maintenance.ticket_opened", "due")
    assert (await now_of(world, vehicle)).status == "available", "due is not unsafe"


async def test_a_service_begins_anew(world: World) -> None:
    """FLT-06, FLT-34: written down, the ticket is done, and counting starts from nothing."""
    await interval(world, days=30, distance_m=5_000)
    vehicle = await world.vehicle()
    await end_ride(world, vehicle.id, distance_m=5_000)
    staff = world.call("admin", key="done-1")
    before = await upkeep.service_standing(staff, vehicle.id)
    assert (before.due, before.since_m) == (["distance"], 5_000)
    record = await upkeep.record_maintenance(
        staff, vehicle.id, "service", "Oil and bolts", 4_990, None, None
    )
    assert (record.cost_minor, record.currency) == (4_990, "EUR")
    assert record.next_due == record.performed_at + timedelta(days=30)
    after = await upkeep.service_standing(staff, vehicle.id)
    assert (after.due, after.since_m, after.since_rides) == ([], 0, 0)
    assert after.next_service_at == record.performed_at + timedelta(days=30)
    [ticket] = await tickets(world)
    assert (ticket.state, ticket.resolution) == ("done", "Oil and bolts")
    again = await upkeep.record_maintenance(
        staff, vehicle.id, "service", "Oil and bolts", 4_990, None, None
    )
    assert again == record, "a repeat finds the first"
    old = datetime(2024, 1, 1, tzinfo=UTC)
    await upkeep.record_maintenance(world.admin(), vehicle.id, "service", "", None, old, None)
    assert (await now_of(world, vehicle)).last_service_at == record.performed_at
    page = await upkeep.maintenance_records(staff, vehicle.id, "service", None, None, 1, 0)
    assert (page.records, page.total) == ([record], 2)
    page = await upkeep.maintenance_records(staff, None, None, None, record.performed_at, 9, 0)
    assert [each.performed_at for each in page.records] == [old]
    assert (await upkeep.maintenance_records(staff, None, None, None, None, 9, 9)).total == 2


async def test_intervals_by_type_model_and_vehicle(world: World) -> None:
    """FLT-34: the most particular holds; old vehicles follow, those with their own do not."""
    plain, own = await world.vehicle(), await world.vehicle(service_interval_days=7)
    special = await world.vehicle(model="Max")
    assert [(await now_of(world, v)).service_interval_days for v in (plain, own)] == [30, 7]
    await interval(world, days=60, distance_m=900_000)
    await interval(world, days=45, model="Max")
    late = await world.vehicle(model="Max")
    days = [(await now_of(world, v)).service_interval_days for v in (plain, own, special, late)]
    assert days == [60, 7, 45, 45]
    standing = await upkeep.service_standing(world.admin(), special.id)
    assert (standing.interval_days, standing.interval_m) == (45, None)
    await interval(world, model="Max")
    assert (await now_of(world, special)).service_interval_days == 60
    shown = await upkeep.service_intervals(world.admin())
    assert [(i.vehicle_type, i.days, i.is_default) for i in shown] == [
        ("car", 30, True), ("ebike", 30, True), ("scooter", 60, False), ("van", 30, True),
    ]  # fmt: skip
    changed = await fleet.change_vehicle(
        world.admin(), plain.id, VehicleChange(service_interval_days=10)
    )
    await interval(world, days=20)
    assert (await now_of(world, changed)).service_interval_days == 10
    for wrong in ({"rides": 5}, {"days": 0}, {"days": 5, "rides": 0}, {"vehicle_type": "boat"}):
        with pytest.raises(Invalid):
            await interval(world, **wrong)


async def test_who_stands_still_is_due_by_the_calendar(world: World) -> None:
    """FLT-34: also without a ride; once, whoever looks how often."""
    vehicle = await world.vehicle()
    await world.vehicle(service_interval_days=400)
    assert await open_due_tickets(world.system("fleet"), 100) == 0
    with clock.moved_to(clock.now() + timedelta(days=31)):
        assert await open_due_tickets(world.system("fleet"), 100) == 1
        assert await open_due_tickets(world.system("fleet"), 100) == 0
    await jobs.check_services()
    [ticket] = await tickets(world)
    assert (ticket.vehicle_id, ticket.description) == (vehicle.id, "Service is due by days.")
    assert [name for name, _ in await told(world, f"ticket:{ticket.id}")] == [
        "maintenance.ticket_opened"
    ]


# --- tickets


async def test_a_ticket_from_opening_to_the_record(world: World) -> None:
    """FLT-06: assigned, begun, parts and minutes, total cost; every step is told."""
    vehicle = await world.vehicle()
    staff = world.admin()
    ticket = await upkeep.open_ticket(staff, vehicle.id, "damage", None, "Stem is loose")
    assert (ticket.severity, ticket.state, ticket.source) == ("normal", "open", "staff")
    assert (await now_of(world, vehicle)).status == "available"
    with pytest.raises(TicketOpen) as refused:
        await upkeep.open_ticket(staff, vehicle.id, "damage", None, "again")
    assert refused.value.details["ticket_id"] == ids.public("tick", ticket.id)
    ticket = await upkeep.change_ticket(staff, ticket.id, TicketChange(assignee="Mia"))
    assert (ticket.state, ticket.assignee) == ("assigned", "Mia")
    parts = [
        Part(name="Bolt M8", part_number="B-8", quantity=4, unit_cost_minor=50),
        Part(name="Stem", unit_cost_minor=2_500),
    ]
    ticket = await upkeep.change_ticket(
        staff, ticket.id,
        TicketChange(state="in_progress", parts=parts, labour_minutes=20, labour_rate_minor=6_000),
    )  # fmt: skip
    assert ticket.started_at is not None
    assert (ticket.parts_minor, ticket.labour_minor, ticket.currency) == (2_700, 2_000, "EUR")
    ticket = await upkeep.complete_ticket(
        staff, ticket.id, "Stem changed", TicketChange(parts=parts[1:], labour_minutes=30)
    )
    assert (ticket.state, ticket.parts, ticket.labour_minor) == ("done", parts[1:], 3_000)
    assert await upkeep.complete_ticket(staff, ticket.id, "Stem changed") == ticket
    with pytest.raises(TicketClosed):
        await upkeep.change_ticket(staff, ticket.id, TicketChange(severity="low"))
    page = await upkeep.maintenance_records(staff, vehicle.id, None, None, None, 10, 0)
    [record] = page.records
    assert (record.type, record.cost_minor, record.ticket_id) == ("repair", 5_500, ticket.id)
    news_of = await told(world, f"ticket:{ticket.id}")
    assert [name.partition("_")[2] for name, _ in news_of] == [
        "opened", "changed", "changed", "closed",
    ]  # fmt: skip
    assert news_of[-1][1]["cost_minor"] == 5_500
    assert await upkeep.ticket(staff, ticket.id) == ticket
    assert await upkeep.open_ticket(staff, vehicle.id, "damage", "low", "a new one") != ticket


async def test_unsafe_is_out_until_it_is_done(world: World) -> None:
    """Safety-critical: at once when nobody has it; staff cannot wave it through."""
    vehicle = await world.vehicle()
    staff = world.admin()
    brakes = await upkeep.open_ticket(staff, vehicle.id, "brakes", None, "No grip")
    other = await upkeep.open_ticket(staff, vehicle.id, "other", "safety", "Sharp edge")
    assert (await now_of(world, vehicle)).status == "maintenance"
    assert await last_news(world, vehicle.id) == {
        "vehicle_id": str(vehicle.id), "status": "maintenance", "reason": "ticket",
    }  # fmt: skip
    with pytest.raises(SafetyTicketOpen):
        await fleet.change_vehicle(staff, vehicle.id, VehicleChange(status="available"))
    await upkeep.complete_ticket(staff, brakes.id, "New pads")
    assert (await now_of(world, vehicle)).status == "maintenance", "one is still open"
    await upkeep.change_ticket(staff, other.id, TicketChange(state="cancelled"))
    assert (await now_of(world, vehicle)).status == "available"
    third = await upkeep.open_ticket(staff, vehicle.id, "damage", "low", "Scratch")
    await upkeep.change_ticket(staff, third.id, TicketChange(severity="safety"))
    assert (await now_of(world, vehicle)).status == "maintenance"
    await upkeep.change_ticket(staff, third.id, TicketChange(severity="normal"))
    assert (await now_of(world, vehicle)).status == "available"
    await news(world, vehicle.id)


async def test_an_unsafe_vehicle_is_taken_when_it_is_given_back(world: World) -> None:
    """A ride is not interrupted; no moment in between can anybody book it."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle)
    await unlock(world, held)
    ticket = await upkeep.open_ticket(world.admin(), vehicle.id, "tyre", None, "Flat soon")
    assert (await now_of(world, vehicle)).status == "in_use"
    with pytest.raises(VehicleInUse):
        await fleet.change_vehicle(world.admin(), vehicle.id, VehicleChange(status="maintenance"))
    await end_ride(world, vehicle.id, held.holder)
    assert (await now_of(world, vehicle)).status == "maintenance"
    assert (await last_news(world, vehicle.id))["status"] == "maintenance"
    await upkeep.complete_ticket(world.admin(), ticket.id, "New tyre")
    assert (await now_of(world, vehicle)).status == "available"
    # A ticket that is closed during the ride leaves nothing behind.
    held = await hold(world, vehicle)
    ticket = await upkeep.open_ticket(world.admin(), vehicle.id, "tyre", None, "Flat again")
    await upkeep.complete_ticket(world.admin(), ticket.id, "It was not")
    await fleet.release_hold(world.system(), vehicle.id, held.holder, "cancelled")
    assert (await now_of(world, vehicle)).status == "available"


async def test_no_ride_begins_with_an_unsafe_vehicle(world: World) -> None:
    """Reserved and then found to be broken: it does not open; on a ride it still does."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle)
    ticket = await upkeep.open_ticket(world.admin(), vehicle.id, "brakes", None, "No grip")
    assert (await now_of(world, vehicle)).status == "reserved"
    with pytest.raises(VehicleUnsafe):
        await unlock(world, held)
    await upkeep.complete_ticket(world.admin(), ticket.id, "It was not")
    await unlock(world, held)
    await upkeep.open_ticket(world.admin(), vehicle.id, "brakes", None, "Now it is")
    assert (await unlock(world, held)).state == "verified", "after a stop on the way"


async def test_the_database_is_the_last_wall(world: World) -> None:
    """Whoever writes a status: nothing that is kept out is available."""
    vehicle = await world.vehicle()
    await upkeep.open_ticket(world.admin(), vehicle.id, "brakes", None, "No grip")
    with pytest.raises(Exception, match="vehicle_out"):
        await db.run(
            "fleet", world.system(), "UPDATE fleet.vehicle SET status = 'available' WHERE id = $1",
            vehicle.id,
        )  # fmt: skip


async def test_lists_filter_and_page(world: World) -> None:
    first, second = await world.vehicle(), await world.vehicle()
    staff = world.admin()
    for vehicle, kind in ((first, "brakes"), (first, "damage"), (second, "lights")):
        await upkeep.open_ticket(staff, vehicle.id, kind, None, "Look at it")  # type: ignore[arg-type]
    [lights] = await tickets(world, kind="lights")
    await upkeep.complete_ticket(staff, lights.id, "Done", TicketChange(assignee="Mia"))
    assert len(await tickets(world)) == 3
    assert len(await tickets(world, is_open=True)) == 2
    assert len(await tickets(world, is_open=False, state="done", assignee="Mia")) == 1
    assert {t.kind for t in await tickets(world, vehicle_id=first.id)} == {"brakes", "damage"}
    assert len(await tickets(world, severity="safety", source="staff")) == 2
    page = await upkeep.tickets(staff, TicketsWanted(), 2, 0)
    assert (len(page.tickets), page.total) == (2, 3)
    page = await upkeep.tickets(staff, TicketsWanted(), 2, 9)
    assert (page.tickets, page.total) == ([], 3)
    with pytest.raises(Forbidden):
        await upkeep.tickets(world.call("customer"), TicketsWanted(), 2, 0)
    stranger = await make_world()
    with pytest.raises(UnknownTicket):
        await upkeep.ticket(stranger.admin(), lights.id)
    with pytest.raises(UnknownTicket):
        await upkeep.change_ticket(stranger.admin(), lights.id, TicketChange(severity="low"))
    with pytest.raises(UnknownVehicle):
        await upkeep.open_ticket(stranger.admin(), first.id, "other", None, "Not mine")


# --- faults that riders report


async def had(world: World, vehicle: Vehicle, *, hours_ago: float = 0) -> Call:
    """A rider who has just had this vehicle."""
    rider = world.call("customer")
    with clock.moved_to(clock.now() - timedelta(hours=hours_ago)):
        await end_ride(world, vehicle.id, user_id=rider.user)
    return rider


async def test_riders_report_what_they_had(world: World) -> None:
    """Now or within a day; also who gave it back because it was broken. Nobody else."""
    vehicle = await world.vehicle()
    recent, old = await had(world, vehicle, hours_ago=23), await had(world, vehicle, hours_ago=25)
    stranger, booked, riding = (world.call("customer") for _ in range(3))
    assert booked.user
    assert riding.user
    await cancel_ride(world, vehicle.id, ids.new(), booked.user)
    await fleet.hold_vehicle(world.system(), str(vehicle.id), ids.new(), riding.user, 60)
    for rider in (old, stranger):
        with pytest.raises(NotYourRide):
            await upkeep.report_fault(rider, vehicle.id, "damage", "", False)
    for n, rider in enumerate((recent, booked, riding, recent), start=1):
        ticket = await upkeep.report_fault(rider, vehicle.id, "damage", f"Bent {n}", False)
        assert (ticket.reports, ticket.source) == (min(n, 3), "rider")
    [only] = await tickets(world)
    shown = await upkeep.ticket(world.admin(), only.id)
    assert [said.description for said in shown.fault_reports] == ["Bent 1", "Bent 2", "Bent 3"]
    assert (await told(world, f"ticket:{only.id}"))[-1][0] == "maintenance.ticket_changed"


async def test_a_serious_fault_takes_it_out(world: World) -> None:
    """At once; and a harmless ticket turns serious when somebody says it is unsafe."""
    broken, bent = await world.vehicle(), await world.vehicle()
    rider = await had(world, broken)
    ticket = await upkeep.report_fault(rider, broken.id, "brakes", "", False)
    assert ticket.severity == "safety"
    assert (await now_of(world, broken)).status == "maintenance"
    first, second = await had(world, bent), await had(world, bent)
    await upkeep.report_fault(first, bent.id, "damage", "A scratch", False)
    assert (await now_of(world, bent)).status == "available"
    joined = await upkeep.report_fault(second, bent.id, "damage", "It is cracked", True)
    assert (joined.severity, joined.reports) == ("safety", 2)
    assert (await now_of(world, bent)).status == "maintenance"


async def test_many_riders_at_once_are_one_ticket(world: World) -> None:
    """Duplicates are joined, also in a race."""
    vehicle = await world.vehicle()
    riders = [await had(world, vehicle) for _ in range(6)]
    await asyncio.gather(
        *(upkeep.report_fault(r, vehicle.id, "lights", "Dark", False) for r in riders)
    )
    [ticket] = await tickets(world)
    assert ticket.reports == 6
    await told(world, f"ticket:{ticket.id}")


# --- down-time and versions


async def test_down_time_is_kept_by_the_table(world: World) -> None:
    """From out of service until back, by whatever verb; per vehicle and together."""
    down, up = await world.vehicle(), await world.vehicle()
    staff, start = world.admin(), clock.now()

    async def set_status(hours: float, status: Any) -> None:
        with clock.moved_to(start + timedelta(hours=hours)):
            await fleet.change_vehicle(staff, down.id, VehicleChange(status=status))

    await set_status(1, "maintenance")
    await set_status(3, "available")
    await set_status(5, "maintenance")
    with clock.moved_to(start + timedelta(hours=6)):
        await upkeep.open_ticket(staff, down.id, "brakes", None, "No grip")

    async def report(until_h: float, vehicle_id: UUID | None = None) -> upkeep.DowntimeReport:
        with clock.moved_to(start + timedelta(hours=20)):
            return await upkeep.downtime(
                staff, start, start + timedelta(hours=until_h), vehicle_id, 10, 0
            )

    found = await report(10)
    [mine] = found.vehicles
    assert (mine.vehicle_id, mine.seconds, mine.times, mine.is_out) == (
        down.id, 7 * 3600, 2, True,
    )  # fmt: skip
    assert mine.reasons == ["staff", "ticket"]
    assert (found.fleet, found.total, found.seconds) == (2, 1, 7 * 3600)
    assert found.availability == 0.65
    assert (await report(4)).seconds == 2 * 3600
    assert (await report(4)).vehicles[0].is_out is False
    assert (await report(10, up.id)).vehicles == []
    assert (await report(100)).until == start + timedelta(hours=20), "not beyond now"
    # ANL-03, FLT-02: what is retired is no part of the fleet, nor is the time it was out.
    await set_status(7, "retired")
    gone = await report(10)
    assert (gone.fleet, gone.total, gone.seconds, gone.availability) == (1, 1, 4 * 3600, 1.0)
    assert (await report(10, down.id)).availability == 1.0
    with clock.moved_to(start + timedelta(hours=8)):
        await fleet.change_vehicle(staff, up.id, VehicleChange(status="maintenance"))
    assert (await report(10)).availability == 0.8
    with pytest.raises(Invalid):
        await report(401 * 24)
    with pytest.raises(Invalid):
        await report(0)


async def test_versions_over_time(world: World) -> None:
    """FLT-40"""
    vehicle = await world.vehicle(hardware_version="1.2")
    for version in ("2.1.3", "2.2.0"):
        await fleet.change_vehicle(
            world.admin(), vehicle.id, VehicleChange(firmware_version=version)
        )
    await fleet.change_vehicle(world.admin(), vehicle.id, VehicleChange(hardware_version=None))
    found = await upkeep.vehicle_versions(world.admin(), vehicle.id)
    assert [(each.part, each.version) for each in found] == [
        ("hardware", None), ("firmware", "2.2.0"), ("firmware", "2.1.3"), ("hardware", "1.2"),
    ]  # fmt: skip
    bare = await world.vehicle()
    assert await upkeep.vehicle_versions(world.admin(), bare.id) == []
    with pytest.raises(UnknownVehicle):
        await upkeep.vehicle_versions(world.admin(), ids.new())


async def test_another_operator_sees_nothing_of_it(world: World) -> None:
    """I7"""
    vehicle = await world.vehicle()
    await upkeep.open_ticket(world.admin(), vehicle.id, "brakes", None, "No grip")
    await upkeep.record_maintenance(world.admin(), vehicle.id, "repair", "", 100, None, None)
    stranger = (await make_world()).admin()
    now = clock.now() + timedelta(hours=1)
    assert (await upkeep.tickets(stranger, TicketsWanted(), 10, 0)).total == 0
    assert (await upkeep.maintenance_records(stranger, None, None, None, None, 10, 0)).total == 0
    assert (await upkeep.downtime(stranger, now - timedelta(days=1), now, None, 10, 0)).total == 0
    for question in (upkeep.service_standing, upkeep.vehicle_versions):
        with pytest.raises(UnknownVehicle):
            await question(stranger, vehicle.id)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (TicketChange(description=" "), "description"),
        (TicketChange(description="x" * 2_001), "description"),
        (TicketChange(assignee="\x00"), "assignee"),
        (TicketChange(labour_minutes=-1), "labour_minutes"),
        (TicketChange(labour_rate_minor=10**12), "labour_rate"),
        (TicketChange(parts=[Part(name="")]), "parts.0.name"),
        (TicketChange(parts=[Part(name="Tyre", quantity=0)]), "parts.0.quantity"),
        (TicketChange(parts=[Part(name="Tyre", unit_cost_minor=-1)]), "parts.0.unit_cost"),
        (TicketChange(parts=[Part(name="Tyre")] * 101), "parts"),
    ],
)
async def test_what_is_wrong_with_a_ticket_is_named(
    world: World, change: TicketChange, field: str
) -> None:
    """API-03"""
    vehicle = await world.vehicle()
    ticket = await upkeep.open_ticket(world.admin(), vehicle.id, "other", None, "Look at it")
    with pytest.raises(Invalid) as invalid:
        await upkeep.change_ticket(world.admin(), ticket.id, change)
    assert invalid.value.details["field"] == field
    assert (await row(world, vehicle.id))["out_for"] == []
