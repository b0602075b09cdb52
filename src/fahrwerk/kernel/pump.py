"""The pump carries events from the log to the rooms' handlers: exactly once, in order.

One reader per handler group (a room). It reads below the oldest running transaction in
``(xid, position)`` order, because positions alone are handed out before commit and a reader that
trusts them loses events. The handlers of a batch, their rows and the checkpoint commit together;
the checkpoint moves only from where this reader found it, so two readers cannot both succeed.

Events a group has no handler for are passed over in memory, and the checkpoint is moved past them
a little later: a crash in between reads them again, which changes nothing.

A failing batch is repeated one event at a time; an event that keeps failing becomes a dead letter
and can be replayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from fahrwerk.kernel import clock, db, events, observe
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.live import rung

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fahrwerk.kernel.events import Handler

BATCH = 200
IDLE_WAIT_S = 1.0
GATHER_S = 0.003
"""After a bell: under load many events come within this time, and are one batch."""
SAVE_EVERY_S = 0.05
HELD_BACK_S = (0.002, 0.05)
"""How soon to look again at events that an older transaction still holds back: first, at most."""
ATTEMPTS = 5
log = structlog.get_logger()

_START = """
INSERT INTO kernel.checkpoint (handler_group) VALUES ($1) ON CONFLICT DO NOTHING
"""
_WHERE = "SELECT xid::text AS xid, position FROM kernel.checkpoint WHERE handler_group = $1"
_READ = """
SELECT position, xid::text AS xid, id, tenant_id, stream, version, name,
       CASE WHEN name = ANY($4) THEN data END AS data, actor, trace, at
FROM kernel.event e
WHERE (xid, position) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.xid, e.position LIMIT $3  -- bare xid would be the text above: 1000 before 999
"""
_BEHIND = """
SELECT EXISTS (SELECT 1 FROM kernel.event WHERE (xid, position) > ($1::text::xid8, $2)) AS behind
"""
_MOVE = """
UPDATE kernel.checkpoint SET xid = $4::text::xid8, position = $5, handled = handled + $6,
       updated_at = now()
WHERE handler_group = $1 AND xid = $2::text::xid8 AND position = $3
RETURNING handler_group
"""
_BURY = """
INSERT INTO kernel.dead_letter (handler_group, event_position, tenant_id, name, error, attempts)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (handler_group, event_position) DO UPDATE SET error = excluded.error
"""


class Overtaken(Exception):
    """Another reader of this group was faster; nothing of ours was kept."""


class Reader:
    """One handler group's reader."""

    def __init__(self, room: str, handlers: Sequence[Handler]) -> None:
        self.room = room
        self.by_name: dict[str, list[Handler]] = defaultdict(list)
        for handler in handlers:
            self.by_name[handler.kind.event_name].append(handler)
        self._names = list(self.by_name)
        self._lag = observe.event_lag.labels(room)
        self.xid, self.position = "0", 0
        """How far this reader has come."""
        self._saved = (self.xid, self.position)
        """How far the checkpoint says it has come."""
        self._skipped = 0
        self._saved_at = 0.0

    async def load(self) -> None:
        """Find out where this group stands."""
        call = system(None, "pump")
        await db.run("pump", call, _START, self.room)
        row = await db.one("pump", call, _WHERE, self.room)
        if row is not None:
            self._saved = self.xid, self.position = row["xid"], row["position"]
            self._skipped = 0

    async def step(self) -> int:
        """Handle one batch; how many events were passed. Raises only when the database is down."""
        rows = await db.run(
            "pump", system(None, "pump"), _READ, self.xid, self.position, BATCH, self._names
        )
        if not rows:
            return 0
        if not any(row["name"] in self.by_name for row in rows):
            self.xid, self.position = rows[-1]["xid"], rows[-1]["position"]
            self._skipped += len(rows)
            if time.monotonic() - self._saved_at > SAVE_EVERY_S:
                await self.save()
            return len(rows)
        try:
            await self._commit(rows)
        except Overtaken:
            await self.load()
        except db.DatabaseDown:
            await self._after_doubt()
            raise
        except Exception:
            await self._one_by_one(rows)
        now = clock.now()
        for row in rows:
            if row["name"] in self.by_name:
                self._lag.observe(max(0.0, (now - row["at"]).total_seconds()))
        return len(rows)

    async def save(self) -> None:
        """Move the checkpoint past what was passed over."""
        if self._skipped:
            row = await db.one(
                "pump", system(None, "pump"), _MOVE,
                self.room, *self._saved, self.xid, self.position, self._skipped,
            )  # fmt: skip
            if row is None:
                await self.load()  # another reader of this group was faster
                return
            self._has_saved()

    def _has_saved(self) -> None:
        self._saved, self._skipped = (self.xid, self.position), 0
        self._saved_at = time.monotonic()

    async def is_behind(self) -> bool:
        """True when there are events this group has not passed, readable yet or not."""
        row = await db.one("pump", system(None, "pump"), _BEHIND, self.xid, self.position)
        return row is not None and bool(row["behind"])

    async def _after_doubt(self) -> None:
        # The connection broke, perhaps at COMMIT: the checkpoint itself says whether it held.
        with contextlib.suppress(db.DatabaseDown):
            await self.load()

    async def _commit(self, rows: Sequence[Any], dead: Exception | None = None) -> None:
        wanted = [row for row in rows if row["name"] in self.by_name]
        async with db.tx("pump" if not wanted else self.room, system(None, "pump")) as tx:
            for row in wanted if dead is None else ():
                await tx.turn_to(self.room, row["tenant_id"])
                await self._handle(tx, row)
            await tx.turn_to("pump", None)
            if dead is not None:
                row = rows[0]
                await tx.run(
                    _BURY, self.room, row["position"], row["tenant_id"], row["name"],
                    f"{type(dead).__name__}: {dead}"[:2000], ATTEMPTS,
                )  # fmt: skip
            last = rows[-1]
            point(f"pump.{self.room}.before_commit")
            moved = await tx.run(
                _MOVE, self.room, *self._saved, last["xid"], last["position"],
                len(rows) + self._skipped,
            )  # fmt: skip
            if not moved:
                raise Overtaken
        self.xid, self.position = last["xid"], last["position"]
        self._has_saved()
        point(f"pump.{self.room}.after_commit")

    async def _handle(self, tx: db.Tx, row: Any) -> None:
        fact = events.Fact(
            row["position"], row["id"], row["stream"], row["version"], row["name"],
            row["actor"], row["trace"], row["at"],
        )  # fmt: skip
        for handler in self.by_name[row["name"]]:
            call = system(row["tenant_id"], self.room, trace=row["trace"])
            value = msgspec.convert(row["data"], handler.kind)
            await handler.function(tx, call, value, fact)

    async def _one_by_one(self, rows: Sequence[Any]) -> None:
        for row in rows:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    await self._commit([row])
                    break
                except (Overtaken, db.DatabaseDown):
                    await self._after_doubt()
                    return
                except Exception as error:
                    log.warning(
                        "handler failed", room=self.room, event_name=row["name"],
                        position=row["position"], attempt=attempt, exc_info=error,
                    )  # fmt: skip
                    if attempt == ATTEMPTS:
                        observe.dead_letters.labels(self.room).inc()
                        await self._commit([row], dead=error)
                    else:
                        await asyncio.sleep(0.05 * 2**attempt)


class Pump:
    """All readers of this process, woken by commits here and by signals from other processes."""

    def __init__(self, rooms: Sequence[str] | None = None) -> None:
        groups: dict[str, list[Handler]] = defaultdict(list)
        for handler in events.handlers:
            if rooms is None or handler.room in rooms:
                groups[handler.room].append(handler)
        self.readers = [Reader(room, handlers) for room, handlers in sorted(groups.items())]
        self._bells = [asyncio.Event() for _ in self.readers]
        self._tasks: list[asyncio.Task[None]] = []

    def wake(self) -> None:
        """There may be news: every reader looks now."""
        for bell in self._bells:
            bell.set()

    async def start(self) -> None:
        """Begin reading in the background."""
        for reader, bell in zip(self.readers, self._bells, strict=True):
            self._tasks.append(asyncio.create_task(self._read(reader, bell)))

    async def _read(self, reader: Reader, bell: asyncio.Event) -> None:
        loaded = False
        held_back_s = HELD_BACK_S[0]
        while True:
            bell.clear()
            try:
                if not loaded:
                    await reader.load()
                    loaded = True
                if await reader.step():
                    held_back_s = HELD_BACK_S[0]
                    continue
                await reader.save()
                if await reader.is_behind():
                    # Committed, but an older transaction still runs: no bell will ring for them.
                    await rung(bell, held_back_s)
                    held_back_s = min(held_back_s * 2, HELD_BACK_S[1])
                    continue
            except db.DatabaseDown:
                await asyncio.sleep(0.5)
                continue
            except Exception as error:
                log.error("pump failed", room=reader.room, exc_info=error)
                await asyncio.sleep(1)
                loaded = False
                continue
            if await rung(bell, IDLE_WAIT_S):
                await asyncio.sleep(GATHER_S)

    async def drain(self, limit: int = 10_000) -> None:
        """Handle everything there is, then return: for tests and one-shot commands."""
        for reader in self.readers:
            await reader.load()
        for _ in range(limit):
            if sum([await reader.step() for reader in self.readers]):
                continue
            if not any([await reader.is_behind() for reader in self.readers]):
                for reader in self.readers:
                    await reader.save()
                return
            # Committed, but an older transaction somewhere in the cluster still runs.
            await asyncio.sleep(0.005)
        raise RuntimeError("the pump does not come to an end: a handler answers itself")

    async def stop(self) -> None:
        """Stop reading; what was under way is rolled back and will be read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


_LETTERS = """
SELECT d.id, d.handler_group, d.event_position, d.tenant_id, d.name, d.error, d.created_at
FROM kernel.dead_letter d WHERE d.replayed_at IS NULL ORDER BY d.id
"""
_EVENT = """
SELECT position, xid::text AS xid, id, tenant_id, stream, version, name, data, actor, trace, at
FROM kernel.event WHERE position = $1
"""
_REPLAYED = """
UPDATE kernel.dead_letter SET replayed_at = now() WHERE id = $1 AND replayed_at IS NULL RETURNING id
"""


async def dead_letters() -> list[db.Row]:
    """Events waiting for a person, oldest first."""
    return await db.run("pump", system(None, "pump"), _LETTERS)


async def replay(letter_id: int, room: str, event_position: int, tenant: UUID) -> bool:
    """Hand a dead letter to its handlers again; False when somebody else already did."""
    reader = Reader(room, [h for h in events.handlers if h.room == room])
    call = system(None, "pump")
    row = await db.one("pump", call, _EVENT, event_position)
    if row is None:
        return False
    async with db.tx("pump", call) as tx:
        if not await tx.run(_REPLAYED, letter_id):
            return False
        await tx.turn_to(room, tenant)
        await reader._handle(tx, row)
    return True
