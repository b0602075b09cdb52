"""Transfers to partners."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.contract.transfers import Transfer, TransferPage

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


_FROM = """FROM payments.transfer
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR state = $1)"""
_PAGE = f"SELECT {COLUMNS} {_FROM} ORDER BY begun_at DESC, id LIMIT $2 OFFSET $3"
_TOTAL = f"SELECT count(*) {_FROM}"


async def transfers(call: Call, state: str | None, limit: int, offset: int) -> TransferPage:
    """See the contract."""
    call.require("payments.transfer.read")
    rows, total = await asyncio.gather(
        db.run("payments", call, _PAGE, state, limit, offset),
        db.run("payments", call, _TOTAL, state),
    )
    return TransferPage([Transfer(**row) for row in rows], total[0][0])
