"""Another e-mail address: the old one and the new one both have to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import rules
from fahrwerk.identity.actions import fresh
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.proofs import END_ALL, Used, Wanted, send
from fahrwerk.identity.contract import AlreadyRegistered
from fahrwerk.identity.contract.proofs import SentTooOften, WrongLink
from fahrwerk.identity.rules.proofs import PAUSE_S
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_OWN = "SELECT email FROM identity.person WHERE id = $1 AND status = 'active'"


async def ask_email_change(call: Call, email: str) -> None:
    person = await fresh.check(call)
    new = rules.email_of(email)
    row = await db.one("identity", call, _OWN, person)
    old = row["email"] if row else None
    if old is not None and old.lower() == new.lower():
        raise Invalid(field="email", issue="is your address already")
    pair = ids.new()
    wanted = [Wanted(person_id=person, purpose="email_new", channel="email", address=new,
                     pair_id=pair, new_address=new)]  # fmt: skip
    if old is not None:
        wanted.append(
            Wanted(person_id=person, purpose="email_old", channel="email", address=old,
                   pair_id=pair, new_address=new)
        )  # fmt: skip
    async with db.tx("identity", call) as tx:
        for each in wanted:
            if not await send(tx, call, each):
                raise SentTooOften(retry_after=PAUSE_S)


_PAIR = """
SELECT purpose, address, used_at FROM identity.proof
WHERE pair_id = $1 AND person_id = $2 ORDER BY purpose FOR UPDATE
"""
# The old address has to be that of the account still; a savepoint of its own, as the new one may
# have been taken by somebody else in between.
_CHANGE = """
UPDATE identity.person p SET email = $2, email_verified_at = $4, updated_at = $4
WHERE p.id = $1 AND p.status = 'active' AND p.email IS NOT DISTINCT FROM $3
  AND NOT EXISTS (SELECT FROM identity.person o WHERE lower(o.email) = lower($2) AND o.id <> $1)
RETURNING id
"""


async def agreed(tx: db.Tx, call: Call, used: Used) -> bool:
    """One of the two has agreed; True when both have by now, and the new address counts.

    Raises ``AlreadyRegistered`` when it has an account by now, ``WrongLink`` when the old address
    is not the account's any more.
    """
    pair = {row["purpose"]: row for row in await tx.run(_PAIR, used.pair_id, used.person_id)}
    if any(row["used_at"] is None for row in pair.values()):
        return False
    new = pair["email_new"]["address"]
    old = pair["email_old"]["address"] if "email_old" in pair else None
    try:
        changed = await tx.run(_CHANGE, used.person_id, new, old, clock.now())
    except Exception as error:
        if getattr(error, "sqlstate", None) == "23505":  # unique_violation
            raise AlreadyRegistered from None
        raise
    if not changed:
        taken = "SELECT FROM identity.person WHERE lower(email) = lower($1) AND id <> $2"
        if await tx.run(taken, new, used.person_id):
            raise AlreadyRegistered
        raise WrongLink
    await tx.run(END_ALL, used.person_id)
    await tell(tx, call, used.person_id, "email_changed")
    return True
