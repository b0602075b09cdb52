"""How far a room has heard the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import progress

if TYPE_CHECKING:
    from tests.world import World


async def test_the_log_says_how_far_it_was_heard(world: World) -> None:
    """What is older than the next event to be heard is complete; the future never is."""
    await world.vehicle()
    await world.settle()
    now = datetime.now(UTC)
    assert await progress.has_passed("feeds", now - timedelta(minutes=2))
    assert not await progress.has_passed("feeds", now + timedelta(minutes=2))
    assert not await progress.has_passed("nobody", now - timedelta(minutes=2))


async def test_what_waits_to_be_heard_holds_the_time_back(world: World) -> None:
    await world.settle()
    longest, progress.LONGEST = progress.LONGEST, timedelta(0)
    try:
        await world.vehicle()
        assert not await progress.has_passed("feeds", datetime.now(UTC))
        await world.settle()
        assert await progress.has_passed("feeds", datetime.now(UTC) - timedelta(milliseconds=1))
    finally:
        progress.LONGEST = longest
