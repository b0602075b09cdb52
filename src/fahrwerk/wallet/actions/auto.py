"""Auto top-up: begun below the threshold, at most once an hour, within caps (WAL-17..20).

The claim is one statement: the cooldown is taken and the top-up is written together, before
anything is charged. Two workers, or a crash right after it, cannot charge twice; a failure keeps
the cooldown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.crash import point
from fahrwerk.wallet import rules
from fahrwerk.wallet.actions.topup import drive
from fahrwerk.wallet.contract import Topup
from fahrwerk.wallet.events import TopupStarted
from fahrwerk.wallet.queries import TOPUP, settings

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

# Failed ones do not count against the caps: they took nothing.
_CLAIM = f"""
WITH taken AS (
    SELECT coalesce(sum(amount_minor) FILTER (WHERE begun_at > kernel.now() - interval '24 hours'),
                    0) AS day, coalesce(sum(amount_minor), 0) AS month
    FROM wallet.topup
    WHERE rider_id = $1 AND is_auto AND state IN ('open', 'paying', 'credited')
      AND begun_at > kernel.now() - interval '30 days'
), claimed AS (
    UPDATE wallet.account a SET auto_claimed_at = kernel.now() FROM taken t
    WHERE a.rider_id = $1 AND a.has_auto AND a.auto_paused IS NULL AND a.frozen_reason IS NULL
      AND a.balance_minor < a.auto_below_minor
      AND (a.auto_claimed_at IS NULL
           OR a.auto_claimed_at <= kernel.now() - interval '{rules.COOLDOWN_S} seconds')
      AND t.day + a.auto_minor <= a.auto_day_minor AND t.month + a.auto_minor <= a.auto_month_minor
      AND NOT EXISTS (SELECT FROM wallet.topup o WHERE o.tenant_id = a.tenant_id
                      AND o.rider_id = a.rider_id AND o.is_auto AND o.state IN ('open', 'paying'))
    RETURNING a.rider_id, a.auto_minor, a.auto_method_id, a.currency
), begun AS (
    INSERT INTO wallet.topup
        (id, rider_id, payment_id, is_auto, state, amount_minor, bonus_minor, bonus_days, currency,
         method_id, created_at, expires_at)
    SELECT $2, rider_id, $3, true, 'paying', auto_minor,
           CASE WHEN auto_minor >= $4 THEN $5::bigint ELSE 0 END, $6, currency, auto_method_id, $7,
           kernel.now() + interval '{rules.SESSION_S} seconds' FROM claimed
    RETURNING {TOPUP}
), work AS (
    INSERT INTO wallet.work (kind, subject, at)
    SELECT 'topup', id, kernel.now() + interval '20 seconds' FROM begun
), told AS (
    {events.INSERT}
    SELECT 'topup:' || id, 1, $8, $9, $10::jsonb || jsonb_build_object(
        'amount', amount_minor, 'currency', currency), $11, $12 FROM begun
)
SELECT * FROM begun
"""
# Still wanted, but not yet: look again when the cooldown is over, or tomorrow because of a cap.
_NEXT = f"""
WITH next AS (
    SELECT CASE WHEN auto_claimed_at > kernel.now() - interval '{rules.COOLDOWN_S} seconds'
                THEN auto_claimed_at + interval '{rules.COOLDOWN_S} seconds'
                ELSE kernel.now() + interval '{rules.COOLDOWN_S} seconds' END AS at
    FROM wallet.account
    WHERE rider_id = $1 AND has_auto AND auto_paused IS NULL AND frozen_reason IS NULL
      AND balance_minor < auto_below_minor
), later AS (
    UPDATE wallet.work w SET at = n.at FROM next n WHERE w.kind = 'auto' AND w.subject = $1
)
DELETE FROM wallet.work w
WHERE w.kind = 'auto' AND w.subject = $1 AND NOT EXISTS (SELECT FROM next)
"""


async def top_up_by_itself(call: Call, rider_id: UUID) -> Topup | None:
    """Begin an auto top-up if the account wants one now, and drive it; None = not now."""
    own = await settings(call)
    topup_id = ids.new()
    fact = TopupStarted(
        topup_id=topup_id, rider_id=rider_id, payment_id=rules.payment_id(topup_id), amount=0,
        currency="", is_auto=True,
    )  # fmt: skip
    row = await db.one(
        "wallet", call, _CLAIM, rider_id, topup_id, rules.payment_id(topup_id),
        own.bonus_from_minor, own.bonus_minor, own.bonus_days, clock.now(),
        *events.columns(call, fact),
    )  # fmt: skip
    await db.run("wallet", call, _NEXT, rider_id)
    if row is None:
        return None
    point("wallet.auto.after_claim")
    return await drive(call, Topup(**row))
