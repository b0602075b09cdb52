"""Pages of the sandbox where a tester pays or declines: the far side of a hosted checkout.

Like ``_sandbox_server`` this stands for a remote server: it commits, then tells by a webhook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import msgspec

from fahrwerk.kernel import db, settings
from fahrwerk.payments.gateways import Outcome
from fahrwerk.payments.gateways import _sandbox_server as server
from fahrwerk.payments.gateways import _sandbox_webhooks as webhooks
from fahrwerk.payments.gateways._sandbox_tokens import CARDS
from fahrwerk.payments.gateways._sandbox_webhooks import short

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Authorisation
    from fahrwerk.payments.gateways._offers import Page

_OPEN = """
WITH operation AS (
    INSERT INTO payments.sandbox_operation (key, kind, intent, ref, amount, outcome)
    VALUES ($1, 'authorize', $2, $2, $3, 'action_required')
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key
), intent AS (
    INSERT INTO payments.sandbox_intent (ref, key, method_ref, amount, currency, state, metadata)
    SELECT $2, $1, '', $3, $4, 'requires_action', $5 FROM operation
    RETURNING ref
)
INSERT INTO payments.sandbox_page (intent, success_url, cancel_url, expires_at)
SELECT ref, $6, $7, $8 FROM intent
"""


async def open_page(call: Call, wanted: Authorisation, page: Page) -> Outcome:
    """Make a page, once per key."""
    intent = f"pi_{short(call, wanted.key)}"
    await db.run(
        "payments", call, _OPEN, wanted.key, intent, wanted.amount_minor, wanted.currency,
        wanted.metadata, page.success_url, page.cancel_url, page.expires_at,
    )  # fmt: skip
    seen = await server.look(call, wanted.key)
    return await shown(call, seen.outcome) if seen else Outcome(kind="unknown")


class Shown(NamedTuple):
    """What a page shows."""

    key: str
    amount_minor: int
    currency: str
    state: str
    """requires_action: to be paid; requires_capture or succeeded: paid; canceled: closed."""
    success_url: str
    cancel_url: str
    expires_at: datetime
    is_over: bool
    customer: str


_LOOK = """
SELECT i.key, i.amount, i.currency, i.state, p.success_url, p.cancel_url, p.expires_at,
       p.expires_at <= kernel.now() AS is_over, coalesce(i.metadata->>'user_id', '') AS customer
FROM payments.sandbox_page p
JOIN payments.sandbox_intent i ON i.tenant_id = p.tenant_id AND i.ref = p.intent
WHERE p.tenant_id = kernel.tenant() AND p.intent = $1
"""


async def look(call: Call, intent: str) -> Shown | None:
    """A page; None when there is none."""
    row = await db.one("payments", call, _LOOK, intent)
    return None if row is None else Shown(*row)


async def shown(call: Call, outcome: Outcome) -> Outcome:
    """An outcome that waits for the rider at a page, with that page's address."""
    if outcome.kind != "action_required" or outcome.ref is None:
        return outcome
    page = await look(call, outcome.ref)
    if page is None:
        return outcome
    url = f"{settings.load().address}/sandbox/checkout/{call.tenant}/{outcome.ref}"
    action = {"type": "redirect", "gateway": "sandbox", "url": url}
    return msgspec.structs.replace(outcome, next_action=action)


_PAY = """
WITH paid AS (
    UPDATE payments.sandbox_intent i SET state = 'requires_capture', method_ref = $2
    FROM payments.sandbox_page p
    WHERE i.tenant_id = kernel.tenant() AND i.ref = $1 AND i.state = 'requires_action'
      AND p.tenant_id = i.tenant_id AND p.intent = i.ref AND p.expires_at > kernel.now()
    RETURNING i.key
)
UPDATE payments.sandbox_operation o SET outcome = 'done', settled_at = kernel.now() FROM paid
WHERE o.tenant_id = kernel.tenant() AND o.key = paid.key RETURNING o.key
"""


async def pay(call: Call, intent: str, token: str) -> str | None:
    """The tester pays with a test card; why not, or None. After a refused card comes another."""
    page = await look(call, intent)
    card = CARDS.get(token)
    if page is None or card is None:
        return "unknown_card"
    fault = card.faults.get("authorize")
    if fault is not None and fault.kind == "declined":
        return fault.code or "card_declined"
    customer = UUID(page.customer) if page.customer else UUID(int=0)
    method = await server.store_method(call, f"page-{intent}-{token}", token, customer)
    if not await db.run("payments", call, _PAY, intent, method):
        return None if page.state in ("requires_capture", "succeeded") else "expired"
    await webhooks.announce(call, "checkout.completed", page.key, 0.0)
    return None
