"""What this room keeps sealed: secrets of identity providers and of people's authenticator apps,
and for a while what log-ins, links, codes and erasures under way have to remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.actions import erasure, proofs, totp, ways_in
from fahrwerk.identity.actions.sso import ATTEMPT
from fahrwerk.identity.queries.sso import SEALED_FOR
from fahrwerk.kernel import resealing

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_READ = """
SELECT {key} AS key, {column} AS kept FROM identity.{table}
WHERE {column} IS NOT NULL AND ($1::uuid IS NULL OR {key} > $1) ORDER BY {key} LIMIT $2
"""
_WRITE = """
UPDATE identity.{table} t SET {column} = n.anew
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (key, was, anew)
WHERE t.{key} = n.key AND t.{column} = n.was RETURNING 1
"""
_COLUMNS = (
    ("sso_provider", "id", "secret", SEALED_FOR),
    ("sso_attempt", "id", "secrets", ATTEMPT),
    ("totp", "person_id", "secret", totp.SEAL),
    ("privacy_request", "id", "traces", erasure.SEAL),
    ("proof", "id", "sealed", proofs.SEAL),
    ("wish", "id", "login", ways_in.SEAL),
)


async def reseal(call: Call) -> resealing.Tally:
    """All of it, of one operator."""
    tally = resealing.Tally()
    for table, key, column, purpose in _COLUMNS:
        place = {"table": table, "key": key, "column": column}
        read, write = _READ.format(**place), _WRITE.format(**place)
        renew = resealing.sealed_for(purpose)
        tally = tally.and_also(await resealing.renewed(call, "identity", read, write, renew))
    return tally
