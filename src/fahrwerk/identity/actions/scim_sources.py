"""An operator lets directories keep people here, each with a token of its own (IDN-36)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.actions.scim_roles import give_all
from fahrwerk.identity.actions.sso_providers import check_given
from fahrwerk.identity.contract.scim import (
    NewSource,
    ScimAccess,
    Source,
    SourceToken,
    UnknownSource,
    WrongToken,
)
from fahrwerk.identity.queries import sso
from fahrwerk.identity.queries.scim import SOURCE, source_of
from fahrwerk.identity.rules.sso import NOT_GIVEN
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

PREFIX = "scim"
LONGEST_GRACE_S = 7 * 86_400
LONGEST_TOKEN = 200
_ADD = """
INSERT INTO identity.scim_source (id, name, provider_id, role_rules, default_roles, token_hash,
                                  created_at, rotated_at)
SELECT $1, $2, $3, $4::jsonb, $5, $6, $7, $7
WHERE (SELECT count(*) FROM identity.scim_source) < 20
RETURNING id
"""
_CHANGE = """
UPDATE identity.scim_source SET name = $2, provider_id = $3, role_rules = $4::jsonb,
    default_roles = $5 WHERE id = $1 RETURNING id
"""


async def save_scim_source(
    call: Call, wanted: NewSource, source_id: UUID | None
) -> SourceToken | None:
    call.require("identity.scim.write")
    before = await _source(call, source_id) if source_id is not None else None
    name = " ".join(wanted.name.split())
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise Invalid(field="name", issue="must have 1 to 100 printable characters")
    given = {rule.role for rule in wanted.role_rules}.union(wanted.default_roles)
    if given & NOT_GIVEN:
        raise Invalid(field="role_rules", issue="platform and recorder cannot be given by others")
    await check_given(call, given)
    if wanted.provider_id is not None:
        await sso.with_secret(call, wanted.provider_id)
    values = (name, wanted.provider_id, msgspec.json.encode(wanted.role_rules).decode(),
              sorted(set(wanted.default_roles)))  # fmt: skip
    if source_id is not None and before is not None:
        await check_given(call, {rule.role for rule in before.role_rules})
        await db.run("identity", call, _CHANGE, source_id, *values)
        await give_all(call, source_id)
        return None
    chosen, token = ids.new(), _new_token(call)
    digest = crypto.digest_of(token)
    if not await db.run("identity", call, _ADD, chosen, *values, digest, clock.now()):
        raise Conflict("There are 20 directories already.")
    return SourceToken(await _source(call, chosen), token)


def _new_token(call: Call) -> str:
    if call.tenant is None:
        raise tenancy.UnknownOperator
    return f"{ids.public(PREFIX, call.tenant)}.{crypto.new_secret()}"


_ONE = f"{SOURCE} WHERE s.id = $1"


async def _source(call: Call, source_id: UUID) -> Source:
    row = await db.one("identity", call, _ONE, source_id)
    if row is None:
        raise UnknownSource
    return source_of(row)


_ROTATE = """
UPDATE identity.scim_source SET former_hash = CASE WHEN $3 > 0 THEN token_hash END,
    former_until = kernel.now() + make_interval(secs => $3), token_hash = $2, rotated_at = $4
WHERE id = $1 RETURNING id
"""


async def rotate_scim_token(call: Call, source_id: UUID, grace_s: int) -> SourceToken:
    call.require("identity.scim.write")
    token = _new_token(call)
    grace = float(min(max(grace_s, 0), LONGEST_GRACE_S))
    digest = crypto.digest_of(token)
    if not await db.run("identity", call, _ROTATE, source_id, digest, grace, clock.now()):
        raise UnknownSource
    return SourceToken(await _source(call, source_id), token)


_REMOVE = "DELETE FROM identity.scim_source WHERE id = $1 RETURNING id"


async def remove_scim_source(call: Call, source_id: UUID) -> None:
    call.require("identity.scim.write")
    if not await db.run("identity", call, _REMOVE, source_id):
        raise UnknownSource


# Used or not is noted once a minute: a directory brings thousands of requests.
_ADMIT = """
WITH found AS (
    SELECT id, last_used_at FROM identity.scim_source
    WHERE token_hash = $1 OR (former_hash = $1 AND former_until > kernel.now())
), used AS (
    UPDATE identity.scim_source s SET last_used_at = kernel.now() FROM found f
    WHERE s.id = f.id
      AND (f.last_used_at IS NULL OR f.last_used_at < kernel.now() - interval '1 minute')
)
SELECT id FROM found
"""


async def admit_scim(call: Call, token: str) -> ScimAccess:
    if len(token) > LONGEST_TOKEN:
        raise WrongToken
    try:
        tenant = ids.parse(token.partition(".")[0], PREFIX)
    except NotFound:
        raise WrongToken from None
    if call.tenant not in (None, tenant):
        raise WrongToken
    operator = await tenancy.operator_by_id(call, tenant)
    if operator is None:
        raise WrongToken
    there = msgspec.structs.replace(call, tenant=tenant, tenant_slug=operator.slug)
    row = await db.one("identity", there, _ADMIT, crypto.digest_of(token))
    if row is None:
        raise WrongToken
    return ScimAccess(tenant, operator.slug, row["id"])
