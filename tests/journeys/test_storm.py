"""Processes die at random while money moves: the books balance afterwards (issue 4, drills)."""

from __future__ import annotations

import pytest

from tests.journeys.load import own_server
from tests.journeys.platform import platform
from tests.journeys.storm import storm

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


async def test_books_after_a_storm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """F1, F3, I1, I5, I8..I10: server and workers are killed again and again, PostgreSQL too.

    A short one of what ``python -m tests.journeys.storm --minutes 5 --database`` does for longer.
    """
    async with own_server() as own, platform(own.server, tmp_path_factory.mktemp("storm")) as up:
        raged, wrong = await storm(up, 12, riders=4, seed=5, own=own)
        assert wrong == []
        assert sum(raged.deaths.values()) >= 3
        assert raged.done["ride"] > 0
        assert raged.done["topup"] > 0
