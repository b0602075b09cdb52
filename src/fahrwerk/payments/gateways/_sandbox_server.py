"""The far side of the sandbox gateway: what would be a remote server with a database of its own.

Every function is one request to it. It commits before it answers, so a kill of our process after
the call leaves the charge standing there, as it would at a bank. ``call`` only says for which
account; nothing here knows payments, attempts or rentals.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from fahrwerk.kernel import db
from fahrwerk.kernel.outside import NotReached, OutcomeUnknown
from fahrwerk.payments.gateways import Authorisation, Change, Kind, Outcome
from fahrwerk.payments.gateways import _sandbox_webhooks as webhooks
from fahrwerk.payments.gateways._sandbox_tokens import CARDS, Fault
from fahrwerk.payments.gateways._sandbox_webhooks import short

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._sandbox_tokens import FaultKind, Operation

SILENT_S = 3_600.0
"""How long a request that is never answered hangs: longer than any caller waits."""


# --- requests and how they go wrong

_ARRIVE = """
WITH scripted AS (
    UPDATE payments.sandbox_fault SET times = times - 1
    WHERE tenant_id = kernel.tenant() AND id = (
        SELECT id FROM payments.sandbox_fault
        WHERE tenant_id = kernel.tenant() AND operation IN ($1, 'any') AND times > 0
        ORDER BY id LIMIT 1 FOR UPDATE)
    RETURNING fault, code, seconds
), logged AS (
    INSERT INTO payments.sandbox_log (operation, key, fault)
    SELECT $1, $2, coalesce((SELECT fault FROM scripted), CASE WHEN NOT EXISTS (
        SELECT FROM payments.sandbox_log
        WHERE tenant_id = kernel.tenant() AND key = $2 AND operation = $1) THEN $3 END)
    RETURNING fault
)
SELECT logged.fault, scripted.fault IS NOT NULL AS is_scripted, scripted.code, scripted.seconds
FROM logged LEFT JOIN scripted ON true
"""


async def arrive(call: Call, operation: Operation, key: str, token: str | None) -> Fault | None:
    """Log a request and say how it will go wrong; a fault that keeps it from arriving happens."""
    card = CARDS.get(token or "")
    own = card.faults.get(operation) if card else None
    row = await db.one("payments", call, _ARRIVE, operation, key, own.kind if own else None)
    if row is None or row["fault"] is None:
        return None
    kind: FaultKind = row["fault"]
    fault = Fault(kind, row["code"], row["seconds"]) if row["is_scripted"] else own
    if kind == "rate_limited":
        raise NotReached("The sandbox answered 429.", peer="sandbox")
    if kind == "error_500_before":
        raise OutcomeUnknown("The sandbox answered 500.", peer="sandbox")
    if kind == "timeout_before":
        await silence()
    if kind == "slow" and fault is not None:
        await asyncio.sleep(fault.seconds)
    return fault


async def silence() -> None:
    """Never answer: the caller's time limit ends this."""
    await asyncio.sleep(SILENT_S)
    raise OutcomeUnknown("The sandbox did not answer.", peer="sandbox")


async def leave(fault: Fault | None, outcome: Outcome) -> Outcome:
    """The answer on its way back, with what a fault does to it there."""
    if fault is not None:
        if fault.kind in ("timeout_after", "late"):
            await silence()
        if fault.kind == "error_500_after":
            raise OutcomeUnknown("The sandbox answered 500.", peer="sandbox")
        if fault.kind == "wrong_amount" and outcome.amount_minor is not None:
            return msgspec.structs.replace(outcome, amount_minor=outcome.amount_minor + 1)
    return outcome


# --- methods

_METHOD = """
SELECT token, detached_at FROM payments.sandbox_method
WHERE tenant_id = kernel.tenant() AND ref = $1
"""
_KEEP = """
INSERT INTO payments.sandbox_method (ref, token, customer) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, ref) DO UPDATE SET detached_at = NULL
"""
_DETACH = """
UPDATE payments.sandbox_method SET detached_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND ref = $1
"""


async def store_method(call: Call, key: str, token: str, customer: UUID) -> str:
    """Keep a card for later; its reference."""
    ref = f"pm_{short(call, 'method', key)}"
    await db.run("payments", call, _KEEP, ref, token, customer)
    return ref


async def detach_method(call: Call, ref: str) -> None:
    """Never charge this card again."""
    await db.run("payments", call, _DETACH, ref)


async def token_of_method(call: Call, ref: str) -> str | None:
    """The token of a stored card; None when there is none, or it was detached."""
    row = await db.one("payments", call, _METHOD, ref)
    return row["token"] if row is not None and row["detached_at"] is None else None


# --- operations

_TIMES = """kernel.now() + make_interval(secs => $10), kernel.now() + make_interval(secs => $11)"""
_AUTHORISE = f"""
WITH operation AS (
    INSERT INTO payments.sandbox_operation
        (key, kind, intent, ref, amount, outcome, code, visible_at, settled_at)
    VALUES ($1, 'authorize', $2, $2, $3, $4, $5, {_TIMES})
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key
), intent AS (
    INSERT INTO payments.sandbox_intent (ref, key, method_ref, amount, currency, state, metadata)
    SELECT $2, $1, $6, $3, $7, $8, $9 FROM operation
)
SELECT key FROM operation
"""


async def authorise(
    call: Call, wanted: Authorisation, token: str | None, fault: Fault | None
) -> Outcome:
    """Make an intent and reserve its amount, unless this key has been here before."""
    outcome, code, state = _verdict_on(wanted, token, fault)
    late, delayed = _delays(fault)
    intent = f"pi_{short(call, wanted.key)}"
    made = await db.run(
        "payments", call, _AUTHORISE, wanted.key, intent, wanted.amount_minor, outcome, code,
        wanted.method_ref, wanted.currency, state, wanted.metadata, late, late + delayed,
    )  # fmt: skip
    if not made:
        return await repeated(call, "authorize", wanted.key, wanted.amount_minor)
    if late or delayed:
        await webhooks.announce(call, "payment_intent.updated", wanted.key, late + delayed)
        return Outcome(kind="unknown", ref=intent)
    return _as_outcome(outcome, intent, intent, wanted.amount_minor, code)


def _verdict_on(
    wanted: Authorisation, token: str | None, fault: Fault | None
) -> tuple[str, str | None, str]:
    """``outcome, code, state of the intent`` of an authorisation."""
    card = CARDS.get(token or "")
    if card is None:
        return "declined", "payment_method_detached", "requires_payment_method"
    if fault is not None and fault.kind == "declined":
        return "declined", fault.code or "card_declined", "requires_payment_method"
    if card.challenge is None:
        return "done", None, "requires_capture"
    if wanted.is_off_session:
        return "declined", "authentication_required", "requires_payment_method"
    return "action_required", None, "requires_action"


def _delays(fault: Fault | None) -> tuple[float, float]:
    """Seconds until a request arrives, and from then until it is decided."""
    if fault is None:
        return 0.0, 0.0
    return (
        fault.seconds if fault.kind == "late" else 0.0,
        fault.seconds if fault.kind == "delayed" else 0.0,
    )


_INTENT = """
SELECT i.ref, i.amount, i.state, i.captured, i.refunded, m.token
FROM payments.sandbox_intent i
LEFT JOIN payments.sandbox_method m ON m.tenant_id = i.tenant_id AND m.ref = i.method_ref
WHERE i.tenant_id = kernel.tenant() AND i.ref = $1
"""
_SEEN = "SELECT key FROM payments.sandbox_operation WHERE tenant_id = kernel.tenant() AND key = $1"
_CHANGE = """
UPDATE payments.sandbox_intent SET state = $2, captured = captured + $3, refunded = refunded + $4
WHERE tenant_id = kernel.tenant() AND ref = $1
"""
_RECORD = """
INSERT INTO payments.sandbox_operation
    (key, kind, intent, ref, amount, outcome, code, visible_at, settled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7,
        kernel.now() + make_interval(secs => $8), kernel.now() + make_interval(secs => $9))
"""
_PREFIX = {"capture": "ch", "void": "vo", "refund": "re"}


async def token_of_intent(call: Call, intent: str) -> str | None:
    """The token of the card behind an intent."""
    row = await db.one("payments", call, _INTENT, intent)
    return None if row is None else row["token"]


async def change(call: Call, kind: Kind, wanted: Change, fault: Fault | None) -> Outcome:
    """Capture, void or refund an intent, unless this key has been here before."""
    late, delayed = _delays(fault)
    async with db.tx("payments", call) as tx:
        intent = await tx.one(_INTENT + " FOR UPDATE OF i", wanted.intent)
        is_repeated = bool(await tx.run(_SEEN, wanted.key))
        if intent is not None and not is_repeated:
            code = _objection(kind, intent, wanted.amount_minor)
            if fault is not None and fault.kind == "declined":
                code = code or fault.code or f"{kind}_failed"
            if code is None:
                await tx.run(_CHANGE, intent["ref"], *_effect(kind, intent, wanted.amount_minor))
            await tx.run(
                _RECORD, wanted.key, kind, intent["ref"],
                f"{_PREFIX[kind]}_{short(call, wanted.key)}", wanted.amount_minor,
                "done" if code is None else "declined", code, late, late + delayed,
            )  # fmt: skip
    if intent is None:
        return Outcome(kind="declined", code="no_such_intent")
    if is_repeated:
        return await repeated(call, kind, wanted.key, wanted.amount_minor)
    if late or delayed:
        await webhooks.announce(call, f"{kind}.updated", wanted.key, late + delayed)
    seen = await look(call, wanted.key)
    return seen.outcome if seen is not None else Outcome(kind="unknown")


def _objection(kind: Kind, intent: Any, amount: int) -> str | None:
    """Why a change is not possible, or None."""
    state = intent["state"]
    if kind == "capture":
        if state != "requires_capture":
            return f"intent_is_{state}"
        return None if 0 < amount <= intent["amount"] else "amount_too_large"
    if kind == "void":
        return "already_captured" if state == "succeeded" else None
    if state != "succeeded":
        return f"intent_is_{state}"
    return None if 0 < amount <= intent["captured"] - intent["refunded"] else "amount_too_large"


def _effect(kind: Kind, intent: Any, amount: int) -> tuple[str, int, int]:
    """``new state, captured more, refunded more``."""
    if kind == "capture":
        return "succeeded", amount, 0
    if kind == "void":
        return "canceled", 0, 0
    return intent["state"], 0, amount


class Seen(NamedTuple):
    """An operation as its owner may see it now."""

    kind: str
    amount: int
    outcome: Outcome


_LOOK = """
SELECT kind, amount, intent, ref, outcome, code, settled_at <= kernel.now() AS is_settled
FROM payments.sandbox_operation
WHERE tenant_id = kernel.tenant() AND key = $1 AND visible_at <= kernel.now()
"""
_ARRIVED = """
UPDATE payments.sandbox_operation SET visible_at = least(visible_at, kernel.now()),
    settled_at = CASE WHEN visible_at > kernel.now() THEN kernel.now() ELSE settled_at END
WHERE tenant_id = kernel.tenant() AND key = $1
"""


async def look(call: Call, key: str) -> Seen | None:
    """The operation with this key as it stands; None when it has not arrived."""
    row = await db.one("payments", call, _LOOK, key)
    if row is None:
        return None
    if not row["is_settled"]:
        return Seen(row["kind"], row["amount"], Outcome(kind="unknown", ref=row["ref"]))
    outcome = _as_outcome(row["outcome"], row["ref"], row["intent"], row["amount"], row["code"])
    return Seen(row["kind"], row["amount"], outcome)


def _as_outcome(kind: Any, ref: str, intent: str, amount: int, code: str | None) -> Outcome:
    waits = kind == "action_required"
    return Outcome(
        kind=kind,
        ref=ref,
        amount_minor=amount if kind == "done" else None,
        code=code,
        next_action={"type": "three_d_secure", "challenge": intent} if waits else None,
    )


async def repeated(call: Call, kind: str, key: str, amount: int) -> Outcome:
    """The answer to a key that was here before: the same as then, never a second operation."""
    # The repeat of a request still on its way arrives first and is carried out in its place.
    await db.run("payments", call, _ARRIVED, key)
    seen = await look(call, key)
    if seen is None:
        return Outcome(kind="unknown")
    if (seen.kind, seen.amount) != (kind, amount):
        return Outcome(kind="declined", code="idempotency_key_reused")
    return seen.outcome


_CONFIRM = """
WITH intent AS (
    UPDATE payments.sandbox_intent SET state = $2
    WHERE tenant_id = kernel.tenant() AND key = $1 AND state = 'requires_action' RETURNING key
)
UPDATE payments.sandbox_operation o SET outcome = $3, code = $4 FROM intent
WHERE o.tenant_id = kernel.tenant() AND o.key = intent.key RETURNING o.key
"""


async def finish_challenge(call: Call, key: str, token: str | None) -> bool:
    """The rider came back from 3-D Secure; False when nobody was waiting for that."""
    card = CARDS.get(token or "")
    passed = card is not None and card.challenge == "passes"
    state, outcome, code = (
        ("requires_capture", "done", None)
        if passed
        else ("requires_payment_method", "declined", "authentication_failed")
    )
    if not await db.run("payments", call, _CONFIRM, key, state, outcome, code):
        return False
    await webhooks.announce(call, "payment_intent.updated", key, 0.0)
    return True


# --- the fault script

_SCRIPT = """
INSERT INTO payments.sandbox_fault (operation, fault, code, seconds, times)
VALUES ($1, $2, $3, $4, $5)
"""
_CLEAR = "DELETE FROM payments.sandbox_fault WHERE tenant_id = kernel.tenant()"


async def script(call: Call, operation: str, fault: Fault, times: int) -> None:
    """Spoil the next ``times`` requests of this kind (``any``: of every kind)."""
    values = (operation, fault.kind, fault.code, fault.seconds, times)
    await db.run("payments", call, _SCRIPT, *values)


async def clear_script(call: Call) -> None:
    """Behave again."""
    await db.run("payments", call, _CLEAR)
