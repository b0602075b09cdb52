"""SEPA debits at the stand-in for Stripe: mandates, ``processing`` for days, and what comes back.

As there: no manual capture and no hold; an intent is changed only before it is confirmed, and not
cancelled while it is under way; what fails later says so by a webhook and wants another method; a
debit that the bank takes back after it succeeded is a dispute that is lost from the beginning.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any

from fahrwerk.payments.gateways._stripe_api import SEPA_DEBIT
from tests.payments.fakes.stripe_more import LEAST, Values, known, now, wrong

GOOD_IBAN = "AT611904300234573201"
DISPUTE_FEE = 750


class Debits:
    """A part of an account's books."""

    things: dict[str, Values]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The rest of the account."""

    # --- what riders and banks do

    def client_agrees(self, client_secret: str, iban: str = GOOD_IBAN) -> None:
        """The rider enters an IBAN and accepts the mandate, in Elements or at the page."""
        self._agree(self._by_secret(client_secret), iban)

    def payer_agrees(self, session: Values, iban: str = GOOD_IBAN) -> str:
        """The same at a page in setup mode; the address the rider is sent back to."""
        assert session["mode"] == "setup"
        assert session["status"] == "open"
        self._agree(self.things[session["setup_intent"]], iban)
        session["status"] = "complete"
        back: str = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        return back

    def _agree(self, intent: Values, iban: str) -> None:
        assert intent["payment_method_types"] == [SEPA_DEBIT]
        method = self._new(
            "pm", "payment_method", type=SEPA_DEBIT, customer=intent["customer"], is_spent=False,
            sepa_debit={"last4": iban[-4:], "bank_code": iban[4:9], "country": iban[:2],
                        "branch_code": None, "fingerprint": token_hex(8)},
        )  # fmt: skip
        mandate = self._new(
            "mandate", "mandate", status="active", type="multi_use", payment_method=method["id"],
            customer_acceptance={"type": "online", "accepted_at": now()},
            payment_method_details={
                "type": SEPA_DEBIT,
                SEPA_DEBIT: {"reference": token_hex(8).upper(), "url": "https://stripe.example/m"},
            },
        )  # fmt: skip
        intent.update(status="succeeded", payment_method=method["id"], mandate=mandate["id"])

    def debit_arrives(self, intent: Values) -> None:
        """Some days later."""
        assert intent["status"] == "processing", intent["status"]
        intent.update(status="succeeded", amount_received=intent["amount"])
        self.things[intent["latest_charge"]]["status"] = "succeeded"
        self._take_fee(intent)
        self._tell("payment_intent.succeeded", intent)

    def debit_fails(self, intent: Values, code: str = "insufficient_funds") -> None:
        """Some days later, too."""
        assert intent["status"] == "processing", intent["status"]
        error = {"type": "invalid_request_error", "code": code}
        intent.update(status="requires_payment_method", last_payment_error=error)
        self.things[intent["latest_charge"]].update(status="failed", failure_code=code)
        self._tell("payment_intent.payment_failed", intent)

    def debit_comes_back(self, intent: Values, reason: str = "debit_not_authorized") -> Values:
        """The rider claims it back, within eight weeks without a reason: final."""
        assert intent["status"] == "succeeded", intent["status"]
        self.things[intent["latest_charge"]]["disputed"] = True
        dispute: Values = self._new(
            "dp", "dispute", amount=intent["amount_received"], currency=intent["currency"],
            reason=reason, status="lost", payment_intent=intent["id"],
            charge=intent["latest_charge"], evidence_details={"due_by": None}, metadata={},
            evidence={}, is_charge_refundable=False,
            balance_transactions=[{"amount": -intent["amount_received"], "fee": DISPUTE_FEE}],
        )  # fmt: skip
        self._tell("charge.dispute.created", dispute)
        self._tell("charge.dispute.funds_withdrawn", dispute)
        self._tell("charge.dispute.closed", dispute)
        return dispute

    # --- requests

    def _promise(self, values: Values) -> Values:
        known(values, "amount currency customer payment_method payment_method_types metadata")
        self._check_amount(values)
        self._thing(values["customer"], "customer")
        method = self._method(values["payment_method"], values["customer"])
        if method["type"] != SEPA_DEBIT:
            raise wrong("payment_intent_incompatible_payment_method")
        made: Values = self._new(
            "pi", "payment_intent", amount=int(values["amount"]), amount_capturable=0,
            amount_received=0, refunded=0, currency=values["currency"],
            customer=values["customer"], payment_method=method["id"], latest_charge=None,
            payment_method_types=[SEPA_DEBIT], capture_method="automatic",
            metadata=values.get("metadata", {}), last_payment_error=None, next_action=None,
            status="requires_confirmation",
        )  # fmt: skip
        return made

    def _check_amount(self, values: Values) -> None:
        if values.get("currency", "eur") != "eur":
            raise wrong("payment_intent_invalid_currency")
        if int(values["amount"]) < LEAST:
            raise wrong("amount_too_small")

    def _change(self, intent: Values, values: Values) -> Values:
        known(values, "amount metadata application_fee_amount")
        if intent["status"] != "requires_confirmation":
            raise wrong("payment_intent_unexpected_state", payment_intent=dict(intent))
        self._check_amount({**values, "currency": intent["currency"]})
        self._check_fee(values, int(values["amount"]))
        intent["amount"] = int(values["amount"])
        intent["application_fee_amount"] = int(values.get("application_fee_amount", 0))
        intent["metadata"] = {**intent["metadata"], **values.get("metadata", {})}
        return intent

    def _confirm(self, intent: Values, values: Values) -> Values:
        known(values, "off_session")
        if intent["status"] != "requires_confirmation":
            raise wrong("payment_intent_unexpected_state", payment_intent=dict(intent))
        method = self._method(intent["payment_method"], intent["customer"])
        mandates = [m for m in self.all("mandate") if m["payment_method"] == method["id"]]
        if not any(each["status"] == "active" for each in mandates):
            raise wrong("payment_intent_mandate_invalid", payment_intent=dict(intent))
        charge = self._new(
            "ch", "charge", currency=intent["currency"], captured=True, status="pending",
            amount_captured=intent["amount"], payment_intent=intent["id"], disputed=False,
            payment_method_details={"type": SEPA_DEBIT}, metadata=intent["metadata"],
        )  # fmt: skip
        intent.update(status="processing", latest_charge=charge["id"])
        self._tell("payment_intent.processing", intent)
        return intent

    def _set_up_at_page(self, values: Values) -> Values:
        known(
            values,
            "mode customer payment_method_types success_url cancel_url expires_at metadata "
            "setup_intent_data",
        )
        intent = self._set_up(
            {"customer": values["customer"], "metadata": values["setup_intent_data"]["metadata"],
             "payment_method_types": values["payment_method_types"], "usage": "off_session"}
        )  # fmt: skip
        session: Values = self._new(
            "cs_test", "checkout.session", status="open", mode="setup", payment_intent=None,
            setup_intent=intent["id"], customer=values["customer"],
            metadata=values.get("metadata", {}), expires_at=int(values["expires_at"]),
            success_url=values["success_url"],
        )  # fmt: skip
        session["url"] = f"https://checkout.stripe.example/c/setup/{session['id']}"
        return session
