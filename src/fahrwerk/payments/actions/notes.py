"""Write staff's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.notes import LONGEST, Note
from fahrwerk.payments.queries.notes import NOTE
from fahrwerk.payments.queries.sepa import run_of

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_WRITE = f"""
INSERT INTO payments.note (id, subject, text, written_by, written_at) VALUES ($1, $2, $3, $4, $5)
RETURNING {NOTE}
"""


async def note_run(call: Call, run_id: UUID, text: str) -> Note:
    """See the contract."""
    call.require("payments.sepa.write")
    await run_of(call, run_id)
    return await write_note(call, run_id, text)


async def write_note(call: Call, subject: UUID, text: str) -> Note:
    """See the contract."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST:
        raise Invalid(field="text", issue=f"must have 1 to {LONGEST} characters")
    rows = await db.run("payments", call, _WRITE, ids.new(), subject, text, call.actor, clock.now())
    return Note(**rows[0])
