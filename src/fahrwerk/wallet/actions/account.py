"""What is decided about an account: frozen or not, auto top-up; and the operator's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, db, events
from fahrwerk.kernel.errors import Invalid, NotFound, Unauthenticated
from fahrwerk.kernel.live import hub
from fahrwerk.payments import contract as payments
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions._book import WORK, open_account
from fahrwerk.wallet.actions.topup import LATER
from fahrwerk.wallet.events import WalletChanged
from fahrwerk.wallet.queries import account_signal, settings, wallet

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.wallet.contract import AutoTopupChange, Settings, Wallet

_FREEZE = f"""
WITH changed AS (
    UPDATE wallet.account
    SET frozen_reason = $6, changes = changes + 1,
        frozen_at = CASE WHEN $6::text IS NULL THEN NULL ELSE $7::timestamptz END
    WHERE rider_id = $8 AND frozen_reason IS DISTINCT FROM $6
    RETURNING rider_id, changes
)
{events.INSERT}
SELECT 'wallet_account:' || rider_id, changes, $1, $2, $3::jsonb, $4, $5 FROM changed
"""


async def freeze(call: Call, rider_id: UUID, reason: str) -> Wallet:
    """See the contract."""
    return await _freeze(call, rider_id, rules.check_text("reason", reason))


async def unfreeze(call: Call, rider_id: UUID) -> Wallet:
    """See the contract."""
    return await _freeze(call, rider_id, None)


async def _freeze(call: Call, rider_id: UUID, reason: str | None) -> Wallet:
    call.require("wallet.account.freeze")
    if await identity.contact(call, rider_id) is None:
        raise NotFound
    await open_account(call, rider_id)
    what = "unfrozen" if reason is None else "frozen"
    # Staff's words may say something of the rider: they stand in his account, not in the log.
    fact = WalletChanged(rider_id=rider_id, what=what)
    await db.run(
        "wallet", call, _FREEZE, *events.columns(call, fact), reason, clock.now(), rider_id
    )
    if reason is None:  # what it may have missed meanwhile
        await db.run("wallet", call, LATER, "auto", rider_id, 0.0, None)
        hub.signal(WORK)
    hub.signal(account_signal(rider_id))
    return await wallet(call, rider_id)


# Switched on, strikes and pause are forgotten; the cooldown is not.
_AUTO = f"""
WITH changed AS (
    UPDATE wallet.account
    SET has_auto = coalesce($6, has_auto), auto_below_minor = coalesce($7, auto_below_minor),
        auto_minor = coalesce($8, auto_minor), auto_method_id = coalesce($9, auto_method_id),
        auto_day_minor = coalesce($10, auto_day_minor),
        auto_month_minor = coalesce($11, auto_month_minor),
        auto_strikes = CASE WHEN $6 THEN 0 ELSE auto_strikes END,
        auto_paused = CASE WHEN $6 THEN NULL ELSE auto_paused END, changes = changes + 1
    WHERE rider_id = $12
    RETURNING rider_id, changes, has_auto
), work AS (
    INSERT INTO wallet.work (kind, subject, at)
    SELECT 'auto', rider_id, kernel.now() FROM changed WHERE has_auto
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
{events.INSERT}
SELECT 'wallet_account:' || rider_id, changes, $1, $2, $3::jsonb, $4, $5 FROM changed
"""


async def change_auto_topup(call: Call, change: AutoTopupChange) -> Wallet:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    rules.check_auto(change, await settings(call))
    await open_account(call, call.user)
    before = (await wallet(call, call.user)).auto
    amount = change.amount_minor or before.amount_minor
    day = change.day_minor or before.day_minor
    if amount > min(day, change.month_minor or before.month_minor):
        raise Invalid(field="amount", issue="must be within the limits per day and month")
    if change.is_on or change.method_id is not None:
        wanted = change.method_id or before.method_id
        methods = await payments.methods(call)
        if not any(m.id == wanted or (wanted is None and m.is_default) for m in methods):
            raise Invalid(field="payment_method_id", issue="is not one of your payment methods")
    fact = WalletChanged(rider_id=call.user, what="auto_changed")
    await db.run(
        "wallet", call, _AUTO, *events.columns(call, fact), change.is_on, change.below_minor,
        change.amount_minor, change.method_id, change.day_minor, change.month_minor, call.user,
    )  # fmt: skip
    hub.signal(account_signal(call.user))
    hub.signal(WORK)
    return await wallet(call, call.user)


_SET = """
INSERT INTO wallet.setting AS s
    (least_minor, most_minor, bonus_from_minor, bonus_minor, bonus_days, low_minor)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id) DO UPDATE
SET least_minor = excluded.least_minor, most_minor = excluded.most_minor,
    bonus_from_minor = excluded.bonus_from_minor, bonus_minor = excluded.bonus_minor,
    bonus_days = excluded.bonus_days, low_minor = excluded.low_minor
"""


async def change_settings(call: Call, wanted: Settings) -> Settings:
    """See the contract."""
    call.require("wallet.setting.write")
    if not 1 <= wanted.least_minor <= wanted.most_minor <= rules.MOST_MINOR:
        raise Invalid(field="least", issue="least and most must be in order")
    if not (1 <= wanted.bonus_from_minor <= rules.MOST_MINOR and wanted.bonus_minor >= 0):
        raise Invalid(field="bonus", issue="must not be negative")
    if wanted.bonus_minor > wanted.bonus_from_minor:
        raise Invalid(field="bonus", issue="must not be more than what it is given for")
    if wanted.bonus_days is not None and not 1 <= wanted.bonus_days <= 3660:
        raise Invalid(field="bonus_days", issue="must be 1 to 3660, or null")
    if not 0 <= wanted.low_minor <= rules.MOST_MINOR:
        raise Invalid(field="low", issue="must not be negative")
    await db.run(
        "wallet", call, _SET, wanted.least_minor, wanted.most_minor, wanted.bonus_from_minor,
        wanted.bonus_minor, wanted.bonus_days, wanted.low_minor,
    )  # fmt: skip
    return wanted
