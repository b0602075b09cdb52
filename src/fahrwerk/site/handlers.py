"""What the site does when others have news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity.events import PersonErased
from fahrwerk.kernel.events import on

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.kernel.events import Fact

_FORGET = """
UPDATE site.consent SET person_id = NULL WHERE tenant_id = kernel.tenant() AND person_id = $1
"""
_FORGET_VIEWS = """
DELETE FROM site.saved_view WHERE tenant_id = kernel.tenant() AND owner_id = $1
"""


@on(PersonErased)
async def on_person_erased(tx: Tx, call: Call, event: PersonErased, fact: Fact) -> None:
    """What a browser's owner chose about cookies stays proven; whose browser it was does not.
    Views go with who kept them."""
    await tx.run(_FORGET, event.user_id)
    await tx.run(_FORGET_VIEWS, event.user_id)
