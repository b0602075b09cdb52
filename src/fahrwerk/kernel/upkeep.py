"""What the kernel does by itself in a worker: chain the audit log, forget old answers and jobs."""

from __future__ import annotations

from fahrwerk.kernel import audit, db, jobs, keyed
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron, every


@every(2)
async def chain_audit_log() -> bool:
    """Link what privileged people did since to the chain of their operator (I11)."""
    return await audit.chain() > 0


@cron("41 3 * * *")
async def forget_answers() -> None:
    """Answers to keyed requests are promised for 24 hours (PAY-29)."""
    await db.run("pump", system(None, "pump"), keyed.CLEAN_UP)


@cron("47 3 * * *")
async def forget_jobs() -> None:
    """The queue keeps every job it ever ran unless it is told not to."""
    await jobs.forget_done()
