"""PayPal's REST API as far as we use it: tokens, requests, answers, errors by class.

Plain HTTP: PayPal's own library is synchronous and knows fixed addresses only (STACK.md).
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fahrwerk.kernel import money
from fahrwerk.kernel.outside import NotReached, OutcomeUnknown
from fahrwerk.payments.gateways import KeysRefused, _accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.outside import Answer
    from fahrwerk.payments.gateways._accounts import Keys

NAME = "paypal"
T = TypeVar("T")
MOST_TOKENS = 2_000
PAUSES_S = (0.1, 0.2, 0.4)
"""A request that finds an earlier one with its key still running waits this long for its answer."""
EARLY_S = 60.0
"""A token is not used in the last minute of its life."""


class Money(msgspec.Struct, frozen=True):
    """An amount as PayPal writes it."""

    currency_code: str
    value: str


class Details(msgspec.Struct, frozen=True):
    """Why something has the status it has."""

    reason: str | None = None


class Operation(msgspec.Struct, frozen=True):
    """An authorisation, a capture or a refund."""

    id: str
    status: str
    amount: Money | None = None
    custom_id: str | None = None
    status_details: Details | None = None


class Payments(msgspec.Struct, frozen=True):
    """What was done about an order."""

    authorizations: list[Operation] = []
    captures: list[Operation] = []
    refunds: list[Operation] = []


class Unit(msgspec.Struct, frozen=True):
    """An order has one."""

    amount: Money | None = None
    custom_id: str | None = None
    payments: Payments = Payments()


class Link(msgspec.Struct, frozen=True):
    """Where to go on."""

    href: str
    rel: str


class Order(msgspec.Struct, frozen=True):
    """What is to be paid, and how far it is."""

    id: str
    status: str
    purchase_units: list[Unit] = []
    links: list[Link] = []


class Customer(msgspec.Struct, frozen=True):
    """Whose stored account it is."""

    id: str | None = None
    merchant_customer_id: str | None = None


class Wallet(msgspec.Struct, frozen=True):
    """A PayPal account."""

    email_address: str | None = None


class Source(msgspec.Struct, frozen=True):
    """What a token stands for."""

    paypal: Wallet | None = None


class Token(msgspec.Struct, frozen=True):
    """A set-up token or a payment token."""

    id: str
    status: str | None = None
    customer: Customer = Customer()
    payment_source: Source = Source()
    links: list[Link] = []


class DisputeObject(msgspec.Struct, frozen=True):
    """A dispute, or an inquiry before one."""

    dispute_id: str
    reason: str
    status: str
    create_time: str
    dispute_amount: Money
    dispute_outcome: dict[str, Any] | None = None
    seller_response_due_date: str | None = None
    dispute_life_cycle_stage: str = ""
    """INQUIRY, CHARGEBACK, PRE_ARBITRATION, ARBITRATION."""


class Verified(msgspec.Struct, frozen=True):
    """What PayPal says of a webhook's signature."""

    verification_status: str


class _Access(msgspec.Struct):
    access_token: str
    expires_in: float


class _Issue(msgspec.Struct):
    issue: str = ""


class _Problem(msgspec.Struct):
    name: str = ""
    details: list[_Issue] = []
    links: list[Link] = []


class Refused(Exception):
    """PayPal read the request, understood it and did not carry it out."""

    def __init__(self, issue: str, links: list[Link]) -> None:
        super().__init__(issue)
        self.issue = issue
        self.links = links


_tokens: dict[tuple[str, str, str], tuple[str, float]] = {}


async def log_in(keys: Keys) -> str:
    """An access token for these keys, remembered while it lives. Raises ``KeysRefused``."""
    about = (str(keys.tenant), keys.public_key, keys.secret)
    known = _tokens.get(about)
    if known is not None and known[1] > time.monotonic():
        return known[0]
    basic = base64.b64encode(f"{keys.public_key}:{keys.secret}".encode()).decode()
    answer = await _accounts.peer(keys).call(
        "POST", "/v1/oauth2/token", safe=True, content=b"grant_type=client_credentials",
        headers={"authorization": f"Basic {basic}",
                 "content-type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    if answer.status_code >= 500:  # a token moves no money
        raise NotReached("PayPal gives no token now.", peer="paypal")
    access = _read(answer, _Access)
    if len(_tokens) >= MOST_TOKENS:
        _tokens.clear()
    _tokens[about] = access.access_token, time.monotonic() + access.expires_in - EARLY_S
    return access.access_token


async def ask(
    keys: Keys, method: str, path: str, kind: type[T], key: str | None = None, said: Any = None,
    content_type: str = "application/json",
) -> T:  # fmt: skip
    """One request; ``key`` is the ``PayPal-Request-Id``: with it a POST is done once.

    Raises ``Refused``, ``NotReached`` (not done), ``OutcomeUnknown``.
    """
    token = await log_in(keys)
    headers: dict[str, str] = {
        "authorization": f"Bearer {token}",
        "content-type": content_type,
        "prefer": "return=representation",
    }
    if key is not None:
        headers["paypal-request-id"] = key[:108]
    peer = _accounts.peer(keys)
    if method == "GET":
        return _read(await peer.call("GET", path, headers=headers), kind)
    content = said if isinstance(said, bytes) else msgspec.json.encode(said or {})
    was_running = False
    for pause in (*PAUSES_S, None):
        try:
            answer = await peer.call(method, path, headers=headers, content=content)
            if answer.status_code == 401:  # revoked before its time: the next try logs in anew
                _tokens.pop((str(keys.tenant), keys.public_key, keys.secret), None)
            return _read(answer, kind)
        except _StillRunning as running:
            if pause is None:
                raise OutcomeUnknown(peer="paypal") from running
            was_running = True
        except NotReached as error:
            # An earlier request with this key is under way, whatever became of this one.
            if was_running:
                raise OutcomeUnknown(peer="paypal") from error
            raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")


class _StillRunning(Exception):
    """The first request with this key has not been answered yet."""


def _read(answer: Answer, kind: type[T]) -> T:
    status = answer.status_code
    try:
        if status < 300:
            return msgspec.json.decode(answer.content or b"{}", type=kind)
        if status == 429:
            raise NotReached("PayPal takes no more requests now.", peer="paypal")
        if status in (401, 403):
            raise KeysRefused(peer="paypal")
        if status >= 500:
            raise OutcomeUnknown("PayPal failed.", peer="paypal")
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError as error:
        raise OutcomeUnknown("PayPal's answer cannot be read.", peer="paypal") from error
    issue = problem.details[0].issue if problem.details else problem.name
    if status == 409 or issue == "PREVIOUS_REQUEST_IN_PROGRESS":
        raise _StillRunning
    raise Refused(issue, problem.links)


def link(links: list[Link], *names: str) -> str | None:
    """The address of the first link with one of these names."""
    return next((each.href for each in links if each.rel in names), None)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header of a webhook, cut to what it may be."""
    return headers.get(f"paypal-{name}", "")[:1_000]


WAITS = "PAYER_ACTION_REQUIRED"
REF = re.compile(r"[A-Za-z0-9_-]{3,100}")
CODES = {
    "INSTRUMENT_DECLINED": "card_declined",
    "PAYER_CANNOT_PAY": "card_declined",
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "TRANSACTION_REFUSED": "card_declined",
    WAITS: "authentication_required",
}


def code_of(issue: str) -> str:
    """PayPal's issue in our words."""
    return CODES.get(issue, issue.lower())[:60]


def path_of(ref: str) -> str:
    """An id as part of an address; what cannot be one becomes one that does not exist."""
    return ref if REF.fullmatch(ref) else "none"


def minor_of(amount: Money | None) -> int | None:
    """An amount in minor units; None in a currency we do not know."""
    if amount is None or amount.currency_code not in money.DECIMALS:
        return None
    return int(Decimal(amount.value).scaleb(money.decimals(amount.currency_code)))
