"""Notes on payouts of resellers, for staff."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.payments.contract import notes
from fahrwerk.wallet.contract import resellers as contract


class PayoutNoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to note."""

    text: Annotated[str, Meta(min_length=1, max_length=notes.LONGEST)]


class PayoutNote(msgspec.Struct, frozen=True, kw_only=True):
    """What staff wrote for each other."""

    id: str
    text: str
    written_by: str
    written_at: str


class PayoutNotes(msgspec.Struct, frozen=True):
    """One page of notes, oldest first."""

    notes: list[PayoutNote]
    pagination: web.Pagination


def _note(note: notes.Note) -> PayoutNote:
    return PayoutNote(
        id=ids.public(notes.NOTE_PREFIX, note.id),
        text=note.text,
        written_by=note.written_by,
        written_at=clock.stamp(note.written_at),
    )


@get(
    "/api/v1/reseller-payouts/{payout_id:str}/notes",
    permission="wallet.reseller.read",
    tags=["wallet"],
)
async def list_payout_notes(
    call: web.Caller, payout_id: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> PayoutNotes:
    """What staff noted on a payout, oldest first."""
    wanted = ids.parse(payout_id, contract.PAYOUT_PREFIX)
    page = await contract.payout_notes(call, wanted, limit, offset)
    shown = [_note(each) for each in page.notes]
    return PayoutNotes(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/reseller-payouts/{payout_id:str}/notes",
    permission="wallet.payout.create",
    status_code=201,
    tags=["wallet"],
)
async def post_payout_note(
    call: web.Caller, payout_id: FromPath[str], data: JSONBody[PayoutNoteBody]
) -> PayoutNote:
    """Note something on a payout; it stays as it is."""
    wanted = ids.parse(payout_id, contract.PAYOUT_PREFIX)
    return _note(await contract.note_payout(call, wanted, data.text))


handlers = [list_payout_notes, post_payout_note]
