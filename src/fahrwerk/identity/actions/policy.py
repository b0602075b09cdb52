"""An operator changes what it asks of its people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from fahrwerk.identity import providers, queries
from fahrwerk.identity.contract.policy import Policy, PolicyChange
from fahrwerk.identity.queries.policy import POLICY_COLUMNS
from fahrwerk.identity.rules import checks as check_rules
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

MOST_ROLES = 50
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('identity.policy:' || $1, 0))"
_READ = f"SELECT {POLICY_COLUMNS} FROM identity.policy WHERE tenant_id = kernel.tenant()"
_WRITE = f"""
INSERT INTO identity.policy ({POLICY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id) DO UPDATE SET ({POLICY_COLUMNS}, updated_at)
    = (excluded.second_factor_roles, excluded.bind_sessions, excluded.verify_at_register,
       excluded.quiet_registration, excluded.ride_needs_contact, excluded.ride_checks,
       excluded.id_provider, kernel.now())
"""


async def change_policy(call: Call, change: PolicyChange) -> Policy:
    call.require("identity.policy.write")
    if change.id_provider is not UNSET:
        providers.by_name(change.id_provider)
    if change.second_factor_roles is not UNSET and len(change.second_factor_roles) > MOST_ROLES:
        raise Invalid(field="second_factor_roles", issue=f"at most {MOST_ROLES}")
    given = {name: value for name, value in msgspec.structs.asdict(change).items()
             if value is not UNSET}  # fmt: skip
    if "second_factor_roles" in given:
        given["second_factor_roles"] = sorted(set(given["second_factor_roles"]))
    if "ride_checks" in given:
        given["ride_checks"] = check_rules.check_wanted(given["ride_checks"])
    async with db.tx("identity", call) as tx:
        await tx.run(_LOCK, str(call.tenant))
        row = await tx.one(_READ)
        before = Policy(**row) if row else Policy()
        after = msgspec.structs.replace(before, **given)
        await tx.run(_WRITE, *msgspec.structs.astuple(after))
    return await queries.policy(call)
