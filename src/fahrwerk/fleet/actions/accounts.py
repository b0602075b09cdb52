"""Giving vehicles accounts at the MQTT broker, and taking them away."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from fahrwerk.fleet.contract import UnknownVehicle
from fahrwerk.fleet.contract.accounts import MOST_ACCOUNTS, BrokerAccount, NoAccount
from fahrwerk.fleet.rules.accounts import SALT_BYTES, secret_of
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_VEHICLES = "SELECT id, vehicle_type, identifier FROM fleet.vehicle WHERE id = ANY($1)"
_ISSUE = """
INSERT INTO fleet.broker_account (vehicle_id, secret, set_by)
SELECT vehicle_id, secret, $3 FROM unnest($1::uuid[], $2::text[]) AS made (vehicle_id, secret)
ON CONFLICT (tenant_id, vehicle_id) DO UPDATE
SET secret = excluded.secret, set_at = kernel.now(), set_by = excluded.set_by
"""


async def issue_accounts(call: Call, vehicle_ids: list[UUID]) -> list[BrokerAccount]:
    call.require("fleet.vehicle.pair")
    wanted = list(dict.fromkeys(vehicle_ids))
    if not 1 <= len(wanted) <= MOST_ACCOUNTS:
        raise Invalid(field="ids", issue=f"must be 1 to {MOST_ACCOUNTS} vehicles")
    passwords = {each: secrets.token_urlsafe(32) for each in wanted}
    async with db.tx("fleet", call) as tx:
        found = {row["id"]: row for row in await tx.run(_VEHICLES, wanted)}
        if len(found) < len(wanted):
            raise UnknownVehicle
        salts = [secrets.token_bytes(SALT_BYTES) for _ in wanted]
        kept = [secret_of(passwords[v], salt) for v, salt in zip(wanted, salts, strict=True)]
        await tx.run(_ISSUE, wanted, kept, call.actor)
    return [
        BrokerAccount(each, found[each]["vehicle_type"], found[each]["identifier"], passwords[each])
        for each in wanted
    ]


_REVOKE = "DELETE FROM fleet.broker_account WHERE vehicle_id = $1 RETURNING 1"


async def revoke_account(call: Call, vehicle_id: UUID) -> None:
    call.require("fleet.vehicle.pair")
    if await db.one("fleet", call, _REVOKE, vehicle_id) is None:
        raise NoAccount
