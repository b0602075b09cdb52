"""Prepaid balances: usage at a fixed rate over HTTP, and 5,000 open balance streams.

An operator's own system charges usage for a thousand riders in turn. Then every rider of five
thousand has a stream of his balance open at one API process, and some of them are charged: what is
measured is the time from the request to the event at the client, and what a stream costs in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psutil

from fahrwerk import app
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.wallet import contract
from tests.bench import load
from tests.bench.city import rider_id
from tests.bench.floors import BALANCE_EVENT_P95_MS, USAGE_P95_MS, USAGES_PER_S, Figure
from tests.bench.report import say
from tests.bench.stage import SECRET, spent_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Api, Stage

CHARGED = 1_000
STREAMS = 5_000
CONNECT_AT_ONCE = 50
EVENTS_PER_S = 50
_BALANCE = re.compile(rb"event: balance\n")


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The lines of the table about wallets."""
    crypto.set_signing_secret(SECRET)
    app.load_rooms()
    admin = ids.new()
    await db.open_database(stage.dsn, 8)
    try:
        say("money for a thousand riders")
        await _fund(city, admin)
    finally:
        await db.close_database()
    token = crypto.issue_token(admin, city.tenant, ["admin"], ids.new())
    staff = f"X-Tenant-ID: {city.slug}\r\nAuthorization: Bearer {token}\r\n"
    with stage.api(plan.processes) as api:
        usage = await _usage(stage, api, staff, plan)
    with stage.api(1) as api:
        return [usage, *await _streams(api, city, staff, plan)]


async def _fund(city: City, admin: UUID) -> None:
    call = Call(
        tenant=city.tenant, tenant_slug=city.slug, user=admin, roles=frozenset({"admin"}),
        permissions=frozenset({"*"}),
    )  # fmt: skip
    some = asyncio.Semaphore(8)

    async def one(k: int) -> None:
        async with some:
            await contract.adjust(call, rider_id(k), 5_000_000, "bench", f"bench:{k}")

    await asyncio.gather(*(one(k) for k in range(CHARGED)))


def _usages(staff: str, first: int, count: int) -> Iterator[bytes]:
    for k in range(first, first + count):
        body = {
            "user_id": ids.public("usr", rider_id(k % CHARGED)),
            "amount": "0.25",
            "description": "bench",
            "key": f"usage:{k}",
        }
        yield load.post("/api/v1/wallet/usage", msgspec.json.encode(body), staff)


async def _usage(stage: Stage, api: Api, staff: str, plan: Plan) -> Figure:
    warm, count = 5 * USAGES_PER_S, round(USAGES_PER_S * plan.rate_s)
    say(f"usage at {USAGES_PER_S}/s")
    await load.at_rate(
        api.targets, _usages(staff, 0, warm), per_second=USAGES_PER_S, count=warm, wanted=201
    )
    before = stage.cpu_s(app=api.processes)
    run = await load.at_rate(
        api.targets, _usages(staff, warm, count), per_second=USAGES_PER_S, count=count, wanted=201
    )
    spent = spent_us(before, stage.cpu_s(app=api.processes), count)
    return Figure(
        what=f"wallet usage charge over HTTP at {USAGES_PER_S}/s, p95",
        measured=run.quantile_ms(0.95),
        unit="ms",
        floor=USAGE_P95_MS,
        sound=not run.errors and run.answered == count,
        cpu_us=spent["app"] + spent["postgres"],
        detail={**run.say(), "cpu_us": spent},
    )


class _Reader(asyncio.Protocol):
    """One client of a balance stream: counts its events, and how late the one it waits for is."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.events = 0
        self.since: float | None = None
        """When the charge was sent whose event is waited for."""
        self.late: list[float] = []
        self.is_lost = False
        self.changed = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if _BALANCE.search(data):
            self.events += 1
            self.changed.set()
            if self.since is not None:
                self.late.append(time.perf_counter() - self.since)
                self.since = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self.changed.set()


async def _opened(api: Api, city: City, count: int) -> list[_Reader]:
    """So many riders, each with a stream that has brought its first event."""
    host, port = api.targets[0]
    loop = asyncio.get_running_loop()
    readers: list[_Reader] = []
    for start in range(0, count, CONNECT_AT_ONCE):
        some = range(start, min(start + CONNECT_AT_ONCE, count))
        made = [_Reader(load.get("/api/v1/portal/balance/stream", city.headers(k))) for k in some]
        for reader in made:
            await loop.create_connection(lambda reader=reader: reader, host, port)  # type: ignore[misc]
        async with asyncio.timeout(30):
            for reader in made:
                await reader.changed.wait()
        readers += made
    return readers


async def _streams(api: Api, city: City, staff: str, plan: Plan) -> list[Figure]:
    process = psutil.Process(api.processes[0].pid)
    warm = await _opened(api, city, 200)
    for reader in warm:
        reader.transport.abort()
    await asyncio.sleep(2)
    before = process.memory_info().rss
    say(f"{STREAMS:,} streams")
    readers = await _opened(api, city, STREAMS)
    await asyncio.sleep(2)
    each_kb = (process.memory_info().rss - before) / STREAMS / 1024
    late, wrong = await _charged(api, staff, readers, round(EVENTS_PER_S * plan.rate_s))
    lost = sum(reader.is_lost for reader in readers)
    for reader in readers:
        reader.transport.abort()
    ordered = sorted(late)
    p95 = 1000 * ordered[int(0.95 * len(ordered))] if ordered else float("inf")
    is_sound = not wrong and not lost
    return [
        Figure(
            what=f"a balance event at the client, {STREAMS:,} streams open, p95",
            measured=p95, unit="ms", floor=BALANCE_EVENT_P95_MS, sound=is_sound,
            detail={"events": len(late), "unanswered": wrong, "lost": lost,
                    "p50_ms": round(1000 * ordered[len(ordered) // 2], 1) if ordered else None},
        ),
        Figure(
            what=f"memory of a balance stream, {STREAMS:,} open in one process", measured=each_kb,
            unit="KB", sound=is_sound,
        ),
    ]  # fmt: skip


async def _charged(
    api: Api, staff: str, readers: list[_Reader], count: int
) -> tuple[list[float], int]:
    """Charge riders in turn; seconds from the request to the event, and how many got none."""

    def requests() -> Iterator[bytes]:
        for k, request in enumerate(_usages(staff, 10_000_000, count)):
            readers[k % CHARGED].since = time.perf_counter()
            yield request

    run = await load.at_rate(
        api.targets, requests(), per_second=EVENTS_PER_S, count=count, wanted=201
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            while any(reader.since is not None for reader in readers):
                await asyncio.sleep(0.01)
    late = [each for reader in readers for each in reader.late]
    return late, count - len(late) + sum(run.errors.values())
