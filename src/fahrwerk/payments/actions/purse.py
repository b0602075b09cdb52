"""Purses: money in by lots, money out by lots, holds. Each verb is one short transaction.

All take the locks in one order: the purse's accounts with the other accounts of one row in the
order of their ids, then (inside ``payments.post``) the hot ones.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import db, ids, money
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions import _books
from fahrwerk.payments.contract.ledger import (
    Grant,
    Hold,
    HoldEnded,
    InsufficientBalance,
    KeyReused,
    LotKind,
    NewJournal,
    Spent,
    UnknownHold,
)
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row, Tx

LONGEST_LEASE_S = 32 * 86_400.0


def signal_of(owner: str) -> str:
    """The signal that this owner's purse changed."""
    return f"payments.purse:{owner}"


def purse_ids(call: Call, owner: str, currency: str) -> dict[LotKind, UUID]:
    """The accounts of a purse."""
    return {
        kind: rules.account_id(call.tenant, f"wallet_{kind}", owner, currency)
        for kind in rules.KINDS
    }


class _Own(msgspec.Struct):
    """A purse, locked."""

    free: dict[LotKind, int]
    """Balance less holds."""
    lots: list[rules.Left]
    known: UUID | None
    """The journal with the key asked for, when it is posted already."""
    now: datetime
    """Lease time: what has run out is decided by the database's clock."""


# A statement of its own after the lock: it has to see what the one before us has left.
_LOTS = """
SELECT kernel.now() AS now,
       (SELECT id FROM payments.journal WHERE tenant_id = kernel.tenant() AND key = $2) AS known,
       l.id, l.kind, l.left_minor, l.granted_at, l.expires_at
FROM (SELECT) purse LEFT JOIN payments.lot l
  ON l.tenant_id = kernel.tenant() AND l.account_id = ANY($1) AND l.left_minor > 0
"""


async def _look(
    tx: Tx, own: dict[LotKind, UUID], key: str
) -> tuple[datetime, UUID | None, list[rules.Left]]:
    """The time, the journal with this key if there is one, and the lots of a locked purse."""
    rows = [dict(row) for row in await tx.run(_LOTS, list(own.values()), key)]
    (now, known), *_ = [(row.pop("now"), row.pop("known")) for row in rows]
    return now, known, [rules.Left(**row) for row in rows if row["id"] is not None]


async def _open(tx: Tx, call: Call, owner: str, journal: NewJournal) -> _Own:
    """Lock a purse and whatever else the journal moves, then look into it."""
    own = purse_ids(call, owner, journal.currency)
    others = [
        rules.account_id(call.tenant, line.code, line.owner, journal.currency)
        for line in journal.lines
    ]
    rows = await _books.lock(tx.run, [*own.values(), *others])
    cold = (not rules.chart_of(line.code).is_hot for line in journal.lines)
    if {*itertools.compress(others, cold)} - {row["id"] for row in rows}:
        # Made by somebody else meanwhile, it would be locked later than its turn: a deadlock.
        raise _books.NoAccount(journal)
    now, known, lots = await _look(tx, own, journal.key)
    kinds = {account: kind for kind, account in own.items()}
    free = {
        kinds[row["id"]]: -row["posted_minor"] - row["held_minor"]
        for row in rows
        if row["id"] in kinds
    }
    return _Own(free, lots, known, now)


_GRANT = """
INSERT INTO payments.lot
    (id, account_id, kind, granted_minor, left_minor, journal_id, granted_at, expires_at)
SELECT id, account_id, kind, amount, amount, $1, $2, expires_at
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[])
     AS x (id, account_id, kind, amount, expires_at)
"""


@_books.making_accounts
async def grant(call: Call, owner: str, grants: list[Grant], journal: NewJournal) -> UUID:
    """See the contract."""
    journal = rules.granted(owner, grants, journal)
    own = purse_ids(call, owner, journal.currency)
    async with db.tx("payments", call) as tx:
        journal_id, is_new = await _books.write(tx.run, call, journal)
        if is_new:
            await tx.run(
                _GRANT, journal_id, journal.at,
                [ids.derived(journal_id, each.kind) for each in grants],
                [own[each.kind] for each in grants], [each.kind for each in grants],
                [each.amount_minor for each in grants], [each.expires_at for each in grants],
            )  # fmt: skip
            tx.signal(signal_of(owner))
    return journal_id


# Three values, no array: with an array the planner thinks anew each time, or reads all there is.
_SEE = """
SELECT kernel.now() AS now,
       (SELECT id FROM payments.journal WHERE tenant_id = kernel.tenant() AND key = $4) AS known,
       a.id AS account_id, a.version, a.posted_minor, a.held_minor,
       l.id, l.kind, l.left_minor, l.granted_at, l.expires_at
FROM (VALUES ($1::uuid), ($2), ($3)) AS own (id)
LEFT JOIN LATERAL (
    SELECT * FROM payments.account a
    WHERE a.tenant_id = kernel.tenant() AND a.shard = 0 AND a.id = own.id OFFSET 0
) a ON true
LEFT JOIN LATERAL (
    SELECT * FROM payments.lot l
    WHERE l.tenant_id = kernel.tenant() AND l.account_id = a.id AND l.left_minor > 0 OFFSET 0
) l ON true
"""
_SPEND = """
SELECT outcome, journal_id, known_digest
FROM payments.spend_as_seen($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                            $17, $18)
"""
TRIES = 3
"""So often a purse is spent from as it was seen; who then still is not alone waits in line."""


async def _spend_as_seen(
    call: Call, owner: str, first: LotKind, journal: NewJournal
) -> Spent | None:
    """Look, decide, and do it if nothing has moved meanwhile: two round trips and no transaction
    of ours. None when somebody else moved the purse, or the journal is known."""
    own = purse_ids(call, owner, journal.currency)
    rows = await db.run("payments", call, _SEE, *own.values(), journal.key)
    if rows[0]["known"] is not None:
        return None
    now = rows[0]["now"]
    accounts = {row["account_id"]: row for row in rows if row["account_id"] is not None}
    free = {
        kind: -accounts[id_]["posted_minor"] - accounts[id_]["held_minor"]
        for kind, id_ in own.items()
        if id_ in accounts
    }
    lots = [
        rules.Left(**{name: row[name] for name in rules.Left.__struct_fields__})
        for row in rows
        if row["id"] is not None
    ]
    good = rules.spendable(lots, free, now)
    parts = rules.spread(rules.to_spend(journal), good, first)
    if parts is None:
        raise InsufficientBalance(available_minor=sum(good.values()))
    uses = rules.drawn(rules.in_order(rules.unexpired(lots, now), first), parts)
    others = {
        rules.account_id(call.tenant, line.code, line.owner, journal.currency)
        for line in journal.lines
        if not rules.chart_of(line.code).is_hot
    }
    whole = rules.spent(owner, parts, journal)
    (row,) = await db.run(
        "payments", call, _SPEND, *_books.arguments(call, whole),
        list(accounts), [x["version"] for x in accounts.values()],
        [x["held_minor"] for x in accounts.values()], list(others - accounts.keys()),
        [lot for lot, _ in uses], [part for _, part in uses],
    )  # fmt: skip
    if row["outcome"] in ("moved", "known"):
        return None
    journal_id, _ = _books.outcome(row, whole)
    hub.signal(signal_of(owner))
    return Spent(journal_id=journal_id, amount_minor=sum(parts.values()), parts=dict(parts))


@_books.making_accounts
async def spend(call: Call, owner: str, first: LotKind, journal: NewJournal) -> Spent:
    """See the contract."""
    amount = rules.to_spend(journal)
    for _ in range(TRIES):
        if (done := await _spend_as_seen(call, owner, first, journal)) is not None:
            return done
    async with db.tx("payments", call) as tx:
        own = await _open(tx, call, owner, journal)
        if own.known is not None:
            return await _known(tx, own.known, owner, journal)
        good = rules.spendable(own.lots, own.free, own.now)
        parts = rules.spread(amount, good, first)
        if parts is None:
            raise InsufficientBalance(available_minor=sum(good.values()))
        lots = rules.in_order(rules.unexpired(own.lots, own.now), first)
        spent = await _take(tx, call, owner, parts, lots, journal)
        tx.signal(signal_of(owner))
    return spent


_TAKE = """
WITH u AS (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS x (lot_id, amount)),
taken AS (
    UPDATE payments.lot l SET left_minor = l.left_minor - u.amount FROM u
    WHERE l.tenant_id = kernel.tenant() AND l.id = u.lot_id
)
INSERT INTO payments.lot_use (lot_id, journal_id, amount_minor) SELECT lot_id, $1, amount FROM u
"""


async def _take(
    tx: Tx, call: Call, owner: str, parts: Mapping[LotKind, int], lots: Sequence[rules.Left],
    journal: NewJournal,
) -> Spent:  # fmt: skip
    """Post the spending and take it off the lots, which are in order and locked."""
    whole = rules.spent(owner, parts, journal)
    journal_id, _ = await _books.write(tx.run, call, whole)
    uses = rules.drawn(lots, parts)
    if sum(part for _, part in uses) != sum(parts.values()):
        raise RuntimeError(f"the lots of {owner} do not sum up to the balance")
    await tx.run(_TAKE, journal_id, [lot for lot, _ in uses], [part for _, part in uses])
    return Spent(journal_id=journal_id, amount_minor=sum(parts.values()), parts=dict(parts))


_DID = """
SELECT j.digest, a.code, a.owner, e.amount_minor FROM payments.journal j
JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
JOIN payments.account a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE j.tenant_id = kernel.tenant() AND j.id = $1
"""


async def _known(tx: Tx, journal_id: UUID, owner: str, journal: NewJournal) -> Spent:
    """What a journal did, when it was this one. Raises ``KeyReused`` when it was another."""
    rows = await tx.run(_DID, journal_id)
    parts: dict[LotKind, int] = {
        kind: row["amount_minor"]
        for kind in rules.KINDS
        for row in rows
        if (row["code"], row["owner"]) == (f"wallet_{kind}", owner)
    }
    is_same = sum(parts.values()) == rules.to_spend(journal)
    if not is_same or rules.digest_of(rules.spent(owner, parts, journal)) != rows[0]["digest"]:
        raise KeyReused(key=journal.key)
    return Spent(journal_id=journal_id, amount_minor=sum(parts.values()), parts=parts)


# --- holds

_COLUMNS = "key, account_id, state, amount_minor, captured_minor, expires_at, rank"
_HOLD = f"""
SELECT {_COLUMNS} FROM payments.hold WHERE tenant_id = kernel.tenant() AND key = $1 ORDER BY rank
"""
_PLACE = f"""
WITH parts AS (
    SELECT * FROM unnest($4::uuid[], $5::bigint[]) WITH ORDINALITY AS x (account_id, amount, rank)
), held AS (
    UPDATE payments.account a SET held_minor = a.held_minor + p.amount FROM parts p
    WHERE a.tenant_id = kernel.tenant() AND a.shard = 0 AND a.id = p.account_id
)
INSERT INTO payments.hold (key, account_id, reference, rank, amount_minor, expires_at)
SELECT $1, account_id, $2, rank, amount, kernel.now() + make_interval(secs => $3) FROM parts
RETURNING {_COLUMNS}
"""


async def place_hold(
    call: Call,
    key: str,
    owner: str,
    currency: str,
    amount_minor: int,
    lease_s: float,
    first: LotKind,
    reference: UUID | None,
) -> Hold:
    """See the contract."""
    if not 0 < amount_minor <= rules.MOST_LINE_MINOR:
        raise Invalid(field="amount", issue="must be more than nothing")
    if currency not in money.DECIMALS or not 1 <= len(key) <= 200 or not owner:
        raise Invalid(field="key", issue="key, owner or currency is not possible")
    _check_lease(lease_s)
    own = purse_ids(call, owner, currency)
    async with db.tx("payments", call) as tx:
        rows = await _books.lock(tx.run, list(own.values()))
        if known := await tx.run(_HOLD, key):
            hold = _hold(known)
            mine = {row["account_id"] for row in known} <= set(own.values())
            if hold.amount_minor != amount_minor or not mine:
                raise KeyReused(key=key)
            return hold
        now, _, lots = await _look(tx, own, key)
        kinds = {account: kind for kind, account in own.items()}
        free = {kinds[x["id"]]: -x["posted_minor"] - x["held_minor"] for x in rows}
        good = rules.spendable(lots, free, now)
        parts = rules.spread(amount_minor, good, first)
        if parts is None:
            raise InsufficientBalance(available_minor=sum(good.values()))
        accounts, amounts = [own[kind] for kind in parts], list(parts.values())
        placed = await tx.run(_PLACE, key, reference, lease_s, accounts, amounts)
        tx.signal(signal_of(owner))
    return _hold(placed)


def _check_lease(lease_s: float) -> None:
    if not 0 < lease_s <= LONGEST_LEASE_S:
        raise Invalid(field="lease_s", issue=f"must be more than 0, at most {LONGEST_LEASE_S:.0f}")


def _hold(rows: Sequence[Row]) -> Hold:
    """The rows of one key as one hold."""
    if not rows:
        raise UnknownHold
    captured = any(row["state"] == "captured" for row in rows)
    return Hold(
        key=rows[0]["key"],
        state="captured" if captured else rows[0]["state"],
        amount_minor=sum(row["amount_minor"] for row in rows),
        captured_minor=sum(row["captured_minor"] for row in rows),
        expires_at=rows[0]["expires_at"],
    )


_EXTEND = f"""
UPDATE payments.hold
SET expires_at = greatest(expires_at, kernel.now() + make_interval(secs => $2))
WHERE tenant_id = kernel.tenant() AND key = $1 AND state = 'open' RETURNING {_COLUMNS}
"""


async def extend_hold(call: Call, key: str, lease_s: float) -> Hold:
    """See the contract."""
    _check_lease(lease_s)
    if rows := await db.run("payments", call, _EXTEND, key, lease_s):
        return _hold(rows)
    _hold(await db.run("payments", call, _HOLD, key))
    raise HoldEnded


END_HOLDS = f"""
WITH x AS (
    SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS x (account_id, captured)
), ended AS (
    UPDATE payments.hold h
    SET state = $4, captured_minor = x.captured, ended_at = kernel.now() FROM x
    WHERE h.tenant_id = kernel.tenant() AND h.key = $1 AND h.account_id = x.account_id
      AND h.state = 'open'
    RETURNING {", ".join(f"h.{name}" for name in _COLUMNS.split(", "))}
), freed AS (
    UPDATE payments.account a SET held_minor = a.held_minor - e.amount_minor FROM ended e
    WHERE a.tenant_id = kernel.tenant() AND a.shard = 0 AND a.id = e.account_id
)
SELECT * FROM ended
"""
_OWNERS = """
SELECT DISTINCT a.owner FROM payments.hold h
JOIN payments.account a ON a.tenant_id = h.tenant_id AND a.id = h.account_id AND a.shard = 0
WHERE h.tenant_id = kernel.tenant() AND h.key = $1
"""


@_books.making_accounts
async def capture_hold(call: Call, key: str, journal: NewJournal) -> Spent:
    """See the contract."""
    amount = rules.to_spend(journal)
    found = await db.run("payments", call, _OWNERS, key)
    if not found:
        raise UnknownHold
    owner: str = found[0]["owner"]
    async with db.tx("payments", call) as tx:
        own = await _open(tx, call, owner, journal)
        if own.known is not None:
            return await _known(tx, own.known, owner, journal)
        rows = await tx.run(_HOLD, key)
        hold = _hold(rows)
        if hold.state != "open":
            raise HoldEnded
        kinds = {
            account: kind for kind, account in purse_ids(call, owner, journal.currency).items()
        }
        if not {row["account_id"] for row in rows} <= kinds.keys():
            raise Invalid(field="currency", issue="is not the hold's")
        held = {kinds[row["account_id"]]: row["amount_minor"] for row in rows}
        order = list(held)
        parts = rules.spread(amount, held, order[0])
        if parts is None:
            raise InsufficientBalance(available_minor=hold.amount_minor)
        accounts = [row["account_id"] for row in rows]
        took = [parts.get(kinds[account], 0) for account in accounts]
        await tx.run(END_HOLDS, key, accounts, took, "captured")
        spent = await _take(tx, call, owner, parts, rules.in_order(own.lots, order[0]), journal)
        tx.signal(signal_of(owner))
    return spent


async def release_hold(call: Call, key: str) -> Hold:
    """See the contract."""
    async with db.tx("payments", call) as tx:
        rows = await tx.run(_HOLD, key)
        accounts = [row["account_id"] for row in rows]
        await _books.lock(tx.run, accounts)
        await tx.run(END_HOLDS, key, accounts, [0] * len(accounts), "released")
        for row in await tx.run(_OWNERS, key):
            tx.signal(signal_of(row["owner"]))
        return _hold(await tx.run(_HOLD, key))
