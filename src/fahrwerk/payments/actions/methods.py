"""Store and forget ways to pay. We keep the gateway's token and a masked label (PAY-24, PAY-27)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids, outside
from fahrwerk.kernel.errors import Conflict, Invalid, Unauthenticated
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.contract import (
    Method,
    MethodInUse,
    PaymentUnknown,
    UnknownMethod,
)
from fahrwerk.payments.gateways import _accounts, _offers

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Card, SetUp

MOST_METHODS = 20
PAGE_FOR = timedelta(hours=1)
"""A gateway's page to store a method at is good for."""
_TOKEN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{3,254}$")
# Standing by itself: tokens of gateways have runs of digits between letters.
_CARD_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:\d[ -]?){11,18}\d(?![A-Za-z0-9])")

_COUNT = """
SELECT count(*) FROM payments.method
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
"""


async def add_method(
    call: Call, gateway_token: str, make_default: bool, gateway: str | None = None,
    kind: str = "card",
) -> Method:  # fmt: skip
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    if _CARD_NUMBER.search(gateway_token):
        raise Invalid(
            field="gateway_token",
            issue="looks like a card number: send the token the gateway gave to the client",
        )
    if not _TOKEN.fullmatch(gateway_token):
        raise Invalid(field="gateway_token", issue="is not a token of a gateway")
    count = await db.one("payments", call, _COUNT, call.user)
    if count is not None and count[0] >= MOST_METHODS:
        raise Conflict("You have too many payment methods.", code="TOO_MANY_PAYMENT_METHODS")
    # The same token again is the same method: a repeat after a lost answer stores nothing twice.
    name = gateway or await _accounts.route(call, kind)
    method_id = ids.derived("method", call.tenant, call.user, name, gateway_token)
    card = await _set_up(call, name, str(method_id), gateway_token, call.user)
    return await _store(call, method_id, call.user, name, card, make_default)


async def begin_set_up(call: Call, kind: str, return_path: str | None = None) -> SetUp:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    name = await _accounts.route(call, kind)
    key = f"set-up-{call.user.hex}-{call.key or ids.new().hex}"[:200]
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            if return_path is None:
                return await gateways.find(name).begin_set_up(call, key, call.user, kind)
            page = _offers.page_to(return_path, clock.now() + PAGE_FOR)
            return await _offers.with_set_up_pages(name).set_up_page(
                call, key, call.user, kind, page
            )
    except (TimeoutError, outside.NotReached, outside.OutcomeUnknown):
        raise PaymentUnknown(retry_after=2) from None


async def _set_up(call: Call, name: str, key: str, token: str, rider_id: UUID) -> Card:
    gateways.check_open(name)
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            return await gateways.find(name).set_up(call, key, token, rider_id)
    except _accounts.NotSetUp:
        raise gateways.NoGateway from None
    except (TimeoutError, outside.NotReached, outside.OutcomeUnknown):
        raise PaymentUnknown(retry_after=2) from None


_TURN = """
SELECT pg_advisory_xact_lock(hashtextextended('method:' || kernel.tenant() || ':' || $1::text, 0))
"""
_CLEAR_DEFAULT = """
UPDATE payments.method SET is_default = false
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND id <> $2 AND is_default
"""
_STORE = """
INSERT INTO payments.method
    (id, rider_id, gateway, gateway_ref, kind, label, brand, last4, expires, is_default, created_at,
     country, fingerprint, bank, mandate_reference)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 OR NOT EXISTS (
    SELECT FROM payments.method WHERE tenant_id = kernel.tenant() AND rider_id = $2
    AND removed_at IS NULL AND is_default AND id <> $1), $11, $12, $13, $14, $15
ON CONFLICT (tenant_id, id) DO UPDATE
SET gateway_ref = excluded.gateway_ref, removed_at = NULL,
    is_default = excluded.is_default OR (method.is_default AND method.removed_at IS NULL)
RETURNING id, kind, label, brand, last4, expires, is_default, created_at, bank, mandate_reference
"""
_KEEP = """
DELETE FROM payments.work WHERE tenant_id = kernel.tenant() AND kind = 'method' AND subject = $1
"""


async def _store(
    call: Call, method_id: UUID, rider_id: UUID, gateway: str, card: Card, make_default: bool
) -> Method:
    label = f"{card.brand} ending in {card.last4}" if card.last4 else card.brand
    async with db.tx("payments", call) as tx:
        await tx.run(_TURN, str(rider_id))
        await tx.run(_KEEP, method_id)
        if make_default:
            await tx.run(_CLEAR_DEFAULT, rider_id, method_id)
        rows = await tx.run(
            _STORE, method_id, rider_id, gateway, card.ref, card.kind, label, card.brand,
            card.last4, card.expires, make_default, clock.now(), card.country, card.fingerprint,
            card.bank, card.mandate,
        )  # fmt: skip
    return db.shaped(Method, rows)[0]


_REMOVE = """
UPDATE payments.method m SET removed_at = kernel.now(), is_default = false
WHERE tenant_id = kernel.tenant() AND id = $1 AND rider_id = $2 AND removed_at IS NULL
  AND NOT EXISTS (
    SELECT FROM payments.payment p WHERE p.tenant_id = m.tenant_id AND p.rider_id = m.rider_id
    AND p.method_id = m.id AND p.state IN ('unknown', 'action_required', 'authorized',
                                                'processing'))
RETURNING id
"""
_EXISTS = """
SELECT id FROM payments.method
WHERE tenant_id = kernel.tenant() AND id = $1 AND rider_id = $2 AND removed_at IS NULL
"""
NEXT_DEFAULT = """
UPDATE payments.method SET is_default = true
WHERE tenant_id = kernel.tenant() AND id = (
    SELECT id FROM payments.method
    WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
    ORDER BY created_at DESC, id LIMIT 1)
  AND NOT EXISTS (
    SELECT FROM payments.method
    WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL AND is_default)
"""
_FORGET_SOON = """
INSERT INTO payments.work (kind, subject, at) VALUES ('method', $1, kernel.now())
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def remove_method(call: Call, method_id: UUID) -> None:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    async with db.tx("payments", call) as tx:
        await tx.run(_TURN, str(call.user))
        if not await tx.run(_REMOVE, method_id, call.user):
            if await tx.run(_EXISTS, method_id, call.user):
                raise MethodInUse
            raise UnknownMethod
        await tx.run(NEXT_DEFAULT, call.user)
        await tx.run(_FORGET_SOON, method_id)
        tx.signal(WORK)


_REMOVED = """
SELECT gateway, gateway_ref FROM payments.method
WHERE tenant_id = kernel.tenant() AND id = $1 AND removed_at IS NOT NULL
"""
_DELETE = """
WITH gone AS (
    DELETE FROM payments.method
    WHERE tenant_id = kernel.tenant() AND id = $1 AND removed_at IS NOT NULL
)
DELETE FROM payments.work WHERE tenant_id = kernel.tenant() AND kind = 'method' AND subject = $1
"""


async def forget_method(call: Call, method_id: UUID) -> None:
    """Have the gateway forget a removed method, then forget it ourselves (a worker's step)."""
    row = await db.one("payments", call, _REMOVED, method_id)
    if row is not None:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            await gateways.find(row["gateway"]).forget(call, row["gateway_ref"])
    await db.run("payments", call, _DELETE, method_id)
