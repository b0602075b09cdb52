"""Stripe Checkout: a page of Stripe's where a rider pays without storing anything with us (WAL-13).

The session is made first; the PaymentIntent comes with the payment. So an authorisation is named by
its session (``cs_...``) until it is paid, then by its intent (``pi_...``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import ids
from fahrwerk.kernel.outside import OutcomeUnknown
from fahrwerk.payments.gateways import Outcome, SetUp
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._stripe_api import KEY, NAME, Intent, Refused, path_of

if TYPE_CHECKING:
    from fahrwerk.payments.gateways import Authorisation
    from fahrwerk.payments.gateways._accounts import Keys
    from fahrwerk.payments.gateways._offers import Page

PAGE, MOST_PAGES = 100, 5


class Session(msgspec.Struct, frozen=True):
    """A Checkout session: ``open``, ``complete`` or ``expired``."""

    id: str
    status: str
    url: str | None = None
    payment_intent: str | None = None
    setup_intent: str | None = None
    metadata: dict[str, str] = {}


class Sessions(msgspec.Struct, frozen=True):
    """A page of sessions, newest first."""

    data: list[Session]
    has_more: bool


def is_session(ref: str | None) -> bool:
    """True for what is not paid yet."""
    return ref is not None and ref.startswith("cs_")


async def made(keys: Keys, customer: str, wanted: Authorisation, page: Page) -> Outcome:
    """A page for this authorisation, once per key."""
    about = {**wanted.metadata, KEY: wanted.key}
    line = {
        "quantity": 1,
        "price_data": {
            "currency": wanted.currency.lower(),
            "unit_amount": wanted.amount_minor,
            "product_data": {"name": "Payment"},
        },
    }
    try:
        session = await api.post(
            keys, "/v1/checkout/sessions", wanted.key, Session, mode="payment", customer=customer,
            client_reference_id=ids.derived(wanted.key), line_items={"0": line},
            payment_method_types=["card"], success_url=page.success_url,
            cancel_url=page.cancel_url, expires_at=int(page.expires_at.timestamp()),
            metadata=about, payment_intent_data={"capture_method": "manual", "metadata": about},
        )  # fmt: skip
    except Refused as refused:
        return Outcome(kind="declined", code=refused.code)
    return stand(session)


def stand(session: Session) -> Outcome:
    """How a session stands that has no intent yet."""
    if session.status == "expired":
        return Outcome(kind="declined", ref=session.id, code="expired")
    if session.status == "open":
        action = {"type": "redirect", "gateway": NAME, "url": session.url or ""}
        return Outcome(kind="action_required", ref=session.id, next_action=action)
    return Outcome(kind="unknown", ref=session.id)


async def session_of(keys: Keys, ref: str) -> Session:
    """A session by its id. Raises ``OutcomeUnknown`` when these are another account's keys."""
    try:
        return await api.get(keys, f"/v1/checkout/sessions/{path_of(ref)}", Session)
    except Refused as refused:
        raise OutcomeUnknown("The session is not in this account.", peer=NAME) from refused


async def find_session(keys: Keys, customer: str, key: str) -> Session | None:
    """The session made with our key, among those of its rider."""
    after: str | None = None
    for _ in range(MOST_PAGES):
        page = await api.get(
            keys, "/v1/checkout/sessions", Sessions,
            customer=customer, limit=PAGE, starting_after=after,
        )  # fmt: skip
        for session in page.data:
            if session.metadata.get(KEY) == key:
                return session
        if not page.has_more:
            return None
        after = page.data[-1].id
    raise OutcomeUnknown("It is not among the newest, and may be among the rest.", peer=NAME)


async def close(keys: Keys, ref: str, key: str) -> str | None:
    """Close a session that nobody has paid; the intent of one that somebody has."""
    try:
        path = f"/v1/checkout/sessions/{path_of(ref)}/expire"
        await api.post(keys, path, f"{key}-expire", Session)
    except Refused:
        session = await session_of(keys, ref)
        if session.status == "open":
            raise OutcomeUnknown("The session is still open.", peer=NAME) from None
        return session.payment_intent
    return None


async def intent_of(keys: Keys, session: Session) -> Intent | None:
    """What was paid at this page."""
    if session.payment_intent is None:
        return None
    return await api.get(keys, f"/v1/payment_intents/{path_of(session.payment_intent)}", Intent)


async def to_set_up(keys: Keys, customer: str, key: str, kind: str, page: Page) -> SetUp:
    """A page where a rider stores a method, mandate included, and pays nothing; once per key.

    Stripe puts the session's id where the address we come back to has its place for it.
    """
    back = f"{page.success_url}&token={{CHECKOUT_SESSION_ID}}"
    session = await api.post(
        keys, "/v1/checkout/sessions", key, Session, mode="setup", customer=customer,
        payment_method_types=[kind], success_url=back, cancel_url=page.cancel_url,
        expires_at=int(page.expires_at.timestamp()), metadata={KEY: key},
        setup_intent_data={"metadata": {KEY: key}},
    )  # fmt: skip
    return SetUp(gateway=NAME, public_key=keys.public_key, token=session.id, url=session.url)


async def set_up_at(keys: Keys, ref: str) -> str | None:
    """The SetupIntent of a page where a method was stored. Raises ``Refused``."""
    session = await api.get(keys, f"/v1/checkout/sessions/{path_of(ref)}", Session)
    return session.setup_intent
