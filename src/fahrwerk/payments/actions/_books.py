"""Writing into the books: one journal, one statement; accounts are made when first needed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.payments.contract.ledger import AlreadyReversed, InsufficientBalance, KeyReused
from fahrwerk.payments.rules import ledger as rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from uuid import UUID

    from fahrwerk.kernel.db import Row
    from fahrwerk.payments.contract.ledger import NewJournal

    Run = Callable[..., Awaitable[list[Row]]]
    """``tx.run``, or ``db.run`` for this room and call."""

POST = """
SELECT outcome, journal_id, known_digest
FROM payments.post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_LAY_OUT = """
INSERT INTO payments.account (id, shard, code, owner, kind, currency, floor_minor)
SELECT id, shard, code, owner, kind, $1, floor_minor
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[])
     AS x (id, shard, code, owner, kind, floor_minor)
ORDER BY id, shard
ON CONFLICT DO NOTHING
"""


P = ParamSpec("P")
R = TypeVar("R")


class NoAccount(Exception):
    """A journal names accounts that nobody has used yet; nothing was written."""

    def __init__(self, journal: NewJournal) -> None:
        self.journal = journal


def making_accounts(
    verb: Callable[Concatenate[Call, P], Awaitable[R]],
) -> Callable[Concatenate[Call, P], Coroutine[Any, Any, R]]:
    """Run a verb again after making the accounts it missed: outside its transaction, sorted.

    So accounts cost nothing but the first time, and nobody waits for a new one with locks in hand.
    """

    @functools.wraps(verb)
    async def does(call: Call, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await verb(call, *args, **kwargs)
        except NoAccount as missing:
            await lay_out(call, missing.journal)
        return await verb(call, *args, **kwargs)

    return does


async def lay_out(call: Call, journal: NewJournal) -> None:
    """Make the accounts this journal names, as far as they are missing."""
    lines = journal.lines
    charts = [rules.chart_of(line.code) for line in lines]
    await db.run(
        "payments", call, _LAY_OUT, journal.currency,
        [rules.account_id(call.tenant, x.code, x.owner, journal.currency) for x in lines],
        [rules.shard_of(x.code, journal.key) for x in lines],
        [x.code for x in lines], [x.owner for x in lines],
        [chart.kind for chart in charts], [chart.floor_minor for chart in charts],
    )  # fmt: skip


def arguments(call: Call, journal: NewJournal, reverses: UUID | None = None) -> tuple[Any, ...]:
    """What ``POST`` takes; ``journal`` is checked."""
    return (
        ids.new(), journal.key, journal.kind, journal.reference, journal.at, journal.narration,
        call.actor, reverses, rules.digest_of(journal),
        [rules.account_id(call.tenant, x.code, x.owner, journal.currency) for x in journal.lines],
        [rules.shard_of(x.code, journal.key) for x in journal.lines],
        [x.amount_minor for x in journal.lines],
    )  # fmt: skip


async def write(
    run: Run, call: Call, journal: NewJournal, reverses: UUID | None = None
) -> tuple[UUID, bool]:
    """Post a checked journal: its id, and whether it is new.

    Raises ``InsufficientBalance``, ``KeyReused``, ``AlreadyReversed``, ``NoAccount``.
    """
    row = (await run(POST, *arguments(call, journal, reverses)))[0]
    return outcome(row, journal)


def outcome(row: Row, journal: NewJournal) -> tuple[UUID, bool]:
    """What ``payments.post`` said of a journal: its id, and whether it is new. Raises as above."""
    if row["outcome"] == "no_account":
        raise NoAccount(journal)
    if row["outcome"] == "known" and row["known_digest"] != rules.digest_of(journal):
        raise KeyReused(key=journal.key)
    if row["outcome"] == "low":
        raise InsufficientBalance
    if row["outcome"] == "reversed":
        raise AlreadyReversed
    return row["journal_id"], row["outcome"] == "posted"


_LOCK = """
SELECT id, code, posted_minor, held_minor FROM payments.account
WHERE tenant_id = kernel.tenant() AND shard = 0 AND id = ANY($1)
ORDER BY id FOR NO KEY UPDATE
"""


async def lock(run: Run, account_ids: Sequence[UUID]) -> list[Row]:
    """Lock accounts of one row each in the order ``payments.post`` takes them.

    Who locks before it posts names all accounts of the journal here: hot ones are left out, they
    come last and are held for one statement only.
    """
    return await run(_LOCK, list(account_ids))
