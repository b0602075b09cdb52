"""Which worker listens to which part of the vehicles: leases on seats.

As many seats as the vehicles are divided into; a worker takes one that nobody sits on, and one
more only when nobody else has come for it in some seconds. One that joins when all are taken is
given some: who has two more than somebody else gives one up, once all it has heard there is kept.
What a seat's vehicles publish meanwhile waits at the broker.
"""

from __future__ import annotations

from fahrwerk.kernel import db
from fahrwerk.kernel.call import system

LEASE_S = 4.0
PATIENCE_S = 3.0
"""For each seat a worker has, it lets others go first for so long."""

_SET_OUT = """
INSERT INTO fleet.ingest_seat (seat, holder, expires_at)
SELECT seat, '', kernel.now() FROM generate_series(0, $1 - 1) AS seat ON CONFLICT DO NOTHING
"""
_STAY = f"""
UPDATE fleet.ingest_seat SET expires_at = kernel.now() + interval '{LEASE_S} seconds'
WHERE holder = $1 AND seat < $2 RETURNING seat
"""
_SIT_DOWN = f"""
UPDATE fleet.ingest_seat SET holder = $1, expires_at = kernel.now() + interval '{LEASE_S} seconds'
WHERE seat = (SELECT seat FROM fleet.ingest_seat
              WHERE seat < $2 AND expires_at <= kernel.now() - make_interval(secs => $3)
              ORDER BY seat LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING seat
"""
_IS_HERE = f"""
INSERT INTO fleet.ingest_worker (holder, expires_at)
VALUES ($1, kernel.now() + interval '{LEASE_S} seconds')
ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at
"""
_GONE = """
DELETE FROM fleet.ingest_worker
WHERE holder = $1 OR expires_at < kernel.now() - interval '1 hour'
"""
# While a seat is free, whoever lacks one takes that: nobody has to give.
_SPARE = """
WITH counted AS (
    SELECT w.holder, count(s.seat) AS seats FROM fleet.ingest_worker w
    LEFT JOIN fleet.ingest_seat s ON s.holder = w.holder AND s.seat < $2
                                 AND s.expires_at > kernel.now()
    WHERE w.expires_at > kernel.now() GROUP BY w.holder
)
SELECT max(s.seat) AS seat FROM fleet.ingest_seat s
WHERE s.holder = $1 AND s.seat < $2
  AND (SELECT seats FROM counted WHERE holder = $1) - 2 >= (SELECT min(seats) FROM counted)
  AND NOT EXISTS (SELECT FROM fleet.ingest_seat f
                  WHERE f.seat < $2 AND f.expires_at <= kernel.now())
"""
_RISE = """
UPDATE fleet.ingest_seat SET expires_at = kernel.now(), holder = ''
WHERE holder = $1 AND seat = $2
"""
_LEAVE = "UPDATE fleet.ingest_seat SET expires_at = kernel.now(), holder = '' WHERE holder = $1"


async def set_out(seats: int) -> None:
    """There are so many seats."""
    await db.run("fleet", system(None, "fleet"), _SET_OUT, seats)


async def sit(holder: str, seats: int) -> set[int]:
    """Keep this worker's seats, and take one more if one is free: the seats it has for ``LEASE_S``.

    Called again every second.
    """
    call = system(None, "fleet")
    await db.run("fleet", call, _IS_HERE, holder)
    mine = {row["seat"] for row in await db.run("fleet", call, _STAY, holder, seats)}
    if len(mine) < seats:
        wait_s = PATIENCE_S * len(mine)
        mine |= {r["seat"] for r in await db.run("fleet", call, _SIT_DOWN, holder, seats, wait_s)}
    return mine


async def spare(holder: str, seats: int) -> int | None:
    """The seat that this worker is to give up next; None = it has no more than its share."""
    row = await db.one("fleet", system(None, "fleet"), _SPARE, holder, seats)
    found: int | None = row["seat"] if row is not None else None
    return found


async def rise(holder: str, seat: int) -> None:
    """Another one may sit here at once."""
    await db.run("fleet", system(None, "fleet"), _RISE, holder, seat)


async def leave(holder: str) -> None:
    """Others may sit here at once."""
    call = system(None, "fleet")
    await db.run("fleet", call, _LEAVE, holder)
    await db.run("fleet", call, _GONE, holder)
