"""Verbs of payments, one file each; what they share stands in ``_case`` and ``_work``."""

from fahrwerk.payments.actions.authorize import authorize, complete_authentication, pay
from fahrwerk.payments.actions.methods import add_method, remove_method
from fahrwerk.payments.actions.open_payment import open_payment, void
from fahrwerk.payments.actions.refund import refund
from fahrwerk.payments.actions.sandbox import script_sandbox
from fahrwerk.payments.actions.webhook import take_webhook

__all__ = [
    "add_method",
    "authorize",
    "complete_authentication",
    "open_payment",
    "pay",
    "refund",
    "remove_method",
    "script_sandbox",
    "take_webhook",
    "void",
]
