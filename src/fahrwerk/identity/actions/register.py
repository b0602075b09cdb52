"""Accounts come into being: riders register themselves, staff are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import passwords, proofs
from fahrwerk.identity.contract import AlreadyRegistered, Person
from fahrwerk.identity.contract.sso import SsoRequired
from fahrwerk.identity.events import UserRegistered
from fahrwerk.identity.queries.rights import check_roles
from fahrwerk.identity.queries.sso import enforced_for
from fahrwerk.identity.rules import roles as rights
from fahrwerk.kernel import clock, crypto, db, events, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call


async def register(
    call: Call,
    email: str | None,
    phone: str | None,
    password: str,
    first_name: str | None = None,
    last_name: str | None = None,
    locale: str | None = None,
) -> Person:
    await tenancy.operator(call)  # nobody registers with an operator that is none
    if email is None and phone is None:
        raise Invalid(field="email", issue="an e-mail address or a phone number is needed")
    if email is not None and (provider := await enforced_for(call, email)) is not None:
        # Else somebody could sit on an employee's address before he comes by single sign-on.
        raise SsoRequired(provider=ids.public("sso", provider))
    person = Person(
        id=ids.new(),
        email=rules.email_of(email) if email is not None else None,
        phone=rules.phone_of(phone) if phone is not None else None,
        first_name=rules.name_of("first_name", first_name),
        last_name=rules.name_of("last_name", last_name),
        locale=rules.locale_of(locale),
        status="active",
        roles=frozenset({"customer"}),
        created_at=clock.now(),
    )
    # A rider who registers is the one who did it; nobody was logged in yet.
    own = call if call.user or call.service else msgspec.structs.replace(call, user=person.id)
    return await insert(own, person, password)


async def add_person(
    call: Call, email: str, password: str, roles: frozenset[str], first_name: str, last_name: str
) -> Person:
    call.require("identity.person.create")
    may = await check_roles(call, roles)
    if not rights.has_all(call, may):
        raise Forbidden("You cannot give a role that may more than you may.", roles=sorted(roles))
    await tenancy.operator(call)
    person = Person(
        id=ids.new(),
        email=rules.email_of(email),
        phone=None,
        first_name=rules.name_of("first_name", first_name),
        last_name=rules.name_of("last_name", last_name),
        locale=None,
        status="active",
        roles=frozenset(roles),
        created_at=clock.now(),
    )
    return await insert(call, person, password)


# Whoever is second with an address or number waits for the first one's commit and inserts nothing.
_INSERT = f"""
WITH made AS (
    INSERT INTO identity.person (id, email, phone, first_name, last_name, locale, password_hash,
                                 created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
    ON CONFLICT DO NOTHING
    RETURNING id, version
), granted AS (
    INSERT INTO identity.person_role (person_id, role, granted_at)
    SELECT id, unnest($9::text[]), $8 FROM made
), told AS (
    {events.INSERT} SELECT 'person:' || id, version, $10, $11, $12::jsonb, $13, $14 FROM made
)
SELECT id, EXISTS (SELECT FROM identity.policy WHERE verify_at_register) AS verifies FROM made
"""


_USED = "SELECT count(*) AS used FROM identity.person WHERE tenant_id = kernel.tenant()"


async def check_room(call: Call) -> None:
    """Raise ``LimitReached`` when the operator's plan allows no more accounts.

    Counted only where there is a limit. Two who come at the same moment may both get in.
    """
    allowed = (await tenancy.operator(call)).max_users
    if allowed is not None:
        used = (await db.run("identity", call, _USED))[0]["used"]
        if used >= allowed:
            raise tenancy.LimitReached(limit="users", allowed=allowed, used=used)


async def insert(call: Call, person: Person, password: str) -> Person:
    """Write a person with roles and event in one statement.

    Raises ``AlreadyRegistered``, ``LimitReached`` (the operator's plan).
    """
    await check_room(call)
    await passwords.check(password, person.email, person.phone)
    password_hash = await crypto.hash_password(rules.normal(password))
    roles = sorted(person.roles)
    made = await db.run(
        "identity", call, _INSERT,
        person.id, person.email, person.phone, person.first_name, person.last_name, person.locale,
        password_hash, person.created_at, roles,
        *events.columns(call, UserRegistered(person.id, roles)),
    )  # fmt: skip
    if not made:
        raise AlreadyRegistered
    if made[0]["verifies"]:
        await _ask_proof(call, person)
    return person


async def _ask_proof(call: Call, person: Person) -> None:
    """Where the operator wants it: a link or code to prove the address somebody registered with."""
    is_mail = person.email is not None
    wanted = proofs.Wanted(
        person_id=person.id,
        purpose="verify_email" if is_mail else "verify_phone",
        channel="email" if is_mail else "sms",
        address=str(person.email or person.phone),
    )
    async with db.tx("identity", call) as tx:
        await proofs.send(tx, call, wanted)
