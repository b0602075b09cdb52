"""Stripe's REST API as far as we use it: requests, answers, errors by class, signatures.

Plain HTTP instead of Stripe's library, so that time-outs, repeats and what counts as *unknown* are
decided here. The version is pinned: what answers look like does not change under us.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from fahrwerk.kernel import crypto
from fahrwerk.kernel.outside import NotReached, OutcomeUnknown
from fahrwerk.payments.gateways import Forged, KeysRefused, _accounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fahrwerk.kernel.outside import Answer
    from fahrwerk.payments.gateways._accounts import Keys

NAME = "stripe"
KEY = "fahrwerk_key"
"""Under this name of its metadata each object carries our key."""
CAPTURE_KEY = "fahrwerk_capture_key"
"""The same of the capture of an intent, which is no object of its own."""
SEPA_DEBIT = "sepa_debit"
VERSION = "2025-12-15.clover"
TOLERANCE_S = 300
PAUSES_S = (0.1, 0.2, 0.4)
"""A request that finds an earlier one with its key still running waits this long for its answer."""

T = TypeVar("T")


class PaymentMethod(msgspec.Struct, frozen=True):
    """A card or a bank account, masked."""

    class Card(msgspec.Struct, frozen=True):
        """What may be shown of it."""

        brand: str
        last4: str
        exp_month: int
        exp_year: int
        country: str | None = None
        fingerprint: str | None = None

    class SepaDebit(msgspec.Struct, frozen=True):
        """A bank account likewise."""

        last4: str
        bank_code: str | None = None
        country: str | None = None
        fingerprint: str | None = None

    id: str
    type: str = ""
    card: Card | None = None
    sepa_debit: SepaDebit | None = None


class Mandate(msgspec.Struct, frozen=True):
    """An account's owner has agreed to be debited."""

    class Details(msgspec.Struct, frozen=True):
        """By kind of method."""

        class SepaDebit(msgspec.Struct, frozen=True):
            """What stands on the owner's statement."""

            reference: str

        sepa_debit: SepaDebit | None = None

    id: str
    status: str = ""
    payment_method_details: Details = Details()


class SetupIntent(msgspec.Struct, frozen=True):
    """Storing a card, or a bank account with its mandate, for charges without its owner."""

    id: str
    status: str
    client_secret: str | None = None
    customer: str | None = None
    payment_method: PaymentMethod | str | None = None
    mandate: Mandate | str | None = None
    metadata: dict[str, str] = {}


class Problem(msgspec.Struct, frozen=True):
    """``error`` of an answer, and ``last_payment_error`` of an intent."""

    type: str = ""
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    payment_intent: Intent | None = None


class Charge(msgspec.Struct, frozen=True):
    """What was charged."""

    class Details(msgspec.Struct, frozen=True):
        """With what."""

        type: str = ""

    id: str
    disputed: bool = False
    payment_method_details: Details | None = None

    @property
    def is_debit(self) -> bool:
        """True when a bank account was debited."""
        details = self.payment_method_details
        return details is not None and details.type == SEPA_DEBIT


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent."""

    id: str
    status: str
    amount: int = 0
    amount_capturable: int = 0
    amount_received: int = 0
    client_secret: str | None = None
    latest_charge: Charge | str | None = None
    last_payment_error: Problem | None = None
    payment_method_types: list[str] = []
    metadata: dict[str, str] = {}


class Intents(msgspec.Struct, frozen=True):
    """A page of intents, newest first."""

    data: list[Intent]
    has_more: bool


class Refund(msgspec.Struct, frozen=True):
    """Money going back; ``status`` may still become ``failed`` days later."""

    id: str
    amount: int
    status: str | None
    failure_reason: str | None = None
    metadata: dict[str, str] = {}


class Refunds(msgspec.Struct, frozen=True):
    """A page of refunds, newest first."""

    data: list[Refund]
    has_more: bool


class Evidence(msgspec.Struct, frozen=True):
    """Until when a dispute may be answered."""

    due_by: int | None = None


class BalanceMove(msgspec.Struct, frozen=True):
    """Money moved on the account: ``amount`` out of it is negative; ``fee`` is kept beside it."""

    amount: int
    fee: int = 0


class DisputeObject(msgspec.Struct, frozen=True):
    """A dispute; ``warning_...`` statuses are inquiries before one."""

    id: str
    amount: int
    currency: str
    reason: str
    status: str
    created: int
    evidence_details: Evidence = Evidence()
    balance_transactions: list[BalanceMove] = []
    """Withdrawn when it was opened; given back when it was won."""
    charge: Charge | str | None = None


class DisputeObjects(msgspec.Struct, frozen=True):
    """A page of disputes, newest first."""

    data: list[DisputeObject]
    has_more: bool


class Thing(msgspec.Struct, frozen=True):
    """Anything with an id: customers, detached methods, accounts."""

    id: str


class Refused(Exception):
    """Stripe said no to the request itself: it was read, understood and not carried out."""

    def __init__(self, problem: Problem, status: int) -> None:
        super().__init__(problem.code or problem.type)
        self.problem = problem
        self.status = status

    @property
    def code(self) -> str:
        """The reason in our words."""
        return code_of(self.problem)


class Broken(OutcomeUnknown):
    """A 5xx answer. ``is_replayed``: Stripe keeps it with its key, and repeats it for a day."""

    is_replayed = False


class _ErrorBody(msgspec.Struct):
    error: Problem


_CODES = {
    "payment_intent_authentication_failure": "authentication_failed",
    "setup_intent_authentication_failure": "authentication_failed",
    "fraudulent": "fraud_suspected",
    "highest_risk_level": "fraud_suspected",
    "charge_already_captured": "already_captured",
}


def code_of(problem: Problem) -> str:
    """The bank's reason where there is one, else Stripe's code, else the class of the error."""
    if problem.type == "idempotency_error":
        return "idempotency_key_reused"
    declined = problem.decline_code if problem.decline_code != "generic_decline" else None
    code = declined or problem.code or problem.type or "declined"
    return _CODES.get(code, code)[:60]


# --- requests


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Stripe's form encoding: ``metadata[key]``, ``expand[]``; what is None is left out."""
    for name, value in values.items():
        field = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from flat(value, field)
        elif isinstance(value, list | tuple):
            yield from ((f"{field}[]", str(each)) for each in value)
        elif isinstance(value, bool):
            yield field, "true" if value else "false"
        elif value is not None:
            yield field, str(value)


async def post(keys: Keys, path: str, key: str, kind: type[T], **values: Any) -> T:
    """Do something, once per ``key``.

    Raises ``Refused``, ``NotReached`` (not done), ``OutcomeUnknown``.
    """
    headers = {"content-type": "application/x-www-form-urlencoded", "idempotency-key": key}
    content = urlencode(list(flat(values))).encode()
    was_running = False
    for pause in (*PAUSES_S, None):
        try:
            answer = await _ask(keys, "POST", path, headers=headers, content=content)
            return _read(answer, kind)
        except _StillRunning as running:
            if pause is None:
                raise OutcomeUnknown(peer="stripe") from running
            was_running = True
        except NotReached as error:
            # An earlier request with this key is under way, whatever became of this one.
            if was_running:
                raise OutcomeUnknown(peer="stripe") from error
            raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def get(keys: Keys, path: str, kind: type[T], **values: Any) -> T:
    """Look at something. Raises ``Refused`` (404: not there) and the like."""
    query = urlencode(list(flat(values)))
    return _read(await _ask(keys, "GET", f"{path}?{query}" if query else path), kind)


async def upload(keys: Keys, key: str, kind: str, content: bytes) -> Thing:
    """A file, once per key; Stripe takes files at an address of their own."""
    headers = {"content-type": kind, "idempotency-key": key}
    path = "/v1/files"
    answer = await _ask(keys, "POST", path, headers=headers, content=content, at="files")
    return _read(answer, Thing)


def path_of(ref: str) -> str:
    """An id as part of an address; what cannot be one becomes an id that does not exist."""
    return ref if _REF.fullmatch(ref) else "none"


_REF = re.compile(r"[a-z]{2,6}_[A-Za-z0-9_]{1,250}")


class _StillRunning(Exception):
    """409: the first request with this key has not been answered yet."""


async def _ask(
    keys: Keys, method: str, path: str, *, headers: Mapping[str, str] | None = None,
    content: bytes | None = None, at: str = "api",
) -> Answer:  # fmt: skip
    about = {
        "authorization": f"Bearer {keys.secret}",
        "stripe-version": VERSION,
        **({"stripe-account": keys.remote_id} if keys.is_connected else {}),
        **(headers or {}),
    }
    return await _accounts.peer(keys, at).call(method, path, headers=about, content=content)


def _read(answer: Answer, kind: type[T]) -> T:
    status = answer.status_code
    try:
        if status < 300:
            return msgspec.json.decode(answer.content, type=kind)
        if status == 429:  # not looked at: neither done nor remembered with its key
            raise NotReached("Stripe takes no more requests now.", peer="stripe")
        if status in (401, 403):
            raise KeysRefused(peer="stripe")
        if status >= 500:
            broken = Broken("Stripe failed.", peer="stripe")
            broken.is_replayed = answer.headers.get("idempotent-replayed") == "true"
            raise broken
        problem = msgspec.json.decode(answer.content, type=_ErrorBody).error
    except msgspec.DecodeError as error:
        raise OutcomeUnknown("Stripe's answer cannot be read.", peer="stripe") from error
    if status == 409 and problem.code == "idempotency_key_in_use":
        raise _StillRunning
    if status == 409:
        raise OutcomeUnknown("Stripe answered 409.", peer="stripe")
    raise Refused(problem, status)


# --- webhooks


class _Inner(msgspec.Struct):
    id: str = ""
    object: str = ""
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None


class _Data(msgspec.Struct):
    object: _Inner


class Event(msgspec.Struct):
    """A webhook, as far as we look into it: never what happened, only to what."""

    id: str
    type: str
    data: _Data
    account: str | None = None
    """Of events of connected accounts: whose it is."""


def account_in(body: bytes) -> str | None:
    """The connected account that a webhook, not verified yet, says it is about."""
    try:
        account = msgspec.json.decode(body, type=_About).account
    except msgspec.DecodeError:
        return None
    return account if account is not None and _REF.fullmatch(account) else None


class _About(msgspec.Struct):
    account: str | None = None


def signature(secret: str, at: int, body: bytes) -> str:
    """``v1`` of the header ``Stripe-Signature``."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def verified(secret: str, header: str, body: bytes, now: float) -> Event:
    """The event of a webhook that was signed with this secret within the last five minutes.

    Raises ``Forged``. While a secret is being replaced there are several ``v1``: one must fit.
    """
    parts = [part.strip().partition("=") for part in header[:2_000].split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    if not at.isascii() or not at.isdigit() or len(at) > 12:
        raise Forged
    wanted = signature(secret, int(at), body)
    given = [value for name, _, value in parts if name == "v1" and value.isascii()]
    if not any(crypto.same(wanted, value) for value in given):
        raise Forged
    if abs(now - int(at)) > TOLERANCE_S:
        raise Forged("This webhook is too old or from the future.")
    try:
        return msgspec.json.decode(body, type=Event)
    except msgspec.DecodeError:
        raise Forged("This webhook cannot be read.") from None
