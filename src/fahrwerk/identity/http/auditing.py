"""The audit log over HTTP: search, export, verify (GDP-07, GDP-08)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from fahrwerk.identity.contract import auditing as contract
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.audit import Entry, Wanted
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

AT_ONCE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Text = Annotated[str, QueryParameter(max_length=100)]
Since = Annotated[datetime | None, QueryParameter(name="from", description="ISO 8601, with offset")]
Until = Annotated[datetime | None, QueryParameter(name="to", description="ISO 8601, with offset")]


class EntryView(msgspec.Struct, frozen=True):
    """One row of the log."""

    id: str
    at: str
    actor: str
    """``usr_...``, or a room of the house."""
    roles: list[str]
    action: str
    subject: str
    outcome: str
    """``done``, ``seen``, an error code; ``begun``: its end was never written."""
    request_id: str
    address: str
    detail: dict[str, Any] | None
    """``before`` and ``after`` of a change."""
    seq: int | None
    """Its place in the chain; null for a few seconds."""


class Log(msgspec.Struct, frozen=True):
    """Rows, newest first; ``next`` goes on behind them."""

    entries: list[EntryView]
    next: str | None


@get("/api/v1/audit", permission="identity.audit.read", tags=["identity"])
async def list_audit(
    call: web.Caller,
    actor: Text = "",
    action: Annotated[
        str, QueryParameter(max_length=100, description="its beginning: payments.")
    ] = "",
    subject: Text = "",
    outcome: Text = "",
    since: Since = None,
    until: Until = None,
    after: Annotated[str, QueryParameter(max_length=80, description="from next")] = "",
    limit: web.Limit = 50,
) -> Log:
    """Who did what to what, from where, with what outcome; newest first (GDP-08)."""
    wanted = _wanted(actor, action, subject, outcome, since, until)
    found = await contract.audit_entries(call, wanted, _place(after), limit)
    return Log([_view(each) for each in found], _next(found) if len(found) == limit else None)


@get(
    "/api/v1/audit/export",
    permission="identity.audit.export",
    media_type="text/csv",
    tags=["identity"],
)
async def export_audit(
    call: web.Caller,
    file: Annotated[Literal["csv", "ndjson"], QueryParameter(name="format")] = "csv",
    actor: Text = "",
    action: Text = "",
    subject: Text = "",
    outcome: Text = "",
    since: Since = None,
    until: Until = None,
) -> Stream:
    """The log, or what was asked for of it, as a file; newest first. That it was taken is logged.

    ``csv``: all cells quoted, formulas made harmless. ``ndjson``: one JSON object a line.
    """
    wanted = _wanted(actor, action, subject, outcome, since, until)
    await contract.note_audit_export(call, file)
    patient = msgspec.structs.replace(call, deadline=float("inf"))
    media = "text/csv; charset=utf-8" if file == "csv" else "application/x-ndjson"
    return Stream(
        _lines(patient, wanted, file),
        media_type=media,
        headers={
            "content-disposition": f'attachment; filename="audit.{file}"',
            "cache-control": "no-store",
        },
    )


class Verified(msgspec.Struct, frozen=True):
    """``holds``; or the first place of the chain that does not."""

    holds: bool
    broken_at: int | None


@get(
    "/api/v1/audit/verification",
    permission="identity.audit.read",
    limit="auth",
    tags=["identity"],
)
async def verify_audit(call: web.Caller) -> Verified:
    """Recompute the chain of your log, from its first row (I11)."""
    found = await contract.audit_standing(call)
    return Verified(found.broken_at is None, found.broken_at)


def _wanted(
    actor: str, action: str, subject: str, outcome: str,
    since: datetime | None, until: datetime | None,
) -> Wanted:  # fmt: skip
    for name, at in (("from", since), ("to", until)):
        if at is not None:
            clock.of_our_days(name, at)
    return Wanted(actor or None, action or None, subject or None, outcome or None, since, until)


def _place(after: str) -> tuple[datetime, UUID] | None:
    if not after:
        return None
    micros, _, row = after.partition(".")
    try:
        return _EPOCH + int(micros) * _MICROSECOND, ids.parse(row, "log")
    except (NotFound, ValueError, OverflowError):
        raise Invalid(field="after", issue="is not from an earlier answer") from None


def _next(found: list[Entry]) -> str:
    last = found[-1]
    return f"{(last.at - _EPOCH) // _MICROSECOND}.{ids.public('log', last.id)}"


def _view(entry: Entry) -> EntryView:
    return EntryView(
        ids.public("log", entry.id), entry.at.isoformat(), entry.actor, entry.roles, entry.action,
        entry.subject, entry.outcome, entry.request_id, entry.address, entry.detail, entry.seq,
    )  # fmt: skip


async def _lines(call: Call, wanted: Wanted, form: str) -> AsyncIterator[bytes]:
    if form == "csv":
        yield _row(list(EntryView.__struct_fields__))
    after: tuple[datetime, UUID] | None = None
    while found := await contract.audit_entries(call, wanted, after, AT_ONCE):
        views = [_view(each) for each in found]
        if form == "csv":
            yield b"".join(_row(_cells(each)) for each in views)
        else:
            yield b"".join(msgspec.json.encode(each) + b"\n" for each in views)
        after = (found[-1].at, found[-1].id)


def _cells(view: EntryView) -> list[str]:
    values = msgspec.structs.asdict(view)
    values["roles"] = " ".join(view.roles)
    values["detail"] = msgspec.json.encode(view.detail).decode() if view.detail else ""
    return ["" if value is None else str(value) for value in values.values()]


def _row(cells: list[str]) -> bytes:
    """All cells quoted, and none a formula for a spreadsheet."""
    text = io.StringIO(newline="")
    harmless = [f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells]
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(harmless)
    return text.getvalue().encode()


handlers = [list_audit, export_audit, verify_audit]
