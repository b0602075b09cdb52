"""The bank's statements: each booked line is recognised, posted once, and moves what it is about.

A line is one transaction: the line, its journal, the orders it settles or sends back, and the hints
to their payments. Its id is derived from the account, the bank's reference and the amount, and the
journal's key from the id: a statement that is read in again changes nothing.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.payments import gateways
from fahrwerk.payments.actions import _books
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.actions._sepa_orders import COLUMNS, send_back, settle
from fahrwerk.payments.actions.sepa_runs import TURN
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.sepa import Imported
from fahrwerk.payments.gateways import _accounts, _sepa_xml
from fahrwerk.payments.gateways._sepa_xml import Head, Line, Skipped, Status
from fahrwerk.payments.rules import ledger as books
from fahrwerk.payments.rules import sepa as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row, Tx

NAME = "sepa"

_BEGIN = """
INSERT INTO payments.sepa_statement (id, kind, reference, imported_at, imported_by)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_END = """
UPDATE payments.sepa_statement
SET lines = lines + $2, matched = matched + $3, skipped = greatest(skipped, $4), is_complete = true
WHERE tenant_id = kernel.tenant() AND id = $1
"""


class _Count(msgspec.Struct):
    lines: int = 0
    matched: int = 0
    known: int = 0
    skipped: int = 0


async def import_statement(call: Call, content: bytes) -> Imported:
    """See the contract."""
    call.require("payments.sepa.import")
    try:
        account = rules.iban_of((await _accounts.keys_of(call, NAME)).secret)
    except _accounts.NotSetUp:
        raise gateways.NoGateway from None
    await asyncio.to_thread(_check, content, account)
    kind, statement_id = "", ids.new()
    counts: dict[UUID, _Count] = {}
    references: list[str] = []
    for piece in _sepa_xml.read(_sepa_xml.chunks_of(content)):
        if isinstance(piece, Head):
            kind = piece.kind
            statement_id = ids.derived("sepa", call.tenant, account, kind, piece.reference)
            counts.setdefault(statement_id, _Count())
            references.append(piece.reference)
            values = (statement_id, kind, piece.reference, clock.now(), call.actor)
            await db.run("payments", call, _BEGIN, *values)
            continue
        await _take(call, statement_id, piece, counts[statement_id])
    for each, count in counts.items():
        seen = (count.lines, count.matched, count.skipped)
        await db.run("payments", call, _END, each, *seen)
    await finish_runs(call)
    hub.signal(WORK)
    return Imported(
        kind=kind, references=references[:100], lines=sum(c.lines for c in counts.values()),
        matched=sum(c.matched for c in counts.values()),
        known=sum(c.known for c in counts.values()),
        skipped=sum(c.skipped for c in counts.values()),
    )  # fmt: skip


def _check(content: bytes, account: str) -> None:
    """Read all of it once, before anything is posted. Raises ``Invalid``."""
    is_named = False
    for piece in _sepa_xml.read(_sepa_xml.chunks_of(content)):
        if isinstance(piece, Head):
            is_named = True
        elif not is_named:
            raise Invalid(field="body", issue="has no id of its own")
        if isinstance(piece, Line) and piece.account.replace(" ", "").upper() != account:
            raise Invalid(field="body", issue="is the statement of another account")


async def _take(
    call: Call, statement_id: UUID, piece: Line | Status | Skipped, count: _Count
) -> None:
    if isinstance(piece, Skipped):
        count.skipped += 1
        return
    if isinstance(piece, Status):
        rejected = await _reject(call, piece)
        count.lines += 1
        count.matched += 1 if rejected else 0
        return
    found = await _take_line(call, statement_id, piece)
    if found is None:
        count.known += 1
    else:
        count.lines += 1
        count.matched += 1 if found == "matched" else 0


_FINISHED = """
UPDATE payments.sepa_run r SET state = 'settled'
WHERE tenant_id = kernel.tenant() AND state = 'exported' AND NOT EXISTS (
    SELECT FROM payments.sepa_order o
    WHERE o.tenant_id = r.tenant_id AND o.run_id = r.id AND o.state = 'exported')
"""


async def finish_runs(call: Call) -> None:
    """Runs of which everything is settled or back are over."""
    await db.run("payments", call, _FINISHED)


# --- recognising a line


class Match(NamedTuple):
    """What a line is: orders settled by it, or one that came back with a fee."""

    settled: list[Row]
    back: Row | None = None
    fee_minor: int = 0


_BY_REFERENCE = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
WHERE o.tenant_id = kernel.tenant() AND o.end_to_end_id = ANY($1)
  AND o.state IN ('exported', 'settled', 'rejected', 'returned') FOR UPDATE
"""
_OF_BATCH = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
JOIN payments.sepa_run r ON r.tenant_id = o.tenant_id AND r.id = o.run_id
WHERE o.tenant_id = kernel.tenant() AND r.message_id = $1
  AND ($2::text IS NULL OR coalesce(o.sequence, 'SCT') = $2)
  AND o.settled_on IS NULL AND o.state IN ('exported', 'rejected', 'returned')
ORDER BY o.id FOR UPDATE OF o
"""


async def match_of(tx: Tx, line: Line, order_id: UUID | None = None) -> Match | None:
    """What this line is; None: nobody can say."""
    references = [line.end_to_end_id.upper()] if line.end_to_end_id else []
    references += rules.references_in(line.remittance)[:20]
    if order_id is not None:
        orders = await tx.run(_BY_ID, order_id)
    else:
        orders = await tx.run(_BY_REFERENCE, references) if references else []
    if len(orders) == 1:
        return _of_order(orders[0], line)
    if not orders and line.batch_id and line.reason is None and not line.is_reversal:
        message, _, sequence = line.batch_id.upper().rpartition("-")
        return _of_batch(await tx.run(_OF_BATCH, message, sequence), line)
    return None


_BY_ID = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
WHERE o.tenant_id = kernel.tenant() AND o.id = $1
  AND o.state IN ('exported', 'settled', 'rejected', 'returned') FOR UPDATE
"""


def _of_order(order: Row, line: Line) -> Match | None:
    sign = 1 if order["kind"] == "collection" else -1
    amount, moved = order["amount_minor"], sign * line.amount_minor
    if moved > 0:  # the way it was to go
        fits = order["settled_on"] is None and moved == amount and line.reason is None
        return Match([order]) if fits else None
    is_open = sign * order["bank_minor"] > 0
    if sign > 0 and order["settled_on"] is None and order["bank_minor"] == 0:
        is_open = True  # rejects are often debited before the batch is credited, gross
    fee = rules.fee_in(-moved, amount) if sign > 0 else (0 if -moved == amount else None)
    return Match([], order, fee) if is_open and fee is not None else None


def _of_batch(orders: list[Row], line: Line) -> Match | None:
    if not orders or len({order["kind"] for order in orders}) > 1:
        return None
    sign = 1 if orders[0]["kind"] == "collection" else -1
    here = [order for order in orders if order["state"] == "exported"]
    gone = [order for order in orders if order["state"] != "exported"]
    is_all = rules.is_settled_by(
        sign * line.amount_minor, [o["amount_minor"] for o in here],
        [o["amount_minor"] for o in gone],
    )  # fmt: skip
    if is_all is None or not line.amount_minor:
        return None
    return Match(orders if is_all else here)


# --- posting it


_KNOWN = "SELECT state FROM payments.sepa_line WHERE tenant_id = kernel.tenant() AND id = $1"
_STORE = """
INSERT INTO payments.sepa_line
    (id, statement_id, booked_on, amount_minor, currency, bank_ref, end_to_end_id, batch_id, reason,
     remittance, counterparty, state, order_id, run_id, journal_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


@_books.making_accounts
async def _take_line(call: Call, statement_id: UUID, line: Line) -> str | None:
    """Post one line: what became of it; None when it was known."""
    line_id = ids.derived(
        "sepa_line", call.tenant, line.account, line.bank_ref, line.booked_on, line.amount_minor,
        line.currency, line.end_to_end_id or "",
    )  # fmt: skip
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        if await tx.run(_KNOWN, line_id):
            return None
        match = await match_of(tx, line)
        journal = books.checked(journal_of(line_id, line, match, "bank"))
        journal_id, _ = await _books.write(tx.run, call, journal)
        await move(tx, call, match, line)
        moved = [] if match is None else [*match.settled, *filter(None, [match.back])]
        state = "unmatched" if match is None else "matched"
        await tx.run(
            _STORE, line_id, statement_id, line.booked_on, line.amount_minor, line.currency,
            line.bank_ref, line.end_to_end_id, line.batch_id, line.reason, line.remittance,
            line.counterparty, state, moved[0]["id"] if len(moved) == 1 else None,
            moved[0]["run_id"] if moved else None, journal_id,
        )  # fmt: skip
    return state


def journal_of(line_id: UUID, line: Line, match: Match | None, source: str) -> ledger.NewJournal:
    """From ``source`` (bank, or suspense when it had waited there) to what the line is about."""
    at = datetime.combine(line.booked_on, time(12), UTC)
    clearing, amount = line.amount_minor, line.amount_minor
    lines = [ledger.Line(source, amount)]
    if match is None:
        kind = "bank_unmatched"
        lines.append(ledger.Line("suspense", -amount))
    else:
        kind = "bank_settled" if match.back is None else "bank_returned"
        clearing = amount + match.fee_minor
        lines.append(ledger.Line("gateway_clearing", -clearing, NAME))
        lines.append(ledger.Line("fees", match.fee_minor))
    prefix = "sepa:line" if source == "bank" else "sepa:assign"
    return ledger.NewJournal(
        key=f"{prefix}:{line_id}", kind=kind, currency=line.currency, lines=lines, at=at,
        reference=line_id, narration=line.bank_ref[:200],  # journals outlive names (privacy)
    )  # fmt: skip


async def move(tx: Tx, call: Call, match: Match | None, line: Line) -> None:
    """Settle the orders a line is about, or send the one back."""
    if match is None:
        return
    for order in match.settled:
        await settle(tx, order, line.booked_on)
    if match.back is not None:
        order, code = match.back, line.reason or "MS03"
        is_settled = order["settled_on"] is not None
        kind = rules.return_kind(
            code, is_settled, line.is_reversal, order["settled_on"], line.booked_on
        )
        moved = line.amount_minor + match.fee_minor
        await send_back(tx, call, order, code, kind, line.booked_on, moved, match.fee_minor)
    tx.signal(WORK)


_REJECTED = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
JOIN payments.sepa_run r ON r.tenant_id = o.tenant_id AND r.id = o.run_id
WHERE o.tenant_id = kernel.tenant() AND o.state = 'exported'
  AND (o.end_to_end_id = $1 OR r.message_id = $2
       OR r.message_id || '-' || coalesce(o.sequence, 'SCT') = $3)
ORDER BY o.id FOR UPDATE OF o
"""


async def _reject(call: Call, status: Status) -> bool:
    """A rejection before settlement: no money moved. False: nothing of ours, or known."""
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        orders = await tx.run(
            _REJECTED, status.end_to_end_id or "", status.message_id or "", status.batch_id or ""
        )
        today = clock.now().date()
        for order in orders:
            await send_back(tx, call, order, status.code, "reject", today, 0, 0)
        return bool(orders)
