"""The worker of wallets: unfinished transactions, top-ups under way, auto top-up (WAL-22)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Unpaid
from fahrwerk.kernel.jobs import every
from fahrwerk.wallet.actions._book import RETRY_S, WORK, finish
from fahrwerk.wallet.actions.auto import top_up_by_itself
from fahrwerk.wallet.actions.payouts import post_payout
from fahrwerk.wallet.actions.resellers import post_commission
from fahrwerk.wallet.actions.rides import settle
from fahrwerk.wallet.actions.takeback import take_back
from fahrwerk.wallet.actions.topup import drive
from fahrwerk.wallet.queries import topup
from fahrwerk.wallet.rules import Entry

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

BATCH = 20
log = structlog.get_logger()

# Claimed rows come up again after a while: a worker that dies loses nothing.
_CLAIM = f"""
UPDATE wallet.work w SET at = kernel.now() + interval '{RETRY_S} seconds'
FROM (SELECT tenant_id, kind, subject FROM wallet.work WHERE at <= kernel.now()
      ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED) due
WHERE (w.tenant_id, w.kind, w.subject) = (due.tenant_id, due.kind, due.subject)
RETURNING w.tenant_id, w.kind, w.subject
"""


@every(2, wake=WORK)
async def move_wallets() -> bool:
    """Do what is due; True when there may be more."""
    rows = await db.run("wallet", system(None, "wallet"), _CLAIM, BATCH)
    # Side by side: one gateway that takes its time must not keep the others waiting.
    await asyncio.gather(*(_move(r["tenant_id"], r["kind"], r["subject"]) for r in rows))
    return len(rows) == BATCH


async def _move(tenant: UUID, kind: str, subject: UUID) -> None:
    call = system(tenant, "wallet")
    try:
        if kind == "topup":
            await drive(call, await topup(call, subject))
        elif kind == "auto":
            await top_up_by_itself(call, subject)
        elif kind == "takeback":
            await take_back(call, subject)
        elif kind == "ride":
            await settle(call, subject)
        elif kind == "commission":
            await post_commission(call, subject)
        elif kind == "payout":
            await post_payout(call, subject)
        else:
            await _finish(call, subject)
    except db.DatabaseDown:
        raise
    except Exception as error:
        # One that cannot be moved must not hold up the others; it comes up again.
        log.error("wallet not moved", kind=kind, subject=str(subject), exc_info=error)


_PENDING = """
SELECT id, rider_id, key, type, amount_minor, currency, description, reference, rate_bp, actor, at
FROM wallet.transaction WHERE id = $1 AND state = 'pending'
"""
_DONE = "DELETE FROM wallet.work WHERE kind = 'transaction' AND subject = $1"


async def _finish(call: Call, transaction_id: UUID) -> None:
    row = await db.one("wallet", call, _PENDING, transaction_id)
    try:
        if row is not None:
            await finish(call, Entry(**row))
    except Unpaid as problem:
        log.info("transaction refused", transaction=str(transaction_id), code=problem.error_code)
    await db.run("wallet", call, _DONE, transaction_id)
