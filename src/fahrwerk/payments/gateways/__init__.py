"""The port to payment gateways: one small file per provider, found by its name.

A gateway does one operation per *key*, however often it is asked with it. It answers with an
``Outcome``; when it does not answer, the adapter raises ``outside.OutcomeUnknown`` (it may have
been done) or ``outside.NotReached`` (it provably was not). Who calls puts a time limit around every
call and takes silence for *unknown*. A file here is a gateway when it has a ``gateway``; the suite
in tests/payments/gateways holds each of them to the same conduct.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

import msgspec

from fahrwerk.kernel import settings
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound, Unpaid
from fahrwerk.kernel.outside import NotReached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._accounts import Keys

SANDBOX = "sandbox"
"""Ships with the platform, takes play money only."""
PURSE = "purse"
"""Stands where a gateway's name would, for what is paid from the rider's prepaid money."""
TIMEOUT_S = 10.0
_NAME = re.compile(r"^[a-z][a-z0-9]{1,31}$")

Kind = Literal["authorize", "capture", "void", "refund"]


class Authorisation(msgspec.Struct, frozen=True, kw_only=True):
    """Reserve an amount at the rider's bank, to be captured later (PAY-04)."""

    key: str
    amount_minor: int
    currency: str
    method_ref: str
    customer: UUID
    is_off_session: bool
    """True: the rider is not there, so no 3-D Secure is possible."""
    metadata: dict[str, str]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Capture, void or refund something authorised before.

    ``intent`` is the gateway's own id of it. A capture below the authorised amount gives the rest
    back; a void has the whole amount; a refund gives back at most what was captured.
    """

    key: str
    intent: str
    amount_minor: int
    currency: str
    is_promise: bool = False
    """What is captured reserves nothing (``Outcome.is_promise``): for any amount, once."""
    platform_fee_minor: int = 0
    """Of a capture: what goes to the platform. Of a refund: what went there of its capture."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the operation ``kind`` with this key? ``intent`` as far as we know it."""

    key: str
    kind: Kind
    intent: str | None
    customer: UUID | None = None
    """Whose it is: an operation whose answer was lost is looked for among theirs."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of an operation.

    ``done``: with ``ref`` (its id there) and the amount it was done for. ``declined``: for good,
    with the gateway's ``code``; the same key will never succeed. ``action_required``: the rider has
    to do ``next_action``. ``unknown``: the gateway itself does not know yet; ask again.
    ``processing``: a capture that the gateway has taken on; it will say in days. ``returned``: a
    capture that was done, and whose money the rider's bank took back since.
    """

    kind: Literal["done", "declined", "action_required", "unknown", "processing", "returned"]
    ref: str | None = None
    amount_minor: int | None = None
    code: str | None = None
    next_action: dict[str, str] | None = None
    is_promise: bool = False
    """Of an authorisation: nothing is reserved, an account may be debited later."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A method set up at the gateway, as far as we may know it (PAY-24, PAY-27)."""

    ref: str
    kind: str
    brand: str
    last4: str
    expires: str
    """MM/YY"""
    country: str = ""
    """Where it was issued, ISO 3166; empty: the gateway does not say."""
    fingerprint: str = ""
    """The gateway's mark of the card, the same for whoever stores it."""
    bank: str = ""
    mandate: str = ""
    """Of a bank account: its bank's code, and the reference of the mandate."""


class SetUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a client needs to set up a method with the gateway itself (PAY-27)."""

    gateway: str
    public_key: str | None = None
    client_secret: str | None = None
    """For the gateway's own library in the client; None: the gateway needs no preparation."""
    token: str | None = None
    """What the client sends us as ``gateway_token`` when it is done; None: what it got there."""
    url: str | None = None
    """A page of the gateway where the rider does it, when that was wished for."""
    account: str | None = None
    """The account there that ``public_key`` is to be used for, when it is the platform's."""


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A charge disputed by the cardholder, as the gateway tells it now."""

    ref: str
    amount_minor: int
    currency: str
    reason: str
    state: Literal["needs_response", "under_review", "won", "lost"]
    opened_at: datetime
    evidence_due_at: datetime | None
    withdrawn_minor: int = 0
    """Out of the operator's account for it now."""
    fee_minor: int = 0
    moves: int = 0
    """How often money was moved for it: it only grows, so that an older look is told apart."""
    is_return: bool = False
    """A debit's money was taken back for good: the capture is ``returned``, and counted there."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A verified webhook: something happened to the operation with our ``key`` (if it was ours).

    ``intent`` is the gateway's id of the authorisation, ``dispute`` that of a dispute about it.
    """

    event_id: str
    kind: str
    key: str | None
    intent: str | None = None
    dispute: str | None = None


class Refusal(Unpaid):
    """The gateway will not store this method; ``reason`` in the details is its code."""

    message = "This payment method was refused. Please try another one."


class NotTaken(Conflict):
    """The operator's account there cannot store methods of this kind; ``reason`` is its code."""

    code = "METHOD_NOT_TAKEN"
    message = "This way to pay is not offered here."


class UnknownToken(Invalid):
    """The client's token means nothing to the gateway."""


class Forged(Invalid):
    """A webhook whose signature or time is wrong."""

    code = "WEBHOOK_SIGNATURE_INVALID"
    message = "The signature of this webhook is not valid."


class Account(msgspec.Struct, frozen=True):
    """Whose keys these are, as the gateway says."""

    remote_id: str
    is_live: bool


class Gateway(Protocol):
    """What a provider's file has to offer as ``gateway``. ``call`` says for which operator."""

    kinds: frozenset[str]
    """Kinds of methods that can be set up there."""
    has_accounts: bool
    """True: an operator needs an account there, and its keys with us."""

    async def account(self, keys: Keys) -> Account:
        """Whose keys these are, and that they work.

        Raises ``Invalid`` (they cannot be keys of this gateway), ``KeysRefused``.
        """
        ...

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        """Prepare the setting up of a method by the rider's client.

        ``kind``: of those it can; None: its usual one.
        """
        ...

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        """Make the client's token a stored method. Raises ``Refusal``, ``UnknownToken``."""
        ...

    async def forget(self, call: Call, method_ref: str) -> None:
        """Remove a stored method there; harmless to repeat."""
        ...

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        """Reserve money."""
        ...

    async def confirm(self, call: Call, question: Question) -> Outcome:
        """Go on after the rider did what ``action_required`` asked for."""
        ...

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        """Take reserved money; ``ref`` is the charge."""
        ...

    async def void(self, call: Call, wanted: Change) -> Outcome:
        """Give reserved money back; done as well when it was void already."""
        ...

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        """Give taken money back."""
        ...

    async def read(self, call: Call, question: Question) -> Outcome | None:
        """What became of an operation; None: nothing with this key has ever arrived."""
        ...

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        """A dispute as it stands now; None: it knows of none with this id."""
        ...

    async def account_of(self, body: bytes) -> UUID | None:
        """The operator a webhook claims to be for, still unverified; None: it does not say."""
        ...

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify a webhook with the operator's secret. Raises ``Forged``."""
        ...


class UnknownGateway(NotFound):
    """No file of this name."""

    code = "UNKNOWN_GATEWAY"
    message = "There is no such payment gateway."


class NoGateway(Conflict):
    """The sandbox takes play money: outside the demo it is no way to pay."""

    code = "NO_PAYMENT_GATEWAY"
    message = "No payment gateway is set up here yet."


class KeysRefused(NotReached):
    """The gateway does not know these keys (any more): it has provably done nothing."""

    code = "GATEWAY_KEYS_REFUSED"
    message = "The payment gateway does not accept the keys it was given."


def check_open(name: str) -> None:
    """Raise ``NoGateway`` when this gateway takes no real money and real money is wanted."""
    if name == SANDBOX and not settings.load().dev:
        raise NoGateway


@functools.cache
def find(name: str) -> Gateway:
    """The gateway of this name: the file ``<name>.py`` beside this one."""
    if not _NAME.fullmatch(name) or importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise UnknownGateway(gateway=name[:32])
    gateway: Gateway = importlib.import_module(f"{__name__}.{name}").gateway
    return gateway


def behind(name: str) -> Gateway:
    """Where an attempt was made: a gateway, or the rider's own purse, which is no provider."""
    if name == PURSE:
        inside: Gateway = importlib.import_module(f"{__name__}._purse").gateway
        return inside
    return find(name)
