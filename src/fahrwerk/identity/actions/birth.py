"""A rider says when he was born; staff may correct it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.identity.contract.birth import BirthDateSet
from fahrwerk.kernel import audit, clock, db
from fahrwerk.kernel.errors import Invalid, Unauthenticated

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from fahrwerk.kernel.call import Call

OLDEST_YEARS = 120

_SAY = """
UPDATE identity.person SET birth_date = $2, updated_at = $3
WHERE id = $1 AND status <> 'deleted' AND coalesce(birth_date, $2) = $2 RETURNING id
"""


async def declare_birth_date(call: Call, born: date) -> None:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    _check(born)
    if not await db.run("identity", call, _SAY, call.user, born, clock.now()):
        raise BirthDateSet


_CORRECT = """
UPDATE identity.person SET birth_date = $2, updated_at = $3
WHERE id = $1 AND status <> 'deleted' RETURNING id
"""


async def correct_birth_date(call: Call, person_id: UUID, born: date | None) -> None:
    call.require("identity.person.correct")
    if born is not None:
        _check(born)
    if not await db.run("identity", call, _CORRECT, person_id, born, clock.now()):
        raise UnknownPerson
    # That it was corrected, not to what: the log is for ever, and this is personal.
    audit.changed(f"person:{person_id}", None, {"birth_date": "corrected"})


def _check(born: date) -> None:
    today = clock.now().date()
    if not today.year - OLDEST_YEARS <= born.year or born > today:
        raise Invalid(field="birth_date", issue="must be a day in the past 120 years")
