"""Tries are counted before they are looked at, and written down afterwards.

Counting first means that a thousand tries at the same time are a thousand, not one.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.contract import TooManyTries
from fahrwerk.identity.events import SecurityNoticed
from fahrwerk.identity.rules import lockout
from fahrwerk.kernel import asgi, crypto, db, events, ids

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call


class Counted(msgspec.Struct, frozen=True):
    """One counted try: whom it is about and where it came from."""

    who: str
    place: str
    failures: int
    """From everywhere within the window, with this one; 0 for known devices."""
    is_attack: bool
    """Above the cap for all places together: no password is right now."""


def digest(kind: str, *parts: object) -> str:
    """What is guessed at, keyed: the table tells nobody which addresses were typed in."""
    key = crypto.lasting_key_for(f"identity.{kind}")
    return hmac.digest(key, "\x1f".join(map(str, parts)).encode(), "sha256").hex()


def place_of(call: Call, device_id: UUID | None = None) -> str:
    """Where a try comes from: a known device, or its network."""
    return f"device:{device_id}" if device_id else asgi.network_of(call.address) or "nowhere"


_STALE = f"f.since < kernel.now() - interval '{lockout.WINDOW_S} seconds'"
_COUNT = f"""
WITH here AS (
    INSERT INTO identity.failure AS f (who, place, failures) VALUES ($1, $2, 1)
    ON CONFLICT (tenant_id, who, place) DO UPDATE SET
        failures = CASE WHEN {_STALE} THEN 1 ELSE f.failures + 1 END,
        since = CASE WHEN {_STALE} THEN kernel.now() ELSE f.since END,
        pause_till = kernel.now() + make_interval(secs => CASE WHEN {_STALE} THEN 0
            ELSE coalesce(($3::int[])[f.failures + 1], {lockout.LONGEST_PAUSE_S}) END)
    WHERE f.pause_till <= kernel.now()
    RETURNING f.failures
), everywhere AS (
    INSERT INTO identity.failure AS f (who, place, failures) SELECT $1, '', 1 FROM here WHERE $4
    ON CONFLICT (tenant_id, who, place) DO UPDATE SET
        failures = CASE WHEN {_STALE} THEN 1 ELSE f.failures + 1 END,
        since = CASE WHEN {_STALE} THEN kernel.now() ELSE f.since END
    RETURNING f.failures
)
SELECT (SELECT failures FROM here) AS here, (SELECT failures FROM everywhere) AS everywhere
"""
_WAIT = """
SELECT ceil(extract(epoch FROM pause_till - kernel.now()))::int AS seconds
FROM identity.failure WHERE who = $1 AND place = $2
"""


async def count(call: Call, who: str, device_id: UUID | None = None) -> Counted:
    """Count a try before it is looked at. Raises ``TooManyTries`` while this place has to wait.

    A known device is a place of its own, and what all others do does not count against it.
    """
    place = place_of(call, device_id)
    is_stranger = device_id is None
    row = await db.one("identity", call, _COUNT, who, place, lockout.PAUSES_S, is_stranger)
    if row is None or row["here"] is None:
        wait = await db.one("identity", call, _WAIT, who, place)
        raise TooManyTries(retry_after=max(1, wait["seconds"] if wait else 1))
    everywhere = row["everywhere"] or 0
    return Counted(who, place, everywhere, is_attack=everywhere > lockout.CAP)


FORGIVE = """
WITH forgiven AS (DELETE FROM identity.failure WHERE who = $1 AND place = $2)
UPDATE identity.failure SET failures = greatest(failures - 1, 0) WHERE who = $1 AND place = ''
"""


async def forgive(call: Call, counted: Counted) -> None:
    """It was right: this place starts anew, and the try does not count against the account."""
    await db.run("identity", call, FORGIVE, counted.who, counted.place)


_NOTE = """
INSERT INTO identity.attempt (id, person_id, who, address, device, is_known, outcome, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def note(
    call: Call, person_id: UUID | None, counted: Counted, device: str, outcome: str
) -> None:
    """Write down how a try ended."""
    await db.run(
        "identity", call, _NOTE,
        ids.new(), person_id, counted.who, call.address[:60], device,
        counted.place.startswith("device:"), outcome, call.request_id[:80],
    )  # fmt: skip


_TELL = f"""
WITH told AS (
    UPDATE identity.failure SET told_at = kernel.now()
    WHERE who = $1 AND place = '' AND (told_at IS NULL
          OR told_at < kernel.now() - interval '1 day')
    RETURNING who
)
{events.INSERT} SELECT $2, 1, $3, $4, $5::jsonb, $6, $7 FROM told WHERE $8
"""


async def tell_of_attack(call: Call, counted: Counted, person_id: UUID | None) -> None:
    """Tell the owner, at most once a day, that somebody guesses at his password."""
    notice = ids.new()
    fact = SecurityNoticed(person_id or notice, notice, "under_attack")
    told = events.columns(call, fact)
    stream = f"security:{notice}"
    await db.run("identity", call, _TELL, counted.who, stream, *told, person_id is not None)
