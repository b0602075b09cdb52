"""The money of rides as the event log tells it, beside what stands in the books about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel import db
from fahrwerk.payments.rules.ledger import FACTS, OF_FACTS, SALE, MoneyFact, RideMoney

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fahrwerk.kernel.call import Call

PAGE = 500


class Booked(msgspec.Struct, frozen=True):
    """A journal of a ride's money as it stands in the books."""

    id: UUID
    key: str
    at: datetime
    digest: str
    rate_bp: int | None
    """Of a sale: the tax rate it was posted with."""


class Ride(msgspec.Struct, frozen=True):
    """What was told, what is booked, and whether it has been like this for two minutes."""

    money: RideMoney
    booked: list[Booked]
    is_settled: bool


_RIDES = """
SELECT w.reference, p.id, p.rider_id, p.gateway, p.currency,
       coalesce(p.captured_minor, 0) AS captured,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'id', e.id, 'name', e.name, 'at', e.at, 'data', e.data) ORDER BY e.position),
                '[]')
        FROM kernel.event e
        WHERE e.tenant_id = kernel.tenant() AND e.name = ANY($2)
          AND (e.stream IN ('payment:' || p.id, 'rental:' || w.reference) OR e.stream IN (
              SELECT 'dispute:' || d.id FROM payments.dispute d
              WHERE d.tenant_id = kernel.tenant() AND d.payment_id = p.id))) AS facts,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'id', j.id, 'key', j.key, 'at', j.at, 'digest', encode(j.digest, 'hex'),
                    'rate_bp', (SELECT split_part(a.code, '.', 2)::int FROM payments.entry e
                        JOIN payments.account a ON a.tenant_id = e.tenant_id
                         AND a.id = e.account_id AND a.shard = e.shard
                        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.id
                          AND j.kind = 'sale' AND a.code LIKE 'revenue.%' LIMIT 1))), '[]')
        FROM payments.journal j
        WHERE j.tenant_id = kernel.tenant() AND j.reference = w.reference
          AND j.kind = ANY($3)) AS booked,
       kernel.now() - interval '120 seconds' AS long_ago
FROM unnest($1::uuid[]) AS w (reference)
LEFT JOIN payments.payment p ON p.tenant_id = kernel.tenant() AND p.reference = w.reference
"""


async def rides(call: Call, usual_rate_bp: int, references: Sequence[UUID]) -> list[Ride]:
    """Rides (and what else payments are for) by their ids, as of one moment."""
    rows = await db.run("payments", call, _RIDES, list(references), list(FACTS), list(OF_FACTS))
    return [_read(dict(row), usual_rate_bp) for row in rows]


_ALL = """
SELECT (data->>'booking_id')::uuid AS reference FROM kernel.event
WHERE tenant_id = kernel.tenant() AND name = $1
UNION
SELECT reference FROM payments.payment WHERE tenant_id = kernel.tenant() AND due_minor IS NOT NULL
UNION
SELECT reference FROM payments.journal
WHERE tenant_id = kernel.tenant() AND kind = ANY($2) AND reference IS NOT NULL
"""


async def all_rides(call: Call, usual_rate_bp: int) -> AsyncIterator[list[Ride]]:
    """Everything there ever was to book, some hundred at a time; reads the whole log once."""
    async with db.tx("payments", call) as tx:
        await tx.run("SELECT set_config('statement_timeout', '0', true)")
        references = [row["reference"] for row in await tx.run(_ALL, SALE, list(OF_FACTS))]
    for first in range(0, len(references), PAGE):
        yield await rides(call, usual_rate_bp, references[first : first + PAGE])


def _read(row: dict[str, Any], usual_rate_bp: int) -> Ride:
    facts = msgspec.convert(row["facts"], list[MoneyFact])
    booked = msgspec.convert(row["booked"], list[Booked])
    # What was posted once is not posted differently because the operator's rate is another now.
    rates = [each.rate_bp for each in booked if each.rate_bp is not None]
    return Ride(
        RideMoney(
            reference=row["reference"],
            payment_id=row["id"],
            rider_id=row["rider_id"],
            gateway=row["gateway"],
            currency=row["currency"],
            captured_minor=row["captured"],
            usual_rate_bp=rates[0] if rates else usual_rate_bp,
            facts=facts,
        ),
        booked,
        is_settled=all(fact.at < row["long_ago"] for fact in facts),
    )
