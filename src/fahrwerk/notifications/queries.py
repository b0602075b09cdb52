"""Reads of notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.privacy import Holdings, Rule, Section, Text
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


_PURPOSE = Text("To tell you what happens", "Um Ihnen zu sagen, was geschieht")
_OLD = """WITH gone AS (
    DELETE FROM notifications.{table} WHERE tenant_id = kernel.tenant() AND id IN (
        SELECT id FROM notifications.{table} WHERE tenant_id = kernel.tenant() AND {old} LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

PERSONAL = Holdings(
    sections=(
        Section(
            name="notices",
            title=Text("Messages to you", "Nachrichten an Sie"),
            purpose=_PURPOSE,
            basis="contract",
            kept=Text("180 days", "180 Tage"),
            fate="deleted",
            recipients=Text(
                "The operator's mail and SMS providers", "Die Mail- und SMS-Anbieter des Betreibers"
            ),
            sql="""SELECT template AS about, channel, state, created_at, sent_at
            FROM notifications.notice WHERE tenant_id = kernel.tenant() AND user_id = $1
            ORDER BY created_at, id""",
        ),
        Section(
            name="mails",
            title=Text("Letters that were kept", "Aufbewahrte Briefe"),
            purpose=Text("To try the platform out", "Um die Plattform auszuprobieren"),
            basis="contract",
            kept=Text("30 days", "30 Tage"),
            fate="deleted",
            sql="""SELECT sent_at, recipient, subject, text FROM notifications.mail
            WHERE tenant_id = kernel.tenant() AND user_id = $1 ORDER BY sent_at, id""",
        ),
    ),
    rules=(
        Rule(
            name="notices",
            title=Text("Messages to people", "Nachrichten an Personen"),
            days=180,
            sql=(_OLD.format(table="notice", old="state <> 'due' AND created_at < $1"),),
        ),
        Rule(
            name="mails",
            title=Text("Letters that were kept", "Aufbewahrte Briefe"),
            days=30,
            sql=(_OLD.format(table="mail", old="sent_at < $1"),),
        ),
    ),
)
"""What notifications holds about people (``kernel.privacy``)."""
