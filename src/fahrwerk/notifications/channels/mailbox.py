"""Keeps letters instead of sending them: the default where no SMTP server is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.notifications.channels import Letter

KEPT = 500
"""Letters kept per operator; older ones make room."""

_KEEP = f"""
WITH kept AS (
    INSERT INTO notifications.mail (id, user_id, template, sender, recipient, subject, text, html,
                                    language, message_id, sent_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, id) DO NOTHING
    RETURNING id
)
DELETE FROM notifications.mail WHERE EXISTS (SELECT 1 FROM kept) AND (tenant_id, id) IN (
    SELECT tenant_id, id FROM notifications.mail WHERE tenant_id = kernel.tenant()
    ORDER BY sent_at DESC, id DESC OFFSET {KEPT - 1}
)
"""


async def send(call: Call, letter: Letter) -> None:
    """Put the letter into the operator's mailbox; a second time changes nothing."""
    await db.run(
        "notifications", call, _KEEP,
        letter.notice_id, letter.user_id, letter.template, letter.sender, letter.recipient,
        letter.subject, letter.text, letter.html, letter.language, letter.message_id, letter.at,
    )  # fmt: skip
