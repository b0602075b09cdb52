"""Lines of bank statements over HTTP: what nobody recognised is explained by a person."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import ids, money, web
from fahrwerk.payments.contract import sepa as doors

LineState = Literal["matched", "unmatched", "assigned"]
Id = Annotated[str, Meta(min_length=1, max_length=80)]


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """A booked movement of the operator's account; credit is positive."""

    id: str
    statement_id: str
    booked_on: str
    amount: float
    currency: str
    end_to_end_id: str | None
    reason: str | None
    text: str
    counterparty: str
    status: str
    """matched, unmatched, assigned"""
    order_id: str | None
    run_id: str | None
    journal_id: str
    assigned_to: str | None
    assigned_by: str | None


class LinesView(msgspec.Struct, frozen=True):
    """A page of lines, newest first."""

    lines: list[LineView]
    pagination: web.Pagination


class AssignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the line is: one of an order, a payment that is due, an account of the books."""

    order_id: Id | None = None
    payment_id: Id | None = None
    account: Annotated[str, Meta(max_length=60, examples=["fees"])] | None = None
    owner: Annotated[str, Meta(max_length=80)] = ""
    note: Annotated[str, Meta(max_length=200)] = ""


class ReleaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the line was on the wrong account."""

    note: Annotated[str, Meta(min_length=1, max_length=200)]


@get("/api/v1/payments/sepa/lines", permission="payments.sepa.read", tags=["payments"])
async def list_bank_lines(
    call: web.Caller,
    status: Annotated[LineState | None, QueryParameter(name="status")] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> LinesView:
    """Lines of statements, newest first; `status=unmatched` are those that wait in suspense."""
    page = await doors.bank_lines(call, status, limit, offset)
    rows = [_line(each) for each in page.lines]
    return LinesView(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/api/v1/payments/sepa/lines/{line_id:str}/assign", permission="payments.sepa.assign",
    status_code=200, tags=["payments"],
)  # fmt: skip
async def assign_bank_line(
    call: web.Caller, line_id: FromPath[str], data: JSONBody[AssignRequest]
) -> LineView:
    """Say what a line is that nobody recognised: out of suspense, to where it belongs."""
    to = doors.Assignment(
        order_id=None if data.order_id is None else ids.parse(data.order_id, "sdo"),
        payment_id=None if data.payment_id is None else ids.parse(data.payment_id, "pay"),
        code=data.account,
        owner=data.owner,
        note=data.note,
    )
    return _line(await doors.assign_line(call, ids.parse(line_id, "stl"), to))


@post(
    "/api/v1/payments/sepa/lines/{line_id:str}/release", permission="payments.sepa.assign",
    status_code=200, tags=["payments"],
)  # fmt: skip
async def release_bank_line(
    call: web.Caller, line_id: FromPath[str], data: JSONBody[ReleaseRequest]
) -> LineView:
    """Take back that a line was put on an account; it can be assigned anew. Repeatable.

    409 LINE_NOT_RELEASED for a line that settled an order or paid for a ride.
    """
    return _line(await doors.release_line(call, ids.parse(line_id, "stl"), data.note))


def _line(line: doors.BankLine) -> LineView:
    return LineView(
        id=ids.public("stl", line.id),
        statement_id=ids.public("stm", line.statement_id),
        booked_on=line.booked_on.isoformat(),
        amount=money.to_major(line.amount_minor, line.currency),
        currency=line.currency,
        end_to_end_id=line.end_to_end_id,
        reason=line.reason,
        text=line.remittance,
        counterparty=line.counterparty,
        status=line.state,
        order_id=None if line.order_id is None else ids.public("sdo", line.order_id),
        run_id=None if line.run_id is None else ids.public("run", line.run_id),
        journal_id=ids.public("jrn", line.journal_id),
        assigned_to=line.assigned_to,
        assigned_by=line.assigned_by,
    )


handlers = [list_bank_lines, assign_bank_line, release_bank_line]
