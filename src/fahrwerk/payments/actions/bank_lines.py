"""Lines of bank statements that nobody recognised: a person says what they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions import _books
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.actions.pay_by_hand import pay_by_hand
from fahrwerk.payments.actions.sepa_runs import TURN
from fahrwerk.payments.actions.statements import finish_runs, journal_of, match_of, move
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.sepa import (
    Assignment,
    BankLine,
    DoesNotFit,
    LineAssigned,
    LineKept,
    UnknownLine,
)
from fahrwerk.payments.gateways._sepa_xml import Line
from fahrwerk.payments.queries.sepa import LINE, line_of
from fahrwerk.payments.rules import BY_HAND
from fahrwerk.payments.rules import ledger as books

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

ASSIGN = "payments.sepa.assign"

_LOCK = f"""
SELECT {LINE}, bank_ref, assignments, assigned_journal FROM payments.sepa_line
WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_ASSIGN = f"""
UPDATE payments.sepa_line
SET state = 'assigned', order_id = $2, assigned_to = $3, assigned_by = $4, assigned_journal = $5,
    payment_id = $6, assignments = assignments + 1
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {LINE}
"""


async def assign_line(call: Call, line_id: UUID, to: Assignment) -> BankLine:
    """See the contract."""
    call.require(ASSIGN)
    line = await _line(call, line_id)
    if sum(each is not None for each in (to.order_id, to.payment_id, to.code)) != 1:
        raise Invalid(field="to", issue="must be one of an order, a payment or an account")
    if len(to.note) > 200 or len(to.owner) > 80:
        raise Invalid(field="note", issue="must not be longer than 200 characters")
    if to.code is not None:
        books.chart_of(to.code)
        if to.code in books.PURSE or to.code in ("bank", "suspense"):
            raise Invalid(field="code", issue="is no account that a bank line can be put on")
    if to.order_id is not None and not await db.run("payments", call, _IS_ORDER, to.order_id):
        raise NotFound
    if to.payment_id is not None:
        if line.state != "unmatched":
            raise LineAssigned
        if line.amount_minor <= 0:
            raise DoesNotFit("Only money that came in can pay.")
        note = to.note.strip() or f"bank line of {line.booked_on}"
        await pay_by_hand(call, to.payment_id, line.amount_minor, note, str(line_id))
        to = msgspec.structs.replace(to, code="gateway_clearing", owner=BY_HAND)
    found = await _assigned(call, line_id, to)
    await finish_runs(call)
    hub.signal(WORK)
    return found


async def _line(call: Call, line_id: UUID) -> BankLine:
    row = await db.one("payments", call, _SEEN, line_id)
    if row is None:
        raise UnknownLine
    return line_of(row)


_IS_ORDER = "SELECT id FROM payments.sepa_order WHERE tenant_id = kernel.tenant() AND id = $1"
_SEEN = f"SELECT {LINE} FROM payments.sepa_line WHERE tenant_id = kernel.tenant() AND id = $1"


@_books.making_accounts
async def _assigned(call: Call, line_id: UUID, to: Assignment) -> BankLine:
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        row = await tx.one(_LOCK, line_id)
        if row is None:
            raise UnknownLine
        if row["state"] != "unmatched":
            raise LineAssigned
        line = Line(
            account="", booked_on=row["booked_on"], amount_minor=row["amount_minor"],
            currency=row["currency"], bank_ref=row["bank_ref"], reason=row["reason"],
            remittance=row["remittance"],
        )  # fmt: skip
        if to.order_id is not None:
            match = await match_of(tx, line, to.order_id)
            if match is None:
                raise DoesNotFit
            journal = journal_of(line_id, line, match, "suspense")
            target = f"order {to.order_id}"
            await move(tx, call, match, line)
        else:
            code, target = to.code or "", " ".join(filter(None, [to.code, to.owner, to.note]))
            out = ledger.Line(code, -line.amount_minor, to.owner)
            journal = msgspec.structs.replace(
                journal_of(line_id, line, None, "suspense"), kind="bank_assigned",
                lines=[ledger.Line("suspense", line.amount_minor), out],
            )  # fmt: skip
        if row["assignments"]:
            key = f"{journal.key}:{row['assignments']}"
            journal = msgspec.structs.replace(journal, key=key)
        journal_id, _ = await _books.write(tx.run, call, books.checked(journal))
        is_account = to.order_id is None and to.payment_id is None
        rows = await tx.run(
            _ASSIGN, line_id, to.order_id, target[:300], call.actor,
            journal_id if is_account else None, to.payment_id,
        )  # fmt: skip
    return line_of(rows[0])


_MOVED = """
SELECT a.code, a.owner, e.amount_minor, e.at FROM payments.entry e
JOIN payments.account a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE e.tenant_id = kernel.tenant() AND e.journal_id = $1
"""
_RELEASE = f"""
UPDATE payments.sepa_line
SET state = 'unmatched', assigned_to = NULL, assigned_by = NULL, assigned_journal = NULL
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {LINE}
"""


async def release_line(call: Call, line_id: UUID, note: str) -> BankLine:
    """See the contract."""
    call.require(ASSIGN)
    if not 1 <= len(note.strip()) <= 200:
        raise Invalid(field="note", issue="must have 1 to 200 characters")
    return await _released(call, line_id, note.strip())


@_books.making_accounts
async def _released(call: Call, line_id: UUID, note: str) -> BankLine:
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        row = await tx.one(_LOCK, line_id)
        if row is None:
            raise UnknownLine
        if row["state"] == "unmatched" and row["assignments"]:
            return _seen(row)
        if row["state"] != "assigned" or row["assigned_journal"] is None:
            raise LineKept
        moved = await tx.run(_MOVED, row["assigned_journal"])
        mirror = ledger.NewJournal(
            key=f"sepa:release:{line_id}:{row['assignments']}", kind="bank_released",
            currency=row["currency"], reference=line_id, narration=note,
            lines=[ledger.Line(x["code"], -x["amount_minor"], x["owner"]) for x in moved],
            at=max([clock.now(), *(x["at"] for x in moved)]),
        )  # fmt: skip
        # Reversed in the ledger already, the books are right and only the line is not.
        with suppress(ledger.AlreadyReversed):
            await _books.write(tx.run, call, books.checked(mirror), row["assigned_journal"])
        return line_of((await tx.run(_RELEASE, line_id))[0])


def _seen(row: db.Row) -> BankLine:
    return line_of({name: row[name] for name in BankLine.__struct_fields__})
