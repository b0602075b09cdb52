"""Resellers: partners who earn a commission on what their customers load (WAL-30, TEN-28).

A reseller stands between the operator and some riders. A *commission line* is earned when a top-up
of a customer is credited, and one with a minus claws back what a refund takes away. A *payout*
gathers lines; one person makes it, another pays it. Amounts are minor units.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, Forbidden, NotFound
from fahrwerk.payments.contract.notes import Note, NotePage

RESELLER_PREFIX, PAYOUT_PREFIX = "rsl", "pyo"


class ResellerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed with a reseller."""

    name: str
    code: str
    """What riders type in to become his customers; unique, 3 to 20 of ``A-Z 0-9 -``."""
    rate_bp: int
    """Of the amount loaded, in basis points (250 = 2.5 %); for top-ups from now on."""
    least_minor: int = 0
    """Less than this is not paid out but waits for the next run."""
    account: str = ""
    """Where the money goes: an IBAN, or the account at the payment gateway."""
    person_id: UUID | None = None
    """Who may look at the statement."""
    is_active: bool = True


class Reseller(ResellerTerms, frozen=True, kw_only=True):
    """A reseller and how he stands."""

    id: UUID
    customers: int
    earned_minor: int
    """In all, less what was clawed back."""
    open_minor: int
    """Of it, in no payout yet; below zero when refunds came after a payout."""
    version: int
    created_at: datetime


class ResellerPage(msgspec.Struct, frozen=True):
    """One page, by name, and how many there are in all."""

    resellers: list[Reseller]
    total: int


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A rider who is a reseller's customer now."""

    rider_id: UUID
    since: datetime
    earned_minor: int
    """By this reseller with this rider's top-ups, also from before; less what was clawed back."""


class CustomerPage(msgspec.Struct, frozen=True):
    """One page of customers, and how many there are in all."""

    customers: list[Customer]
    total: int


class Commission(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a reseller's statement."""

    id: UUID
    topup_id: UUID
    rate_bp: int
    base_minor: int
    """What was loaded and not refunded by then."""
    amount_minor: int
    """Earned positive, clawed back negative."""
    currency: str
    at: datetime
    payout_id: UUID | None


class CommissionPage(msgspec.Struct, frozen=True):
    """One page of a statement, newest first, and how many lines there are in all."""

    lines: list[Commission]
    total: int


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """What a reseller is paid at once."""

    id: UUID
    reseller_id: UUID
    until: datetime
    amount_minor: int
    currency: str
    state: Literal["draft", "paying", "paid", "cancelled"]
    """paying: the gateway has not said yet what became of the transfer."""
    made_by: str
    made_at: datetime
    paid_by: str | None
    paid_at: datetime | None
    bank_reference: str
    gateway: str
    """Whose transfer paid it; empty: a bank transfer."""
    reason: str
    """Why the gateway refused the last transfer."""


class PayoutPage(msgspec.Struct, frozen=True):
    """One page, newest first, and how many there are in all."""

    payouts: list[Payout]
    total: int


class UnknownReseller(NotFound):
    """No such reseller, or no code of one who is active."""

    code = "UNKNOWN_RESELLER"
    message = "There is no such reseller."


class UnknownPayout(NotFound):
    """No such payout."""

    code = "UNKNOWN_PAYOUT"
    message = "There is no such payout."


class CodeTaken(Conflict):
    """Another reseller has the code, or the person."""

    code = "RESELLER_CODE_TAKEN"
    message = "Another reseller has this code or this person."


class HasReseller(Conflict):
    """The rider is somebody's customer already; staff can change that."""

    code = "HAS_RESELLER"
    message = "You are the customer of a reseller already. Please contact support."


class PayoutClosed(Conflict):
    """It was paid or cancelled before."""

    code = "PAYOUT_CLOSED"
    message = "This payout is paid or cancelled already."


class SamePerson(Forbidden):
    """Who made a payout cannot pay it."""

    code = "SECOND_PERSON_NEEDED"
    message = "Somebody else has to pay what you have prepared."


@query
async def resellers(call: Call, q: str | None, limit: int, offset: int) -> ResellerPage:
    """Resellers by name; ``q``: a part of name or code (``wallet.reseller.read``)."""
    raise AssertionError


@query
async def reseller(call: Call, reseller_id: UUID) -> Reseller:
    """One reseller (``wallet.reseller.read``). Raises ``UnknownReseller``."""
    raise AssertionError


@query
async def own_reseller(call: Call) -> Reseller:
    """The reseller whose person the caller is. Raises ``UnknownReseller``."""
    raise AssertionError


@query
async def commissions(
    call: Call,
    reseller_id: UUID,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> CommissionPage:
    """The statement, newest first (``wallet.reseller.read``, or the reseller's own person)."""
    raise AssertionError


@query
async def payouts(
    call: Call, reseller_id: UUID | None, state: str | None, limit: int, offset: int
) -> PayoutPage:
    """Payouts of one reseller or of all (``wallet.reseller.read``, or the reseller's person)."""
    raise AssertionError


@query
async def payout_notes(call: Call, payout_id: UUID, limit: int, offset: int) -> NotePage:
    """What staff noted on a payout (``wallet.reseller.read``). Raises ``UnknownPayout``."""
    raise AssertionError


@query
async def customers(call: Call, reseller_id: UUID, limit: int, offset: int) -> CustomerPage:
    """Whose customers they are now, the newest first (``wallet.reseller.read``)."""
    raise AssertionError


@action
async def add_reseller(call: Call, terms: ResellerTerms) -> Reseller:
    """Make a reseller (``wallet.reseller.write``). Raises ``CodeTaken``, ``Invalid``."""
    raise AssertionError


@action
async def change_reseller(call: Call, reseller_id: UUID, terms: ResellerTerms) -> Reseller:
    """Replace the terms (``wallet.reseller.write``): they hold from now on.

    One who is not active gets no new customers and earns nothing more; what was earned stays.
    Raises ``UnknownReseller``, ``CodeTaken``, ``Invalid``.
    """
    raise AssertionError


@action
async def assign_customer(call: Call, rider_id: UUID, reseller_id: UUID | None) -> None:
    """Make a rider this reseller's customer, or nobody's (``wallet.reseller.write``).

    Top-ups credited from now on are his. Raises ``UnknownReseller``, ``NotFound`` (the rider).
    """
    raise AssertionError


@action
async def join_reseller(call: Call, code: str) -> str:
    """The caller becomes a customer by a reseller's code; his name. Repeatable.

    Raises ``UnknownReseller``, ``HasReseller`` (of another).
    """
    raise AssertionError


@action
async def run_payouts(call: Call, until: datetime) -> list[Payout]:
    """Draft a payout for every reseller who has enough to come (``wallet.payout.create``).

    At most 500 at once; run it again for the rest. Lines until before ``until`` (not in the
    future: ``Invalid``) that are in no payout yet. A draft that is there already stays as it is,
    so that repeating it makes nothing twice.
    """
    raise AssertionError


@action
async def pay_payout(call: Call, payout_id: UUID, bank_reference: str) -> Payout:
    """Say that the money has left the bank (``wallet.payout.pay``); posted to the books once.

    Not by who drafted it: ``SamePerson``. Raises ``UnknownPayout``, ``PayoutClosed`` (cancelled,
    or a transfer is under way).
    """
    raise AssertionError


@action
async def transfer_payout(call: Call, payout_id: UUID) -> Payout:
    """Pay by a transfer to the reseller's account at the gateway (``wallet.payout.pay``).

    ``paying``, then ``paid`` and posted, or ``draft`` again with a ``reason``. Harmless to repeat.
    Raises like :func:`pay_payout`, and ``NoGateway`` or ``Invalid`` (account) of payments.
    """
    raise AssertionError


@action
async def cancel_payout(call: Call, payout_id: UUID) -> Payout:
    """Drop a draft; its lines come into the next run.

    Raises ``UnknownPayout``, ``PayoutClosed`` (paid, or on its way).
    """
    raise AssertionError


@action
async def note_payout(call: Call, payout_id: UUID, text: str) -> Note:
    """Write a note on a payout, for staff (``wallet.payout.create``).

    Raises ``UnknownPayout``, ``Invalid`` (nothing, or more than 500 characters).
    """
    raise AssertionError
