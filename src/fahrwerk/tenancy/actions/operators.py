"""Operators come and change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import audit, clock, db, events
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import rules
from fahrwerk.tenancy.contract import (
    DomainTaken,
    Operator,
    OperatorChange,
    SlugTaken,
    UnknownOperator,
)
from fahrwerk.tenancy.events import OperatorChanged, OperatorCreated
from fahrwerk.tenancy.queries import CHANGED, COLUMNS, operator_in

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_CREATE = f"""
WITH made AS (
    INSERT INTO tenancy.operator ({COLUMNS}, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22, $22)
    ON CONFLICT DO NOTHING
    RETURNING id, version
), told AS (
    {events.INSERT} SELECT 'operator:' || id, version, $23, $24, $25::jsonb, $26, $27 FROM made
)
SELECT id FROM made
"""
_IN_THE_WAY = f"""
SELECT {COLUMNS} FROM tenancy.operator WHERE id = $1 OR slug = $2 OR domain = $3
  OR id = (SELECT tenant_id FROM tenancy.domain WHERE domain = $3 AND proven_at IS NOT NULL)
ORDER BY id <> $1, slug <> $2
"""


async def create_operator(call: Call, wanted: Operator) -> Operator:
    call.require("tenancy.operator.create")
    rules.check(wanted)
    # The first fact in the log of the new operator, not in that of whoever made it.
    there = msgspec.structs.replace(call, tenant=wanted.id)
    fact = OperatorCreated(wanted.slug, wanted.currency)
    made = await db.run(
        "tenancy", there, _CREATE,
        *msgspec.structs.astuple(wanted), clock.now(), *events.columns(call, fact),
    )  # fmt: skip
    if made:
        hub.signal(CHANGED)
        return wanted
    row = await db.one("tenancy", there, _IN_THE_WAY, wanted.id, wanted.slug, wanted.domain)
    found = operator_in(row) if row else None
    if found is not None and found.id == wanted.id:
        return found
    raise SlugTaken if found is None or found.slug == wanted.slug else DomainTaken


_LOCK = f"SELECT {COLUMNS} FROM tenancy.operator WHERE id = $1 FOR UPDATE"
_CHANGE = """
UPDATE tenancy.operator SET name = $2, locale = $3, tax_rate_bp = $4, tax_included = $5,
       payment_hold_s = $6, unlock_window_s = $7, max_active_rentals = $8, max_ride_h = $9,
       max_ride_km = $10, refund_limit_minor = $11, web_origins = $12, updated_at = $13,
       version = version + 1
WHERE id = $1 RETURNING version
"""


async def change_operator(call: Call, change: OperatorChange) -> Operator:
    call.require("tenancy.operator.change")
    wished = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not msgspec.UNSET}
    async with db.tx("tenancy", call) as tx:
        row = await tx.one(_LOCK, call.tenant)
        if row is None:
            raise UnknownOperator
        before = operator_in(row)
        after = msgspec.structs.replace(before, **wished)
        rules.check(after)
        fields = [name for name, value in wished.items() if getattr(before, name) != value]
        if fields:
            new = [getattr(after, name) for name in OperatorChange.__struct_fields__]
            changed = await tx.run(_CHANGE, before.id, *new, clock.now())
            await events.emit(
                tx, call, f"operator:{before.id}", changed[0]["version"],
                OperatorChanged(before.slug, fields),
            )  # fmt: skip
            tx.signal(CHANGED)
    told = [
        {name: getattr(each, name) for name in OperatorChange.__struct_fields__}
        for each in (before, after)
    ]
    audit.changed(f"operator:{before.id}", *told)
    return after
