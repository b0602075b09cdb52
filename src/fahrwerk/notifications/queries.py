"""Reads of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.notifications.contract import Mail, Notice, UnknownMail

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_MAIL = """
SELECT id, tenant_id AS tenant, template, sender, recipient, subject, text, html, language,
       message_id, sent_at
FROM notifications.mail
"""
# Row-level security lets a call without an operator see all of them. A call with one says so again:
# of two policies joined by OR the planner makes no use of an index.
_MAILS = f"{_MAIL} ORDER BY sent_at DESC, id DESC LIMIT $1"
_OWN_MAILS = f"{_MAIL} WHERE tenant_id = kernel.tenant() ORDER BY sent_at DESC, id DESC LIMIT $1"


async def mails(call: Call, limit: int) -> list[Mail]:
    """See the contract."""
    sql = _MAILS if call.tenant is None else _OWN_MAILS
    return [Mail(**row) for row in await db.run("notifications", call, sql, limit)]


_ONE_MAIL = f"{_MAIL} WHERE id = $1"


async def mail(call: Call, mail_id: UUID) -> Mail:
    """See the contract."""
    row = await db.one("notifications", call, _ONE_MAIL, mail_id)
    if row is None:
        raise UnknownMail
    return Mail(**row)


_IN_DIGEST = """
SELECT alert_id FROM notifications.alert_news
WHERE tenant_id = kernel.tenant() AND digest_id = $1 ORDER BY heard_at, alert_id LIMIT $2
"""


async def alerts_in_digest(call: Call, digest_id: UUID, most: int) -> list[UUID]:
    """Which alerts a digest is about, those that have not been told again since."""
    rows = await db.run("notifications", call, _IN_DIGEST, digest_id, most)
    return [row["alert_id"] for row in rows]


_NOTICES = """
SELECT id, user_id, template, channel, reference, state, attempts, reason, created_at, due_at,
       sent_at
FROM notifications.notice WHERE tenant_id = kernel.tenant() AND reference = $1
ORDER BY created_at, id
"""


async def notices(call: Call, reference: UUID) -> list[Notice]:
    """See the contract."""
    return [Notice(**row) for row in await db.run("notifications", call, _NOTICES, reference)]
