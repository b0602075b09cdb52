"""Verbs of payments, one file each; what they share stands in ``_case``, ``_work``, ``_books``."""

from fahrwerk.payments.actions.authorize import authorize, complete_authentication, pay
from fahrwerk.payments.actions.charge import charge
from fahrwerk.payments.actions.gateways import (
    disable_gateway_account,
    replay_webhook,
    set_gateway_account,
    try_gateway_account,
)
from fahrwerk.payments.actions.ledger import post_journal, reverse_journal
from fahrwerk.payments.actions.methods import add_method, begin_set_up, remove_method
from fahrwerk.payments.actions.open_payment import open_payment, void
from fahrwerk.payments.actions.pay_by_hand import pay_by_hand
from fahrwerk.payments.actions.post_ride import catch_up
from fahrwerk.payments.actions.purse import (
    capture_hold,
    extend_hold,
    grant,
    place_hold,
    release_hold,
    spend,
)
from fahrwerk.payments.actions.refund import refund
from fahrwerk.payments.actions.sandbox import script_sandbox
from fahrwerk.payments.actions.webhook import take_webhook

__all__ = [
    "add_method",
    "authorize",
    "begin_set_up",
    "capture_hold",
    "catch_up",
    "charge",
    "complete_authentication",
    "disable_gateway_account",
    "extend_hold",
    "grant",
    "open_payment",
    "pay",
    "pay_by_hand",
    "place_hold",
    "post_journal",
    "refund",
    "release_hold",
    "remove_method",
    "replay_webhook",
    "reverse_journal",
    "script_sandbox",
    "set_gateway_account",
    "spend",
    "take_webhook",
    "try_gateway_account",
    "void",
]
