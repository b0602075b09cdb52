"""What keeps a link going while the database or a device does not, and what it counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from prometheus_client import Counter

from fahrwerk.kernel import db

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
AGAIN_S = 0.5
log = structlog.get_logger()

refused = Counter("fahrwerk_vehicle_messages_refused", "Messages not taken", ["channel", "reason"])
heard = Counter("fahrwerk_vehicle_messages", "Messages taken", ["channel"])


async def forever(work: Callable[[], Awaitable[Any]]) -> None:
    """Do one round of work after the other; what goes wrong is logged and tried again."""
    while True:
        try:
            await work()
        except db.DatabaseDown:
            await asyncio.sleep(AGAIN_S)
        except Exception as error:
            log.error("link failed", part=getattr(work, "__name__", "?"), exc_info=error)
            await asyncio.sleep(1)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """The result of ``work``; while the database is away it is waited for."""
    while True:
        try:
            return await work()
        except db.DatabaseDown:
            await asyncio.sleep(AGAIN_S)
