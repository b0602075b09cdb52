"""Transfers to partners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.transfers import Transfer

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

WRITE = "payments.transfer.create"
COLUMNS = """id, key, gateway, account, amount_minor, currency, state, ref, reason, begun_at,
       ended_at"""
_BY_KEY = f"""
SELECT {COLUMNS} FROM payments.transfer WHERE tenant_id = kernel.tenant() AND key = $1
"""


async def transfer_of(call: Call, key: str) -> Transfer | None:
    """See the contract."""
    call.require(WRITE)
    row = await db.one("payments", call, _BY_KEY, key)
    return None if row is None else Transfer(**row)
