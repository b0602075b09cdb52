"""Collecting by direct debit over HTTP: settings, orders, runs and their files, statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post, put
from litestar.datastructures import State
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody
from msgspec import Meta

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.contract import sepa as doors
from fahrwerk.payments.gateways import _sepa_bank
from fahrwerk.payments.gateways.sepa import TOKEN

MOST_BYTES = 8 << 20
XML = "application/xml"
OrderState = Literal["held", "voided", "declined", "due", "netted", "batched", "exported",
                     "settled", "rejected", "returned"]  # fmt: skip
RunState = Literal["draft", "approved", "exported", "settled", "cancelled"]
Code = Annotated[str, Meta(pattern="^[A-Z]{2}[0-9]{2}$", examples=["AM04", "MD06"])]


class SepaSettingsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How direct debits are collected; account and creditor identifier: `PUT /gateways/sepa`."""

    creditor_name: Annotated[str, Meta(min_length=1, max_length=70)] | None = None
    notice_days: Annotated[int, Meta(ge=1, le=14)] = 2
    """Between telling the rider and the debit."""
    lead_days: Annotated[int, Meta(ge=1, le=5)] = 1
    """Bank days between handing in a file and the debit."""
    cut_off_minute: Annotated[int, Meta(ge=0, le=1439)] = 600
    """After midnight in Berlin: later files count for the next bank day."""
    most_per_run: Annotated[int, Meta(ge=1, le=5000)] = 1000
    two_person: bool = False
    """Who drafted a run may not approve it."""


class RunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to gather into a file: debits of one scheme, or credit transfers of refunds."""

    kind: doors.RunKind = "collection"
    scheme: Literal["CORE", "B2B"] = "CORE"
    execute_on: date | None = None
    """A day banks settle (TARGET); not given: the earliest."""


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One file for the bank."""

    id: str
    kind: str
    scheme: str
    status: str
    """draft, approved, exported, settled, cancelled"""
    execute_on: str
    orders: int
    total: float
    currency: str
    message_id: str
    drafted_by: str
    drafted_at: str
    approved_by: str | None
    approved_at: str | None
    exported_at: str | None
    sha256: str | None


class RunsView(msgspec.Struct, frozen=True):
    """A page of runs, newest first."""

    runs: list[RunView]
    pagination: web.Pagination


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """What the bank is to move, or has moved."""

    id: str
    kind: str
    payment_id: str | None
    mandate_id: str
    amount: float
    currency: str
    status: str
    reason: str | None
    """The bank's code."""
    return_kind: str | None
    """reject, return, refund, reversal"""
    end_to_end_id: str
    collect_on: str | None
    sequence: str | None
    run_id: str | None
    settled_on: str | None
    returned_on: str | None
    fee: float
    created_at: str


class OrdersView(msgspec.Struct, frozen=True):
    """A page of orders, newest first."""

    orders: list[OrderView]
    pagination: web.Pagination


class ImportedView(msgspec.Struct, frozen=True):
    """What was read from the file; what was known before is not posted again."""

    kind: str
    references: list[str]
    lines: int
    matched: int
    known: int
    skipped: int


class StatementView(msgspec.Struct, frozen=True):
    """A file of the bank that was read in."""

    id: str
    kind: str
    reference: str
    lines: int
    matched: int
    skipped: int
    imported_at: str
    imported_by: str
    complete: bool


class StatementsView(msgspec.Struct, frozen=True):
    """A page of statements, newest first."""

    statements: list[StatementView]
    pagination: web.Pagination


class PlayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Be the bank of an exported run: which of its debits come back, and why."""

    booked_on: date | None = None
    returns: Annotated[dict[str, Code], Meta(max_length=5000)] = {}
    settled: bool = True
    """False: a later statement, with the returns only."""
    number: Annotated[int, Meta(ge=1, le=9999)] = 1


@get("/api/v1/payments/sepa/settings", permission="payments.sepa.read", tags=["payments"])
async def get_sepa_settings(call: web.Caller) -> SepaSettingsBody:
    """How direct debits are collected."""
    return _settings(await doors.sepa_settings(call))


@put("/api/v1/payments/sepa/settings", permission="payments.sepa.write", tags=["payments"])
async def put_sepa_settings(call: web.Caller, data: JSONBody[SepaSettingsBody]) -> SepaSettingsBody:
    """Replace the settings; what is announced already keeps its day."""
    wanted = doors.SepaSettings(
        creditor_name=data.creditor_name,
        notice_days=data.notice_days,
        lead_days=data.lead_days,
        cut_off_minute=data.cut_off_minute,
        most_per_run=data.most_per_run,
        is_two_person=data.two_person,
    )
    return _settings(await doors.set_sepa_settings(call, wanted))


@post(
    "/api/v1/payments/sepa/runs", permission="payments.sepa.write", status_code=201,
    tags=["payments"],
)  # fmt: skip
async def post_sepa_run(call: web.Caller, data: JSONBody[RunRequest]) -> RunView:
    """Gather what is due into a draft; 409 `NOTHING_DUE` when there is nothing."""
    return _run(await doors.draft_run(call, data.kind, data.scheme, data.execute_on))


@get("/api/v1/payments/sepa/runs", permission="payments.sepa.read", tags=["payments"])
async def list_sepa_runs(
    call: web.Caller,
    status: Annotated[RunState | None, QueryParameter(name="status")] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> RunsView:
    """Runs, newest first; `status=draft` are those that wait to be approved."""
    page = await doors.sepa_runs(call, status, limit, offset)
    rows = [_run(each) for each in page.runs]
    return RunsView(rows, web.pagination(page.total, limit, offset, len(rows)))


@get("/api/v1/payments/sepa/runs/{run_id:str}", permission="payments.sepa.read", tags=["payments"])
async def get_sepa_run(call: web.Caller, run_id: FromPath[str]) -> RunView:
    """One run."""
    return _run(await doors.sepa_run(call, ids.parse(run_id, "run")))


@post(
    "/api/v1/payments/sepa/runs/{run_id:str}/approve", permission="payments.sepa.approve",
    status_code=200, tags=["payments"],
)  # fmt: skip
async def approve_sepa_run(call: web.Caller, run_id: FromPath[str]) -> RunView:
    """Release a draft to be handed in."""
    return _run(await doors.approve_run(call, ids.parse(run_id, "run")))


@post(
    "/api/v1/payments/sepa/runs/{run_id:str}/cancel", permission="payments.sepa.write",
    status_code=200, tags=["payments"],
)  # fmt: skip
async def cancel_sepa_run(call: web.Caller, run_id: FromPath[str]) -> RunView:
    """Dissolve a run that was not exported; its orders are due again."""
    return _run(await doors.cancel_run(call, ids.parse(run_id, "run")))


@post(
    "/api/v1/payments/sepa/runs/{run_id:str}/export", permission="payments.sepa.write",
    status_code=200, tags=["payments"],
)  # fmt: skip
async def export_sepa_run(call: web.Caller, run_id: FromPath[str]) -> RunView:
    """Write the file of an approved run; from here on it counts as handed in."""
    return _run(await doors.export_run(call, ids.parse(run_id, "run")))


@get(
    "/api/v1/payments/sepa/runs/{run_id:str}/file", permission="payments.sepa.export",
    media_type=XML, tags=["payments"],
)  # fmt: skip
async def get_sepa_file(call: web.Caller, run_id: FromPath[str]) -> Response[bytes]:
    """The file for the bank (pain.008 or pain.001): the same bytes at each download."""
    found = await doors.run_file(call, ids.parse(run_id, "run"))
    headers = {
        "content-disposition": f'attachment; filename="{found.name}"',
        "cache-control": "no-store",
    }
    return Response(found.content, media_type=XML, headers=headers)


@get("/api/v1/payments/sepa/orders", permission="payments.sepa.read", tags=["payments"])
async def list_sepa_orders(
    call: web.Caller,
    status: Annotated[OrderState | None, QueryParameter(name="status")] = None,
    run_id: FromQuery[str | None] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> OrdersView:
    """What the bank is to move, or has moved; newest first."""
    run = None if run_id is None else ids.parse(run_id, "run")
    page = await doors.sepa_orders(call, status, run, limit, offset)
    rows = [_order(each) for each in page.orders]
    return OrdersView(rows, web.pagination(page.total, limit, offset, len(rows)))


@dataclass
class _TakesCamt(Operation):
    """Says in the OpenAPI document that the body is a file of the bank."""

    def __post_init__(self) -> None:
        what = Schema(type=OpenAPIType.STRING, description="camt.053, camt.054 or pain.002.")
        self.request_body = RequestBody(content={XML: OpenAPIMediaType(schema=what)}, required=True)


@post(
    "/api/v1/payments/sepa/statements",
    operation_class=_TakesCamt,
    permission="payments.sepa.import",
    unkeyed=True,
    request_max_body_size=MOST_BYTES,
    body_bytes=MOST_BYTES,
    status_code=200,
    tags=["payments"],
)
async def post_bank_statement(call: web.Caller, body: RawBody) -> ImportedView:
    """Read in a statement of the bank (camt.053, camt.054) or a status report (pain.002).

    Body: the XML file, at most 8 MB (`fahrwerk sepa import` takes larger ones). What was read in
    before is known and not posted again.
    """
    found = await doors.import_statement(call, body)
    return ImportedView(
        found.kind, found.references, found.lines, found.matched, found.known, found.skipped
    )


@get("/api/v1/payments/sepa/statements", permission="payments.sepa.read", tags=["payments"])
async def list_bank_statements(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> StatementsView:
    """Files that were read in, newest first."""
    page = await doors.statements(call, limit, offset)
    rows = [
        StatementView(
            ids.public("stm", each.id), each.kind, each.reference, each.lines, each.matched,
            each.skipped, clock.stamp(each.imported_at), each.imported_by, each.is_complete,
        )
        for each in page.statements
    ]  # fmt: skip
    return StatementsView(rows, web.pagination(page.total, limit, offset, len(rows)))


@post(
    "/dev/sepa/runs/{run_id:str}/play",
    permission="payments.sandbox.write",
    status_code=200,
    include_in_schema=False,
)
async def post_play(
    call: web.Caller,
    run_id: FromPath[str],
    data: JSONBody[PlayRequest],
    request: Request[Any, Any, State],
) -> Response[bytes]:
    """Play the bank: the camt.053 that answers this run; only where ``settings.dev`` is on."""
    if not request.app.state.settings.dev:
        raise NotFound
    found = ids.parse(run_id, "run")
    run = await doors.sepa_run(call, found)
    file = await doors.run_file(call, found)
    day = data.booked_on or run.execute_on
    made = _sepa_bank.statement(
        file.content, day, data.returns, number=data.number, is_settled=data.settled
    )
    return Response(made, media_type=XML)


def _settings(own: doors.SepaSettings) -> SepaSettingsBody:
    return SepaSettingsBody(
        own.creditor_name, own.notice_days, own.lead_days, own.cut_off_minute, own.most_per_run,
        own.is_two_person,
    )  # fmt: skip


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _run(run: doors.Run) -> RunView:
    return RunView(
        id=ids.public("run", run.id),
        kind=run.kind,
        scheme=run.scheme,
        status=run.state,
        execute_on=run.execute_on.isoformat(),
        orders=run.orders,
        total=money.to_major(run.total_minor, "EUR"),
        currency="EUR",
        message_id=run.message_id,
        drafted_by=run.drafted_by,
        drafted_at=clock.stamp(run.drafted_at),
        approved_by=run.approved_by,
        approved_at=None if run.approved_at is None else clock.stamp(run.approved_at),
        exported_at=None if run.exported_at is None else clock.stamp(run.exported_at),
        sha256=run.file_digest,
    )


def _order(order: doors.SepaOrder) -> OrderView:
    return OrderView(
        id=ids.public("sdo", order.id),
        kind=order.kind,
        payment_id=None if order.payment_id is None else ids.public("pay", order.payment_id),
        mandate_id=ids.public(TOKEN, order.mandate_id),
        amount=money.to_major(order.amount_minor, "EUR"),
        currency="EUR",
        status=order.state,
        reason=order.reason,
        return_kind=order.return_kind,
        end_to_end_id=order.end_to_end_id,
        collect_on=_day(order.collect_on),
        sequence=order.sequence,
        run_id=None if order.run_id is None else ids.public("run", order.run_id),
        settled_on=_day(order.settled_on),
        returned_on=_day(order.returned_on),
        fee=money.to_major(order.fee_minor, "EUR"),
        created_at=clock.stamp(order.created_at),
    )


handlers = [
    get_sepa_settings,
    put_sepa_settings,
    post_sepa_run,
    list_sepa_runs,
    get_sepa_run,
    approve_sepa_run,
    cancel_sepa_run,
    export_sepa_run,
    get_sepa_file,
    list_sepa_orders,
    post_bank_statement,
    list_bank_statements,
    post_play,
]
