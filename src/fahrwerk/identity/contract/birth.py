"""How old somebody says he is: needed where a market has a minimum age (TEN-25).

A proof of age is another thing: see ``contract.checks``.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict


class BirthDateSet(Conflict):
    """It was said before, and is not changed by the rider himself."""

    code = "BIRTH_DATE_SET"
    message = "Your date of birth is known already. Customer service can correct it."


@query
async def age(call: Call, person_id: UUID) -> int | None:
    """Whole years today at the operator's place; None when it was never said."""
    raise AssertionError


@query
async def birth_date(call: Call) -> date | None:
    """The caller's own, as he said it; None when he never did. Raises ``Unauthenticated``."""
    raise AssertionError


@action
async def declare_birth_date(call: Call, born: date) -> None:
    """Say one's own date of birth, once; the same again is harmless.

    Raises ``Invalid`` (in the future, over 120 years ago), ``BirthDateSet``, ``Unauthenticated``.
    """
    raise AssertionError


@action
async def correct_birth_date(call: Call, person_id: UUID, born: date | None) -> None:
    """Correct somebody's date of birth (permission ``identity.person.correct``).

    Raises ``Invalid``, ``UnknownPerson``.
    """
    raise AssertionError
