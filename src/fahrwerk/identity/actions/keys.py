"""API keys are made, rotated, revoked and used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import fresh
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.second_factor import there
from fahrwerk.identity.contract.keys import ApiKey, KeyHolder, NewKey, TooManyKeys, UnknownKey
from fahrwerk.identity.queries.keys import KEY_COLUMNS
from fahrwerk.identity.rules import keys as key_rules
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid, Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


def changed(tenant: UUID | None) -> str:
    """The signal that a key of this operator was revoked or rotated."""
    return f"identity.key:{tenant}"


def _new_secret(tenant: UUID | None) -> tuple[str, str]:
    """A key and its hint: it names its operator, and anybody who finds it can see what it is."""
    if tenant is None:
        raise Unauthenticated(token_expired=False)
    secret = crypto.new_secret()
    return f"{ids.public(key_rules.PREFIX, tenant)}.{secret}", secret[:6]


_MAKE = f"""
INSERT INTO identity.api_key (id, person_id, name, hint, secret_hash, scopes, expires_at)
SELECT $1, $2, $3, $4, $5, $6, kernel.now() + make_interval(days => $7)
WHERE (SELECT count(*) FROM identity.api_key WHERE person_id = $2 AND revoked_at IS NULL
       AND expires_at > kernel.now()) < {key_rules.MOST_KEYS}
RETURNING {KEY_COLUMNS}
"""


async def make_key(call: Call, name: str, scopes: list[str], days: int) -> NewKey:
    call.require("identity.key.manage")
    person = await fresh.check(call)
    called = rules.name_of("name", name)
    if called is None:
        raise Invalid(field="name", issue="is needed")
    if not 1 <= days <= key_rules.LONGEST_DAYS:
        raise Invalid(field="days", issue=f"1 to {key_rules.LONGEST_DAYS}")
    allowed = key_rules.check_scopes(scopes, call.permissions)
    secret, hint = _new_secret(call.tenant)
    async with db.tx("identity", call) as tx:
        row = await tx.one(
            _MAKE, ids.new(), person, called, hint, crypto.digest_of(secret), allowed, days
        )
        if row is None:
            raise TooManyKeys
        await tell(tx, call, person, "key_made")
    return NewKey(ApiKey(**row), secret)


# A key that was not good any more is not brought back to life.
_ROTATE = f"""
UPDATE identity.api_key SET previous_hash = secret_hash,
    previous_until = kernel.now() + make_interval(hours => $3),
    secret_hash = $4, hint = $5, rotated_at = kernel.now()
WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL AND expires_at > kernel.now()
RETURNING {KEY_COLUMNS}
"""


async def rotate_key(call: Call, key_id: UUID, overlap_h: int) -> NewKey:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    if not 0 <= overlap_h <= key_rules.LONGEST_OVERLAP_H:
        raise Invalid(field="overlap_h", issue=f"0 to {key_rules.LONGEST_OVERLAP_H}")
    if call.api_key is None:
        await _check_own(call, key_id)
        await fresh.check(call)
    elif call.api_key != key_id:
        raise UnknownKey
    secret, hint = _new_secret(call.tenant)
    async with db.tx("identity", call) as tx:
        row = await tx.one(_ROTATE, key_id, call.user, overlap_h, crypto.digest_of(secret), hint)
        if row is None:
            raise UnknownKey
        tx.signal(changed(call.tenant))
    return NewKey(ApiKey(**row), secret)


_OWN = "SELECT FROM identity.api_key WHERE id = $1 AND person_id = $2"


async def _check_own(call: Call, key_id: UUID) -> None:
    if not await db.run("identity", call, _OWN, key_id, call.user):
        raise UnknownKey


_REVOKE = f"""
UPDATE identity.api_key SET revoked_at = coalesce(revoked_at, kernel.now()), previous_hash = NULL,
    previous_until = NULL
WHERE id = $1 AND ($2::uuid IS NULL OR person_id = $2) RETURNING {KEY_COLUMNS}
"""


async def revoke_key(call: Call, key_id: UUID) -> ApiKey:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    if call.api_key not in (None, key_id):
        raise Forbidden("A key can revoke no other key.")
    whose = None if call.may("identity.key.manage_any") else call.user
    async with db.tx("identity", call) as tx:
        row = await tx.one(_REVOKE, key_id, whose)
        if row is None:
            raise UnknownKey
        tx.signal(changed(call.tenant))
    return ApiKey(**row)


_USE = """
WITH used AS (
    UPDATE identity.api_key SET last_used_at = kernel.now(), last_address = $2
    WHERE (secret_hash = $1 OR previous_hash = $1 AND previous_until > kernel.now())
      AND revoked_at IS NULL AND expires_at > kernel.now()
      AND (last_used_at IS NULL OR last_used_at < kernel.now() - interval '1 minute')
)
SELECT k.id AS key_id, k.tenant_id AS tenant, k.person_id AS user, k.scopes,
    ARRAY(SELECT r.role FROM identity.person_role r
          WHERE r.tenant_id = k.tenant_id AND r.person_id = k.person_id) AS roles
FROM identity.api_key k
JOIN identity.person p ON p.tenant_id = k.tenant_id AND p.id = k.person_id
WHERE (k.secret_hash = $1 OR k.previous_hash = $1 AND k.previous_until > kernel.now())
  AND k.revoked_at IS NULL AND k.expires_at > kernel.now() AND p.status = 'active'
"""


async def use_key(call: Call, secret: str) -> KeyHolder | None:
    own = there(msgspec.structs.replace(call, tenant=None), secret, key_rules.PREFIX)
    if own is None:
        return None
    row = await db.one("identity", own, _USE, crypto.digest_of(secret), call.address[:60])
    if row is None:
        return None
    return KeyHolder(
        key_id=row["key_id"],
        tenant=row["tenant"],
        user=row["user"],
        roles=frozenset(row["roles"]),
        scopes=frozenset(row["scopes"]),
    )
