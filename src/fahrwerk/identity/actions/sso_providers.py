"""An operator sets up the identity providers its people log in by (IDN-20..23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from fahrwerk.identity.actions.log_out import end_sessions
from fahrwerk.identity.contract.sso import (
    DomainClaimed,
    NewProvider,
    Oidc,
    Protocol,
    Provider,
    Saml,
)
from fahrwerk.identity.events import SsoProviderAdded
from fahrwerk.identity.protocols import saml
from fahrwerk.identity.queries import sso as queries
from fahrwerk.identity.queries.rights import check_roles
from fahrwerk.identity.rules import roles as role_rules
from fahrwerk.identity.rules import sso as rules
from fahrwerk.kernel import clock, crypto, db, events, ids, outside, settings
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_WRITTEN = """
    name = $2, protocol = $3::jsonb, secret = coalesce($4, secret), mapping = $5::jsonb,
    role_rules = $6::jsonb, default_roles = $7, redirect_uris = $8, is_enabled = $9,
    is_enforced = $10, may_create = $11, may_link_by_email = $12, rank = $13, updated_at = $14"""
_ADD = """
INSERT INTO identity.sso_provider (id, name, protocol, secret, mapping, role_rules, default_roles,
    redirect_uris, is_enabled, is_enforced, may_create, may_link_by_email, rank, created_at,
    updated_at)
SELECT $1, $2, $3::jsonb, $4, $5::jsonb, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14, $14
WHERE (SELECT count(*) FROM identity.sso_provider) < 50
RETURNING id
"""
_CHANGE = f"""
UPDATE identity.sso_provider SET {_WRITTEN}, version = version + 1
WHERE id = $1 AND ($15::bigint IS NULL OR version = $15)
RETURNING id
"""
_CLAIMED = "SELECT FROM identity.sso_domain WHERE domain = ANY($2) AND provider_id <> $1"
_RELEASE = "DELETE FROM identity.sso_domain WHERE provider_id = $1 AND domain <> ALL($2)"
_CLAIM = """
INSERT INTO identity.sso_domain (provider_id, domain) SELECT $1, unnest($2::text[])
ON CONFLICT DO NOTHING
"""
_BY_PROVIDER = """
UPDATE identity.session SET revoked_at = kernel.now(), revoked_reason = $1
WHERE revoked_at IS NULL AND sso_provider_id = $2
RETURNING id, person_id
"""
_LET_GO = "DELETE FROM identity.sso_attempt WHERE provider_id = $1 AND flow <> 'test'"


async def save_sso_provider(
    call: Call, wanted: NewProvider, provider_id: UUID | None, version: int | None
) -> Provider:
    call.require("identity.sso.write")
    is_dev = settings.load().dev
    before = None
    if provider_id is not None:
        before, _ = await queries.with_secret(call, provider_id)
    wanted = rules.check(wanted, is_dev=is_dev)
    given = {rule.role for rule in wanted.role_rules}.union(wanted.default_roles)
    await check_given(call, given)
    if before is not None:
        if type(before.protocol) is not type(wanted.protocol):
            raise Invalid(field="protocol", issue="cannot become another kind; add a new provider")
        await check_given(call, {rule.role for rule in before.role_rules})
    protocol = await completed(wanted.protocol, is_dev=is_dev)
    _check_secret(wanted, before, protocol)
    chosen = provider_id or ids.new()
    values: list[Any] = [
        chosen, wanted.name, _json(protocol),
        crypto.seal(queries.SEALED_FOR, wanted.secret) if wanted.secret is not None else None,
        _json(wanted.mapping), _json(wanted.role_rules), sorted(set(wanted.default_roles)),
        wanted.redirect_uris, wanted.is_enabled, wanted.is_enforced, wanted.may_create,
        wanted.may_link_by_email, wanted.rank, clock.now(),
    ]  # fmt: skip
    async with db.tx("identity", call) as tx:
        if await tx.run(_CLAIMED, chosen, wanted.domains):
            raise DomainClaimed
        if before is None:
            if not await tx.run(_ADD, *values):
                raise Conflict("There are 50 identity providers already.")
            fact = SsoProviderAdded(chosen, str(protocol.__struct_config__.tag))
            await events.emit(tx, call, f"sso_provider:{chosen}", 1, fact)
        elif not await tx.run(_CHANGE, *values, version):
            raise Conflict("Somebody has changed this provider meanwhile.", code="VERSION_CONFLICT")
        await tx.run(_RELEASE, chosen, wanted.domains)
        await tx.run(_CLAIM, chosen, wanted.domains)
        if not wanted.is_enabled:
            await tx.run(_LET_GO, chosen)
            await end_sessions(tx, call, _BY_PROVIDER, chosen, reason="sso_disabled")
    return (await queries.with_secret(call, chosen))[0]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _check_secret(wanted: NewProvider, before: Provider | None, protocol: Protocol) -> None:
    """A secret is kept only for where it was meant for: not even an administrator reads it by
    pointing the provider somewhere else."""
    if wanted.secret is not None:
        return
    if before is None or not before.has_secret:
        if protocol.__struct_config__.tag == "ldap":
            raise Invalid(field="secret", issue="the password of bind_dn is needed")
        return
    place = ("issuer", "client_id") if isinstance(protocol, Oidc) else ("url", "ca_pem")
    if any(getattr(protocol, f, None) != getattr(before.protocol, f, None) for f in place):
        raise Invalid(field="secret", issue="is needed again for another address")


async def check_given(call: Call, names: Collection[str]) -> None:
    """Raise unless these roles exist and the caller may all that they may: through a provider
    nobody gives more than he could by himself."""
    if names and not role_rules.has_all(call, await check_roles(call, frozenset(names))):
        raise Forbidden("You cannot give a role that may more than you may.", roles=sorted(names))


async def completed(protocol: Protocol, *, is_dev: bool) -> Protocol:
    """A SAML provider as its metadata describes it; the others as they are."""
    if not isinstance(protocol, Saml):
        return protocol
    if protocol.metadata_xml:
        xml = protocol.metadata_xml.encode()
    elif protocol.metadata_url:
        xml = await fetched(protocol.metadata_url, is_dev=is_dev)
    else:
        raise Invalid(field="metadata_xml", issue="metadata_xml or metadata_url is needed")
    read = saml.read_metadata(xml, is_dev=is_dev, wanted=protocol.entity_id)
    return msgspec.structs.replace(read, metadata_url=protocol.metadata_url)


async def fetched(url: str, *, is_dev: bool) -> bytes:
    """A provider's metadata from an address that a user gave."""
    parts = urlsplit(url)
    peer = outside.stranger("sso", f"{parts.scheme}://{parts.netloc}", is_dev=is_dev)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = await peer.call("GET", path)
    finally:
        await peer.close()
    if answer.status_code != 200:
        raise Invalid(field="metadata_url", issue=f"answered {answer.status_code}")
    return answer.content


_REMOVE = "DELETE FROM identity.sso_provider WHERE id = $1 RETURNING id"


async def remove_sso_provider(call: Call, provider_id: UUID) -> None:
    call.require("identity.sso.write")
    before, _ = await queries.with_secret(call, provider_id)
    await check_given(call, {rule.role for rule in before.role_rules})
    async with db.tx("identity", call) as tx:
        await end_sessions(tx, call, _BY_PROVIDER, provider_id, reason="sso_disabled")
        await tx.run(_REMOVE, provider_id)
