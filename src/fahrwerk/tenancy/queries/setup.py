"""How far the call's operator's set-up is, and where it stands in its life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.tenancy.contract import UnknownOperator
from fahrwerk.tenancy.contract.life import Life, Setup
from fahrwerk.tenancy.rules.setup import setup_of

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_STEPS = "SELECT step, state, data FROM tenancy.setup_step WHERE tenant_id = kernel.tenant()"


async def setup(call: Call) -> Setup:
    call.require("tenancy.operator.change")
    rows = await db.run("tenancy", call, _STEPS)
    return setup_of({row["step"]: (row["state"], row["data"]) for row in rows})


LIFE = """
SELECT status, status_reason, status_since, deletes_at FROM tenancy.operator WHERE id = $1
"""


async def life(call: Call, operator_id: UUID) -> Life:
    if operator_id != call.tenant:
        call.require("tenancy.operator.read")
    row = await db.one("tenancy", call, LIFE, operator_id)
    if row is None:
        raise UnknownOperator
    return Life(*row)
