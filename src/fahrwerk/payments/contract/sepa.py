"""Collecting by SEPA direct debit: orders, runs (files for the bank), and the bank's statements.

An *order* is what the bank is to move: a collection, or the credit transfer of a refund. A *run* is
one file: draft -> approved -> exported -> settled. A *line* is a booked movement on a statement;
what nobody recognises waits in suspense until somebody assigns it. Amounts are euro cents.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound

RunKind = Literal["collection", "refund"]


class SepaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator collects; creditor identifier and IBAN are keys of the gateway ``sepa``."""

    creditor_name: str | None = None
    """None = the operator's name."""
    notice_days: int = 2
    """Pre-notification: 1 to 14 calendar days between telling the rider and the debit."""
    lead_days: int = 1
    """1 to 5 bank days between handing in a file and the debit."""
    cut_off_minute: int = 600
    """Minutes after midnight (Europe/Berlin); later files count for the next bank day."""
    most_per_run: int = 1000
    """1 to 5000."""
    is_two_person: bool = False
    """Who drafted a run may not approve it."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One file for the bank."""

    id: UUID
    kind: RunKind
    scheme: str
    """CORE | B2B | SCT (refunds)"""
    state: str
    """draft | approved | exported | settled | cancelled"""
    execute_on: date
    orders: int
    total_minor: int
    message_id: str
    drafted_by: str
    drafted_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    exported_at: datetime | None
    file_digest: str | None
    """SHA-256 of the file, as some banks ask for on the covering note."""


class RunPage(msgspec.Struct, frozen=True):
    """One page of runs, newest first, and how many there are in all."""

    runs: list[Run]
    total: int


class RunFile(msgspec.Struct, frozen=True):
    """An exported file: the same bytes each time."""

    name: str
    content: bytes

    def __repr__(self) -> str:
        return f"RunFile({self.name})"


class SepaOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the bank is to move, or has moved."""

    id: UUID
    kind: RunKind
    payment_id: UUID | None
    mandate_id: UUID
    amount_minor: int
    state: str
    """held | voided | declined | due | netted | batched | exported | settled | rejected |
    returned"""
    reason: str | None
    return_kind: str | None
    """reject | return | refund | reversal"""
    end_to_end_id: str
    collect_on: date | None
    sequence: str | None
    run_id: UUID | None
    settled_on: date | None
    returned_on: date | None
    fee_minor: int
    """What the bank charged for the return."""
    created_at: datetime


class OrderPage(msgspec.Struct, frozen=True):
    """One page of orders, newest first, and how many there are in all."""

    orders: list[SepaOrder]
    total: int


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from one file of the bank."""

    kind: str
    references: list[str]
    """The bank's ids of the statements in it."""
    lines: int
    """New ones; those known before are not counted."""
    matched: int
    known: int
    skipped: int
    """Not booked yet, of another currency, or without a reference of their own."""


class StatementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the bank that was read in."""

    id: UUID
    kind: str
    reference: str
    lines: int
    matched: int
    skipped: int
    imported_at: datetime
    imported_by: str
    is_complete: bool


class StatementPage(msgspec.Struct, frozen=True):
    """One page of statements, newest first, and how many there are in all."""

    statements: list[StatementRecord]
    total: int


class BankLine(msgspec.Struct, frozen=True, kw_only=True):
    """A booked movement of the operator's account."""

    id: UUID
    statement_id: UUID
    booked_on: date
    amount_minor: int
    """Credit positive, debit negative."""
    currency: str
    end_to_end_id: str | None
    reason: str | None
    remittance: str
    counterparty: str
    state: str
    """matched | unmatched | assigned"""
    order_id: UUID | None
    run_id: UUID | None
    journal_id: UUID
    assigned_to: str | None
    assigned_by: str | None


class LinePage(msgspec.Struct, frozen=True):
    """One page of lines, newest first, and how many there are in all."""

    lines: list[BankLine]
    total: int


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a line is: exactly one of an order, a payment that is due, or an account."""

    order_id: UUID | None = None
    payment_id: UUID | None = None
    code: str | None = None
    """Of the chart of accounts, such as ``fees``, ``gateway_clearing``, ``receivables``."""
    owner: str = ""
    note: str = ""


class AnnouncedDebit(msgspec.Struct, frozen=True, kw_only=True):
    """What a pre-notification has to say."""

    amount_minor: int
    currency: str
    collect_on: date
    payment_id: UUID | None
    creditor: str
    creditor_id: str
    mandate_reference: str
    iban_masked: str
    is_coming: bool
    """False: it was given up, made nothing by a refund, or done."""


class UnknownRun(NotFound):
    """No such run."""

    code = "UNKNOWN_RUN"
    message = "There is no such run."


class UnknownLine(NotFound):
    """No such line."""

    code = "UNKNOWN_LINE"
    message = "There is no such line."


class NothingDue(Conflict):
    """No order may be executed by then."""

    code = "NOTHING_DUE"
    message = "Nothing is due by that day."


class RunState(Conflict):
    """The run is in a state that does not allow this."""

    code = "RUN_STATE"
    message = "This run is in another state."


class RunTooLate(Conflict):
    """The bank does not take files for that day any more."""

    code = "RUN_TOO_LATE"
    message = "It is too late for this day. Cancel the run and draft another one."


class SamePerson(Forbidden):
    """Somebody else has to approve it."""

    code = "TWO_PERSONS_NEEDED"
    message = "Who drafted a run may not approve it."


class LineAssigned(Conflict):
    """The line is explained already."""

    code = "LINE_ASSIGNED"
    message = "This line is assigned already."


class LineKept(Conflict):
    """What the bank did for an order, or what paid for a ride, is not taken back."""

    code = "LINE_NOT_RELEASED"
    message = "Only a line that was assigned to an account can be taken back."


class DoesNotFit(Conflict):
    """The amount or the state of the order does not fit the line."""

    code = "LINE_DOES_NOT_FIT"
    message = "This line does not fit what it is to be assigned to."


@action
async def set_sepa_settings(call: Call, wanted: SepaSettings) -> SepaSettings:
    """Replace the settings (permission ``payments.sepa.write``). Raises ``Invalid``."""
    raise AssertionError


@action
async def draft_run(call: Call, kind: RunKind, scheme: str, execute_on: date | None) -> Run:
    """Gather what is due into a new run (permission ``payments.sepa.write``).

    ``scheme``: CORE or B2B, of collections. ``execute_on``: a day TARGET is open and the bank still
    takes files for; None = the earliest. Orders that may be debited only later stay. Raises
    ``NothingDue``, ``Invalid``.
    """
    raise AssertionError


@action
async def approve_run(call: Call, run_id: UUID) -> Run:
    """Release a draft (permission ``payments.sepa.approve``). Harmless to repeat.

    Raises ``UnknownRun``, ``RunState``, ``SamePerson``.
    """
    raise AssertionError


@action
async def cancel_run(call: Call, run_id: UUID) -> Run:
    """Dissolve a run that was not exported; its orders are due again (``payments.sepa.write``).

    Raises ``UnknownRun``, ``RunState``.
    """
    raise AssertionError


@action
async def export_run(call: Call, run_id: UUID) -> Run:
    """Write the file of an approved run (permission ``payments.sepa.write``). Harmless to repeat.

    From here on its orders count as handed in: download it with ``run_file``. Debits whose mandate
    is over meanwhile are left out. Raises ``UnknownRun``, ``RunState``, ``RunTooLate``,
    ``Invalid``.
    """
    raise AssertionError


@action
async def import_statement(call: Call, content: bytes) -> Imported:
    """Read in a camt.053, camt.054 or pain.002 (permission ``payments.sepa.import``).

    All of it is read before anything is posted; each line is posted once, however often it comes,
    in a transaction of its own: what a crash leaves out is posted when it is read in again. Raises
    ``Invalid`` (no such file, malformed, of another account), ``NoGateway``.
    """
    raise AssertionError


@action
async def assign_line(call: Call, line_id: UUID, to: Assignment) -> BankLine:
    """Say what an unmatched line is, out of suspense (permission ``payments.sepa.assign``).

    To a payment: like ``pay_by_hand``, which needs its permission, too. Raises ``UnknownLine``,
    ``LineAssigned``, ``DoesNotFit``, ``NotDue``, ``Invalid``.
    """
    raise AssertionError


@action
async def release_line(call: Call, line_id: UUID, note: str) -> BankLine:
    """Take the assignment of a line to an account back (permission ``payments.sepa.assign``).

    Its journal is reversed and it waits in suspense again, to be assigned anew. Harmless to repeat.
    Raises ``UnknownLine``, ``LineKept``, ``Invalid`` (``note``).
    """
    raise AssertionError


@query
async def sepa_settings(call: Call) -> SepaSettings:
    """The operator's settings (permission ``payments.sepa.read``)."""
    raise AssertionError


@query
async def sepa_runs(call: Call, state: str | None, limit: int, offset: int) -> RunPage:
    """Runs, newest first (permission ``payments.sepa.read``). ``state``: draft, ..."""
    raise AssertionError


@query
async def sepa_run(call: Call, run_id: UUID) -> Run:
    """One run (permission ``payments.sepa.read``). Raises ``UnknownRun``."""
    raise AssertionError


@query
async def run_file(call: Call, run_id: UUID) -> RunFile:
    """The exported file (permission ``payments.sepa.export``). Raises ``UnknownRun``, ``RunState``.

    It has the riders' names and IBANs whole: for the bank only.
    """
    raise AssertionError


@query
async def sepa_orders(
    call: Call, state: str | None, run_id: UUID | None, limit: int, offset: int
) -> OrderPage:
    """Orders, newest first (permission ``payments.sepa.read``)."""
    raise AssertionError


@query
async def announced_debit(call: Call, order_id: UUID) -> AnnouncedDebit:
    """A debit that its rider is told of (permission ``payments.sepa.read``). ``NotFound``."""
    raise AssertionError


@query
async def statements(call: Call, limit: int, offset: int) -> StatementPage:
    """What was read in, newest first (permission ``payments.sepa.read``)."""
    raise AssertionError


@query
async def bank_lines(call: Call, state: str | None, limit: int, offset: int) -> LinePage:
    """Lines, newest first (permission ``payments.sepa.read``). ``state``: unmatched, ..."""
    raise AssertionError
