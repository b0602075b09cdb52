"""Log-in with e-mail or phone and password (IDN-06), and how an app's session begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import attempts
from fahrwerk.identity.actions.entrance import (
    BY_EMAIL,
    BY_PHONE,
    Proven,
    admit,
    entered,
    find,
    use_device_proof,
)
from fahrwerk.identity.contract import Client, DeviceKeyNeeded, Login, Person, WrongCredentials
from fahrwerk.identity.events import SecurityNoticed
from fahrwerk.kernel import crypto, db, events, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


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
    return await open_session(call, await checked_password(call, login, password, client), client)


async def checked_password(call: Call, login: str, password: str, client: Client) -> Proven:
    """Who has this login and password.

    Raises ``WrongCredentials``, ``TooManyTries``, ``UnknownOperator``. All else says ``admit``.
    """
    await tenancy.operator(call)
    sql, name = login_name(login)
    found = await find(call, sql, name, client)
    who = attempts.digest("login", call.tenant, name)
    counted = await attempts.count(call, who, found.device_id)
    person = found.person
    # One hash is computed whatever was found: an unknown account takes as long as a wrong password.
    fits = await crypto.password_fits(rules.normal(password), found.stored)
    if counted.is_attack:
        await attempts.tell_of_attack(call, counted, person.id if person else None)
    if not fits or person is None or found.is_unproven:
        outcome = "attacked" if counted.is_attack else "wrong"
        device = rules.device_of(client.name)
        await attempts.note(call, person.id if person else None, counted, device, outcome)
        raise WrongCredentials
    return Proven(person_id=person.id, methods=["password"], counted=counted, stored=found.stored)


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


async def open_session(call: Call, proven: Proven, client: Client) -> Login:
    """Begin an app's session for somebody who has proven who he is.

    Not a door: only identity itself may say so. Raises what ``admit`` raises, ``WrongCredentials``
    (another password by now), ``DeviceKeyNeeded``, ``BadProof``.
    """
    operator = await tenancy.operator(call)
    person = await admit(call, proven, client)
    if client.thumbprint is not None:
        await use_device_proof(call, client.thumbprint, client.proof_id)
    session, token, notice = ids.new(), new_refresh_token(operator.id), ids.new()
    device_token = crypto.new_secret() if client.remember else None
    own = msgspec.structs.replace(call, user=person.id, roles=person.roles)
    opened = await db.run(
        "identity", call, _OPEN,
        session, person.id, crypto.digest_of(token), rules.device_of(client.name), proven.stored,
        call.address[:60], proven.methods, client.thumbprint,
        crypto.digest_of(client.known) if client.known else "",
        ids.new(), crypto.digest_of(device_token) if device_token else None,
        f"security:{notice}",
        *events.columns(own, SecurityNoticed(person.id, notice, "new_device")),
    )  # fmt: skip
    if not opened:
        if client.thumbprint is None and await db.run("identity", call, _BINDS):
            raise DeviceKeyNeeded
        raise WrongCredentials  # blocked, or another password, while this one was being checked
    await entered(call, proven, person, client)
    login = login_of(operator.id, person, session, token)
    return msgspec.structs.replace(login, device_token=device_token)


def new_refresh_token(tenant: UUID) -> str:
    """256 random bits behind the operator's id: a token can be renewed without naming it."""
    return f"{ids.public('frt', tenant)}.{crypto.new_secret()}"


def login_of(tenant: UUID, person: Person, session: UUID, refresh_token: str) -> Login:
    """The answer to a log-in or refresh: a fresh access token beside the refresh token."""
    access = crypto.issue_token(person.id, tenant, person.roles, session)
    return Login(access, refresh_token, crypto.ACCESS_TOKEN_S, person)
