"""What of Stripe's API is beside payments: Checkout, lists, transfers, evidence for disputes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import clock

Values = dict[str, Any]
LEAST = 50


class NoError(Exception):
    """An answer of Stripe's that is an error."""

    def __init__(self, status: int, kind: str, code: str | None = None, **more: Any) -> None:
        super().__init__(code or kind)
        self.status = status
        self.body = {"error": {"type": kind, "code": code, "message": code or kind, **more}}


def wrong(code: str, status: int = 400, **more: Any) -> NoError:
    """``invalid_request_error``."""
    return NoError(status, "invalid_request_error", code, **more)


def now() -> int:
    """Seconds since 1970."""
    return int(clock.now().timestamp())


def known(values: Values, names: str) -> None:
    """Stripe refuses parameters that it does not know."""
    if unknown := values.keys() - set(names.split()):
        raise wrong("parameter_unknown", param=sorted(unknown)[0])


class More:
    """A part of an account's books."""

    things: dict[str, Values]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The rest of the account."""

    def sent(self) -> int:
        """What went on to connected accounts."""
        return sum(each["amount"] for each in self.all("transfer"))

    def get_more(self, path: str, query: dict[str, str]) -> Values | None:
        """GET of what is here; None: it is not."""
        if path == "/v1/checkout/sessions":
            found = [
                t
                for t in reversed(self.all("checkout.session"))
                if t["customer"] == query["customer"]
            ]
            return {"object": "list", "data": found, "has_more": False}
        if match := re.fullmatch(r"/v1/checkout/sessions/(\w+)", path):
            return self._session(match[1])
        if path == "/v1/charges" or (path == "/v1/refunds" and "payment_intent" not in query):
            return self._list(path, query)
        if path == "/v1/transfers":
            found = [t for t in self.all("transfer") if t["destination"] == query["destination"]]
            return {"object": "list", "data": found[::-1], "has_more": False}
        return None

    def post_more(self, path: str, values: Values) -> Values | None:
        """POST likewise."""
        if path == "/v1/transfers":
            known(values, "amount currency destination metadata")
            # A connected account has no accounts connected to itself.
            if not values["destination"].startswith("acct_") or self.is_asked_by_platform:
                raise wrong("resource_missing")
            if int(values["amount"]) > self.taken() - self.sent():
                raise wrong("balance_insufficient")
            made: Values = self._new(
                "tr", "transfer", amount=int(values["amount"]), currency=values["currency"],
                destination=values["destination"], metadata=values["metadata"], reversed=False,
            )  # fmt: skip
            return made
        if path == "/v1/checkout/sessions":
            return self._check_out(values)
        if match := re.fullmatch(r"/v1/checkout/sessions/(\w+)/expire", path):
            session = self._session(match[1])
            if session["status"] != "open":
                raise wrong("checkout_session_not_open")
            session["status"] = "expired"
            self._tell("checkout.session.expired", session)
            return session
        if match := re.fullmatch(r"/v1/disputes/(\w+)", path):
            dispute: Values = self._thing(match[1], "dispute")
            known(values, "evidence submit")
            if dispute["status"] != "needs_response":
                raise wrong("dispute_not_answerable")
            dispute["evidence"].update(values["evidence"])
            for field in ("receipt", "service_documentation", "uncategorized_file"):
                if field in values["evidence"]:
                    self._thing(values["evidence"][field], "file")
            if values.get("submit") == "true":
                self.dispute_moves(dispute, "under_review")
            return dispute
        return None

    def _list(self, path: str, query: dict[str, str]) -> Values:
        """Charges, or refunds of all intents, of a span of time; newest first."""
        first, last = int(query["created[gte]"]), int(query["created[lte]"])
        is_whole = query.get("expand[]") == "data.balance_transaction"
        things = self.all("refund") if path == "/v1/refunds" else [
            {"id": i["latest_charge"], "object": "charge", "created": i["created"],
             "currency": i["currency"], "captured": i["status"] == "succeeded",
             "amount_captured": i["amount_received"], "payment_intent": i["id"],
             "metadata": i["metadata"], "balance_transaction": self._balance(i),
             **self.things.get(i["latest_charge"], {})}
            for i in self.all("payment_intent") if i["latest_charge"] and not i.get("unlisted")
        ]  # fmt: skip
        found = [{"currency": "eur", **t} for t in things if first <= t["created"] <= last][::-1]
        if after := query.get("starting_after"):
            found = found[[t["id"] for t in found].index(after) + 1 :]
        if not is_whole:  # its id alone
            found = [{**t, "balance_transaction": "txn_1"} for t in found]
        limit = int(query["limit"])
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}

    def _balance(self, intent: Values) -> Values | None:
        """What a charge moved: Stripe keeps 1.5 % and 25, and the platform what it asked for."""
        if intent["status"] != "succeeded":
            return None
        kept = intent["amount_received"] * 15 // 1_000 + 25 + intent.get("dearer", 0)
        parts = [{"amount": kept, "type": "stripe_fee", "currency": intent["currency"]}]
        if platform := intent.get("application_fee_amount"):
            parts.append({"amount": platform, "type": "application_fee"})
        return {
            "id": f"txn_{intent['id'][3:]}",
            "currency": intent["currency"],
            "fee": sum(each["amount"] for each in parts),
            "fee_details": parts,
        }

    def _check_out(self, values: Values) -> Values:
        if values["mode"] == "setup":
            made: Values = self._set_up_at_page(values)
            return made
        known(
            values,
            "mode customer client_reference_id line_items payment_method_types success_url "
            "cancel_url expires_at metadata payment_intent_data",
        )
        assert values["mode"] == "payment"
        self._thing(values["customer"], "customer")
        line = values["line_items"]["0"]["price_data"]
        if int(line["unit_amount"]) < LEAST:
            raise wrong("amount_too_small")
        lasts = int(values["expires_at"]) - now()
        if not 30 * 60 <= lasts <= 24 * 3600:
            raise wrong("expires_at_invalid")
        session: Values = self._new(
            "cs_test", "checkout.session", status="open", payment_intent=None,
            customer=values["customer"], amount_total=int(line["unit_amount"]),
            currency=line["currency"], metadata=values.get("metadata", {}),
            expires_at=int(values["expires_at"]), success_url=values["success_url"],
            intent_data=values["payment_intent_data"],
        )  # fmt: skip
        session["url"] = f"https://checkout.stripe.example/c/pay/{session['id']}"
        return session

    def _session(self, ref: str) -> Values:
        session: Values = self._thing(ref, "checkout.session")
        if session["status"] == "open" and session["expires_at"] <= now():
            session["status"] = "expired"
        return session

    def payer_pays(self, session: Values, card: str = "pm_card_visa") -> bool:
        """Somebody enters a card at the page; False when it is declined there."""
        assert self._session(session["id"])["status"] == "open"
        method = self._method(card, session["customer"], is_new=True)
        if session["payment_intent"] is None:
            data = session["intent_data"]
            assert data["capture_method"] == "manual"
            intent = self._new(
                "pi", "payment_intent", amount=session["amount_total"], amount_capturable=0,
                amount_received=0, refunded=0, currency=session["currency"],
                customer=session["customer"], payment_method=method["id"], latest_charge=None,
                metadata=data["metadata"], last_payment_error=None, next_action=None,
                status="requires_payment_method",
            )  # fmt: skip
            session["payment_intent"] = intent["id"]
        intent = self.things[session["payment_intent"]]
        intent["payment_method"] = method["id"]
        behaviour = self.card_of(method)
        try:
            if "declined" in behaviour or "code" in behaviour:
                code = behaviour.get("code", "card_declined")
                self._decline(intent, code, behaviour.get("declined"))
        except NoError:
            return False
        self._reserve(intent)
        session["status"] = "complete"
        self._tell("checkout.session.completed", session)
        return True
