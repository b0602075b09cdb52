"""Log-in with e-mail or phone and password (IDN-06), and how a session begins whatever way in it
was: ``open_session`` is for all that has proven who somebody is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import attempts
from fahrwerk.identity.contract import (
    AccountBlocked,
    Client,
    DeviceKeyNeeded,
    Login,
    Person,
    SecondFactorNeeded,
    WrongCredentials,
)
from fahrwerk.identity.events import SecurityNoticed
from fahrwerk.identity.queries import COLUMNS, person_of
from fahrwerk.identity.queries.sso import check_way_in
from fahrwerk.identity.rules import factors
from fahrwerk.kernel import crypto, db, events, ids
from fahrwerk.kernel.audit import record
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

CHALLENGE_S = 300
CHALLENGE_PREFIX = "chl"

# There is always one row: who is not there costs as much as who is.
_FOUND = f"""
SELECT {COLUMNS}, p.password_hash, t.person_id IS NOT NULL AS has_totp,
    EXISTS (SELECT FROM identity.passkey k WHERE k.person_id = p.id AND k.suspected_at IS NULL)
        AS has_passkey,
    d.id AS device_id, coalesce(o.second_factor_roles, '{{{{}}}}') AS second_factor_roles
FROM (SELECT kernel.tenant() AS tenant_id) AS here
LEFT JOIN identity.policy o ON o.tenant_id = here.tenant_id
LEFT JOIN identity.person p ON p.tenant_id = here.tenant_id AND p.status <> 'deleted' AND {{which}}
LEFT JOIN identity.totp t
    ON t.tenant_id = p.tenant_id AND t.person_id = p.id AND t.confirmed_at IS NOT NULL
LEFT JOIN identity.device d
    ON d.tenant_id = p.tenant_id AND d.person_id = p.id AND d.token_hash = $2
"""
BY_EMAIL = _FOUND.format(which="lower(p.email) = $1")
BY_PHONE = _FOUND.format(which="p.phone = $1")
BY_ID = _FOUND.format(which="p.id = $1")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that a log-in has to know of an account; ``person`` None: there is none."""

    person: Person | None
    stored: str | None
    device_id: UUID | None
    """The known device that asks."""
    methods: list[str]
    """How to go on after the first factor; empty: that is all."""


async def find(call: Call, sql: str, value: object, client: Client) -> Found:
    """Look an account up by one of the statements above."""
    known = crypto.digest_of(client.known) if client.known else ""
    [row] = await db.run("identity", call, sql, value, known)
    person = person_of(row) if row["id"] else None
    methods = factors.methods(
        person.roles if person else (),
        row["second_factor_roles"],
        has_totp=row["has_totp"],
        has_passkey=row["has_passkey"],
    )
    return Found(
        person=person, stored=row["password_hash"], device_id=row["device_id"], methods=methods
    )


def login_name(login: str) -> tuple[str, str]:
    """The statement that looks for this login, and the form in which it is stored."""
    try:
        if "@" in login:
            return BY_EMAIL, rules.email_of(login).lower()
        return BY_PHONE, rules.phone_of(login)
    except Invalid:
        return BY_PHONE, login[:300].replace("\0", "")  # looks like no account, so there is none


async def log_in(
    call: Call, login: str, password: str, device: str = "", client: Client | None = None
) -> Login:
    client = client or Client(name=device)
    person, stored = await checked_password(call, login, password, client)
    return await open_session(call, person, client, methods=["password"], stored=stored)


async def checked_password(
    call: Call, login: str, password: str, client: Client | None = None
) -> tuple[Person, str | None]:
    """Who has this login and password, and the hash that the password fits.

    Raises ``WrongCredentials``, ``TooManyTries``, ``AccountBlocked``, ``SecondFactorNeeded``,
    ``UnknownOperator``.
    """
    client = client or Client()
    await tenancy.operator(call)
    sql, name = login_name(login)
    found = await find(call, sql, name, client)
    who = attempts.digest("login", call.tenant, name)
    counted = await attempts.count(call, who, found.device_id)
    person = found.person
    # One hash is computed whatever was found: an unknown account takes as long as a wrong password.
    fits = await crypto.password_fits(rules.normal(password), found.stored)
    device = rules.device_of(client.name)
    if counted.is_attack:
        await attempts.tell_of_attack(call, counted, person.id if person else None)
    if not fits or person is None or counted.is_attack:
        outcome = "attacked" if counted.is_attack else "wrong"
        await attempts.note(call, person.id if person else None, counted, device, outcome)
        raise WrongCredentials
    if person.status == "blocked":
        await attempts.note(call, person.id, counted, device, "blocked")
        raise AccountBlocked
    await attempts.forgive(call, counted)
    outcome = "second_factor_asked" if found.methods else "logged_in"
    await attempts.note(call, person.id, counted, device, outcome)
    if found.methods:
        raise await second_factor_needed(call, person, found.methods, first="password")
    return person, found.stored


_CHALLENGE = """
INSERT INTO identity.challenge (id, purpose, person_id, token_hash, data, expires_at)
VALUES ($1, $2, $3, $4, $5, kernel.now() + make_interval(secs => $6))
"""


async def new_challenge(
    call: Call, purpose: str, person_id: UUID | None, data: dict[str, object]
) -> str:
    """Begin something that needs a second half; the token that names it, good for five minutes."""
    operator = await tenancy.operator(call)
    token = f"{ids.public(CHALLENGE_PREFIX, operator.id)}.{crypto.new_secret()}"
    await db.run(
        "identity", call, _CHALLENGE,
        ids.new(), purpose, person_id, crypto.digest_of(token), data, float(CHALLENGE_S),
    )  # fmt: skip
    return token


async def second_factor_needed(
    call: Call, person: Person, methods: list[str], *, first: str
) -> SecondFactorNeeded:
    """What to raise when somebody has proven the ``first`` of two factors."""
    data: dict[str, object] = {"first": first, "methods": methods}
    challenge = await new_challenge(call, "second_factor", person.id, data)
    return SecondFactorNeeded(challenge=challenge, methods=methods, expires_in=CHALLENGE_S)


# Sessions and devices are cleared away by the person they belong to. A device of another name than
# all before is told to the owner, but not the first of all.
_OPEN = f"""
WITH forgotten AS (
    DELETE FROM identity.session
    WHERE person_id = $2 AND expires_at < kernel.now() - interval '30 days'
), lost AS (
    DELETE FROM identity.device
    WHERE person_id = $2 AND last_used_at < kernel.now() - interval '400 days'
), seen AS (
    SELECT count(*) AS sessions, count(*) FILTER (WHERE device = $4::text) AS same
    FROM identity.session WHERE person_id = $2
), opened AS (
    INSERT INTO identity.session (id, person_id, token_hash, device, expires_at, address, methods,
                                  key_thumbprint)
    SELECT $1, p.id, $3, $4::text, kernel.now() + interval '30 days', $6, $7, $8::text
    FROM identity.person p
    WHERE p.id = $2 AND p.status = 'active' AND ($5::text IS NULL OR p.password_hash = $5)
      AND ($8::text IS NOT NULL OR NOT EXISTS (SELECT FROM identity.policy WHERE bind_sessions))
    RETURNING id
), used AS (
    UPDATE identity.device SET last_used_at = kernel.now()
    WHERE person_id = $2 AND token_hash = $9 RETURNING id
), added AS (
    INSERT INTO identity.device (id, person_id, token_hash, name)
    SELECT $10, $2, $11::text, $4::text FROM opened WHERE $11::text IS NOT NULL
), told AS (
    {events.INSERT} SELECT $12, 1, $13, $14, $15::jsonb, $16, $17 FROM opened, seen
    WHERE seen.sessions > 0 AND seen.same = 0 AND $4::text <> '' AND NOT EXISTS (SELECT FROM used)
)
SELECT id FROM opened
"""
_BINDS = "SELECT FROM identity.policy WHERE bind_sessions"


async def open_session(
    call: Call, person: Person, client: Client, *, methods: list[str], stored: str | None = None
) -> Login:
    """Begin a session for somebody who has proven who he is, by ``methods``.

    Not a door: only identity itself may say so. ``stored`` must still be the person's password
    hash, if given. Raises ``AccountBlocked``, ``WrongCredentials`` (another password by now),
    ``DeviceKeyNeeded``, ``SsoRequired``.
    """
    operator = await tenancy.operator(call)
    if person.status != "active":
        raise AccountBlocked
    if methods != ["sso"]:
        await check_way_in(call, person)
    session, token, notice = ids.new(), new_refresh_token(operator.id), ids.new()
    device_token = crypto.new_secret() if client.remember else None
    own = msgspec.structs.replace(call, user=person.id, roles=person.roles)
    opened = await db.run(
        "identity", call, _OPEN,
        session, person.id, crypto.digest_of(token), rules.device_of(client.name), stored,
        call.address[:60], methods, client.thumbprint,
        crypto.digest_of(client.known) if client.known else "",
        ids.new(), crypto.digest_of(device_token) if device_token else None,
        f"security:{notice}",
        *events.columns(own, SecurityNoticed(person.id, notice, "new_device")),
    )  # fmt: skip
    if not opened:
        if client.thumbprint is None and await db.run("identity", call, _BINDS):
            raise DeviceKeyNeeded
        raise WrongCredentials  # blocked, or another password, while this one was being checked
    if own.is_staff:
        await record(own, "identity.log_in", str(person.id), "+".join(methods))
    login = login_of(operator.id, person, session, token)
    return msgspec.structs.replace(login, device_token=device_token)


def new_refresh_token(tenant: UUID) -> str:
    """256 random bits behind the operator's id: a token can be renewed without naming it."""
    return f"{ids.public('frt', tenant)}.{crypto.new_secret()}"


def login_of(tenant: UUID, person: Person, session: UUID, refresh_token: str) -> Login:
    """The answer to a log-in or refresh: a fresh access token beside the refresh token."""
    access = crypto.issue_token(person.id, tenant, person.roles, session)
    return Login(access, refresh_token, crypto.ACCESS_TOKEN_S, person)
