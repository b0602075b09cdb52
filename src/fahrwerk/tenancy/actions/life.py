"""An operator is limited, suspended, opened again and closed, by the platform."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.kernel import audit, clock, db, events
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import rules
from fahrwerk.tenancy.contract import Operator, UnknownOperator
from fahrwerk.tenancy.contract.life import Life, Limits, WrongStatus
from fahrwerk.tenancy.contract.plans import PLANS
from fahrwerk.tenancy.events import OperatorChanged, OperatorStatusChanged
from fahrwerk.tenancy.queries import CHANGED, COLUMNS, operator_in
from fahrwerk.tenancy.queries.setup import LIFE

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

KEEP_DAYS = (30, 4000)

_LOCK = f"SELECT {COLUMNS} FROM tenancy.operator WHERE id = $1 FOR UPDATE"
_LIMIT = """
UPDATE tenancy.operator SET plan = $2, max_vehicles = $3, max_users = $4,
       max_requests_per_minute = $5, updated_at = $6, version = version + 1
WHERE id = $1 RETURNING version
"""
_FIELDS = ("plan", "max_vehicles", "max_users", "max_requests_per_minute")


async def change_limits(call: Call, operator_id: UUID, limits: Limits) -> Operator:
    call.require("tenancy.operator.limit")
    there = msgspec.structs.replace(call, tenant=operator_id)
    given = {n: v for n in _FIELDS if (v := getattr(limits, n)) is not msgspec.UNSET}
    wished: dict[str, Any] = PLANS.get(str(given.get("plan")), {}) | given
    async with db.tx("tenancy", there) as tx:
        row = await tx.one(_LOCK, operator_id)
        if row is None:
            raise UnknownOperator
        before = operator_in(row)
        after = msgspec.structs.replace(before, **wished)
        rules.check(after)
        if after != before:
            new = [getattr(after, name) for name in _FIELDS]
            changed = await tx.run(_LIMIT, operator_id, *new, clock.now())
            fact = OperatorChanged(before.slug, sorted(wished))
            await events.emit(tx, there, f"operator:{operator_id}", changed[0]["version"], fact)
            tx.signal(CHANGED)
    told = [{name: getattr(each, name) for name in _FIELDS} for each in (before, after)]
    audit.changed(f"operator:{operator_id}", *told)
    return after


_TURN = """
UPDATE tenancy.operator SET status = $2, status_reason = $3, status_since = $4, deletes_at = $5,
       updated_at = $4, version = version + 1
WHERE id = $1 RETURNING version
"""


async def suspend_operator(call: Call, operator_id: UUID, reason: str) -> Life:
    call.require("tenancy.operator.suspend")
    return await _turn(call, operator_id, "suspended", _reason(reason), None)


async def resume_operator(call: Call, operator_id: UUID) -> Life:
    call.require("tenancy.operator.suspend")
    return await _turn(call, operator_id, "active", None, None)


async def close_operator(call: Call, operator_id: UUID, reason: str, keep_days: int) -> Life:
    call.require("tenancy.operator.close")
    least, most = KEEP_DAYS
    if not least <= keep_days <= most:
        raise Invalid(field="keep_days", issue=f"must be {least} to {most}")
    return await _turn(call, operator_id, "closing", _reason(reason), timedelta(days=keep_days))


def _reason(text: str) -> str:
    reason = text.strip()
    if not 1 <= len(reason) <= 500:
        raise Invalid(field="reason", issue="must have 1 to 500 characters")
    return reason


async def _turn(
    call: Call, operator_id: UUID, status: str, reason: str | None, keep: timedelta | None
) -> Life:
    there = msgspec.structs.replace(call, tenant=operator_id)
    async with db.tx("tenancy", there) as tx:
        row = await tx.one(_LOCK, operator_id)
        if row is None:
            raise UnknownOperator
        before = operator_in(row)
        if before.status == "closed":
            raise WrongStatus(status="closed")
        if before.status != status:
            at = clock.now()
            ends = at + keep if keep is not None else None
            changed = await tx.run(_TURN, operator_id, status, reason, at, ends)
            fact = OperatorStatusChanged(before.slug, status)
            await events.emit(tx, there, f"operator:{operator_id}", changed[0]["version"], fact)
            tx.signal(CHANGED)
        now = await tx.one(LIFE, operator_id)
    was, is_now = {"status": before.status}, {"status": status, "reason": reason}
    audit.changed(f"operator:{operator_id}", was, is_now)
    if call.tenant != operator_id:  # also in the log of whom it concerns
        told = {"before": was, "after": is_now}
        await audit.record(there, "tenancy.status", f"operator:{operator_id}", "done", told)
    if now is None:
        raise UnknownOperator
    return Life(*now)
