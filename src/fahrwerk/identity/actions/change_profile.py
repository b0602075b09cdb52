"""People change their own names, language and phone number (IDN-31)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from fahrwerk.identity import queries, rules
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.contract import AlreadyRegistered, Person, ProfileChange, UnknownPerson
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid, Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

# Each column only when it was asked for: two changes at the same time do not undo each other.
_CHANGE = f"""
WITH p AS (
    UPDATE identity.person SET
        first_name = CASE WHEN $2 THEN $3::text ELSE first_name END,
        last_name = CASE WHEN $4 THEN $5::text ELSE last_name END,
        locale = CASE WHEN $6 THEN $7::text ELSE locale END,
        phone = CASE WHEN $8 THEN $9::text ELSE phone END,
        phone_verified_at = CASE WHEN $8 AND phone IS DISTINCT FROM $9::text THEN NULL
                                 ELSE phone_verified_at END,
        updated_at = $10
    WHERE id = $1 AND status <> 'deleted'
    RETURNING *
)
SELECT {queries.COLUMNS} FROM p
"""
_TAKEN = "23505"  # unique_violation: the only way an UPDATE can say so


async def change_profile(call: Call, change: ProfileChange) -> Person:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    before = await queries.person(call, call.user)
    wished: list[object] = []
    for value in _checked(change):
        wished += (False, None) if value is UNSET else (True, value)
    if change.phone is None and before.email is None:
        raise Invalid(
            field="phone", issue="without an e-mail address it is your only way to log in"
        )
    try:
        async with db.tx("identity", call) as tx:
            row = await tx.one(_CHANGE, call.user, *wished, clock.now())
            if row is not None and before.phone not in (None, row["phone"]):
                await tell(tx, call, call.user, "phone_changed")
    except Exception as error:
        if getattr(error, "sqlstate", None) == _TAKEN:
            raise AlreadyRegistered from None
        raise
    if row is None:
        raise UnknownPerson
    return queries.person_of(row)


def _checked(change: ProfileChange) -> tuple[str | UnsetType | None, ...]:
    """First name, last name, language and phone as they may be stored, in that order."""
    first, last, phone = change.first_name, change.last_name, change.phone
    return (
        UNSET if first is UNSET else rules.name_of("first_name", first),
        UNSET if last is UNSET else rules.name_of("last_name", last),
        UNSET if change.locale is UNSET else rules.locale_of(change.locale),
        UNSET if phone is UNSET else rules.phone_of(phone) if phone is not None else None,
    )
