"""Identity providers: as administrators see them, and as people choose among them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.contract.sso import (
    Choice,
    Link,
    Protocol,
    Provider,
    RoleRule,
    Saml,
    SsoRequired,
    Step,
    Trial,
    UnknownProvider,
)
from fahrwerk.identity.rules import sso as rules
from fahrwerk.kernel import db, ids, settings
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.identity.contract import Person
    from fahrwerk.kernel.call import Call

SEALED_FOR = "sso provider"
"""What secrets of providers are sealed for."""
COLUMNS = """v.id, v.name, v.protocol, v.secret IS NOT NULL AS has_secret, v.mapping, v.role_rules,
    v.default_roles,
    ARRAY(SELECT d.domain FROM identity.sso_domain d
          WHERE d.tenant_id = v.tenant_id AND d.provider_id = v.id ORDER BY 1) AS domains,
    v.redirect_uris, v.is_enabled, v.is_enforced, v.may_create, v.may_link_by_email, v.rank,
    v.version, v.created_at, v.updated_at"""


def provider_of(row: db.Row) -> Provider:
    """The provider in a row that begins with ``COLUMNS``."""
    values = {name: row[name] for name in Provider.__struct_fields__}
    values["protocol"] = msgspec.convert(values["protocol"], Protocol)
    values["role_rules"] = msgspec.convert(values["role_rules"], list[RoleRule])
    return Provider(**values)


_ALL = f"SELECT {COLUMNS} FROM identity.sso_provider v ORDER BY v.rank, v.name, v.id LIMIT 50"


async def sso_providers(call: Call) -> list[Provider]:
    call.require("identity.sso.read")
    return [provider_of(row) for row in await db.run("identity", call, _ALL)]


_ONE = f"SELECT {COLUMNS}, v.secret FROM identity.sso_provider v WHERE v.id = $1"


async def sso_provider(call: Call, provider_id: UUID) -> Provider:
    call.require("identity.sso.read")
    return (await with_secret(call, provider_id))[0]


async def with_secret(call: Call, provider_id: UUID) -> tuple[Provider, bytes | None]:
    """A provider and its secret, sealed; for identity itself. Raises ``UnknownProvider``."""
    row = await db.one("identity", call, _ONE, provider_id)
    if row is None:
        raise UnknownProvider
    return provider_of(row), row["secret"]


_CHOICES = """
SELECT v.id, v.name, v.protocol->>'type', v.is_enforced FROM identity.sso_provider v
WHERE v.is_enabled AND ($1::text IS NULL OR EXISTS (
    SELECT FROM identity.sso_domain d
    WHERE d.tenant_id = v.tenant_id AND d.provider_id = v.id AND d.domain = $1))
ORDER BY v.rank, v.name, v.id LIMIT 50
"""


async def sso_choices(call: Call, email: str) -> list[Choice]:
    domain = rules.domain_of(email) if email else None
    return db.shaped(Choice, await db.run("identity", call, _CHOICES, domain))


_LINKS = """
SELECT v.id, v.name, min(l.linked_at), max(l.last_used_at) FROM identity.sso_link l
JOIN identity.sso_provider v ON v.tenant_id = l.tenant_id AND v.id = l.provider_id
WHERE l.person_id = $1 AND v.is_enabled
GROUP BY v.id, v.name ORDER BY v.name, v.id LIMIT 50
"""


async def sso_links(call: Call) -> list[Link]:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    return db.shaped(Link, await db.run("identity", call, _LINKS, call.user))


_ENFORCED = """
SELECT v.id FROM identity.sso_domain d
JOIN identity.sso_provider v ON v.tenant_id = d.tenant_id AND v.id = d.provider_id
WHERE d.domain = $1 AND v.is_enabled AND v.is_enforced
"""


async def enforced_for(call: Call, email: str) -> UUID | None:
    """The provider at which people with this address have to log in; None: a password will do."""
    row = await db.one("identity", call, _ENFORCED, rules.domain_of(email))
    return row["id"] if row else None


async def check_way_in(call: Call, person: Person, provider: UUID | None) -> None:
    """Raise ``SsoRequired`` for whoever has to log in at a provider, whatever else he has proven;
    ``provider`` is who vouched for him, if it was single sign-on.

    Not for administrators: a provider that is down must not lock an operator out.
    """
    if person.email is None or "admin" in person.roles:
        return
    if (provider_id := await enforced_for(call, person.email)) not in (None, provider):
        raise SsoRequired(provider=ids.public("sso", provider_id))


_TRIAL = """
SELECT id, steps, state_hash IS NULL AND ticket_hash IS NULL AND finish_hash IS NULL AS is_over
FROM identity.sso_attempt WHERE id = $1 AND flow = 'test' AND expires_at > kernel.now()
"""


async def sso_trial(call: Call, attempt_id: UUID) -> Trial:
    call.require("identity.sso.read")
    row = await db.one("identity", call, _TRIAL, attempt_id)
    if row is None:
        raise UnknownProvider("There is no such test, or it is over for long.")
    steps = msgspec.convert(row["steps"] or [], list[Step])
    return Trial(id=row["id"], steps=steps, is_over=row["is_over"])


async def saml_metadata(call: Call, provider_id: UUID) -> str:
    from fahrwerk.identity.protocols import saml

    provider, _ = await with_secret(call, provider_id)
    if not isinstance(provider.protocol, Saml):
        raise UnknownProvider
    base = base_of(call, provider_id)
    return saml.own_metadata(f"{base}/metadata", f"{base}/acs")


def base_of(call: Call, provider_id: UUID) -> str:
    """Where a provider finds us; everything it is told about us begins with this."""
    name = ids.public("sso", provider_id)
    return f"{settings.load().address}/sso/{call.tenant_slug}/{name}"


def directory_networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Where directories may be besides public addresses."""
    given = settings.load().directory_networks.split(",")
    return [ipaddress.ip_network(each.strip()) for each in given if each.strip()]
