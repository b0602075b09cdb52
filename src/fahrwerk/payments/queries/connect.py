"""The accounts that are connected to the platform's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract.gateways import GatewayAccount, UnknownAccount
from fahrwerk.payments.queries.gateways import ACCOUNT

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

CHARGE = "tenancy.operator.charge"
"""Of whoever runs the platform; what an operator's administrator holds of payments is not it."""

_CONNECTED = f"""
SELECT {ACCOUNT} FROM payments.gateway_account
WHERE tenant_id = kernel.tenant() AND is_connected
"""


async def connection(call: Call, operator: UUID) -> GatewayAccount:
    """See the contract."""
    call.require(CHARGE)
    row = await db.one("payments", system(operator, "payments"), _CONNECTED)
    if row is None:
        raise UnknownAccount
    return GatewayAccount(**row)
