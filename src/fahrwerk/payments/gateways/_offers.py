"""What a gateway may offer beside the port: pages to pay at, answers to disputes, transfers, lists.

Not every provider can all of it; whoever asks has another way, or says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

from fahrwerk.kernel import settings
from fahrwerk.kernel.errors import Conflict
from fahrwerk.payments import gateways

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Authorisation, Outcome, SetUp

PAGE = "page"
"""Stands where a method's token would: the rider chooses at the gateway's own page."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the gateway, and where it sends the rider afterwards."""

    success_url: str
    cancel_url: str
    expires_at: datetime
    """It takes no money after that; the same for the same key."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence: a text, or a file."""

    kind: str
    """receipt | ride | track | photo | communication | description | other"""
    text: str | None
    file_name: str | None = None
    media_type: str | None = None
    content: bytes | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A charge or a refund as the gateway's own list has it."""

    kind: Literal["capture", "refund"]
    ref: str
    intent: str | None
    """The gateway's id of its authorisation."""
    key: str | None
    """Ours, where the gateway kept it."""
    amount_minor: int
    currency: str
    at: datetime
    fee_minor: int | None = None
    """Of a charge: what the gateway kept for itself. None: it does not say (yet)."""
    platform_fee_minor: int | None = None
    """Of a charge: what went to the platform; None likewise."""


@runtime_checkable
class WithPages(Protocol):
    """It has pages where people pay."""

    async def open_page(self, call: Call, wanted: Authorisation, page: Page) -> Outcome:
        """Make a page for an authorisation: ``action_required`` with ``url``; once per key."""
        ...


@runtime_checkable
class WithSetUpPages(Protocol):
    """It has pages where people store a method, such as a bank account with its mandate."""

    async def set_up_page(
        self, call: Call, key: str, customer: UUID, kind: str, page: Page
    ) -> SetUp:
        """Make a page; once per key. It sends back to ``success_url`` with ``token``."""
        ...


@runtime_checkable
class WithEvidence(Protocol):
    """It takes evidence against disputes."""

    async def answer_dispute(self, call: Call, ref: str, key: str, proofs: list[Proof]) -> Outcome:
        """Hand the evidence in, once per key."""
        ...


@runtime_checkable
class WithTransfers(Protocol):
    """It sends money on to partners' accounts there (PAY-15)."""

    async def transfer(
        self, call: Call, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome:
        """From the operator's balance to the partner's account, once per key."""
        ...

    async def read_transfer(self, call: Call, account: str, key: str) -> Outcome | None:
        """What became of it; None: it never arrived."""
        ...


@runtime_checkable
class WithLists(Protocol):
    """It can say what it took and gave back."""

    list_lag_s: float
    """How long its list may lack what was done."""

    async def listed(self, call: Call, since: datetime, until: datetime) -> list[Listed]:
        """All charges and refunds of a span of time that were carried out, in any order."""
        ...


class NotOffered(Conflict):
    """This gateway cannot do that."""

    code = "NOT_OFFERED_BY_GATEWAY"
    message = "This payment gateway does not offer that."


def with_pages(name: str) -> WithPages:
    """The gateway of this name, when it has pages. Raises ``NotOffered``, as do the others."""
    found: WithPages = _able(name, WithPages)
    return found


def with_set_up_pages(name: str) -> WithSetUpPages:
    """The gateway of this name, when methods can be stored at a page of it."""
    found: WithSetUpPages = _able(name, WithSetUpPages)
    return found


def page_to(return_path: str, expires_at: datetime) -> Page:
    """A page that sends back to a place of ours; the same values give the same page."""
    back = f"{settings.load().address}{return_path}"
    back += "&" if "?" in back else "?"
    return Page(
        success_url=f"{back}result=success", cancel_url=f"{back}result=cancelled",
        expires_at=expires_at.replace(microsecond=0),
    )  # fmt: skip


def with_evidence(name: str) -> WithEvidence:
    """The gateway of this name, when it takes evidence."""
    found: WithEvidence = _able(name, WithEvidence)
    return found


def with_transfers(name: str) -> WithTransfers:
    """The gateway of this name, when it sends money on."""
    found: WithTransfers = _able(name, WithTransfers)
    return found


def with_lists(name: str) -> WithLists:
    """The gateway of this name, when it can be compared with."""
    found: WithLists = _able(name, WithLists)
    return found


def _able(name: str, what: Any) -> Any:
    found = gateways.find(name)
    if not isinstance(found, what):
        raise NotOffered(gateway=name)
    return found
