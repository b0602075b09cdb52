"""Pay what a ride still owes from the balance."""

from __future__ import annotations

import msgspec
from litestar import post
from litestar.params import FromPath

from fahrwerk.kernel import ids, money, web
from fahrwerk.payments.contract.debts import DEBT_PREFIX
from fahrwerk.wallet import contract


class DebtPaid(msgspec.Struct, frozen=True):
    """How the debt stands now."""

    id: str
    status: str
    """open, paid, written_off, forgiven"""
    amount: float
    """Still owed."""
    currency: str


@post(
    "/api/v1/wallet/debts/{debt_id:str}/pay",
    permission="wallet.topup.create",
    while_suspended=True,
    status_code=200,
    tags=["wallet"],
)
async def post_debt(call: web.Caller, debt_id: FromPath[str]) -> DebtPaid:
    """Pay a debt from the balance; 400 PAYMENT_FAILED when it does not reach."""
    paid = await contract.pay_debt(call, ids.parse(debt_id, DEBT_PREFIX))
    return DebtPaid(
        debt_id, paid.state, money.to_major(paid.owed_minor, paid.currency), paid.currency
    )


handlers = [post_debt]
