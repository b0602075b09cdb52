"""Giving vehicles their keys (FLT-16, FLT-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.contract import Pairing, UnknownVehicle
from fahrwerk.fleet.events import VehiclePaired
from fahrwerk.fleet.protocols.fahrwerk_mqtt import Algorithm, new_keys
from fahrwerk.kernel import db, events
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_AT_ONCE = 500
KINDS = ("HS256", "EdDSA")

_PAIR = f"""
WITH paired AS (
    UPDATE fleet.vehicle SET is_connected = true, version = version + 1, updated_at = kernel.now()
    WHERE id = ANY($1) RETURNING id, vehicle_type, identifier, version, cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $2, $3, jsonb_build_object(
        'vehicle_id', id, 'kind', $4::text), $5, $6 FROM paired
)
SELECT id, vehicle_type, identifier, cell FROM paired
"""
_KEYS = """
INSERT INTO fleet.vehicle_key (vehicle_id, vehicle_type, kind, signs_with, checks_with)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE
SET kind = excluded.kind, signs_with = excluded.signs_with, checks_with = excluded.checks_with,
    paired_at = kernel.now()
"""


async def pair_vehicles(call: Call, vehicle_ids: list[UUID], kind: str) -> list[Pairing]:
    """See the contract. The counter goes on where it was: a copy of an old command stays old."""
    call.require("fleet.vehicle.pair")
    wanted = list(dict.fromkeys(vehicle_ids))
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise Invalid(field="ids", issue=f"must be 1 to {MOST_AT_ONCE} vehicles")
    if kind not in KINDS:
        raise Invalid(field="kind", issue=f"must be one of {', '.join(KINDS)}")
    keys = {each: new_keys(cast("Algorithm", kind)) for each in wanted}
    async with db.tx("fleet", call) as tx:
        rows = await tx.run(_PAIR, wanted, *title(VehiclePaired), kind, call.actor, call.trace)
        found = {row["id"]: row for row in rows}
        if missing := [each for each in wanted if each not in found]:
            raise UnknownVehicle(ids=[str(each) for each in missing[:20]])
        ours = [keys[each][0] for each in wanted]
        await tx.run(
            _KEYS, wanted, [found[each]["vehicle_type"] for each in wanted], [kind] * len(wanted),
            [key.signs_with for key in ours], [key.checks_with for key in ours],
        )  # fmt: skip
        tell_caches(tx, call, *(row["cell"] for row in rows))
    return [
        Pairing(
            each, found[each]["vehicle_type"], found[each]["identifier"], kind,
            keys[each][1].signs_with, keys[each][1].checks_with,
        )
        for each in wanted
    ]  # fmt: skip
