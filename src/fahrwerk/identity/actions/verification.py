"""People prove that an address of theirs is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.actions import fresh
from fahrwerk.identity.actions.email_change import agreed
from fahrwerk.identity.actions.proofs import PREFIX, Wanted, proven, send, try_code, use
from fahrwerk.identity.actions.second_factor import there
from fahrwerk.identity.contract.proofs import SentTooOften, Verified, WrongLink
from fahrwerk.identity.rules import proofs as rules
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

CHANNELS = {"email": "verify_email", "phone": "verify_phone"}

_ADDRESSES = "SELECT email, phone FROM identity.person WHERE id = $1 AND status = 'active'"


async def ask_verification(call: Call, channel: str) -> None:
    person, _ = fresh.own_session(call)
    row = await db.one("identity", call, _ADDRESSES, person)
    address = row[channel] if row and channel in CHANNELS else None
    if address is None:
        raise Invalid(field="channel", issue="your account has no such address")
    wanted = Wanted(
        person_id=person,
        purpose=CHANNELS[channel],
        channel="email" if channel == "email" else "sms",
        address=address,
    )
    async with db.tx("identity", call) as tx:
        if not await send(tx, call, wanted):
            raise SentTooOften(retry_after=rules.PAUSE_S)


async def verify(call: Call, token: str) -> Verified:
    own = there(call, token, PREFIX)
    if own is None:
        raise WrongLink
    async with db.tx("identity", own) as tx:
        used = await use(tx, token, "verify_email", "verify_phone", "email_old", "email_new")
        if used.pair_id is not None:
            return Verified("email_change", await agreed(tx, own, used))
        if not await proven(tx, own, used):
            raise WrongLink
    return Verified("email" if used.channel == "email" else "phone", is_done=True)


async def verify_code(call: Call, channel: str, code: str) -> Verified:
    person, _ = fresh.own_session(call)
    if channel not in CHANNELS:
        raise Invalid(field="channel", issue="email or phone")
    used = await try_code(call, person, CHANNELS[channel], code)
    async with db.tx("identity", call) as tx:
        if not await proven(tx, call, used):
            raise WrongLink
    return Verified(channel, is_done=True)
