"""What an operator asks of its people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.policy import Policy
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

POLICY_COLUMNS = """second_factor_roles, bind_sessions, verify_at_register, quiet_registration,
    ride_needs_contact, ride_checks, id_provider"""
_POLICY = f"SELECT {POLICY_COLUMNS} FROM identity.policy WHERE tenant_id = kernel.tenant()"


async def policy(call: Call) -> Policy:
    row = await db.one("identity", call, _POLICY)
    return Policy(**row) if row else Policy()
