"""Runs: what is due becomes a file for the bank. draft -> approved -> exported -> settled."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._sepa_orders import COLUMNS, send_back
from fahrwerk.payments.actions.mandates import purpose
from fahrwerk.payments.contract.sepa import (
    NothingDue,
    Run,
    RunKind,
    RunState,
    RunTooLate,
    SamePerson,
    SepaSettings,
    UnknownRun,
)
from fahrwerk.payments.gateways import _accounts
from fahrwerk.payments.gateways._sepa_files import Creditor, Item, Order, written
from fahrwerk.payments.queries.sepa import RUN, creditor_name, file_purpose, run_of, settings_of
from fahrwerk.payments.rules import sepa as rules

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

WRITE, APPROVE = "payments.sepa.write", "payments.sepa.approve"
MOST_AHEAD_DAYS = 60

# One at a time for an operator: sequence types depend on what was handed in before.
TURN = "SELECT pg_advisory_xact_lock(hashtextextended('sepa:' || kernel.tenant(), 0))"

_SET = """
INSERT INTO payments.sepa_settings
    (creditor_name, notice_days, lead_days, cut_off_minute, most_per_run, is_two_person)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id) DO UPDATE
SET creditor_name = excluded.creditor_name, notice_days = excluded.notice_days,
    lead_days = excluded.lead_days, cut_off_minute = excluded.cut_off_minute,
    most_per_run = excluded.most_per_run, is_two_person = excluded.is_two_person
"""
_LIMITS = {"notice_days": (1, 14), "lead_days": (1, 5), "cut_off_minute": (0, 1439),
           "most_per_run": (1, 5000)}  # fmt: skip


async def set_sepa_settings(call: Call, wanted: SepaSettings) -> SepaSettings:
    """See the contract."""
    call.require(WRITE)
    name = wanted.creditor_name
    if name is not None and (not 1 <= len(name.strip()) <= 70 or not name.isprintable()):
        raise Invalid(field="creditor_name", issue="must have 1 to 70 printable characters")
    for field, (least, most) in _LIMITS.items():
        if not least <= getattr(wanted, field) <= most:
            raise Invalid(field=field, issue=f"must be {least} to {most}")
    await db.run(
        "payments", call, _SET, None if name is None else name.strip(), wanted.notice_days,
        wanted.lead_days, wanted.cut_off_minute, wanted.most_per_run, wanted.is_two_person,
    )  # fmt: skip
    return await settings_of(call)


_DRAFT = """
INSERT INTO payments.sepa_run
    (id, kind, scheme, execute_on, message_id, drafted_by, drafted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_GATHER = """
UPDATE payments.sepa_order SET state = 'batched', run_id = $1
WHERE tenant_id = kernel.tenant() AND id IN (
    SELECT o.id FROM payments.sepa_order o
    JOIN payments.sepa_mandate m ON m.tenant_id = o.tenant_id AND m.id = o.mandate_id
    WHERE o.tenant_id = kernel.tenant() AND o.state = 'due' AND o.kind = $2 AND o.collect_on <= $3
      AND ($2 = 'refund' OR (m.scheme = $4 AND m.state IN ('active', 'ended')))
    ORDER BY o.collect_on, o.id LIMIT $5)
RETURNING id, mandate_id, amount_minor, collect_on
"""
# handed_in: debits the bank has got of this mandate, less those that never were settled.
_HISTORY = """
SELECT m.id, m.is_one_off, m.state = 'ended' AS is_ended,
       (SELECT count(*) FROM payments.sepa_order o WHERE o.tenant_id = m.tenant_id
          AND o.mandate_id = m.id AND o.kind = 'collection' AND o.run_id <> $2
          AND o.state IN ('batched', 'exported', 'settled', 'returned'))::int AS handed_in,
       (SELECT count(*) FROM payments.sepa_order o WHERE o.tenant_id = m.tenant_id
          AND o.mandate_id = m.id AND o.kind = 'collection'
          AND o.state IN ('held', 'due'))::int AS waiting
FROM payments.sepa_mandate m WHERE m.tenant_id = kernel.tenant() AND m.id = ANY($1)
"""
_SEQUENCES = """
UPDATE payments.sepa_order o SET sequence = x.sequence
FROM unnest($1::uuid[], $2::text[]) AS x (id, sequence)
WHERE o.tenant_id = kernel.tenant() AND o.id = x.id
"""
_COUNTED = f"""
UPDATE payments.sepa_run SET orders = x.number, total_minor = x.total
FROM (SELECT count(*)::int AS number, coalesce(sum(amount_minor), 0)::bigint AS total
      FROM payments.sepa_order WHERE tenant_id = kernel.tenant() AND run_id = $1) x
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {RUN}
"""


async def draft_run(call: Call, kind: RunKind, scheme: str, execute_on: date | None) -> Run:
    """See the contract."""
    call.require(WRITE)
    if kind not in ("collection", "refund"):
        raise Invalid(field="kind", issue="must be collection or refund")
    if kind == "collection" and scheme not in ("CORE", "B2B"):
        raise Invalid(field="scheme", issue="must be CORE or B2B")
    await _keys(call)
    own = await settings_of(call)
    day = _day(execute_on, _earliest(own, kind))
    run_id = ids.new()
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        await tx.run(
            _DRAFT, run_id, kind, scheme if kind == "collection" else "SCT", day,
            rules.reference_of("R", run_id), call.actor, clock.now(),
        )  # fmt: skip
        rows = await tx.run(_GATHER, run_id, kind, day, scheme, own.most_per_run)
        if not rows:
            raise NothingDue(day=day.isoformat())
        if kind == "collection":
            await _sequence(tx, run_id, [(row["mandate_id"], row["id"]) for row in rows])
        return Run(**(await tx.run(_COUNTED, run_id))[0])


def _earliest(own: SepaSettings, kind: str) -> date:
    lead = own.lead_days if kind == "collection" else 0
    return rules.earliest_execution(clock.now(), lead, own.cut_off_minute)


def _day(wanted: date | None, earliest: date) -> date:
    day = wanted or earliest
    if not rules.is_bank_day(day):
        raise Invalid(field="execute_on", issue="is no day on which banks settle (TARGET)")
    if not earliest <= day <= earliest + timedelta(days=MOST_AHEAD_DAYS):
        raise Invalid(
            field="execute_on",
            issue=f"must be from {earliest} until {earliest + timedelta(days=MOST_AHEAD_DAYS)}",
        )
    return day


async def _sequence(tx: Tx, run_id: UUID, orders: list[tuple[UUID, UUID]]) -> None:
    """Write down the sequence type of each debit: first, further, one-off, last."""
    orders.sort()
    mandates = {row["id"]: row for row in await tx.run(_HISTORY, [m for m, _ in orders], run_id)}
    found: list[tuple[UUID, str]] = []
    for mandate_id, group in groupby(orders, key=lambda each: each[0]):
        own, mandate = [order for _, order in group], mandates[mandate_id]
        types = rules.sequences(
            mandate["is_one_off"], mandate["is_ended"], mandate["handed_in"], len(own),
            mandate["waiting"],
        )  # fmt: skip
        found += zip(own, types, strict=True)
    await tx.run(_SEQUENCES, [order for order, _ in found], [each for _, each in found])


_LOCK = f"""
SELECT {RUN} FROM payments.sepa_run WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_APPROVE = f"""
UPDATE payments.sepa_run SET state = 'approved', approved_by = $2, approved_at = $3
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {RUN}
"""


async def approve_run(call: Call, run_id: UUID) -> Run:
    """See the contract."""
    call.require(APPROVE)
    own = await settings_of(call)
    async with db.tx("payments", call) as tx:
        run = await _locked(tx, run_id)
        if run.state == "approved":
            return run
        if run.state != "draft":
            raise RunState(state=run.state)
        if own.is_two_person and run.drafted_by == call.actor:
            raise SamePerson
        return Run(**(await tx.run(_APPROVE, run_id, call.actor, clock.now()))[0])


_CANCEL = f"""
WITH free AS (
    UPDATE payments.sepa_order SET state = 'due', run_id = NULL, sequence = NULL
    WHERE tenant_id = kernel.tenant() AND run_id = $1 AND state = 'batched'
)
UPDATE payments.sepa_run SET state = 'cancelled'
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {RUN}
"""
_REVOKED = """
SELECT DISTINCT m.id, m.state FROM payments.sepa_order o
JOIN payments.sepa_mandate m ON m.tenant_id = o.tenant_id AND m.id = o.mandate_id
WHERE o.tenant_id = kernel.tenant() AND o.run_id = $1 AND o.kind = 'collection'
  AND o.state = 'batched' AND m.state NOT IN ('active', 'ended')
"""
_OUT = f"""
SELECT {COLUMNS} FROM payments.sepa_order o
WHERE o.tenant_id = kernel.tenant() AND o.run_id = $1 AND o.mandate_id = $2 AND o.state = 'batched'
FOR UPDATE
"""
_TAKEN_OUT = """
UPDATE payments.sepa_order SET run_id = NULL WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def cancel_run(call: Call, run_id: UUID) -> Run:
    """See the contract."""
    call.require(WRITE)
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        run = await _locked(tx, run_id)
        if run.state == "cancelled":
            return run
        if run.state not in ("draft", "approved"):
            raise RunState(state=run.state)
        # What was gathered under a mandate that is over since is not due, but given up.
        await _without_revoked(tx, call, run_id)
        return Run(**(await tx.run(_CANCEL, run_id))[0])


async def _locked(tx: Tx, run_id: UUID) -> Run:
    row = await tx.one(_LOCK, run_id)
    if row is None:
        raise UnknownRun
    return Run(**row)


async def _without_revoked(tx: Tx, call: Call, run_id: UUID) -> None:
    for mandate in await tx.run(_REVOKED, run_id):
        for order in await tx.run(_OUT, run_id, mandate["id"]):
            code, today = f"mandate_{mandate['state']}", clock.now().date()
            await send_back(tx, call, order, code, "reject", today, 0, 0)
            await tx.run(_TAKEN_OUT, order["id"])


_ITEMS = """
SELECT o.end_to_end_id, o.amount_minor, o.sequence, o.payment_id, m.holder_sealed, m.iban_sealed,
       m.bic, m.reference, m.signed_at, m.was_iban_sealed
FROM payments.sepa_order o
JOIN payments.sepa_mandate m ON m.tenant_id = o.tenant_id AND m.id = o.mandate_id
WHERE o.tenant_id = kernel.tenant() AND o.run_id = $1 AND o.state = 'batched'
ORDER BY o.sequence, o.id
"""
_EXPORT = f"""
WITH out AS (
    UPDATE payments.sepa_order SET state = 'exported'
    WHERE tenant_id = kernel.tenant() AND run_id = $1 AND state = 'batched'
    RETURNING mandate_id, kind
), used AS (
    UPDATE payments.sepa_mandate m
    SET last_used_on = greatest(m.last_used_on, $2), was_iban_sealed = NULL
    WHERE m.tenant_id = kernel.tenant()
      AND m.id IN (SELECT mandate_id FROM out WHERE kind = 'collection')
)
UPDATE payments.sepa_run
SET state = 'exported', exported_at = $3, file_sealed = $4, file_digest = $5
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {RUN}
"""


async def export_run(call: Call, run_id: UUID) -> Run:
    """See the contract."""
    call.require(WRITE)
    keys = await _keys(call)
    own = await settings_of(call)
    name = await creditor_name(call, own)
    run = await run_of(call, run_id)
    if run.state in ("exported", "settled"):
        return run
    if run.state != "approved":
        raise RunState(state=run.state)
    if run.execute_on < _earliest(own, run.kind):
        raise RunTooLate(day=run.execute_on.isoformat())
    iban = rules.iban_of(keys.secret, "secret")
    creditor = Creditor(
        name=name, iban=iban, bic=rules.bic_of(None, iban), creditor_id=keys.public_key
    )
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        run = await _locked(tx, run_id)
        if run.state == "approved":
            await _without_revoked(tx, call, run_id)
            run = Run(**(await tx.run(_COUNTED, run_id))[0])
            if run.orders == 0:
                return Run(**(await tx.run(_CANCEL, run_id))[0])
        rows = await tx.run(_ITEMS, run_id)
    order = Order(
        message_id=run.message_id, made_at=clock.now(), execute_on=run.execute_on,
        scheme=run.scheme, creditor=creditor, items=[_item(call, row, name) for row in rows],
    )  # fmt: skip
    content = await asyncio.to_thread(written, order) if rows else b""
    digest = hashlib.sha256(content).hexdigest()
    sealed = crypto.seal(file_purpose(call, run_id), content.decode())
    async with db.tx("payments", call) as tx:
        await tx.run(TURN)
        run = await _locked(tx, run_id)
        if run.state in ("exported", "settled"):
            return run  # somebody else was faster, with the same orders
        if run.state != "approved":
            raise RunState(state=run.state)
        return Run(
            **(await tx.run(_EXPORT, run_id, run.execute_on, clock.now(), sealed, digest))[0]
        )


def _item(call: Call, row: db.Row, creditor: str) -> Item:
    def opened(what: str, sealed: bytes) -> str:
        return crypto.unseal(purpose(call, what), sealed)

    payment = "" if row["payment_id"] is None else ids.public("pay", row["payment_id"])
    # The reference stands in the text as well: some banks give back nothing else.
    text = " ".join(filter(None, [creditor, payment.replace("_", "-"), row["end_to_end_id"]]))
    was = row["was_iban_sealed"]
    return Item(
        end_to_end_id=row["end_to_end_id"],
        amount_minor=row["amount_minor"],
        holder=opened("holder", row["holder_sealed"]),
        iban=opened("iban", row["iban_sealed"]),
        text=text[-140:],
        bic=row["bic"],
        mandate=row["reference"],
        signed_on=row["signed_at"].astimezone(rules.BERLIN).date(),
        sequence=row["sequence"] or "RCUR",
        was_iban=None if was is None else opened("iban", was),
    )


async def _keys(call: Call) -> _accounts.Keys:
    """The operator's keys, also when no new debits are taken. Raises ``NoGateway``."""
    try:
        return await _accounts.keys_of(call, "sepa")
    except _accounts.NotSetUp:
        raise gateways.NoGateway from None
