"""Disputes one by one: the evidence against them, and handing it in."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract import disputes as doors
from fahrwerk.payments.contract.disputes import DISPUTE_PREFIX, EVIDENCE_PREFIX

_BODY_BYTES = 1_600_000  # a file of 1 MB in base64, and what goes with it
Kind = Literal["receipt", "ride", "track", "photo", "communication", "description", "other"]


class EvidenceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text, or a file in base64. Of the kind `ride` without either we write the text."""

    kind: Kind
    text: Annotated[str, Meta(min_length=1, max_length=20_000)] | None = None
    file: Annotated[str, Meta(max_length=1_500_000)] | None = None
    """PDF, JPEG or PNG of at most 1 MB."""
    file_name: Annotated[str, Meta(max_length=100, examples=["parking.jpg"])] | None = None

    def __repr__(self) -> str:
        return f"EvidenceRequest({self.kind})"


class EvidenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence."""

    id: str
    kind: str
    text: str | None
    file_name: str | None
    media_type: str | None
    size: int | None
    added_by: str
    added_at: str


class DisputeDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A disputed charge with what was gathered against it."""

    id: str
    gateway: str
    gateway_id: str
    payment_id: str
    amount: float
    currency: str
    reason: str
    status: str
    """needs_response, under_review, won, lost"""
    amount_withdrawn: float
    """Out of the operator's account for it now."""
    fee: float
    evidence_due_at: str | None
    evidence_status: str | None
    """None: not handed in; sent: on its way; done; refused."""
    evidence_handed_in_at: str | None
    evidence_reason: str | None
    """Why it was refused."""
    opened_at: str
    closed_at: str | None
    evidence: list[EvidenceView]


@get("/api/v1/disputes/{dispute_id:str}", permission="payments.dispute.read", tags=["payments"])
async def get_dispute(call: web.Caller, dispute_id: FromPath[str]) -> DisputeDetails:
    """One dispute with its evidence and the date until which that counts."""
    return _view(await doors.dispute(call, ids.parse(dispute_id, DISPUTE_PREFIX)))


@post(
    "/api/v1/disputes/{dispute_id:str}/evidence",
    permission="payments.dispute.write",
    status_code=201,
    tags=["payments"],
    body_bytes=_BODY_BYTES,
    request_max_body_size=_BODY_BYTES,
)
async def post_evidence(
    call: web.Caller, dispute_id: FromPath[str], data: JSONBody[EvidenceRequest]
) -> DisputeDetails:
    """Add a text or a file; 409 when the evidence was handed in or the dispute is decided."""
    wanted = doors.NewEvidence(
        kind=data.kind, text=data.text, file_name=data.file_name, content=_decoded(data.file)
    )
    return _view(await doors.add_evidence(call, ids.parse(dispute_id, DISPUTE_PREFIX), wanted))


@delete(
    "/api/v1/disputes/{dispute_id:str}/evidence/{evidence_id:str}",
    permission="payments.dispute.write",
    status_code=200,
    tags=["payments"],
)
async def delete_evidence(
    call: web.Caller, dispute_id: FromPath[str], evidence_id: FromPath[str]
) -> DisputeDetails:
    """Take a piece of evidence out again, before it is handed in."""
    found = ids.parse(dispute_id, DISPUTE_PREFIX), ids.parse(evidence_id, EVIDENCE_PREFIX)
    return _view(await doors.remove_evidence(call, *found))


@post(
    "/api/v1/disputes/{dispute_id:str}/hand-in",
    permission="payments.dispute.write",
    status_code=200,
    tags=["payments"],
)
async def post_hand_in(call: web.Caller, dispute_id: FromPath[str]) -> DisputeDetails:
    """Hand all evidence in to the gateway, once; look at `evidence_status`."""
    return _view(await doors.hand_in_evidence(call, ids.parse(dispute_id, DISPUTE_PREFIX)))


def _decoded(text: str | None) -> bytes | None:
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(field="file", issue="is not valid base64") from None


def _view(found: doors.DisputeFile) -> DisputeDetails:
    each = found.dispute

    def major(amount: int) -> float:
        return money.to_major(amount, each.currency)

    return DisputeDetails(
        id=ids.public(DISPUTE_PREFIX, each.id),
        gateway=each.gateway,
        gateway_id=each.ref,
        payment_id=ids.public("pay", each.payment_id),
        amount=major(each.amount_minor),
        currency=each.currency,
        reason=each.reason,
        status=each.state,
        amount_withdrawn=major(found.withdrawn_minor),
        fee=major(found.fee_minor),
        evidence_due_at=None if each.evidence_due_at is None else clock.stamp(each.evidence_due_at),
        evidence_status=found.handed_in,
        evidence_handed_in_at=clock.stamp(found.handed_in_at) if found.handed_in_at else None,
        evidence_reason=found.handed_in_reason,
        opened_at=clock.stamp(each.opened_at),
        closed_at=None if each.closed_at is None else clock.stamp(each.closed_at),
        evidence=[
            EvidenceView(
                id=ids.public(EVIDENCE_PREFIX, one.id),
                kind=one.kind,
                text=one.text,
                file_name=one.file_name,
                media_type=one.media_type,
                size=one.size,
                added_by=one.actor,
                added_at=clock.stamp(one.at),
            )
            for one in found.evidence
        ],
    )


handlers = [get_dispute, post_evidence, delete_evidence, post_hand_in]
