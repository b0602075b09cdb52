"""A new operator and the person who administers it (TEN-03, TEN-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions.register import insert
from fahrwerk.identity.contract import FirstAdmin, Opened, Person
from fahrwerk.identity.queries import COLUMNS, person_of
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_ADMIN = f"""
SELECT {COLUMNS} FROM identity.person p
WHERE EXISTS (SELECT FROM identity.person_role r WHERE r.person_id = p.id AND r.role = 'admin')
ORDER BY lower(p.email) = $1 DESC, p.id LIMIT 1
"""


async def open_operator(call: Call, wanted: tenancy.Operator, admin: FirstAdmin | None) -> Opened:
    call.require("tenancy.operator.create")
    person = _person_of(call, admin) if admin else None
    # Short names never change hands, so one id for each: a repeat finds what a crash left behind.
    wanted = msgspec.structs.replace(wanted, id=ids.derived("operator", wanted.slug))
    operator = await tenancy.create_operator(call, wanted)
    if operator != wanted:
        raise tenancy.SlugTaken
    if admin is None or person is None:
        return Opened(operator, None)
    there = msgspec.structs.replace(call, tenant=operator.id, tenant_slug=operator.slug)
    row = await db.one("identity", there, _ADMIN, str(person.email).lower())
    if row is None:
        return Opened(operator, await insert(there, person, admin.password))
    found = person_of(row)
    if str(found.email).lower() != str(person.email).lower():
        raise tenancy.SlugTaken  # a working operator, made by somebody else with the same values
    return Opened(operator, found)


def _person_of(call: Call, admin: FirstAdmin) -> Person:
    """Checked before anything is written: a typing error must not leave an operator behind."""
    rules.check_roles(admin.roles)
    if "admin" not in admin.roles:
        raise Invalid(field="roles", issue="must contain admin")
    if not rules.covers(call, admin.roles):
        raise Forbidden("You cannot give a role that may more than you may.")
    email = rules.email_of(admin.email)
    rules.check_password(admin.password, email, None)
    return Person(
        id=ids.new(),
        email=email,
        phone=None,
        first_name=rules.name_of("first_name", admin.first_name),
        last_name=rules.name_of("last_name", admin.last_name),
        locale=None,
        status="active",
        roles=admin.roles,
        created_at=clock.now(),
    )
