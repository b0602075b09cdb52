"""What a letter has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.contract.proofs import ProofLetter
from fahrwerk.identity.rules import proofs as rules
from fahrwerk.kernel import crypto, db, settings
from fahrwerk.kernel.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_LETTER = """
SELECT purpose, channel, address, sealed FROM identity.proof
WHERE id = $1 AND ended_at IS NULL AND expires_at > kernel.now()
"""


async def proof_letter(call: Call, proof_id: UUID) -> ProofLetter | None:
    if call.user is not None:
        raise Forbidden  # a secret of somebody: for the letter alone
    row = await db.one("identity", call, _LETTER, proof_id)
    if row is None:
        return None
    told = msgspec.json.decode(crypto.unseal("identity.proof", row["sealed"]))
    return ProofLetter(
        purpose=row["purpose"],
        channel=row["channel"],
        address=row["address"],
        link=rules.link(settings.load().address, row["purpose"], told["token"]),
        code=told["code"],
        minutes=rules.TERMS[row["purpose"]].minutes,
        new_address=told["new_address"],
    )
