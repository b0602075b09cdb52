"""Authorise a payment with a method of its rider; pay what remained due; finish a challenge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import msgspec

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Conflict, NotFound
from fahrwerk.kernel.live import hub, rung
from fahrwerk.payments import gateways, rules
from fahrwerk.payments.actions._case import as_payment, own_case, save, signal_of
from fahrwerk.payments.actions._work import begin, confirm, drive, resolve
from fahrwerk.payments.actions.open_payment import open_payment
from fahrwerk.payments.actions.risk import is_blocked
from fahrwerk.payments.contract import (
    AuthenticationRequired,
    Payment,
    PaymentClosed,
    PaymentDeclined,
    PaymentUnknown,
    UnknownMethod,
)
from fahrwerk.payments.contract.gateways import NotDue
from fahrwerk.payments.rules.risk import BLOCKED

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Case

MOST_TURNS = 12
RETRY_AFTER_S = 2
LOOK_EVERY_S = 0.5
_DOWN = "The payment service is not answering. Please try again shortly, or pay in another way."


async def authorize(call: Call, payment_id: UUID, method_id: UUID | None) -> Payment:
    """See the contract."""
    case = await own_case(call, payment_id)
    if case.state in ("authorized", "processing", "completed"):
        return as_payment(case)
    if case.state == "due":
        raise PaymentClosed
    return as_payment(await _authorised(call, case, method_id))


_OF_RENTAL = """
SELECT id FROM payments.payment WHERE tenant_id = kernel.tenant() AND reference = $1
"""


async def pay(call: Call, reference: UUID, method_id: UUID | None) -> Payment:
    """See the contract."""
    row = await db.one("payments", call, _OF_RENTAL, reference)
    payment_id = row["id"] if row else await open_reserved(call, reference)
    return await pay_case(call, await own_case(call, payment_id), method_id)


async def pay_case(
    call: Call, case: Case, method_id: UUID | None, way: Way | None = None
) -> Payment:
    """What is owed now, with a stored method or another way."""
    if case.state in ("authorized", "processing", "completed", "refunded"):
        return as_payment(case)
    return await _collected(call, await _authorised(call, case, method_id, way))


_RESERVED = """
SELECT e.data, EXISTS (
    SELECT FROM kernel.event o WHERE o.tenant_id = kernel.tenant() AND o.stream = e.stream
    AND o.name IN ('rental.ended', 'rental.cancelled')) AS is_over,
    EXISTS (SELECT FROM payments.hold h WHERE h.tenant_id = kernel.tenant() AND h.reference = $1
            AND h.state = 'open') AS is_held
FROM kernel.event e
WHERE e.tenant_id = kernel.tenant() AND e.stream = 'rental:' || $1::uuid
  AND e.name = 'rental.reserved' LIMIT 1
"""


class _Reserved(msgspec.Struct, frozen=True):
    """What we need of ``rental.reserved``."""

    user_id: UUID
    payment_id: UUID
    hold_minor: int
    currency: str


async def open_reserved(call: Call, reference: UUID) -> UUID:
    """Open the payment of a booking that nobody has confirmed yet, as the log tells it; its id.

    Raises ``NotFound`` (no booking of the caller's), ``NotDue`` (it is over), ``Conflict`` (it is
    secured by prepaid money).
    """
    row = await db.one("payments", call, _RESERVED, reference)
    told = None if row is None else msgspec.convert(row["data"], _Reserved)
    if row is None or told is None or call.user not in (None, told.user_id):
        raise NotFound
    if row["is_over"]:
        raise NotDue(missing_minor=0)
    if row["is_held"]:
        raise Conflict("This booking is paid from the balance.", code="PAYMENT_EXISTS")
    await open_payment(
        call, told.payment_id, reference, told.user_id, told.hold_minor, told.currency
    )
    return told.payment_id


async def complete_authentication(call: Call, payment_id: UUID) -> Payment:
    """See the contract."""
    case = await own_case(call, payment_id)
    for _ in range(MOST_TURNS):
        if case.is_leased:
            case = await _until_free(call, case)
        if rules.is_off(case):
            return as_payment(case)
        asked = rules.open_attempt(case)
        if asked is not None and asked.kind == "authorize":
            # We once told the gateway and did not hear what became of it: ask, then go on.
            moved = await resolve(call, case, asked)
            if moved is not None and rules.open_attempt(moved) is not None:
                raise PaymentUnknown(retry_after=RETRY_AFTER_S)
            case = moved or await own_case(call, payment_id)
            continue
        waiting = [a for a in case.attempts if a.state == "action_required"]
        if not waiting:
            return as_payment(case)
        moved = await confirm(call, case, waiting[-1])
        if moved is not None:
            return await _collected(call, _answered(moved, waiting[-1].key))
        case = await own_case(call, payment_id)
    raise PaymentUnknown(retry_after=RETRY_AFTER_S)


async def _collected(call: Call, case: Case) -> Payment:
    """A payment that was due is captured right away; others wait for the end of the ride."""
    if case.state != "due":
        return as_payment(case)
    done = await drive(call, case.id)
    if done is None or done.is_leased or rules.open_attempt(done) is not None:
        raise PaymentUnknown(retry_after=RETRY_AFTER_S)
    if done.state == "due":
        raise PaymentDeclined(reason=done.reason or "declined")
    return as_payment(done)


_METHODS = """
SELECT m.id, m.label, m.gateway, m.gateway_ref, m.is_default FROM payments.payment p
JOIN payments.method m ON m.tenant_id = p.tenant_id AND m.rider_id = p.rider_id
WHERE p.tenant_id = kernel.tenant() AND p.id = $1 AND m.removed_at IS NULL
  AND (m.id = $2 OR $2::uuid IS NULL)
ORDER BY m.is_default DESC, m.created_at DESC, m.id
"""


class Way(NamedTuple):
    """A way to pay: a stored method, or the rider's prepaid money (then without an id)."""

    id: UUID | None
    label: str
    gateway: str
    gateway_ref: str
    is_default: bool


async def _authorised(
    call: Call, case: Case, method_id: UUID | None, way: Way | None = None
) -> Case:
    """Bring the case to where the rider gets an answer: authorised, or the error why not.

    A rider who named no method may have others at other gateways: they are asked in turn when the
    one before provably did not take the payment. One who did not answer is never left (PAY-02).
    """
    if rules.is_off(case) or case.state == "refunded":
        raise PaymentClosed
    rows = [] if way else await db.run("payments", call, _METHODS, case.id, method_id)
    methods = [way] if way else [Way(*row) for row in rows]
    if not methods or not (methods[0].is_default or method_id):
        raise UnknownMethod
    method = methods[0]
    # What is owed already may be paid by whoever wants to.
    if method.id and case.due_minor is None and await is_blocked(call, case, method.id):
        raise PaymentDeclined(reason=BLOCKED)
    gateways.check_open(method.gateway)
    tried = {method.gateway}
    for _ in range(MOST_TURNS):
        if case.is_leased:
            # Somebody is making the same payment: their answer is ours as well (I1).
            case = await _until_free(call, case)
            sent = [a for a in case.attempts if a.kind == "authorize"]
            if sent and sent[-1].state not in ("sent", "unknown"):
                return _answered(case, sent[-1].key)
        if rules.is_off(case):
            raise PaymentClosed
        moved, key = await _one_step(call, case, method)
        if moved is not None and key is not None:
            other = next((m for m in methods if m.gateway not in tried), None)
            if other is None or not rules.is_untaken(rules.find(moved, key)):
                return _answered(moved, key)
            method = other
            gateways.check_open(method.gateway)
            tried.add(method.gateway)
        case = moved or await own_case(call, case.id)
    raise PaymentUnknown(retry_after=RETRY_AFTER_S)


async def _one_step(call: Call, case: Case, method: Way) -> tuple[Case | None, str | None]:
    """One operation at the gateway; with the key of the authorisation whose answer it brought."""
    waiting = rules.open_attempt(case)
    if waiting and rules.is_untaken(waiting) and waiting.gateway != method.gateway:
        return await save(call, case, rules.abandoned(case, waiting), again_in_s=0), None
    case = rules.changed(
        case,
        method_id=method.id,
        method_label=method.label,
        gateway=method.gateway,
        method_ref=method.gateway_ref,
    )
    match rules.step_to_authorise(case, method.gateway_ref):
        case rules.Rest():  # somebody else was faster, and succeeded
            return case, next(a.key for a in case.attempts if rules.is_held(case, a))
        case rules.Begin(attempt):
            moved = await begin(call, case, attempt)
        case rules.Resolve(attempt):
            moved = await resolve(call, case, attempt)
        case _:  # another card's challenge that cannot be dropped just now
            raise PaymentUnknown(retry_after=RETRY_AFTER_S)
    return moved, attempt.key if attempt.kind == "authorize" else None


def _answered(case: Case, key: str) -> Case:
    """The case when this authorisation succeeded; else the error that says what became of it."""
    attempt = rules.find(case, key)
    if rules.is_untaken(attempt):
        raise PaymentUnknown(_DOWN, retry_after=RETRY_AFTER_S, is_gateway_down=True)
    if attempt.state in ("sent", "unknown"):
        raise PaymentUnknown(retry_after=RETRY_AFTER_S)
    if attempt.state == "action_required":
        raise AuthenticationRequired(next_action=case.next_action)
    if attempt.state == "declined" and attempt.reason in rules.AUTHENTICATION:
        raise AuthenticationRequired(reason=attempt.reason)
    if attempt.state != "succeeded" or case.state == "failed":
        raise PaymentDeclined(reason=case.reason or attempt.reason or "declined")
    if rules.is_off(case):
        raise PaymentClosed
    return case


async def _until_free(call: Call, case: Case) -> Case:
    """Wait until nobody else is talking to the gateway about this payment."""
    patience = min(time.monotonic() + gateways.TIMEOUT_S + 2.0, call.deadline - 1.0)
    with hub.listening(signal_of(case.reference)) as bell:
        while time.monotonic() < patience:
            case = await own_case(call, case.id)
            if not case.is_leased:
                return case
            bell.clear()
            await rung(bell, LOOK_EVERY_S)  # signals are hints: look now and then without one
    raise PaymentUnknown(retry_after=RETRY_AFTER_S)
