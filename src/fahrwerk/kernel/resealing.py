"""Sealing anew what was sealed with a secret of before, so that the old secret can be given up.

A room that keeps sealed things has ``reseal(call) -> Tally`` among its actions; ``fahrwerk secrets
reseal`` finds each by its name and asks it for every operator. What is already sealed with the
secret of now is left alone, so it may be stopped and repeated at any time, while all else goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from fahrwerk.kernel import audit, crypto, db

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

PART = 500


class Tally(NamedTuple):
    """How many were sealed anew, and how many can be opened with no secret that is known."""

    anew: int = 0
    lost: int = 0

    def and_also(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.anew + other.anew, self.lost + other.lost)


Renew = Callable[[db.Row], Any]
"""The new value for a row's ``kept``; None: it may stay. ``ValueError``: nobody can open it."""


class Journey(NamedTuple):
    """While a whole tenant moves (``kernel.transport``): all of it is sealed anew, by the owner's
    connection, whether or not the secret of now could open it."""

    run: Callable[..., Awaitable[list[db.Row]]]
    """Room, statement and arguments, as the tenant that is on its way."""
    told: Callable[[list[tuple[bytes, bytes]]], Awaitable[None]] | None
    """What was sealed and how it is to be: instead of writing it. None: it is written."""
    purpose: Callable[[str], str]
    """The purpose there, for which it is sealed, of the one here."""


journey: ContextVar[Journey | None] = ContextVar("journey", default=None)


def anew(purpose: str, sealed: bytes) -> bytes | None:
    """Sealed with the secret of now; None when it is already. Raises ``ValueError``."""
    on = journey.get()
    if on is None and not crypto.is_stale(purpose, sealed):
        return None
    there = purpose if on is None else on.purpose(purpose)
    return crypto.seal(there, crypto.unseal(purpose, sealed))


def sealed_for(purpose: str) -> Renew:
    """For what is all sealed for the same purpose."""
    return lambda row: anew(purpose, row["kept"])


async def renewed(call: Call, room: str, read: str, write: str, renew: Renew) -> Tally:
    """Go over one column, part by part.

    ``read``: after the key ``$1`` (null at first), ``$2`` rows ``key``, ``kept`` and what ``renew``
    needs. ``write``: for the arrays of keys, of what was kept and of what is to be kept; it returns
    a row for each that was still as it was read.
    """
    on = journey.get()

    async def run(sql: str, *args: Any) -> list[db.Row]:
        return await (on.run(room, sql, *args) if on else db.run(room, call, sql, *args))

    tally, after = Tally(), None
    while rows := await run(read, after, PART):
        changes: list[tuple[Any, Any, Any]] = []
        lost = 0
        for row in rows:
            try:
                value = renew(row)
            except ValueError:
                lost += 1
                continue
            if value is not None:
                changes.append((row["key"], row["kept"], value))
        done = 0
        if changes and on is not None and on.told is not None:
            # Keyed hashes are no bytes and travel as they are: made anew where it comes to.
            await on.told([(was, new) for _, was, new in changes if isinstance(new, bytes)])
            done = len(changes)
        elif changes:
            columns = [list(each) for each in zip(*changes, strict=True)]
            done = len(await run(write, *columns))
        tally = tally.and_also(Tally(done, lost))
        after = rows[-1]["key"]
    return tally


_PEOPLE = """
SELECT person_id AS key, sealed AS kept FROM kernel.person_key
WHERE sealed IS NOT NULL AND ($1::uuid IS NULL OR person_id > $1) ORDER BY person_id LIMIT $2
"""
_OF_PEOPLE = """
UPDATE kernel.person_key p SET sealed = n.anew
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (key, was, anew)
WHERE p.person_id = n.key AND p.sealed = n.was RETURNING 1
"""


async def reseal(call: Call) -> Tally:
    """The kernel's own: keys of people, and the head of the audit log's chain."""
    of_people = await renewed(call, "kernel", _PEOPLE, _OF_PEOPLE, sealed_for("person"))
    if journey.get() is not None:
        return of_people  # the head of the chain stays, and is sealed where the tenant comes to
    of_audit = Tally(int(call.tenant is not None and await audit.reseal_head(call.tenant)))
    return of_people.and_also(of_audit)
