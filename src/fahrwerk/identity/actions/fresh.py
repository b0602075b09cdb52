"""Who is logged in, and whether he has proven himself lately: what is sensitive asks for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract import ConfirmationNeeded
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


def own_session(call: Call) -> tuple[UUID, UUID]:
    """Person and session of a call. API keys and the house have none: ``Unauthenticated``."""
    if call.user is None or call.session is None:
        raise Unauthenticated("Please log in for this; a key is not enough.", token_expired=False)
    return call.user, call.session


_FRESH = """
SELECT FROM identity.session
WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL
  AND confirmed_at > kernel.now() - interval '15 minutes'
"""


async def check(call: Call) -> UUID:
    """The caller, when he has proven himself lately. Raises ``ConfirmationNeeded``."""
    person, session = own_session(call)
    if not await db.run("identity", call, _FRESH, session, person):
        raise ConfirmationNeeded
    return person
