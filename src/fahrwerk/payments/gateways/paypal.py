"""PayPal: Orders v2 (authorise, capture, void, refund), accounts kept in its vault (PAY-26).

PayPal cannot be asked for what was made with our key, and remembers request ids for hours only. So
an authorisation has two steps: make an order, which moves no money, and write its id down under our
key; then authorise that order. Whatever answer is lost, the order tells what happened, and an order
is authorised once. ``intent`` in the port is the order.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel import db, ids, money, settings
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.outside import NotReached, OutcomeUnknown
from fahrwerk.payments.gateways import (
    Account,
    Authorisation,
    Card,
    Change,
    Forged,
    Notice,
    Outcome,
    Question,
    Refusal,
    SetUp,
    UnknownToken,
    _paypal_disputes,
)
from fahrwerk.payments.gateways import _paypal_api as api
from fahrwerk.payments.gateways._accounts import Keys, keys_of
from fahrwerk.payments.gateways._paypal_api import (
    CODES,
    NAME,
    WAITS,
    Money,
    Operation,
    Order,
    Refused,
)
from fahrwerk.payments.gateways._paypal_api import REF as _REF
from fahrwerk.payments.gateways._paypal_api import code_of as _code
from fahrwerk.payments.gateways._paypal_api import minor_of as _minor
from fahrwerk.payments.gateways._paypal_api import path_of as _path
from fahrwerk.payments.gateways._paypal_lists import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._offers import Listed

_KEY = re.compile(r"[A-Za-z0-9_-]{16,200}")


class PayPal(_paypal_disputes.Disputes):
    """See ``fahrwerk.payments.gateways.Gateway``."""

    kinds = frozenset({"paypal"})
    has_accounts = True

    async def account(self, keys: Keys) -> Account:
        if not _KEY.fullmatch(keys.public_key):
            raise Invalid(field="public_key", issue="must be a client id of PayPal")
        if not _KEY.fullmatch(keys.secret):
            raise Invalid(field="secret", issue="must be a secret of PayPal")
        if keys.webhook_secret is not None and not re.fullmatch(r"\w{8,50}", keys.webhook_secret):
            raise Invalid(field="webhook_secret", issue="must be the id of the webhook at PayPal")
        await api.log_in(keys)
        return Account(keys.public_key, "sandbox" not in settings.load().gateway_address(NAME))

    # --- methods

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        keys = await keys_of(call, NAME, is_new=True)
        back = settings.load().address
        token = await api.ask(
            keys, "POST", "/v3/vault/setup-tokens", api.Token, key,
            {"customer": {"merchant_customer_id": ids.public("usr", customer)},
             "payment_source": {"paypal": {
                 "usage_type": "MERCHANT",
                 "experience_context": {"return_url": back, "cancel_url": back}}}},
        )  # fmt: skip
        return SetUp(
            gateway=NAME,
            public_key=keys.public_key,
            client_secret=api.link(token.links, "approve"),
            token=token.id,
        )

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        keys = await keys_of(call, NAME, is_new=True)
        unknown = UnknownToken(field="gateway_token", issue="is not a token of PayPal for them")
        if not _REF.fullmatch(token):
            raise unknown
        try:
            begun = await api.ask(keys, "GET", f"/v3/vault/setup-tokens/{token}", api.Token)
            if begun.customer.merchant_customer_id != ids.public("usr", customer):
                raise unknown  # somebody else's
            if begun.status not in ("APPROVED", "VAULTED"):
                raise Refusal(reason="set_up_unfinished")
            made = await api.ask(
                keys, "POST", "/v3/vault/payment-tokens", api.Token, key,
                {"payment_source": {"token": {"id": token, "type": "SETUP_TOKEN"}}},
            )  # fmt: skip
        except Refused as refused:
            if refused.issue in CODES:
                raise Refusal(reason=_code(refused.issue)) from None
            raise unknown from None
        wallet = made.payment_source.paypal
        brand = f"PayPal {_masked(wallet.email_address if wallet else None)}".strip()
        return Card(ref=made.id, kind="paypal", brand=brand, last4="", expires="")

    async def forget(self, call: Call, method_ref: str) -> None:
        keys = await keys_of(call, NAME)
        try:
            path = f"/v3/vault/payment-tokens/{_path(method_ref)}"
            await api.ask(keys, "DELETE", path, dict[str, Any])
        except Refused:
            pass  # it is not there (any more)

    # --- operations

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        keys = await keys_of(call, NAME, is_new=True)
        amount = _money(wanted.amount_minor, wanted.currency)
        ref, code = await _order_of(call, wanted.key)
        if ref is None:
            unit = {"amount": msgspec.to_builtins(amount), "custom_id": wanted.key}
            made = await api.ask(
                keys, "POST", "/v2/checkout/orders", Order, f"{wanted.key}-order",
                {"intent": "AUTHORIZE", "purchase_units": [unit]},
            )  # fmt: skip
            ref = await _keep_order(call, wanted.key, made.id)
        order = await _order(keys, ref)
        if order is None:
            raise OutcomeUnknown("The order is not in this account.", peer=NAME)
        if order.purchase_units[0].amount != amount:
            return Outcome(kind="declined", code="idempotency_key_reused")
        if code is not None:
            return Outcome(kind="declined", ref=ref, code=code)
        outcome = await _authorised(keys, order, wanted)
        if outcome.kind == "declined":  # the order itself does not say so
            await db.run("payments", call, _DECLINE, NAME, wanted.key, outcome.code)
        return outcome

    async def confirm(self, call: Call, question: Question) -> Outcome:
        keys = await keys_of(call, NAME)
        order = await _order(keys, question.intent)
        if order is None:
            return Outcome(kind="unknown")
        if order.status == "APPROVED" and not order.purchase_units[0].payments.authorizations:
            try:
                order = await api.ask(
                    keys, "POST", f"/v2/checkout/orders/{order.id}/authorize", Order,
                    f"{question.key}-approved",
                )  # fmt: skip
            except Refused as refused:
                outcome = _refused(refused, order.id)
                if outcome.kind == "declined":
                    await db.run("payments", call, _DECLINE, NAME, question.key, outcome.code)
                return outcome
        return _stand(order)

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        held = await _held(keys, wanted.intent)
        if held is None:
            return Outcome(kind="declined", code="no_such_intent")
        if wanted.amount_minor > (_minor(held.amount) or 0):  # PayPal would take 15 % more
            return Outcome(kind="declined", code="amount_too_large")
        try:
            path = f"/v2/payments/authorizations/{held.id}/capture"
            done = await api.ask(
                keys, "POST", path, Operation, wanted.key,
                {"amount": msgspec.to_builtins(_money(wanted.amount_minor, wanted.currency)),
                 "final_capture": True},
            )  # fmt: skip
        except Refused as refused:
            return Outcome(kind="declined", code=_code(refused.issue))
        return _operated(done)

    async def void(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        order = await _order(keys, wanted.intent)
        if order is None:
            return Outcome(kind="declined", code="no_such_intent")
        held = next(iter(order.purchase_units[0].payments.authorizations), None)
        done = Outcome(kind="done", ref=f"void_{order.id}", amount_minor=wanted.amount_minor)
        if held is None or held.status in ("VOIDED", "DENIED"):
            return done  # an order that was never authorised holds nothing and runs out by itself
        try:
            path = f"/v2/payments/authorizations/{held.id}/void"
            await api.ask(keys, "POST", path, dict[str, Any], wanted.key)
        except Refused as refused:
            return Outcome(kind="declined", code=_code(refused.issue))
        return done

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        order = await _order(keys, wanted.intent)
        taken = order.purchase_units[0].payments.captures if order else []
        if not taken:
            return Outcome(kind="declined", code="not_captured")
        try:
            back = await api.ask(
                keys, "POST", f"/v2/payments/captures/{taken[0].id}/refund", Operation, wanted.key,
                {"amount": msgspec.to_builtins(_money(wanted.amount_minor, wanted.currency)),
                 "custom_id": wanted.key},
            )  # fmt: skip
        except Refused as refused:
            return Outcome(kind="declined", code=_code(refused.issue))
        return _operated(back)

    # --- what became of it

    async def read(self, call: Call, question: Question) -> Outcome | None:
        keys = await keys_of(call, NAME)
        known, code = await _order_of(call, question.key)
        ref = question.intent or known
        if ref is None:
            return None  # no order was written down, so none was authorised
        if code is not None:
            return Outcome(kind="declined", ref=ref, code=code)
        order = await _order(keys, ref)
        if order is None:
            raise OutcomeUnknown("The order is not in this account.", peer=NAME)
        payments = order.purchase_units[0].payments
        if question.kind == "authorize":
            stood = _stand(order)
            return None if stood.kind == "unknown" and order.status == "CREATED" else stood
        if question.kind == "refund":
            found = next((r for r in payments.refunds if r.custom_id == question.key), None)
            return None if found is None else _operated(found)
        if question.kind == "capture":
            return _operated(payments.captures[0]) if payments.captures else None
        is_void = all(a.status == "VOIDED" for a in payments.authorizations)
        return Outcome(kind="done", ref=f"void_{order.id}") if is_void else None

    list_lag_s = 4 * 3_600.0

    async def listed(self, call: Call, since: datetime, until: datetime) -> list[Listed]:
        keys = await keys_of(call, NAME)
        return await listed(keys, since, until)

    async def account_of(self, body: bytes) -> UUID | None:
        return None  # PayPal does not know our operators: the address of the webhook names them

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        try:
            keys = await keys_of(call, NAME)
            event = msgspec.json.decode(body, type=_Event)
        except (NotReached, msgspec.DecodeError):
            raise Forged from None
        about = {
            name.replace("-", "_"): api.header(headers, name)
            for name in ("auth-algo", "cert-url", "transmission-id", "transmission-sig",
                         "transmission-time")
        }  # fmt: skip
        if keys.webhook_secret is None or not all(about.values()):
            raise Forged
        asked = msgspec.json.encode({**about, "webhook_id": keys.webhook_secret})
        # PayPal checks its own signature, over the very bytes that came.
        content = asked[:-1] + b',"webhook_event":' + body + b"}"
        path = "/v1/notifications/verify-webhook-signature"
        try:
            said = await api.ask(keys, "POST", path, api.Verified, None, content)
        except Refused:
            raise Forged from None
        if said.verification_status != "SUCCESS":
            raise Forged
        thing = event.resource
        related = (
            thing.supplementary_data.related_ids.order_id if thing.supplementary_data else None
        )
        disputed = thing.disputed_transactions[0].custom if thing.disputed_transactions else None
        return Notice(
            event_id=event.id,
            kind=event.event_type,
            key=thing.custom_id or disputed,
            intent=related or (thing.id if event.resource_type == "checkout-order" else None),
            dispute=thing.dispute_id,
        )


class _Related(msgspec.Struct):
    order_id: str | None = None


class _Supplement(msgspec.Struct):
    related_ids: _Related = msgspec.field(default_factory=_Related)


class _Disputed(msgspec.Struct):
    custom: str | None = None


class _Resource(msgspec.Struct):
    id: str | None = None
    custom_id: str | None = None
    dispute_id: str | None = None
    supplementary_data: _Supplement | None = None
    disputed_transactions: list[_Disputed] = []


class _Event(msgspec.Struct):
    id: str
    event_type: str
    resource: _Resource
    resource_type: str = ""


# --- orders by our key

_ORDER = """
SELECT ref, code FROM payments.gateway_order
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND key = $2
"""
_KEEP_ORDER = """
INSERT INTO payments.gateway_order (gateway, key, ref) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, gateway, key) DO UPDATE SET ref = gateway_order.ref RETURNING ref
"""


_DECLINE = """
UPDATE payments.gateway_order SET code = $3
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND key = $2
"""


async def _order_of(call: Call, key: str) -> tuple[str | None, str | None]:
    """The order made under this key, and why it was declined."""
    row = await db.one("payments", call, _ORDER, NAME, key)
    return (None, None) if row is None else (row["ref"], row["code"])


async def _keep_order(call: Call, key: str, ref: str) -> str:
    """The order under this key: the first that was written down; others are never authorised."""
    return str((await db.run("payments", call, _KEEP_ORDER, NAME, key, ref))[0]["ref"])


async def _order(keys: Keys, ref: str | None) -> Order | None:
    if ref is None:
        return None
    try:
        return await api.ask(keys, "GET", f"/v2/checkout/orders/{_path(ref)}", Order)
    except Refused:
        return None


async def _held(keys: Keys, ref: str) -> Operation | None:
    order = await _order(keys, ref)
    return next(iter(order.purchase_units[0].payments.authorizations), None) if order else None


async def _authorised(keys: Keys, order: Order, wanted: Authorisation) -> Outcome:
    """Authorise an order with a stored account, unless it has been before."""
    if order.purchase_units[0].payments.authorizations:
        return _stand(order)
    try:
        order = await api.ask(
            keys, "POST", f"/v2/checkout/orders/{order.id}/authorize", Order, wanted.key,
            {"payment_source": {"paypal": {"vault_id": wanted.method_ref}}},
        )  # fmt: skip
    except Refused as refused:
        if refused.issue == WAITS and wanted.is_off_session:
            return Outcome(kind="declined", ref=order.id, code="authentication_required")
        return _refused(refused, order.id)
    return _stand(order)


# --- reading what PayPal says


def _stand(order: Order) -> Outcome:
    held = next(iter(order.purchase_units[0].payments.authorizations), None)
    if held is None:
        if order.status == WAITS:
            return Outcome(kind="action_required", ref=order.id, next_action=_action(order.links))
        return Outcome(kind="unknown", ref=order.id)
    if held.status in ("CREATED", "CAPTURED", "PARTIALLY_CAPTURED"):
        return Outcome(kind="done", ref=order.id, amount_minor=_minor(held.amount))
    if held.status in ("DENIED", "VOIDED"):
        reason = held.status_details.reason if held.status_details else None
        return Outcome(kind="declined", ref=order.id, code=_code(reason or held.status))
    return Outcome(kind="unknown", ref=order.id)


def _refused(refused: Refused, ref: str) -> Outcome:
    if refused.issue == WAITS:
        return Outcome(kind="action_required", ref=ref, next_action=_action(refused.links))
    return Outcome(kind="declined", ref=ref, code=_code(refused.issue))


def _action(links: list[api.Link]) -> dict[str, str]:
    where = api.link(links, "payer-action", "approve") or ""
    return {"type": "redirect", "gateway": NAME, "url": where}


def _operated(done: Operation) -> Outcome:
    """How a capture or a refund stands."""
    if done.status in ("DECLINED", "FAILED", "CANCELLED"):
        reason = done.status_details.reason if done.status_details else None
        return Outcome(kind="declined", ref=done.id, code=_code(reason or done.status))
    if done.status in ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"):
        return Outcome(kind="done", ref=done.id, amount_minor=_minor(done.amount))
    return Outcome(kind="unknown", ref=done.id)


def _money(amount_minor: int, currency: str) -> Money:
    places = money.decimals(currency)
    return Money(currency, f"{Decimal(amount_minor).scaleb(-places):.{places}f}")


def _masked(address: str | None) -> str:
    """``ada@example.com`` as ``a...@example.com``."""
    name, at, host = (address or "").partition("@")
    return f"{name[:1]}...@{host}"[:60] if at and name else ""


gateway = PayPal()
