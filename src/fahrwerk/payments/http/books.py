"""The books for staff: accounts, trial balance, statements, journals and their reversal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.kernel.call import Call
from fahrwerk.payments.contract import ledger

CSV_PAGE = 1_000

CodeFilter = Annotated[
    str | None, QueryParameter(max_length=100, description="bank, revenue.1900, ...")
]
OwnerFilter = Annotated[
    str | None,
    QueryParameter(max_length=100, description="A rider's or reseller's id, a gateway's name"),
]
AsOf = Annotated[
    datetime | None, QueryParameter(name="as_of", description="Balances as they were at this time")
]
Since = Annotated[
    datetime | None, QueryParameter(name="from", description="From this time on (ISO 8601)")
]
Until = Annotated[
    datetime | None, QueryParameter(name="to", description="Until before this time (ISO 8601)")
]
After = Annotated[
    str | None, QueryParameter(max_length=200, description="`next` of the page before")
]


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account; its balance in the sign people expect (docs/books.md)."""

    id: str
    code: str
    owner: str | None
    kind: str
    """asset, liability, income, expense"""
    currency: str
    balance: float
    held: float
    """Kept for something under way, now."""
    entries: int


class Accounts(msgspec.Struct, frozen=True):
    """A page of accounts, by code and owner."""

    accounts: list[AccountView]
    pagination: web.Pagination


class TrialRow(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of a code: ``opening + debit - credit = closing``, debit positive."""

    code: str
    kind: str
    currency: str
    opening: float
    debit: float
    credit: float
    closing: float


class TrialBalance(msgspec.Struct, frozen=True):
    """Each currency's openings, and closings, are zero in sum; debits are as much as credits."""

    rows: list[TrialRow]
    is_balanced: bool


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: either a debit or a credit, and the account's balance after it."""

    journal_id: str
    kind: str
    reference: str | None
    at: str
    narration: str
    debit: float | None
    credit: float | None
    balance: float


class Entries(msgspec.Struct, frozen=True):
    """A page of an account's entries, newest first; ``next`` is null on the last one."""

    account: AccountView
    entries: list[EntryView]
    next: str | None


class JournalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a journal."""

    account_id: str
    code: str
    owner: str | None
    currency: str
    debit: float | None
    credit: float | None


class OpenItemView(msgspec.Struct, frozen=True, kw_only=True):
    """Money in suspense that waits for a person."""

    kind: str
    """bank_line (assign it), failed_refund (of a top-up; answer it)"""
    id: str
    """Of the line, or of the payment."""
    debit: float | None
    credit: float | None
    currency: str
    since: str
    is_late: bool
    """For more than five bank days."""


class OpenItems(msgspec.Struct, frozen=True):
    """A page of open items, the oldest first."""

    open_items: list[OpenItemView]
    pagination: web.Pagination


class JournalView(msgspec.Struct, frozen=True, kw_only=True):
    """One posting; never changed, at most reversed by another one."""

    id: str
    key: str
    kind: str
    reference: str | None
    at: str
    posted_at: str
    narration: str
    actor: str
    reverses: str | None
    reversed_by: str | None
    lines: list[JournalLine]


@get("/api/v1/books/accounts", permission="payments.ledger.read", tags=["payments"])
async def list_book_accounts(
    call: web.Caller,
    code: CodeFilter = None,
    owner: OwnerFilter = None,
    as_of: AsOf = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> Accounts:
    """The operator's accounts with their balances, now or at a time."""
    as_of = _time("as_of", as_of)
    page = await ledger.accounts(call, code, owner, as_of, limit, offset)
    rows = [_account(each) for each in page.accounts]
    return Accounts(rows, web.pagination(page.total, limit, offset, len(rows)))


@get(
    "/api/v1/books/trial-balance",
    permission="payments.ledger.read",
    limit="analytics",
    tags=["payments"],
)
async def get_trial_balance(
    call: web.Caller, since: Since = None, until: Until = None
) -> TrialBalance:
    """All codes: what they opened with, what happened in the period, what they closed with."""
    lines = await ledger.trial_balance(call, _time("from", since), _time("to", until))
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.closing_minor
    return TrialBalance([_trial(line) for line in lines], not any(sums.values()))


@get(
    "/api/v1/books/trial-balance.csv",
    permission="payments.ledger.read",
    limit="analytics",
    media_type="text/csv",
    tags=["payments"],
)
async def export_trial_balance(
    call: web.Caller, since: Since = None, until: Until = None
) -> Stream:
    """The trial balance as CSV (UTF-8, all cells quoted)."""
    lines = await ledger.trial_balance(call, _time("from", since), _time("to", until))
    rows = [list(TrialRow.__struct_fields__)]
    for line in lines:
        rows.append([str(cell) for cell in msgspec.structs.astuple(_trial(line))])

    async def written() -> AsyncIterator[bytes]:
        yield _csv(rows)

    return _file(written(), "trial-balance.csv")


@get(
    "/api/v1/books/accounts/{account_id:str}/entries",
    permission="payments.ledger.read",
    limit="analytics",
    tags=["payments"],
)
async def list_entries(
    call: web.Caller,
    account_id: FromPath[str],
    since: Since = None,
    until: Until = None,
    after: After = None,
    limit: web.Limit = 50,
) -> Entries:
    """The statement of an account, newest first; go on with ``after`` = ``next``."""
    account = ids.parse(account_id, ledger.ACCOUNT_PREFIX)
    found = await ledger.statement(
        call, account, _time("from", since), _time("to", until), after, limit
    )
    currency = found.account.currency
    return Entries(
        _account(found.account), [_entry(line, currency) for line in found.lines], found.after
    )


@get(
    "/api/v1/books/accounts/{account_id:str}/entries.csv",
    permission="payments.ledger.read",
    limit="analytics",
    media_type="text/csv",
    tags=["payments"],
)
async def export_entries(
    call: web.Caller, account_id: FromPath[str], since: Since = None, until: Until = None
) -> Stream:
    """The whole statement as CSV (UTF-8, all cells quoted), newest first."""
    account = ids.parse(account_id, ledger.ACCOUNT_PREFIX)
    period = _time("from", since), _time("to", until)
    first = await ledger.statement(call, account, *period, None, CSV_PAGE)
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    return _file(_pages(patient, first, period), "entries.csv")


@get(
    "/api/v1/books/journals/{journal_id:str}", permission="payments.ledger.read", tags=["payments"]
)
async def get_journal(call: web.Caller, journal_id: FromPath[str]) -> JournalView:
    """One journal with its lines."""
    return journal_view(await ledger.journal(call, ids.parse(journal_id, ledger.JOURNAL_PREFIX)))


@get("/api/v1/books/open-items", permission="payments.ledger.read", tags=["payments"])
async def list_open_items(
    call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0
) -> OpenItems:
    """What in suspense waits for a person: bank lines to assign, refunds that came back."""
    page = await ledger.open_items(call, limit, offset)
    rows = [_open_item(each) for each in page.items]
    return OpenItems(rows, web.pagination(page.total, limit, offset, len(rows)))


# --- shapes


def _time(field: str, at: datetime | None) -> datetime | None:
    return None if at is None else clock.of_our_days(field, at)


def _account(account: ledger.Account) -> AccountView:
    return AccountView(
        id=ids.public(ledger.ACCOUNT_PREFIX, account.id),
        code=account.code,
        owner=account.owner or None,
        kind=account.kind,
        currency=account.currency,
        balance=money.to_major(account.balance_minor, account.currency),
        held=money.to_major(account.held_minor, account.currency),
        entries=account.entries,
    )


def _trial(line: ledger.TrialLine) -> TrialRow:
    currency = line.currency
    return TrialRow(
        code=line.code,
        kind=line.kind,
        currency=currency,
        opening=money.to_major(line.opening_minor, currency),
        debit=money.to_major(line.debit_minor, currency),
        credit=money.to_major(line.credit_minor, currency),
        closing=money.to_major(line.closing_minor, currency),
    )


def _sides(amount_minor: int, currency: str) -> tuple[float | None, float | None]:
    """An amount as debit or as credit."""
    value = money.to_major(abs(amount_minor), currency)
    return (value, None) if amount_minor > 0 else (None, value)


def _open_item(item: ledger.OpenItem) -> OpenItemView:
    debit, credit = _sides(item.amount_minor, item.currency)
    return OpenItemView(
        kind=item.kind,
        id=item.subject,
        debit=debit,
        credit=credit,
        currency=item.currency,
        since=clock.stamp(item.since),
        is_late=item.is_late,
    )


def _entry(line: ledger.StatementLine, currency: str) -> EntryView:
    debit, credit = _sides(line.amount_minor, currency)
    return EntryView(
        journal_id=ids.public(ledger.JOURNAL_PREFIX, line.journal_id),
        kind=line.kind,
        reference=str(line.reference) if line.reference else None,
        at=clock.stamp(line.at),
        narration=line.narration,
        debit=debit,
        credit=credit,
        balance=money.to_major(line.balance_minor, currency),
    )


def journal_view(journal: ledger.Journal) -> JournalView:
    lines = []
    for line in journal.lines:
        debit, credit = _sides(line.amount_minor, line.currency)
        lines.append(
            JournalLine(
                account_id=ids.public(ledger.ACCOUNT_PREFIX, line.account_id),
                code=line.code, owner=line.owner or None, currency=line.currency,
                debit=debit, credit=credit,
            )
        )  # fmt: skip
    prefix = ledger.JOURNAL_PREFIX
    return JournalView(
        id=ids.public(prefix, journal.id),
        key=journal.key,
        kind=journal.kind,
        reference=str(journal.reference) if journal.reference else None,
        at=clock.stamp(journal.at),
        posted_at=clock.stamp(journal.posted_at),
        narration=journal.narration,
        actor=journal.actor,
        reverses=ids.public(prefix, journal.reverses) if journal.reverses else None,
        reversed_by=ids.public(prefix, journal.reversed_by) if journal.reversed_by else None,
        lines=lines,
    )


# --- files

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"-?[0-9.]+")


def _safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _csv(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([_safe(c) for c in row] for row in rows)
    return text.getvalue().encode()


async def _pages(
    call: Call, page: ledger.Statement, period: tuple[datetime | None, datetime | None]
) -> AsyncIterator[bytes]:
    yield _csv([list(EntryView.__struct_fields__)])
    while True:
        entries = [_entry(line, page.account.currency) for line in page.lines]
        yield _csv(
            ["" if cell is None else str(cell) for cell in msgspec.structs.astuple(each)]
            for each in entries
        )
        if page.after is None:
            return
        page = await ledger.statement(call, page.account.id, *period, page.after, CSV_PAGE)


def _file(written: AsyncIterator[bytes], name: str) -> Stream:
    return Stream(
        written,
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


handlers = [
    list_book_accounts,
    get_trial_balance,
    export_trial_balance,
    list_entries,
    export_entries,
    get_journal,
    list_open_items,
]
