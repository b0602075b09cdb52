"""Pay a debt from the balance: the hold, the spending and the payment are one thing in payments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.payments.contract import debts
from fahrwerk.wallet.actions._book import open_account
from fahrwerk.wallet.contract import WalletFrozen
from fahrwerk.wallet.queries import wallet

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract.debts import Debt


async def pay_debt(call: Call, debt_id: UUID) -> Debt:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    await open_account(call, call.user)
    if (await wallet(call, call.user)).frozen is not None:
        raise WalletFrozen
    return await debts.pay_debt_from_purse(call, debt_id)
