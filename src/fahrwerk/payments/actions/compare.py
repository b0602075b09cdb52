"""Compare our charges, refunds and booked fees with each gateway's own list (I10)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, outside
from fahrwerk.kernel.errors import NotFound, Problem
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.events import FeeKept
from fahrwerk.payments.gateways import _offers
from fahrwerk.payments.queries.comparison import comparisons
from fahrwerk.payments.rules import comparison as rules

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.comparison import Comparison
    from fahrwerk.payments.rules.comparison import Differs

DAYS, BEFORE_DAYS = 35, 25
"""What is looked at, and how much earlier an authorisation, or a debit that took its time, may have
been made."""
UNDER_WAY_S = 120.0
PATIENCE_S = 300.0
"""A long list takes many requests."""

_GATEWAYS = """
SELECT DISTINCT gateway FROM payments.attempt
WHERE tenant_id = kernel.tenant() AND kind IN ('capture', 'refund') AND touched_at >= $1
"""


async def compare(call: Call) -> list[Comparison]:
    """See the contract."""
    call.require("payments.gateway.write")
    since = clock.now() - timedelta(days=DAYS)
    for row in await db.run("payments", call, _GATEWAYS, since):
        try:
            offer = _offers.with_lists(row["gateway"])
        except (_offers.NotOffered, NotFound):
            continue  # no list there: SEPA has statements of its own, a purse is ours
        await _compare(call, row["gateway"], offer, since)
    return await comparisons(call)


_OURS = """
SELECT a.payment_id, p.reference, a.kind, a.key, auth.key AS auth_key, auth.gateway_ref AS intent,
       a.result_minor AS amount_minor, p.currency, a.touched_at AS at, a.fee_minor,
       a.platform_fee_minor
FROM payments.attempt a
JOIN payments.payment p ON p.tenant_id = a.tenant_id AND p.id = a.payment_id
LEFT JOIN payments.attempt t ON t.tenant_id = a.tenant_id AND t.key = a.target
LEFT JOIN payments.attempt auth ON auth.tenant_id = a.tenant_id
     AND auth.key = CASE WHEN a.kind = 'capture' THEN a.target ELSE t.target END
WHERE a.tenant_id = kernel.tenant() AND a.gateway = $1 AND a.kind IN ('capture', 'refund')
  AND a.state = 'succeeded' AND a.touched_at >= $2
"""


async def _compare(
    call: Call, name: str, offer: _offers.WithLists, since: datetime
) -> None:  # fmt: skip
    now, early = clock.now(), since - timedelta(days=BEFORE_DAYS)
    rows = await db.run("payments", call, _OURS, name, early)
    ours = [rules.Ours(**row) for row in rows]
    try:
        async with asyncio.timeout(PATIENCE_S):
            theirs = await offer.listed(call, early, now)
    except (TimeoutError, outside.NotReached, outside.OutcomeUnknown, Problem) as silence:
        problem = silence.error_code if isinstance(silence, Problem) else type(silence).__name__
        await db.run("payments", call, _COULD_NOT, name, now, problem)
        return
    until = now - timedelta(seconds=UNDER_WAY_S)
    span = rules.Span(since, until - timedelta(seconds=offer.list_lag_s), until)
    pairs = rules.paired(ours, theirs)
    for own, fee_minor in rules.unbooked(pairs):
        await _book(call, name, own, fee_minor)
    await _write(call, name, len(ours), rules.compared(pairs, theirs, span), span)


# The payment's row first, as everywhere; who comes second finds the fee there and tells nothing.
_BOOK = """
WITH p AS (
    SELECT id FROM payments.payment WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
), kept AS (
    UPDATE payments.attempt a SET fee_minor = $3 FROM p
    WHERE a.tenant_id = kernel.tenant() AND a.payment_id = p.id AND a.key = $2
      AND a.fee_minor IS NULL
    RETURNING a.payment_id
), told AS (
    UPDATE payments.payment SET version = version + 1, turn = turn + 1 FROM kept
    WHERE tenant_id = kernel.tenant() AND id = kept.payment_id AND $3 > 0
    RETURNING id, reference, version
), books AS (
    INSERT INTO payments.work (kind, subject, at) SELECT 'books', reference, kernel.now() FROM told
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
INSERT INTO kernel.event (stream, version, name, topic, data, actor, trace)
SELECT 'payment:' || id, version, $4, $5, $6::jsonb, $7, $8 FROM told
RETURNING 1
"""


async def _book(call: Call, name: str, own: rules.Ours, fee_minor: int) -> None:
    """Write down what the gateway kept of a charge, and have it posted."""
    fact = FeeKept(
        booking_id=own.reference, payment_id=own.payment_id, gateway=name, key=own.key,
        amount=fee_minor, currency=own.currency,
    )  # fmt: skip
    about = events.columns(call, fact)
    if await db.run("payments", call, _BOOK, own.payment_id, own.key, fee_minor, *about):
        hub.signal(WORK)


_COULD_NOT = """
INSERT INTO payments.comparison (gateway, at, compared, found, problem) VALUES ($1, $2, 0, 0, $3)
ON CONFLICT (tenant_id, gateway) DO UPDATE SET at = excluded.at, problem = excluded.problem
"""
_SEEN = """
INSERT INTO payments.difference AS d
    (gateway, kind, subject, payment_id, ours_minor, theirs_minor, currency, first_seen_at,
     last_seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
ON CONFLICT (tenant_id, gateway, kind, subject) DO UPDATE
SET ours_minor = excluded.ours_minor, theirs_minor = excluded.theirs_minor,
    last_seen_at = excluded.last_seen_at, resolved_at = NULL,
    first_seen_at = CASE WHEN d.resolved_at IS NULL THEN d.first_seen_at
                         ELSE excluded.first_seen_at END
"""
# What is older than the span was not looked at: it stays.
_GONE = """
UPDATE payments.difference SET resolved_at = $2
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND resolved_at IS NULL AND last_seen_at < $2
  AND first_seen_at >= $3
"""
_MADE = """
INSERT INTO payments.comparison (gateway, at, compared, found) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, gateway) DO UPDATE
SET at = excluded.at, compared = excluded.compared, found = excluded.found, problem = NULL
"""


async def _write(
    call: Call, name: str, compared: int, found: list[Differs], span: rules.Span
) -> None:
    now = clock.now()
    async with db.tx("payments", call) as tx:
        for each in found:
            await tx.run(
                _SEEN, name, each.kind, each.subject, each.payment_id, each.ours_minor,
                each.theirs_minor, each.currency, now,
            )  # fmt: skip
        await tx.run(_GONE, name, now, span.since)
        await tx.run(_MADE, name, now, compared, len(found))
