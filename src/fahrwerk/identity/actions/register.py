"""Accounts come into being: riders register themselves, staff are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.contract import AlreadyRegistered, Person
from fahrwerk.identity.events import UserRegistered
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
    rules.check_roles(roles)
    if not rules.covers(call, roles):
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
SELECT id FROM made
"""


async def insert(call: Call, person: Person, password: str) -> Person:
    """Write a person with roles and event in one statement. Raises ``AlreadyRegistered``."""
    rules.check_password(password, person.email, person.phone)
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
    return person
