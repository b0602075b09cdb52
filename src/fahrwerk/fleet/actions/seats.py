"""Which worker listens to which part of the vehicles: leases on seats.

As many seats as the vehicles are divided into; a worker takes one that nobody sits on, and one
more only when nobody else has come for it in some seconds. What a seat's vehicles publish meanwhile
waits at the broker.
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
_LEAVE = "UPDATE fleet.ingest_seat SET expires_at = kernel.now(), holder = '' WHERE holder = $1"


async def set_out(seats: int) -> None:
    """There are so many seats."""
    await db.run("fleet", system(None, "fleet"), _SET_OUT, seats)


async def sit(holder: str, seats: int) -> set[int]:
    """Keep this worker's seats, and take one more if one is free: the seats it has for ``LEASE_S``.

    Called again every second.
    """
    call = system(None, "fleet")
    mine = {row["seat"] for row in await db.run("fleet", call, _STAY, holder, seats)}
    if len(mine) < seats:
        wait_s = PATIENCE_S * len(mine)
        mine |= {r["seat"] for r in await db.run("fleet", call, _SIT_DOWN, holder, seats, wait_s)}
    return mine


async def leave(holder: str) -> None:
    """Others may sit here at once."""
    await db.run("fleet", system(None, "fleet"), _LEAVE, holder)
