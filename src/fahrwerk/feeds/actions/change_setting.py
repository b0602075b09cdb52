"""An operator changes what it publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.feeds import rules
from fahrwerk.feeds.contract import Setting, SettingChange
from fahrwerk.feeds.events import FeedsChanged
from fahrwerk.feeds.queries.settings import changed
from fahrwerk.kernel import db, events

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_MAKE = "INSERT INTO feeds.setting DEFAULT VALUES ON CONFLICT DO NOTHING"
_LOCK = """
SELECT is_public, contact_email, license_url, has_draft, micromobility_id, car_share_id, mds_days
FROM feeds.setting WHERE tenant_id = kernel.tenant() FOR UPDATE
"""
_CHANGE = """
UPDATE feeds.setting SET is_public = $1, contact_email = $2, license_url = $3, has_draft = $4,
       micromobility_id = $5, car_share_id = $6, mds_days = $7, version = version + 1,
       updated_at = kernel.now()
WHERE tenant_id = kernel.tenant() RETURNING version
"""


async def change_setting(call: Call, change: SettingChange) -> Setting:
    """See the contract."""
    call.require("feeds.setting.write")
    wished = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not msgspec.UNSET}
    async with db.tx("feeds", call) as tx:
        await tx.run(_MAKE)
        before = Setting(*(await tx.run(_LOCK))[0])
        after = msgspec.structs.replace(before, **wished)
        rules.check_setting(after)
        fields = [name for name, value in wished.items() if getattr(before, name) != value]
        if fields:
            row = await tx.run(_CHANGE, *msgspec.structs.astuple(after))
            fact = FeedsChanged(fields, after.is_public)
            await events.emit(tx, call, f"feeds:{call.tenant}", row[0]["version"], fact)
            tx.signal(changed(call.tenant))
    return after
