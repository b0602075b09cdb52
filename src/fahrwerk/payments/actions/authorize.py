"""Authorise a payment with a method of its rider; pay what remained due; finish a challenge."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.payments import gateways, rules
from fahrwerk.payments.actions._case import as_payment, load, signal_of
from fahrwerk.payments.actions._work import begin, confirm, drive, resolve
from fahrwerk.payments.contract import (
    AuthenticationRequired,
    Payment,
    PaymentClosed,
    PaymentDeclined,
    PaymentUnknown,
    UnknownMethod,
)

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

MOST_TURNS = 12
RETRY_AFTER_S = 2
LOOK_EVERY_S = 0.5

_METHOD = """
SELECT m.id, m.label, m.gateway, m.gateway_ref FROM payments.payment p
JOIN payments.method m ON m.tenant_id = p.tenant_id AND m.rider_id = p.rider_id
WHERE p.tenant_id = kernel.tenant() AND p.id = $1 AND m.removed_at IS NULL
  AND (m.id = $2 OR ($2 IS NULL AND m.is_default))
"""


class _Method(NamedTuple):
    id: UUID
    label: str
    gateway: str
    gateway_ref: str


async def authorize(call: Call, payment_id: UUID, method_id: UUID | None) -> Payment:
    """See the contract."""
    case = await own_case(call, payment_id)
    if case.state in ("authorized", "completed"):
        return as_payment(case)
    if case.state == "due":
        raise PaymentClosed
    return as_payment(await _authorised(call, case, method_id))


async def _authorised(call: Call, case: Case, method_id: UUID | None) -> Case:
    """Bring the case to where the rider gets an answer: authorised, or why not."""
    if rules.is_off(case) or case.state == "refunded":
        raise PaymentClosed
    method = await _method(call, case.id, method_id)
    for _ in range(MOST_TURNS):
        if case.is_leased:
            case = await _until_free(call, case)
            if case.state not in ("created", "due"):
                return answered(case)  # somebody else's try with this payment came to an end
        moved = await _one_step(call, case, method)
        if moved is None:
            case = await own_case(call, case.id)  # somebody else wrote: decide anew
            continue
        case = moved
        if not _is_replaced(case, method):
            return answered(case)
    raise PaymentUnknown(retry_after=RETRY_AFTER_S)


async def _one_step(call: Call, case: Case, method: _Method) -> Case | None:
    if case.is_leased:
        raise PaymentUnknown(retry_after=RETRY_AFTER_S)
    case = rules.changed(
        case,
        method_id=method.id,
        method_label=method.label,
        gateway=method.gateway,
        method_ref=method.gateway_ref,
    )
    match rules.step_to_authorise(case, method.gateway_ref):
        case rules.Begin(attempt):
            return await begin(call, case, attempt)
        case rules.Resolve(attempt):
            return await resolve(call, case, attempt)
        case _:  # a challenge that cannot be dropped yet
            raise PaymentUnknown(retry_after=RETRY_AFTER_S)


def _is_replaced(case: Case, method: _Method) -> bool:
    """True when the step only dropped another card's challenge, and this card's turn is next."""
    last = max(case.attempts, key=lambda a: (-a.age_s, -a.idle_s))
    return last.kind == "void" and last.state == "succeeded" and not rules.is_off(case)


def answered(case: Case) -> Case:
    """The case when it is paid or authorised; else the error that says why it is not."""
    if rules.open_attempt(case) is not None or case.state == "unknown":
        raise PaymentUnknown(retry_after=RETRY_AFTER_S)
    if case.next_action is not None:
        raise AuthenticationRequired(next_action=case.next_action)
    if case.state == "action_required":
        raise AuthenticationRequired(reason=case.reason or "authentication_failed")
    if case.state in ("failed", "due"):
        raise PaymentDeclined(reason=case.reason or "declined")
    if case.state in ("voided", "refunded") or case.is_unwanted:
        raise PaymentClosed
    return case
