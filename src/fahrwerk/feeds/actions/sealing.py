"""What this room keeps sealed: the tokens it shows to cities that it pushes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.feeds.actions.agencies import SEALED_FOR
from fahrwerk.kernel import resealing

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_TOKENS = """
SELECT agency_id || ' ' || mode AS key, token AS kept FROM feeds.subscription
WHERE $1::text IS NULL OR agency_id || ' ' || mode > $1 ORDER BY 1 LIMIT $2
"""
_OF_TOKENS = """
UPDATE feeds.subscription s SET token = n.anew
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS n (key, was, anew)
WHERE s.agency_id || ' ' || s.mode = n.key AND s.token = n.was RETURNING 1
"""


async def reseal(call: Call) -> resealing.Tally:
    """All tokens of an operator."""
    renew = resealing.sealed_for(SEALED_FOR)
    return await resealing.renewed(call, "feeds", _TOKENS, _OF_TOKENS, renew)
