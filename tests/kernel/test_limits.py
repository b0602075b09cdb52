"""Counting requests together, in Redis (API-20, API-26; RELIABILITY F7)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from fahrwerk.kernel import limits
from fahrwerk.kernel.errors import Busy
from fahrwerk.kernel.limits import Limit, SharedLimiter
from tests import servers

needs_redis = pytest.mark.skipif(
    not servers.has_redis(), reason="redis-server is not installed (apt install redis-server)"
)
TEN = {"auth": Limit(10, 3600), "fast": Limit(10, 20)}


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with servers.redis_here() as (url, _):
        yield url


@pytest.fixture
async def two(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[SharedLimiter, SharedLimiter]]:
    """Two processes of one installation, with all the time a busy machine needs for Redis."""
    monkeypatch.setattr(limits, "_REDIS_WITHIN_S", 20.0)
    first, second = SharedLimiter(TEN, redis_url), SharedLimiter(TEN, redis_url)
    yield first, second
    await first.close()
    await second.close()


@needs_redis
async def test_processes_count_together(two: tuple[SharedLimiter, SharedLimiter]) -> None:
    """API-26: ten an hour are ten, whichever process is asked, and however many at once."""
    results = await asyncio.gather(
        *(two[n % 2].count("auth", "together") for n in range(40)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, Busy)]
    assert len(refused) == 30
    assert all(each.details["limit"] == 10 and each.details["window"] == "1h" for each in refused)
    assert {each.details["retry_after"] for each in refused} <= set(range(330, 361))
    left = sorted(each[1] for each in results if isinstance(each, tuple))
    assert left == list(range(10))


@needs_redis
async def test_refusals_do_not_count_and_time_heals(
    two: tuple[SharedLimiter, SharedLimiter],
) -> None:
    """API-05: who keeps knocking is let in at the same time as who waits."""
    for _ in range(10):
        await two[0].count("fast", "knocks")
    for _ in range(20):
        with pytest.raises(Busy):
            await two[1].count("fast", "knocks")
    await asyncio.sleep(2.1)
    await two[1].count("fast", "knocks")


@needs_redis
async def test_without_redis_each_counts_alone_and_nobody_starts_anew() -> None:
    """F7: no outage opens the door; and Redis is asked again once it is back."""
    port = servers.free_port()
    with servers.redis_here(port) as (url, process):
        limiter = SharedLimiter(TEN, url)
        for _ in range(8):
            await limiter.count("auth", "a")
        process.kill()
        process.wait()
        began = time.monotonic()
        for _ in range(2):
            await limiter.count("auth", "a")
        with pytest.raises(Busy):
            await limiter.count("auth", "a")
        assert time.monotonic() - began < limits._LEFT_ALONE_S
    with servers.redis_here(port):
        limiter._ask_again_at = 0.0
        assert (await limiter.count("auth", "a"))[1] == 9
    await limiter.close()


def test_all_stands_for_every_class() -> None:
    """One word for tests, replays and benches; a class named after it has its own."""
    parsed = limits.parse("all=5/second,auth=1/hour")
    assert parsed.pop("auth") == Limit(1, 3600)
    assert set(parsed.values()) == {Limit(5, 1)}
