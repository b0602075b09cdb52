"""What becomes a notice: written in the handler's transaction, sent later by a job (NTF-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet.events import AlertEscalated, AlertRaised
from fahrwerk.identity.events import PersonErased, ProofSent, SecurityNoticed
from fahrwerk.kernel import ids
from fahrwerk.kernel.events import Fact, on
from fahrwerk.notifications.templates import accounts
from fahrwerk.payments.events import DebitAnnounced, DebtOpened, DebtReminded
from fahrwerk.rentals.events import BookingConfirmed, RentalEnded
from fahrwerk.wallet.events import TopupCredited, TopupFailed, WalletBooked

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx

_WRITE = """
INSERT INTO notifications.notice (id, user_id, template, channel, reference, trace)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, reference, template, channel, user_id) DO NOTHING
"""


async def _write(
    tx: Tx, call: Call, template: str, user_id: UUID, reference: UUID, channel: str = "email"
) -> None:
    notice_id = ids.derived("notice", call.tenant, template, channel, reference)
    await tx.run(_WRITE, notice_id, user_id, template, channel, reference, call.trace)
    tx.signal("notifications.notice")


@on(BookingConfirmed)
async def on_booking_confirmed(tx: Tx, call: Call, event: BookingConfirmed, fact: Fact) -> None:
    """A confirmation for each booking (NTF-03); none for rides brought in from history."""
    if not event.is_recorded:
        await _write(tx, call, "BookingConfirmation", event.user_id, event.booking_id)


@on(RentalEnded)
async def on_rental_ended(tx: Tx, call: Call, event: RentalEnded, fact: Fact) -> None:
    """A receipt for each ended ride (NTF-05); none for rides brought in from history."""
    if not event.is_recorded:
        await _write(tx, call, "RideReceipt", event.user_id, event.booking_id)


@on(TopupCredited)
async def on_topup_credited(tx: Tx, call: Call, event: TopupCredited, fact: Fact) -> None:
    """Money was charged while the rider was not there: say so (WAL-21, NTF-09)."""
    if event.is_auto:
        await _write(tx, call, "AutoTopupDone", event.rider_id, event.topup_id)


@on(TopupFailed)
async def on_topup_failed(tx: Tx, call: Call, event: TopupFailed, fact: Fact) -> None:
    """Auto top-up was refused, and may rest from now on (WAL-19, WAL-21, NTF-09)."""
    if event.is_auto:
        await _write(tx, call, "AutoTopupFailed", event.rider_id, event.topup_id)


@on(WalletBooked)
async def on_wallet_booked(tx: Tx, call: Call, event: WalletBooked, fact: Fact) -> None:
    """The balance has become low (WAL-29): once, until it is higher again."""
    if event.has_become_low:
        await _write(tx, call, "BalanceLow", event.rider_id, event.transaction_id)


@on(DebitAnnounced)
async def on_debit_announced(tx: Tx, call: Call, event: DebitAnnounced, fact: Fact) -> None:
    """Pre-notification: the account will be debited by SEPA direct debit, when and how much."""
    await _write(tx, call, "DebitNotice", event.rider_id, event.order_id)


@on(DebtOpened)
async def on_debt_opened(tx: Tx, call: Call, event: DebtOpened, fact: Fact) -> None:
    """A ride could not be collected: say what is owed and how to pay it (NTF-09)."""
    await _write(tx, call, "DebtNotice", event.rider_id, event.step_id)


@on(DebtReminded)
async def on_debt_reminded(tx: Tx, call: Call, event: DebtReminded, fact: Fact) -> None:
    """The next step of the dunning, where the operator wants a letter with it."""
    if event.is_noticed:
        await _write(tx, call, "DebtNotice", event.rider_id, event.step_id)


@on(ProofSent)
async def on_proof_sent(tx: Tx, call: Call, event: ProofSent, fact: Fact) -> None:
    """A link or code to prove an address, or to get in: asked for when the letter is written."""
    template = "AccountSms" if event.channel == "sms" else "AccountLink"
    await _write(tx, call, template, event.user_id, event.proof_id, event.channel)


@on(SecurityNoticed)
async def on_security_noticed(tx: Tx, call: Call, event: SecurityNoticed, fact: Fact) -> None:
    """Something about an account that its owner should know."""
    await _write(tx, call, accounts.template_of(event.what), event.user_id, event.notice_id)


_WAIT = """
INSERT INTO notifications.alert_news (alert_id, roles) VALUES ($1, $2)
ON CONFLICT (tenant_id, alert_id) DO UPDATE
SET roles = excluded.roles, heard_at = kernel.now(), digest_id = NULL
"""


async def _tell_staff(tx: Tx, alert_id: UUID, severity: str, roles: list[str]) -> None:
    """Critical alerts are worth a letter; they are gathered, see ``actions.write_digest``."""
    if severity == "critical" and roles:
        await tx.run(_WAIT, alert_id, roles)
        tx.signal("notifications.alert")


@on(AlertRaised)
async def on_alert_raised(tx: Tx, call: Call, event: AlertRaised, fact: Fact) -> None:
    """Not in quiet hours, not while silenced, and not again for one that comes back at once."""
    if event.is_told and not event.is_reopened:
        await _tell_staff(tx, event.alert_id, event.severity, event.tell)


@on(AlertEscalated)
async def on_alert_escalated(tx: Tx, call: Call, event: AlertEscalated, fact: Fact) -> None:
    """Nobody acknowledged it, or the quiet hours are over."""
    await _tell_staff(tx, event.alert_id, event.severity, event.tell)


_FORGET = (
    "DELETE FROM notifications.notice WHERE tenant_id = kernel.tenant() AND user_id = $1",
    "DELETE FROM notifications.mail WHERE tenant_id = kernel.tenant() AND user_id = $1",
)


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """Nothing more is said to somebody who is gone, and what was said is forgotten."""
    for sql in _FORGET:
        await tx.run(sql, event.user_id)
