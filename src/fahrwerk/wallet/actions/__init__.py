"""Verbs of wallets; what they share stands in ``_book``."""

from fahrwerk.wallet.actions.account import (
    change_auto_topup,
    change_settings,
    freeze,
    unfreeze,
)
from fahrwerk.wallet.actions.closing import close_account
from fahrwerk.wallet.actions.debts import pay_debt
from fahrwerk.wallet.actions.payouts import (
    cancel_payout,
    note_payout,
    pay_payout,
    run_payouts,
    transfer_payout,
)
from fahrwerk.wallet.actions.resellers import (
    add_reseller,
    assign_customer,
    change_reseller,
    join_reseller,
)
from fahrwerk.wallet.actions.rides import cover_ride, hold_ride, release_ride, settle_ride
from fahrwerk.wallet.actions.topup import check_out, open_topup, pay_topup
from fahrwerk.wallet.actions.usage import adjust, charge_usage

__all__ = [
    "add_reseller",
    "adjust",
    "assign_customer",
    "cancel_payout",
    "change_auto_topup",
    "change_reseller",
    "change_settings",
    "charge_usage",
    "check_out",
    "close_account",
    "cover_ride",
    "freeze",
    "hold_ride",
    "join_reseller",
    "note_payout",
    "open_topup",
    "pay_debt",
    "pay_payout",
    "pay_topup",
    "release_ride",
    "run_payouts",
    "settle_ride",
    "transfer_payout",
    "unfreeze",
]
