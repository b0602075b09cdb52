"""What must hold after every fault (RELIABILITY.md, section 1): each a query for offending rows.

``broken`` asks what ``fahrwerk doctor`` asks, every room through its own role, and after that what
no room can see alone: this file reads across the rooms' walls with the owner's login, which nothing
in production may do. Half an hour is added to the clock of the questions, so that nothing is
excused as being under way.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fahrwerk import app
from fahrwerk.kernel import clock, ids, invariants
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.journeys.people import City

END_WITHIN_S = 120.0  # I8
LATER = timedelta(minutes=30)

ACROSS = {
    "I1": """
    SELECT format('payment %s: captured %s, but %s at the gateway', p.id, p.captured_minor, g.taken)
    FROM payments.payment p JOIN (
        SELECT (metadata ->> 'payment_id')::uuid AS payment_id, sum(captured) AS taken
        FROM payments.sandbox_intent WHERE tenant_id = $1 GROUP BY 1) g ON g.payment_id = p.id
    WHERE p.tenant_id = $1 AND g.taken <> p.captured_minor
    UNION ALL
    SELECT format('payment %s: %s authorisations at the gateway, %s here', p.id, g.made, a.ours)
    FROM payments.payment p JOIN (
        SELECT (i.metadata ->> 'payment_id')::uuid AS payment_id, count(*) AS made
        FROM payments.sandbox_operation o
        JOIN payments.sandbox_intent i ON i.tenant_id = o.tenant_id AND i.ref = o.intent
        WHERE o.tenant_id = $1 AND o.kind = 'authorize' AND o.outcome = 'done'
        GROUP BY 1) g ON g.payment_id = p.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS ours FROM payments.attempt
        WHERE tenant_id = $1 AND payment_id = p.id AND kind = 'authorize') a
    WHERE p.tenant_id = $1 AND g.made > a.ours""",
    "I2": """
    SELECT format('rental %s: %s, payment %s', r.id, r.state, coalesce(p.state, 'none'))
    FROM rentals.rental r
    LEFT JOIN payments.payment p ON p.tenant_id = r.tenant_id AND p.id = r.payment_id
    WHERE r.tenant_id = $1 AND r.secured_by = 'payment' AND (
        p.state IS NULL OR p.state IN ('created', 'unknown', 'action_required')
        OR p.state = 'voided' AND p.due_minor > 0
        OR p.state = 'failed' AND r.state <> 'cancelled')
      AND r.state IN ('confirmed', 'in_progress', 'completed')""",
    "I3": """
    SELECT format('vehicle %s: %s for %s, whose rental is %s', v.id, v.status, v.held_by,
                  coalesce(r.state, 'not there'))
    FROM fleet.vehicle v
    LEFT JOIN rentals.rental r ON r.tenant_id = v.tenant_id AND r.id = v.held_by
    WHERE v.tenant_id = $1 AND v.held_by IS NOT NULL
      AND coalesce(r.state NOT IN ('pending', 'confirmed', 'in_progress'), true)""",
    "I4": """
    WITH rides AS (
        SELECT stream, data ->> 'vehicle_id' AS vehicle,
               min(at) FILTER (WHERE name = 'rental.started') AS began,
               max(at) FILTER (WHERE name = 'rental.ended') AS ended
        FROM kernel.event WHERE tenant_id = $1 AND name IN ('rental.started', 'rental.ended')
        GROUP BY 1, 2)
    SELECT format('rental %s: %s on vehicle %s, held by %s', r.id, r.state, v.id,
                  coalesce(v.held_by::text, 'nobody'))
    FROM rentals.rental r
    JOIN fleet.vehicle v ON v.tenant_id = r.tenant_id AND v.id = r.vehicle_id
    WHERE r.tenant_id = $1 AND r.state IN ('pending', 'confirmed', 'in_progress')
      AND (v.held_by IS DISTINCT FROM r.id
           OR (r.state = 'in_progress') IS DISTINCT FROM (v.status = 'in_use'))
    UNION ALL
    SELECT format('%s and %s rode vehicle %s at the same time', a.stream, b.stream, a.vehicle)
    FROM rides a JOIN rides b ON b.vehicle = a.vehicle AND b.stream > a.stream
    WHERE a.began < b.ended AND b.began < a.ended""",
    "I6": """
    SELECT format('%s %s: %s notices', e.name, e.stream, count(n.id))
    FROM kernel.event e
    JOIN (VALUES ('rental.ended', 'RideReceipt'), ('BookingConfirmed', 'BookingConfirmation'))
      AS wanted (name, template) ON wanted.name = e.name
    LEFT JOIN notifications.notice n ON n.tenant_id = e.tenant_id
     AND 'rental:' || n.reference = e.stream AND n.template = wanted.template
    WHERE e.tenant_id = $1
    GROUP BY e.name, e.stream HAVING count(n.id) <> 1
    UNION ALL
    SELECT format('vehicle %s: counts %s rides, %s have ended', v.id, v.trips, e.rides)
    FROM fleet.vehicle v CROSS JOIN LATERAL (
        SELECT count(*) AS rides FROM kernel.event WHERE tenant_id = $1
          AND name = 'rental.ended' AND data ->> 'vehicle_id' = v.id::text) e
    WHERE v.tenant_id = $1 AND v.trips <> e.rides
    UNION ALL
    SELECT format('%s: its price is %s, payments was told %s', e.stream, e.data ->> 'total_minor',
                  p.due_minor)
    FROM kernel.event e JOIN payments.payment p
      ON p.tenant_id = e.tenant_id AND p.id = (e.data ->> 'payment_id')::uuid
    WHERE e.tenant_id = $1 AND e.name = 'rental.ended'
      AND p.due_minor IS DISTINCT FROM (e.data ->> 'total_minor')::bigint
    UNION ALL
    SELECT format('%s is cancelled, payments does not know', e.stream)
    FROM kernel.event e JOIN payments.payment p
      ON p.tenant_id = e.tenant_id AND p.id = (e.data ->> 'payment_id')::uuid
    WHERE e.tenant_id = $1 AND e.name = 'rental.cancelled' AND NOT p.is_unwanted
      AND p.state NOT IN ('failed', 'voided')
    UNION ALL
    SELECT format('%s: promotion %s not counted', e.stream, e.data ->> 'promo_code')
    FROM kernel.event e WHERE e.tenant_id = $1 AND e.name = 'rental.ended'
      AND e.data ->> 'promo_code' IS NOT NULL AND NOT EXISTS (
        SELECT FROM pricing.redemption d
        WHERE d.tenant_id = $1 AND 'rental:' || d.rental_id = e.stream)
    UNION ALL
    SELECT format('dead letter of %s: %s: %s', handler_group, name, error)
    FROM kernel.dead_letter WHERE tenant_id = $1 AND replayed_at IS NULL""",
    "I7": """
    SELECT format('%s speaks of rental %s of another operator', e.stream, r.id)
    FROM kernel.event e JOIN rentals.rental r ON r.id::text = e.data ->> 'booking_id'
    WHERE e.tenant_id = $1 AND r.tenant_id <> $1
    UNION ALL
    SELECT format('rental %s is on a vehicle or payment of another operator', r.id)
    FROM rentals.rental r
    LEFT JOIN fleet.vehicle v ON v.tenant_id = r.tenant_id AND v.id = r.vehicle_id
    LEFT JOIN payments.payment p ON p.tenant_id = r.tenant_id AND p.id = r.payment_id
    WHERE r.tenant_id = $1 AND (v.id IS NULL OR p.id IS NULL)""",
    "I12": """
    SELECT format('payment %s: %s, and the gateway still holds %s', p.id, p.state, i.amount)
    FROM payments.sandbox_intent i JOIN payments.payment p
      ON p.tenant_id = i.tenant_id AND p.id = (i.metadata ->> 'payment_id')::uuid
    LEFT JOIN rentals.rental r ON r.tenant_id = p.tenant_id AND r.payment_id = p.id
    WHERE i.tenant_id = $1 AND i.state = 'requires_capture'
      AND coalesce(r.state NOT IN ('pending', 'confirmed', 'in_progress'), true)""",
}
"""What only somebody who sees all rooms can tell, of operator ``$1`` at rest."""

UNFINISHED = """
SELECT 'rental ' || id || ' ' || state FROM rentals.rental
WHERE tenant_id = $1 AND state IN ('pending', 'confirmed', 'in_progress')
UNION ALL
SELECT 'vehicle ' || id || ' ' || status || CASE WHEN is_locked THEN '' ELSE ' open' END
FROM fleet.vehicle WHERE tenant_id = $1 AND (status <> 'available' OR NOT is_locked)
UNION ALL
SELECT 'command ' || operation || ' ' || state FROM fleet.command
WHERE tenant_id = $1 AND state IN ('queued', 'sent')
UNION ALL
SELECT 'payment ' || id || ' ' || state FROM payments.payment p
WHERE tenant_id = $1 AND state NOT IN ('completed', 'voided', 'failed', 'refunded', 'due')
  -- Opened for a booking that was never made: no gateway has heard of it.
  AND NOT (state = 'created'
           AND NOT EXISTS (SELECT FROM payments.attempt a WHERE a.payment_id = p.id)
           AND NOT EXISTS (SELECT FROM rentals.rental r WHERE r.payment_id = p.id))
UNION ALL
SELECT 'attempt ' || kind || ' ' || state FROM payments.attempt
WHERE tenant_id = $1 AND state IN ('sent', 'unknown')
UNION ALL
SELECT 'work on ' || kind FROM payments.work WHERE tenant_id = $1
UNION ALL
SELECT 'notice ' || template FROM notifications.notice WHERE tenant_id = $1 AND state = 'due'
UNION ALL
SELECT 'entry in the audit log without its place in the chain' FROM kernel.audit
WHERE tenant_id = $1 AND seq IS NULL
UNION ALL
SELECT c.handler_group || ' has not handled ' || e.name
FROM kernel.checkpoint c JOIN kernel.event e ON (e.xid, e.position) > (c.xid, c.position)
WHERE e.tenant_id = $1
"""
"""I8: what has not come to an end."""


async def at_rest(city: City, seconds: float = END_WITHIN_S) -> None:
    """Wait until everything of this operator has come to an end (I8)."""
    end = time.monotonic() + seconds
    while rows := await city.platform.look(UNFINISHED, city.tenant):
        left = [row[0] for row in rows]
        assert time.monotonic() < end, f"I8: {left}\n{city.platform.log('work')}"
        await asyncio.sleep(0.2)


async def broken(city: City) -> list[tuple[str, str]]:
    """``(invariant, detail)`` of everything that is wrong with this operator, which is at rest."""
    call = system(city.tenant, "tests", slug=city.slug)
    found: list[tuple[str, str]] = []
    async with city.platform.inside():
        with clock.moved_to(datetime.now(UTC) + LATER):
            for room in (invariants, *app.furniture("queries")):
                if hasattr(room, "broken_invariants"):
                    found += await room.broken_invariants(call)
    for invariant, sql in ACROSS.items():
        found += [(invariant, row[0]) for row in await city.platform.look(sql, city.tenant)]
    return found


async def lost(city: City, acknowledged: Iterable[str]) -> list[str]:
    """Bookings that were answered 2xx and are not in the database (I9)."""
    rows = await city.platform.look(
        "SELECT id FROM rentals.rental WHERE tenant_id = $1", city.tenant
    )
    there = {ids.public("rent", row["id"]) for row in rows}
    return [booking for booking in acknowledged if booking not in there]
