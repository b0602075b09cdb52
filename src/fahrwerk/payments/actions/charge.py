"""Charge a stored method: one authorisation, captured whole as soon as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Unavailable
from fahrwerk.payments import gateways, rules
from fahrwerk.payments.actions._case import as_payment
from fahrwerk.payments.actions._work import begin, drive
from fahrwerk.payments.actions.authorize import own_case
from fahrwerk.payments.actions.open_payment import open_payment
from fahrwerk.payments.contract import UnknownMethod

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import Payment
    from fahrwerk.payments.contract.charges import Charge
    from fahrwerk.payments.rules import Case

_METHOD = """
SELECT id, label, gateway, gateway_ref FROM payments.method
WHERE tenant_id = kernel.tenant() AND rider_id = $1 AND removed_at IS NULL
  AND (id = $2 OR ($2::uuid IS NULL AND is_default))
"""
# All that is authorised is wanted: from here on the worker sees it through as after a ride.
_WANT = """
WITH wanted AS (
    UPDATE payments.payment SET due_minor = authorized_minor, turn = turn + 1
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
    if case.state == "created" and not case.attempts and not rules.is_off(case):
        await _authorise(call, case, wanted)
    seen: Case | None = None
    for _ in range(2):  # first to find out whether it is authorised, then to capture it
        is_new = await db.run("payments", call, _WANT, wanted.payment_id)
        if not is_new and seen is not None:
            break
        seen = await drive(call, wanted.payment_id)
    return as_payment(seen or await own_case(call, wanted.payment_id))


async def _authorise(call: Call, case: Case, wanted: Charge) -> None:
    rows = await db.run("payments", call, _METHOD, wanted.rider_id, wanted.method_id)
    if not rows:
        raise UnknownMethod
    method = rows[0]
    try:
        gateways.check_open(method["gateway"])
    except Unavailable:
        return  # not to be asked now; whoever repeats the charge looks again
    case = rules.changed(
        case, method_id=method["id"], method_label=method["label"], gateway=method["gateway"],
        method_ref=method["gateway_ref"],
    )  # fmt: skip
    attempt = rules.new_attempt(
        case, "authorize", "hold", case.amount_minor, method_ref=method["gateway_ref"],
        is_off_session=wanted.is_off_session,
    )  # fmt: skip
    await begin(call, case, attempt)  # None: somebody else is at the same charge
