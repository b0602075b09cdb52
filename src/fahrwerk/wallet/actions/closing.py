"""An account is emptied, because its owner wants to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.payments import contract as payments
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import booked
from fahrwerk.wallet.contract.closing import MoneyHeld, NotPayable
from fahrwerk.wallet.queries import wallet

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.wallet.contract import Wallet
    from fahrwerk.wallet.contract.closing import Choice

GIVEN_UP, LAPSED = "balance given up", "bonus lapsed"

_PAYING = """
SELECT FROM wallet.topup
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND state = 'paying' LIMIT 1
"""


async def close_account(call: Call, choice: Choice) -> Wallet:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    own = await wallet(call, call.user)
    if own.held_minor or await db.run("wallet", call, _PAYING, call.user):
        raise MoneyHeld
    if own.balance_minor > 0 and choice == "forfeit":
        await _give_up(call, own, own.balance_minor, GIVEN_UP)
    elif own.balance_minor > 0:
        parts = await _payable(call, own)
        if own.bonus_minor:
            await _give_up(call, own, own.bonus_minor, LAPSED)
        house = system(call.tenant, "wallet", trace=call.trace, slug=call.tenant_slug)
        for part in parts:
            key = f"close:{part.topup_id}:{part.taken_minor}"
            await payments.refund(house, part.payment_id, part.amount_minor, GIVEN_UP, key)
    return await wallet(call, call.user)


async def _give_up(call: Call, own: Wallet, amount_minor: int, why: str) -> None:
    """Out of the account, into what the operator gave for nothing. Once for each state of it."""
    key = f"close:{own.version}"
    entry = rules.Entry(
        id=rules.transaction_id(call.tenant, own.rider_id, key), rider_id=own.rider_id, key=key,
        type="adjustment", amount_minor=-amount_minor, currency=own.currency, description=why,
        at=clock.now(),
    )  # fmt: skip
    await booked(call, entry, despite_freeze=True)


class _Part(NamedTuple):
    topup_id: UUID
    payment_id: UUID
    taken_minor: int
    amount_minor: int


# What is refunded already, and is not taken out of the account yet, cannot go back twice.
_CREDITED = """
SELECT id, payment_id, taken_minor, amount_minor - taken_minor AS left FROM wallet.topup
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND state = 'credited'
  AND amount_minor > taken_minor ORDER BY credited_at DESC, id LIMIT 500
"""


async def _payable(call: Call, own: Wallet) -> list[_Part]:
    """What goes back to which top-up's payment. Raises ``NotPayable`` when that is not all."""
    wanted, found = own.paid_minor, []
    for row in await db.run("wallet", call, _CREDITED, own.rider_id):
        part = min(wanted, row["left"])
        if part > 0:
            found.append(_Part(row["id"], row["payment_id"], row["taken_minor"], part))
            wanted -= part
    if wanted > 0:
        raise NotPayable
    return found
