"""Looking people up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fahrwerk.identity.contract import Contact, Person, PersonPage, Standing, UnknownPerson
from fahrwerk.identity.queries.approvals import approval as approval
from fahrwerk.identity.queries.approvals import approvals as approvals
from fahrwerk.identity.queries.approvals import owed as owed
from fahrwerk.identity.queries.auditing import audit_entries as audit_entries
from fahrwerk.identity.queries.auditing import audit_standing as audit_standing
from fahrwerk.identity.queries.birth import age as age
from fahrwerk.identity.queries.birth import birth_date as birth_date
from fahrwerk.identity.queries.checks import checks as checks
from fahrwerk.identity.queries.factors import security as security
from fahrwerk.identity.queries.keys import keys as keys
from fahrwerk.identity.queries.pages import page_session as page_session
from fahrwerk.identity.queries.passkeys import passkeys as passkeys
from fahrwerk.identity.queries.personal import PERSONAL as PERSONAL
from fahrwerk.identity.queries.policy import policy as policy
from fahrwerk.identity.queries.privacy import broken_invariants as broken_invariants
from fahrwerk.identity.queries.privacy import consent_history as consent_history
from fahrwerk.identity.queries.privacy import consent_text as consent_text
from fahrwerk.identity.queries.privacy import consents as consents
from fahrwerk.identity.queries.privacy import erasure_obstacles as erasure_obstacles
from fahrwerk.identity.queries.privacy import export_file as export_file
from fahrwerk.identity.queries.privacy import export_part as export_part
from fahrwerk.identity.queries.privacy import may_use as may_use
from fahrwerk.identity.queries.privacy import own_data as own_data
from fahrwerk.identity.queries.privacy import privacy_setting as privacy_setting
from fahrwerk.identity.queries.privacy import processing as processing
from fahrwerk.identity.queries.privacy import request as request
from fahrwerk.identity.queries.privacy import requests as requests
from fahrwerk.identity.queries.privacy import restricted_since as restricted_since
from fahrwerk.identity.queries.privacy import retention as retention
from fahrwerk.identity.queries.privacy import retention_runs as retention_runs
from fahrwerk.identity.queries.proofs import proof_letter as proof_letter
from fahrwerk.identity.queries.reach import check_person as check_person
from fahrwerk.identity.queries.reach import departments
from fahrwerk.identity.queries.rights import grants_of as grants_of
from fahrwerk.identity.queries.rights import roles as roles
from fahrwerk.identity.queries.scim import scim_found as scim_found
from fahrwerk.identity.queries.scim import scim_resource as scim_resource
from fahrwerk.identity.queries.scim import scim_sources as scim_sources
from fahrwerk.identity.queries.sessions import attempts as attempts
from fahrwerk.identity.queries.sessions import sessions as sessions
from fahrwerk.identity.queries.sso import saml_metadata as saml_metadata
from fahrwerk.identity.queries.sso import sso_choices as sso_choices
from fahrwerk.identity.queries.sso import sso_links as sso_links
from fahrwerk.identity.queries.sso import sso_provider as sso_provider
from fahrwerk.identity.queries.sso import sso_providers as sso_providers
from fahrwerk.identity.queries.sso import sso_trial as sso_trial
from fahrwerk.identity.rules import checks as check_rules
from fahrwerk.kernel import crypto, db
from fahrwerk.kernel.call import RIDERS
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

COLUMNS = """p.id, p.email, p.phone, p.first_name, p.last_name, p.locale, p.status,
    ARRAY(SELECT r.role FROM identity.person_role r
          WHERE r.tenant_id = p.tenant_id AND r.person_id = p.id) AS roles,
    p.created_at"""
"""A person as the contract shows one, from ``identity.person p``."""


def person_of(row: db.Row) -> Person:
    """The person in a row that begins with ``COLUMNS``."""
    values = {name: row[name] for name in Person.__struct_fields__}
    return Person(**values | {"roles": frozenset(values["roles"])})


_PERSON = f"SELECT {COLUMNS} FROM identity.person p WHERE p.id = $1"


async def person(call: Call, person_id: UUID) -> Person:
    row = await db.one("identity", call, _PERSON, person_id)
    if row is None:
        raise UnknownPerson
    return person_of(row)


_MATCHING = """
FROM identity.person p
WHERE p.status <> 'deleted' AND ($1::text IS NULL OR p.email ILIKE $1 OR p.phone LIKE $1
      OR concat_ws(' ', p.first_name, p.last_name) ILIKE $1)
  AND ($2::boolean IS NULL OR $2 = EXISTS (
      SELECT FROM identity.person_role r
      WHERE r.tenant_id = p.tenant_id AND r.person_id = p.id AND r.role <> ALL($3)
      UNION ALL
      SELECT FROM identity.scoped_grant g WHERE g.tenant_id = p.tenant_id AND g.person_id = p.id))
  AND ($4::text[] IS NULL OR p.department = ANY($4))
"""
_COUNT = f"SELECT count(*) AS total {_MATCHING}"
_PAGE = f"SELECT {COLUMNS} {_MATCHING} ORDER BY p.created_at DESC, p.id DESC LIMIT $5 OFFSET $6"


async def persons(
    call: Call, q: str | None, limit: int, offset: int, is_staff: bool | None = None
) -> PersonPage:
    call.require("identity.person.read")
    matching = (_containing(q) if q else None, is_staff, sorted(RIDERS), departments(call))
    counted = await db.run("identity", call, _COUNT, *matching)
    rows = await db.run("identity", call, _PAGE, *matching, limit, offset)
    return PersonPage([person_of(row) for row in rows], counted[0]["total"])


def _containing(text: str) -> str:
    text = text.replace("\0", "")  # PostgreSQL has no such character
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


_CONTACT = """
SELECT first_name, last_name, email, phone, locale FROM identity.person
WHERE id = $1 AND status <> 'deleted'
"""


async def contact(call: Call, person_id: UUID) -> Contact | None:
    row = await db.one("identity", call, _CONTACT, person_id)
    if row is None:
        return None
    name = " ".join(filter(None, (row["first_name"], row["last_name"])))
    locale = row["locale"] or (await tenancy.operator(call)).locale
    return Contact(name or row["email"] or row["phone"], row["email"], row["phone"], locale)


_HOLDERS = """
SELECT p.id FROM identity.person p
WHERE p.tenant_id = kernel.tenant() AND p.status = 'active' AND p.email IS NOT NULL
  AND p.id IN (SELECT person_id FROM identity.person_role
               WHERE tenant_id = kernel.tenant() AND role = ANY($1))
ORDER BY p.id LIMIT 200
"""


async def holders(call: Call, roles: list[str]) -> list[UUID]:
    call.require("identity.person.read")
    return [row["id"] for row in await db.run("identity", call, _HOLDERS, roles)]


_STANDING = """
SELECT p.status, p.restricted_at IS NOT NULL AS is_restricted,
    p.first_name IS NOT NULL AND p.last_name IS NOT NULL AS is_named,
    coalesce(o.ride_needs_contact, false) AND p.email_verified_at IS NULL
        AND p.phone_verified_at IS NULL AS is_unproven,
    coalesce(o.ride_checks, '{}') AS ride_checks,
    CASE WHEN o.ride_checks IS NOT NULL THEN ARRAY(
        SELECT DISTINCT c.kind FROM identity.id_check c
        WHERE c.tenant_id = p.tenant_id AND c.person_id = p.id AND c.state = 'verified'
          AND (c.good_until IS NULL OR c.good_until > kernel.now())) END AS checked
FROM identity.person p LEFT JOIN identity.policy o ON o.tenant_id = p.tenant_id
WHERE p.id = $1
"""


async def rider_standing(call: Call, person_id: UUID, vehicle_type: str | None = None) -> Standing:
    row = await db.one("identity", call, _STANDING, person_id)
    if row is None or row["status"] == "deleted":
        return Standing(may_ride=False, reason="unknown")
    if row["status"] == "blocked":
        return Standing(may_ride=False, reason="blocked")
    if row["is_restricted"]:  # Art. 18: kept, not used
        return Standing(may_ride=False, reason="restricted")
    if not row["is_named"]:
        return Standing(may_ride=False, reason="name_missing")
    if row["is_unproven"]:
        return Standing(may_ride=False, reason="contact_not_verified")
    checked = frozenset(row["checked"] or ())
    if check_rules.needed(row["ride_checks"], vehicle_type) - checked:
        return Standing(may_ride=False, reason="id_check_missing")
    return Standing(may_ride=True, barred_types=check_rules.barred(row["ride_checks"], checked))


KEEP_S = 3.0
MOST_KEPT = 10_000
_kept: dict[UUID | None, tuple[float, frozenset[UUID]]] = {}
_changes = 0


def ended(tenant: UUID | None) -> str:
    """The signal that a session of this operator has ended."""
    return f"identity.session:{tenant}"


def _forget(signal: str) -> None:
    global _changes
    _changes += 1
    for tenant in [t for t in _kept if ended(t) == signal]:
        _kept[tenant] = (0.0, _kept[tenant][1])


hub.hear("identity.session", _forget)

_ENDED = f"""
SELECT id FROM identity.session
WHERE revoked_at > kernel.now() - interval '{crypto.ACCESS_TOKEN_S} seconds'
"""


async def ended_sessions(call: Call) -> frozenset[UUID]:
    until, known = _kept.get(call.tenant, (0.0, None))
    if known is not None and time.monotonic() < until:
        return known
    before = _changes
    try:
        rows = await db.run("identity", call, _ENDED)
    except db.DatabaseDown:
        if known is None:
            raise
        return known
    found = frozenset(row["id"] for row in rows)
    if before == _changes:  # else it may have been read before the change
        if len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[call.tenant] = (time.monotonic() + KEEP_S, found)
    return found
