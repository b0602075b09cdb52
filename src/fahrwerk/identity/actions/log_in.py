"""Log-in with e-mail or phone and password (IDN-06). Other ways in will stand beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import rules
from fahrwerk.identity.contract import AccountBlocked, Login, Person, WrongCredentials
from fahrwerk.identity.queries import COLUMNS, person_of
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_BY_EMAIL = f"""
SELECT {COLUMNS}, p.password_hash FROM identity.person p
WHERE lower(p.email) = $1 AND p.status <> 'deleted'
"""
_BY_PHONE = f"""
SELECT {COLUMNS}, p.password_hash FROM identity.person p
WHERE p.phone = $1 AND p.status <> 'deleted'
"""
# Sessions are cleared away by the person they belong to, so no job needs to see all tenants.
_OPEN = """
WITH forgotten AS (
    DELETE FROM identity.session
    WHERE person_id = $2 AND expires_at < kernel.now() - interval '30 days'
)
INSERT INTO identity.session (id, person_id, token_hash, device, expires_at)
SELECT $1, id, $3, $4, kernel.now() + interval '30 days' FROM identity.person
WHERE id = $2 AND status = 'active' AND password_hash = $5
RETURNING id
"""


async def log_in(call: Call, login: str, password: str, device: str = "") -> Login:
    operator = await tenancy.operator(call)
    row = await _found(call, login)
    stored: str | None = row["password_hash"] if row else None
    # One hash is computed whatever was found: an unknown account takes as long as a wrong password.
    if not await crypto.password_fits(rules.normal(password), stored) or row is None:
        raise WrongCredentials
    person = person_of(row)
    if person.status == "blocked":
        raise AccountBlocked
    session, token = ids.new(), new_refresh_token(operator.id)
    opened = await db.run(
        "identity", call, _OPEN,
        session, person.id, crypto.digest_of(token), rules.device_of(device), stored,
    )  # fmt: skip
    if not opened:  # blocked, or another password, while this one was being checked
        raise WrongCredentials
    return login_of(operator.id, person, session, token)


async def _found(call: Call, login: str) -> db.Row | None:
    try:
        if "@" in login:
            return await db.one("identity", call, _BY_EMAIL, rules.email_of(login).lower())
        return await db.one("identity", call, _BY_PHONE, rules.phone_of(login))
    except Invalid:
        return None  # looks like no account, so there is none


def new_refresh_token(tenant: UUID) -> str:
    """256 random bits behind the operator's id: a token can be renewed without naming it."""
    return f"{ids.public('frt', tenant)}.{crypto.new_secret()}"


def login_of(tenant: UUID, person: Person, session: UUID, refresh_token: str) -> Login:
    """The answer to a log-in or refresh: a fresh access token beside the refresh token."""
    access = crypto.issue_token(person.id, tenant, person.roles, session)
    return Login(access, refresh_token, crypto.ACCESS_TOKEN_S, person)
