"""What is to be done about a debt next. Pure: the database says what time it is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.debts import Dunning, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_STEPS = 10
CHARGEBACK = "chargeback"
"""Why a lost dispute is owed: who had a charge taken back is not charged again by itself."""
SHORT = "insufficient_balance"
"""Why a ride is owed that was to be paid from a balance."""
USUAL = Dunning(
    steps=[Step(after_days=1), Step(after_days=3), Step(after_days=7)],
    write_off_days=30,
    block_above_minor=0,
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A payment and its debt, as of one look. ``state`` None: there is no debt yet."""

    payment_id: UUID
    reference: UUID
    rider_id: UUID
    currency: str
    payment_state: str
    reason: str
    owed_minor: int
    is_ride: bool
    """False: a top-up, or what else is no ride; nobody is dunned for it."""
    is_busy: bool
    """Somebody talks to the gateway about the payment."""
    authorisations: int
    id: UUID | None = None
    state: str | None = None
    step: int = 0
    round: int = 0
    retry_after: int | None = None
    written_off_minor: int = 0
    fee_minor: int = 0
    version: int = 0
    is_due: bool = False


class Rest(msgspec.Struct, frozen=True):
    """Nothing is to be done."""


class Wait(msgspec.Struct, frozen=True):
    """Look again in a moment: a charge is under way."""


class Open(msgspec.Struct, frozen=True):
    """A debt, or one more round of it."""

    take_back_minor: int
    """Of an earlier write-off."""


class Close(msgspec.Struct, frozen=True):
    """Nothing is owed any more."""

    take_back_minor: int


class Recover(msgspec.Struct, frozen=True):
    """A part of what was written off came in."""

    take_back_minor: int


class Remind(msgspec.Struct, frozen=True):
    """The next step of the dunning."""

    step: Step


class Retry(msgspec.Struct, frozen=True):
    """The charge that belongs to the step taken last."""


class WriteOff(msgspec.Struct, frozen=True):
    """All steps are taken."""


Move = Rest | Wait | Open | Close | Recover | Remind | Retry | WriteOff


def next_move(known: Known, dunning: Dunning) -> Move:
    """What brings a debt in line with its payment and its dunning."""
    if known.state in (None, "paid"):
        return Open(0) if known.owed_minor > 0 and known.is_ride else Rest()
    if known.state == "forgiven":
        left = known.written_off_minor - known.owed_minor
        return Recover(left) if left > 0 else Rest()
    if known.owed_minor == 0 and known.payment_state == "due":
        return Wait()  # about to be completed
    if known.owed_minor == 0:
        is_over = known.payment_state in ("completed", "refunded")
        return Close(known.written_off_minor) if is_over else Rest()
    if known.state == "written_off":
        if known.owed_minor > known.written_off_minor:
            return Open(known.written_off_minor)  # money that had come in went back
        left = known.written_off_minor - known.owed_minor
        return Recover(left) if left else Rest()
    if known.is_busy:
        return Wait() if known.is_due or known.retry_after is not None else Rest()
    if known.retry_after is not None:
        return Retry()
    if not known.is_due:
        return Rest()
    if known.step < len(dunning.steps):
        return Remind(dunning.steps[known.step])
    return WriteOff() if dunning.write_off_days is not None else Rest()


def days_until(dunning: Dunning, taken: int) -> int | None:
    """Days from the opening until the step after ``taken`` ones is due; None = there is none."""
    if taken < len(dunning.steps):
        return dunning.steps[taken].after_days
    return dunning.write_off_days


def checked(wanted: Dunning) -> Dunning:
    """Raise ``Invalid`` for a dunning that cannot be walked through."""
    if len(wanted.steps) > MOST_STEPS:
        raise Invalid(field="steps", issue=f"at most {MOST_STEPS}")
    days = [step.after_days for step in wanted.steps]
    if not _rises([*days, *([] if wanted.write_off_days is None else [wanted.write_off_days])]):
        raise Invalid(field="steps", issue="each must be later than the one before")
    return wanted


def _rises(days: Sequence[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(days))
