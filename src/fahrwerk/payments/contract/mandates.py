"""SEPA mandates: a rider's permission to debit a bank account, which is a payment method of theirs.

IBANs come in and are never shown whole again; what is shown is masked (PAY-24).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound


class NewMandate(msgspec.Struct, frozen=True, kw_only=True):
    """What the rider signs. Does not print the account."""

    iban: str
    holder: str
    agreed_text: str
    """The version of the text that the rider has seen (``mandate_offer``)."""
    bic: str | None = None
    scheme: Literal["CORE", "B2B"] = "CORE"
    is_one_off: bool = False
    make_default: bool = False

    def __repr__(self) -> str:
        return "NewMandate()"


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """A mandate with the proof of its signature."""

    id: UUID
    rider_id: UUID
    reference: str
    """Unique for this creditor; on the rider's bank statement."""
    creditor_id: str
    scheme: str
    is_one_off: bool
    iban_masked: str
    bic: str | None
    state: str
    """pending (B2B: not confirmed by the rider's bank) | active | blocked | ended | revoked |
    expired"""
    reason: str | None
    """The bank's code, when blocked."""
    signed_at: datetime
    signed_text: str
    signed_locale: str
    signed_from: str
    """The network address the signature came from."""
    last_used_on: date | None
    method_id: UUID | None
    """The payment method it is; None when there is none (any more)."""


class MandatePage(msgspec.Struct, frozen=True):
    """One page of mandates, newest first, and how many there are in all."""

    mandates: list[Mandate]
    total: int


class MandateOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What a rider is asked to sign, in their language."""

    version: str
    text: str
    creditor: str
    creditor_id: str


class UnknownMandate(NotFound):
    """Not one that the caller may see."""

    code = "UNKNOWN_MANDATE"
    message = "There is no such mandate."


class MandateOver(Conflict):
    """Blocked, ended, revoked or expired: a new one has to be signed."""

    code = "MANDATE_OVER"
    message = "This mandate is over. Please sign a new one."


class MandateTextChanged(Conflict):
    """The rider has seen another text than the one that counts now."""

    code = "MANDATE_TEXT_CHANGED"
    message = "The text of the mandate has changed. Please read it again."


@action
async def sign_mandate(call: Call, wanted: NewMandate) -> Mandate:
    """Sign a mandate and store it as a payment method of the caller (PAY-33).

    The same account again answers the mandate there is. A B2B mandate waits for ``confirm_mandate``
    before it is a method. Raises ``Invalid`` (IBAN, BIC, holder), ``MandateTextChanged``,
    ``NoGateway`` (the operator does not collect by direct debit), ``Conflict`` (too many methods).
    """
    raise AssertionError


@action
async def amend_mandate(
    call: Call, mandate_id: UUID, iban: str, bic: str | None, holder: str | None
) -> Mandate:
    """The rider's account has changed: the next debit tells the banks so.

    The caller's own, or anybody's with ``payments.mandate.write_any``. Raises ``UnknownMandate``,
    ``MandateOver``, ``Invalid``.
    """
    raise AssertionError


@action
async def confirm_mandate(call: Call, mandate_id: UUID) -> Mandate:
    """The rider's bank has confirmed a B2B mandate (permission ``payments.mandate.write_any``).

    It becomes a payment method of its rider. Raises ``UnknownMandate``, ``MandateOver``.
    """
    raise AssertionError


@action
async def revoke_mandate(call: Call, mandate_id: UUID) -> Mandate:
    """Nothing more is debited: what was not handed in to the bank yet is due again.

    The caller's own, or anybody's with ``payments.mandate.write_any``. Harmless to repeat. Raises
    ``UnknownMandate``.
    """
    raise AssertionError


@query
async def mandate_offer(call: Call) -> MandateOffer:
    """The text to be signed, in the caller's language. Raises ``NoGateway``."""
    raise AssertionError


@query
async def own_mandates(call: Call) -> list[Mandate]:
    """The caller's mandates, newest first."""
    raise AssertionError


@query
async def mandates(
    call: Call, rider_id: UUID | None, state: str | None, limit: int, offset: int
) -> MandatePage:
    """Everybody's, newest first (permission ``payments.mandate.read_any``)."""
    raise AssertionError
