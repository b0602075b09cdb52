"""What staff write for each other about a run to the bank, or a payout of the wallet's room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query

LONGEST = 500
NOTE_PREFIX = "note"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A note; nobody changes or deletes it."""

    id: UUID
    text: str
    written_by: str
    written_at: datetime


class NotePage(msgspec.Struct, frozen=True):
    """One page of notes, oldest first, and how many there are in all."""

    notes: list[Note]
    total: int


@query
async def run_notes(call: Call, run_id: UUID, limit: int, offset: int) -> NotePage:
    """The notes on a run (permission ``payments.sepa.read``). Raises ``UnknownRun``."""
    raise AssertionError


@action
async def note_run(call: Call, run_id: UUID, text: str) -> Note:
    """Write a note on a run (permission ``payments.sepa.write``).

    Raises ``UnknownRun``, ``Invalid`` (nothing, or more than 500 characters).
    """
    raise AssertionError


@query
async def notes_on(call: Call, subject: UUID, limit: int, offset: int) -> NotePage:
    """The notes on something of another room, which says who may read them."""
    raise AssertionError


@action
async def write_note(call: Call, subject: UUID, text: str) -> Note:
    """Write a note on something of another room, which knows it and who may. ``Invalid``."""
    raise AssertionError
