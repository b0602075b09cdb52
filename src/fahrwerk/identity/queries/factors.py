"""How an account is secured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.contract.factors import Security
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_SECURITY = """
SELECT p.email, p.email_verified_at IS NOT NULL AS is_email_verified,
    p.phone, p.phone_verified_at IS NOT NULL AS is_phone_verified,
    p.password_hash IS NOT NULL AS has_password, p.password_set_at,
    EXISTS (SELECT FROM identity.totp t WHERE t.tenant_id = p.tenant_id AND t.person_id = p.id
            AND t.confirmed_at IS NOT NULL) AS has_totp,
    (SELECT count(*)::int FROM identity.recovery_code c WHERE c.tenant_id = p.tenant_id
        AND c.person_id = p.id AND c.used_at IS NULL) AS recovery_codes_left,
    (SELECT count(*)::int FROM identity.passkey k WHERE k.tenant_id = p.tenant_id
        AND k.person_id = p.id AND k.suspected_at IS NULL) AS passkeys,
    EXISTS (SELECT FROM identity.policy o JOIN identity.person_role r
            ON r.tenant_id = o.tenant_id AND r.role = ANY(o.second_factor_roles)
            WHERE o.tenant_id = p.tenant_id AND r.person_id = p.id) AS needs_second_factor
FROM identity.person p WHERE p.id = $1
"""


async def security(call: Call) -> Security:
    row = await db.one("identity", call, _SECURITY, call.user) if call.user else None
    if row is None:
        raise Unauthenticated(token_expired=False)
    return Security(**row)
