"""Disputes at the sandbox: the owner of ``tok_createDispute`` disputes every charge.

Part of the far side of the wire, like ``_sandbox_server``. The amount and a fee are withdrawn at
once. Evidence with the word ``winning_evidence`` wins, ``losing_evidence`` loses, any other stays
under review; nobody answering in time loses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db
from fahrwerk.payments.gateways import Dispute
from fahrwerk.payments.gateways import _sandbox_webhooks as webhooks
from fahrwerk.payments.gateways._sandbox_webhooks import short

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

FEE_MINOR = 1_500
DAYS = 7
_OPEN = """
INSERT INTO payments.sandbox_dispute
    (ref, intent, amount, currency, reason, state, withdrawn, fee, moves, due_at, opened_at)
SELECT $1, ref, captured, currency, 'fraudulent', 'needs_response', captured, $3, 1,
       kernel.now() + make_interval(days => $4), $5
FROM payments.sandbox_intent WHERE tenant_id = kernel.tenant() AND ref = $2 AND captured > 0
ON CONFLICT DO NOTHING RETURNING ref
"""


async def open_dispute(call: Call, intent: str, key: str) -> None:
    """The cardholder does not know this charge, which was captured under ``key``."""
    ref = f"dp_{short(call, intent)}"
    if await db.run("payments", call, _OPEN, ref, intent, FEE_MINOR, DAYS, clock.now()):
        await webhooks.announce(call, "dispute.created", key, 0.0, ref)


_LOOK = """
WITH late AS (
    UPDATE payments.sandbox_dispute SET state = 'lost'
    WHERE tenant_id = kernel.tenant() AND ref = $1 AND state = 'needs_response'
      AND due_at < kernel.now() RETURNING ref
)
SELECT ref, amount, currency, reason, withdrawn, fee, moves, due_at, opened_at,
       CASE WHEN EXISTS (SELECT FROM late) THEN 'lost' ELSE state END AS state
FROM payments.sandbox_dispute WHERE tenant_id = kernel.tenant() AND ref = $1
"""


async def look(call: Call, ref: str) -> Dispute | None:
    """A dispute as it stands."""
    row = await db.one("payments", call, _LOOK, ref)
    if row is None:
        return None
    return Dispute(
        ref=row["ref"], amount_minor=row["amount"], currency=row["currency"],
        reason=row["reason"], state=row["state"], opened_at=row["opened_at"],
        evidence_due_at=row["due_at"], withdrawn_minor=row["withdrawn"], fee_minor=row["fee"],
        moves=row["moves"],
    )  # fmt: skip


_ANSWER = """
UPDATE payments.sandbox_dispute
SET evidence = $2, state = $3, withdrawn = CASE $3 WHEN 'won' THEN 0 ELSE withdrawn END,
    moves = moves + CASE $3 WHEN 'won' THEN 1 ELSE 0 END
WHERE tenant_id = kernel.tenant() AND ref = $1 AND state = 'needs_response' AND evidence IS NULL
RETURNING ref
"""
_ANSWERED = """
SELECT evidence->>'key' AS key FROM payments.sandbox_dispute
WHERE tenant_id = kernel.tenant() AND ref = $1
"""


async def answer(call: Call, ref: str, key: str, texts: list[str], files: int) -> str | None:
    """Take evidence in, once per key; why not, or None."""
    words = " ".join(texts)
    state = "under_review"
    if "winning_evidence" in words:
        state = "won"
    elif "losing_evidence" in words:
        state = "lost"
    given = {"key": key, "texts": len(texts), "files": files}
    if await db.run("payments", call, _ANSWER, ref, given, state):
        return None
    row = await db.one("payments", call, _ANSWERED, ref)
    if row is None:
        return "no_such_dispute"
    return None if row["key"] == key else "dispute_already_answered"
