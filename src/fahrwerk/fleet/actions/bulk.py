"""Operations on many vehicles: a job is a row, its vehicles are rows, the worker goes through them.

A worker takes a job for a short lease, does a batch and gives it back; one that dies is followed by
another when the lease has run out. A batch is one transaction, or, for commands, one command after
the other under ids that are the same when it is tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog

from fahrwerk.fleet.actions import plan_limit
from fahrwerk.fleet.actions.commands import send_command
from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.actions.groups import HOLD_GROUP, SET_GROUPS
from fahrwerk.fleet.actions.holds import SILENT
from fahrwerk.fleet.actions.import_jobs import run_import
from fahrwerk.fleet.contract import BadImport, OutOfReach
from fahrwerk.fleet.contract.bulk import (
    MOST_RUNNING,
    MOST_VEHICLES,
    BulkJob,
    Chosen,
    JobOver,
    NotUndoable,
    Operation,
    TooManyJobs,
    UnknownJob,
)
from fahrwerk.fleet.contract.groups import UnknownGroup
from fahrwerk.fleet.events import VehicleChanged
from fahrwerk.fleet.importers import vehicle_csv
from fahrwerk.fleet.queries.bulk import JOB_COLUMNS, ONE_JOB, check_own, shown_job
from fahrwerk.fleet.queries.groups import group
from fahrwerk.fleet.queries.scope import about, if_limited, part_of
from fahrwerk.fleet.rules import bulk as rules
from fahrwerk.fleet.rules.bulk import Now, Outcome, Target
from fahrwerk.kernel import db, events, ids, observe
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid, Problem, Unavailable
from fahrwerk.tenancy.contract import LimitReached

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

ABOUT_GROUPS = ("join_group", "leave_group")
BATCH, COMMANDS_AT_ONCE = 500, 100
LEASE_S = 30
KEEP_DAYS = 30
WAKE = "fleet.bulk"
log = structlog.get_logger()

_RUNNING = "SELECT count(*) AS n FROM fleet.bulk_job WHERE state = 'running'"
_START = """
INSERT INTO fleet.bulk_job (id, operation, value, args, undo_of, file, total, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, id) DO NOTHING RETURNING 1
"""
_NAMED = f"""
WITH added AS (
    INSERT INTO fleet.bulk_item (job_id, position, vehicle_id)
    SELECT $1, (row_number() OVER (ORDER BY first))::int, id
    FROM (SELECT id, min(place) AS first
          FROM unnest($2::uuid[]) WITH ORDINALITY AS named (id, place) GROUP BY id) once
    WHERE {about(3, "once.id")}
    RETURNING 1
)
UPDATE fleet.bulk_job SET total = (SELECT count(*) FROM added) WHERE id = $1
"""
_CHOSEN = f"""
WITH added AS (
    INSERT INTO fleet.bulk_item (job_id, position, vehicle_id)
    SELECT $1, (row_number() OVER (ORDER BY identifier))::int, id FROM fleet.vehicle
    WHERE tenant_id = kernel.tenant()
      AND ($2::text IS NULL OR vehicle_type = $2)
      AND CASE WHEN $3::text IS NULL THEN status <> 'retired' ELSE status = $3 END
      AND ($4::text IS NULL OR category = $4) AND ($5::uuid IS NULL OR $5 = ANY(group_ids))
      AND {if_limited(6)}
    ORDER BY identifier LIMIT $11
    RETURNING 1
)
UPDATE fleet.bulk_job SET total = (SELECT count(*) FROM added) WHERE id = $1 RETURNING total
"""


async def start_bulk(
    call: Call,
    job_id: UUID,
    operation: Operation,
    vehicle_ids: list[UUID] | None,
    chosen: Chosen | None,
) -> BulkJob:
    call.require("fleet.command.create" if operation.kind == "command" else "fleet.vehicle.write")
    if operation.kind == "import":
        raise Invalid(field="operation", issue="is not one on vehicles")
    rules.check_operation(operation)
    if operation.kind in ABOUT_GROUPS:
        await _check_group(call, operation.value)
    if (vehicle_ids is None) == (chosen is None):
        raise Invalid(field="ids", issue="either ids or a filter")
    if vehicle_ids is not None and not 1 <= len(vehicle_ids) <= MOST_VEHICLES:
        raise Invalid(field="ids", issue=f"must be 1 to {MOST_VEHICLES}")
    if operation.kind in ABOUT_GROUPS and call.scope is not None:
        raise OutOfReach  # who is in a group is what others' grants reach
    part = await part_of(call)
    async with db.tx("fleet", call) as tx:
        if await _started(tx, call, job_id, operation):
            if vehicle_ids is not None:
                await tx.run(_NAMED, job_id, vehicle_ids, *part)
            elif chosen is not None:
                which = (chosen.vehicle_type, chosen.status, chosen.category, chosen.group_id)
                [row] = await tx.run(_CHOSEN, job_id, *which, *part, MOST_VEHICLES + 1)
                if row["total"] > MOST_VEHICLES:
                    raise Invalid(field="filter", issue=f"fits more than {MOST_VEHICLES} vehicles")
        [job] = await tx.run(ONE_JOB, job_id)
        return shown_job(job)


async def _check_group(call: Call, group_id: str) -> None:
    try:
        await group(call, UUID(group_id))
    except ValueError:
        raise UnknownGroup from None


async def start_import(call: Call, job_id: UUID, mode: str, dry_run: bool, csv: bytes) -> BulkJob:
    call.require("fleet.vehicle.create")
    if mode != "create":
        call.require("fleet.vehicle.write")
    if len(csv) > vehicle_csv.MOST_BYTES:
        raise BadImport(field="body", issue=f"more than {vehicle_csv.MOST_BYTES:,} bytes")
    operation = Operation("import", mode)
    rules.check_operation(operation)
    operation = msgspec.structs.replace(operation, args={"dry_run": dry_run})
    async with db.tx("fleet", call) as tx:
        await _started(tx, call, job_id, operation, file=csv, total=max(0, csv.count(b"\n") - 1))
        [job] = await tx.run(ONE_JOB, job_id)
        return shown_job(job)


async def _started(tx: db.Tx, call: Call, job_id: UUID, operation: Operation, **more: Any) -> bool:
    """Write the job; False when it is there already."""
    made = await tx.run(
        _START, job_id, operation.kind, operation.value, operation.args, more.get("undo_of"),
        more.get("file"), more.get("total", 0), call.user,
    )  # fmt: skip
    if made:
        [row] = await tx.run(_RUNNING)
        if row["n"] > MOST_RUNNING:
            raise TooManyJobs(most=MOST_RUNNING)
        tx.signal(WAKE)
    return bool(made)


_CANCEL = f"""
UPDATE fleet.bulk_job j SET state = 'cancelled', finished_at = kernel.now(), file = NULL,
    lease_until = NULL
WHERE j.tenant_id = kernel.tenant() AND j.id = $1 AND j.state = 'running' RETURNING {JOB_COLUMNS}
"""


async def cancel_bulk(call: Call, job_id: UUID) -> BulkJob:
    call.require("fleet.vehicle.write")
    if (known := await db.one("fleet", call, ONE_JOB, job_id)) is not None:
        check_own(call, known)
    row = await db.one("fleet", call, _CANCEL, job_id)
    if row is not None:
        return shown_job(row)
    row = await db.one("fleet", call, ONE_JOB, job_id)
    if row is None:
        raise UnknownJob
    if row["state"] != "cancelled":
        raise JobOver(state=row["state"])
    return shown_job(row)


_LINES_BACK = """
WITH added AS (
    INSERT INTO fleet.bulk_item (job_id, position, vehicle_id, found, made)
    SELECT $1, (row_number() OVER (ORDER BY position))::int, vehicle_id, made, found
    FROM fleet.bulk_item
    WHERE tenant_id = kernel.tenant() AND job_id = $2 AND state = 'done' AND found <> made
    RETURNING 1
)
UPDATE fleet.bulk_job SET total = (SELECT count(*) FROM added) WHERE id = $1
"""


async def undo_bulk(call: Call, job_id: UUID) -> BulkJob:
    call.require("fleet.vehicle.write")
    undo_id = ids.derived("undo", call.tenant, job_id)
    async with db.tx("fleet", call) as tx:
        row = await tx.one(ONE_JOB, job_id)
        if row is None:
            raise UnknownJob
        check_own(call, row)
        job = shown_job(row)
        if job.state == "running" or job.kind not in rules.UNDOABLE:
            raise NotUndoable(state=job.state, operation=job.kind)
        if await _started(tx, call, undo_id, Operation(job.kind, job.value), undo_of=job_id):
            await tx.run(_LINES_BACK, undo_id, job_id)
        [undo] = await tx.run(ONE_JOB, undo_id)
        return shown_job(undo)


# --- what the worker does

_TENANTS = """
SELECT DISTINCT tenant_id FROM fleet.bulk_job
WHERE state = 'running' AND coalesce(lease_until, '-infinity') < kernel.now()
"""
_TAKE = f"""
UPDATE fleet.bulk_job j SET lease_until = kernel.now() + interval '{LEASE_S} seconds'
WHERE j.tenant_id = kernel.tenant() AND j.id = (
    SELECT id FROM fleet.bulk_job
    WHERE tenant_id = kernel.tenant() AND state = 'running'
      AND coalesce(lease_until, '-infinity') < kernel.now()
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {JOB_COLUMNS}
"""


async def work_on_bulk_jobs() -> bool:
    """One batch of the oldest job of each operator; True = there is more."""
    is_more = False
    for row in await db.run("fleet", system(None, "fleet"), _TENANTS):
        call = system(row["tenant_id"], "fleet")
        taken = await db.one("fleet", call, _TAKE)
        if taken is None:
            continue
        job = shown_job(taken)
        try:
            # Its events say who asked for it.
            is_more |= await _advanced(msgspec.structs.replace(call, user=job.created_by), job)
        except Unavailable:
            raise
        except Exception as error:  # of one operator's job: the others' must not wait for it
            observe.jobs_failed.labels("fleet.work_on_bulk_jobs").inc()
            log.error("bulk job failed", job=str(job.id), exc_info=error)
    return is_more


async def _advanced(call: Call, job: BulkJob) -> bool:
    """Do a batch, of an import all; True = there is more."""
    if job.kind == "import":
        await run_import(call, job)
        return True
    if job.kind == "command":
        return await _send_some(call, job)
    return await _change_some(call, job)


_TARGETS = """
SELECT i.position, i.vehicle_id, i.found, i.made, v.id IS NOT NULL
FROM fleet.bulk_item i
LEFT JOIN fleet.vehicle v ON v.tenant_id = kernel.tenant() AND v.id = i.vehicle_id
WHERE i.tenant_id = kernel.tenant() AND i.job_id = $1 AND i.state = 'waiting'
ORDER BY i.position LIMIT $2
"""
# Whoever is at a vehicle just now (a reading, a rider) is not waited for: it comes again.
_LOCK = f"""
SELECT id, status, category, is_connected, {SILENT} AS is_silent, out_for,
       $2::uuid IS NOT NULL AND $2 = ANY(group_ids), cardinality(group_ids) FROM fleet.vehicle
WHERE tenant_id = kernel.tenant() AND id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED
"""
_APPLY = f"""
WITH changed AS (
    UPDATE fleet.vehicle v SET {{columns}}, version = version + 1, updated_at = kernel.now()
    FROM unnest($1::uuid[], $2::text[], $7::text[]) AS wanted (id, made, reasons)
    WHERE v.tenant_id = kernel.tenant() AND v.id = wanted.id
    RETURNING v.id, v.version, v.status, v.cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $3, $4,
           jsonb_build_object('vehicle_id', id, 'status', status), $5, $6 FROM changed
)
SELECT DISTINCT cell FROM changed
"""
_SET = {
    "set_status": _APPLY.format(
        columns="status = wanted.made, out_for = string_to_array(wanted.reasons, ',')"
    ),
    "set_category": _APPLY.format(columns="category = wanted.made"),
}


async def _change_some(call: Call, job: BulkJob) -> bool:
    most = await plan_limit.allowed(call) if job.kind == "set_status" else None
    async with db.tx("fleet", call) as tx:
        room = await plan_limit.room(tx, most) if most is not None else None
        targets = db.shaped(Target, await tx.run(_TARGETS, job.id, BATCH))
        group_id = UUID(job.value) if job.kind in ABOUT_GROUPS else None
        locked = await tx.run(_LOCK, [target.vehicle_id for target in targets], group_id)
        now = {vehicle_id: Now(*row) for vehicle_id, *row in locked}
        is_undo = job.undo_of is not None
        outcomes = [
            (t, rules.decide(job.kind, job.value, is_undo, t, now[t.vehicle_id]))
            if t.is_known
            else (t, Outcome(reason="UNKNOWN_VEHICLE"))
            for t in targets
            if t.vehicle_id in now or not t.is_known
        ]
        if group_id is not None and await tx.one(HOLD_GROUP, group_id) is None:
            outcomes = [(t, Outcome(reason=UnknownGroup.code)) for t, _ in outcomes]
        outcomes = rules.within(room, outcomes, LimitReached.code)
        changes = [(t.vehicle_id, o) for t, o in outcomes if o.made != o.found]
        told = (*title(VehicleChanged), call.actor, call.trace)
        if changes and group_id is not None:
            for is_in in (True, False):
                some = [v for v, o in changes if (o.made == rules.IN) is is_in]
                await tx.run(SET_GROUPS, some, group_id, is_in, *told)
        elif changes:
            cells = await tx.run(
                _SET[job.kind], [v for v, _ in changes], [o.made for _, o in changes], *told,
                [",".join(o.out_for) for _, o in changes],
            )  # fmt: skip
            tell_caches(tx, call, *(row["cell"] for row in cells))
        is_over = await _kept(tx, job, outcomes)
    return not is_over and bool(outcomes)


async def _send_some(call: Call, job: BulkJob) -> bool:
    rows = await db.run("fleet", call, _TARGETS, job.id, COMMANDS_AT_ONCE)
    outcomes: list[tuple[Target, Outcome]] = []
    for target in db.shaped(Target, rows):
        command_id = ids.derived("bulk", job.id, target.vehicle_id)
        try:
            await send_command(call, target.vehicle_id, job.value, None, command_id, job.args)
            outcomes.append((target, Outcome()))
        except Problem as problem:
            if problem.status >= 500:
                raise  # the database: this is nobody's fault, and will be tried again
            outcomes.append((target, Outcome(reason=problem.error_code)))
    async with db.tx("fleet", call) as tx:
        is_over = await _kept(tx, job, outcomes)
    return not is_over


_KEEP = """
WITH kept AS (
    UPDATE fleet.bulk_item i
    SET state = CASE WHEN o.reason IS NULL THEN 'done' ELSE 'failed' END, reason = o.reason,
        found = coalesce(o.found, i.found), made = coalesce(o.made, i.made)
    FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) AS o (position, found, made, reason)
    WHERE i.tenant_id = kernel.tenant() AND i.job_id = $1 AND i.position = o.position
      AND i.state = 'waiting'
    RETURNING i.state
)
UPDATE fleet.bulk_job j
SET done = j.done + (SELECT count(*) FROM kept WHERE state = 'done'),
    failed = j.failed + (SELECT count(*) FROM kept WHERE state = 'failed'), lease_until = NULL
WHERE j.tenant_id = kernel.tenant() AND j.id = $1
"""
_FINISH = """
UPDATE fleet.bulk_job SET state = 'done', finished_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'running' AND done + failed >= total
RETURNING 1
"""


async def _kept(tx: db.Tx, job: BulkJob, outcomes: list[tuple[Target, Outcome]]) -> bool:
    """Write down what became of a batch; True when the job is over."""
    await tx.run(
        _KEEP, job.id, [t.position for t, _ in outcomes], [o.found for _, o in outcomes],
        [o.made for _, o in outcomes], [o.reason for _, o in outcomes],
    )  # fmt: skip
    return bool(await tx.run(_FINISH, job.id))


_FORGET = "DELETE FROM fleet.bulk_job WHERE finished_at < kernel.now() - make_interval(days => $1)"


async def forget_bulk_jobs() -> None:
    """Jobs that ended more than 30 days ago, with their lines."""
    await db.run("fleet", system(None, "fleet"), _FORGET, KEEP_DAYS)
