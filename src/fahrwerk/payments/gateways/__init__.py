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
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

import msgspec

from fahrwerk.kernel import settings
from fahrwerk.kernel.errors import Invalid, NotFound, Unavailable, Unpaid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.call import Call

DEFAULT = "sandbox"
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


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the operation ``kind`` with this key? ``intent`` as far as we know it."""

    key: str
    kind: Kind
    intent: str | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of an operation.

    ``done``: with ``ref`` (its id there) and the amount it was done for. ``declined``: for good,
    with the gateway's ``code``; the same key will never succeed. ``action_required``: the rider has
    to do ``next_action``. ``unknown``: the gateway itself does not know yet; ask again.
    """

    kind: Literal["done", "declined", "action_required", "unknown"]
    ref: str | None = None
    amount_minor: int | None = None
    code: str | None = None
    next_action: dict[str, str] | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A method set up at the gateway, as far as we may know it (PAY-24, PAY-27)."""

    ref: str
    kind: str
    brand: str
    last4: str
    expires: str
    """MM/YY"""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A verified webhook: something happened to the operation with our ``key`` (if it was ours)."""

    event_id: str
    kind: str
    key: str | None


class Refusal(Unpaid):
    """The gateway will not store this method; ``reason`` in the details is its code."""

    message = "This payment method was refused. Please try another one."


class UnknownToken(Invalid):
    """The client's token means nothing to the gateway."""


class Forged(Invalid):
    """A webhook whose signature or time is wrong."""

    code = "WEBHOOK_SIGNATURE_INVALID"
    message = "The signature of this webhook is not valid."


class Gateway(Protocol):
    """What a provider's file has to offer as ``gateway``. ``call`` says for which operator."""

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

    def account_of(self, body: bytes) -> UUID | None:
        """The operator a webhook claims to be for, still unverified; None: it does not say."""
        ...

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify a webhook with the operator's secret. Raises ``Forged``."""
        ...


class UnknownGateway(NotFound):
    """No file of this name."""

    code = "UNKNOWN_GATEWAY"
    message = "There is no such payment gateway."


class NoGateway(Unavailable):
    """The sandbox takes play money: outside the demo it is no way to pay."""

    code = "NO_PAYMENT_GATEWAY"
    message = "No payment gateway is set up here yet."


def for_new_methods() -> Gateway:
    """Where riders' new payment methods are set up. Raises ``NoGateway``."""
    if DEFAULT == "sandbox" and not settings.load().dev:
        raise NoGateway
    return find(DEFAULT)


@functools.cache
def find(name: str) -> Gateway:
    """The gateway of this name: the file ``<name>.py`` beside this one."""
    if not _NAME.fullmatch(name) or importlib.util.find_spec(f"{__name__}.{name}") is None:
        raise UnknownGateway(gateway=name[:32])
    gateway: Gateway = importlib.import_module(f"{__name__}.{name}").gateway
    return gateway
