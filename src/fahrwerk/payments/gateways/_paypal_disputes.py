"""PayPal's disputes: what it keeps back, and evidence handed in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fahrwerk.payments.gateways import Dispute, Outcome
from fahrwerk.payments.gateways import _paypal_api as api
from fahrwerk.payments.gateways._accounts import keys_of
from fahrwerk.payments.gateways._multipart import Part, body
from fahrwerk.payments.gateways._paypal_api import NAME, Refused, code_of, minor_of, path_of

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._offers import Proof

_STATES: dict[str, Literal["needs_response", "under_review"]] = {
    "OPEN": "needs_response",
    "WAITING_FOR_SELLER_RESPONSE": "needs_response",
}


class Disputes:
    """The part of the adapter that speaks of disputes."""

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        keys = await keys_of(call, NAME)
        try:
            path = f"/v1/customer/disputes/{path_of(ref)}"
            found = await api.ask(keys, "GET", path, api.DisputeObject)
        except Refused:
            return None
        due = found.seller_response_due_date
        return Dispute(
            ref=found.dispute_id,
            amount_minor=minor_of(found.dispute_amount) or 0,
            currency=found.dispute_amount.currency_code,
            reason=found.reason.lower(),
            state=_dispute_state(found),
            opened_at=datetime.fromisoformat(found.create_time),
            evidence_due_at=None if due is None else datetime.fromisoformat(due),
            **_withheld(found),
        )

    async def answer_dispute(self, call: Call, ref: str, key: str, proofs: list[Proof]) -> Outcome:
        keys = await keys_of(call, NAME)
        kind, content = body(_evidence(proofs))
        try:
            path = f"/v1/customer/disputes/{path_of(ref)}/provide-evidence"
            await api.ask(keys, "POST", path, dict[str, Any], key, content, kind)
        except Refused as refused:
            return Outcome(kind="declined", code=code_of(refused.issue))
        return Outcome(kind="done", ref=ref)


def _dispute_state(
    found: api.DisputeObject,
) -> Literal["needs_response", "under_review", "won", "lost"]:
    if found.status != "RESOLVED":
        return _STATES.get(found.status, "under_review")
    outcome = str((found.dispute_outcome or {}).get("outcome_code", ""))
    return "lost" if outcome == "RESOLVED_BUYER_FAVOUR" else "won"


def _withheld(found: api.DisputeObject) -> dict[str, Any]:
    """PayPal keeps the amount back from a chargeback until it is decided; an inquiry moves none."""
    state = _dispute_state(found)
    if found.dispute_life_cycle_stage == "INQUIRY" and state != "lost":
        return {}
    amount = minor_of(found.dispute_amount) or 0
    return {"withdrawn_minor": 0 if state == "won" else amount, "moves": 2 if state == "won" else 1}


_EVIDENCE = {"receipt": "PROOF_OF_RECEIPT_COPY", "ride": "PROOF_OF_FULFILLMENT"}


def _evidence(proofs: list[Proof]) -> list[Part]:
    """Notes and files as PayPal wants them: a JSON that names the files that follow it."""
    files = [p for p in proofs if p.content is not None]
    evidences = [
        {
            "evidence_type": _EVIDENCE.get(proof.kind, "OTHER"),
            "notes": (proof.text or proof.kind)[:2_000],
            "documents": [{"name": proof.file_name}] if proof.content is not None else [],
        }
        for proof in proofs
    ]
    said = Part("input", msgspec.json.encode({"evidences": evidences}), "application/json")
    return [said] + [
        Part(f"file{n}", p.content or b"", p.media_type, p.file_name)
        for n, p in enumerate(files, 1)
    ]
