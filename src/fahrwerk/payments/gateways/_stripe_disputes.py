"""Stripe's disputes: what they have moved, and evidence handed in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fahrwerk.payments.gateways import Dispute, Outcome
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._accounts import keys_of
from fahrwerk.payments.gateways._multipart import Part, body
from fahrwerk.payments.gateways._stripe_api import NAME, Refused, path_of

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._accounts import Keys
    from fahrwerk.payments.gateways._offers import Proof

MOST_TEXT = 20_000
_STATES: dict[str, Literal["needs_response", "under_review", "won", "lost"]] = {
    "warning_needs_response": "needs_response",
    "needs_response": "needs_response",
    "warning_under_review": "under_review",
    "under_review": "under_review",
    "warning_closed": "won",
    "won": "won",
    "prevented": "won",
    "lost": "lost",
}
_TEXTS = {"track": "access_activity_log", "description": "product_description"}
"""Where our kinds of texts go at Stripe; all others to ``uncategorized_text``."""
_FILES = {
    "receipt": "receipt",
    "photo": "service_documentation",
    "communication": "customer_communication",
}
"""One file each; all others to ``uncategorized_file``."""


class Disputes:
    """The part of the adapter that speaks of disputes."""

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        keys = await keys_of(call, NAME)
        try:
            found = await api.get(
                keys, f"/v1/disputes/{path_of(ref)}", api.DisputeObject, expand=["charge"]
            )
        except Refused:
            return None
        due = found.evidence_details.due_by
        moves = found.balance_transactions
        is_debit = isinstance(found.charge, api.Charge) and found.charge.is_debit
        return Dispute(
            ref=found.id,
            amount_minor=found.amount,
            currency=found.currency.upper(),
            reason=found.reason,
            state=_STATES.get(found.status, "needs_response"),
            opened_at=datetime.fromtimestamp(found.created, UTC),
            evidence_due_at=None if not due else datetime.fromtimestamp(due, UTC),
            # A debit that comes back is final: its capture is returned, and the books say so there.
            withdrawn_minor=0 if is_debit else -sum(each.amount for each in moves),
            fee_minor=sum(each.fee for each in moves),
            moves=len(moves),
            is_return=is_debit and found.status == "lost",
        )

    async def answer_dispute(self, call: Call, ref: str, key: str, proofs: list[Proof]) -> Outcome:
        keys = await keys_of(call, NAME)
        evidence: dict[str, Any] = texts_of(proofs)
        try:
            for number, proof in enumerate(p for p in proofs if p.content is not None):
                field = _FILES.get(proof.kind, "uncategorized_file")
                if field not in evidence:
                    evidence[field] = await _upload(keys, f"{key}-{number}", proof)
            found = await api.post(
                keys, f"/v1/disputes/{path_of(ref)}", key, api.DisputeObject,
                evidence=evidence, submit=True,
            )  # fmt: skip
        except Refused as refused:
            return Outcome(kind="declined", code=refused.code)
        return Outcome(kind="done", ref=found.id)


def texts_of(proofs: list[Proof]) -> dict[str, str]:
    """Our texts under Stripe's names; several of a kind one after the other."""
    texts: dict[str, str] = {}
    for proof in proofs:
        if proof.text is not None:
            field = _TEXTS.get(proof.kind, "uncategorized_text")
            texts[field] = f"{texts.get(field, '')}\n\n{proof.text}".strip()[:MOST_TEXT]
    return texts


async def _upload(keys: Keys, key: str, proof: Proof) -> str:
    kind, content = body(
        [
            Part("purpose", b"dispute_evidence"),
            Part("file", proof.content or b"", proof.media_type, proof.file_name),
        ]
    )
    return (await api.upload(keys, key, kind, content)).id
