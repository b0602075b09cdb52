"""Refresh tokens: rotated at every use, and a stolen one gives itself away (IDN-07).

A session knows the hash of the one token that is good; ``refresh_token`` knows those it replaced.
When a replaced one comes again, somebody has a copy: the session ends. Only the newest of them is
forgiven for ten seconds, because answers get lost and apps refresh twice at once. It gets the same
answer again, which is kept sealed: the key is derived from the replaced token, and that one is
nowhere in the database.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fahrwerk.identity.actions.entrance import use_device_proof
from fahrwerk.identity.actions.log_in import login_of, new_refresh_token
from fahrwerk.identity.actions.log_out import BY_ID, end_sessions
from fahrwerk.identity.contract import Login
from fahrwerk.identity.queries import COLUMNS, person_of
from fahrwerk.identity.rules.binding import BadProof
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Invalid, NotFound, Unauthenticated

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LONGEST_TOKEN = 200

_ASKED = f"""
WITH asked AS (
    SELECT id AS session_id, false AS is_replaced, NULL::bytea AS answer, false AS is_forgiven
    FROM identity.session WHERE token_hash = $1
    UNION ALL
    SELECT session_id, true, answer,
           answer IS NOT NULL AND replaced_at > kernel.now() - interval '10 seconds'
    FROM identity.refresh_token WHERE token_hash = $1
)
SELECT {COLUMNS}, a.session_id, a.is_replaced, a.answer, a.is_forgiven, s.key_thumbprint
FROM asked a
JOIN identity.session s ON s.id = a.session_id
JOIN identity.person p ON p.tenant_id = s.tenant_id AND p.id = s.person_id
WHERE s.revoked_at IS NULL AND s.expires_at > kernel.now() AND p.status = 'active'
"""
# The token in the WHERE makes this happen once: of two at the same time one changes no row.
_ROTATE = """
WITH turned AS (
    UPDATE identity.session
    SET token_hash = $3, last_accessed_at = kernel.now(), address = $5,
        expires_at = kernel.now() + interval '30 days'
    WHERE id = $1 AND token_hash = $2 AND revoked_at IS NULL
    RETURNING id
), emptied AS (
    UPDATE identity.refresh_token SET answer = NULL
    WHERE session_id = (SELECT id FROM turned) AND answer IS NOT NULL
), forgotten AS (
    DELETE FROM identity.refresh_token
    WHERE session_id = (SELECT id FROM turned) AND answer IS NULL
      AND replaced_at < kernel.now() - interval '30 days'
)
INSERT INTO identity.refresh_token (token_hash, session_id, answer)
SELECT $2, id, $4 FROM turned
RETURNING session_id
"""


async def refresh(
    call: Call, refresh_token: str, thumbprint: str | None = None, proof_id: str = ""
) -> Login:
    tenant = _operator_of(refresh_token, call)
    call = msgspec.structs.replace(call, tenant=tenant)
    digest = crypto.digest_of(refresh_token)
    is_proof_used = False
    for _ in range(2):
        row = await db.one("identity", call, _ASKED, digest)
        if row is None:
            break
        person, session = person_of(row), row["session_id"]
        # A thief without the device's key learns nothing, and cannot end the owner's session.
        if row["key_thumbprint"] is not None and row["key_thumbprint"] != thumbprint:
            raise BadProof
        if row["key_thumbprint"] is not None and not is_proof_used:
            await use_device_proof(call, row["key_thumbprint"], proof_id)
            is_proof_used = True
        if row["is_forgiven"]:
            access, successor = _opened(refresh_token, row["answer"])
            return Login(access, successor, crypto.ACCESS_TOKEN_S, person)
        if row["is_replaced"]:
            async with db.tx("identity", call) as tx:
                await end_sessions(tx, call, BY_ID, session, reason="reuse_detected")
            break
        login = login_of(tenant, person, session, new_refresh_token(tenant))
        answer = _sealed(refresh_token, login)
        successor_digest = crypto.digest_of(login.refresh_token)
        turned = (session, digest, successor_digest, answer, call.address[:60])
        if await db.run("identity", call, _ROTATE, *turned):
            return login
        # Somebody else used this very token in between: what they were answered stands there now.
    # The same answer for unknown, expired, ended and stolen: log in again (IDN-12).
    raise Unauthenticated(token_expired=True)


def _operator_of(refresh_token: str, call: Call) -> UUID:
    if len(refresh_token) > LONGEST_TOKEN:
        raise Unauthenticated(token_expired=True)
    try:
        tenant = ids.parse(refresh_token.partition(".")[0], "frt")
    except NotFound:
        raise Unauthenticated(token_expired=True) from None
    if call.tenant not in (None, tenant):
        raise Invalid(
            "X-Tenant-ID and the token name different operators.",
            code="TENANT_MISMATCH",
            field="X-Tenant-ID",
            issue="does not match the token",
        )
    return tenant


def _seal(replaced_token: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fahrwerk refresh answer")
    return Fernet(base64.urlsafe_b64encode(key.derive(replaced_token.encode())))


def _sealed(replaced_token: str, login: Login) -> bytes:
    pair = (login.access_token, login.refresh_token)
    return _seal(replaced_token).encrypt(msgspec.json.encode(pair))


def _opened(replaced_token: str, answer: bytes) -> tuple[str, str]:
    return msgspec.json.decode(_seal(replaced_token).decrypt(answer), type=tuple[str, str])
