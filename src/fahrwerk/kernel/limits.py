"""Rate limits per class of endpoint and caller (API-20..26, C-46), in this process or in Redis.

GCRA: one number per caller, the theoretical arrival time. A full burst is allowed, then the rate.
With ``FAHRWERK_REDIS_URL`` all processes count together; while Redis is away each counts by
itself, so that no outage opens the door (RELIABILITY F7).
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from fahrwerk.kernel.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Hashable

log = structlog.get_logger()

_WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
_SHORT = {1: "1s", 60: "1m", 3600: "1h"}
_MOST_CALLERS = 200_000
DEFAULTS = (
    "general=1000/hour,auth=10/minute,rental=100/minute,booking=10/minute,analytics=1000/minute,"
    # A gateway reports for all riders of all operators, from a few addresses.
    "webhook=10000/minute,"
    # A trip planner reads a dozen files of each operator from one address, every half minute.
    "feeds=6000/minute,"
    # A directory brings its thousands of people at once.
    "scim=6000/minute,"
    # People behind one address, before they have logged in; a page brings no more with it.
    "page=600/minute,"
    # All that comes for one operator, whoever sends it: a flood for one must not drown the others.
    "operator=60000/minute"
)
OPERATOR = "operator"


class Limit(msgspec.Struct, frozen=True):
    """``count`` requests per ``window_s``."""

    count: int
    window_s: int


def parse(text: str) -> dict[str, Limit]:
    """Read ``class=count/window`` pairs over the contract's defaults; an error names the pair.

    ``all=...`` stands for every class.
    """
    limits: dict[str, Limit] = {}
    for pair in filter(None, [*DEFAULTS.split(","), *text.split(",")]):
        match = re.fullmatch(r"\s*(\w+)=(\d+)/(second|minute|hour)\s*", pair)
        if not match or not int(match[2]):
            raise SystemExit(f"FAHRWERK_RATE_LIMITS: {pair!r} is not like general=1000/hour")
        limit = Limit(int(match[2]), _WINDOWS[match[3]])
        limits |= dict.fromkeys(limits, limit) if match[1] == "all" else {match[1]: limit}
    return limits


class Limiter:
    """Counts for one process."""

    def __init__(self, limits: dict[str, Limit]) -> None:
        self.limits = limits
        self._arrivals: dict[tuple[str, Hashable], float] = {}

    def take(
        self, limit_class: str, caller: Hashable, own: Limit | None = None
    ) -> tuple[Limit, int]:
        """Count one request; the limit and what is left of it.

        ``own``: the caller's own limit, not that of the class. Raises ``Busy`` with ``limit``,
        ``window`` and ``retry_after`` (API-05).
        """
        limit = own or self.limits[limit_class]
        now = time.monotonic()
        step = limit.window_s / limit.count
        arrival = max(self._arrivals.get((limit_class, caller), now), now) + step
        ahead = arrival - now
        if ahead > limit.window_s + 1e-9:
            raise _busy(limit, ahead)
        if len(self._arrivals) >= _MOST_CALLERS:
            self._forget(now)
        self._arrivals[limit_class, caller] = arrival
        return limit, int((limit.window_s - ahead) / step + 1e-9)

    async def count(
        self, limit_class: str, caller: Hashable, own: Limit | None = None
    ) -> tuple[Limit, int]:
        """:meth:`take`, wherever it is counted."""
        return self.take(limit_class, caller, own)

    async def close(self) -> None:
        """Give back what it holds: nothing here."""

    def _forget(self, now: float) -> None:
        self._arrivals = {k: v for k, v in self._arrivals.items() if v > now}
        # When all of them are active the oldest go; a tenth at once, so that this is not done again
        # for every request of a flood.
        while len(self._arrivals) > _MOST_CALLERS * 9 // 10:
            self._arrivals.pop(next(iter(self._arrivals)))


def _busy(limit: Limit, ahead_s: float) -> Busy:
    return Busy(
        limit=limit.count,
        window=_SHORT.get(limit.window_s, f"{limit.window_s}s"),
        retry_after=max(1, round(ahead_s - limit.window_s + 0.499)),
    )


# One step of GCRA by the clock of Redis, in microseconds; KEYS[1] holds the theoretical arrival
# time. Answers how far ahead of now the caller is: above the window is a refusal, nothing is kept.
_GCRA = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local arrival = tonumber(redis.call('GET', KEYS[1]) or now)
if arrival < now then arrival = now end
arrival = arrival + tonumber(ARGV[1])
local ahead = arrival - now
if ahead <= tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil(ahead / 1000))
end
return math.ceil(ahead)
"""
_REDIS_WITHIN_S = 0.1
_LEFT_ALONE_S = 5.0


class SharedLimiter(Limiter):
    """Counts for all processes that ask the same Redis (API-26)."""

    def __init__(self, limits: dict[str, Limit], redis_url: str) -> None:
        super().__init__(limits)
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_REDIS_WITHIN_S,
            socket_connect_timeout=_REDIS_WITHIN_S,
            max_connections=100,
        )
        self._gcra = self._redis.register_script(_GCRA)
        self._ask_again_at = 0.0

    async def count(
        self, limit_class: str, caller: Hashable, own: Limit | None = None
    ) -> tuple[Limit, int]:
        """One round trip; while Redis does not answer, this process counts alone."""
        now = time.monotonic()
        if now < self._ask_again_at:
            return self.take(limit_class, caller, own)
        limit = own or self.limits[limit_class]
        step_us = max(1, limit.window_s * 1_000_000 // limit.count)
        try:
            ahead_us = await self._gcra(
                keys=[_key(limit_class, caller)], args=[step_us, limit.window_s * 1_000_000]
            )
        except (RedisError, OSError) as error:
            self._ask_again_at = now + _LEFT_ALONE_S
            log.warning("limits.redis_away", error=type(error).__name__)
            return self.take(limit_class, caller, own)
        # Counted here too: were Redis to go now, nobody would begin with a full burst again.
        with suppress(Busy):
            self.take(limit_class, caller, own)
        if ahead_us > limit.window_s * 1_000_000:
            raise _busy(limit, ahead_us / 1_000_000)
        return limit, (limit.window_s * 1_000_000 - ahead_us) // step_us

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()


def _key(limit_class: str, caller: Hashable) -> str:
    """Short whatever the caller is, and no address in the open."""
    digest = hashlib.blake2b(repr(caller).encode(), digest_size=16).hexdigest()
    return f"fahrwerk:{limit_class}:{digest}"


def limiter(limits: dict[str, Limit], redis_url: str | None) -> Limiter:
    """Counts in Redis where there is one, else in this process."""
    return Limiter(limits) if redis_url is None else SharedLimiter(limits, redis_url)
