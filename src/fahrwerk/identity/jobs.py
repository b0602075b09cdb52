"""What identity does at its own pace: links that were asked for, ID checks, keys that expire, and
clearing away what is over. Each for all operators at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import structlog

from fahrwerk.identity.actions import checks, privacy_work, ways_in
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.privacy import WANTED
from fahrwerk.identity.rules.keys import TOLD_DAYS
from fahrwerk.kernel import db, jobs
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

BATCH = 50
log = structlog.get_logger()


def _house() -> Call:
    return system(None, "identity")


# Taken off the queue as it is read: whose process dies in between, may ask again.
_TAKE = """
DELETE FROM identity.wish w USING (
    SELECT tenant_id, id FROM identity.wish ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS next
WHERE w.tenant_id = next.tenant_id AND w.id = next.id
RETURNING w.tenant_id, w.purpose, w.login
"""


@jobs.every(5, wake=ways_in.WISHED)
async def answer_wishes() -> bool:
    """Send the links that were asked for, where there is such an account."""
    rows = await db.run("identity", _house(), _TAKE, BATCH)
    for wish in db.shaped(ways_in.Wish, rows):
        try:
            await ways_in.grant(system(wish.tenant_id, "identity"), wish)
        except (Problem, ValueError) as error:  # ValueError: sealed with a secret that is gone
            log.warning("a link was not sent", purpose=wish.purpose, reason=str(error))
    return len(rows) == BATCH


_CLAIM = """
UPDATE identity.id_check c SET ask_at = kernel.now() + interval '2 minutes'
FROM (SELECT tenant_id, id FROM identity.id_check
      WHERE state = 'pending' AND ask_at <= kernel.now()
      ORDER BY ask_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE c.tenant_id = next.tenant_id AND c.id = next.id
RETURNING c.tenant_id, c.id, c.provider, c.reference, c.asked
"""
_OVER = """
SELECT tenant_id, id, good_until FROM identity.id_check
WHERE state = 'verified' AND good_until <= kernel.now() ORDER BY good_until LIMIT $1
"""


@jobs.every(5)
async def follow_checks() -> bool:
    """Ask providers about checks that are pending, and see which have run out."""
    pending = db.shaped(checks.Waiting, await db.run("identity", _house(), _CLAIM, BATCH))
    for each in pending:
        await checks.ask_again(system(each.tenant_id, "identity"), each)
    over = db.shaped(checks.Over, await db.run("identity", _house(), _OVER, BATCH))
    for each_over in over:
        await checks.expire(system(each_over.tenant_id, "identity"), each_over)
    return BATCH in (len(pending), len(over))


class Ending(msgspec.Struct, frozen=True):
    """A key that expires soon."""

    tenant_id: UUID
    id: UUID
    person_id: UUID


_ENDING = f"""
SELECT tenant_id, id, person_id FROM identity.api_key
WHERE revoked_at IS NULL AND told_at IS NULL AND expires_at > kernel.now()
  AND expires_at < kernel.now() + interval '{TOLD_DAYS} days'
  AND created_at < expires_at - interval '{2 * TOLD_DAYS} days'
ORDER BY expires_at LIMIT $1
"""
_TOLD = """
UPDATE identity.api_key SET told_at = kernel.now() WHERE id = $1 AND told_at IS NULL RETURNING id
"""


@jobs.every(600)
async def tell_of_keys() -> bool:
    """Tell makers of keys that expire within a week; not of those made for a few days only."""
    ending = db.shaped(Ending, await db.run("identity", _house(), _ENDING, BATCH))
    for each in ending:
        call = system(each.tenant_id, "identity")
        async with db.tx("identity", call) as tx:
            if await tx.run(_TOLD, each.id):
                await tell(tx, call, each.person_id, "key_expires")
    return len(ending) == BATCH


_SWEEP = (
    "DELETE FROM identity.challenge WHERE expires_at < kernel.now() - interval '1 hour'",
    "DELETE FROM identity.device_proof WHERE until < kernel.now()",
    "DELETE FROM identity.failure WHERE since < kernel.now() - interval '2 days'",
    "DELETE FROM identity.proof WHERE expires_at < kernel.now() - interval '2 days'",
    "DELETE FROM identity.attempt WHERE at < kernel.now() - interval '90 days'",
)


@jobs.every(3600)
async def sweep() -> None:
    """Clear away what is over: challenges, failures, proofs, and log-ins of 90 days ago."""
    for sql in _SWEEP:
        await db.run("identity", _house(), sql)


@jobs.every(5, wake=WANTED)
async def answer_privacy_requests() -> bool:
    """Exports and erasures that people asked for (GDP-01, GDP-02); True = there may be more."""
    is_more = await privacy_work.answer_next()
    return await privacy_work.expire_files() or is_more


@jobs.cron("17 2 * * *")
async def keep_retention() -> None:
    """Each night what is older than an operator keeps it is thrown away (GDP-06)."""
    for operator in await tenancy.operators(_house()):
        await privacy_work.keep_retention(operator.id)
