"""Telling riders what is beside the ordinary, and that it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.feeds import rules
from fahrwerk.feeds.contract.alerts import NewAlert, PublicAlert, UnknownAlert
from fahrwerk.feeds.queries.alerts import COLUMNS
from fahrwerk.feeds.queries.settings import changed
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

LONGEST_AWAY = timedelta(days=366)

_PUBLISH = f"""
INSERT INTO feeds.alert (id, kind, summary, description, url, starts_at, ends_at, updated_at,
                         created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, id) DO UPDATE SET kind = alert.kind
RETURNING {COLUMNS}
"""


async def publish_alert(call: Call, wanted: NewAlert) -> PublicAlert:
    call.require("feeds.alert.write")
    now = clock.now()
    starts_at = wanted.starts_at or now
    if not now - LONGEST_AWAY < starts_at < now + LONGEST_AWAY:
        raise Invalid(field="starts_at", issue="must be within a year")
    if wanted.ends_at is not None and not (
        max(starts_at, now) < wanted.ends_at < starts_at + LONGEST_AWAY
    ):
        raise Invalid(field="ends_at", issue="must be after starts_at, to come, and within a year")
    if wanted.url is not None:
        rules.check_address(wanted.url, "url", is_dev=False)
    for field, words in (("summary", wanted.summary), ("description", wanted.description)):
        if words is not None and ("<" in words.de + words.en or ">" in words.de + words.en):
            raise Invalid(field=field, issue="must be plain text, without < and >")
    alert_id = ids.derived("public alert", call.tenant, call.key) if call.key else ids.new()
    description = None if wanted.description is None else msgspec.structs.asdict(wanted.description)
    [row] = await db.run(
        "feeds", call, _PUBLISH, alert_id, wanted.kind, msgspec.structs.asdict(wanted.summary),
        description, wanted.url, starts_at, wanted.ends_at, now, call.actor,
    )  # fmt: skip
    hub.signal(changed(call.tenant))
    return PublicAlert(**row)


# One that has not begun ends the moment it would begin: nobody ever reads it.
_END = f"""
UPDATE feeds.alert SET starts_at = least(starts_at, $2::timestamptz - interval '1 second'),
       ends_at = least(ends_at, $2),
       updated_at = CASE WHEN ends_at <= $2 THEN updated_at ELSE $2 END
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING {COLUMNS}
"""


async def end_alert(call: Call, alert_id: UUID) -> PublicAlert:
    call.require("feeds.alert.write")
    row = await db.one("feeds", call, _END, alert_id, clock.now())
    if row is None:
        raise UnknownAlert
    hub.signal(changed(call.tenant))
    return PublicAlert(**row)
