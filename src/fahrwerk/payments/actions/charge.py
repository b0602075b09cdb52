"""Charge a stored method: one authorisation, captured whole as soon as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unavailable
from fahrwerk.payments import gateways, rules
from fahrwerk.payments.actions._case import as_payment, own_case, save
from fahrwerk.payments.actions._work import begin, drive, resolve
from fahrwerk.payments.actions.authorize import Way
from fahrwerk.payments.actions.open_payment import open_payment
from fahrwerk.payments.actions.risk import is_blocked
from fahrwerk.payments.contract import UnknownMethod
from fahrwerk.payments.gateways import _offers
from fahrwerk.payments.rules.risk import BLOCKED

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from fahrwerk.payments.contract.charges import Charge
    from fahrwerk.payments.rules import Case

PATIENCE_S = 10.0
"""A page is asked about no more often."""
_METHODS = """
SELECT id, label, gateway, gateway_ref, is_default FROM payments.method
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
  AND (id = $2 OR $2::uuid IS NULL)
ORDER BY is_default DESC, created_at DESC, id
"""
# All that is authorised is wanted: from here on the worker sees it through as after a ride.
_WANT = """
WITH wanted AS (
    UPDATE payments.payment SET due_minor = authorized_minor, is_prepaid = true, turn = turn + 1
    WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'authorized' AND due_minor IS NULL
      AND NOT is_unwanted
    RETURNING id
)
INSERT INTO payments.work (kind, subject, at) SELECT 'payment', id, kernel.now() FROM wanted
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
RETURNING subject
"""


async def charge(call: Call, wanted: Charge) -> Payment:
    """See the contract."""
    await open_payment(
        call, wanted.payment_id, wanted.reference, wanted.rider_id, wanted.amount_minor,
        wanted.currency,
    )  # fmt: skip
    case = await own_case(call, wanted.payment_id)
    is_untried = all(a.state == "failed" for a in case.attempts) and case.due_minor is None
    if case.state in ("created", "unknown") and is_untried and not rules.is_off(case):
        await _authorise(call, case, wanted)
    # Nobody may have told us that a page was paid: who comes by after a while asks.
    waits = [a for a in case.attempts if a.state == "action_required" and a.idle_s > PATIENCE_S]
    if waits and waits[-1].method_ref == _offers.PAGE and not case.is_leased:
        await resolve(call, case, waits[-1])
    seen: Case | None = None
    for _ in range(2):  # first to find out whether it is authorised, then to capture it
        is_new = await db.run("payments", call, _WANT, wanted.payment_id)
        if not is_new and seen is not None:
            break
        seen = await drive(call, wanted.payment_id)
    return as_payment(seen or await own_case(call, wanted.payment_id))


async def _authorise(call: Call, case: Case, wanted: Charge) -> None:
    """Ask one gateway; the next one only when the one before provably did not take it (PAY-02)."""
    now: Case | None = case
    tried = {a.gateway for a in case.attempts}
    ways = [way for way in await _ways(call, wanted) if way.gateway not in tried]
    while now is not None and ways:
        way = ways[0]
        if way.id is not None and await is_blocked(call, now, way.id):
            await save(call, now, *rules.hold_failed(now, BLOCKED))
            return
        try:
            gateways.check_open(way.gateway)
        except Unavailable:
            return  # not to be asked now; whoever repeats the charge looks again
        now = rules.changed(
            now, method_id=way.id, method_label=way.label, gateway=way.gateway,
            method_ref=way.gateway_ref,
        )  # fmt: skip
        attempt = rules.new_attempt(
            now, "authorize", "hold", now.amount_minor, method_ref=way.gateway_ref,
            is_off_session=wanted.is_off_session,
        )  # fmt: skip
        now = await begin(call, now, attempt)  # None: somebody else is at the same charge
        ways = [each for each in ways if each.gateway != way.gateway]
        if now is None or not ways or not rules.is_untaken(rules.find(now, attempt.key)):
            return
        now = await save(call, now, rules.abandoned(now, rules.find(now, attempt.key)))


async def _ways(call: Call, wanted: Charge) -> list[Way]:
    """What to pay with, in order: a page of a gateway, the method named, or all stored ones."""
    if wanted.return_path is not None:
        await db.run("payments", call, _TO_PAGE, wanted.payment_id, wanted.return_path)
        names = await pages(call)
        return [Way(None, "Checkout", name, _offers.PAGE, False) for name in names]
    rows = await db.run("payments", call, _METHODS, wanted.rider_id, wanted.method_id)
    if not rows or not (rows[0]["is_default"] or wanted.method_id):
        raise UnknownMethod
    return [Way(*row) for row in rows]


_TO_PAGE = """
UPDATE payments.payment SET return_path = $2, page_until = kernel.now() + interval '1 hour'
WHERE tenant_id = kernel.tenant() AND id = $1 AND return_path IS NULL
"""
_WITH_CARDS = """
SELECT gateway FROM payments.gateway_account
WHERE tenant_id = kernel.tenant() AND NOT is_disabled AND 'card' = ANY(kinds)
ORDER BY rank, gateway
"""


async def pages(call: Call) -> list[str]:
    """Gateways of this operator with pages to pay at, by rank. Raises ``NoGateway``."""
    rows = await db.run("payments", call, _WITH_CARDS)
    names = [
        row["gateway"] for row in rows
        if isinstance(gateways.find(row["gateway"]), _offers.WithPages)
    ]  # fmt: skip
    if not names and not rows:
        gateways.check_open(gateways.SANDBOX)
        return [gateways.SANDBOX]
    if not names:
        raise gateways.NoGateway
    return names
