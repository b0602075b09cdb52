"""The authenticator app and recovery codes: set up, use, do without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyotp
import segno

from fahrwerk.identity import queries
from fahrwerk.identity.actions import attempts, fresh
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.contract import TooManyTries
from fahrwerk.identity.contract.factors import (
    NoTotp,
    SecondFactorRequired,
    TotpSetup,
    TotpThere,
    WrongCode,
)
from fahrwerk.identity.rules import factors, lockout, proofs
from fahrwerk.kernel import clock, crypto, db
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

SEAL = "identity.totp"

# One that is not confirmed yet is replaced; one that is stays.
_BEGIN = """
INSERT INTO identity.totp AS t (person_id, secret) VALUES ($1, $2)
ON CONFLICT (tenant_id, person_id) DO UPDATE
SET secret = excluded.secret, last_step = 0, created_at = kernel.now()
WHERE t.confirmed_at IS NULL RETURNING person_id
"""


async def begin_totp(call: Call) -> TotpSetup:
    return await set_up(call, await fresh.check(call))


async def set_up(call: Call, person_id: UUID) -> TotpSetup:
    """A new secret for the person's app, not confirmed yet. Raises ``TotpThere``."""
    secret = pyotp.random_base32()
    person, operator = await queries.person(call, person_id), await tenancy.operator(call)
    if not await db.run("identity", call, _BEGIN, person_id, crypto.seal(SEAL, secret)):
        raise TotpThere
    uri = factors.uri_of(secret, person.email or str(person.phone), operator.name)
    picture = segno.make(uri, error="m", micro=False)
    return TotpSetup(secret, uri, picture.svg_inline(scale=5, border=4, light="white"))


_APP = "SELECT secret, last_step, confirmed_at FROM identity.totp WHERE person_id = $1"
# The step in the WHERE makes a code good once, also for two requests at the same time.
_TAKE = """
UPDATE identity.totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, kernel.now()),
    secret = coalesce($3, secret)
WHERE person_id = $1 AND last_step < $2 RETURNING person_id
"""


async def take_code(call: Call, person_id: UUID, code: str, *, confirms: bool = False) -> bool:
    """Use a code of the app up; True when it was right.

    ``confirms``: of an app not confirmed yet too, which it then is. Raises ``TooManyTries`` after
    ten wrong ones within an hour: recovery codes and passkeys still work.
    """
    counted = await attempts.count(call, attempts.digest("totp", person_id))
    if counted.is_attack or counted.failures > lockout.CODE_CAP:
        raise TooManyTries(retry_after=lockout.WINDOW_S)
    row = await db.one("identity", call, _APP, person_id)
    if row is None or (row["confirmed_at"] is None and not confirms):
        return False
    secret = crypto.unseal(SEAL, row["secret"])
    at = clock.now().timestamp()
    step = factors.step_of(secret, proofs.typed(code), at, row["last_step"])
    if step is None:
        return False
    anew = crypto.seal(SEAL, secret) if crypto.is_stale(SEAL, row["secret"]) else None
    if not await db.run("identity", call, _TAKE, person_id, step, anew):
        return False
    await attempts.forgive(call, counted)
    return True


_USE_RECOVERY = """
UPDATE identity.recovery_code SET used_at = kernel.now()
WHERE person_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING person_id
"""


async def take_recovery_code(call: Call, person_id: UUID, code: str) -> bool:
    """Use a recovery code up; True when it was right. Its owner is told."""
    digest = crypto.digest_of(proofs.typed(code))
    async with db.tx("identity", call) as tx:
        if not await tx.run(_USE_RECOVERY, person_id, digest):
            return False
        await tell(tx, call, person_id, "recovery_code_used")
    return True


async def confirm_totp(call: Call, code: str) -> list[str]:
    person, _ = fresh.own_session(call)
    row = await db.one("identity", call, _APP, person)
    if row is None:
        raise NoTotp
    if row["confirmed_at"] is not None:
        raise TotpThere
    if not await take_code(call, person, code, confirms=True):
        raise WrongCode
    return await _new_codes(call, person, "totp_added")


_FORGET_CODES = "DELETE FROM identity.recovery_code WHERE person_id = $1"
_ADD_CODES = """
INSERT INTO identity.recovery_code (person_id, code_hash) SELECT $1, unnest($2::text[])
"""


async def _new_codes(call: Call, person_id: UUID, what: str) -> list[str]:
    codes = [
        factors.recovery_code(os.urandom(factors.RECOVERY_BYTES))
        for _ in range(factors.RECOVERY_CODES)
    ]
    digests = [crypto.digest_of(proofs.typed(code)) for code in codes]
    async with db.tx("identity", call) as tx:
        await tx.run(_FORGET_CODES, person_id)
        await tx.run(_ADD_CODES, person_id, digests)
        await tell(tx, call, person_id, what)
    return codes


_HAS = "SELECT FROM identity.totp WHERE person_id = $1 AND confirmed_at IS NOT NULL"


async def new_recovery_codes(call: Call) -> list[str]:
    person = await fresh.check(call)
    if not await db.run("identity", call, _HAS, person):
        raise NoTotp
    return await _new_codes(call, person, "recovery_codes_made")


_REMOVE = """
DELETE FROM identity.totp WHERE person_id = $1 RETURNING confirmed_at IS NOT NULL AS counted
"""


async def remove_totp(call: Call) -> None:
    person = await fresh.check(call)
    said = await queries.security(call)
    if said.needs_second_factor and said.has_totp and not said.passkeys:
        raise SecondFactorRequired
    async with db.tx("identity", call) as tx:
        gone = await tx.one(_REMOVE, person)
        await tx.run(_FORGET_CODES, person)
        if gone is not None and gone["counted"]:
            await tell(tx, call, person, "totp_removed")
