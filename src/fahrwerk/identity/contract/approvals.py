"""What needs a second person: asked for by one, decided by another (separation of duties)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that waits for a second person, or what became of it."""

    id: UUID
    kind: str
    """Who carries it out and how: ``payments.refund``."""
    subject: UUID
    permission: str
    """What whoever decides must hold."""
    details: dict[str, Any]
    """What was asked for, as its room understands it. Ids and amounts only."""
    reason: str
    asked_by: UUID
    asked_at: datetime
    expires_at: datetime
    state: str
    """pending -> approved -> done (or failed); or declined, expired"""
    decided_by: UUID | None
    decided_at: datetime | None
    note: str | None
    problem: str | None
    """Why it could not be carried out."""


class ApprovalPage(msgspec.Struct, frozen=True):
    """One page, newest first, and how many there are in all."""

    approvals: list[Approval]
    total: int


class Owed(msgspec.Struct, frozen=True):
    """Something approved that was not carried out yet."""

    tenant: UUID
    id: UUID


class UnknownApproval(NotFound):
    """No such approval with this operator."""

    code = "UNKNOWN_APPROVAL"
    message = "There is no such request for approval."


class OwnWish(Forbidden):
    """Nobody decides on what he asked for himself."""

    code = "SECOND_PERSON_NEEDED"
    message = "Somebody else has to decide on what you asked for."


class AlreadyDecided(Conflict):
    """It was decided otherwise, or its time has run out."""

    code = "APPROVAL_CLOSED"
    message = "This was decided already, or its time has run out."


@action
async def ask_approval(
    call: Call,
    approval_id: UUID,
    kind: str,
    subject: UUID,
    permission: str,
    details: dict[str, Any],
    reason: str,
) -> Approval:
    """Ask for a second person; good for 7 days. The caller is the room that will carry it out.

    Repeating it with the same id answers what is there. Raises ``Conflict`` when the id was used
    for something else, ``Forbidden`` for a call without a person.
    """
    raise AssertionError


@action
async def decide_approval(
    call: Call, approval_id: UUID, is_approved: bool, note: str | None
) -> Approval:
    """Decide as the second person. Needs the approval's own permission.

    The same decision again by the same person is harmless. Raises ``OwnWish``, ``AlreadyDecided``,
    ``Forbidden``, ``UnknownApproval``.
    """
    raise AssertionError


@action
async def finish_approval(call: Call, approval_id: UUID, problem: str | None) -> None:
    """Say that what was approved is carried out, or with which code it cannot be.

    For the room that did it; harmless to repeat.
    """
    raise AssertionError


@query
async def approval(call: Call, approval_id: UUID) -> Approval:
    """One of them. Seen by who asked and who may decide; ``UnknownApproval`` to others."""
    raise AssertionError


@query
async def approvals(call: Call, state: str | None, limit: int, offset: int) -> ApprovalPage:
    """Those the caller asked for, and with ``identity.approval.read`` all of the operator."""
    raise AssertionError


@query
async def owed(call: Call, kind: str) -> list[Owed]:
    """What was approved of a kind and not carried out for a minute; of all operators, at most 100.

    For jobs of the room that carries it out, with a call of no operator.
    """
    raise AssertionError
