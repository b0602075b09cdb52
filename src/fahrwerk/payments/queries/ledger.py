"""What the books say: balances now and at a time, trial balance, statements, journals, purses."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.payments.contract.ledger import (
    Account,
    AccountPage,
    Journal,
    Lot,
    LotKind,
    Posted,
    Purse,
    Statement,
    StatementLine,
    TrialLine,
)
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

READ = "payments.ledger.read"
_SIGN = "CASE WHEN {}.kind IN ('asset', 'expense') THEN 1 ELSE -1 END"

# What came later is taken off the balance now, not what was before summed up: as_of is mostly near.
_ACCOUNTS = f"""
WITH page AS (
    SELECT id, code, owner, kind, currency, sum(posted_minor) AS posted, sum(held_minor) AS held,
           sum(version) AS entries
    FROM payments.account
    WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR code = $1)
      AND ($2::text IS NULL OR owner = $2) AND ($3::uuid IS NULL OR id = $3)
    GROUP BY id, code, owner, kind, currency
    ORDER BY code, owner, currency LIMIT $5 OFFSET $6
)
SELECT p.id, p.code, p.owner, p.kind, p.currency,
       ({_SIGN.format("p")} * (p.posted - coalesce(later.amount, 0)))::bigint AS balance_minor,
       p.held::bigint AS held_minor, p.entries::bigint AS entries
FROM page p LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS amount FROM payments.entry e
    WHERE $4::timestamptz IS NOT NULL AND e.tenant_id = kernel.tenant() AND e.account_id = p.id
      AND e.at > $4
) later ON true
ORDER BY p.code, p.owner, p.currency
"""
_COUNT = """
SELECT count(DISTINCT id) FROM payments.account
WHERE tenant_id = kernel.tenant() AND ($1::text IS NULL OR code = $1)
  AND ($2::text IS NULL OR owner = $2)
"""


async def accounts(
    call: Call, code: str | None, owner: str | None, as_of: datetime | None, limit: int, offset: int
) -> AccountPage:
    """See the contract."""
    call.require(READ)
    rows = await db.run("payments", call, _ACCOUNTS, code, owner, None, as_of, limit, offset)
    total = await db.run("payments", call, _COUNT, code, owner)
    return AccountPage(db.shaped(_account, rows), total[0][0])


def _account(*row: object) -> Account:
    return Account(**dict(zip(Account.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]


_TRIAL = """
SELECT a.code, a.kind, a.currency,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.at < $1), 0)::bigint AS opening,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.at >= $1 AND e.amount_minor > 0), 0)::bigint
           AS debit,
       coalesce(-sum(e.amount_minor) FILTER (WHERE e.at >= $1 AND e.amount_minor < 0), 0)::bigint
           AS credit,
       coalesce(sum(e.amount_minor), 0)::bigint AS closing
FROM payments.account a
JOIN payments.entry e ON e.tenant_id = a.tenant_id AND e.account_id = a.id AND e.shard = a.shard
WHERE a.tenant_id = kernel.tenant() AND e.at < $2
GROUP BY a.code, a.kind, a.currency ORDER BY a.currency, a.code
"""
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


async def trial_balance(
    call: Call, since: datetime | None, until: datetime | None
) -> list[TrialLine]:
    """See the contract."""
    call.require(READ)
    rows = await db.run("payments", call, _TRIAL, since or _FIRST, until or _LAST)
    return [TrialLine(**dict(zip(TrialLine.__struct_fields__, row, strict=True))) for row in rows]


_STATEMENT = """
SELECT j.id, j.kind, j.reference, e.at, j.narration, e.amount_minor
FROM payments.entry e
JOIN payments.journal j ON j.tenant_id = e.tenant_id AND j.id = e.journal_id
WHERE e.tenant_id = kernel.tenant() AND e.account_id = $1 AND e.at >= $2 AND e.at < $3
  AND ($4::timestamptz IS NULL OR (e.at, e.journal_id) < ($4, $5::uuid))
ORDER BY e.at DESC, e.journal_id DESC LIMIT $6
"""
_LATER = """
SELECT coalesce(sum(amount_minor), 0)::bigint AS amount FROM payments.entry
WHERE tenant_id = kernel.tenant() AND account_id = $1 AND (at, journal_id) > ($2, $3)
"""


async def statement(
    call: Call,
    account_id: UUID,
    since: datetime | None,
    until: datetime | None,
    after: str | None,
    limit: int,
) -> Statement:
    """See the contract."""
    call.require(READ)
    begins = _place(after) if after is not None else (None, None)
    async with db.tx("payments", call) as tx:
        # One look at both, so that balances fit the account also while somebody posts.
        await tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = await tx.run(_ACCOUNTS, None, None, account_id, None, 1, 0)
        rows = await tx.run(
            _STATEMENT, account_id, since or _FIRST, until or _LAST, *begins, limit + 1
        )
        later = 0
        if rows:
            later = (await tx.run(_LATER, account_id, rows[0]["at"], rows[0]["id"]))[0]["amount"]
    if not found:
        raise NotFound
    account = _account(*found[0])
    sign = rules.sign_of(account.kind)
    lines, balance = [], account.balance_minor - sign * later
    for row in rows[:limit]:
        line = StatementLine(
            journal_id=row["id"], kind=row["kind"], reference=row["reference"], at=row["at"],
            narration=row["narration"], amount_minor=row["amount_minor"], balance_minor=balance,
        )  # fmt: skip
        lines.append(line)
        balance -= sign * line.amount_minor
    more = len(rows) > limit
    return Statement(account, lines, _cursor(lines[-1]) if more else None)


def _cursor(line: StatementLine) -> str:
    place = f"{line.at.isoformat()}|{line.journal_id}"
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(after: str) -> tuple[datetime, UUID]:
    try:
        at, _, journal_id = base64.b64decode(after, b"-_", validate=True).decode().partition("|")
        place = datetime.fromisoformat(at), UUID(journal_id)
    except (binascii.Error, ValueError):
        raise Invalid(field="after", issue="is not what the page before said") from None
    if place[0].tzinfo is None:
        raise Invalid(field="after", issue="is not what the page before said")
    return place


_JOURNAL = """
SELECT j.id, j.key, j.kind, j.reference, j.at, j.posted_at, j.narration, j.actor, j.reverses,
       r.id AS reversed_by,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('account_id', a.id, 'code', a.code,
                   'owner', a.owner, 'currency', e.currency, 'amount_minor', e.amount_minor)
               ORDER BY e.amount_minor DESC, a.code), '[]')
        FROM payments.entry e JOIN payments.account a
          ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.id) AS lines
FROM payments.journal j
LEFT JOIN payments.journal r ON r.tenant_id = j.tenant_id AND r.reverses = j.id
WHERE j.tenant_id = kernel.tenant() AND j.id = $1
"""


async def read_journal(call: Call, journal_id: UUID) -> Journal:
    """One journal, whoever asks. Raises ``NotFound``."""
    row = await db.one("payments", call, _JOURNAL, journal_id)
    if row is None:
        raise NotFound
    values = dict(row)
    lines = msgspec.convert(values.pop("lines"), list[Posted])
    return Journal(**values, lines=lines)


async def journal(call: Call, journal_id: UUID) -> Journal:
    """See the contract."""
    call.require(READ)
    return await read_journal(call, journal_id)


_PURSE = """
SELECT a.id, -a.posted_minor AS balance, a.held_minor AS held, kernel.now() AS at,
       (SELECT coalesce(jsonb_agg(to_jsonb(l)), '[]') FROM payments.lot l
        WHERE l.tenant_id = a.tenant_id AND l.account_id = a.id AND l.left_minor > 0) AS lots
FROM payments.account a
WHERE a.tenant_id = kernel.tenant() AND a.shard = 0 AND a.id = ANY($1)
"""


async def purse(call: Call, owner: str, currency: str) -> Purse:
    """See the contract."""
    own: dict[UUID, LotKind] = {
        rules.account_id(call.tenant, f"wallet_{kind}", owner, currency): kind
        for kind in rules.KINDS
    }
    rows = await db.run("payments", call, _PURSE, list(own))
    balances: dict[LotKind, int] = dict.fromkeys(rules.KINDS, 0)
    lots: list[Lot] = []
    good: dict[LotKind, int] = {}
    for row in rows:
        kind = own[row["id"]]
        balances[kind] = row["balance"]
        mine = msgspec.convert(row["lots"], list[Lot])
        left = [_left(lot) for lot in mine]
        good |= {kind: rules.spendable(left, {kind: row["balance"] - row["held"]}, row["at"])[kind]}
        lots += mine
    order = [lot.id for lot in rules.in_order([_left(lot) for lot in lots], rules.KINDS[0])]
    return Purse(
        owner=owner,
        currency=currency,
        balance_minor=sum(balances.values()),
        available_minor=sum(good.values()),
        held_minor=sum(row["held"] for row in rows),
        balances=balances,
        lots=sorted(lots, key=lambda lot: order.index(lot.id)),
    )


def _left(lot: Lot) -> rules.Left:
    return rules.Left(
        id=lot.id, kind=lot.kind, left_minor=lot.left_minor, granted_at=lot.granted_at,
        expires_at=lot.expires_at,
    )  # fmt: skip
