"""Reading public alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.feeds.contract.alerts import AlertPage, PublicAlert
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call

MOST_CURRENT = 100
COLUMNS = "id, kind, summary, description, url, starts_at, ends_at, updated_at, created_by"
"""A ``PublicAlert``, by name."""

_PAGE = f"""
SELECT {COLUMNS} FROM feeds.alert WHERE tenant_id = kernel.tenant()
ORDER BY starts_at DESC, id LIMIT $1 OFFSET $2
"""
_COUNT = "SELECT count(*) AS n FROM feeds.alert WHERE tenant_id = kernel.tenant()"


async def public_alerts(call: Call, limit: int, offset: int) -> AlertPage:
    call.require("feeds.alert.read")
    rows = await db.run("feeds", call, _PAGE, limit, offset)
    [count] = await db.run("feeds", call, _COUNT)
    return AlertPage([PublicAlert(**row) for row in rows], count["n"])


_CURRENT = f"""
SELECT {COLUMNS} FROM feeds.alert
WHERE tenant_id = kernel.tenant() AND (ends_at IS NULL OR ends_at > $1)
ORDER BY starts_at, id LIMIT {MOST_CURRENT}
"""


async def current_alerts(call: Call, now: datetime) -> list[PublicAlert]:
    """Alerts that are not over."""
    return [PublicAlert(**row) for row in await db.run("feeds", call, _CURRENT, now)]
