"""Keys of vehicles at rest: sealed with the installation's secret, each for its vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import crypto, resealing

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row

_RAW_BYTES = 32


def sealed(vehicle_id: UUID, half: bytes) -> bytes:
    """Half of a key, for the database; a row copied to another vehicle cannot be opened."""
    return crypto.seal(_purpose(vehicle_id), half.hex())


def opened(vehicle_id: UUID, kept: bytes) -> bytes:
    """The reverse; what was written before keys were is what it is. Raises ``ValueError``."""
    if len(kept) == _RAW_BYTES:
        return kept
    return bytes.fromhex(crypto.unseal(_purpose(vehicle_id), kept))


def _purpose(vehicle_id: UUID) -> str:
    return f"fleet.vehicle_key:{vehicle_id}"


_SIGNS_WITH = """
SELECT vehicle_id AS key, signs_with AS kept FROM fleet.vehicle_key
WHERE $1::uuid IS NULL OR vehicle_id > $1 ORDER BY vehicle_id LIMIT $2
"""
_OF_SIGNS_WITH = """
UPDATE fleet.vehicle_key k SET signs_with = n.anew
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (key, was, anew)
WHERE k.vehicle_id = n.key AND k.signs_with = n.was RETURNING 1
"""
_CHECKS_WITH = _SIGNS_WITH.replace("signs_with", "checks_with")
_OF_CHECKS_WITH = _OF_SIGNS_WITH.replace("signs_with", "checks_with")


async def reseal(call: Call) -> resealing.Tally:
    """Both halves of all keys of an operator's vehicles."""
    tally = await resealing.renewed(call, "fleet", _SIGNS_WITH, _OF_SIGNS_WITH, _anew)
    return tally.and_also(
        await resealing.renewed(call, "fleet", _CHECKS_WITH, _OF_CHECKS_WITH, _anew)
    )


def _anew(row: Row) -> bytes | None:
    if len(row["kept"]) == _RAW_BYTES:
        return sealed(row["key"], row["kept"])
    return resealing.anew(_purpose(row["key"]), row["kept"])
