"""Rate limits per class of endpoint and caller (API-20..25, C-46), in this process.

GCRA: one number per caller, the theoretical arrival time. A full burst is allowed, then the rate.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Hashable

_WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
_SHORT = {1: "1s", 60: "1m", 3600: "1h"}
_MOST_CALLERS = 200_000
DEFAULTS = (
    "general=1000/hour,auth=10/minute,rental=100/minute,booking=10/minute,analytics=1000/minute,"
    # A gateway reports for all riders of all operators, from a few addresses.
    "webhook=10000/minute,"
    # A trip planner reads a dozen files of each operator from one address, every half minute.
    "feeds=6000/minute"
)


class Limit(msgspec.Struct, frozen=True):
    """``count`` requests per ``window_s``."""

    count: int
    window_s: int


def parse(text: str) -> dict[str, Limit]:
    """Read ``class=count/window`` pairs over the contract's defaults; an error names the pair."""
    limits: dict[str, Limit] = {}
    for pair in filter(None, [*DEFAULTS.split(","), *text.split(",")]):
        match = re.fullmatch(r"\s*(\w+)=(\d+)/(second|minute|hour)\s*", pair)
        if not match or not int(match[2]):
            raise SystemExit(f"FAHRWERK_RATE_LIMITS: {pair!r} is not like general=1000/hour")
        limits[match[1]] = Limit(int(match[2]), _WINDOWS[match[3]])
    return limits


class Limiter:
    """Counts for one process."""

    def __init__(self, limits: dict[str, Limit]) -> None:
        self.limits = limits
        self._arrivals: dict[tuple[str, Hashable], float] = {}

    def take(self, limit_class: str, caller: Hashable) -> tuple[Limit, int]:
        """Count one request; the limit and what is left of it.

        Raises ``Busy`` with ``limit``, ``window`` and ``retry_after`` (API-05).
        """
        limit = self.limits[limit_class]
        now = time.monotonic()
        step = limit.window_s / limit.count
        arrival = max(self._arrivals.get((limit_class, caller), now), now) + step
        ahead = arrival - now
        if ahead > limit.window_s + 1e-9:
            raise Busy(
                limit=limit.count,
                window=_SHORT.get(limit.window_s, f"{limit.window_s}s"),
                retry_after=max(1, round(ahead - limit.window_s + 0.499)),
            )
        if len(self._arrivals) >= _MOST_CALLERS:
            self._forget(now)
        self._arrivals[limit_class, caller] = arrival
        return limit, int((limit.window_s - ahead) / step + 1e-9)

    def _forget(self, now: float) -> None:
        self._arrivals = {k: v for k, v in self._arrivals.items() if v > now}
        # When all of them are active the oldest go; a tenth at once, so that this is not done again
        # for every request of a flood.
        while len(self._arrivals) > _MOST_CALLERS * 9 // 10:
            self._arrivals.pop(next(iter(self._arrivals)))
