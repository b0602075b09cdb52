"""Top-up: a checkout session of 30 minutes, paid by a stored method, credited by settled money.

Every step may be repeated: the session's id comes from its key, the payment's id from the
session's, the ledger's key too. Whoever comes by (the request, the payment's news, the worker)
drives it on from where it stands, and what was captured is credited whatever was thought of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.errors import Conflict, NotFound, Unauthenticated
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import charges, ledger
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import book, open_account
from fahrwerk.wallet.actions.resellers import earn
from fahrwerk.wallet.contract import (
    TOPUP_PREFIX,
    KeyReused,
    Topup,
    TopupClosed,
    UnknownTopup,
    WalletFrozen,
)
from fahrwerk.wallet.events import TopupCredited, TopupFailed, TopupStarted, WalletChanged
from fahrwerk.wallet.queries import TOPUP, account_signal, settings, topup
from fahrwerk.wallet.rules import Entry

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.payments.contract import Payment

WORK_TOPUP_S = 20.0
"""Longer than an answer of a gateway is waited for: then the worker looks."""
AGAIN_S = 5.0
SLOW_S = 1800.0
"""A bank takes days to settle a direct debit, and its news comes by itself."""
PORTAL = "/portal/billing/success"
"""Where a gateway's page sends the rider back to."""

_LOCK = "SELECT frozen_reason FROM wallet.account WHERE rider_id = $1 FOR NO KEY UPDATE"
_SAME = f"SELECT {TOPUP} FROM wallet.topup WHERE id = $1"
# A double click brings no key: the same amount within seconds is the same wish.
_DOUBLE = f"""
SELECT {TOPUP} FROM wallet.topup
WHERE rider_id = $1 AND amount_minor = $2 AND NOT is_auto
  AND state IN ('open', 'paying', 'credited')
  AND begun_at > kernel.now() - interval '{rules.DOUBLE_CLICK_S} seconds'
ORDER BY begun_at DESC LIMIT 1
"""
_START = f"""
INSERT INTO wallet.topup
    (id, rider_id, payment_id, is_auto, amount_minor, bonus_minor, bonus_days, currency, method_id,
     created_at, expires_at)
VALUES ($1, $2, $3, false, $4, $5, $6, $7, $8, $9,
        kernel.now() + interval '{rules.SESSION_S} seconds')
RETURNING {TOPUP}
"""
LATER = """
INSERT INTO wallet.work (kind, subject, at)
VALUES ($1, $2, coalesce($4, kernel.now() + make_interval(secs => $3)))
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def open_topup(
    call: Call, amount_minor: int, method_id: UUID | None, key: str | None
) -> Topup:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    own = await settings(call)
    rules.check_amount(amount_minor, own.most_minor, own.least_minor)
    currency = await open_account(call, call.user)
    topup_id = ids.derived("topup", call.tenant, call.user, key) if key else ids.new()
    bonus = rules.bonus_of(amount_minor, own)
    async with db.tx("wallet", call) as tx:
        account = await tx.one(_LOCK, call.user)
        row = await tx.one(_SAME, topup_id)
        if row is None and key is None:
            row = await tx.one(_DOUBLE, call.user, amount_minor)
        if row is None:
            if account is None or account["frozen_reason"] is not None:
                raise WalletFrozen
            row = (await tx.run(
                _START, topup_id, call.user, rules.payment_id(topup_id), amount_minor, bonus,
                own.bonus_days, currency, method_id, clock.now(),
            ))[0]  # fmt: skip
            await tx.run(LATER, "topup", topup_id, WORK_TOPUP_S if method_id else 0.0, None)
            fact = TopupStarted(
                topup_id=topup_id, rider_id=call.user, payment_id=rules.payment_id(topup_id),
                amount=amount_minor, currency=currency, is_auto=False,
            )  # fmt: skip
            await events.emit(tx, call, f"topup:{topup_id}", 1, fact)
            tx.signal(account_signal(call.user))
    found = Topup(**row)
    if found.amount_minor != amount_minor:
        raise KeyReused(key=key)
    point("wallet.topup.after_start")
    if method_id is None or found.state not in ("open", "paying"):
        return found
    return await pay_topup(call, found.id, method_id)


_PAY = f"""
WITH paying AS (
    UPDATE wallet.topup SET state = 'paying', method_id = $2
    WHERE id = $1 AND state = 'open' AND expires_at > kernel.now()
    RETURNING {TOPUP}
), work AS (
    INSERT INTO wallet.work (kind, subject, at)
    SELECT 'topup', id, kernel.now() + make_interval(secs => $3) FROM paying
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT * FROM paying
"""


async def pay_topup(call: Call, topup_id: UUID, method_id: UUID | None) -> Topup:
    """See the contract."""
    found = await topup(call, topup_id)
    if call.user not in (None, found.rider_id):
        raise UnknownTopup
    if found.state == "open":
        method_id = await _method(call, method_id)
        await db.run("wallet", call, _PAY, topup_id, method_id, WORK_TOPUP_S)
        point("wallet.topup.after_pay")
        found = await topup(call, topup_id)
    if found.state in ("open", "expired", "failed"):
        raise TopupClosed(state=found.state, reason=found.reason)
    return found if found.state == "credited" else await drive(call, found)


async def check_out(call: Call, topup_id: UUID) -> Topup:
    """See the contract."""
    found = await topup(call, topup_id)
    if call.user not in (None, found.rider_id):
        raise UnknownTopup
    if found.state == "open":
        # Paying without a method: that is how everybody who drives it knows about the page.
        await db.run("wallet", call, _PAY, topup_id, None, WORK_TOPUP_S)
        point("wallet.topup.after_pay")
        found = await topup(call, topup_id)
    if found.state in ("open", "expired", "failed"):
        raise TopupClosed(state=found.state, reason=found.reason)
    if found.state == "credited":
        return found
    row = await db.one("wallet", call, _METHOD, topup_id)
    if row is None or row["method_id"] is not None or row["is_auto"]:
        raise Conflict("This top-up is being paid with a stored method.", code="TOPUP_IN_PAYMENT")
    return await drive(call, found)


async def _method(call: Call, method_id: UUID | None) -> UUID:
    """One of the caller's methods, the default one for None: before anything is written."""
    for method in await payments.methods(call):
        if method.id == method_id or (method_id is None and method.is_default):
            return method.id
    raise payments.UnknownMethod


_METHOD = "SELECT method_id, is_auto FROM wallet.topup WHERE id = $1"
_OVER = "SELECT expires_at <= kernel.now() AS is_over FROM wallet.topup WHERE id = $1"


async def drive(call: Call, found: Topup) -> Topup:
    """Bring a top-up on as far as it comes now; the worker goes on with what remains."""
    house = system(call.tenant, "wallet", trace=call.trace, slug=call.tenant_slug)
    over = await db.one("wallet", house, _OVER, found.id)
    is_over = over is not None and over["is_over"]
    if found.state == "open":
        return await _fail(house, found, "expired") if is_over else await _wait(house, found)
    method = await db.one("wallet", house, _METHOD, found.id)
    at_page = method is not None and method["method_id"] is None and not found.is_auto
    wanted = charges.Charge(
        payment_id=found.payment_id,
        reference=found.id,
        rider_id=found.rider_id,
        amount_minor=found.amount_minor,
        currency=found.currency,
        method_id=method["method_id"] if method is not None else None,
        is_off_session=found.is_auto,
        return_path=f"{PORTAL}?topup={ids.public(TOPUP_PREFIX, found.id)}" if at_page else None,
    )
    try:
        payment = await charges.charge(house, wanted)
        if is_over and payment.state in ("created", "action_required", "unknown", "authorized"):
            await payments.void(house, found.payment_id)  # what is captured already stays (C-84)
            payment = await charges.charge(house, wanted)
    except NotFound as problem:
        if problem.error_code != payments.UnknownMethod.code:
            raise
        return await _fail(house, found, "no_payment_method")
    point("wallet.topup.after_charge")
    return await _after(house, found, payment, is_over=is_over)


async def _after(call: Call, found: Topup, payment: Payment, *, is_over: bool) -> Topup:
    if payment.state in ("completed", "refunded"):
        return await _credit(call, found, payment.captured_minor)
    if payment.state in ("failed", "voided", "due"):
        reason = "expired" if is_over and payment.state == "voided" else payment.reason
        return await _fail(call, found, reason or "declined")
    if payment.state == "action_required" and (found.is_auto or payment.next_action is None):
        # Nobody is there to confirm it, or the confirmation failed: another card is another top-up.
        await payments.void(call, found.payment_id)
        return await _fail(call, found, payment.reason or "authentication_required")
    # What a bank account is debited for is told when it has arrived, days later.
    is_slow = payment.state == "processing" or (is_over and payment.state == "authorized")
    again_s = SLOW_S if is_slow else AGAIN_S
    return await _wait(call, found, payment.next_action, again_s)


_WAIT = """
WITH seen AS (
    UPDATE wallet.topup SET next_action = $2 WHERE id = $1 AND state IN ('open', 'paying')
    RETURNING id, expires_at, state, next_action
)
INSERT INTO wallet.work (kind, subject, at)
SELECT 'topup', id, CASE WHEN state = 'open' OR next_action IS NOT NULL
                         THEN greatest(expires_at, kernel.now() + make_interval(secs => $3))
                         ELSE kernel.now() + make_interval(secs => $3) END FROM seen
ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
"""


async def _wait(
    call: Call, found: Topup, next_action: dict[str, str] | None = None, again_s: float = AGAIN_S
) -> Topup:
    """The gateway or the rider has to do something first; news of the payment come sooner."""
    await db.run("wallet", call, _WAIT, found.id, next_action, again_s)
    return await topup(call, found.id)


_CREDITED = """
UPDATE wallet.topup SET state = 'credited', credited_at = $2, next_action = NULL, reason = NULL,
       version = version + 1
WHERE id = $1 AND state <> 'credited' RETURNING version
"""
_DONE = "DELETE FROM wallet.work WHERE kind = 'topup' AND subject = $1"
_NO_STRIKES = """
UPDATE wallet.account SET auto_strikes = 0 WHERE rider_id = $1 AND auto_strikes > 0
"""
_BONUS_DAYS = "SELECT bonus_days FROM wallet.topup WHERE id = $1"


async def _credit(call: Call, found: Topup, settled_minor: int) -> Topup:
    """Put settled money into the purse, with its bonus, and book both. Exactly once by the key."""
    now = clock.now()
    bonus = found.bonus_minor if settled_minor >= found.amount_minor else 0
    days = await db.one("wallet", call, _BONUS_DAYS, found.id)
    journal_id = await ledger.grant(
        call,
        str(found.rider_id),
        rules.topup_grants(settled_minor, bonus, days["bonus_days"] if days else None, now),
        ledger.NewJournal(
            key=f"wallet:topup:{found.id}",
            kind="top_up",
            currency=found.currency,
            lines=rules.topup_lines(found.rider_id, settled_minor, bonus),
            at=now,
            reference=found.id,
        ),
    )
    point("wallet.topup.after_grant")
    async with db.tx("wallet", call) as tx:
        await tx.run(_LOCK, found.rider_id)
        row = await tx.one(_CREDITED, found.id, now)
        await tx.run(_DONE, found.id)
        if row is not None:
            await _book_topup(tx, call, found, settled_minor, bonus, journal_id)
            fact = TopupCredited(
                topup_id=found.id, rider_id=found.rider_id, amount=settled_minor, bonus=bonus,
                currency=found.currency, is_auto=found.is_auto,
            )  # fmt: skip
            await events.emit(tx, call, f"topup:{found.id}", row["version"], fact)
            await earn(tx, call, found, settled_minor)
            if found.is_auto:
                await tx.run(_NO_STRIKES, found.rider_id)
            tx.signal(account_signal(found.rider_id))
    return await topup(call, found.id)


async def _book_topup(
    tx: Tx, call: Call, found: Topup, amount: int, bonus: int, journal_id: UUID
) -> None:
    for kind, part in (("topup", amount), ("bonus", bonus)):
        if part:
            key = f"{kind}:{found.id}"
            entry = Entry(
                id=rules.transaction_id(call.tenant, found.rider_id, key),
                rider_id=found.rider_id, key=key, type=kind, amount_minor=part,  # type: ignore[arg-type]
                currency=found.currency, reference=found.id, at=clock.now(),
            )  # fmt: skip
            await book(tx.run, call, entry, journal_id)


_FAILED = """
UPDATE wallet.topup SET state = CASE WHEN $2 = 'expired' THEN 'expired' ELSE 'failed' END,
       reason = $2, next_action = NULL, version = version + 1
WHERE id = $1 AND state IN ('open', 'paying') RETURNING version
"""
_STRIKES = "SELECT auto_strikes FROM wallet.account WHERE rider_id = $1 FOR NO KEY UPDATE"
_STRUCK = """
UPDATE wallet.account
SET auto_strikes = $2, auto_paused = coalesce($3, auto_paused),
    changes = changes + CASE WHEN $3::text IS NULL THEN 0 ELSE 1 END
WHERE rider_id = $1 RETURNING changes
"""


async def _fail(call: Call, found: Topup, reason: str) -> Topup:
    """No money came. For an auto top-up this may be a strike; its cooldown stays as it is."""
    async with db.tx("wallet", call) as tx:
        account = await tx.one(_STRIKES, found.rider_id)
        row = await tx.one(_FAILED, found.id, reason)
        await tx.run(_DONE, found.id)
        if row is not None:
            verdict = rules.Verdict(0, None)
            if found.is_auto and account is not None:
                verdict = rules.after_failure(account["auto_strikes"], reason)
                await _strike(tx, call, found, verdict)
            fact = TopupFailed(
                topup_id=found.id, rider_id=found.rider_id, amount=found.amount_minor,
                currency=found.currency, is_auto=found.is_auto, reason=reason,
                strikes=verdict.strikes, is_paused=verdict.pause is not None,
            )  # fmt: skip
            await events.emit(tx, call, f"topup:{found.id}", row["version"], fact)
            tx.signal(account_signal(found.rider_id))
    return await topup(call, found.id)


async def _strike(tx: Tx, call: Call, found: Topup, verdict: rules.Verdict) -> None:
    row = await tx.one(_STRUCK, found.rider_id, verdict.strikes, verdict.pause)
    if verdict.pause is not None and row is not None:
        fact = WalletChanged(rider_id=found.rider_id, what="auto_paused", reason=verdict.pause)
        await events.emit(tx, call, f"wallet_account:{found.rider_id}", row["changes"], fact)
    else:
        # The scheduler looks again when the cooldown is over.
        await tx.run(LATER, "auto", found.rider_id, float(rules.COOLDOWN_S), None)
