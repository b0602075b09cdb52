"""A stand-in for Stripe's API: a server with its own books, one account for each secret key.

Faithful where money depends on it: idempotency (replayed, mismatched, still running, and a 500 that
is kept with its key like any answer), the states of intents, what each test card does, limits on
captures and refunds, refunds that fail later, disputes, signed webhooks. Unlike the real one it
lets cards be stored that will be declined, and forgets keys when a test says so, not after a day.
"""

from __future__ import annotations

import asyncio
import random
import re
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._stripe_api import SEPA_DEBIT
from tests.payments.fakes.server import FaultKind, Faults, Kept, answer, read_body, silence
from tests.payments.fakes.stripe_connect import Connected, Platforms
from tests.payments.fakes.stripe_debits import Debits
from tests.payments.fakes.stripe_more import LEAST, More, NoError, Values, known, now, wrong

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CARDS: dict[str, Values] = {
    "pm_card_visa": {"last4": "4242"},
    "pm_card_mastercard": {"last4": "4444", "brand": "mastercard"},
    "pm_card_visa_chargeDeclined": {"last4": "0002", "declined": "generic_decline"},
    "pm_card_visa_chargeDeclinedInsufficientFunds": {
        "last4": "9995", "declined": "insufficient_funds",
    },
    "pm_card_visa_chargeDeclinedLostCard": {"last4": "9987", "declined": "lost_card"},
    "pm_card_visa_chargeDeclinedFraudulent": {"last4": "0019", "declined": "fraudulent"},
    "pm_card_chargeDeclinedExpiredCard": {"last4": "0069", "code": "expired_card"},
    "pm_card_chargeDeclinedProcessingError": {"last4": "0119", "code": "processing_error"},
    "pm_card_chargeDeclinedIncorrectCvc": {"last4": "0127", "set_up": "incorrect_cvc"},
    "pm_card_threeDSecure2Required": {"last4": "3220", "challenge": True},
    "pm_card_authenticationRequired": {"last4": "3184", "challenge": True},
    "pm_card_refundFail": {"last4": "5126"},
    "pm_card_pendingRefund": {"last4": "7726", "refund": "pending"},
    "pm_card_createDispute": {"last4": "0259"},
}  # fmt: skip


EXPANDABLE = ("payment_method", "mandate", "latest_charge", "charge")


class Account(More, Debits, Connected):
    """One merchant's books at the stand-in."""

    def __init__(self, secret: str) -> None:
        self.id = f"acct_{token_hex(12)}"
        self.secret = secret
        self.public_key = f"pk_test_{secret.removeprefix('sk_test_')}"
        self.webhook_secret = f"whsec_{token_hex(16)}"
        self.faults = Faults()
        self.requests: list[str] = []
        self.things: dict[str, Values] = {}
        self.events: list[Values] = []
        self._kept: dict[str, Kept] = {}

    # --- looking into the books

    def all(self, kind: str) -> list[Values]:
        """All things of a kind, oldest first."""
        return [thing for thing in self.things.values() if thing["object"] == kind]

    def held(self) -> int:
        """How much is reserved on cards."""
        held: int = sum(i["amount_capturable"] for i in self.all("payment_intent"))
        return held

    def taken(self) -> int:
        """What was captured and not given back."""
        intents: int = sum(i["amount_received"] for i in self.all("payment_intent"))
        back: int = sum(r["amount"] for r in self.all("refund") if r["status"] != "failed")
        return intents - back

    def forget_keys(self) -> None:
        """A day later."""
        self._kept.clear()

    # --- what riders and banks do

    def client_sets_up(self, client_secret: str, card: str) -> None:
        """The rider enters a card and passes what the bank asks for."""
        intent = self._by_secret(client_secret)
        method = self._method(card, intent["customer"], is_new=True)
        intent.update(status="succeeded", payment_method=method["id"])

    def client_confirms(self, client_secret: str, *, passes: bool = True) -> None:
        """The rider comes back from the bank's challenge."""
        intent = self._by_secret(client_secret)
        assert intent["status"] == "requires_action", intent["status"]
        intent["next_action"] = None
        if passes:
            self._reserve(intent)
        else:
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {
                "type": "invalid_request_error", "code": "payment_intent_authentication_failure",
            }  # fmt: skip
            self._tell("payment_intent.payment_failed", intent)

    def refund_fails(self, refund: Values, reason: str = "expired_or_canceled_card") -> None:
        """The bank sends a refund back, a day later."""
        refund.update(status="failed", failure_reason=reason)
        intent = self.things[refund["payment_intent"]]
        intent["refunded"] -= refund["amount"]
        self._tell("refund.failed", refund)

    def refund_arrives(self, refund: Values) -> None:
        """One that was pending."""
        refund["status"] = "succeeded"
        self._tell("refund.updated", refund)

    def customer_disputes(self, intent: Values) -> Values:
        """The cardholder does not know this charge."""
        dispute = self._new(
            "dp", "dispute", amount=intent["amount_received"], currency=intent["currency"],
            reason="fraudulent", status="needs_response", payment_intent=intent["id"],
            evidence_details={"due_by": now() + 7 * 86_400}, metadata={}, evidence={},
            balance_transactions=[{"amount": -intent["amount_received"], "fee": 1_500}],
        )  # fmt: skip
        self._tell("charge.dispute.created", dispute)
        return dispute

    def dispute_moves(self, dispute: Values, status: str) -> None:
        """On to ``under_review``, ``won`` or ``lost``."""
        dispute["status"] = status
        if status == "won":
            dispute["balance_transactions"].append({"amount": dispute["amount"], "fee": 0})
        kind = "closed" if status in ("won", "lost") else "updated"
        self._tell(f"charge.dispute.{kind}", dispute)

    # --- webhooks

    def signed(self, event: Values, at: int | None = None) -> tuple[bytes, dict[str, str]]:
        """An event as it is sent: body and headers."""
        body = msgspec.json.encode(event)
        at = at or now()
        v1 = api.signature(self.webhook_secret, at, body)
        return body, {"stripe-signature": f"t={at},v1={v1},v0=6ffbb59b2300aae63f272406069a9788"}

    async def deliver(
        self, post: Callable[[bytes, dict[str, str]], Awaitable[Any]], *,
        shuffle: random.Random | None = None, times: int = 1,
    ) -> int:  # fmt: skip
        """Send what happened since the last time; in any order and repeatedly, if wanted."""
        waiting, self.events = self.events * times, []
        if shuffle is not None:
            shuffle.shuffle(waiting)
        for event in waiting:
            await post(*self.signed(event))
        return len(waiting)

    # --- requests

    async def ask(self, method: str, path: str, body: bytes, key: str | None) -> Values:
        """Carry a request out, once per key. Raises ``NoError``."""
        if method == "GET":
            pairs = parse_qsl(body.decode())
            expand = " ".join(value for name, value in pairs if name == "expand[]")
            return self._get(path, {**dict(pairs), "expand[]": expand})
        if path == "/v1/files":
            assert b'name="purpose"\r\n\r\ndispute_evidence' in body
            return self._new("file", "file", purpose="dispute_evidence", size=len(body))
        if key is None:
            return self._post(path, _nested(body))
        kept = self._kept.get(key)
        if kept is not None:
            if kept.request != (path, body):
                raise NoError(400, "idempotency_error")
            if kept.answer is None:
                raise wrong("idempotency_key_in_use", 409)
            raise Replayed(*kept.answer)
        kept = self._kept[key] = Kept((path, body))
        await asyncio.sleep(0.01)  # long enough for a second request with this key to come in
        try:
            made = self._post(path, _nested(body))
        except NoError as error:
            kept.answer = error.status, error.body
            raise
        kept.answer = 200, made
        return made

    def keep(self, key: str | None, path: str, body: bytes, status: int, said: Values) -> None:
        """What this key will be answered from now on."""
        if key is not None:
            self._kept[key] = Kept((path, body), (status, said))

    def _get(self, path: str, query: dict[str, str]) -> Values:
        if path == "/v1/account":
            return {"id": self.id, "object": "account", "charges_enabled": True}
        if (more := self.get_more(path, query)) is not None:
            return more
        if path == "/v1/disputes":
            about = self._thing(query["payment_intent"], "payment_intent")["id"]
            found = [t for t in reversed(self.all("dispute")) if t["payment_intent"] == about]
            return {"object": "list", "data": found, "has_more": False}
        if path in ("/v1/payment_intents", "/v1/refunds"):
            name = "customer" if path.endswith("intents") else "payment_intent"
            kind = "payment_intent" if path.endswith("intents") else "refund"
            self._thing(query[name], name)
            found = [t for t in reversed(self.all(kind)) if t[name] == query[name]]
            after = query.get("starting_after")
            if after is not None:
                found = found[[t["id"] for t in found].index(after) + 1 :]
            limit = int(query.get("limit", 10))
            return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}
        for folder, kind in (
            ("setup_intents", "setup_intent"), ("payment_intents", "payment_intent"),
            ("disputes", "dispute"), ("refunds", "refund"),
        ):  # fmt: skip
            if match := re.fullmatch(rf"/v1/{folder}/(\w+)", path):
                return self._shown(self._thing(match[1], kind), query)
        raise wrong("unknown_path", 404)

    def _post(self, path: str, values: Values) -> Values:
        if path == "/v1/customers":
            return self._new("cus", "customer", metadata=values.get("metadata", {}))
        if path == "/v1/setup_intents":
            return self._set_up(values)
        if path == "/v1/payment_intents":
            return self._pay(values)
        if path == "/v1/refunds":
            return self._refund(values)
        if (made := self.post_more(path, values)) is not None:
            return made
        if match := re.fullmatch(r"/v1/payment_methods/(\w+)/detach", path):
            method = self._thing(match[1], "payment_method")
            if method["customer"] is None:
                raise wrong("payment_method_not_attached")
            method.update(customer=None, is_spent=True)
            return method
        if match := re.fullmatch(r"/v1/payment_intents/(\w+)(?:/(capture|cancel|confirm))?", path):
            intent = self._thing(match[1], "payment_intent")
            acts = {"capture": self._capture, "cancel": self._cancel, "confirm": self._confirm}
            return acts.get(match[2] or "", self._change)(intent, values)
        raise wrong("unknown_path", 404)

    def _set_up(self, values: Values) -> Values:
        known(values, "customer payment_method confirm usage payment_method_types metadata expand")
        self._thing(values["customer"], "customer")
        if values.get("confirm") != "true":
            return self._new(
                "seti", "setup_intent", status="requires_payment_method", payment_method=None,
                customer=values["customer"], metadata=values.get("metadata", {}), mandate=None,
                payment_method_types=values["payment_method_types"],
            )  # fmt: skip
        card = CARDS.get(values["payment_method"], {})
        if "set_up" in card:
            raise NoError(402, "card_error", card["set_up"])
        method = self._method(values["payment_method"], values["customer"], is_new=True)
        waits = bool(self.card_of(method).get("challenge"))
        intent = self._new(
            "seti", "setup_intent", customer=values["customer"], payment_method=method["id"],
            status="requires_action" if waits else "succeeded",
            metadata=values.get("metadata", {}),
        )  # fmt: skip
        return self._shown(intent, {"expand[]": "payment_method"})

    def _pay(self, values: Values) -> Values:
        if values["payment_method_types"] == [SEPA_DEBIT]:
            return self._promise(values)
        known(
            values,
            "amount currency customer payment_method payment_method_types capture_method confirm "
            "off_session use_stripe_sdk metadata",
        )
        amount = int(values["amount"])
        if amount < LEAST:
            raise wrong("amount_too_small")
        self._thing(values["customer"], "customer")
        method = self._method(values["payment_method"], values["customer"])
        assert values["capture_method"] == "manual"
        assert values["confirm"] == "true"
        intent = self._new(
            "pi", "payment_intent", amount=amount, amount_capturable=0, amount_received=0,
            refunded=0, currency=values["currency"], customer=values["customer"],
            payment_method=method["id"], metadata=values.get("metadata", {}), latest_charge=None,
            last_payment_error=None, next_action=None, status="requires_confirmation",
        )  # fmt: skip
        card = self.card_of(method)
        if "declined" in card or "code" in card:
            self._decline(intent, card.get("code", "card_declined"), card.get("declined"))
        if card.get("challenge") and values.get("off_session") == "true":
            self._decline(intent, "authentication_required", "authentication_required")
        if card.get("challenge"):
            intent.update(status="requires_action", next_action={"type": "use_stripe_sdk"})
            self._tell("payment_intent.requires_action", intent)
        else:
            self._reserve(intent)
        return intent

    def _decline(self, intent: Values, code: str, declined: str | None) -> None:
        error = {"type": "card_error", "code": code, "decline_code": declined}
        intent.update(status="requires_payment_method", last_payment_error=error)
        self._tell("payment_intent.payment_failed", intent)
        raise NoError(402, "card_error", code, decline_code=declined, payment_intent=dict(intent))

    def _reserve(self, intent: Values) -> None:
        intent.update(
            status="requires_capture", amount_capturable=intent["amount"],
            latest_charge=f"ch_{token_hex(12)}",
        )  # fmt: skip
        self._tell("payment_intent.amount_capturable_updated", intent)

    def _capture(self, intent: Values, values: Values) -> Values:
        known(values, "amount_to_capture metadata application_fee_amount")
        if intent["status"] != "requires_capture":
            raise wrong("payment_intent_unexpected_state", payment_intent=dict(intent))
        amount = int(values["amount_to_capture"])
        if not 0 < amount <= intent["amount_capturable"]:
            raise wrong("amount_too_large")
        self._check_fee(values, amount)
        intent["metadata"] = {**intent["metadata"], **values.get("metadata", {})}
        intent.update(
            status="succeeded", amount_capturable=0, amount_received=amount,
            application_fee_amount=int(values.get("application_fee_amount", 0)),
        )  # fmt: skip
        self._take_fee(intent)
        self._tell("payment_intent.succeeded", intent)
        return intent

    def _cancel(self, intent: Values, values: Values) -> Values:
        if intent["status"] in ("canceled", "succeeded", "processing"):
            raise wrong("payment_intent_unexpected_state", payment_intent=dict(intent))
        intent.update(status="canceled", amount_capturable=0)
        self._tell("payment_intent.canceled", intent)
        return intent

    def _refund(self, values: Values) -> Values:
        known(values, "payment_intent amount metadata refund_application_fee")
        intent = self._thing(values["payment_intent"], "payment_intent")
        amount = int(values["amount"])
        if (
            intent["status"] != "succeeded"
            or amount > intent["amount_received"] - intent["refunded"]
        ):
            raise wrong("charge_already_refunded")
        intent["refunded"] += amount
        self._give_fee_back(intent, values)
        card = self.card_of(self.things[intent["payment_method"]])
        refund = self._new(
            "re", "refund", amount=amount, payment_intent=intent["id"],
            status=card.get("refund", "succeeded"), metadata=values.get("metadata", {}),
        )  # fmt: skip
        self._tell("refund.created", refund)
        return refund

    # --- things

    def card_of(self, method: Values) -> Values:
        """How the card behind a method behaves."""
        if "card" not in method:
            return {}
        return next(card for card in CARDS.values() if card["last4"] == method["card"]["last4"])

    def _method(self, ref: str, customer: str, *, is_new: bool = False) -> Values:
        """A stored method of this customer, or a new one from a test card."""
        if ref in CARDS and is_new:
            card = CARDS[ref]
            return self._new(
                "pm", "payment_method", type="card", customer=customer, is_spent=False,
                card={"brand": card.get("brand", "visa"), "last4": card["last4"],
                      "exp_month": 12, "exp_year": 2034},
            )  # fmt: skip
        method = self._thing(ref, "payment_method")
        if method["customer"] != customer or method["is_spent"]:
            raise wrong("payment_method_unusable")
        return method

    def _thing(self, ref: str, kind: str) -> Values:
        thing = self.things.get(ref)
        if thing is None or thing["object"] != kind:
            raise wrong("resource_missing", 404)
        return thing

    def _by_secret(self, client_secret: str) -> Values:
        return next(t for t in self.things.values() if t.get("client_secret") == client_secret)

    def _new(self, prefix: str, kind: str, **values: Any) -> Values:
        ref = f"{prefix}_{token_hex(12)}"
        thing = {"id": ref, "object": kind, "created": now(), **values}
        if kind.endswith("_intent"):
            thing["client_secret"] = f"{ref}_secret_{token_hex(12)}"
        self.things[ref] = thing
        return thing

    def _shown(self, thing: Values, query: dict[str, str]) -> Values:
        wanted = [name for name in EXPANDABLE if name in query.get("expand[]", "").split()]
        # What a card is charged for is kept with its intent.
        found = {name: self.things.get(thing.get(name) or "") for name in wanted}
        return {**thing, **{name: each for name, each in found.items() if each is not None}}

    def _tell(self, kind: str, thing: Values) -> None:
        event = {"id": f"evt_{token_hex(12)}", "object": "event", "type": kind}
        self.events.append({**event, "created": now(), "data": {"object": dict(thing)}})


class Replayed(Exception):
    """What was answered to this key before."""


class FakeStripe(Platforms):
    """The server: an ASGI application."""

    def __init__(self) -> None:
        self.address = ""
        self.accounts: dict[str, Account] = {}
        self.platforms = {}

    def open_account(self) -> Account:
        """A new merchant."""
        account = Account(f"sk_test_{token_hex(16)}")
        self.accounts[account.secret] = account
        return account

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        method, path = scope["method"], scope["path"]
        body = await read_body(receive) if method == "POST" else scope["query_string"]
        account = self._whose(headers)
        if account is None:
            refused = {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}
            await answer(send, 401, msgspec.json.encode(refused))
            return
        assert headers["stripe-version"] == api.VERSION
        account.requests.append(f"{method} {path}")
        account.is_asked_by_platform = "stripe-account" in headers
        key = headers.get("idempotency-key")
        fault = account.faults.next(f"{method} {path}")
        await self._answer(account, (method, path, body, key), fault, receive, send)

    async def _answer(
        self, account: Account, request: tuple[str, str, bytes, str | None],
        fault: FaultKind | None, receive: Any, send: Any,
    ) -> None:  # fmt: skip
        method, path, body, key = request
        broken: Values = {"error": {"type": "api_error", "message": "An unknown error occurred"}}
        if fault == "timeout_before":
            await silence(receive)
            return
        if fault == "limited":
            limited = {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
            await answer(send, 429, msgspec.json.encode(limited))
            return
        if fault == "error_before":
            account.keep(key, path, body, 500, broken)
            await answer(send, 500, msgspec.json.encode(broken))
            return
        status, replayed = 200, "false"
        try:
            said = await account.ask(method, path, body, key)
        except NoError as error:
            status, said = error.status, error.body
        except Replayed as before:
            (status, said), replayed = before.args, "true"
        if fault == "slow_answer":
            await asyncio.sleep(0.8)
        if fault == "timeout_after":
            await silence(receive)
            return
        if fault == "error_after":
            account.keep(key, path, body, 500, broken)
            status, said = 500, broken
        await answer(send, status, msgspec.json.encode(said), idempotent_replayed=replayed)


def _nested(body: bytes) -> Values:
    """``metadata[a]=1&expand[]=b`` as nested values."""
    found: Values = {}
    for name, value in parse_qsl(body.decode(), strict_parsing=bool(body)):
        outer, *inner = name.replace("]", "").split("[")
        if inner == [""]:
            found.setdefault(outer, []).append(value)
            continue
        place = found
        for part in [outer, *inner][:-1]:
            place = place.setdefault(part, {})
        place[[outer, *inner][-1]] = value
    return found
