"""Whom a provider's word makes: the account found, linked or made, its roles, its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.actions.entrance import Proven, uncounted
from fahrwerk.identity.actions.log_in import open_session
from fahrwerk.identity.actions.log_out import BY_ID, BY_PERSON, end_sessions
from fahrwerk.identity.actions.pages import open_page_session
from fahrwerk.identity.actions.register import check_room
from fahrwerk.identity.actions.roles import check_not_last_admin, in_line
from fahrwerk.identity.contract import AlreadyRegistered, Client, Login
from fahrwerk.identity.contract.roles import LastAdmin
from fahrwerk.identity.contract.sso import Oidc
from fahrwerk.identity.events import UserRegistered, UserRolesChanged
from fahrwerk.identity.queries.rights import changed
from fahrwerk.identity.rules.sso import Decision, Found, Known, Said, decide, refused
from fahrwerk.kernel import clock, crypto, db, events, ids
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from fahrwerk.identity.contract.pages import PageSession
    from fahrwerk.identity.contract.sso import Provider
    from fahrwerk.kernel.call import Call

_FIND = """
WITH who AS (
    SELECT 'linked' AS how, person_id AS id FROM identity.sso_link
    WHERE provider_id = $1 AND issuer = $2 AND subject = $3
    UNION ALL
    SELECT 'provisioned', u.person_id FROM identity.scim_user u
    JOIN identity.scim_source s ON s.tenant_id = u.tenant_id AND s.id = u.source_id
    WHERE s.provider_id = $1 AND u.deleted_at IS NULL
      AND (lower(u.user_name) = ANY($4::text[]) OR u.external_id = ANY($5::text[]))
    UNION ALL
    SELECT 'same_email', id FROM identity.person WHERE lower(email) = $6
)
SELECT w.how, p.id, p.status,
       ARRAY(SELECT r.role::text FROM identity.person_role r
             WHERE r.tenant_id = p.tenant_id AND r.person_id = p.id) AS roles
FROM who w JOIN identity.person p ON p.id = w.id
"""


async def decided(call: Call, provider: Provider, said: Said) -> Decision:
    """Whose account it is. Changes nothing. Raises ``SsoRefused``."""
    # At many OIDC providers people choose "preferred_username" themselves: it names an account only
    # where the operator says that it does.
    is_name = not isinstance(provider.protocol, Oidc) or "username" in provider.mapping
    names = [
        said.username if is_name else None,
        said.subject,
        said.email if said.is_email_trusted else None,
    ]
    rows = await db.run(
        "identity", call, _FIND,
        provider.id, said.issuer, said.subject, [name.lower() for name in names if name],
        [each for each in (said.external_id, said.subject) if each], (said.email or "").lower(),
    )  # fmt: skip
    found: dict[str, list[Known]] = {}
    for row in rows:
        known = Known(row["id"], row["status"], frozenset(row["roles"]))
        found.setdefault(row["how"], []).append(known)
    if len({known.id for known in found.get("provisioned", ())}) > 1:
        raise refused("ambiguous", "Several accounts could be meant.")
    one = {how: all_[0] for how, all_ in found.items()}
    return decide(provider, said, Found(**one))


_LINK = """
INSERT INTO identity.sso_link (provider_id, issuer, subject, person_id, linked_at, last_used_at)
VALUES ($1, $2, $3, $4, kernel.now(), kernel.now())
ON CONFLICT (tenant_id, provider_id, issuer, subject) DO UPDATE SET last_used_at = kernel.now()
WHERE sso_link.person_id = excluded.person_id
RETURNING person_id
"""
_CREATE = """
INSERT INTO identity.person (id, email, first_name, last_name, locale, department,
                             email_verified_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, kernel.now(), $7, $7)
ON CONFLICT DO NOTHING
RETURNING version
"""
# Whoever registered with this address before did not need to own it: his password goes.
_TAKE_OVER = """
UPDATE identity.person SET password_hash = NULL, email_verified_at = kernel.now()
WHERE id = $1 AND status = 'active'
RETURNING id
"""
_REFRESH = """
UPDATE identity.person SET first_name = coalesce($2, first_name),
    last_name = coalesce($3, last_name), department = coalesce($4, department), updated_at = $5
WHERE id = $1 AND status = 'active' AND (
    first_name IS DISTINCT FROM coalesce($2, first_name)
    OR last_name IS DISTINCT FROM coalesce($3, last_name)
    OR department IS DISTINCT FROM coalesce($4, department))
"""


_SOURCED = "SELECT role FROM identity.sourced_role WHERE person_id = $1 AND source_id = $2"


async def admitted(call: Call, provider: Provider, said: Said) -> UUID:
    """The person who may log in now, made or linked if this is the first time (IDN-24)."""
    for _ in range(2):
        decision = await decided(call, provider, said)
        if (person_id := await _written(call, provider, said, decision)) is not None:
            return person_id
    # Twice somebody else was faster with the same address or link.
    raise refused("busy", "Please try again.")


async def _written(call: Call, provider: Provider, said: Said, decision: Decision) -> UUID | None:
    chosen = decision.person or ids.new()
    now = clock.now()
    most = (await tenancy.operator(call)).max_users if decision.deed == "create" else None
    async with db.tx("identity", call) as tx:
        # The line of the operator's rights before any row, like all who stand in it; most log-ins
        # change no role and need not.
        held = {row["role"] for row in await tx.run(_SOURCED, chosen, provider.id)}
        is_same = decision.deed == "log_in" and held == set(decision.roles)
        if not is_same:
            await in_line(tx, call)
        if decision.deed == "create":
            await check_room(tx, most)
            made = await tx.one(
                _CREATE, chosen, said.email, said.first_name, said.last_name, said.locale,
                said.department, now,
            )  # fmt: skip
            if made is None:
                return None
            fact = UserRegistered(chosen, decision.roles)
            await events.emit(tx, call, f"person:{chosen}", made["version"], fact)
        elif decision.deed == "take_over":
            if not await tx.run(_TAKE_OVER, chosen):
                return None
            await end_sessions(tx, call, BY_PERSON, chosen, reason="sso_linked")
        if not await tx.run(_LINK, provider.id, said.issuer, said.subject, chosen):
            raise AlreadyRegistered  # rolls back what was made: somebody else has the link
        if not is_same:
            await give_roles(tx, call, chosen, provider.id, decision.roles)
        await tx.run(_REFRESH, chosen, said.first_name, said.last_name, said.department, now)
    return chosen


_ADD_ROLES = """
WITH given AS (
    INSERT INTO identity.person_role (person_id, role, granted_at)
    SELECT $1, unnest($3::text[]), $4
    ON CONFLICT DO NOTHING
    RETURNING role
)
INSERT INTO identity.sourced_role (person_id, source_id, role)
SELECT $1::uuid, $2::uuid, role FROM given
UNION
SELECT $1::uuid, $2::uuid, role FROM identity.sourced_role WHERE person_id = $1 AND role = ANY($3)
ON CONFLICT DO NOTHING
RETURNING role
"""
_TAKE_ROLES = """
WITH taken AS (
    DELETE FROM identity.sourced_role
    WHERE person_id = $1 AND source_id = $2 AND role <> ALL($3)
    RETURNING role
)
DELETE FROM identity.person_role r
WHERE r.person_id = $1 AND r.role IN (SELECT role FROM taken) AND NOT EXISTS (
    SELECT FROM identity.sourced_role o
    WHERE o.person_id = $1 AND o.role = r.role AND o.source_id <> $2)
RETURNING r.role
"""
_TURNED = """
UPDATE identity.person SET rights_changed_at = kernel.now(), version = version + 1, updated_at = $2
WHERE id = $1 RETURNING version
"""
_ROLES = "SELECT role FROM identity.person_role WHERE person_id = $1 ORDER BY role"


async def give_roles(
    tx: db.Tx, call: Call, person_id: UUID, source: UUID, roles: Collection[str]
) -> None:
    """Give a person the roles a source says, and take those it said before and says no more.

    In force at once, whatever tokens say. Roles that staff gave, or another source, stay; so does
    the last administrator. The caller stands in line (``in_line``) before it locks any row.
    """
    before = {row["role"] for row in await tx.run(_ROLES, person_id)}
    wanted = set(roles)
    if "admin" in before and "admin" not in wanted:
        try:
            await check_not_last_admin(tx, person_id)
        except LastAdmin:
            wanted.add("admin")
    await tx.run(_ADD_ROLES, person_id, source, sorted(wanted), clock.now())
    await tx.run(_TAKE_ROLES, person_id, source, sorted(wanted))
    after = [row["role"] for row in await tx.run(_ROLES, person_id)]
    if set(after) != before:
        [turned] = await tx.run(_TURNED, person_id, clock.now())
        fact = UserRolesChanged(person_id, after)
        await events.emit(tx, call, f"person:{person_id}", turned["version"], fact)
        tx.signal(changed(call.tenant))


# One that is switched off at this moment lets nobody in any more.
_MARK = """
UPDATE identity.session s SET sso_provider_id = v.id
FROM identity.sso_provider v
WHERE s.id = $1 AND v.tenant_id = s.tenant_id AND v.id = $2 AND v.is_enabled
RETURNING s.id
"""


async def log_in_as(call: Call, provider_id: UUID, person_id: UUID, client: Client) -> Login:
    """Tokens for somebody whom the provider has proven. Raises ``SsoRefused``, ``AccountBlocked``,
    ``SsoRequired`` (at another provider), ``DeviceKeyNeeded``."""
    login = await open_session(call, _vouched(call, provider_id, person_id), client)
    await _mark(call, provider_id, crypto.read_token(login.access_token).session)
    return login


async def log_in_page_as(
    call: Call, provider_id: UUID, person_id: UUID, device: str
) -> PageSession:
    """The same for a browser: a page session."""
    vouched = _vouched(call, provider_id, person_id)
    begun = await open_page_session(call, vouched, Client(name=device))
    await _mark(call, provider_id, begun.session_id)
    return begun


def _vouched(call: Call, provider_id: UUID, person_id: UUID) -> Proven:
    counted = uncounted(call)
    return Proven(person_id=person_id, methods=["sso"], counted=counted, provider=provider_id)


async def _mark(call: Call, provider_id: UUID, session: UUID) -> None:
    """Note on a session by whose word it began, so that it ends with the provider."""
    if not await db.run("identity", call, _MARK, session, provider_id):
        async with db.tx("identity", call) as tx:
            await end_sessions(tx, call, BY_ID, session, reason="sso_disabled")
        raise refused("blocked", "The provider is switched off.")
