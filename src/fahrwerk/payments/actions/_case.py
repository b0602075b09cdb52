"""A payment's case from the database and back: one statement each, no lock held in between.

Every save names the ``turn`` it was decided on; when somebody else wrote since, nothing is written
and the decision is made anew on the newer case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.payments import rules
from fahrwerk.payments.contract import Payment
from fahrwerk.payments.events import (
    PaymentCaptured,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentReturned,
)
from fahrwerk.payments.rules import Attempt, Case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WORK = "payments.work"
"""The signal that there is something to do now."""
LEASE_S = 15.0
"""Longer than a gateway is waited for; what a crash leaves is looked at after that."""

CONNECTING = "stripe"
"""The gateway where operators' accounts can be connected to the platform's."""
COLUMNS = """p.id, p.reference, p.rider_id, p.state, p.currency, p.amount_minor, p.authorized_minor,
       p.captured_minor, p.refunded_minor, p.due_minor, p.is_unwanted, p.is_prepaid,
       p.method_id, p.method_label,
       p.gateway, p.transaction_id, p.reason, p.next_action, p.turn, p.version"""
_LOAD = f"""
SELECT {COLUMNS}, m.gateway_ref AS method_ref, g.gateway AS fee_gateway,
       coalesce(g.platform_fee_minor, 0) AS fee_minor, coalesce(g.platform_fee_bp, 0) AS fee_bp,
       coalesce(p.leased_until > kernel.now(), false) AS is_leased,
       (SELECT coalesce(jsonb_agg(to_jsonb(a) || jsonb_build_object(
                   'age_s', extract(epoch FROM kernel.now() - a.sent_at),
                   'idle_s', extract(epoch FROM kernel.now() - a.touched_at))
               ORDER BY a.sent_at, a.kind, a.step, a.number), '[]')
        FROM payments.attempt a
        WHERE a.tenant_id = p.tenant_id AND a.payment_id = p.id) AS attempts
FROM payments.payment p
LEFT JOIN payments.method m
       ON m.tenant_id = p.tenant_id AND m.id = p.method_id AND m.removed_at IS NULL
LEFT JOIN payments.gateway_account g
       ON g.tenant_id = p.tenant_id AND g.gateway = '{CONNECTING}' AND g.is_connected
WHERE p.tenant_id = kernel.tenant() AND p.id = $1
"""


async def load(call: Call, payment_id: UUID) -> Case | None:
    """The payment with all its attempts, as of one moment."""
    row = await db.one("payments", call, _LOAD, payment_id)
    if row is None:
        return None
    values = dict(row)
    attempts = msgspec.convert(values.pop("attempts"), tuple[Attempt, ...], strict=False)
    return Case(**values, attempts=attempts)


_SAVE = """
WITH p AS (
    UPDATE payments.payment
    SET state = $3, authorized_minor = $4, captured_minor = $5, refunded_minor = $6,
        is_unwanted = $7, method_id = $8, method_label = $9, gateway = $10, transaction_id = $11,
        reason = $12, next_action = $13, version = $14, turn = turn + 1,
        leased_until = kernel.now() + make_interval(secs => $15)
    WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2
    RETURNING id, reference
), attempts AS (
    INSERT INTO payments.attempt
        (payment_id, kind, step, number, key, target, gateway, method_ref, amount_minor,
         is_off_session, is_promise, platform_fee_minor, state, gateway_ref, result_minor, reason,
         sends, checks)
    SELECT p.id, a.kind, a.step, a.number, a.key, a.target, a.gateway, a.method_ref,
           a.amount_minor, a.is_off_session, a.is_promise, a.platform_fee_minor, a.state,
           a.gateway_ref, a.result_minor, a.reason, a.sends, a.checks
    FROM p, jsonb_to_recordset($16) AS a(
        kind text, step text, number int, key text, target text, gateway text, method_ref text,
        amount_minor bigint, is_off_session boolean, is_promise boolean,
        platform_fee_minor bigint, state text, gateway_ref text, result_minor bigint, reason text,
        sends int, checks int)
    ON CONFLICT (tenant_id, key) DO UPDATE
    SET state = excluded.state, gateway_ref = excluded.gateway_ref,
        is_promise = excluded.is_promise, result_minor = excluded.result_minor,
        reason = excluded.reason, sends = excluded.sends, checks = excluded.checks,
        touched_at = kernel.now()
), later AS (
    INSERT INTO payments.work (kind, subject, at)
    SELECT 'payment', p.id, kernel.now() + make_interval(secs => $17) FROM p
    WHERE $17::double precision IS NOT NULL
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
), books AS (
    INSERT INTO payments.work (kind, subject, at)
    SELECT 'books', p.reference, kernel.now() FROM p WHERE $21
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
), debts AS (
    INSERT INTO payments.work (kind, subject, at)
    SELECT 'debt', p.id, kernel.now() FROM p
    WHERE $3 = 'due' OR EXISTS (SELECT FROM payments.debt d
                                WHERE d.tenant_id = kernel.tenant() AND d.payment_id = p.id)
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
), done AS (
    DELETE FROM payments.work w USING p
    WHERE $17::double precision IS NULL AND w.tenant_id = kernel.tenant()
      AND w.kind = 'payment' AND w.subject = p.id
), facts AS (
    INSERT INTO kernel.event (stream, version, name, topic, data, actor, trace)
    SELECT 'payment:' || p.id, f.version, f.name, f.topic, f.data, $19, $20
    FROM p, jsonb_to_recordset($18) AS f(version bigint, name text, topic text, data jsonb)
)
SELECT id FROM p
"""


async def save(
    call: Call,
    old: Case,
    new: Case,
    facts: Sequence[Any] = (),
    *,
    is_leased: bool = False,
    again_in_s: float | None = None,
) -> Case | None:
    """Write what changed from ``old`` to ``new``, with its facts; the new case as stored.

    None when ``old`` is out of date: nothing was written. ``is_leased``: we go on to talk to the
    gateway. ``again_in_s``: when a worker shall look at it (None = not at all); under a lease, when
    that has run out.
    """
    version = old.version + len(facts)
    before = {a.key: a for a in old.attempts}
    moved = [a for a in new.attempts if before.get(a.key) != a]
    events = [
        {"version": n, "name": f.event_name, "topic": f.event_topic, "data": f}
        for n, f in enumerate(facts, old.version + 1)
    ]
    money = PaymentCaptured | PaymentRefunded | PaymentRefundFailed | PaymentReturned
    has_money = any(isinstance(f, money) for f in facts)
    rows = await db.run(
        "payments", call, _SAVE, old.id, old.turn, new.state, new.authorized_minor,
        new.captured_minor, new.refunded_minor, new.is_unwanted, new.method_id, new.method_label,
        new.gateway, new.transaction_id, new.reason, new.next_action, version,
        LEASE_S if is_leased else None, moved, LEASE_S if is_leased else again_in_s, events,
        call.actor, call.trace, has_money,
    )  # fmt: skip
    if not rows:
        return None
    hub.signal(signal_of(new.reference))
    if again_in_s == 0 or has_money:
        hub.signal(WORK)
    return rules.changed(new, turn=old.turn + 1, version=version, is_leased=is_leased)


async def own_case(call: Call, payment_id: UUID) -> Case:
    """A payment that its rider, who may act on any, or the house may act on; else ``NotFound``."""
    case = await load(call, payment_id)
    if case is None or not (
        call.user in (None, case.rider_id) or call.may("payments.payment.write_any")
    ):
        raise NotFound
    return case


def signal_of(reference: UUID) -> str:
    """The signal that the payment of this rental changed."""
    return f"payments.payment:{reference}"


def as_payment(case: Case) -> Payment:
    """What others may see of it."""
    return Payment(
        id=case.id,
        reference=case.reference,
        rider_id=case.rider_id,
        state=case.state,
        currency=case.currency,
        amount_minor=case.amount_minor,
        authorized_minor=case.authorized_minor,
        captured_minor=case.captured_minor,
        refunded_minor=case.refunded_minor,
        method_label=case.method_label,
        transaction_id=case.transaction_id,
        reason=case.reason,
        next_action=case.next_action,
    )
