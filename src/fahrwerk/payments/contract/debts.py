"""What rides still owe: debts, their dunning, and ways to pay them (PAY-28).

A *debt* is a ride whose price could not be collected. What is owed is what its payment lacks, fees
included. Amounts are minor units.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused

DEBT_PREFIX = "debt"


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about an open debt, ``after_days`` days after it was opened."""

    after_days: Annotated[int, Meta(ge=1, le=365)]
    is_retried: bool = True
    """Charge the rider's method once more, without them."""
    is_noticed: bool = True
    """Write to the rider."""
    fee_minor: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Added to what is owed, and posted as a dunning fee."""


class Dunning(msgspec.Struct, frozen=True, kw_only=True):
    """How an operator collects. Days are of the database's clock."""

    steps: list[Step]
    write_off_days: int | None
    """When what is still open is written off; None = never by itself."""
    block_above_minor: int
    """Who owes more than this cannot book."""
    is_dispute_owed: bool = False
    """A ride whose charge was lost in a dispute is owed again; the card is not charged for it."""


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """A ride that could not be collected.

    ``state``: open -> paid, or written_off (still owed, and still blocking), or forgiven; opened
    again when money that had come in goes back.
    """

    id: UUID
    payment_id: UUID
    reference: UUID
    """The rental."""
    rider_id: UUID
    state: str
    currency: str
    owed_minor: int
    """Now, fees included."""
    opened_minor: int
    fee_minor: int
    written_off_minor: int
    step: int
    """Steps of dunning taken in this round."""
    round: int
    reason: str
    """Why it could not be collected, the gateway's code."""
    opened_at: datetime
    next_at: datetime | None
    """When the next step is due."""
    closed_at: datetime | None
    is_collecting: bool
    """A bank account is being debited for it: still owed, but not to be paid again now."""


class DebtStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was taken; number 0 is the opening."""

    id: UUID
    debt_id: UUID
    number: int
    owed_minor: int
    fee_minor: int
    is_retried: bool
    is_noticed: bool
    at: datetime


class DebtPage(msgspec.Struct, frozen=True):
    """One page of debts, newest first, and how many there are in all."""

    debts: list[Debt]
    total: int


class DebtOpen(Refused):
    """The rider owes more than the operator lets stand: nothing new until it is paid.

    Details: ``amount_minor``, ``currency``, ``pay_at`` (the endpoint), ``debt_ids``.
    """

    status = 403
    code = "DEBT_OPEN"
    message = "Please pay what earlier rides still owe first."


class UnknownDebt(NotFound):
    """Not one of the caller's debts."""

    code = "UNKNOWN_DEBT"
    message = "There is no such debt."


class DebtClosed(Conflict):
    """It is paid or forgiven."""

    code = "DEBT_CLOSED"
    message = "This debt is closed."


@query
async def check_debts(call: Call, rider_id: UUID) -> None:
    """Raise ``DebtOpen`` when the rider owes more than the operator lets stand."""
    raise AssertionError


@query
async def own_debts(call: Call, limit: int, offset: int) -> DebtPage:
    """The caller's debts, newest first."""
    raise AssertionError


@query
async def all_debts(call: Call, state: str | None, limit: int, offset: int) -> DebtPage:
    """Everybody's debts (permission ``payments.debt.read``), newest first; None = any state."""
    raise AssertionError


@query
async def debt(call: Call, debt_id: UUID) -> Debt:
    """One's own, or anybody's with ``payments.debt.read``. Raises ``UnknownDebt``."""
    raise AssertionError


@query
async def debt_steps(call: Call, debt_id: UUID) -> list[DebtStep]:
    """What was done about a debt, oldest first; like ``debt``. At most 100."""
    raise AssertionError


@query
async def debt_step(call: Call, step_id: UUID) -> DebtStep:
    """One step, for who writes about it. Raises ``UnknownDebt``."""
    raise AssertionError


@query
async def dunning(call: Call) -> Dunning:
    """How this operator collects."""
    raise AssertionError


@action
async def set_dunning(call: Call, wanted: Dunning) -> Dunning:
    """Change it (permission ``payments.debt.write``); debts go on from where they are.

    Raises ``Invalid`` (days that do not rise, more than 10 steps).
    """
    raise AssertionError


@action
async def owe(
    call: Call, reference: UUID, rider_id: UUID, amount_minor: int, currency: str
) -> None:
    """Prepaid money did not bear so much of this ride: it is due, and becomes a debt. Once.

    For the room that settles rides from balances. A ride that the log does not tell of owes
    nothing. Raises ``PaymentUnknown`` while a card that was tried for it is being let go.
    """
    raise AssertionError


@action
async def pay_debt(call: Call, debt_id: UUID, method_id: UUID | None) -> Debt:
    """Pay one's debt with a stored method (None = the default one), in one go.

    Harmless to repeat, also side by side: what is paid is not paid again. Raises what ``pay``
    raises, ``UnknownDebt``, ``DebtClosed`` (forgiven).
    """
    raise AssertionError


@action
async def pay_debt_from_purse(call: Call, debt_id: UUID) -> Debt:
    """The same from the caller's prepaid money; for the room that shows it, which checks its own.

    Raises ``PaymentDeclined`` (``insufficient_balance``) and the like.
    """
    raise AssertionError


@action
async def close_debt(call: Call, debt_id: UUID, is_forgiven: bool, note: str) -> Debt:
    """Write a debt off now, or forgive it (permission ``payments.debt.settle``).

    Both post what is owed to the write-offs. One written off goes on blocking, one forgiven not.
    Raises ``UnknownDebt``, ``DebtClosed`` (paid, or forgiven before), ``PaymentUnknown`` (a charge
    is under way).
    """
    raise AssertionError
