"""Staff's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.notes import Note, NotePage
from fahrwerk.payments.queries.sepa import sepa_run

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

NOTE = "id, text, written_by, written_at"
_PAGE = f"""
SELECT {NOTE} FROM payments.note WHERE tenant_id = kernel.tenant() AND subject = $1
ORDER BY written_at, id LIMIT $2 OFFSET $3
"""
_TOTAL = "SELECT count(*) FROM payments.note WHERE tenant_id = kernel.tenant() AND subject = $1"


async def run_notes(call: Call, run_id: UUID, limit: int, offset: int) -> NotePage:
    """See the contract."""
    await sepa_run(call, run_id)
    return await notes_on(call, run_id, limit, offset)


async def notes_on(call: Call, subject: UUID, limit: int, offset: int) -> NotePage:
    """See the contract."""
    rows = await db.run("payments", call, _PAGE, subject, limit, offset)
    total = await db.run("payments", call, _TOTAL, subject)
    return NotePage([Note(**row) for row in rows], total[0][0])
