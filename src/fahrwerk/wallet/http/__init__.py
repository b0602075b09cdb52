"""Wallets over HTTP: a rider's own, the live balance, and staff's."""

from __future__ import annotations

from fahrwerk.wallet.http import (
    closing,
    debts,
    live,
    own,
    payout_notes,
    reseller_customers,
    resellers,
    staff,
)

handlers = [
    *own.handlers,
    *live.handlers,
    *debts.handlers,
    *closing.handlers,
    *staff.handlers,
    *resellers.handlers,
    *payout_notes.handlers,
    *reseller_customers.handlers,
]
