"""What one request really says to PostgreSQL, statement by statement, as a pgbench script.

The application runs in this process on the seeded database, and asyncpg tells each statement it
sends. Two requests that differ in nothing but rider and vehicle are recorded; what differs in their
arguments is what must differ in every repetition, and becomes an expression on pgbench's counter.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import NotFound
from tests.bench.city import RIDER_HEAD, VEHICLE_HEAD, rider_id, vehicle_id

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.connection import LoggedQuery

STICKY = "SELECT set_config('role'"
"""What a sticky connection says when it changes sides. pgbench never has to."""
NEW = "00000000-0000-7000-a"
"""How ids begin that a booking makes."""
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PUBLIC = r"\b[a-z]{2,5}_[0-9A-Za-z]{22}\b"
_NAMES = re.compile(f"{_UUID}|{_PUBLIC}")


class Said(msgspec.Struct):
    """One statement as it was sent."""

    sql: str
    args: tuple[Any, ...]
    kinds: tuple[str, ...] = ()
    """The type of each parameter, as PostgreSQL understood it."""


class Script(msgspec.Struct):
    """A pgbench script and the fixed values of its variables."""

    text: str
    values: dict[str, str]
    statements: list[str]


async def listen(act: Callable[[], Awaitable[Any]]) -> list[Said]:
    """The statements ``act`` sends, without those that only set up a connection."""
    said: list[Said] = []
    hearing: list[asyncpg.Connection[Any]] = []

    def hear(record: LoggedQuery) -> None:
        if not record.query.startswith(STICKY):
            said.append(Said(record.query, tuple(record.args or ())))

    own = db.database()
    for sticky in own._idle:  # all of them: nothing else runs
        sticky.raw.add_query_logger(hear)
        hearing.append(sticky.raw)
    try:
        await act()
        await asyncio.sleep(0)  # the last of them are told in the loop's next round
    finally:
        for raw in hearing:
            raw.remove_query_logger(hear)
    return said


async def describe(raw: asyncpg.Connection[Any], said: list[Said]) -> None:
    """Find out the parameters' types (``raw`` must be allowed to run all of them)."""
    for each in said:
        if each.args:
            statement = await raw.prepare(each.sql)
            each.kinds = tuple(kind.name for kind in statement.get_parameters())


class Writer:
    """Makes a script of two recordings: of rider and vehicle ``first`` and of ``first + 1``."""

    def __init__(self, first: int) -> None:
        self.heads = {
            (vehicle_id(first), vehicle_id(first + 1)): VEHICLE_HEAD,
            (rider_id(first), rider_id(first + 1)): RIDER_HEAD,
        }
        self.values: dict[str, str] = {}
        self.now = datetime.now(UTC)

    def script(self, one: list[Said], two: list[Said]) -> Script:
        if [each.sql for each in one] != [each.sql for each in two]:
            raise RuntimeError("two like requests did not send the same statements")
        lines = ["\\set i :first + :client_id * :each + :n", "\\set n :n + 1"]
        statements = []
        for number, (a, b) in enumerate(zip(one, two, strict=True)):
            sql = re.sub(r"\$(\d+)", partial(self._value, number, a, b), a.sql)
            statements.append(" ".join(a.sql.split()))
            lines.append(sql.strip().rstrip(";") + ";")
        return Script("\n".join(lines) + "\n", self.values, statements)

    def _value(self, number: int, a: Said, b: Said, match: re.Match[str]) -> str:
        index = int(match[1]) - 1
        kind = a.kinds[index]
        return f"({self._expression(f'v{number}_{index}', a.args[index], b.args[index])})::{kind}"

    def _expression(self, name: str, a: Any, b: Any) -> str:
        if a is None:
            return "NULL"
        if isinstance(a, datetime):
            # Times of a booking are now, or now and a lease.
            ahead = round((a - self.now).total_seconds())
            return f"now() + interval '{ahead} s'" if abs(ahead) > 2 else "now()"
        text_a, text_b = _text(a), _text(b)
        if text_a == text_b:
            self.values[name] = text_a
            return f":{name}"
        found_a = list(_NAMES.finditer(text_a))
        found_b = [match[0] for match in _NAMES.finditer(text_b)]
        if not found_a or len(found_a) != len(found_b):
            # A random word: as long, and different each time.
            return self._joined(name, [text_a[:-12], ""])
        pieces, at = [], 0
        for match, other in zip(found_a, found_b, strict=True):
            pieces.append(text_a[at : match.start()] + self._head(match[0], other))
            at = match.end()
        return self._joined(name, [*pieces, text_a[at:]])

    def _joined(self, name: str, pieces: list[str]) -> str:
        """The pieces with the counter between them."""
        parts = []
        for number, piece in enumerate(pieces):
            if piece:
                self.values[f"{name}_{number}"] = piece
                parts.append(f"(:{name}_{number})::text")
            if number < len(pieces) - 1:
                parts.append("(:i)::text")
        return " || ".join(parts)

    def _head(self, a: str, b: str) -> str:
        """What stands before the counter in the name that was ``a`` once and ``b`` then."""
        prefix = a.rpartition("_")[0]
        pair = _uuid(a), _uuid(b)
        if pair not in self.heads:
            self.heads[pair] = f"{NEW}{len(self.heads):03}-"
        # 22 characters of a public id: ten and the counter's twelve.
        return f"{prefix}_0000000000" if prefix else self.heads[pair]


def _uuid(text: str) -> UUID:
    try:
        return ids.parse(text, text.rpartition("_")[0])
    except NotFound:
        raise RuntimeError(f"{text!r} is not an id") from None


def _text(value: Any) -> str:
    """As PostgreSQL reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, str | int | float | UUID):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(v, str | int | UUID) for v in value):
        return "{" + ",".join(map(str, value)) + "}"
    return msgspec.json.encode(value).decode()
