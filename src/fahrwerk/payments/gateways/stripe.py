"""Stripe: PaymentIntents with manual capture, SetupIntents, refunds, disputes (PAY-04..07, PAY-27).

SEPA debits are in ``_stripe_debits``: what they do otherwise than cards.

The rider's client talks to Stripe itself (publishable key and client secret); we only ever see
``seti_...`` and ``pm_...``. Every operation carries our key twice: as ``Idempotency-Key``, so that
a repeat within a day is the same operation, and in the object's metadata, so that it is found
afterwards whatever became of the answer. What is looked for is listed, never searched: Stripe's
search lags behind.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.outside import NotReached, OutcomeUnknown
from fahrwerk.payments.gateways import (
    Account,
    Authorisation,
    Card,
    Change,
    Forged,
    Notice,
    NotTaken,
    Outcome,
    Question,
    Refusal,
    SetUp,
    UnknownToken,
    _accounts,
    _stripe_disputes,
    _stripe_lists,
)
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways import _stripe_customers as customers
from fahrwerk.payments.gateways import _stripe_debits as debits
from fahrwerk.payments.gateways import _stripe_pages as sessions
from fahrwerk.payments.gateways._accounts import Keys, keys_of
from fahrwerk.payments.gateways._stripe_api import (
    CAPTURE_KEY,
    KEY,
    NAME,
    Intent,
    PaymentMethod,
    Refused,
    SetupIntent,
)
from fahrwerk.payments.gateways._stripe_api import path_of as _path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._offers import Page

SIGNATURE = "stripe-signature"
PAGE, MOST_PAGES = 100, 5
_SECRET = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{8,200}")
_PUBLIC = re.compile(r"pk_(test|live)_[A-Za-z0-9_]{8,200}")
_WEBHOOK = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,200}")
_REF = re.compile(r"[a-z]{2,6}_[A-Za-z0-9_]{1,250}")
_BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express"}


class Stripe(_stripe_disputes.Disputes, _stripe_lists.Lists):
    """See ``fahrwerk.payments.gateways.Gateway``."""

    kinds = frozenset({"card", api.SEPA_DEBIT})
    has_accounts = True

    async def account(self, keys: Keys) -> Account:
        secret, public = _SECRET.fullmatch(keys.secret), _PUBLIC.fullmatch(keys.public_key)
        if secret is None:
            raise Invalid(field="secret", issue="must be a secret key of Stripe: sk_... or rk_...")
        if public is None:
            raise Invalid(field="public_key", issue="must be a publishable key of Stripe: pk_...")
        if secret[1] != public[1]:
            raise Invalid(field="public_key", issue="one key is for tests, the other one is live")
        if keys.webhook_secret is not None and not _WEBHOOK.fullmatch(keys.webhook_secret):
            raise Invalid(field="webhook_secret", issue="must begin with whsec_")
        try:
            found = await api.get(keys, "/v1/account", api.Thing)
        except Refused as refused:
            raise Invalid(field="secret", issue=refused.code) from None
        return Account(found.id, secret[1] == "live")

    # --- methods

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        keys = await keys_of(call, NAME, is_new=True)
        try:
            intent = await api.post(
                keys, "/v1/setup_intents", key, SetupIntent,
                customer=await customers.of(call, keys, customer), usage="off_session",
                payment_method_types=[kind or "card"], metadata={KEY: key},
            )  # fmt: skip
        except Refused as refused:  # a kind that is not activated in this account
            raise NotTaken(reason=refused.code) from None
        return SetUp(
            gateway=NAME,
            public_key=keys.public_key,
            client_secret=intent.client_secret,
            token=intent.id,
            account=keys.remote_id if keys.is_connected else None,
        )

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        keys = await keys_of(call, NAME, is_new=True)
        if not _REF.fullmatch(token) or not token.startswith(("seti_", "pm_", "cs_")):
            raise _no_token()
        owner = await customers.of(call, keys, customer)
        wanted: dict[str, Any] = {"expand": ["payment_method", "mandate"]}
        try:
            if token.startswith("cs_"):
                token = await sessions.set_up_at(keys, token) or "none"
            if token.startswith("seti_"):
                intent = await api.get(keys, f"/v1/setup_intents/{token}", SetupIntent, **wanted)
            else:
                intent = await api.post(
                    keys, "/v1/setup_intents", key, SetupIntent, customer=owner,
                    payment_method=token, confirm=True, usage="off_session",
                    payment_method_types=["card"], metadata={KEY: key}, **wanted,
                )  # fmt: skip
        except Refused as refused:
            if refused.problem.type == "card_error":
                raise Refusal(reason=refused.code) from None
            raise _no_token() from None
        if intent.customer != owner:
            raise _no_token()  # somebody else's
        if intent.status != "succeeded" or not isinstance(intent.payment_method, PaymentMethod):
            waits = intent.status == "requires_action"
            raise Refusal(reason="authentication_required" if waits else "set_up_unfinished")
        return _card(intent.payment_method, intent.mandate)

    async def set_up_page(
        self, call: Call, key: str, customer: UUID, kind: str, page: Page
    ) -> SetUp:
        keys = await keys_of(call, NAME, is_new=True)
        owner = await customers.of(call, keys, customer)
        try:
            return await sessions.to_set_up(keys, owner, key, kind, page)
        except Refused as refused:
            raise NotTaken(reason=refused.code) from None

    async def forget(self, call: Call, method_ref: str) -> None:
        keys = await keys_of(call, NAME)
        try:
            path = f"/v1/payment_methods/{_path(method_ref)}/detach"
            await api.post(keys, path, f"detach-{method_ref}", api.Thing)
        except Refused:
            pass  # it is not there (any more), which is what was wanted

    # --- operations

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        keys = await keys_of(call, NAME, is_new=True)
        customer = await customers.known(call, keys, wanted.customer)
        if customer is None:  # stored in another account than the one of these keys
            return Outcome(kind="declined", code="payment_method_detached")
        if await debits.is_account(call, wanted.method_ref):
            return await debits.promise(keys, customer, wanted)
        try:
            intent = await api.post(
                keys, "/v1/payment_intents", wanted.key, Intent,
                amount=wanted.amount_minor, currency=wanted.currency.lower(), customer=customer,
                payment_method=wanted.method_ref, payment_method_types=["card"],
                capture_method="manual", confirm=True, off_session=wanted.is_off_session or None,
                use_stripe_sdk=None if wanted.is_off_session else True,
                metadata={**wanted.metadata, KEY: wanted.key},
            )  # fmt: skip
        except Refused as refused:
            made = refused.problem.payment_intent
            return Outcome(kind="declined", code=refused.code, ref=made.id if made else None)
        return await _stand(keys, intent)

    async def open_page(self, call: Call, wanted: Authorisation, page: Page) -> Outcome:
        keys = await keys_of(call, NAME, is_new=True)
        owner = await customers.of(call, keys, wanted.customer)
        return await sessions.made(keys, owner, wanted, page)

    async def confirm(self, call: Call, question: Question) -> Outcome:
        keys = await keys_of(call, NAME)
        if sessions.is_session(question.intent):
            return await self.read(call, question) or Outcome(kind="unknown")
        intent = await _intent(keys, question.intent)
        return Outcome(kind="unknown") if intent is None else await _stand(keys, intent)

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        take = debits.take if wanted.is_promise else _take
        try:
            try:
                return _captured(await take(keys, wanted, wanted.key))
            except api.Broken as broken:
                if not broken.is_replayed:
                    raise
            # The 500 of then is all this key will ever bring. An intent is captured once at most,
            # so that another key for the same intent cannot take the money twice.
            intent = await _intent(keys, wanted.intent)
            if intent is not None and intent.status in _UNTAKEN:
                intent = await take(keys, wanted, f"{wanted.key}-again")
            return _captured(intent) if intent else Outcome(kind="unknown")
        except Refused as refused:
            made = refused.problem.payment_intent
            if wanted.is_promise and (made is None or made.status in _UNPAID):
                with suppress(Refused):  # not to be debited: nobody shall pay it in another way
                    await _cancel(keys, wanted.intent, f"{wanted.intent}-close")
            return Outcome(kind="declined", code=refused.code)

    async def void(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        done = Outcome(
            kind="done", ref=f"void_{wanted.intent}", amount_minor=wanted.amount_minor
        )  # fmt: skip
        if sessions.is_session(wanted.intent):
            paid = await sessions.close(keys, wanted.intent, wanted.key)
            if paid is None:
                return done
            wanted = msgspec.structs.replace(wanted, intent=paid)
        intent: Intent | None
        try:
            intent = await _cancel(keys, wanted.intent, wanted.key)
        except api.Broken as broken:
            if not broken.is_replayed:
                raise
            intent = await _intent(keys, wanted.intent)
            if intent is not None and intent.status not in ("canceled", "succeeded"):
                intent = await _cancel(keys, wanted.intent, f"{wanted.key}-again")
        except Refused as refused:
            return Outcome(kind="declined", code=refused.code)
        if intent is None:
            return Outcome(kind="unknown")
        return done if intent.status == "canceled" else _TAKEN

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        keys = await keys_of(call, NAME)
        try:
            refund = await api.post(
                keys, "/v1/refunds", wanted.key, api.Refund, payment_intent=wanted.intent,
                amount=wanted.amount_minor, metadata={KEY: wanted.key},
                refund_application_fee=True if wanted.platform_fee_minor else None,
            )  # fmt: skip
        except Refused as refused:
            return Outcome(kind="declined", code=refused.code)
        return _refunded(refund)

    # --- what became of it

    async def read(self, call: Call, question: Question) -> Outcome | None:
        keys = await keys_of(call, NAME)
        if question.kind == "authorize":
            return await _authorisation(call, keys, question)
        if question.intent is None:
            return None
        if sessions.is_session(question.intent):  # a page that is to be closed
            session = await sessions.session_of(keys, question.intent)
            is_over = session.status == "expired"
            return Outcome(kind="done", ref=f"void_{session.id}") if is_over else None
        if question.kind == "refund":
            return await _find_refund(keys, question)
        intent = await _intent(keys, question.intent, expand=["latest_charge"])
        if intent is None or intent.status in _UNTAKEN:
            return None
        if question.kind == "void":
            done = intent.status == "canceled"
            return Outcome(kind="done", ref=f"void_{intent.id}") if done else None
        if intent.status == "succeeded":
            by = intent.metadata.get(CAPTURE_KEY)
            if by not in (None, question.key):
                return Outcome(kind="declined", code="already_captured")
            return await debits.returned(keys, intent) or _captured(intent)
        if intent.status in ("canceled", "requires_payment_method"):
            return await _stand(keys, intent)  # a debit that failed is closed: nobody pays it there
        return _captured(intent) if intent.status == "processing" else None

    async def account_of(self, body: bytes) -> UUID | None:
        """Of a connected account; who has keys of his own is named by the webhook's address."""
        account = api.account_in(body)
        return None if account is None else await _accounts.connected_to(NAME, account)

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        try:
            keys = await keys_of(call, NAME)
        except NotReached:  # no keys: nobody can have signed it
            raise Forged from None
        if keys.webhook_secret is None:
            raise Forged
        now = clock.now().timestamp()
        event = api.verified(keys.webhook_secret, headers.get(SIGNATURE, ""), body, now)
        # One secret signs for all that are connected: it must be about this one.
        if keys.is_connected and event.account != keys.remote_id:
            raise Forged
        inner = event.data.object
        is_intent = inner.object == "payment_intent"
        return Notice(
            event_id=event.id,
            kind=event.type,
            key=(inner.metadata or {}).get(KEY),
            intent=inner.id if is_intent else inner.payment_intent,
            dispute=inner.id if inner.object == "dispute" else None,
        )


_UNTAKEN = ("requires_capture", "requires_confirmation")
_UNPAID = (*_UNTAKEN, "requires_payment_method")


async def _take(keys: Keys, wanted: Change, key: str) -> Intent:
    """Capture what a card reserves."""
    return await api.post(
        keys, f"/v1/payment_intents/{_path(wanted.intent)}/capture", key, Intent,
        amount_to_capture=wanted.amount_minor, metadata={CAPTURE_KEY: wanted.key},
        application_fee_amount=wanted.platform_fee_minor or None,
    )  # fmt: skip


# --- reading what Stripe says


def _no_token() -> UnknownToken:
    return UnknownToken(field="gateway_token", issue="is not a token of Stripe for this rider")


def _card(method: PaymentMethod, mandate: api.Mandate | str | None) -> Card:
    card, account = method.card, method.sepa_debit
    if account is not None:
        return debits.account_of(method.id, account, mandate)
    if card is None:
        raise Refusal(reason="not_a_card")
    return Card(
        ref=method.id,
        kind="card",
        brand=_BRANDS.get(card.brand, card.brand.title())[:40],
        last4=card.last4,
        expires=f"{card.exp_month:02}/{card.exp_year % 100:02}",
        country=(card.country or "").upper() if len(card.country or "") == 2 else "",
        fingerprint=(card.fingerprint or "")[:200],
    )


async def _intent(keys: Keys, ref: str | None, **about: Any) -> Intent | None:
    if ref is None:
        return None
    try:
        return await api.get(keys, f"/v1/payment_intents/{_path(ref)}", Intent, **about)
    except Refused:
        return None


async def _intent_of(call: Call, keys: Keys, question: Question) -> Intent | None:
    """The intent made with our key: by its id, else among those of its rider."""
    if question.intent is not None:
        known = await _intent(keys, question.intent)
        if known is None:  # it was there once: these are another account's keys
            raise OutcomeUnknown("The intent is not in this account.", peer=NAME)
        return known
    if question.customer is None:
        raise OutcomeUnknown("Without the rider nothing can be looked for.", peer=NAME)
    customer = await customers.known(call, keys, question.customer)
    if customer is None:
        return None
    after: str | None = None
    for _ in range(MOST_PAGES):
        page = await api.get(
            keys, "/v1/payment_intents", api.Intents,
            customer=customer, limit=PAGE, starting_after=after,
        )  # fmt: skip
        for intent in page.data:
            if intent.metadata.get(KEY) == question.key:
                return intent
        if not page.has_more:
            return None
        after = page.data[-1].id
    raise OutcomeUnknown("It is not among the newest, and may be among the rest.", peer=NAME)


_TAKEN = Outcome(kind="declined", code="already_captured")


async def _authorisation(call: Call, keys: Keys, question: Question) -> Outcome | None:
    """How an authorisation stands, made by us or by the rider at Stripe's page."""
    session: sessions.Session | None = None
    if question.intent is not None and sessions.is_session(question.intent):
        session = await sessions.session_of(keys, question.intent)
    else:
        intent = await _intent_of(call, keys, question)
        if intent is not None:
            return await _stand(keys, intent)
        if question.customer is not None:
            customer = await customers.known(call, keys, question.customer)
            if customer is not None:
                session = await sessions.find_session(keys, customer, question.key)
    if session is None:
        return None
    paid = await sessions.intent_of(keys, session)
    # At the page the rider may try another card: while it is open, no refusal is for good.
    if paid is None or (session.status == "open" and paid.status == "requires_payment_method"):
        return sessions.stand(session)
    return await _stand(keys, paid)


async def _find_refund(keys: Keys, question: Question) -> Outcome | None:
    after: str | None = None
    while True:
        try:
            page = await api.get(
                keys, "/v1/refunds", api.Refunds,
                payment_intent=question.intent, limit=PAGE, starting_after=after,
            )  # fmt: skip
        except Refused as refused:  # no such intent in this account: that proves nothing
            raise OutcomeUnknown(refused.code, peer=NAME) from refused
        for refund in page.data:
            if refund.metadata.get(KEY) == question.key:
                return _refunded(refund)
        if not page.has_more:
            return None
        after = page.data[-1].id


async def _cancel(keys: Keys, ref: str, key: str) -> Intent:
    """Cancel an intent; one that cannot be canceled (any more) as it stands. Raises ``Refused``."""
    try:
        return await api.post(keys, f"/v1/payment_intents/{_path(ref)}/cancel", key, Intent)
    except Refused as refused:
        made = refused.problem.payment_intent
        if made is None or made.status not in ("canceled", "succeeded"):
            raise
        return made


async def _stand(keys: Keys, intent: Intent) -> Outcome:
    """How an authorisation stands."""
    if intent.status == "requires_payment_method":
        # Whoever has its client secret could still pay it with another card. Declined is for good.
        code = api.code_of(intent.last_payment_error) if intent.last_payment_error else "declined"
        intent = await _cancel(keys, intent.id, f"{intent.id}-close")
        if intent.status == "canceled":
            return Outcome(kind="declined", ref=intent.id, code=code)
    if intent.status == "requires_capture":
        return Outcome(kind="done", ref=intent.id, amount_minor=intent.amount_capturable)
    if debits.is_promised(intent):
        return debits.promised(intent)
    if intent.status == "succeeded":
        return Outcome(kind="done", ref=intent.id, amount_minor=intent.amount)
    if intent.status == "canceled":
        error = intent.last_payment_error
        return Outcome(
            kind="declined", ref=intent.id, code=api.code_of(error) if error else "canceled"
        )
    if intent.status == "requires_action":
        return Outcome(kind="action_required", ref=intent.id, next_action=_action(keys, intent))
    return Outcome(kind="unknown", ref=intent.id)


def _action(keys: Keys, intent: Intent) -> dict[str, str]:
    """For ``stripe.handleNextAction`` in the client, and where to say that it is done."""
    action = {
        "type": "three_d_secure",
        "gateway": NAME,
        "public_key": keys.public_key,
        "client_secret": intent.client_secret or "",
    }
    if keys.is_connected:
        action["account"] = keys.remote_id
    if (payment_id := intent.metadata.get("payment_id")) is not None:
        link = f"/api/v1/payments/{ids.public('pay', UUID(payment_id))}/complete-3ds"
        action["complete_with"] = f"POST {link}"
    return action


def _captured(intent: Intent) -> Outcome:
    if intent.status not in ("succeeded", "processing"):
        return Outcome(kind="unknown")
    charge = intent.latest_charge
    if intent.status == "processing":
        return Outcome(kind="processing", ref=intent.id)
    ref = charge if isinstance(charge, str) else charge.id if charge else f"charge_of_{intent.id}"
    return Outcome(kind="done", ref=ref, amount_minor=intent.amount_received)


def _refunded(refund: api.Refund) -> Outcome:
    if refund.status in ("failed", "canceled"):
        return Outcome(
            kind="declined", ref=refund.id, code=refund.failure_reason or "refund_failed"
        )
    if refund.status == "succeeded":
        return Outcome(kind="done", ref=refund.id, amount_minor=refund.amount)
    return Outcome(kind="unknown", ref=refund.id)


gateway = Stripe()
