"""What can be read of upkeep: service, records, tickets, down-time, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import PREFIX, UnknownVehicle
from fahrwerk.fleet.contract.maintenance import (
    DowntimeReport,
    FaultReport,
    MaintenanceRecord,
    Part,
    RecordPage,
    ServiceInterval,
    ServiceStanding,
    Ticket,
    TicketPage,
    TicketsWanted,
    UnknownTicket,
    VehicleDowntime,
    VehicleVersion,
)
from fahrwerk.fleet.queries.scope import about, check_reach, if_limited, part_of
from fahrwerk.fleet.rules import maintenance
from fahrwerk.kernel import clock, db

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

# --- service

_INTERVAL = """(SELECT i.{what} FROM fleet.service_interval i
    WHERE i.vehicle_type = v.vehicle_type AND i.model IN (v.model, '')
    ORDER BY i.model DESC LIMIT 1)"""
OF_SERVICE = f"""v.id, v.vehicle_type, v.created_at, v.last_service_at, v.service_interval_days,
greatest(0, v.ridden_m - v.serviced_m) AS since_m,
greatest(0, v.trips - v.serviced_trips) AS since_rides,
{_INTERVAL.format(what="days")} AS days, {_INTERVAL.format(what="distance_m")} AS distance_m,
{_INTERVAL.format(what="rides")} AS rides"""
"""What ``standing_of`` reads, by name, of ``fleet.vehicle v``."""


def standing_of(row: db.Row, now: datetime) -> ServiceStanding:
    """How it stands with the service of a row with ``OF_SERVICE``."""
    interval = maintenance.DEFAULTS[row["vehicle_type"]]
    if row["days"] is not None:
        interval = ServiceInterval(
            vehicle_type=row["vehicle_type"], days=row["days"], distance_m=row["distance_m"],
            rides=row["rides"],
        )  # fmt: skip
    return maintenance.standing(
        row["id"],
        now=now,
        created_at=row["created_at"],
        last_service_at=row["last_service_at"],
        interval_days=row["service_interval_days"],
        interval=interval,
        since_m=row["since_m"],
        since_rides=row["since_rides"],
    )


_STANDING = f"SELECT {OF_SERVICE} FROM fleet.vehicle v WHERE v.id = $1"


async def service_standing(call: Call, vehicle_id: UUID) -> ServiceStanding:
    call.require("fleet.vehicle.read")
    row = await db.one("fleet", call, _STANDING, vehicle_id)
    if row is None:
        raise UnknownVehicle
    return standing_of(row, clock.now())


_INTERVALS = """
SELECT vehicle_type, model, days, distance_m, rides FROM fleet.service_interval
ORDER BY vehicle_type, model
"""


async def service_intervals(call: Call) -> list[ServiceInterval]:
    call.require("fleet.maintenance.read")
    rows = await db.run("fleet", call, _INTERVALS)
    given = [ServiceInterval(**row) for row in rows]
    named = {each.vehicle_type for each in given if not each.model}
    missing = [maintenance.DEFAULTS[each] for each in PREFIX if each not in named]
    return sorted([*given, *missing], key=lambda each: (each.vehicle_type, each.model))


# --- records

RECORD_COLUMNS = """r.id, r.vehicle_id, v.vehicle_type, r.type, r.description, r.cost_minor,
r.currency, r.performed_at, r.next_due, r.ticket_id, r.created_at"""
"""A ``MaintenanceRecord``, by name, of ``maintenance_record r`` and ``vehicle v``."""
_RECORDS = f"""
SELECT {RECORD_COLUMNS}, count(*) OVER () AS total
FROM fleet.maintenance_record r JOIN fleet.vehicle v ON v.id = r.vehicle_id
WHERE r.tenant_id = kernel.tenant() AND v.tenant_id = kernel.tenant()
  AND ($1::uuid IS NULL OR r.vehicle_id = $1) AND ($2::text IS NULL OR r.type = $2)
  AND ($3::timestamptz IS NULL OR r.performed_at >= $3)
  AND ($4::timestamptz IS NULL OR r.performed_at < $4) AND {if_limited(5, "v.")}
ORDER BY r.performed_at DESC, r.id LIMIT $10 OFFSET $11
"""
_RECORDS_TOTAL = f"""
SELECT count(*) AS total FROM fleet.maintenance_record
WHERE tenant_id = kernel.tenant()
  AND ($1::uuid IS NULL OR vehicle_id = $1) AND ($2::text IS NULL OR type = $2)
  AND ($3::timestamptz IS NULL OR performed_at >= $3)
  AND ($4::timestamptz IS NULL OR performed_at < $4) AND {about(5, "vehicle_id")}
"""


async def maintenance_records(
    call: Call,
    vehicle_id: UUID | None,
    kind: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> RecordPage:
    call.require("fleet.maintenance.read")
    wanted = (vehicle_id, kind, since, until, *await part_of(call))
    rows = await db.run("fleet", call, _RECORDS, *wanted, limit, offset)
    if not rows and offset:
        [counted] = await db.run("fleet", call, _RECORDS_TOTAL, *wanted)
        return RecordPage([], counted["total"])
    return RecordPage([record_of(row) for row in rows], rows[0]["total"] if rows else 0)


def record_of(row: db.Row) -> MaintenanceRecord:
    """A row with ``RECORD_COLUMNS``."""
    return MaintenanceRecord(**{n: row[n] for n in MaintenanceRecord.__struct_fields__})


# --- tickets

TICKET_COLUMNS = """t.id, t.vehicle_id, v.vehicle_type, v.identifier, t.kind, t.severity, t.source,
t.state, t.description, t.resolution, t.assignee, t.reports, t.labour_minutes, t.labour_rate_minor,
t.labour_minor, t.parts_minor, t.currency, t.opened_by, t.opened_at, t.started_at, t.closed_at,
t.rule"""
"""A ``Ticket`` but its lists, by name, of ``ticket t`` and ``vehicle v``."""
_WANTED = f"""t.tenant_id = kernel.tenant() AND v.tenant_id = kernel.tenant()
  AND ($1::uuid IS NULL OR t.vehicle_id = $1) AND ($2::text IS NULL OR t.state = $2)
  AND ($3::bool IS NULL OR (t.closed_at IS NULL) = $3) AND ($4::text IS NULL OR t.kind = $4)
  AND ($5::text IS NULL OR t.severity = $5) AND ($6::text IS NULL OR t.source = $6)
  AND ($7::text IS NULL OR t.assignee = $7) AND {if_limited(8, "v.")}"""
_FROM = "FROM fleet.ticket t JOIN fleet.vehicle v ON v.id = t.vehicle_id"
_TICKETS = f"""
SELECT {TICKET_COLUMNS} {_FROM} WHERE {_WANTED}
ORDER BY t.opened_at DESC, t.id LIMIT $13 OFFSET $14
"""
_TICKETS_TOTAL = f"SELECT count(*) AS total {_FROM} WHERE {_WANTED}"


async def tickets(call: Call, wanted: TicketsWanted, limit: int, offset: int) -> TicketPage:
    call.require("fleet.maintenance.read")
    filters = (*msgspec.structs.astuple(wanted), *await part_of(call))
    rows = await db.run("fleet", call, _TICKETS, *filters, limit, offset)
    total = offset + len(rows)
    if len(rows) == limit or (offset and not rows):
        [counted] = await db.run("fleet", call, _TICKETS_TOTAL, *filters)
        total = counted["total"]
    return TicketPage([ticket_of(row) for row in rows], total)


def ticket_of(
    row: db.Row, parts: list[Part] | None = None, reports: list[FaultReport] | None = None
) -> Ticket:
    """A row with ``TICKET_COLUMNS``, and what belongs to it."""
    known = {n: row[n] for n in Ticket.__struct_fields__[:-2]}
    return Ticket(**known, parts=parts or [], fault_reports=reports or [])


ONE_TICKET = f"SELECT {TICKET_COLUMNS} {_FROM} WHERE t.tenant_id = kernel.tenant() AND t.id = $1"
PARTS = """
SELECT name, part_number, quantity, unit_cost_minor FROM fleet.ticket_part
WHERE ticket_id = $1 ORDER BY position
"""
REPORTS = """
SELECT rider_id, kind, description, is_unsafe, reported_at FROM fleet.fault_report
WHERE ticket_id = $1 ORDER BY reported_at, id LIMIT 100
"""


async def ticket(call: Call, ticket_id: UUID) -> Ticket:
    call.require("fleet.maintenance.read")
    row = await db.one("fleet", call, ONE_TICKET, ticket_id)
    if row is None:
        raise UnknownTicket
    await check_ticket(call, row)
    parts = await db.run("fleet", call, PARTS, ticket_id)
    reports = await db.run("fleet", call, REPORTS, ticket_id)
    return ticket_of(row, [Part(**p) for p in parts], [FaultReport(**r) for r in reports])


async def check_ticket(call: Call, row: db.Row) -> None:
    """Raise ``UnknownTicket`` for one of a vehicle beyond the caller's part."""
    try:
        await check_reach(call, row["vehicle_id"])
    except UnknownVehicle:
        raise UnknownTicket from None


# --- down-time

# What is retired is no part of the fleet: its down-time of before is shown, but neither it nor the
# vehicle counts for what the fleet is available.
_DOWNTIME = f"""
WITH part AS (
    SELECT vehicle_id, greatest(began_at, $1) AS began, least(coalesce(ended_at, $2), $2) AS ended,
           ended_at IS NULL OR ended_at > $2 AS is_out, reasons
    FROM fleet.downtime
    WHERE tenant_id = kernel.tenant() AND began_at < $2 AND (ended_at IS NULL OR ended_at > $1)
      AND ($3::uuid IS NULL OR vehicle_id = $3) AND {about(4, "vehicle_id")}
), summed AS (
    SELECT vehicle_id, round(sum(extract(epoch FROM ended - began)))::bigint AS seconds,
           count(*)::int AS times, bool_or(is_out) AS is_out
    FROM part GROUP BY vehicle_id
), page AS (
    SELECT * FROM summed ORDER BY seconds DESC, vehicle_id LIMIT $9 OFFSET $10
)
SELECT page.*, v.vehicle_type, v.identifier,
       ARRAY(SELECT DISTINCT unnest(reasons) FROM part WHERE part.vehicle_id = page.vehicle_id
             ORDER BY 1) AS reasons, counted.*
FROM (SELECT count(*) AS total, coalesce(sum(seconds), 0)::bigint AS all_seconds,
             coalesce(sum(seconds) FILTER (WHERE s.status <> 'retired'),
                      0)::bigint AS fleet_seconds,
             (SELECT count(*) FROM fleet.vehicle WHERE tenant_id = kernel.tenant()
              AND status <> 'retired' AND ($3::uuid IS NULL OR id = $3)
              AND {if_limited(4)}) AS fleet
      FROM summed
      JOIN fleet.vehicle s ON s.tenant_id = kernel.tenant() AND s.id = summed.vehicle_id) counted
LEFT JOIN (page JOIN fleet.vehicle v ON v.id = page.vehicle_id) ON true
ORDER BY page.seconds DESC, page.vehicle_id
"""


async def downtime(
    call: Call,
    since: datetime,
    until: datetime,
    vehicle_id: UUID | None,
    limit: int,
    offset: int,
) -> DowntimeReport:
    call.require("fleet.maintenance.read")
    maintenance.check_period(since, until)
    until = min(until, clock.now()) if since < clock.now() else until
    part = await part_of(call)
    rows = await db.run("fleet", call, _DOWNTIME, since, until, vehicle_id, *part, limit, offset)
    first = rows[0]
    fields = VehicleDowntime.__struct_fields__
    return DowntimeReport(
        since=since,
        until=until,
        vehicles=[VehicleDowntime(*(r[n] for n in fields)) for r in rows if r["vehicle_id"]],
        total=first["total"],
        seconds=first["all_seconds"],
        fleet=first["fleet"],
        availability=maintenance.availability(
            first["fleet_seconds"], first["fleet"], (until - since).total_seconds()
        ),
    )


_VERSIONS = """
SELECT part, version, since FROM fleet.vehicle_version
WHERE vehicle_id = $1 ORDER BY since DESC, part LIMIT 200
"""
_EXISTS = "SELECT id FROM fleet.vehicle WHERE id = $1"


async def vehicle_versions(call: Call, vehicle_id: UUID) -> list[VehicleVersion]:
    call.require("fleet.vehicle.read")
    rows = await db.run("fleet", call, _VERSIONS, vehicle_id)
    if not rows and await db.one("fleet", call, _EXISTS, vehicle_id) is None:
        raise UnknownVehicle
    return db.shaped(VehicleVersion, rows)
