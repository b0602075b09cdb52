"""Verbs of payments, one file each; what they share stands in ``_case``, ``_work``, ``_books``."""

from fahrwerk.payments.actions.authorize import authorize, complete_authentication, pay
from fahrwerk.payments.actions.bank_lines import assign_line, release_line
from fahrwerk.payments.actions.charge import charge
from fahrwerk.payments.actions.compare import compare
from fahrwerk.payments.actions.connect import connect_account, disconnect_account
from fahrwerk.payments.actions.corrections import approve_reversal as approve_reversal
from fahrwerk.payments.actions.corrections import ask_reversal as ask_reversal
from fahrwerk.payments.actions.debts import close_debt, set_dunning
from fahrwerk.payments.actions.evidence import (
    add_evidence,
    hand_in_evidence,
    remove_evidence,
)
from fahrwerk.payments.actions.failed_refunds import answer_refund
from fahrwerk.payments.actions.gateways import (
    disable_gateway_account,
    replay_webhook,
    set_gateway_account,
    try_gateway_account,
)
from fahrwerk.payments.actions.ledger import post_journal, reverse_journal
from fahrwerk.payments.actions.mandates import (
    amend_mandate,
    confirm_mandate,
    revoke_mandate,
    sign_mandate,
)
from fahrwerk.payments.actions.methods import add_method, begin_set_up, remove_method
from fahrwerk.payments.actions.notes import note_run, write_note
from fahrwerk.payments.actions.open_payment import open_payment, void
from fahrwerk.payments.actions.owe import owe
from fahrwerk.payments.actions.pay_by_hand import pay_by_hand
from fahrwerk.payments.actions.pay_debt import pay_debt, pay_debt_from_purse
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
from fahrwerk.payments.actions.risk import change_risk_limits, review_risk
from fahrwerk.payments.actions.sandbox import script_sandbox
from fahrwerk.payments.actions.sealing import reseal
from fahrwerk.payments.actions.second_person import approve_refund as approve_refund
from fahrwerk.payments.actions.second_person import ask_refund as ask_refund
from fahrwerk.payments.actions.sepa_runs import (
    approve_run,
    cancel_run,
    draft_run,
    export_run,
    set_sepa_settings,
)
from fahrwerk.payments.actions.statements import import_statement
from fahrwerk.payments.actions.transfer import transfer
from fahrwerk.payments.actions.webhook import take_webhook

__all__ = [
    "add_evidence",
    "add_method",
    "amend_mandate",
    "answer_refund",
    "approve_refund",
    "approve_run",
    "ask_refund",
    "assign_line",
    "authorize",
    "begin_set_up",
    "cancel_run",
    "capture_hold",
    "catch_up",
    "change_risk_limits",
    "charge",
    "close_debt",
    "compare",
    "complete_authentication",
    "confirm_mandate",
    "connect_account",
    "disable_gateway_account",
    "disconnect_account",
    "draft_run",
    "export_run",
    "extend_hold",
    "grant",
    "hand_in_evidence",
    "import_statement",
    "note_run",
    "open_payment",
    "owe",
    "pay",
    "pay_by_hand",
    "pay_debt",
    "pay_debt_from_purse",
    "place_hold",
    "post_journal",
    "refund",
    "release_hold",
    "release_line",
    "remove_evidence",
    "remove_method",
    "replay_webhook",
    "reseal",
    "reverse_journal",
    "review_risk",
    "revoke_mandate",
    "script_sandbox",
    "set_dunning",
    "set_gateway_account",
    "set_sepa_settings",
    "sign_mandate",
    "spend",
    "take_webhook",
    "transfer",
    "try_gateway_account",
    "void",
    "write_note",
]
