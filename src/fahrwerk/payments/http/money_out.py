"""Money that went out over HTTP, for staff: refunds that failed, and transfers to partners."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.payments.contract import refunds as doors
from fahrwerk.payments.contract import transfers
from fahrwerk.payments.http import views

All = Annotated[bool, QueryParameter(name="all", description="Those that are dealt with, too")]
State = Annotated[Literal["sent", "done", "declined"] | None, QueryParameter(name="status")]


class FailedRefundView(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that the gateway refused, or that came back from the rider's bank."""

    key: str
    payment_id: str
    booking_id: str
    user_id: str
    gateway: str
    amount: float
    currency: str
    reason: str
    asked_at: str
    failed_at: str
    answer: str | None
    """repeated, by_hand, dropped; while that is not carried out it stays in the list."""
    note: str | None


class FailedRefundsView(msgspec.Struct, frozen=True):
    """A page of failed refunds, newest first."""

    refunds: list[FailedRefundView]
    pagination: web.Pagination


class RefundAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do about it: ask the gateway again, record what was paid out by hand, or nothing."""

    answer: doors.Answer
    note: Annotated[str, Meta(min_length=1, max_length=200)]


class TransferView(msgspec.Struct, frozen=True, kw_only=True):
    """Money sent on to a partner's account at a gateway."""

    id: str
    key: str
    """Of who asked for it: a payout's."""
    gateway: str
    account: str
    amount: float
    currency: str
    status: str
    """sent (the gateway has not said), done, declined"""
    reference: str | None
    reason: str | None
    begun_at: str
    ended_at: str | None


class TransfersView(msgspec.Struct, frozen=True):
    """A page of transfers, newest first."""

    transfers: list[TransferView]
    pagination: web.Pagination


@get("/api/v1/failed-refunds", permission="payments.refund.create", tags=["payments"])
async def list_failed_refunds(
    call: web.Caller, everything: All = False, limit: web.Limit = 50, offset: web.Offset = 0
) -> FailedRefundsView:
    """Refunds that riders did not get (PAY-13); with `all` also those that are dealt with."""
    page = await doors.failed_refunds(call, everything, limit, offset)
    rows = [
        FailedRefundView(
            key=each.key, payment_id=ids.public("pay", each.payment_id),
            booking_id=ids.public("rent", each.reference),
            user_id=ids.public("usr", each.rider_id), gateway=each.gateway,
            amount=money.to_major(each.amount_minor, each.currency), currency=each.currency,
            reason=each.reason, asked_at=clock.stamp(each.asked_at),
            failed_at=clock.stamp(each.failed_at), answer=each.answer, note=each.note,
        )
        for each in page.refunds
    ]  # fmt: skip
    return FailedRefundsView(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/api/v1/failed-refunds/{refund_key:str}/answer",
    permission="payments.refund.create",
    status_code=200,
    tags=["payments"],
)
async def post_refund_answer(
    call: web.Caller, refund_key: FromPath[str], data: JSONBody[RefundAnswer]
) -> views.Payment:
    """Ask the gateway again, record that it was paid out by hand, or leave it. Repeatable.

    409 REFUND_ANSWERED when somebody decided otherwise, 400 REFUND_FAILED when it is refused again
    (which is listed anew), 503 PAYMENT_PENDING while the gateway has not answered.
    """
    done = await doors.answer_refund(call, refund_key[:200], data.answer, data.note)
    return views.payment(done)


@get("/api/v1/transfers", permission="payments.transfer.read", tags=["payments"])
async def list_transfers(
    call: web.Caller, status: State = None, limit: web.Limit = 50, offset: web.Offset = 0
) -> TransfersView:
    """Money sent on to partners (PAY-15), newest first."""
    page = await transfers.transfers(call, status, limit, offset)
    rows = [
        TransferView(
            id=ids.public("trf", each.id), key=each.key, gateway=each.gateway,
            account=each.account, amount=money.to_major(each.amount_minor, each.currency),
            currency=each.currency, status=each.state, reference=each.ref, reason=each.reason,
            begun_at=clock.stamp(each.begun_at),
            ended_at=None if each.ended_at is None else clock.stamp(each.ended_at),
        )
        for each in page.transfers
    ]  # fmt: skip
    return TransfersView(rows, web.pagination(page.total, limit, offset, len(rows)))


handlers = [list_failed_refunds, post_refund_answer, list_transfers]
