"""Notes on runs to the bank."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.payments.contract import notes as doors


class RunNoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to note."""

    text: Annotated[str, Meta(min_length=1, max_length=doors.LONGEST)]


class RunNote(msgspec.Struct, frozen=True, kw_only=True):
    """What staff wrote for each other."""

    id: str
    text: str
    written_by: str
    written_at: str


class RunNotes(msgspec.Struct, frozen=True):
    """A page of notes, oldest first."""

    notes: list[RunNote]
    pagination: web.Pagination


@get(
    "/api/v1/payments/sepa/runs/{run_id:str}/notes", permission="payments.sepa.read",
    tags=["payments"],
)  # fmt: skip
async def list_run_notes(
    call: web.Caller, run_id: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> RunNotes:
    """What staff noted on a run, oldest first."""
    page = await doors.run_notes(call, ids.parse(run_id, "run"), limit, offset)
    rows = [_note(each) for each in page.notes]
    return RunNotes(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/api/v1/payments/sepa/runs/{run_id:str}/notes", permission="payments.sepa.write",
    status_code=201, tags=["payments"],
)  # fmt: skip
async def post_run_note(
    call: web.Caller, run_id: FromPath[str], data: JSONBody[RunNoteBody]
) -> RunNote:
    """Note something on a run; it stays as it is."""
    return _note(await doors.note_run(call, ids.parse(run_id, "run"), data.text))


def _note(note: doors.Note) -> RunNote:
    return RunNote(
        id=ids.public(doors.NOTE_PREFIX, note.id),
        text=note.text,
        written_by=note.written_by,
        written_at=clock.stamp(note.written_at),
    )


handlers = [list_run_notes, post_run_note]
