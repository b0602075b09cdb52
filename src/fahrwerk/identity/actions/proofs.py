"""Links and codes: made, sent, and used once.

``use`` is the one place where a proof is used up: one statement, so that of two who come at the
same time one is right. Letters are asked for by an event that names the proof; what stands in them
is sealed in its row until it has ended.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.actions import attempts
from fahrwerk.identity.actions.second_factor import LONGEST_TOKEN
from fahrwerk.identity.contract.proofs import WrongLink
from fahrwerk.identity.events import ProofSent, UserVerified
from fahrwerk.identity.rules import proofs as rules
from fahrwerk.kernel import clock, crypto, db, events, ids

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

PREFIX = "prf"
SEAL = "identity.proof"


class Secrets(msgspec.Struct, frozen=True):
    """What a letter needs, sealed into the proof's row."""

    token: str
    code: str
    new_address: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that is to be made."""

    person_id: UUID
    purpose: str
    channel: str
    address: str
    pair_id: UUID | None = None
    new_address: str | None = None


def code_digest(purpose: str, person_id: UUID, code: str) -> str:
    """How a code is stored."""
    return attempts.digest("code", purpose, person_id, rules.typed(code))


# The person's row is locked, so that two requests at the same time do not both find room.
_LOCK = "SELECT id FROM identity.person WHERE id = $1 AND status = 'active' FOR UPDATE"
_SENT = """
SELECT min(extract(epoch FROM kernel.now() - created_at)) AS newest_age_s,
    count(*) FILTER (WHERE created_at > kernel.now() - interval '1 hour') AS last_hour,
    count(*) AS last_day
FROM identity.proof
WHERE person_id = $1 AND purpose = $2 AND created_at > kernel.now() - interval '1 day'
"""
_REPLACE = """
UPDATE identity.proof SET ended_at = kernel.now(), sealed = NULL
WHERE person_id = $1 AND purpose = $2 AND ended_at IS NULL
"""
_ADD = """
INSERT INTO identity.proof (id, person_id, purpose, channel, address, token_hash, code_hash, sealed,
                            tries_left, pair_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, kernel.now() + make_interval(mins => $11))
"""


async def send(tx: db.Tx, call: Call, wanted: Wanted) -> bool:
    """Make a proof and have it sent; it replaces the one of before. False: too many already."""
    person, purpose = wanted.person_id, wanted.purpose
    if not await tx.run(_LOCK, person):
        return False
    [sent] = await tx.run(_SENT, person, purpose)
    age = sent["newest_age_s"]
    if not rules.may_send(None if age is None else float(age), sent["last_hour"], sent["last_day"]):
        return False
    terms, proof, tenant = rules.TERMS[purpose], ids.new(), call.tenant
    if tenant is None:
        raise RuntimeError("a proof without an operator")
    token = f"{ids.public(PREFIX, tenant)}.{crypto.new_secret()}"
    code = rules.code_of(secrets.randbits(64), terms.digits)
    told = Secrets(token, code, wanted.new_address)
    await tx.run(_REPLACE, person, purpose)
    await tx.run(
        _ADD, proof, person, purpose, wanted.channel, wanted.address,
        crypto.digest_of(token), code_digest(purpose, person, code),
        crypto.seal(SEAL, msgspec.json.encode(told).decode()), rules.TRIES, wanted.pair_id,
        terms.minutes,
    )  # fmt: skip
    fact = ProofSent(person, proof, purpose, wanted.channel)
    await events.emit(tx, call, f"proof:{proof}", 1, fact)
    return True


END_ALL = """
UPDATE identity.proof SET ended_at = kernel.now(), sealed = NULL
WHERE person_id = $1 AND ended_at IS NULL
"""
"""All links and codes of a person: they went to addresses of before."""


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that has just been used up."""

    id: UUID
    person_id: UUID
    purpose: str
    channel: str
    address: str
    pair_id: UUID | None


_USE = """
UPDATE identity.proof SET ended_at = kernel.now(), used_at = kernel.now(), sealed = NULL
WHERE token_hash = $1 AND purpose = ANY($2) AND ended_at IS NULL AND expires_at > kernel.now()
RETURNING id, person_id, purpose, channel, address, pair_id
"""
# A wrong code costs a try; with the last one the proof ends. The right one uses it up.
_TRY = """
UPDATE identity.proof SET
    tries_left = tries_left - 1,
    used_at = CASE WHEN code_hash = $3 THEN kernel.now() END,
    ended_at = CASE WHEN code_hash = $3 OR tries_left <= 1 THEN kernel.now() END,
    sealed = CASE WHEN code_hash = $3 OR tries_left <= 1 THEN NULL ELSE sealed END
WHERE person_id = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > kernel.now()
RETURNING id, person_id, purpose, channel, address, pair_id, used_at IS NOT NULL AS is_right
"""


async def use(tx: db.Tx, token: str, *purposes: str) -> Used:
    """Use up the proof of a link. Raises ``WrongLink``."""
    row = await tx.one(_USE, crypto.digest_of(token[:LONGEST_TOKEN]), list(purposes))
    if row is None:
        raise WrongLink
    return Used(**row)


async def try_code(call: Call, person_id: UUID, purpose: str, code: str) -> Used:
    """Use up the open proof of this purpose by its code; a wrong one counts. Raises ``WrongLink``.

    A statement of its own: the try counts whatever becomes of the rest.
    """
    digest = code_digest(purpose, person_id, code)
    row = await db.one("identity", call, _TRY, person_id, purpose, digest)
    if row is None or not row["is_right"]:
        raise WrongLink
    return Used(**{name: row[name] for name in Used.__struct_fields__})


# Only while it is still the person's address: a proof of an older one proves nothing.
VERIFY_EMAIL = """
UPDATE identity.person SET email_verified_at = coalesce(email_verified_at, $3)
WHERE id = $1 AND lower(email) = lower($2) AND status = 'active' RETURNING id
"""
VERIFY_PHONE = """
UPDATE identity.person SET phone_verified_at = coalesce(phone_verified_at, $3)
WHERE id = $1 AND phone = $2 AND status = 'active' RETURNING id
"""


async def proven(tx: db.Tx, call: Call, used: Used) -> bool:
    """Write down that the address a proof went to is read by its owner; False: not his any more."""
    sql = VERIFY_EMAIL if used.channel == "email" else VERIFY_PHONE
    if not await tx.run(sql, used.person_id, used.address, clock.now()):
        return False
    own = call if call.user else msgspec.structs.replace(call, user=used.person_id)
    fact = UserVerified(used.person_id, used.id, used.channel)
    # The first fact of a proof was that it was sent.
    await events.emit(tx, own, f"proof:{used.id}", 2, fact)
    return True
