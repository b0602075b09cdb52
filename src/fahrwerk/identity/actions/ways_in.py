"""Reset and log-in by link, asked for by strangers.

What they ask is only written down (``ask_link``); a job looks whether there is such an account
(``grant``). So the answer is the same and takes the same time, whoever asks for whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import attempts, passwords
from fahrwerk.identity.actions.entrance import Proven, uncounted
from fahrwerk.identity.actions.log_in import login_name, open_session
from fahrwerk.identity.actions.log_out import BY_PERSON, end_sessions
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.pages import open_page_session
from fahrwerk.identity.actions.proofs import (
    END_ALL,
    PREFIX,
    Used,
    Wanted,
    proven,
    send,
    try_code,
    use,
)
from fahrwerk.identity.actions.second_factor import there
from fahrwerk.identity.contract import Client, Login, TooManyTries
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.identity.contract.proofs import WrongLink
from fahrwerk.identity.rules.proofs import channel_for
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WISHED = "identity.wish"
SEAL = "identity.wish"
MOST_WAITING = 10_000
"""Of one operator: a flood beyond that is not remembered."""
PURPOSES = ("reset", "magic")

_WISH = f"""
INSERT INTO identity.wish (id, purpose, login)
SELECT $1, $2, $3 WHERE (SELECT count(*) FROM (
    SELECT FROM identity.wish WHERE tenant_id = kernel.tenant() LIMIT {MOST_WAITING}) AS w)
    < {MOST_WAITING}
"""


async def ask_link(call: Call, login: str, purpose: str) -> None:
    if purpose not in PURPOSES:
        raise Invalid(field="purpose", issue="reset or magic")
    await tenancy.operator(call)
    name = rules.email_of(login).lower() if "@" in login else rules.phone_of(login)
    await remember(call, purpose, name)


async def remember(call: Call, purpose: str, name: str) -> None:
    """Write a stranger's wish down for the job; ``purpose`` as above, or ``register``."""
    await db.run("identity", call, _WISH, ids.new(), purpose, crypto.seal(SEAL, name.lower()))
    hub.signal(WISHED)


class Wish(msgspec.Struct, frozen=True):
    """What a stranger asked for."""

    tenant_id: UUID
    purpose: str
    login: bytes


_OWNER = """
SELECT id, email, phone,
    must_prove AND email_verified_at IS NULL AND phone_verified_at IS NULL AS is_unproven
FROM identity.person WHERE {which} AND status = 'active'
"""
_BY_EMAIL = _OWNER.format(which="lower(email) = $1")
_BY_PHONE = _OWNER.format(which="phone = $1")


async def grant(call: Call, wish: Wish) -> bool:
    """Send the link, if there is an account and it has not got too many; True when it was sent."""
    name = crypto.unseal(SEAL, wish.login)
    row = await db.one("identity", call, _BY_EMAIL if "@" in name else _BY_PHONE, name)
    goes = channel_for(row["email"], row["phone"]) if row else None
    if row is None or goes is None:
        return False
    channel, address = goes
    purpose = wish.purpose
    if purpose == "register":
        # Who has an account already gets a way into it, and so does who has only a phone number:
        # its message has a code and no link.
        is_new = row["is_unproven"] and channel == "email"
        purpose = "verify_email" if is_new else "magic"
    wanted = Wanted(person_id=row["id"], purpose=purpose, channel=channel, address=address)
    async with db.tx("identity", call) as tx:
        return await send(tx, call, wanted)


async def _used(
    call: Call, purpose: str, token: str | None, login: str | None, code: str | None
) -> tuple[Call, Used]:
    """The proof of a link or code, used up, and the call of its operator. Raises ``WrongLink``."""
    if token is not None:
        own = there(call, token, PREFIX)
        if own is None:
            raise WrongLink
        async with db.tx("identity", own) as tx:
            return own, await use(tx, token, purpose)
    if login is None or code is None:
        raise Invalid(field="token", issue="either token, or login and code, are needed")
    await tenancy.operator(call)
    _, name = login_name(login)
    # Whoever guesses codes is counted like whoever guesses passwords, account or no account.
    counted = await attempts.count(call, attempts.digest("link", call.tenant, purpose, name))
    if counted.is_attack:
        raise TooManyTries(retry_after=900)
    row = await db.one("identity", call, _BY_EMAIL if "@" in name else _BY_PHONE, name)
    # One statement more for who is there: a try on nobody's code costs the same.
    person = row["id"] if row else ids.derived("nobody", name)
    used = await try_code(call, person, purpose, code)
    await attempts.forgive(call, counted)
    return call, used


_PERSON = "SELECT email, phone FROM identity.person WHERE id = $1 AND status = 'active'"
_PEEK = """
SELECT person_id FROM identity.proof
WHERE token_hash = $1 AND purpose = 'reset' AND ended_at IS NULL AND expires_at > kernel.now()
"""
_SET = """
UPDATE identity.person SET password_hash = $2, password_set_at = $3, updated_at = $3
WHERE id = $1 AND status = 'active' RETURNING id
"""
_FORGET_DEVICES = "DELETE FROM identity.device WHERE person_id = $1"


async def reset_password(
    call: Call, token: str | None, login: str | None, code: str | None, password: str
) -> None:
    # A weak password must not cost the link: its owner is asked for another one.
    email, phone = await _whose(call, token, login)
    await passwords.check(password, email, phone)
    fresh = await crypto.hash_password(rules.normal(password))
    own, used = await _used(call, "reset", token, login, code)
    own = msgspec.structs.replace(own, user=used.person_id)
    async with db.tx("identity", own) as tx:
        is_own = await proven(tx, own, used)  # else the address has changed since
        if not is_own or not await tx.run(_SET, used.person_id, fresh, clock.now()):
            raise WrongLink
        await end_sessions(tx, own, BY_PERSON, used.person_id, reason="password_reset")
        await tx.run(_FORGET_DEVICES, used.person_id)
        await tx.run(END_ALL, used.person_id)
        await tell(tx, own, used.person_id, "password_reset")


async def _whose(call: Call, token: str | None, login: str | None) -> tuple[str | None, str | None]:
    """E-mail and phone that the new password must not be. Without a link, what was typed in:
    nothing is looked up for somebody who has proven nothing yet."""
    if token is None:
        return (login, None) if login and "@" in login else (None, login)
    own = there(call, token, PREFIX)
    row = await db.one("identity", own, _PEEK, crypto.digest_of(token)) if own else None
    if own is None or row is None:
        raise WrongLink
    person = await db.one("identity", own, _PERSON, row["person_id"])
    if person is None:
        raise WrongLink
    return person["email"], person["phone"]


async def log_in_by_link(
    call: Call, token: str | None, login: str | None, code: str | None, client: Client
) -> Login:
    own, found = await _by_link(call, token, login, code)
    return await open_session(own, found, client)


async def log_in_page_by_link(
    call: Call, token: str | None, device: str, login: str | None = None, code: str | None = None
) -> PageSession:
    own, found = await _by_link(call, token, login, code)
    return await open_page_session(own, found, Client(name=device))


# Whoever registered quietly with this address did not prove that it is his: his password goes.
_DISOWN = """
UPDATE identity.person SET password_hash = NULL
WHERE id = $1 AND must_prove AND email_verified_at IS NULL AND phone_verified_at IS NULL
"""


async def _by_link(
    call: Call, token: str | None, login: str | None, code: str | None
) -> tuple[Call, Proven]:
    """Who has used his link, and the call of his operator. Raises ``WrongLink``."""
    own, used = await _used(call, "magic", token, login, code)
    async with db.tx("identity", own) as tx:
        await tx.run(_DISOWN, used.person_id)
        if not await proven(tx, own, used):
            raise WrongLink
    return own, Proven(person_id=used.person_id, methods=["link"], counted=uncounted(own))
