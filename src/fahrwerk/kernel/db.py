"""The one small door to PostgreSQL: a statement or a short transaction, as a room for a tenant.

``run(room, call, SQL, *args)`` is one atomic statement and one round trip: no BEGIN, no COMMIT.
``async with tx(room, call) as t`` is for more than one. Every connection is *sticky*: it remembers
the room role, tenant and time that were last set and sets them again only when they differ, and an
idle connection that already fits is taken first. Row-level security does the rest: an unset tenant
sees no rows.

Sticky settings need direct connections. Behind a transaction pooler they would leak to strangers;
``open_database`` refuses such a server.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import asyncpg
import msgspec
from asyncpg import exceptions as pg

from fahrwerk.kernel import clock
from fahrwerk.kernel.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call

T = TypeVar("T")
Row = asyncpg.Record

STATEMENT_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_MS = 10_000
LOCK_TIMEOUT_MS = 3_000
CONNECT_TIMEOUT_S = 5.0
POOL_WAIT_S = 10.0
BREAKER_FAILURES = 3  # C-44, RNT-29
BREAKER_OPEN_S = 30.0

_LOST = (
    OSError,
    TimeoutError,
    pg.PostgresConnectionError,
    pg.InterfaceError,
    pg.InternalClientError,
    pg.AdminShutdownError,
    pg.CrashShutdownError,
    pg.CannotConnectNowError,
    pg.TooManyConnectionsError,
)
_AGAIN = (pg.DeadlockDetectedError, pg.SerializationError)
_TOO_SLOW = (pg.QueryCanceledError, pg.LockNotAvailableError)
_NOT_TEXT = (pg.CharacterNotInRepertoireError, pg.UntranslatableCharacterError)
_SET = (
    "SELECT set_config('role', $1, false), set_config('fahrwerk.tenant', $2, false), "
    "set_config('fahrwerk.now', $3, false)"
)

in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)
statements: ContextVar[list[str] | None] = ContextVar("statements", default=None)
"""Set to a list to see every statement run: how tests count round trips."""


class DatabaseDown(Unavailable):
    """PostgreSQL cannot be reached; whether a COMMIT under way took effect is unknown (RNT-28)."""

    code = "DATABASE_UNAVAILABLE"


class DatabaseBusy(Unavailable):
    """A statement, a row or a connection took too long; nothing took effect (F21)."""

    code = "DATABASE_BUSY"


class Fit(NamedTuple):
    """What a connection is set to."""

    role: str
    tenant: str
    now: str


class _Sticky:
    __slots__ = ("fit", "raw")

    def __init__(self, raw: asyncpg.Connection[Any]) -> None:
        self.raw = raw
        self.fit: Fit | None = None


class Database:
    """A bounded set of sticky connections with a circuit breaker (RNT-29)."""

    def __init__(self, dsn: str, size: int) -> None:
        self.dsn = dsn
        self.size = size
        self._idle: deque[_Sticky] = deque()
        self._free = asyncio.Semaphore(size)
        self._failures = 0
        self._open_until = 0.0
        self._probing = False
        self.after_events: Callable[[], None] = lambda: None
        """Called after each commit that wrote events; the pump hangs itself in here."""
        self.signal: Callable[[str], None] = lambda _: None
        """Called after a commit with each name given to ``Tx.signal``; the hub hangs in here."""

    async def connect(self) -> asyncpg.Connection[Any]:
        """A new connection with this house's limits; counted by the breaker."""
        if time.monotonic() < self._open_until and not self._probing:
            # One caller a second may knock, so that a database that is back is noticed early.
            if self._open_until - time.monotonic() > BREAKER_OPEN_S - 1:
                raise DatabaseDown(retry_after=1)
            self._open_until = time.monotonic() + BREAKER_OPEN_S
        try:
            raw = await asyncpg.connect(
                self.dsn,
                timeout=CONNECT_TIMEOUT_S,
                statement_cache_size=400,
                max_cached_statement_lifetime=0,
                server_settings={
                    "application_name": "fahrwerk",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "TimeZone": "UTC",
                    # A tenant's rows are found by index; parallel workers only add start-up cost.
                    "max_parallel_workers_per_gather": "0",
                    "jit": "off",
                },
            )
        except _LOST as error:
            self._failures += 1
            if self._failures >= BREAKER_FAILURES:
                self._open_until = time.monotonic() + BREAKER_OPEN_S
            raise DatabaseDown from error
        self._failures, self._open_until = 0, 0.0
        try:
            await raw.set_type_codec(
                "jsonb",
                schema="pg_catalog",
                encoder=_to_json,
                decoder=msgspec.json.decode,
            )
        except BaseException:
            raw.terminate()  # who asked was cancelled, or the server went away again
            raise
        return raw

    async def _take(self, fit: Fit) -> _Sticky:
        await self._wait_for_one()
        found: _Sticky | None = None
        try:
            for sticky in reversed(self._idle):
                if sticky.fit == fit:
                    found = sticky
                    break
            if found is not None:
                self._idle.remove(found)
            elif self._idle and self._opened() >= self.size:
                found = self._idle.popleft()
            else:
                try:
                    found = _Sticky(await self.connect())
                except DatabaseDown:
                    # The server may be full (F21): then an idle connection serves someone else.
                    if not self._idle:
                        raise
                    found = self._idle.popleft()
            if found.raw.is_closed():
                found = _Sticky(await self.connect())
            if found.fit != fit:
                found.fit = None
                await found.raw.fetch(_SET, *fit)
                found.fit = fit
        except BaseException:
            if found is not None:
                found.raw.terminate()  # what it is set to is unknown: never lend it again
            self._free.release()
            raise
        return found

    async def _wait_for_one(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(POOL_WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            # Whoever asked has given up by now; better told than kept in an ever longer queue.
            raise DatabaseBusy(retry_after=1) from None

    def _opened(self) -> int:
        return len(self._idle) + self.size - self._free._value

    def _give(self, sticky: _Sticky) -> None:
        if sticky.raw.is_closed():
            pass
        elif sticky.raw.is_in_transaction() or sticky.fit is None:
            sticky.raw.terminate()
        else:
            self._idle.append(sticky)
        self._free.release()

    @asynccontextmanager
    async def lend(self, fit: Fit) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection set to ``fit`` for the block; lost connections become ``DatabaseDown``."""
        try:
            sticky = await self._take(fit)
        except _LOST as error:
            self._drop_idle()
            raise DatabaseDown from error
        try:
            yield sticky.raw
        except _LOST as error:
            self._drop_idle()
            sticky.raw.terminate()
            raise DatabaseDown from error
        except _TOO_SLOW as error:
            raise DatabaseBusy(retry_after=1) from error
        except _NOT_TEXT:
            # PostgreSQL has no NUL, and people send it only to see what happens.
            raise Invalid(field="body", issue="must not contain NUL characters") from None
        except asyncio.CancelledError:
            sticky.raw.terminate()  # its protocol state is unknown: never lend it again
            raise
        finally:
            self._give(sticky)

    def _drop_idle(self) -> None:
        # A server that closed one connection has usually closed them all.
        while self._idle:
            self._idle.pop().raw.terminate()

    async def close(self) -> None:
        """Close idle connections; those on loan are closed when they come back."""
        while self._idle:
            with suppress(*_LOST, pg.PostgresError):
                await self._idle.pop().raw.close(timeout=2)


_database: Database | None = None


def _to_json(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def open_database(dsn: str, size: int = 16) -> Database:
    """Connect this process to ``dsn``; refuses a login that could step over the tenant walls."""
    global _database
    database = Database(dsn, size)
    raw = await database.connect()
    try:
        who = await raw.fetchrow(
            "SELECT rolname, rolsuper OR rolbypassrls AS too_mighty FROM pg_roles "
            "WHERE rolname = current_user"
        )
        owns = await raw.fetchval(
            "SELECT count(*) FROM pg_tables "
            "WHERE tableowner = current_user AND schemaname = ANY($1)",
            ["kernel", "tenancy", "fleet"],
        )
    finally:
        await raw.close()
    if who is None or who["too_mighty"] or owns:
        name = who["rolname"] if who else "?"
        raise SystemExit(
            f"The database login {name!r} is a superuser, bypasses row-level security or owns our "
            "tables: tenants would not be apart. Use the login that `fahrwerk migrate` made "
            "(fahrwerk_app) in FAHRWERK_DATABASE_URL."
        )
    _database = database
    return database


def database() -> Database:
    """The process's database; an error when ``open_database`` was not called."""
    if _database is None:
        raise RuntimeError("open_database() was not called in this process")
    return _database


async def close_database() -> None:
    """Forget and close the process's connections."""
    global _database
    if _database is not None:
        await _database.close()
        _database = None


def fit_of(room: str, tenant: UUID | None) -> Fit:
    """The settings a statement of ``room`` for ``tenant`` needs."""
    moved = clock.lease_time()
    return Fit(f"fahrwerk_{room}", str(tenant or ""), moved.isoformat() if moved else "")


@lru_cache(maxsize=2048)
def _writes_events(sql: str) -> bool:
    return "INSERT INTO kernel.event" in sql


def _seen(sql: str) -> None:
    if (seen := statements.get()) is not None:
        seen.append(sql)


async def run(room: str, call: Call, sql: str, *args: Any) -> list[Row]:
    """One statement, atomic by itself: its rows. Deadlocks are tried again, at most three times.

    Raises ``DatabaseDown`` (503) when PostgreSQL cannot be reached.
    """
    if in_transaction.get():
        raise RuntimeError("db.run inside a transaction: use the transaction's own run")
    _seen(sql)
    owner = database()
    fit = fit_of(room, call.tenant)
    for attempt in range(4):
        try:
            async with owner.lend(fit) as raw:
                rows = await raw.fetch(sql, *args)
            break
        except _AGAIN:
            if attempt == 3:
                raise
            await asyncio.sleep(random.uniform(0.002, 0.02) * (attempt + 1))
    if _writes_events(sql):
        owner.after_events()
    return rows


async def one(room: str, call: Call, sql: str, *args: Any) -> Row | None:
    """The first row of :func:`run`, or None."""
    rows = await run(room, call, sql, *args)
    return rows[0] if rows else None


class Tx:
    """A transaction under way: ``run`` and ``one`` as above, on its own connection."""

    __slots__ = ("_raw", "call", "room", "signals", "wrote_events")

    def __init__(self, raw: asyncpg.Connection[Any], room: str, call: Call) -> None:
        self._raw = raw
        self.room = room
        self.call = call
        self.wrote_events = False
        self.signals: list[str] = []

    def signal(self, name: str) -> None:
        """After the commit, tell everyone that ``name`` changed (see ``kernel.live``)."""
        self.signals.append(name)

    async def run(self, sql: str, *args: Any) -> list[Row]:
        """One statement within this transaction."""
        _seen(sql)
        self.wrote_events = self.wrote_events or _writes_events(sql)
        return await self._raw.fetch(sql, *args)

    async def one(self, sql: str, *args: Any) -> Row | None:
        """The first row of :meth:`run`, or None."""
        rows = await self.run(sql, *args)
        return rows[0] if rows else None

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """The same statement for many argument rows, in one batch."""
        _seen(sql)
        self.wrote_events = self.wrote_events or _writes_events(sql)
        await self._raw.executemany(sql, rows)

    async def copy(
        self, schema: str, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """COPY ``rows`` in: fast for thousands of rows. Not for tables behind a tenant wall."""
        await self._raw.copy_records_to_table(
            table, schema_name=schema, columns=columns, records=rows
        )

    async def turn_to(self, role: str, tenant: UUID | None) -> None:
        """Go on as another role for another tenant until this transaction ends (pump only)."""
        await self._raw.fetch(
            "SELECT set_config('role', $1, true), set_config('fahrwerk.tenant', $2, true)",
            f"fahrwerk_{role}",
            str(tenant or ""),
        )


@asynccontextmanager
async def tx(room: str, call: Call) -> AsyncIterator[Tx]:
    """A short transaction of ``room`` for the call's tenant. No network inside, ever.

    A lost connection at COMMIT raises ``DatabaseDown``: the outcome is unknown, and the caller's
    key finds it out.
    """
    if in_transaction.get():
        raise RuntimeError("a transaction inside a transaction")
    owner = database()
    async with owner.lend(fit_of(room, call.tenant)) as raw:
        token = in_transaction.set(True)
        try:
            async with raw.transaction():
                t = Tx(raw, room, call)
                yield t
        finally:
            in_transaction.reset(token)
    if t.wrote_events:
        owner.after_events()
    for name in t.signals:
        owner.signal(name)


def shaped(kind: Callable[..., T], rows: Sequence[Row]) -> list[T]:
    """Rows as frozen structs, by position: the SELECT list is in the struct's field order."""
    return [kind(*row) for row in rows]
