"""Service intervals, and what was done to vehicles (FLT-06, FLT-34)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.actions.edges import title
from fahrwerk.fleet.contract import PREFIX, UnknownVehicle
from fahrwerk.fleet.contract.maintenance import (
    MaintenanceRecord,
    RecordType,
    ServiceInterval,
)
from fahrwerk.fleet.events import (
    MaintenanceRecorded,
    MaintenanceTicketClosed,
    MaintenanceTicketOpened,
)
from fahrwerk.fleet.queries.maintenance import RECORD_COLUMNS, record_of, service_intervals
from fahrwerk.fleet.rules import maintenance
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Invalid, Refused

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_SET = """
INSERT INTO fleet.service_interval (vehicle_type, model, days, distance_m, rides)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, vehicle_type, model) DO UPDATE
SET days = excluded.days, distance_m = excluded.distance_m, rides = excluded.rides,
    updated_at = kernel.now()
"""
MOST_INTERVALS = 500
_COUNT = "SELECT count(*) AS intervals FROM fleet.service_interval"
_TAKE_BACK = "DELETE FROM fleet.service_interval WHERE vehicle_type = $1 AND model = $2"
_APPLY = f"""
WITH meant AS (
    SELECT v.id, i.days FROM fleet.vehicle v
    CROSS JOIN LATERAL (SELECT coalesce((
        SELECT s.days FROM fleet.service_interval s
        WHERE s.vehicle_type = v.vehicle_type AND s.model IN (v.model, '')
        ORDER BY s.model DESC LIMIT 1), {maintenance.DEFAULT_DAYS}) AS days) i
    WHERE v.tenant_id = kernel.tenant() AND v.vehicle_type = $1 AND $2 IN (v.model, '')
      AND NOT v.has_own_interval AND v.service_interval_days <> i.days
    ORDER BY v.id FOR UPDATE OF v
)
UPDATE fleet.vehicle v SET service_interval_days = meant.days, updated_at = kernel.now()
FROM meant WHERE v.id = meant.id
"""


async def set_service_interval(call: Call, wanted: ServiceInterval) -> list[ServiceInterval]:
    """See the contract."""
    call.require("fleet.maintenance.write")
    maintenance.check_interval(wanted, tuple(PREFIX))
    async with db.tx("fleet", call) as tx:
        if (await tx.run(_COUNT))[0]["intervals"] >= MOST_INTERVALS and wanted.days is not None:
            raise Refused(f"At most {MOST_INTERVALS} intervals.", code="TOO_MANY_INTERVALS")
        if wanted.days is None:
            await tx.run(_TAKE_BACK, wanted.vehicle_type, wanted.model)
        else:
            await tx.run(
                _SET, wanted.vehicle_type, wanted.model, wanted.days, wanted.distance_m,
                wanted.rides,
            )  # fmt: skip
    # By itself, so that it is tried again when it met a batch of readings; a repeat does no harm.
    await db.run("fleet", call, _APPLY, wanted.vehicle_type, wanted.model)
    return await service_intervals(call)


_KNOWN = f"""
SELECT {RECORD_COLUMNS} FROM fleet.maintenance_record r JOIN fleet.vehicle v ON v.id = r.vehicle_id
WHERE r.tenant_id = kernel.tenant() AND r.id = $1
"""
_RECORD = """
INSERT INTO fleet.maintenance_record (id, vehicle_id, type, description, cost_minor, currency,
                                      performed_at, next_due, ticket_id, recorded_by)
SELECT $1, id, $3, $4, $5, $6, $7,
       coalesce($8, CASE WHEN $3 = 'service'
                    THEN $7::timestamptz + make_interval(days => service_interval_days) END),
       $9, $10
FROM fleet.vehicle WHERE id = $2 ON CONFLICT DO NOTHING RETURNING id
"""
# A service written down later counts from its day; what was ridden since is not known by then.
_SERVICED = """
UPDATE fleet.vehicle SET last_service_at = $2, serviced_m = ridden_m, serviced_trips = trips
WHERE id = $1 AND $2 > coalesce(last_service_at, '-infinity')
"""


async def record_within(
    tx: db.Tx,
    call: Call,
    record_id: UUID,
    vehicle_id: UUID,
    kind: str,
    description: str,
    cost_minor: int | None,
    performed_at: datetime,
    next_due: datetime | None,
    ticket_id: UUID | None,
) -> None:
    """Write a record in a transaction that has locked the vehicle; a repeat does nothing."""
    currency = call.currency if cost_minor is not None else None
    made = await tx.run(
        _RECORD, record_id, vehicle_id, kind, description, cost_minor, currency, performed_at,
        next_due, ticket_id, call.actor,
    )  # fmt: skip
    if made:
        news = MaintenanceRecorded(record_id, vehicle_id, kind)
        await events.emit(tx, call, f"maintenance_record:{record_id}", 1, news)
        if kind == "service":
            await tx.run(_SERVICED, vehicle_id, performed_at)


_LOCK_VEHICLE = "SELECT id FROM fleet.vehicle WHERE id = $1 FOR UPDATE"
_CLOSE_SERVICE = """
UPDATE fleet.ticket
SET state = 'done', resolution = $2, closed_at = $3, version = version + 1
WHERE vehicle_id = $1 AND kind = 'service' AND closed_at IS NULL AND severity <> 'safety'
RETURNING id, version, labour_minor + parts_minor AS cost_minor, currency
"""


async def record_maintenance(
    call: Call,
    vehicle_id: UUID,
    kind: RecordType,
    description: str,
    cost_minor: int | None,
    performed_at: datetime | None,
    next_due: datetime | None,
) -> MaintenanceRecord:
    """See the contract."""
    call.require("fleet.maintenance.write")
    now = clock.now()
    at = performed_at or now
    maintenance.check_text("description", description, 2_000)
    if at > now or at.year < 2000:
        raise Invalid(field="performed_at", issue="must be between the year 2000 and now")
    if next_due is not None and not (at < next_due and next_due.year < 2100):
        raise Invalid(field="next_due", issue="must be after performed_at and before 2100")
    if cost_minor is not None and not 0 <= cost_minor <= maintenance.MOST_COST_MINOR:
        raise Invalid(field="cost", issue="is out of range")
    record_id = ids.derived("record", call.tenant, call.actor, call.key) if call.key else ids.new()
    async with db.tx("fleet", call) as tx:
        if await tx.one(_LOCK_VEHICLE, vehicle_id) is None:
            raise UnknownVehicle
        await record_within(
            tx, call, record_id, vehicle_id, kind, description, cost_minor, at, next_due, None
        )
        if kind == "service":
            for row in await tx.run(_CLOSE_SERVICE, vehicle_id, description or "Serviced.", now):
                news = MaintenanceTicketClosed(
                    row["id"], vehicle_id, "service", "done", row["cost_minor"], row["currency"]
                )
                await events.emit(tx, call, f"ticket:{row['id']}", row["version"], news)
        return record_of((await tx.run(_KNOWN, record_id))[0])


# NOT IN: a hash, whatever the planner believes of a table that has just grown.
_DUE = f"""
WITH due AS (
    SELECT v.id, coalesce(v.last_service_at, v.created_at)
                 + make_interval(days => v.service_interval_days) <= $6 AS by_days,
           greatest(0, v.ridden_m - v.serviced_m) >= i.distance_m AS by_distance,
           greatest(0, v.trips - v.serviced_trips) >= i.rides AS by_rides
    FROM fleet.vehicle v
    CROSS JOIN LATERAL (
        (SELECT s.distance_m, s.rides FROM fleet.service_interval s
         WHERE s.vehicle_type = v.vehicle_type AND s.model IN (v.model, '')
         ORDER BY s.model DESC LIMIT 1)
        UNION ALL
        SELECT given.distance_m, given.rides
        FROM unnest($7::text[], $8::int8[], $9::int4[]) AS given (vehicle_type, distance_m, rides)
        WHERE given.vehicle_type = v.vehicle_type
        LIMIT 1
    ) i
    WHERE v.tenant_id = kernel.tenant() AND v.status <> 'retired' AND v.id NOT IN (
        SELECT vehicle_id FROM fleet.ticket WHERE kind = 'service' AND closed_at IS NULL)
), opened AS (
    INSERT INTO fleet.ticket (id, vehicle_id, kind, severity, source, state, description,
                              opened_by, opened_at)
    SELECT gen_random_uuid(), id, 'service', 'normal', 'due', 'open',
           'Service is due by ' || concat_ws(' and ', CASE WHEN by_days THEN 'days' END,
               CASE WHEN by_distance THEN 'distance' END, CASE WHEN by_rides THEN 'rides' END)
           || '.', $3, $6
    FROM due WHERE by_days OR by_distance OR by_rides
    LIMIT $5 ON CONFLICT DO NOTHING
    RETURNING id, vehicle_id
), told AS (
    {events.INSERT}
    SELECT 'ticket:' || id, 1, $1, $2, jsonb_build_object(
        'ticket_id', id, 'vehicle_id', vehicle_id, 'kind', 'service', 'severity', 'normal',
        'source', 'due'), $3, $4 FROM opened
)
SELECT count(*) AS opened FROM opened
"""


async def open_due_tickets(call: Call, limit: int) -> int:
    """Tickets for vehicles that are due though nobody rode them; how many (FLT-34)."""
    defaults = maintenance.DEFAULTS.values()
    [row] = await db.run(
        "fleet", call, _DUE, *title(MaintenanceTicketOpened), call.actor, call.trace, limit,
        clock.now(), [d.vehicle_type for d in defaults], [d.distance_m for d in defaults],
        [d.rides for d in defaults],
    )  # fmt: skip
    return int(row["opened"])
