"""What accounts show: balances, transactions page by page, statistics, the usage chart."""

from __future__ import annotations

import base64
import binascii
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, db, money
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.payments.contract import ledger
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.wallet import rules
from fahrwerk.wallet.contract import (
    AutoTopup,
    Bucket,
    Expiry,
    GroupBy,
    RideMoney,
    Settings,
    Statistics,
    Topup,
    Transaction,
    TransactionFilter,
    TransactionPage,
    UnknownTopup,
    Wallet,
)
from fahrwerk.wallet.queries.personal import PERSONAL as PERSONAL
from fahrwerk.wallet.queries.resellers import commissions as commissions
from fahrwerk.wallet.queries.resellers import customers as customers
from fahrwerk.wallet.queries.resellers import own_reseller as own_reseller
from fahrwerk.wallet.queries.resellers import payout_notes as payout_notes
from fahrwerk.wallet.queries.resellers import payouts as payouts
from fahrwerk.wallet.queries.resellers import reseller as reseller
from fahrwerk.wallet.queries.resellers import resellers as resellers

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

READ_ANY = "wallet.account.read_any"
MOST_BUCKETS = 400
STATISTICS_S = 60.0
COLUMNS = """id, rider_id, type, amount_minor, currency, description, reference, number,
       balance_minor, at"""
TOPUP = """id, rider_id, payment_id, state, is_auto, amount_minor, bonus_minor, currency,
       next_action, reason, created_at, expires_at, credited_at"""


def account_signal(rider_id: UUID) -> str:
    """The signal that this rider's account changed."""
    return f"wallet.account:{rider_id}"


async def check_may_see(call: Call, rider_id: UUID) -> None:
    """Raise ``NotFound`` for somebody else's account, and to staff for one of nobody."""
    if call.user in (None, rider_id):
        return
    if not call.may(READ_ANY) or await identity.contact(call, rider_id) is None:
        raise NotFound


_ACCOUNT = """
SELECT currency, version, low_minor, frozen_reason, has_auto, auto_below_minor, auto_minor,
       auto_method_id, auto_day_minor, auto_month_minor, auto_strikes, auto_paused, moved_at,
       auto_claimed_at + make_interval(secs => $2) AS next_at
FROM wallet.account WHERE rider_id = $1
"""


async def wallet(call: Call, rider_id: UUID) -> Wallet:
    """See the contract."""
    await check_may_see(call, rider_id)
    row = await db.one("wallet", call, _ACCOUNT, rider_id, float(rules.COOLDOWN_S))
    if row is None:
        return await _nobody_s(call, rider_id)
    purse = await ledger.purse(call, str(rider_id), row["currency"])
    ending = [lot for lot in purse.lots if lot.expires_at is not None]
    soonest = min(ending, key=lambda lot: lot.expires_at or clock.now(), default=None)
    paid = purse.balances.get("paid", 0)
    return Wallet(
        rider_id=rider_id,
        currency=row["currency"],
        balance_minor=purse.balance_minor,
        available_minor=purse.available_minor,
        held_minor=purse.held_minor,
        paid_minor=paid,
        bonus_minor=purse.balance_minor - paid,
        is_low=purse.available_minor < row["low_minor"],
        frozen=row["frozen_reason"],
        next_expiry=Expiry(soonest.left_minor, soonest.expires_at)
        if soonest is not None and soonest.expires_at is not None
        else None,
        auto=AutoTopup(
            is_on=row["has_auto"],
            below_minor=row["auto_below_minor"],
            amount_minor=row["auto_minor"],
            method_id=row["auto_method_id"],
            day_minor=row["auto_day_minor"],
            month_minor=row["auto_month_minor"],
            strikes=row["auto_strikes"],
            paused=row["auto_paused"],
            next_at=row["next_at"],
        ),
        version=row["version"],
        moved_at=row["moved_at"],
    )


async def _nobody_s(call: Call, rider_id: UUID) -> Wallet:
    own = await settings(call)
    amount = min(max(rules.USUAL_AUTO_MINOR, own.least_minor), own.most_minor)
    auto = AutoTopup(
        is_on=False, below_minor=max(own.low_minor, 1), amount_minor=amount, method_id=None,
        day_minor=amount * 2, month_minor=amount * 10, strikes=0, paused=None, next_at=None,
    )  # fmt: skip
    return Wallet(
        rider_id=rider_id, currency=(await tenancy.operator(call)).currency, balance_minor=0,
        available_minor=0, held_minor=0, paid_minor=0, bonus_minor=0, is_low=own.low_minor > 0,
        frozen=None, next_expiry=None, auto=auto, version=0, moved_at=None,
    )  # fmt: skip


_MARKS = """
SELECT rider_id, xmin::text || '.' || version AS mark FROM wallet.account WHERE rider_id = ANY($1)
"""


async def marks(call: Call, rider_ids: list[UUID]) -> dict[UUID, str]:
    """See the contract."""
    rows = await db.run("wallet", call, _MARKS, rider_ids)
    return {row["rider_id"]: row["mark"] for row in rows}


_PAGE = f"""
SELECT {COLUMNS} FROM wallet.transaction
WHERE rider_id = $1 AND state = 'booked' AND ($2::bigint IS NULL OR number < $2)
  AND ($3::text IS NULL OR type = $3) AND ($4::timestamptz IS NULL OR at >= $4)
  AND ($5::timestamptz IS NULL OR at < $5)
ORDER BY number DESC LIMIT $6
"""


async def transactions(
    call: Call, rider_id: UUID, wanted: TransactionFilter, after: str | None, limit: int
) -> TransactionPage:
    """See the contract."""
    await check_may_see(call, rider_id)
    rows = await db.run(
        "wallet", call, _PAGE, rider_id, None if after is None else _place(after), wanted.type,
        wanted.since, wanted.until, limit + 1,
    )  # fmt: skip
    page = [Transaction(**row) for row in rows[:limit]]
    return TransactionPage(page, _cursor(page[-1].number) if len(rows) > limit else None)


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"wtx:{number}".encode()).decode()


def _place(after: str) -> int:
    try:
        head, _, number = base64.b64decode(after, b"-_", validate=True).decode().partition(":")
        if head == "wtx" and 0 < int(number) < 1 << 62:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Invalid(field="after", issue="is not what the page before said")


_STATISTICS = """
SELECT coalesce(sum(abs(amount_minor)) FILTER (WHERE type = 'usage'), 0)::bigint AS spent_minor,
       coalesce(sum(amount_minor) FILTER (WHERE type = 'topup'), 0)::bigint AS topped_minor,
       count(*) AS count
FROM wallet.transaction WHERE rider_id = $1 AND state = 'booked'
"""
_remembered: dict[str, tuple[float, Statistics]] = {}
MOST_REMEMBERED = 10_000


async def statistics(call: Call, rider_id: UUID) -> Statistics:
    """See the contract."""
    await check_may_see(call, rider_id)
    key = f"customer.stats.{call.tenant}.{rider_id}"
    at, known = _remembered.get(key, (0.0, None))
    if known is not None and time.monotonic() - at < STATISTICS_S:
        return known
    row = (await db.run("wallet", call, _STATISTICS, rider_id))[0]
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.pop(next(iter(_remembered)))
    found = Statistics(**row)
    _remembered.pop(key, None)
    _remembered[key] = (time.monotonic(), found)
    return found


_USAGE = """
SELECT date_trunc($4, at AT TIME ZONE $5)::date AS start,
       coalesce(sum(-amount_minor) FILTER (WHERE type = 'usage'), 0)::bigint AS spent,
       coalesce(sum(amount_minor) FILTER (WHERE type = 'topup'), 0)::bigint AS topped,
       count(*) AS count
FROM wallet.transaction
WHERE rider_id = $1 AND state = 'booked' AND at >= $2 AND at < $3
GROUP BY 1
"""


async def usage(
    call: Call, rider_id: UUID, since: datetime, until: datetime, group_by: GroupBy
) -> list[Bucket]:
    """See the contract."""
    await check_may_see(call, rider_id)
    if since.tzinfo is None or until.tzinfo is None or not since < until:
        raise Invalid(field="from", issue="must be before to, both with their offset from UTC")
    zone = (await tenancy.operator(call)).time_zone
    starts = _starts(since, until, group_by, zone)
    rows = await db.run("wallet", call, _USAGE, rider_id, since, until, group_by, zone)
    seen = {row["start"]: row for row in rows}
    return [
        Bucket(
            start=day.isoformat(),
            spent_minor=seen[day]["spent"] if day in seen else 0,
            topped_minor=seen[day]["topped"] if day in seen else 0,
            count=seen[day]["count"] if day in seen else 0,
        )
        for day in starts
    ]


def _starts(since: datetime, until: datetime, group_by: GroupBy, zone: str) -> list[date]:
    """The first days of all bars, as the operator's calendar has them."""
    if not datetime(2000, 1, 1, tzinfo=UTC) <= since or until > datetime(2200, 1, 1, tzinfo=UTC):
        raise Invalid(field="from", issue="must be between the years 2000 and 2200")
    day = since.astimezone(ZoneInfo(zone)).date()
    last = (until - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    if group_by == "week":
        day -= timedelta(days=day.weekday())
    if group_by == "month":
        day = day.replace(day=1)
    starts: list[date] = []
    while day <= last:
        starts.append(day)
        if len(starts) > MOST_BUCKETS:
            raise Invalid(field="to", issue=f"would be more than {MOST_BUCKETS} bars")
        if group_by == "month":
            day = (day + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=7 if group_by == "week" else 1)
    return starts


_SPENT = """
SELECT coalesce(sum(-amount_minor), 0)::bigint AS spent FROM wallet.transaction
WHERE rider_id = $1 AND state = 'booked' AND type = 'usage' AND at >= $2
"""


async def recommended_topup(call: Call, rider_id: UUID) -> int:
    """See the contract."""
    own = await wallet(call, rider_id)
    since = clock.now() - timedelta(days=30)
    rows = await db.run("wallet", call, _SPENT, rider_id, since)
    tens = 10 ** (1 + money.decimals(own.currency))
    return rules.recommended(rows[0]["spent"], own.available_minor, await settings(call), tens)


_TOPUP = f"SELECT {TOPUP} FROM wallet.topup WHERE id = $1"
_TOPUPS = f"""
SELECT {TOPUP} FROM wallet.topup WHERE rider_id = $1 ORDER BY begun_at DESC, id LIMIT $2
"""


async def topup(call: Call, topup_id: UUID) -> Topup:
    """See the contract."""
    row = await db.one("wallet", call, _TOPUP, topup_id)
    if row is None or (call.user not in (None, row["rider_id"]) and not call.may(READ_ANY)):
        raise UnknownTopup
    return Topup(**row)


async def topups(call: Call, rider_id: UUID, limit: int) -> list[Topup]:
    """See the contract."""
    await check_may_see(call, rider_id)
    return [Topup(**row) for row in await db.run("wallet", call, _TOPUPS, rider_id, limit)]


_RIDE = """
SELECT rider_id, state, currency,
       (SELECT coalesce(sum(h), 0) FROM unnest(held) AS h)::bigint AS held, total_minor, paid_minor
FROM wallet.ride WHERE rental_id = $1
"""


async def ride_money(call: Call, rental_id: UUID) -> RideMoney | None:
    """See the contract."""
    row = await db.one("wallet", call, _RIDE, rental_id)
    if row is None:
        return None
    await check_may_see(call, row["rider_id"])
    return RideMoney(
        state=row["state"], currency=row["currency"], held_minor=row["held"],
        total_minor=row["total_minor"], paid_minor=row["paid_minor"],
        transaction_id=rules.transaction_id(call.tenant, row["rider_id"], f"ride:{rental_id}"),
    )  # fmt: skip


_SETTINGS = """
SELECT least_minor, most_minor, bonus_from_minor, bonus_minor, bonus_days, low_minor
FROM wallet.setting
"""


async def settings(call: Call) -> Settings:
    """See the contract."""
    row = await db.one("wallet", call, _SETTINGS)
    return Settings() if row is None else Settings(**row)


_OWN_BALANCE = "SELECT currency, balance_minor FROM wallet.account WHERE rider_id = $1"


async def drift(call: Call, rider_id: UUID) -> int:
    """See the contract."""
    await check_may_see(call, rider_id)
    row: Any = await db.one("wallet", call, _OWN_BALANCE, rider_id)
    if row is None:
        return 0
    purse = await ledger.purse(call, str(rider_id), row["currency"])
    return int(row["balance_minor"]) - purse.balance_minor


_INVARIANTS = """
SELECT 'I5' AS invariant, format('wallet of %s says %s, its transactions %s', a.rider_id,
                                 a.balance_minor, t.total) AS detail
FROM wallet.account a JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS total FROM wallet.transaction t
    WHERE t.tenant_id = a.tenant_id AND t.rider_id = a.rider_id AND t.state = 'booked') t ON true
WHERE a.tenant_id = kernel.tenant() AND a.moved_at > $1 AND a.balance_minor <> t.total
UNION ALL
SELECT 'I5', format('payout %s of %s gathers lines of %s', p.id, p.amount_minor, c.total)
FROM wallet.payout p JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS total FROM wallet.commission c
    WHERE c.tenant_id = p.tenant_id AND c.payout_id = p.id) c ON true
WHERE p.tenant_id = kernel.tenant() AND p.made_at > $1
  AND c.total <> CASE p.state WHEN 'cancelled' THEN 0 ELSE p.amount_minor END
UNION ALL
SELECT 'I8', format('%s %s is due since %s', kind, subject, at) FROM wallet.work
WHERE tenant_id = kernel.tenant() AND at < kernel.now() - interval '120 seconds'
ORDER BY 1, 2 LIMIT 100
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What is against I5 or I8 here: ``(id, detail)``. Balances of the last hour's accounts."""
    rows = await db.run("wallet", call, _INVARIANTS, clock.now() - timedelta(hours=1))
    return [(row["invariant"], row["detail"]) for row in rows]
