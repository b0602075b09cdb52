"""The pump carries events from the log to the rooms' handlers: exactly once, in order.

The log is read once a process, below the oldest running transaction and in ``(xid, position)``
order, because positions alone are handed out before commit and a reader that trusts them loses
events. Each page goes to one reader per handler group (a room), at its own pace; one that fell
behind (a handler failed, another process was faster) reads for itself until it has caught up. The
checkpoint, the handlers of a batch and their rows commit together; the checkpoint moves first, and
only from where this reader found it, so two readers cannot both succeed.

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
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import msgspec
import structlog

from fahrwerk.kernel import clock, db, events, observe
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.kernel.live import rung

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from fahrwerk.kernel.events import Handler

T = TypeVar("T")
BATCH = 200
PAGE = 500
MOST_GIVEN = 10 * BATCH
"""Events that wait in memory for one reader; beyond that it reads for itself when it is there."""
IDLE_WAIT_S = 1.0
PACE_S = 0.015
"""The log is read no more often than this: the first event at once, under load many in one go."""
SAVE_EVERY_S = 0.03
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
SELECT EXISTS (SELECT FROM kernel.event e WHERE (xid, position) > ($1::text::xid8, $2)
               ORDER BY e.xid, e.position LIMIT 1 -- or the planner may read the whole log
) AS behind
"""
_SAVE = """
UPDATE kernel.checkpoint c
SET xid = g.to_xid::xid8, position = g.to_position, handled = c.handled + g.passed,
    updated_at = now()
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
     AS g (handler_group, xid, position, to_xid, to_position, passed)
WHERE c.handler_group = g.handler_group AND c.xid = g.xid::xid8 AND c.position = g.position
RETURNING c.handler_group
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


Place = tuple[int, int]
"""(xid, position): where in the log somebody stands."""


class Reader:
    """One handler group's reader."""

    def __init__(self, room: str, handlers: Sequence[Handler]) -> None:
        self.room = room
        self.by_name: dict[str, list[Handler]] = defaultdict(list)
        for handler in handlers:
            self.by_name[handler.kind.event_name].append(handler)
        self.bell = asyncio.Event()
        self.is_busy = False
        self._lag = observe.event_lag.labels(room)
        self.xid, self.position = "0", 0
        """How far this reader has come."""
        self._given: list[Any] = []
        """What follows, already read."""
        self._saved = (self.xid, self.position)
        """How far the checkpoint says it has come."""
        self._skipped = 0

    async def load(self) -> None:
        """Find out where this group stands."""
        call = system(None, "pump")
        await db.run("pump", call, _START, self.room)
        row = await db.one("pump", call, _WHERE, self.room)
        if row is not None:
            self._saved = self.xid, self.position = row["xid"], row["position"]
            self._given, self._skipped = [], 0

    def reached(self) -> Place:
        """Where the next event for this reader comes after."""
        return _place(self._given[-1]) if self._given else (int(self.xid), self.position)

    def give(self, after: Place, rows: Sequence[Any]) -> None:
        """Rows that follow ``after`` without a gap; not taken by who is not there yet."""
        reached = self.reached()
        if reached >= after and len(self._given) < MOST_GIVEN:
            rows = rows if reached == after else [row for row in rows if _place(row) > reached]
            if self._given or any(row["name"] in self.by_name for row in rows):
                self._given.extend(rows)
            elif rows and not self.is_busy:
                self._pass_over(rows)
            # A busy one misses these, and reads them for itself afterwards.
        self.bell.set()

    def has_work(self, head: Place) -> bool:
        """True when something was given to it, or the log was read further than it has come."""
        return bool(self._given) or self.reached() < head

    def _pass_over(self, rows: Sequence[Any]) -> None:
        self.xid, self.position = rows[-1]["xid"], rows[-1]["position"]
        self._skipped += len(rows)

    async def step(self) -> int:
        """Handle one batch; how many events were passed. Raises only when the database is down."""
        if not self._given:
            read = await _read(self.xid, self.position, BATCH, list(self.by_name))
            self._given = self._given or list(read)
        rows = self._given[:BATCH]
        if not any(row["name"] in self.by_name for row in rows):
            if rows:
                self._pass_over(rows)
                del self._given[: len(rows)]
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

    def passed(self) -> tuple[str, str, int, str, int, int] | None:
        """What ``_SAVE`` needs to move this group's checkpoint past what was passed over."""
        if not self._skipped or self._given or self.is_busy:
            return None
        return self.room, *self._saved, self.xid, self.position, self._skipped

    def has_saved(self) -> None:
        """The checkpoint is where this reader is."""
        self._saved, self._skipped = (self.xid, self.position), 0

    async def _after_doubt(self) -> None:
        # The connection broke, perhaps at COMMIT: the checkpoint itself says whether it held.
        with contextlib.suppress(db.DatabaseDown):
            await self.load()

    async def _commit(self, rows: Sequence[Any], dead: Exception | None = None) -> None:
        last = rows[-1]
        async with db.tx("pump", system(None, "pump")) as tx:
            # First of all, so that a slower reader of this group waits here and does nothing twice.
            try:
                moved = await tx.run(
                    _MOVE, self.room, *self._saved, last["xid"], last["position"],
                    len(rows) + self._skipped,
                )  # fmt: skip
            except asyncpg.LockNotAvailableError:
                raise Overtaken from None
            if not moved:
                raise Overtaken
            if dead is not None:
                row = rows[0]
                await tx.run(
                    _BURY, self.room, row["position"], row["tenant_id"], row["name"],
                    f"{type(dead).__name__}: {dead}"[:2000], ATTEMPTS,
                )  # fmt: skip
            tenant = None
            for row in rows if dead is None else ():
                if row["name"] in self.by_name:
                    if row["tenant_id"] != tenant:
                        tenant = row["tenant_id"]
                        await tx.turn_to(self.room, tenant)
                    await self._handle(tx, row)
            point(f"pump.{self.room}.before_commit")
        self.xid, self.position = last["xid"], last["position"]
        self.has_saved()
        del self._given[: len(rows)]
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
        self._names = sorted({name for reader in self.readers for name in reader.by_name})
        self._head = ("0", 0)
        """How far the log was read for all."""
        self._bell = asyncio.Event()
        self._saved_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def wake(self) -> None:
        """There may be news: look now."""
        self._bell.set()

    async def start(self) -> None:
        """Begin reading in the background."""
        self._tasks = [asyncio.create_task(self._run())]

    async def _run(self) -> None:
        for reader in self.readers:
            await _stubbornly(reader.load, reader.room)
        first = max(self.readers, key=Reader.reached, default=None)
        if first is None:
            return
        self._head = first.xid, first.position
        async with asyncio.TaskGroup() as group:
            for reader in self.readers:
                group.create_task(self._attend(reader))
            group.create_task(self._read_log())

    async def _read_log(self) -> None:
        held_back_s = HELD_BACK_S[0]
        while True:
            self._bell.clear()
            began = time.monotonic()
            count = await _stubbornly(self._page, "log")
            if not count and await _stubbornly(self._is_held_back, "log"):
                # Committed, but an older transaction still runs: no bell will ring for them.
                await rung(self._bell, held_back_s)
                held_back_s = min(held_back_s * 2, HELD_BACK_S[1])
                continue
            held_back_s = HELD_BACK_S[0]
            if count < PAGE:
                if not count:
                    await rung(self._bell, IDLE_WAIT_S)
                await asyncio.sleep(began + PACE_S - time.monotonic())

    async def _page(self) -> int:
        """Read on, and give what came to every reader that is there; how many events."""
        rows = await _read(*self._head, PAGE, self._names)
        after = int(self._head[0]), self._head[1]
        if rows:
            self._head = rows[-1]["xid"], rows[-1]["position"]
        for reader in self.readers:
            reader.give(after, rows)
        if not rows or time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._saved_at = time.monotonic()
            await save(self.readers)
        return len(rows)

    async def _is_held_back(self) -> bool:
        return await _is_behind(*self._head)

    async def _attend(self, reader: Reader) -> None:
        """Let one reader handle what it is given, and catch up by itself when it fell behind."""
        while True:
            reader.bell.clear()
            reader.is_busy = True
            while reader.has_work((int(self._head[0]), self._head[1])):
                if not await _stubbornly(reader.step, reader.room):
                    await _stubbornly(reader.load, reader.room)
                    break
            reader.is_busy = False
            await reader.bell.wait()

    async def drain(self, limit: int = 10_000) -> None:
        """Handle everything there is, then return: for tests and one-shot commands."""
        for reader in self.readers:
            await reader.load()
        for _ in range(limit):
            if sum([await reader.step() for reader in self.readers]):
                continue
            if not any([await _is_behind(r.xid, r.position) for r in self.readers]):
                await save(self.readers)
                return
            # Committed, but an older transaction somewhere in the cluster still runs.
            await asyncio.sleep(0.005)
        raise RuntimeError("the pump does not come to an end: a handler answers itself")

    async def stop(self) -> None:
        """Stop reading; what was under way is rolled back and will be read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _stubbornly(do: Callable[[], Awaitable[T]], who: str) -> T:
    """Its result, however long the database is away."""
    while True:
        try:
            return await do()
        except db.DatabaseDown:
            await asyncio.sleep(0.5)
        except Exception as error:
            log.error("pump failed", who=who, exc_info=error)
            await asyncio.sleep(1)


async def save(readers: Sequence[Reader]) -> None:
    """Move the checkpoints past what was passed over, all in one statement."""
    saved = {reader.room: reader for reader in readers if reader.passed()}
    if not saved:
        return
    moves = zip(*filter(None, map(Reader.passed, saved.values())), strict=True)
    rows = await db.run("pump", system(None, "pump"), _SAVE, *map(list, moves))
    for room in {row["handler_group"] for row in rows}:
        saved.pop(room).has_saved()
    for reader in saved.values():
        await reader.load()  # another reader of this group was faster


async def _read(xid: str, position: int, most: int, names: list[str]) -> list[db.Row]:
    """What follows in the log and is safe to read; data only of the events called ``names``."""
    return await db.run("pump", system(None, "pump"), _READ, xid, position, most, names)


async def _is_behind(xid: str, position: int) -> bool:
    """True when there are events after this place, readable yet or not."""
    row = await db.one("pump", system(None, "pump"), _BEHIND, xid, position)
    return row is not None and bool(row["behind"])


def _place(row: Any) -> Place:
    return int(row["xid"]), row["position"]


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
