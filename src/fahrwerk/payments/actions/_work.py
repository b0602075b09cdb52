"""Operations at the gateway in three phases, and the loop that brings a payment to rest.

Intent (written as *sent*, one statement), call (outside any transaction, with a time limit), result
(written with its facts, one statement). A crash between any two leaves an attempt that says so; who
comes next asks the gateway about its key. Nobody ever makes up a second key for the same operation.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeVar

import structlog

from fahrwerk.kernel import clock, crash, db, observe, outside
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments import gateways, rules
from fahrwerk.payments.actions._case import load, save
from fahrwerk.payments.actions._disputes import follow_dispute
from fahrwerk.payments.gateways import Authorisation, Change, Outcome, Question, _offers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.rules import Attempt, Case

T = TypeVar("T")
MOST_STEPS = 40
BUSY_AGAIN_S = 3.0
_UNKNOWN = Outcome(kind="unknown")
_NOT_REACHED = Outcome(kind="unknown", code=rules.NOT_REACHED)
log = structlog.get_logger()


async def drive(call: Call, payment_id: UUID) -> Case | None:
    """Do all that is due for a payment, step by step, until it rests or has to wait."""
    for _ in range(MOST_STEPS):
        case = await load(call, payment_id)
        if case is None:
            return None
        if case.is_leased:
            await look_again(call, payment_id, BUSY_AGAIN_S)
            return case
        if await heed_webhooks(call, case):
            continue
        match rules.next_step(case):
            case rules.Rest():
                if await save(call, case, case) is not None:
                    return case
            case rules.Wait(seconds):
                if await save(call, case, case, again_in_s=seconds) is not None:
                    return case
            case rules.Close():
                await save(call, case, *rules.closed(case), again_in_s=0)
            case rules.GiveUp(reason):
                await save(call, case, *rules.owed(case, reason), again_in_s=0)
            case rules.Begin(attempt):
                await begin(call, case, attempt)
            case rules.Resolve(attempt):
                await resolve(call, case, attempt)
    await look_again(call, payment_id, BUSY_AGAIN_S)
    return case


async def begin(call: Call, case: Case, attempt: Attempt) -> Case | None:
    """A new attempt through its three phases; None when somebody else wrote in the meantime."""
    sent = await save(call, case, rules.with_attempt(case, attempt), is_leased=True)
    return None if sent is None else await _perform(call, sent, attempt)


async def resolve(call: Call, case: Case, attempt: Attempt) -> Case | None:
    """Find out what became of an attempt, and send it again if it never arrived and is wanted."""
    asked = rules.changed_attempt(attempt, checks=attempt.checks + 1)
    held = await save(call, case, rules.with_attempt(case, asked), is_leased=True)
    if held is None:
        return None
    question = Question(
        key=asked.key, kind=asked.kind, intent=_intent(held, asked), customer=case.rider_id
    )
    gateway = gateways.behind(asked.gateway)
    outcome = await _asked(asked, lambda: gateway.read(call, question))
    if outcome is not None:
        return await _record(call, held, asked.key, outcome, is_read=True)
    match rules.when_not_found(held, asked):
        case "send":
            again = rules.sent_again(asked)
            sent = await save(call, held, rules.with_attempt(held, again), is_leased=True)
            return None if sent is None else await _perform(call, sent, again)
        case "fail":
            return await save(call, held, *rules.not_sent(held, asked), again_in_s=0)
        case "wait":
            return await _record(call, held, asked.key, _UNKNOWN, is_read=True)


async def confirm(call: Call, case: Case, attempt: Attempt) -> Case | None:
    """Tell the gateway that the rider did what it asked for; three phases like any operation."""
    again = rules.changed_attempt(attempt, state="sent")
    sent = await save(call, case, rules.with_attempt(case, again), is_leased=True)
    if sent is None:
        return None
    question = Question(key=again.key, kind=again.kind, intent=again.gateway_ref)
    gateway = gateways.behind(again.gateway)
    crash.point("payments.confirm.after_intent")
    outcome = await _asked(again, lambda: gateway.confirm(call, question))
    crash.point("payments.confirm.after_call")
    return await _record(call, sent, again.key, outcome, is_read=False)


async def _perform(call: Call, case: Case, attempt: Attempt) -> Case | None:
    crash.point(f"payments.{attempt.kind}.after_intent")
    outcome = await _asked(attempt, lambda: _send(call, case, attempt))
    crash.point(f"payments.{attempt.kind}.after_call")
    result = await _record(call, case, attempt.key, outcome, is_read=False)
    crash.point(f"payments.{attempt.kind}.after_result")
    return result


async def _record(
    call: Call, case: Case, key: str, outcome: Outcome, *, is_read: bool
) -> Case | None:
    """Write what the gateway said. Whatever was written meanwhile, the answer is not lost."""
    latest: Case | None = case
    while latest is not None:
        after, facts = rules.settled(latest, key, outcome, clock.now(), is_read=is_read)
        step = rules.next_step(after)
        wait = step.seconds if isinstance(step, rules.Wait) else 0.0
        rests = isinstance(step, rules.Rest)
        saved = await save(call, latest, after, facts, again_in_s=None if rests else wait)
        if saved is not None:
            return saved
        latest = await load(call, case.id)
    return None


async def _send(call: Call, case: Case, attempt: Attempt) -> Outcome:
    gateway = gateways.behind(attempt.gateway)
    if attempt.kind == "authorize":
        wanted = Authorisation(
            key=attempt.key,
            amount_minor=attempt.amount_minor,
            currency=case.currency,
            method_ref=attempt.method_ref or "",
            customer=case.rider_id,
            is_off_session=attempt.is_off_session,
            metadata={
                "payment_id": str(case.id),
                "booking_id": str(case.reference),
                "user_id": str(case.rider_id),
            },
        )
        if attempt.method_ref == _offers.PAGE:
            return await _offers.with_pages(attempt.gateway).open_page(
                call, wanted, await _page(call, case.id)
            )
        return await gateway.authorise(call, wanted)
    change = Change(
        key=attempt.key,
        intent=_intent(case, attempt) or "",
        amount_minor=attempt.amount_minor,
        currency=case.currency,
        is_promise=rules.debits.is_debit(case, attempt),
        platform_fee_minor=_fee(case, attempt),
    )
    if attempt.kind == "capture":
        return await gateway.capture(call, change)
    if attempt.kind == "void":
        return await gateway.void(call, change)
    return await gateway.refund(call, change)


def _fee(case: Case, attempt: Attempt) -> int:
    """What the platform takes of a capture, or took of the one that is refunded."""
    taken = rules.find(case, attempt.target) if attempt.kind == "refund" else attempt
    return taken.platform_fee_minor


_PAGE = """
SELECT return_path, page_until FROM payments.payment
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def _page(call: Call, payment_id: UUID) -> _offers.Page:
    """Where a gateway's page sends the rider back to: the same at each repeat."""
    row = (await db.run("payments", call, _PAGE, payment_id))[0]
    return _offers.page_to(row["return_path"], row["page_until"])


def _intent(case: Case, attempt: Attempt) -> str | None:
    """The gateway's id of the authorisation an attempt belongs to, as far as it is known."""
    while attempt.target is not None:
        attempt = rules.find(case, attempt.target)
    return attempt.gateway_ref


async def _asked(attempt: Attempt, ask: Callable[[], Awaitable[T]]) -> T | Outcome:
    """One question to a gateway within its time limit; whatever is not an answer is *unknown*.

    A gateway that provably was not reached is tried again with growing pauses (RNT-25).
    """
    tries = 0
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            while True:
                try:
                    return await ask()
                except outside.NotReached:
                    tries += 1
                    if tries == 3:
                        raise
                    await asyncio.sleep(random.uniform(0.1, 0.2) * tries)
    except outside.NotReached as silence:
        # Each of the tries provably did nothing.
        observe.outside_calls.labels(attempt.gateway, "not_reached").inc()
        log.warning(
            "gateway not reached", gateway=attempt.gateway, operation=attempt.kind,
            attempt=attempt.key, code=silence.error_code,
        )  # fmt: skip
        return _NOT_REACHED
    except (TimeoutError, outside.OutcomeUnknown) as silence:
        observe.outside_calls.labels(attempt.gateway, "unknown").inc()
        log.warning(
            "gateway did not answer", gateway=attempt.gateway, operation=attempt.kind,
            attempt=attempt.key, reason=type(silence).__name__,
        )  # fmt: skip
    except db.DatabaseDown:
        raise
    except Exception as error:
        # A mistake in an adapter must not lose track of money that may have moved.
        log.error("gateway adapter failed", attempt=attempt.key, exc_info=error)
    return _UNKNOWN


_LATER = """
INSERT INTO payments.work (kind, subject, at)
VALUES ('payment', $1, kernel.now() + make_interval(secs => $2))
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def look_again(call: Call, payment_id: UUID, in_s: float) -> None:
    """Have a worker look at this payment in a while."""
    await db.run("payments", call, _LATER, payment_id, in_s)


_UNHEEDED = """
SELECT event_id, gateway, attempt_key, intent, subject FROM payments.gateway_event
WHERE tenant_id = kernel.tenant() AND payment_id = $1 AND handled_at IS NULL
ORDER BY received_at LIMIT 20
"""
_HEEDED = """
UPDATE payments.gateway_event SET handled_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND event_id = $2
"""


async def heed_webhooks(call: Call, case: Case) -> bool:
    """Read what the webhooks that came in point at; True when there were any.

    A webhook is only a hint, so any order and number of them ends in the state the gateway is in.
    """
    rows = await db.run("payments", call, _UNHEEDED, case.id)
    for row in rows:
        attempt = rules.hinted(case, row["attempt_key"])
        if row["subject"] is not None:
            found = await follow_dispute(call, row["gateway"], row["subject"], case)
            if found is not None and found.is_return:
                attempt = rules.debits.collected_for(case, row["intent"])
        if attempt is not None:
            if await resolve(call, case, attempt) is None:
                return True  # somebody else wrote: the event stays and is looked at again
            again = await load(call, case.id)
            if again is None:
                raise NotFound
            case = again
        await db.run("payments", call, _HEEDED, row["gateway"], row["event_id"])
    return bool(rows)
