"""The second half of a log-in: a challenge and a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import attempts, totp
from fahrwerk.identity.actions.entrance import CHALLENGE_PREFIX, Proven, uncounted
from fahrwerk.identity.actions.log_in import open_session
from fahrwerk.identity.actions.pages import open_page_session
from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.factors import TotpSetup, TotpThere, WrongCode
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LONGEST_TOKEN = 200


def there(call: Call, token: str, prefix: str) -> Call | None:
    """The call, for the operator that a token names; None for no token, or another operator's."""
    try:
        tenant = ids.parse(token[:LONGEST_TOKEN].partition(".")[0], prefix)
    except NotFound:
        return None
    if call.tenant not in (None, tenant):
        return None
    return msgspec.structs.replace(call, tenant=tenant)


class Begun(msgspec.Struct, frozen=True):
    """A challenge that is still open."""

    id: UUID
    person_id: UUID | None
    data: dict[str, Any]
    tries_left: int


# A try is counted before it is looked at.
_TRY = """
UPDATE identity.challenge SET tries_left = tries_left - 1
WHERE token_hash = $1 AND purpose = $2 AND expires_at > kernel.now() AND tries_left > 0
RETURNING id, person_id, data, tries_left
"""
_END = "DELETE FROM identity.challenge WHERE id = $1 RETURNING id"


async def try_challenge(call: Call, token: str, purpose: str) -> Begun | None:
    """The open challenge of this token, one try used; None when there is none."""
    row = await db.one("identity", call, _TRY, crypto.digest_of(token), purpose)
    return Begun(**row) if row else None


async def end_challenge(call: Call, begun: Begun) -> bool:
    """True for the one that ends it: it is good once."""
    return bool(await db.run("identity", call, _END, begun.id))


async def second_factor(
    call: Call, challenge: str, code: str | None, recovery_code: str | None, client: Client
) -> Login:
    own, proven = await passed(call, challenge, code, recovery_code, client)
    return await open_session(own, proven, client)


async def second_factor_page(
    call: Call, challenge: str, code: str | None, recovery_code: str | None, device: str
) -> PageSession:
    client = Client(name=device)
    own, proven = await passed(call, challenge, code, recovery_code, client)
    return await open_page_session(own, proven, client)


async def passed(
    call: Call, challenge: str, code: str | None, recovery_code: str | None, client: Client
) -> tuple[Call, Proven]:
    """Who has proven both factors, with a call of his operator.

    Raises ``WrongCode``, ``TooManyTries``; nobody is logged in by it.
    """
    if (code is None) == (recovery_code is None):
        raise Invalid(field="code", issue="either code or recovery_code is needed")
    own = there(call, challenge, CHALLENGE_PREFIX)
    begun = await try_challenge(own, challenge, "second_factor") if own else None
    if own is None or begun is None or begun.person_id is None:
        raise WrongCode("This log-in took too long. Please begin again.", tries_left=0)
    offered, person_id = begun.data["methods"], begun.person_id
    if recovery_code is not None:
        method = "recovery_code"
        is_right = method in offered and await totp.take_recovery_code(
            own, person_id, recovery_code
        )
    else:
        method = "totp"
        enrols = "enrol_totp" in offered
        is_right = (enrols or method in offered) and await totp.take_code(
            own, person_id, str(code), confirms=enrols
        )
    counted = uncounted(own)  # what was typed in was counted where it was looked at
    if not is_right:
        device = rules.device_of(client.name)
        await attempts.note(own, person_id, counted, device, "second_factor_wrong")
        raise WrongCode(tries_left=begun.tries_left)
    if not await end_challenge(own, begun):
        raise WrongCode(tries_left=0)
    methods = [begun.data["first"], method]
    return own, Proven(person_id=person_id, methods=methods, counted=counted)


_LOOK = """
SELECT id, person_id, data, tries_left FROM identity.challenge
WHERE token_hash = $1 AND purpose = 'second_factor' AND expires_at > kernel.now()
  AND tries_left > 0
"""


async def enrol_at_log_in(call: Call, challenge: str) -> TotpSetup:
    own = there(call, challenge, CHALLENGE_PREFIX)
    row = await db.one("identity", own, _LOOK, crypto.digest_of(challenge)) if own else None
    if own is None or row is None or "enrol_totp" not in row["data"]["methods"]:
        raise WrongCode("This log-in took too long. Please begin again.", tries_left=0)
    try:
        return await totp.set_up(own, row["person_id"])
    except TotpThere:  # set up elsewhere in between
        raise WrongCode("This log-in took too long. Please begin again.", tries_left=0) from None
