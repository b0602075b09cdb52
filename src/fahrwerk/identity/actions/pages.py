"""Browsers log in and out (C-54). ``open_page_session`` is where their sessions begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import queries, rules
from fahrwerk.identity.actions.entrance import Proven, admit, entered
from fahrwerk.identity.actions.log_in import checked_password
from fahrwerk.identity.actions.log_out import end_sessions
from fahrwerk.identity.contract import Client, WrongCredentials
from fahrwerk.identity.contract.pages import Access, PageSession
from fahrwerk.identity.queries.pages import PAGE_PREFIX
from fahrwerk.identity.rules.pages import lifetime_of
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


async def log_in_page(call: Call, login: str, password: str, device: str = "") -> PageSession:
    client = Client(name=device)
    proven = await checked_password(call, login, password, client)
    return await open_page_session(call, proven, client)


# Sessions that are long over are cleared away as in log_in; one that is open stays the app's.
_OPEN = """
WITH forgotten AS (
    DELETE FROM identity.session
    WHERE person_id = $2 AND expires_at < kernel.now() - interval '30 days'
)
INSERT INTO identity.session (id, person_id, token_hash, device, kind, idle_s, expires_at, ends_at,
                              address, methods)
SELECT $1, id, $3, $4, 'page', $5::integer, kernel.now() + make_interval(secs => $5::integer),
       kernel.now() + make_interval(secs => $6::integer), $8, $9
FROM identity.person
WHERE id = $2 AND status = 'active' AND ($7::text IS NULL OR password_hash = $7)
RETURNING id
"""


async def open_page_session(call: Call, proven: Proven, client: Client) -> PageSession:
    """Begin a browser's session for somebody who has proven who he is.

    Not a door: only identity itself may say that he has. Raises what ``admit`` raises, and
    ``WrongCredentials`` (another password by now).
    """
    operator = await tenancy.operator(call)
    person = await admit(call, proven, client)
    idle_s, max_age_s = lifetime_of(person.roles)
    session = ids.new()
    token = f"{ids.public(PAGE_PREFIX, operator.id)}.{crypto.new_secret()}"
    opened = await db.run(
        "identity", call, _OPEN,
        session, person.id, crypto.digest_of(token), rules.device_of(client.name),
        idle_s, max_age_s, proven.stored, call.address[:60], proven.methods,
    )  # fmt: skip
    if not opened:  # blocked, or another password, in between
        raise WrongCredentials
    await entered(call, proven, person, client)
    return PageSession(token=token, max_age_s=max_age_s, session_id=session, person=person)


_OWN = """
SELECT id FROM identity.session
WHERE id = $1 AND person_id = $2 AND kind = 'page' AND revoked_at IS NULL
  AND expires_at > kernel.now()
"""


async def page_access(call: Call, session_id: UUID) -> Access:
    if call.user is None or not await db.run("identity", call, _OWN, session_id, call.user):
        raise Unauthenticated(token_expired=True)
    person = await queries.person(call, call.user)
    if person.status != "active" or call.tenant is None:
        raise Unauthenticated(token_expired=True)
    token = crypto.issue_token(person.id, call.tenant, person.roles, session_id)
    return Access(token, crypto.ACCESS_TOKEN_S, person)


_CLOSE = """
UPDATE identity.session SET revoked_at = kernel.now(), revoked_reason = $1
WHERE revoked_at IS NULL AND id = $2 AND person_id = $3
RETURNING id, person_id
"""


async def close_page_session(call: Call, session_id: UUID) -> None:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    async with db.tx("identity", call) as tx:
        await end_sessions(tx, call, _CLOSE, session_id, call.user, reason="logout")
