"""Answering disputes: evidence is gathered here, and handed in to the gateway in time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound
from fahrwerk.payments.contract.gateways import DisputeRecord

DISPUTE_PREFIX, EVIDENCE_PREFIX = "dsp", "evd"
KINDS = ("receipt", "ride", "track", "photo", "communication", "description", "other")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A text, or a file (whose bytes are not shown again)."""

    id: UUID
    kind: str
    text: str | None
    file_name: str | None
    media_type: str | None
    size: int | None
    """Of the file, in bytes."""
    actor: str
    at: datetime


class NewEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What to add: a text, or a file of at most 1 MB (PDF, JPEG or PNG).

    Of the kind ``ride`` without either, the text is written from what the log tells of the ride.
    """

    kind: str
    text: str | None = None
    file_name: str | None = None
    content: bytes | None = None

    def __repr__(self) -> str:
        return f"NewEvidence({self.kind})"


class DisputeFile(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute with its evidence and what it has moved so far."""

    dispute: DisputeRecord
    withdrawn_minor: int
    fee_minor: int
    handed_in: str | None
    """None | sent (on its way) | done | refused"""
    handed_in_at: datetime | None
    handed_in_reason: str | None
    evidence: list[Evidence]


class UnknownDispute(NotFound):
    """The operator has no such dispute."""

    code = "UNKNOWN_DISPUTE"
    message = "There is no such dispute."


class DisputeAnswered(Conflict):
    """It is decided, or its evidence is handed in already."""

    code = "DISPUTE_ANSWERED"
    message = "The evidence for this dispute cannot be changed any more."


class NoEvidence(Conflict):
    """There is nothing to hand in."""

    code = "NO_EVIDENCE"
    message = "Add some evidence first."


@query
async def dispute(call: Call, dispute_id: UUID) -> DisputeFile:
    """One dispute (permission ``payments.dispute.read``). Raises ``UnknownDispute``."""
    raise AssertionError


@action
async def add_evidence(call: Call, dispute_id: UUID, wanted: NewEvidence) -> DisputeFile:
    """Add a text or a file (permission ``payments.dispute.write``), at most 20 of them.

    Raises ``UnknownDispute``, ``DisputeAnswered``, ``Invalid``.
    """
    raise AssertionError


@action
async def remove_evidence(call: Call, dispute_id: UUID, evidence_id: UUID) -> DisputeFile:
    """Take one out again. Like ``add_evidence``; ``NotFound``."""
    raise AssertionError


@action
async def hand_in_evidence(call: Call, dispute_id: UUID) -> DisputeFile:
    """Hand all of it in to the gateway, once (permission ``payments.dispute.write``).

    A repeat answers how it stands; while the gateway has not answered, a worker goes on with the
    same key. Raises ``UnknownDispute``, ``DisputeAnswered`` (decided), ``NoEvidence``,
    ``NotOffered`` (to be answered in the gateway's dashboard).
    """
    raise AssertionError
