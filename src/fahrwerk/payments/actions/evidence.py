"""Gather evidence against a dispute, and hand it in to the gateway in three phases."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, crash, db, events, ids, outside, settings
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import LEASE_S, load
from fahrwerk.payments.actions._disputes import follow_dispute
from fahrwerk.payments.contract.disputes import (
    KINDS,
    DisputeAnswered,
    DisputeFile,
    NewEvidence,
    NoEvidence,
)
from fahrwerk.payments.events import EvidenceGiven
from fahrwerk.payments.gateways import Outcome, _offers
from fahrwerk.payments.gateways._offers import Proof
from fahrwerk.payments.queries.disputes import dispute as one_dispute
from fahrwerk.payments.rules import disputes as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WRITE = "payments.dispute.write"
MOST_EVIDENCE, MOST_TEXT, MOST_BYTES = 20, 20_000, 1 << 20
AGAIN_S = 60.0
_TYPES = {b"%PDF-": "application/pdf", b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")

_ADD = """
INSERT INTO payments.evidence
    (id, dispute_id, kind, text, file_name, media_type, content, actor, at)
SELECT $1, d.id, $3, $4, $5, $6, $7, $8, $9 FROM payments.dispute d
WHERE d.tenant_id = kernel.tenant() AND d.id = $2 AND d.state = 'needs_response'
  AND coalesce(d.handed_in, 'refused') = 'refused'
  AND (SELECT count(*) FROM payments.evidence e
       WHERE e.tenant_id = kernel.tenant() AND e.dispute_id = d.id) < $10
RETURNING id
"""


async def add_evidence(call: Call, dispute_id: UUID, wanted: NewEvidence) -> DisputeFile:
    """See the contract."""
    call.require(WRITE)
    if wanted.kind not in KINDS:
        raise Invalid(field="kind", issue=f"must be one of {', '.join(KINDS)}")
    found = await one_dispute(call, dispute_id)
    text, media_type = wanted.text, None
    if text is None and wanted.content is None and wanted.kind == "ride":
        text = await _ride_text(call, found.dispute.payment_id)
    if (text is None) == (wanted.content is None):
        raise Invalid(field="text", issue="either a text or a file")
    if text is not None and not 1 <= len(text.strip()) <= MOST_TEXT:
        raise Invalid(field="text", issue=f"must have 1 to {MOST_TEXT} characters")
    if wanted.content is not None:
        media_type = _media_type(wanted)
    made = await db.run(
        "payments", call, _ADD, ids.new(), dispute_id, wanted.kind, text, wanted.file_name,
        media_type, wanted.content, call.actor, clock.now(), MOST_EVIDENCE,
    )  # fmt: skip
    if not made and len(found.evidence) >= MOST_EVIDENCE:
        raise Invalid(field="evidence", issue=f"at most {MOST_EVIDENCE}")
    if not made:
        raise DisputeAnswered
    return await one_dispute(call, dispute_id)


def _media_type(wanted: NewEvidence) -> str:
    content = wanted.content or b""
    kind = next((kind for head, kind in _TYPES.items() if content.startswith(head)), None)
    if kind is None or len(content) > MOST_BYTES:
        raise Invalid(field="file", issue="must be a PDF, JPEG or PNG of at most 1 MB")
    if not _FILE.fullmatch(wanted.file_name or ""):
        raise Invalid(field="file_name", issue="needs letters, digits, spaces and ._- only")
    return kind


_FACTS = """
SELECT e.name, e.data, p.reference FROM payments.payment p
JOIN kernel.event e ON e.tenant_id = p.tenant_id
 AND e.stream IN ('rental:' || p.reference, 'payment:' || p.id)
WHERE p.tenant_id = kernel.tenant() AND p.id = $1 ORDER BY e.position LIMIT 200
"""


async def _ride_text(call: Call, payment_id: UUID) -> str:
    """What the log tells of the ride, with the places of receipt, track and photos."""
    rows = await db.run("payments", call, _FACTS, payment_id)
    if not any(row["name"] == "rental.ended" for row in rows):
        raise Invalid(field="kind", issue="this payment is for no ride that has ended")
    rental = f"{settings.load().address}/api/v1/rentals/{ids.public('rent', rows[0]['reference'])}"
    links = {"Receipt": f"{rental}/receipt", "Track": f"{rental}/track"}
    return rules.texts_of_ride([(row["name"], row["data"]) for row in rows], links)


_REMOVE = """
DELETE FROM payments.evidence e USING payments.dispute d
WHERE e.tenant_id = kernel.tenant() AND e.id = $2 AND e.dispute_id = $1
  AND d.tenant_id = e.tenant_id AND d.id = e.dispute_id AND d.state = 'needs_response'
  AND coalesce(d.handed_in, 'refused') = 'refused'
RETURNING e.id
"""


async def remove_evidence(call: Call, dispute_id: UUID, evidence_id: UUID) -> DisputeFile:
    """See the contract."""
    call.require(WRITE)
    found = await one_dispute(call, dispute_id)
    if not any(each.id == evidence_id for each in found.evidence):
        raise NotFound
    if not await db.run("payments", call, _REMOVE, dispute_id, evidence_id):
        raise DisputeAnswered
    return await one_dispute(call, dispute_id)


_SEND = """
WITH sent AS (
    UPDATE payments.dispute SET handed_in = 'sent', handed_in_at = $2, handed_in_reason = NULL
    WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'needs_response'
      AND coalesce(handed_in, 'refused') = 'refused' RETURNING id
)
INSERT INTO payments.work (kind, subject, at)
SELECT 'evidence', id, kernel.now() + make_interval(secs => $3) FROM sent
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
RETURNING subject
"""


async def hand_in_evidence(call: Call, dispute_id: UUID) -> DisputeFile:
    """See the contract."""
    call.require(WRITE)
    found = await one_dispute(call, dispute_id)
    _offers.with_evidence(found.dispute.gateway)
    if not found.evidence:
        raise NoEvidence
    if await db.run("payments", call, _SEND, dispute_id, clock.now(), LEASE_S):
        crash.point("payments.evidence.after_intent")
        await see_through(call, dispute_id)
        return await one_dispute(call, dispute_id)
    found = await one_dispute(call, dispute_id)
    if found.handed_in not in ("sent", "done"):
        raise DisputeAnswered
    return found


_PROOFS = """
SELECT d.gateway, d.ref, d.payment_id, e.id, e.kind, e.text, e.file_name, e.media_type, e.content
FROM payments.dispute d
JOIN payments.evidence e ON e.tenant_id = d.tenant_id AND e.dispute_id = d.id
WHERE d.tenant_id = kernel.tenant() AND d.id = $1 AND d.handed_in = 'sent' ORDER BY e.at, e.id
"""
_ENDED = """
UPDATE payments.dispute
SET handed_in = $2, handed_in_reason = $3, version = version + CASE $2 WHEN 'done' THEN 1 ELSE 0 END
WHERE tenant_id = kernel.tenant() AND id = $1 AND handed_in = 'sent' RETURNING version
"""
_DONE = "DELETE FROM payments.work WHERE tenant_id = kernel.tenant() AND kind = 'evidence' " \
        "AND subject = $1"  # fmt: skip
_AGAIN = """
UPDATE payments.work SET at = kernel.now() + make_interval(secs => $2)
WHERE tenant_id = kernel.tenant() AND kind = 'evidence' AND subject = $1
"""


async def see_through(call: Call, dispute_id: UUID) -> None:
    """Send evidence that is to be handed in, with the key it has; write what came of it."""
    rows = await db.run("payments", call, _PROOFS, dispute_id)
    if not rows:
        await db.run("payments", call, _DONE, dispute_id)
        return
    gateway, ref = rows[0]["gateway"], rows[0]["ref"]
    # The same evidence is the same request; another one after a refusal is another.
    key = f"evidence-{ids.derived(dispute_id, *(row['id'] for row in rows)).hex}"
    outcome = await _asked(call, gateway, ref, key, [_proof(row) for row in rows])
    crash.point("payments.evidence.after_call")
    if outcome.kind not in ("done", "declined"):
        await db.run("payments", call, _AGAIN, dispute_id, AGAIN_S)
        return
    state = "done" if outcome.kind == "done" else "refused"
    async with db.tx("payments", call) as tx:
        ended = await tx.run(_ENDED, dispute_id, state, outcome.code)
        await tx.run(_DONE, dispute_id)
        if ended and state == "done":
            fact = EvidenceGiven(
                dispute_id=dispute_id, payment_id=rows[0]["payment_id"], gateway=gateway
            )
            await events.emit(tx, call, f"dispute:{dispute_id}", ended[0]["version"], fact)
    case = await load(call, rows[0]["payment_id"])
    if case is not None and state == "done":
        try:
            await follow_dispute(call, gateway, ref, case)
        except (TimeoutError, outside.NotReached, outside.OutcomeUnknown):
            return  # its webhook, or the next look, tells


def _proof(row: db.Row) -> Proof:
    return Proof(
        kind=row["kind"], text=row["text"], file_name=row["file_name"],
        media_type=row["media_type"], content=row["content"],
    )  # fmt: skip


async def _asked(call: Call, gateway: str, ref: str, key: str, proofs: list[Proof]) -> Outcome:
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            offer = _offers.with_evidence(gateway)
            return await offer.answer_dispute(call, ref, key, proofs)
    except (TimeoutError, outside.NotReached, outside.OutcomeUnknown):
        return Outcome(kind="unknown")
    except Conflict as problem:
        return Outcome(kind="declined", code=problem.error_code.lower())
