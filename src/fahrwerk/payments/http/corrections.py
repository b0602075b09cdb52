"""Journals taken back: at once, or with a second person."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.identity.contract.approvals import Approval
from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.contract import corrections, ledger
from fahrwerk.payments.http.books import JournalView
from fahrwerk.payments.http.books import journal_view as shown


class ReversalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the journal is taken back."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class PendingReversal(msgspec.Struct, frozen=True):
    """A reversal that waits for a second person."""

    approval_id: str
    status: str
    amount: float
    currency: str
    expires_at: str


class Agreeing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to say about it; kept with the approval."""

    note: Annotated[str, Meta(max_length=200)] | None = None


@post(
    "/api/v1/books/journals/{journal_id:str}/reverse",
    permission="payments.ledger.write",
    status_code=201,
    responses={202: ResponseSpec(PendingReversal, description="Waits for a second person")},
    tags=["payments"],
)
async def post_reversal(
    call: web.Caller, journal_id: FromPath[str], data: JSONBody[ReversalRequest]
) -> Response[JournalView]:
    """Take a journal back by its mirror; the answer is the reversal. It is done once: 409 after.

    What a gateway did (capture, refund) is not reversed but refunded: 409 NOT_REVERSIBLE. Balance
    that was granted and is spent in part: 400 INSUFFICIENT_BALANCE. Above the operator's refund
    limit it answers 202: somebody else has to approve it.
    """
    found = ids.parse(journal_id, ledger.JOURNAL_PREFIX)
    # Without a key, the person: their own repeat finds the reversal, anybody else's is refused.
    key = f"{found}:{call.key or f'{call.actor}:{found}'}"[:180]
    asked = await corrections.ask_reversal(call, found, data.reason, key)
    if asked.reversal is not None:
        return Response(shown(asked.reversal), status_code=201)
    if asked.approval is None:
        raise NotFound
    pending: Response[Any] = Response(_pending(asked.approval), status_code=202)
    return pending


@post(
    "/api/v1/reversal-approvals/{approval_id:str}/approve",
    permission="payments.ledger.approve",
    status_code=200,
    tags=["payments"],
)
async def approve_reversal(
    call: web.Caller, approval_id: FromPath[str], data: JSONBody[Agreeing]
) -> JournalView:
    """Approve taking a journal back that somebody else asked for, and do it. Repeatable.

    403 ``SECOND_PERSON_NEEDED`` for one's own, 409 ``APPROVAL_CLOSED``. To decline:
    ``/api/v1/approvals/{id}/decline``.
    """
    wish = ids.parse(approval_id, "apr")
    return shown(await corrections.approve_reversal(call, wish, data.note))


def _pending(approval: Approval) -> PendingReversal:
    currency = str(approval.details["currency"])
    return PendingReversal(
        ids.public("apr", approval.id), approval.state,
        money.to_major(int(approval.details["amount_minor"]), currency), currency,
        clock.stamp(approval.expires_at),
    )  # fmt: skip


handlers = [post_reversal, approve_reversal]
