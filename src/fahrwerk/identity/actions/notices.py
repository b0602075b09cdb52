"""Telling people what happened to their account: a fact in the same transaction as the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.events import SecurityNoticed
from fahrwerk.kernel import events, ids

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel import db
    from fahrwerk.kernel.call import Call


async def tell(tx: db.Tx, call: Call, person_id: UUID, what: str) -> None:
    """Have the owner told; ``what`` as in ``SecurityNoticed``."""
    notice = ids.new()
    fact = SecurityNoticed(person_id, notice, what)
    await events.emit(tx, call, f"security:{notice}", 1, fact)
