"""Verbs of wallets; what they share stands in ``_book``."""

from fahrwerk.wallet.actions.account import (
    change_auto_topup,
    change_settings,
    freeze,
    unfreeze,
)
from fahrwerk.wallet.actions.rides import cover_ride, hold_ride, release_ride, settle_ride
from fahrwerk.wallet.actions.topup import open_topup, pay_topup
from fahrwerk.wallet.actions.usage import adjust, charge_usage

__all__ = [
    "adjust",
    "change_auto_topup",
    "change_settings",
    "charge_usage",
    "cover_ride",
    "freeze",
    "hold_ride",
    "open_topup",
    "pay_topup",
    "release_ride",
    "settle_ride",
    "unfreeze",
]
