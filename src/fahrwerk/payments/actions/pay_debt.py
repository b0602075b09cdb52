"""Pay a debt: with a stored method, or from prepaid money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.payments.actions._case import own_case
from fahrwerk.payments.actions.authorize import Way, pay_case
from fahrwerk.payments.actions.debts import advance
from fahrwerk.payments.contract.debts import Debt, DebtClosed, UnknownDebt
from fahrwerk.payments.gateways import PURSE
from fahrwerk.payments.queries.debts import debt as one_debt

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_FROM_PURSE = Way(None, "Prepaid balance", PURSE, PURSE, True)


async def pay_debt(call: Call, debt_id: UUID, method_id: UUID | None) -> Debt:
    """See the contract."""
    return await _paid(call, debt_id, method_id, None)


async def pay_debt_from_purse(call: Call, debt_id: UUID) -> Debt:
    """See the contract."""
    return await _paid(call, debt_id, None, _FROM_PURSE)


async def _paid(call: Call, debt_id: UUID, method_id: UUID | None, way: Way | None) -> Debt:
    found = await one_debt(call, debt_id)
    if call.user not in (None, found.rider_id):
        raise UnknownDebt  # staff see it, and record what came in by hand
    if found.state == "forgiven":
        raise DebtClosed
    if found.owed_minor > 0:
        case = await own_case(call, found.payment_id)
        await pay_case(call, case, method_id, way)
    await advance(call, found.payment_id)
    return await one_debt(call, debt_id)
