"""The import of a file as a job: its progress is written down beside it, its rows all at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.actions.edges import refused_by
from fahrwerk.fleet.actions.imports import checked, too_many, write_within
from fahrwerk.fleet.actions.vehicles import CODES_ARE_UNIQUE
from fahrwerk.fleet.contract import IdentifierTaken, ImportProblem, ImportResult
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unavailable
from fahrwerk.tenancy.contract import LimitReached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from fahrwerk.fleet.contract.bulk import BulkJob
    from fahrwerk.kernel.call import Call

TELL_EVERY_S = 0.5
LEASE_S = 30


class Cancelled(Exception):
    """Somebody stopped the job while its rows were being written: none of them stays."""


class _Progress:
    """How far it is; written by whoever works, read by whoever tells."""

    def __init__(self) -> None:
        self.phase, self.total, self.done = "checking", 0, 0

    def told(self, done: int) -> None:
        self.done = done


_FILE = "SELECT file FROM fleet.bulk_job WHERE id = $1 AND state = 'running'"
_FINISH = """
UPDATE fleet.bulk_job
SET state = $2, done = $3, failed = $4, total = $5, result = $6, file = NULL, phase = NULL,
    lease_until = NULL, finished_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'running' RETURNING 1
"""


async def run_import(call: Call, job: BulkJob) -> None:
    """Do all of it. Its end is written in the transaction of its rows: they are there, or not."""
    row = await db.one("fleet", call, _FILE, job.id)
    if row is None or row["file"] is None:
        return
    progress = _Progress()
    progress.total = job.total
    dry_run = bool(job.args.get("dry_run"))
    async with _telling(call, job.id, progress):
        plan = await checked(call, dry_run, bytes(row["file"]), job.value, progress.told)
        result = plan.result
        if dry_run or result.problem_count:
            state = "done" if dry_run else "failed"
            await db.run("fleet", call, _FINISH, job.id, *_figures(state, result))
            return
        progress.phase, progress.total, progress.done = "writing", result.rows, 0
        with contextlib.suppress(Cancelled):
            try:
                with refused_by(**CODES_ARE_UNIQUE):
                    async with db.tx("fleet", call) as tx:
                        done = await write_within(tx, call, plan, progress.told)
                        if not await tx.run(_FINISH, job.id, *_figures("done", done)):
                            raise Cancelled
            except IdentifierTaken as taken:
                # Added by somebody else since it was checked.
                problem = ImportProblem(0, str(taken.details["field"]), "is in the fleet already")
                failed = msgspec.structs.replace(
                    result, valid=0, problem_count=1, problems=[problem]
                )
                await db.run("fleet", call, _FINISH, job.id, *_figures("failed", failed))
            except LimitReached as full:
                failed = msgspec.structs.replace(
                    result, valid=0, problem_count=1, problems=[too_many(full)]
                )
                await db.run("fleet", call, _FINISH, job.id, *_figures("failed", failed))


def _figures(state: str, result: ImportResult) -> tuple[str, int, int, int, object]:
    failed = result.rows - result.valid
    done = result.valid if state == "done" else 0
    return state, done, failed, result.rows, msgspec.to_builtins(result)


_TELL = f"""
UPDATE fleet.bulk_job
SET phase = $2, done = $3, total = $4,
    lease_until = kernel.now() + interval '{LEASE_S} seconds'
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'running'
"""


@contextlib.asynccontextmanager
async def _telling(call: Call, job_id: UUID, progress: _Progress) -> AsyncIterator[None]:
    """Write down how far it is, and renew the lease, for the block.

    A task that was begun outside the transaction writes on a connection of its own; the end of the
    job, which is written inside it, waits for nobody but this, and only for a moment.
    """

    async def tell() -> None:
        while True:
            with contextlib.suppress(Unavailable):
                figures = (progress.phase, progress.done, max(progress.total, progress.done))
                await db.run("fleet", call, _TELL, job_id, *figures)
            await asyncio.sleep(TELL_EVERY_S)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
