"""How the platform is at this moment, in a line: read from outside, as any operator could."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.sim import demo
from fahrwerk.sim.api import Api, Away, Session

if TYPE_CHECKING:
    from collections.abc import Iterable

FLEET_EVERY_S = 15.0
"""The fleet is asked for less often: a person has 1,000 requests an hour (C-46)."""
_REQUESTS = re.compile(r"^fahrwerk_http_request_seconds_count\{.*\} ([0-9.e+]+)$", re.MULTILINE)


class Beat(msgspec.Struct, frozen=True):
    """What is said every few seconds."""

    riding: int
    rides: int
    available: int
    offline: int
    requests_per_s: float

    def __str__(self) -> str:
        return (
            f"{self.riding} riding, {self.rides} rides so far, {self.available} available, "
            f"{self.offline} offline, {self.requests_per_s:.0f} requests/s"
        )


class Pulse:
    """Asks one platform, by a few small requests; every five seconds is often enough."""

    def __init__(self, url: str) -> None:
        self._api = Api(url, demo.TENANT)
        login = demo.SUPPORT
        self._support = Session(self._api, login.email, login.password, random.Random())
        self._requests, self._at = 0.0, time.monotonic()
        self._available = self._offline = 0
        self._fleet_due = 0.0

    async def close(self) -> None:
        """Close idle connections."""
        await self._api.close()

    async def is_ready(self) -> bool:
        """The platform answers, and its database too (OPS-20)."""
        try:
            return (await self._api.ask("GET", "/ready")).ok
        except Away:
            return False

    async def read(self) -> Beat:
        """The numbers of this moment. Raises ``Away``."""
        page = await self._api.ask("GET", "/metrics")
        total, now = sum(_counts(str(page.body))), time.monotonic()
        per_s = max(0.0, total - self._requests) / max(0.1, now - self._at)
        self._requests, self._at = total, now
        if now >= self._fleet_due:
            self._fleet_due = now + FLEET_EVERY_S
            self._available = await self._count("/api/v1/vehicles", status="available")
            self._offline = await self._count("/api/v1/vehicles", status="offline")
        return Beat(
            riding=await self._count("/api/v1/rentals", status="active"),
            rides=await self._count("/api/v1/rentals", status="completed"),
            available=self._available,
            offline=self._offline,
            requests_per_s=per_s,
        )

    async def _count(self, path: str, **query: str) -> int:
        answer = await self._support.ask("GET", path, limit=1, **query)
        if not answer.ok:
            raise Away(f"{path} is answered with {answer.status} {answer.code}")
        return int(answer.find("pagination", "total"))


def _counts(page: str) -> Iterable[float]:
    return (float(number) for number in _REQUESTS.findall(page))
