"""Debts: opened, dunned, paid, written off; each move is one transaction, and safe to repeat.

The payment says what is owed, the debt how far its dunning is. Whenever a payment in trouble is
written, a row of the queue says so in the same statement; who takes it brings the debt in line. A
charge of the dunning is an attempt of the payment like any other, so nothing is charged twice: the
step says how many authorisations there were, and is done when there is one more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock, crash, db, events, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import rules as cases
from fahrwerk.payments.actions._case import WORK, load
from fahrwerk.payments.actions._work import begin, drive
from fahrwerk.payments.contract import PaymentUnknown
from fahrwerk.payments.contract.debts import Debt, DebtClosed, Dunning, UnknownDebt
from fahrwerk.payments.events import (
    DebtEnded,
    DebtOpened,
    DebtReminded,
    FeeCharged,
    PaymentWrittenOff,
)
from fahrwerk.payments.queries.debts import debt as one_debt
from fahrwerk.payments.queries.debts import dunning as own_dunning
from fahrwerk.payments.rules import debts as rules
from fahrwerk.payments.rules.debts import Known

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

MOST_MOVES = 12
BUSY_AGAIN_S = 5.0
RETRY_AFTER_S = 2

_LOOK = """
SELECT p.id AS payment_id, p.reference, p.rider_id, p.currency, p.state AS payment_state,
       coalesce(p.reason, '') AS reason,
       CASE WHEN p.state = 'due' THEN p.due_minor - p.captured_minor ELSE 0 END AS owed_minor,
       EXISTS (SELECT FROM kernel.event e WHERE e.tenant_id = kernel.tenant()
               AND e.stream = 'rental:' || p.reference AND e.name = 'rental.ended') AS is_ride,
       coalesce(p.leased_until > kernel.now(), false) AS is_busy,
       (SELECT count(*)::int FROM payments.attempt a WHERE a.tenant_id = p.tenant_id
        AND a.payment_id = p.id AND a.kind = 'authorize') AS authorisations,
       d.id, d.state, coalesce(d.step, 0) AS step, coalesce(d.round, 0) AS round, d.retry_after,
       coalesce(d.written_off_minor, 0) AS written_off_minor,
       coalesce(d.fee_minor, 0) AS fee_minor, coalesce(d.version, 0) AS version,
       coalesce(d.next_at <= kernel.now(), false) AS is_due
FROM payments.payment p
LEFT JOIN payments.debt d ON d.tenant_id = p.tenant_id AND d.payment_id = p.id
WHERE p.tenant_id = kernel.tenant() AND p.id = $1
"""
_DONE = """
DELETE FROM payments.work
WHERE tenant_id = kernel.tenant() AND kind = 'debt' AND subject = $1 AND at = $2
"""
_AGAIN = """
UPDATE payments.work SET at = kernel.now() + make_interval(secs => $3)
WHERE tenant_id = kernel.tenant() AND kind = 'debt' AND subject = $1 AND at = $2
"""


async def look(call: Call, payment_id: UUID) -> Known | None:
    """The payment and its debt, as of one moment."""
    row = await db.one("payments", call, _LOOK, payment_id)
    return None if row is None else Known(**row)


async def follow_debt(call: Call, payment_id: UUID, claimed: datetime) -> None:
    """Do all that is due about the debt of a payment, then take its row off the queue."""
    if await advance(call, payment_id):
        await db.run("payments", call, _DONE, payment_id, claimed)
    else:
        await db.run("payments", call, _AGAIN, payment_id, claimed, BUSY_AGAIN_S)


async def advance(call: Call, payment_id: UUID) -> bool:
    """Move by move until the debt rests; False when somebody has to be waited for."""
    wanted = await own_dunning(call)
    for _ in range(MOST_MOVES):
        known = await look(call, payment_id)
        if known is None:
            return True
        move = rules.next_move(known, wanted)
        if isinstance(move, rules.Rest | rules.Wait):
            return isinstance(move, rules.Rest)
        if isinstance(move, rules.Retry):
            if not await _retry(call, known):
                return False
            continue
        try:
            await _make(call, known, wanted, move)
        except _Outrun:
            continue
        crash.point("payments.debt.after_move")
    return False


async def _make(call: Call, known: Known, wanted: Dunning, move: rules.Move) -> None:
    """One move, in one transaction. Raises ``_Outrun``."""
    match move:
        case rules.Open(take_back):
            await _open(call, known, wanted, take_back)
        case rules.Close(take_back):
            await _end(call, known, "paid", -take_back, 0)
        case rules.Recover(take_back):
            await _recover(call, known, take_back)
        case rules.Remind(step):
            await _remind(call, known, wanted, step)
        case rules.WriteOff():
            await _write_off(call, known, "written_off")


# --- what is written: the payment's row first, then the debt's

_TOUCH = """
WITH touched AS (
    UPDATE payments.payment
    SET version = version + 1, turn = turn + 1, due_minor = due_minor + $3
    WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING version
), books AS (
    INSERT INTO payments.work (kind, subject, at) SELECT 'books', $2, kernel.now() FROM touched
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT version FROM touched
"""
_STEP = """
INSERT INTO payments.debt_step
    (id, debt_id, number, owed_minor, fee_minor, is_retried, is_noticed, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def _tell_payment(tx: Tx, call: Call, known: Known, fact: Any, fee: int = 0) -> None:
    """A fact about the payment's money, and the books' turn to post it."""
    rows = await tx.run(_TOUCH, known.payment_id, known.reference, fee)
    stream = f"payment:{known.payment_id}"
    await events.emit(tx, call, stream, rows[0]["version"], fact)
    tx.signal(WORK)


async def _write_off_changed(tx: Tx, call: Call, known: Known, amount: int) -> None:
    if amount:
        fact = PaymentWrittenOff(
            booking_id=known.reference, payment_id=known.payment_id, amount=amount,
            currency=known.currency,
        )  # fmt: skip
        await _tell_payment(tx, call, known, fact)


_OPEN = """
INSERT INTO payments.debt AS d
    (id, payment_id, reference, rider_id, currency, opened_minor, reason, opened_at, next_at,
     version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, kernel.now() + make_interval(days => $9), 1)
ON CONFLICT (tenant_id, payment_id) DO UPDATE
SET state = 'open', step = 0, round = d.round + 1, retry_after = NULL, written_off_minor = 0,
    opened_minor = excluded.opened_minor, reason = excluded.reason, begun_at = kernel.now(),
    opened_at = excluded.opened_at, next_at = excluded.next_at, closed_at = NULL,
    version = d.version + 1
WHERE d.state IN ('paid', 'written_off') AND d.version = $10
RETURNING id, version, round
"""


async def _open(call: Call, known: Known, wanted: Dunning, take_back: int) -> None:
    debt_id, now = _id(call, known), clock.now()
    async with db.tx("payments", call) as tx:
        await _write_off_changed(tx, call, known, -take_back)
        row = await tx.one(
            _OPEN, debt_id, known.payment_id, known.reference, known.rider_id, known.currency,
            known.owed_minor, known.reason[:100] or "declined", now,
            rules.days_until(wanted, 0), known.version,
        )  # fmt: skip
        if row is None:
            raise _Outrun  # somebody else opened it: this is taken back, and looked at anew
        step_id = ids.derived("debt.step", debt_id, row["round"], 0)
        await tx.run(_STEP, step_id, debt_id, 0, known.owed_minor, 0, False, True, now)
        fact = DebtOpened(
            debt_id=debt_id, step_id=step_id, booking_id=known.reference,
            payment_id=known.payment_id, rider_id=known.rider_id, amount=known.owed_minor,
            currency=known.currency, reason=known.reason, is_reopened=row["round"] > 1,
        )  # fmt: skip
        await events.emit(tx, call, f"debt:{debt_id}", row["version"], fact)


def _id(call: Call, known: Known) -> UUID:
    return ids.derived("debt", call.tenant, known.payment_id)


class _Outrun(Exception):
    """Somebody else wrote the debt since it was looked at: nothing of ours stays."""


_END = """
UPDATE payments.debt
SET state = $3, closed_at = $4, next_at = NULL, retry_after = NULL, written_off_minor = $5,
    version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND version = $2 RETURNING version
"""


async def _write_off(call: Call, known: Known, state: str) -> None:
    await _end(call, known, state, known.owed_minor - known.written_off_minor, known.owed_minor)


async def _end(call: Call, known: Known, state: str, change: int, written_off: int) -> None:
    debt_id = _id(call, known)
    async with db.tx("payments", call) as tx:
        await _write_off_changed(tx, call, known, change)
        rows = await tx.run(_END, debt_id, known.version, state, clock.now(), written_off)
        if not rows:
            raise _Outrun
        fact = DebtEnded(
            debt_id=debt_id, booking_id=known.reference, payment_id=known.payment_id,
            rider_id=known.rider_id, state=state, amount=written_off, currency=known.currency,
        )  # fmt: skip
        await events.emit(tx, call, f"debt:{debt_id}", rows[0]["version"], fact)


_RECOVER = """
UPDATE payments.debt SET written_off_minor = written_off_minor - $3
WHERE tenant_id = kernel.tenant() AND id = $1 AND version = $2 AND written_off_minor = $4
RETURNING version
"""


async def _recover(call: Call, known: Known, take_back: int) -> None:
    async with db.tx("payments", call) as tx:
        await _write_off_changed(tx, call, known, -take_back)
        values = (known.id, known.version, take_back, known.written_off_minor)
        if not await tx.run(_RECOVER, *values):
            raise _Outrun


_REMIND = """
UPDATE payments.debt
SET step = step + 1, fee_minor = fee_minor + $3, retry_after = $4, version = version + 1,
    next_at = CASE WHEN $5::int IS NOT NULL THEN greatest(
        begun_at + make_interval(days => $5), kernel.now() + interval '1 hour') END
WHERE tenant_id = kernel.tenant() AND id = $1 AND version = $2 RETURNING version
"""


async def _remind(call: Call, known: Known, wanted: Dunning, step: Any) -> None:
    """Take the next step: its fee is owed, its letter is told of, its charge is to be tried."""
    debt_id, number, now = _id(call, known), known.step + 1, clock.now()
    step_id = ids.derived("debt.step", debt_id, known.round, number)
    owed = known.owed_minor + step.fee_minor
    is_retried = step.is_retried and known.reason != rules.CHARGEBACK
    async with db.tx("payments", call) as tx:
        if step.fee_minor:
            fee = FeeCharged(
                booking_id=known.reference, payment_id=known.payment_id, amount=step.fee_minor,
                currency=known.currency,
            )  # fmt: skip
            await _tell_payment(tx, call, known, fee, step.fee_minor)
        rows = await tx.run(
            _REMIND, debt_id, known.version, step.fee_minor,
            known.authorisations if is_retried else None, rules.days_until(wanted, number),
        )  # fmt: skip
        if not rows:
            raise _Outrun
        await tx.run(
            _STEP, step_id, debt_id, number, owed, step.fee_minor, is_retried, step.is_noticed, now,
        )  # fmt: skip
        fact = DebtReminded(
            debt_id=debt_id, step_id=step_id, step=number, booking_id=known.reference,
            rider_id=known.rider_id, amount=owed, fee=step.fee_minor, currency=known.currency,
            is_noticed=step.is_noticed,
        )  # fmt: skip
        await events.emit(tx, call, f"debt:{debt_id}", rows[0]["version"], fact)


_METHOD = """
SELECT id, label, gateway, gateway_ref FROM payments.method
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
ORDER BY id = $2 DESC NULLS LAST, is_default DESC, created_at DESC LIMIT 1
"""
_TRIED = """
UPDATE payments.debt SET retry_after = NULL
WHERE tenant_id = kernel.tenant() AND id = $1 AND retry_after = $2
"""


async def _retry(call: Call, known: Known) -> bool:
    """Charge what is owed without the rider, once for this step; False: busy, try later."""
    case = await load(call, known.payment_id)
    if case is None or case.is_leased:
        return False
    if cases.open_attempt(case) is not None:
        await drive(call, case.id)
        return False
    waits = any(a.state == "action_required" for a in case.attempts)  # the rider is at it
    rows = await db.run("payments", call, _METHOD, case.rider_id, case.method_id)
    is_done = known.authorisations > (known.retry_after or 0)
    if not is_done and not waits and case.state == "due" and rows:
        method = rows[0]
        case = cases.changed(
            case, method_id=method["id"], method_label=method["label"],
            gateway=method["gateway"], method_ref=method["gateway_ref"],
        )  # fmt: skip
        attempt = cases.new_attempt(
            case, "authorize", cases.extra_step(case),
            (case.due_minor or 0) - case.captured_minor,
            method_ref=method["gateway_ref"], is_off_session=True,
        )  # fmt: skip
        if await begin(call, case, attempt) is None:
            return False  # somebody else wrote in the meantime
        await drive(call, case.id)
    await db.run("payments", call, _TRIED, known.id, known.retry_after)
    return True


# --- doors


async def close_debt(call: Call, debt_id: UUID, is_forgiven: bool, note: str) -> Debt:
    """See the contract."""
    call.require("payments.debt.settle")
    if not 1 <= len(note.strip()) <= 200:
        raise Invalid(field="note", issue="must have 1 to 200 characters")
    found = await one_debt(call, debt_id)
    wanted = "forgiven" if is_forgiven else "written_off"
    for _ in range(MOST_MOVES):
        known = await look(call, found.payment_id)
        if known is None or known.id is None:
            raise UnknownDebt
        if known.state == wanted:
            return await one_debt(call, debt_id)
        if known.state not in ("open", "written_off") or known.owed_minor == 0:
            raise DebtClosed
        if known.is_busy:
            raise PaymentUnknown(retry_after=RETRY_AFTER_S)
        try:
            await _write_off(call, known, wanted)
        except _Outrun:
            continue
        return await one_debt(call, debt_id)
    raise PaymentUnknown(retry_after=RETRY_AFTER_S)


_SET = """
INSERT INTO payments.dunning (steps, write_off_days, block_above_minor, is_dispute_owed)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id) DO UPDATE
SET steps = excluded.steps, write_off_days = excluded.write_off_days,
    block_above_minor = excluded.block_above_minor, is_dispute_owed = excluded.is_dispute_owed
"""


async def set_dunning(call: Call, wanted: Dunning) -> Dunning:
    """See the contract."""
    call.require("payments.debt.write")
    rules.checked(wanted)
    await db.run(
        "payments", call, _SET, wanted.steps, wanted.write_off_days, wanted.block_above_minor,
        wanted.is_dispute_owed,
    )  # fmt: skip
    return wanted
