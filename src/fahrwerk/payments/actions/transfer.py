"""Send money on to a partner's account: written as sent, called, written with its result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, crash, db, ids, money, outside
from fahrwerk.kernel.errors import Conflict, Invalid
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import LEASE_S
from fahrwerk.payments.contract.ledger import KeyReused
from fahrwerk.payments.gateways import Outcome, _offers
from fahrwerk.payments.queries.transfers import COLUMNS, WRITE, transfer_of
from fahrwerk.payments.rules import MOST_MINOR

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.transfers import Transfer

AGAIN_S = 60.0
# Who has only direct debits beside it still plays with the sandbox, as for cards.
_ACCOUNTS = """
SELECT gateway FROM payments.gateway_account
WHERE tenant_id = kernel.tenant() AND NOT is_disabled AND 'card' = ANY(kinds)
ORDER BY rank, gateway
"""
_SEND = """
WITH made AS (
    INSERT INTO payments.transfer (id, key, gateway, account, amount_minor, currency, begun_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO payments.work (kind, subject, at)
SELECT 'transfer', id, kernel.now() + make_interval(secs => $8) FROM made
RETURNING subject
"""


async def transfer(
    call: Call, account: str, amount_minor: int, currency: str, key: str
) -> Transfer:
    """See the contract."""
    call.require(WRITE)
    if not 1 <= amount_minor <= MOST_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    if currency not in money.DECIMALS or not 1 <= len(key) <= 200 or not 3 <= len(account) <= 100:
        raise Invalid(field="account", issue="key, account or currency is not possible")
    known = await transfer_of(call, key)
    if known is None:
        gateway, transfer_id = await _gateway(call), ids.derived("transfer", call.tenant, key)
        made = await db.run(
            "payments", call, _SEND, transfer_id, key, gateway, account, amount_minor, currency,
            clock.now(), LEASE_S,
        )  # fmt: skip
        if made:
            crash.point("payments.transfer.after_intent")
            await _perform(call, transfer_id, is_new=True)
        known = await transfer_of(call, key)
    about = (account, amount_minor, currency)
    if known is None or (known.account, known.amount_minor, known.currency) != about:
        raise KeyReused(key=key)
    return known


async def _gateway(call: Call) -> str:
    """The first of the operator's gateways that sends money on. Raises ``NoGateway``."""
    rows = await db.run("payments", call, _ACCOUNTS)
    for row in rows:
        if isinstance(gateways.find(row["gateway"]), _offers.WithTransfers):
            return str(row["gateway"])
    if rows:
        raise gateways.NoGateway
    gateways.check_open(gateways.SANDBOX)
    return gateways.SANDBOX


_OPEN = f"""
SELECT {COLUMNS} FROM payments.transfer
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'sent'
"""
_RESULT = """
WITH ended AS (
    UPDATE payments.transfer SET state = $2, ref = $3, reason = $4, ended_at = $5
    WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'sent' RETURNING id
)
DELETE FROM payments.work
WHERE tenant_id = kernel.tenant() AND kind = 'transfer' AND subject = $1
"""
_DONE = """
DELETE FROM payments.work
WHERE tenant_id = kernel.tenant() AND kind = 'transfer' AND subject = $1
"""
_AGAIN = """
WITH asked AS (
    UPDATE payments.transfer SET checks = checks + 1
    WHERE tenant_id = kernel.tenant() AND id = $1
)
UPDATE payments.work SET at = kernel.now() + make_interval(secs => $2)
WHERE tenant_id = kernel.tenant() AND kind = 'transfer' AND subject = $1
"""


async def see_transfer_through(call: Call, transfer_id: UUID) -> None:
    """Find out what became of a transfer; send it again with its key if it never arrived."""
    await _perform(call, transfer_id, is_new=False)


async def _perform(call: Call, transfer_id: UUID, *, is_new: bool) -> None:
    row = await db.one("payments", call, _OPEN, transfer_id)
    if row is None:
        await db.run("payments", call, _DONE, transfer_id)
        return
    outcome = await _asked(call, row, is_new=is_new)
    crash.point("payments.transfer.after_call")
    if outcome.kind not in ("done", "declined"):
        await db.run("payments", call, _AGAIN, transfer_id, AGAIN_S)
        return
    await db.run(
        "payments", call, _RESULT, transfer_id, outcome.kind, outcome.ref, outcome.code,
        clock.now(),
    )  # fmt: skip
    crash.point("payments.transfer.after_result")


async def _asked(call: Call, row: db.Row, *, is_new: bool) -> Outcome:
    account, key = row["account"], row["key"]
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            offer = _offers.with_transfers(row["gateway"])
            known = None if is_new else await offer.read_transfer(call, account, key)
            return known or await offer.transfer(
                call, account, row["amount_minor"], row["currency"], key
            )
    except (TimeoutError, outside.NotReached, outside.OutcomeUnknown):
        return Outcome(kind="unknown")
    except Conflict as problem:
        return Outcome(kind="declined", code=problem.error_code.lower())
