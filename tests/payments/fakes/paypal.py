"""A stand-in for PayPal's API: Orders v2, Payments v2, Vault v3, disputes, webhooks.

Faithful where money depends on it: a request id is done once and answered with what there is now,
one still running is refused, an order is authorised once, an authorisation captured once, captures
may be 15 % larger than it, and no list of orders tells what was made with which key.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from decimal import Decimal
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from fahrwerk.kernel import clock
from tests.payments.fakes.server import FaultKind, Faults, Kept, answer, read_body, silence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Values = dict[str, Any]


class NoError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, issue: str, **more: Any) -> None:
        super().__init__(issue)
        self.status = status
        name = "RESOURCE_NOT_FOUND" if status == 404 else "UNPROCESSABLE_ENTITY"
        self.body = {"name": name, "details": [{"issue": issue}], **more}


class Account:
    """One merchant's books."""

    def __init__(self) -> None:
        self.client_id = f"A{token_hex(20)}"
        self.secret = f"E{token_hex(20)}"
        self.webhook_id = token_hex(9).upper()
        self.token = token_hex(20)
        self.faults = Faults()
        self.requests: list[str] = []
        self.things: dict[str, Values] = {}
        self.events: list[Values] = []
        self.certificate = token_hex(8)
        self._kept: dict[str, Kept] = {}

    # --- looking into the books

    def orders(self) -> list[Values]:
        """All orders, oldest first."""
        return [t for t in self.things.values() if "purchase_units" in t]

    def _sum(self, folder: str, *states: str) -> int:
        found = (o for order in self.orders() for o in _payments(order)[folder])
        return sum(_minor(o["amount"]) for o in found if o["status"] in states)

    def held(self) -> int:
        """How much is reserved."""
        return self._sum("authorizations", "CREATED")

    def taken(self) -> int:
        """What was captured and not given back."""
        return self._sum("captures", "COMPLETED") - self._sum("refunds", "COMPLETED")

    # --- what payers do

    def payer_approves_set_up(self, token: str, behaviour: str = "good") -> None:
        """The payer lets us charge their account from now on."""
        self.things[token].update(status="APPROVED", behaviour=behaviour)

    def payer_approves(self, order_id: str) -> None:
        """The payer confirms a payment at PayPal."""
        self.things[order_id]["status"] = "APPROVED"
        self._tell("CHECKOUT.ORDER.APPROVED", "checkout-order", self.things[order_id])

    # --- webhooks

    def signed(self, event: Values) -> tuple[bytes, dict[str, str]]:
        """An event as it is sent."""
        body = msgspec.json.encode(event)
        return body, {
            "paypal-auth-algo": "SHA256withRSA", "paypal-cert-url": "https://api.paypal.com/cert",
            "paypal-transmission-id": token_hex(8),
            "paypal-transmission-time": "2026-01-01T00:00:00Z",
            "paypal-transmission-sig": self._signature(body),
        }  # fmt: skip

    def _signature(self, body: bytes) -> str:
        return f"{self.certificate}.{hash(body)}"

    async def deliver(
        self, post: Callable[[bytes, dict[str, str]], Awaitable[Any]], *,
        shuffle: random.Random | None = None, times: int = 1,
    ) -> int:  # fmt: skip
        """Send what happened since the last time."""
        waiting, self.events = self.events * times, []
        if shuffle is not None:
            shuffle.shuffle(waiting)
        for event in waiting:
            await post(*self.signed(event))
        return len(waiting)

    # --- requests

    async def ask(self, method: str, path: str, body: bytes, key: str | None) -> Values:
        """Carry a request out, once per request id. Raises ``NoError``."""
        if path == "/v1/notifications/verify-webhook-signature":
            said, _, event = body.partition(b',"webhook_event":')
            asked = msgspec.json.decode(said + b"}")
            right = asked["transmission_sig"] == self._signature(event[:-1])
            fits = right and asked["webhook_id"] == self.webhook_id
            return {"verification_status": "SUCCESS" if fits else "FAILURE"}
        if match := re.fullmatch(r"/v1/customer/disputes/(\w+)/provide-evidence", path):
            return self._answer_dispute(self._thing(match[1]), body)
        if path == "/v1/reporting/transactions":
            return {"transaction_details": [*self._transactions()], "total_pages": 1}
        values: Values = msgspec.json.decode(body) if method == "POST" and body else {}
        if method != "POST" or key is None:
            return self._do(method, path, values)
        kept = self._kept.get(f"{path} {key}")
        if kept is not None:
            if kept.answer is None:
                raise NoError(409, "PREVIOUS_REQUEST_IN_PROGRESS")
            status, before = kept.answer
            if status >= 300:
                error = NoError(status, "")
                error.body = before
                raise error
            return before
        kept = self._kept[f"{path} {key}"] = Kept((path, body))
        await asyncio.sleep(0.01)
        try:
            made = self._do(method, path, values)
        except NoError as error:
            kept.answer = error.status, error.body
            raise
        kept.answer = 200, made
        return made

    def payer_disputes(self, order: Values) -> Values:
        """The payer opens a chargeback."""
        unit = order["purchase_units"][0]
        dispute = self._new(
            reason="UNAUTHORISED", status="WAITING_FOR_SELLER_RESPONSE",
            create_time="2026-05-01T00:00:00Z", dispute_amount=unit["amount"],
            seller_response_due_date="2026-05-09T00:00:00Z", dispute_outcome=None,
            dispute_life_cycle_stage="CHARGEBACK",
            disputed_transactions=[{"custom": unit["custom_id"]}],
        )  # fmt: skip
        dispute["dispute_id"] = dispute["id"]
        self._tell("CUSTOMER.DISPUTE.CREATED", "dispute", dispute)
        return dispute

    def dispute_ends(self, dispute: Values, outcome: str) -> None:
        """RESOLVED_SELLER_FAVOUR or RESOLVED_BUYER_FAVOUR."""
        dispute.update(status="RESOLVED", dispute_outcome={"outcome_code": outcome})
        self._tell("CUSTOMER.DISPUTE.RESOLVED", "dispute", dispute)

    def _answer_dispute(self, dispute: Values, body: bytes) -> Values:
        head, _, rest = body.partition(b'name="input"')
        said = rest.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0]
        assert head.startswith(b"--fahrwerk-")
        if dispute["status"] != "WAITING_FOR_SELLER_RESPONSE":
            raise NoError(422, "DISPUTE_NOT_ANSWERABLE")
        dispute["given"] = msgspec.json.decode(said)["evidences"]
        dispute["files"] = body.count(b"filename=")
        dispute["status"] = "UNDER_REVIEW"
        return {"links": []}

    def _transactions(self) -> list[Values]:
        return [
            {"transaction_info": {
                "transaction_id": thing["id"], "transaction_status": "S",
                "transaction_event_code": code, "transaction_amount": thing["amount"],
                "transaction_initiation_date": clock.stamp(clock.now()),
                **({"fee_amount": _fee(thing)} if folder == "captures" else {}),
                "custom_field": thing["custom_id"]}}
            for order in self.orders()
            for folder, code in (("captures", "T0006"), ("refunds", "T1107"))
            for thing in _payments(order)[folder]
        ]  # fmt: skip

    def forget_keys(self) -> None:
        """Hours later."""
        self._kept.clear()

    def _do(self, method: str, path: str, values: Values) -> Values:
        if path == "/v3/vault/setup-tokens":
            token = self._new(customer=values["customer"], status="PAYER_ACTION_REQUIRED")
            token["links"] = [{"rel": "approve", "href": f"https://paypal.example/{token['id']}"}]
            return token
        if path == "/v3/vault/payment-tokens":
            begun = self._thing(values["payment_source"]["token"]["id"])
            if begun["status"] not in ("APPROVED", "VAULTED"):
                raise NoError(422, "SETUP_TOKEN_NOT_APPROVED")
            begun["status"] = "VAULTED"
            wallet = {"paypal": {"email_address": "ada@example.com"}}
            return self._new(
                customer=begun["customer"], payment_source=wallet, behaviour=begun["behaviour"]
            )
        if path == "/v2/checkout/orders":
            unit = {**values["purchase_units"][0], "payments": {}}
            return self._new(status="CREATED", purchase_units=[unit], links=[])
        if match := re.fullmatch(r"/v2/checkout/orders/(\w+)/authorize", path):
            return self._authorise(self._thing(match[1]), values)
        if match := re.fullmatch(r"/v2/payments/authorizations/(\w+)/(capture|void)", path):
            return self._change(self._thing(match[1]), match[2], values)
        if match := re.fullmatch(r"/v2/payments/captures/(\w+)/refund", path):
            return self._refund(self._thing(match[1]), values)
        if match := re.fullmatch(r"/v[123]/[\w/-]+/(\w+)", path):
            if method == "DELETE":
                self._thing(match[1])
                del self.things[match[1]]
                return {}
            return self._thing(match[1])
        raise NoError(404, "INVALID_RESOURCE_ID")

    def _authorise(self, order: Values, values: Values) -> Values:
        if _payments(order)["authorizations"]:
            raise NoError(422, "ORDER_ALREADY_AUTHORIZED")
        if order["status"] != "APPROVED":
            vaulted = values["payment_source"]["paypal"]["vault_id"]
            if vaulted not in self.things:
                raise NoError(422, "TOKEN_NOT_FOUND")
            behaviour = self.things[vaulted]["behaviour"]
            if behaviour == "challenged":
                where = f"https://paypal.example/checkout/{order['id']}"
                links = [{"rel": "payer-action", "href": where}]
                order.update(status="PAYER_ACTION_REQUIRED", links=links)
                raise NoError(422, "PAYER_ACTION_REQUIRED", links=links)
            if behaviour == "declined":
                raise NoError(422, "INSUFFICIENT_FUNDS")
        unit = order["purchase_units"][0]
        self._add(order, "authorizations", unit["amount"], unit["custom_id"], status="CREATED")
        order["status"] = "COMPLETED"
        self._tell("PAYMENT.AUTHORIZATION.CREATED", "authorization", self._last(order))
        return order

    def _change(self, held: Values, what: str, values: Values) -> Values:
        order = self.things[held["order"]]
        if held["status"] == "CAPTURED":
            raise NoError(422, "AUTHORIZATION_ALREADY_CAPTURED")
        if held["status"] == "VOIDED":
            raise NoError(422, "AUTHORIZATION_VOIDED" if what == "capture" else "PREVIOUSLY_VOIDED")
        if what == "void":
            held["status"] = "VOIDED"
            self._tell("PAYMENT.AUTHORIZATION.VOIDED", "authorization", held)
            return held
        if _minor(values["amount"]) > _minor(held["amount"]) * 115 // 100:
            raise NoError(422, "MAX_CAPTURE_AMOUNT_EXCEEDED")
        held["status"] = "CAPTURED"
        taken = self._add(order, "captures", values["amount"], held["custom_id"])
        self._tell("PAYMENT.CAPTURE.COMPLETED", "capture", taken)
        return taken

    def _refund(self, capture: Values, values: Values) -> Values:
        order = self.things[capture["order"]]
        back = sum(_minor(r["amount"]) for r in _payments(order)["refunds"])
        if _minor(values["amount"]) > _minor(capture["amount"]) - back:
            raise NoError(422, "REFUND_AMOUNT_EXCEEDED")
        refund = self._add(order, "refunds", values["amount"], values["custom_id"])
        self._tell("PAYMENT.CAPTURE.REFUNDED", "refund", refund)
        return refund

    # --- things

    def _add(
        self, order: Values, folder: str, amount: Values, custom_id: str, status: str = "COMPLETED"
    ) -> Values:
        thing = self._new(
            amount=amount, custom_id=custom_id, status=status, order=order["id"],
            supplementary_data={"related_ids": {"order_id": order["id"]}},
        )  # fmt: skip
        order["purchase_units"][0]["payments"].setdefault(folder, []).append(thing)
        return thing

    def _last(self, order: Values) -> Values:
        found: Values = _payments(order)["authorizations"][-1]
        return found

    def _new(self, **values: Any) -> Values:
        thing = {"id": token_hex(9).upper(), **values}
        self.things[thing["id"]] = thing
        return thing

    def _thing(self, ref: str) -> Values:
        if ref not in self.things:
            raise NoError(404, "INVALID_RESOURCE_ID")
        return self.things[ref]

    def _tell(self, kind: str, resource_type: str, thing: Values) -> None:
        event = {"id": f"WH-{token_hex(9)}", "event_type": kind, "resource_type": resource_type}
        self.events.append({**event, "resource": {**thing}, "create_time": str(clock.now())})


class FakePayPal:
    """The server: an ASGI application."""

    def __init__(self) -> None:
        self.address = ""
        self.accounts: dict[str, Account] = {}

    def open_account(self) -> Account:
        """A new merchant."""
        account = Account()
        self.accounts[account.token] = account
        return account

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        method, path = scope["method"], scope["path"]
        body = await read_body(receive)
        said = headers.get("authorization", "")
        if path == "/v1/oauth2/token":
            assert dict(parse_qsl(body.decode())) == {"grant_type": "client_credentials"}
            pair = base64.b64decode(said.removeprefix("Basic ")).decode()
            known = (a for a in self.accounts.values() if f"{a.client_id}:{a.secret}" == pair)
            found = next(known, None)
            token = {"access_token": found.token if found else "", "expires_in": 32_400}
            await answer(send, 200 if found else 401, msgspec.json.encode(token))
            return
        account = self.accounts.get(said.removeprefix("Bearer "))
        if account is None:
            await answer(send, 401, b'{"name": "AUTHENTICATION_FAILURE"}')
            return
        account.requests.append(f"{method} {path}")
        fault = account.faults.next(f"{method} {path}")
        key = headers.get("paypal-request-id")
        await self._answer(account, (method, path, body, key), fault, receive, send)

    async def _answer(
        self, account: Account, request: tuple[str, str, bytes, str | None],
        fault: FaultKind | None, receive: Any, send: Any,
    ) -> None:  # fmt: skip
        if fault == "timeout_before":
            await silence(receive)
            return
        if fault in ("limited", "error_before"):
            await answer(send, 429 if fault == "limited" else 500, b'{"name": "TRY_AGAIN"}')
            return
        status = 200
        try:
            made = await account.ask(*request)
        except NoError as error:
            status, made = error.status, error.body
        if fault == "timeout_after":
            await silence(receive)
            return
        await answer(send, 500 if fault == "error_after" else status, msgspec.json.encode(made))


def _payments(order: Values) -> Values:
    found = order["purchase_units"][0]["payments"]
    return {name: found.get(name, []) for name in ("authorizations", "captures", "refunds")}


def _fee(capture: Values) -> Values:
    """What PayPal keeps of a capture: 2 % and 0.35, as its list has it."""
    kept = Decimal(_minor(capture["amount"]) * 2 // 100 + 35 + capture.get("dearer", 0)) / 100
    return {"currency_code": capture["amount"]["currency_code"], "value": f"-{kept:.2f}"}


def _minor(amount: Values) -> int:
    return int(Decimal(amount["value"]) * 100)
