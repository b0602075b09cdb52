"""The sandbox's post room: accounts with their secrets, and webhooks to be sent.

Part of the far side of the wire, like ``_sandbox_server``.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import Call, system

if TYPE_CHECKING:
    from uuid import UUID


def short(call: Call, *parts: object) -> str:
    """The part of an id that follows its prefix: the same for the same parts."""
    return ids.derived(call.tenant, *parts).hex[:24]


_ACCOUNT = """
INSERT INTO payments.sandbox_account (webhook_secret) VALUES ($1)
ON CONFLICT (tenant_id) DO UPDATE SET webhook_secret = sandbox_account.webhook_secret
RETURNING webhook_secret
"""
_SIGNED_WITH = """
SELECT webhook_secret FROM payments.sandbox_account WHERE tenant_id = kernel.tenant()
"""
_ANNOUNCE = """
INSERT INTO payments.sandbox_event (id, kind, key, at, subject)
VALUES ($1, $2, $3, kernel.now() + make_interval(secs => $4), $5) ON CONFLICT DO NOTHING
"""
_DUE = """
SELECT tenant_id, id, kind, key, at, subject FROM payments.sandbox_event
WHERE delivered_at IS NULL AND at <= kernel.now() ORDER BY at LIMIT $1
"""
_DELIVERED = """
UPDATE payments.sandbox_event SET delivered_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND id = $1
"""


class Webhook(NamedTuple):
    """One to be sent: the body, and headers with its signature."""

    account: UUID
    event_id: str
    body: bytes
    headers: dict[str, str]


async def open_account(call: Call) -> str:
    """What this account's webhooks are signed with; the account is made on first use."""
    rows = await db.run("payments", call, _ACCOUNT, crypto.new_secret())
    return str(rows[0]["webhook_secret"])


async def webhook_secret(call: Call) -> str | None:
    """The same for who verifies; None when there is no such account."""
    row = await db.one("payments", call, _SIGNED_WITH)
    return None if row is None else str(row["webhook_secret"])


def signature(secret: str, at: int, body: bytes) -> str:
    """``t=<seconds>,v1=<HMAC-SHA256 of "seconds.body">``."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


async def announce(
    call: Call, kind: str, key: str, in_s: float, subject: str | None = None
) -> None:
    """Send a webhook in a while: the caller could not see this result at once."""
    event_id = f"evt_{short(call, kind, key, in_s, *([subject] if subject else []))}"
    await db.run("payments", call, _ANNOUNCE, event_id, kind, key, in_s, subject)


async def due_webhooks(limit: int) -> list[Webhook]:
    """What is to be sent now, of all accounts; at least once each, like everybody's webhooks."""
    found = []
    for row in await db.run("payments", system(None, "payments"), _DUE, limit):
        call = system(row["tenant_id"], "payments")
        body = webhook_body(row["tenant_id"], row["id"], row["kind"], row["key"], row["subject"])
        at = int(clock.now().timestamp())
        headers = {"sandbox-signature": signature(await open_account(call), at, body)}
        found.append(Webhook(row["tenant_id"], row["id"], body, headers))
    return found


def webhook_body(
    account: UUID | None, event_id: str, kind: str, key: str, dispute: str | None = None
) -> bytes:
    """What a webhook says: never the result itself, only where to look."""
    data = {"key": key} if dispute is None else {"key": key, "dispute": dispute}
    return msgspec.json.encode(
        {"id": event_id, "type": kind, "account": str(account), "data": data}
    )


async def delivered(account: UUID, event_id: str) -> None:
    """The receiver answered 200."""
    await db.run("payments", system(account, "payments"), _DELIVERED, event_id)
