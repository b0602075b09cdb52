"""Jobs on many vehicles: how far they have come and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.contract import ImportResult
from fahrwerk.fleet.contract.bulk import BulkFailure, BulkFailures, BulkJob, BulkJobs, UnknownJob
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

JOB_COLUMNS = """j.id, j.operation AS kind, j.value, j.args, j.state, j.phase, j.total, j.done,
j.failed, j.undo_of,
(SELECT u.id FROM fleet.bulk_job u WHERE u.tenant_id = kernel.tenant() AND u.undo_of = j.id)
    AS undone_by,
j.created_by, j.created_at, j.finished_at, j.result"""
"""A ``BulkJob``, by name."""


def shown_job(row: db.Row) -> BulkJob:
    """A row that has ``JOB_COLUMNS`` (and perhaps more)."""
    given = {name: row[name] for name in BulkJob.__struct_fields__ if name != "result"}
    result = row["result"] and msgspec.convert(row["result"], ImportResult)
    return BulkJob(**given, result=result)


ONE_JOB = f"""
SELECT {JOB_COLUMNS} FROM fleet.bulk_job j WHERE j.tenant_id = kernel.tenant() AND j.id = $1
"""


def check_own(call: Call, row: db.Row) -> None:
    """Raise ``UnknownJob`` for another's to whom is limited to a part of the fleet."""
    if call.scope is not None and row["created_by"] != call.user:
        raise UnknownJob


async def bulk_job(call: Call, job_id: UUID) -> BulkJob:
    call.require("fleet.live.read")
    row = await db.one("fleet", call, ONE_JOB, job_id)
    if row is None:
        raise UnknownJob
    check_own(call, row)
    return shown_job(row)


_JOBS = f"""
SELECT {JOB_COLUMNS} FROM fleet.bulk_job j
WHERE j.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR j.created_by = $1)
ORDER BY j.created_at DESC, j.id LIMIT $2 OFFSET $3
"""
_COUNT = """
SELECT count(*) AS total FROM fleet.bulk_job
WHERE tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR created_by = $1)
"""


async def bulk_jobs(call: Call, limit: int, offset: int) -> BulkJobs:
    call.require("fleet.live.read")
    own = call.user if call.scope is not None else None
    rows = await db.run("fleet", call, _JOBS, own, limit, offset)
    [counted] = await db.run("fleet", call, _COUNT, own)
    return BulkJobs([shown_job(row) for row in rows], counted["total"])


_FAILURES = """
SELECT i.vehicle_id, v.vehicle_type, v.identifier, i.reason
FROM (SELECT * FROM fleet.bulk_item
      WHERE tenant_id = kernel.tenant() AND job_id = $1 AND state = 'failed'
      ORDER BY position LIMIT $2 OFFSET $3) i
LEFT JOIN fleet.vehicle v ON v.tenant_id = kernel.tenant() AND v.id = i.vehicle_id
ORDER BY i.position
"""


async def bulk_failures(call: Call, job_id: UUID, limit: int, offset: int) -> BulkFailures:
    job = await bulk_job(call, job_id)
    if job.kind == "import":
        return BulkFailures([], 0)  # its problems are rows of a file, named in the result
    rows = await db.run("fleet", call, _FAILURES, job_id, limit, offset)
    return BulkFailures(db.shaped(BulkFailure, rows), job.failed)
