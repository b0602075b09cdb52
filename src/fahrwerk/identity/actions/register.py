"""Accounts come into being: riders register themselves, staff are added."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import queries, rules
from fahrwerk.identity.actions import passwords, proofs, ways_in
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
    if not (await queries.policy(call)).quiet_registration:
        return await insert(own, person, password)
    # The same answer and the same work whether or not there is such an account already. What has
    # to be sent, and to whom, a job finds out.
    with suppress(AlreadyRegistered):
        await insert(own, person, password, must_prove=True)
    for address in filter(None, (person.email, person.phone)):
        await ways_in.remember(call, "register", address)
    return person


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
                                 created_at, updated_at, must_prove)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $15)
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


_USED = """
SELECT count(*) AS used FROM identity.person
WHERE tenant_id = kernel.tenant() AND status <> 'deleted'
"""
# Whoever comes stands in line here until the one before has committed, and then counts.
_IN_LINE = "SELECT pg_advisory_xact_lock(hashtextextended('people:' || kernel.tenant()::text, 0))"


async def check_room(tx: db.Tx, most: int | None) -> None:
    """Raise ``LimitReached`` when the operator's plan (its ``max_users``) allows no more accounts.

    Counted only where there is a limit. However many come at once, none goes over it.
    """
    if most is None:
        return
    await tx.run(_IN_LINE)
    used = (await tx.run(_USED))[0]["used"]
    if used >= most:
        raise tenancy.LimitReached(limit="users", allowed=most, used=used)


async def insert(call: Call, person: Person, password: str, *, must_prove: bool = False) -> Person:
    """Write a person with roles and event in one statement.

    Raises ``AlreadyRegistered``, ``LimitReached`` (the operator's plan).
    """
    most = (await tenancy.operator(call)).max_users
    await passwords.check(password, person.email, person.phone)
    password_hash = await crypto.hash_password(rules.normal(password))
    roles = sorted(person.roles)
    values = (
        person.id, person.email, person.phone, person.first_name, person.last_name, person.locale,
        password_hash, person.created_at, roles,
        *events.columns(call, UserRegistered(person.id, roles)), must_prove,
    )  # fmt: skip
    if most is None:
        made = await db.run("identity", call, _INSERT, *values)
    else:
        async with db.tx("identity", call) as tx:
            await check_room(tx, most)
            made = await tx.run(_INSERT, *values)
    if not made:
        raise AlreadyRegistered
    if made[0]["verifies"] and not must_prove:
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
