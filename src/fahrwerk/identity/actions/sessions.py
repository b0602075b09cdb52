"""Sessions end, and people prove again that it is them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import queries, rules
from fahrwerk.identity.actions import attempts, fresh, passwords
from fahrwerk.identity.actions.log_out import BY_OTHERS, BY_OWN, BY_PERSON, end_sessions
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.totp import take_code
from fahrwerk.identity.contract import UnknownPerson, WrongCredentials
from fahrwerk.identity.contract.sessions import UnknownSession
from fahrwerk.identity.queries.rights import may_of
from fahrwerk.identity.rules import roles as rights
from fahrwerk.kernel import clock, crypto, db
from fahrwerk.kernel.errors import Forbidden, Invalid, Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


async def end_session(call: Call, session_id: UUID) -> None:
    person, _ = fresh.own_session(call)
    async with db.tx("identity", call) as tx:
        if not await end_sessions(tx, call, BY_OWN, session_id, person, reason="revoked"):
            raise UnknownSession


async def end_other_sessions(call: Call) -> int:
    person, session = fresh.own_session(call)
    async with db.tx("identity", call) as tx:
        return await end_sessions(tx, call, BY_OTHERS, person, session, reason="revoked")


async def end_sessions_of(call: Call, person_id: UUID) -> int:
    call.require("identity.session.end")
    found = await queries.person(call, person_id)
    if found.status == "deleted":
        raise UnknownPerson
    if not rights.has_all(call, await may_of(call, person_id)):
        raise Forbidden("You cannot log out somebody who may more than you may.")
    async with db.tx("identity", call) as tx:
        return await end_sessions(tx, call, BY_PERSON, person_id, reason="ended_by_staff")


_HASH = "SELECT password_hash, email, phone FROM identity.person WHERE id = $1"
_CONFIRM = """
UPDATE identity.session SET confirmed_at = kernel.now()
WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL RETURNING id
"""


async def confirm(call: Call, password: str | None, code: str | None) -> None:
    person, session = fresh.own_session(call)
    if (password is None) == (code is None):
        raise Invalid(field="password", issue="either a password or a code is needed")
    counted = await attempts.count(call, attempts.digest("confirm", person))
    if code is not None:
        is_right = await take_code(call, person, code)
    else:
        is_right = await _knows(call, person, str(password)) is not None
    if not is_right:
        raise WrongCredentials("Password or code is wrong.")
    await attempts.forgive(call, counted)
    if not await db.run("identity", call, _CONFIRM, session, person):
        raise Unauthenticated(token_expired=True)


async def _knows(call: Call, person_id: UUID, password: str) -> db.Row | None:
    """The person's row when the password is right."""
    row = await db.one("identity", call, _HASH, person_id)
    stored = row["password_hash"] if row else None
    return row if await crypto.password_fits(rules.normal(password), stored) else None


_CHANGE = """
UPDATE identity.person SET password_hash = $3, password_set_at = $4, updated_at = $4
WHERE id = $1 AND password_hash = $2 AND status = 'active' RETURNING id
"""


async def change_password(call: Call, old: str, new: str) -> None:
    person, session = fresh.own_session(call)
    counted = await attempts.count(call, attempts.digest("confirm", person))
    row = await _knows(call, person, old)
    if row is None:
        raise WrongCredentials("The old password is wrong.")
    await attempts.forgive(call, counted)
    await passwords.check(new, row["email"], row["phone"])
    hashed = await crypto.hash_password(rules.normal(new))
    async with db.tx("identity", call) as tx:
        if not await tx.run(_CHANGE, person, row["password_hash"], hashed, clock.now()):
            raise WrongCredentials("The old password is wrong.")
        await end_sessions(tx, call, BY_OTHERS, person, session, reason="password_changed")
        await tell(tx, call, person, "password_changed")
