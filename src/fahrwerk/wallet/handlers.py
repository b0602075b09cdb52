"""What wallets do when payments has news: note it, and let the worker do it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel.events import on
from fahrwerk.payments.events import (
    LotExpired,
    PaymentActionRequired,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
    PaymentVoided,
)
from fahrwerk.rentals.events import RentalCancelled, RentalEnded
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import WORK, book
from fahrwerk.wallet.actions.rides import SETTLE

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact

# Whatever its state is: money that was settled late is credited late.
_LOOK = """
INSERT INTO wallet.work (kind, subject, at)
SELECT $3, id, kernel.now() FROM wallet.topup
WHERE id = $1 AND payment_id = $2 AND (state <> 'credited' OR $3 = 'takeback')
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = least(work.at, excluded.at)
"""


async def _look(tx: Tx, reference: UUID, payment_id: UUID, kind: str = "topup") -> None:
    await tx.run(_LOOK, reference, payment_id, kind)
    tx.signal(WORK)


@on(PaymentAuthorized)
async def on_payment_authorized(tx: Tx, call: Call, event: PaymentAuthorized, fact: Fact) -> None:
    """Perhaps before the gateway's own answer, or after a challenge: capture it."""
    await _look(tx, event.booking_id, event.payment_id)


@on(PaymentCompleted)
async def on_payment_completed(tx: Tx, call: Call, event: PaymentCompleted, fact: Fact) -> None:
    """Settled money: credit it, if that is not done yet."""
    await _look(tx, event.booking_id, event.payment_id)


@on(PaymentFailed)
async def on_payment_failed(tx: Tx, call: Call, event: PaymentFailed, fact: Fact) -> None:
    """The top-up has failed."""
    await _look(tx, event.booking_id, event.payment_id)


@on(PaymentActionRequired)
async def on_action_required(tx: Tx, call: Call, event: PaymentActionRequired, fact: Fact) -> None:
    """The rider's bank wants a confirmation: show it."""
    await _look(tx, event.booking_id, event.payment_id)


@on(PaymentVoided)
async def on_payment_voided(tx: Tx, call: Call, event: PaymentVoided, fact: Fact) -> None:
    """Given back: the top-up is over."""
    await _look(tx, event.booking_id, event.payment_id)


AT_ONCE_S = 0.0
PURSE = "purse"
"""The gateway of what was paid from a balance."""


@on(PaymentCaptured)
async def on_payment_captured(tx: Tx, call: Call, event: PaymentCaptured, fact: Fact) -> None:
    """A debt was paid from the balance: the ledger has moved it, here it is booked."""
    if event.gateway == PURSE and event.rider_id is not None:
        await _book_purse(tx, call, event, fact, event.rider_id, -event.amount)


async def _book_purse(
    tx: Tx, call: Call, event: PaymentCaptured | PaymentRefunded, fact: Fact, rider: UUID,
    amount: int,
) -> None:  # fmt: skip
    key = f"debt:{event.key}"
    entry = rules.Entry(
        id=rules.transaction_id(call.tenant, rider, key), rider_id=rider, key=key,
        type="usage" if amount < 0 else "refund", amount_minor=amount, currency=event.currency,
        reference=event.booking_id, at=fact.at,
    )  # fmt: skip
    await book(tx.run, call, entry, None)


@on(PaymentRefunded)
async def on_payment_refunded(tx: Tx, call: Call, event: PaymentRefunded, fact: Fact) -> None:
    """A top-up was refunded: the money goes out of the account again. A ride: it comes back."""
    await _look(tx, event.booking_id, event.payment_id, "takeback")
    if event.gateway == PURSE and event.rider_id is not None:
        await _book_purse(tx, call, event, fact, event.rider_id, event.amount)


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """The ride's price is known: take it from what is held, and let the rest go."""
    total = event.total_minor if event.secured_by == "wallet" else 0
    await tx.run(SETTLE, event.booking_id, total, AT_ONCE_S)
    tx.signal(WORK)


@on(RentalCancelled)
async def on_rental_cancelled(tx: Tx, call: Call, event: RentalCancelled, fact: Fact) -> None:
    """No ride: what is held is let go."""
    await tx.run(SETTLE, event.booking_id, 0, AT_ONCE_S)
    tx.signal(WORK)


_IS_ACCOUNT = "SELECT rider_id FROM wallet.account WHERE rider_id = $1"


@on(LotExpired)
async def on_lot_expired(tx: Tx, call: Call, event: LotExpired, fact: Fact) -> None:
    """What ran out is off the balance."""
    try:
        rider_id = UUID(event.owner)
    except ValueError:
        return  # a purse that is no rider's
    if await tx.one(_IS_ACCOUNT, rider_id) is None:
        return
    key = f"expiry:{fact.id}"
    entry = rules.Entry(
        id=rules.transaction_id(call.tenant, rider_id, key),
        rider_id=rider_id, key=key, type="expiry", amount_minor=-event.amount,
        currency=event.currency, reference=event.lot_id, at=fact.at,
    )  # fmt: skip
    await book(tx.run, call, entry, None)


_OF = "tenant_id = kernel.tenant() AND rider_id = $1"
_FORGET = (
    f"""UPDATE wallet.account SET has_auto = false, auto_method_id = NULL,
        frozen_reason = CASE WHEN frozen_reason IS NOT NULL THEN 'erased' END WHERE {_OF}""",
    f"UPDATE wallet.transaction SET description = '' WHERE {_OF} AND description <> ''",
    f"UPDATE wallet.topup SET method_id = NULL, next_action = NULL WHERE {_OF}",
    f"DELETE FROM wallet.reseller_customer WHERE {_OF}",
    """UPDATE wallet.reseller SET person_id = NULL
    WHERE tenant_id = kernel.tenant() AND person_id = $1""",
)


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """The account is empty by now; what happened on it stays as numbers."""
    for sql in _FORGET:
        await tx.run(sql, event.user_id)
