"""The drills can fail: a platform with a well-known mistake does not get through them."""

from __future__ import annotations

import os
import signal

import pytest

from fahrwerk.kernel import postgres
from tests.journeys.drill import Drill
from tests.journeys.invariants import broken, lost
from tests.journeys.load import Load, own_server
from tests.journeys.people import found
from tests.journeys.platform import Platform, platform
from tests.journeys.test_crashes import PLANS

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


async def found_by_a_drill(
    server: postgres.EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
    mistake: str,
    point: str,
    *,
    gives_up: bool = False,
) -> set[str]:
    """The invariants that are broken after the same drill that the platform passes without it."""
    program = ("tests.journeys.broken", mistake)
    data = tmp_path_factory.mktemp(mistake)
    async with platform(server, data, program=program) as running:
        running.heal()
        drill = Drill(running, point, PLANS[point], gives_up=gives_up, rest_s=15)
        with pytest.raises(AssertionError):
            await drill.run()
        assert drill.has_died
        assert drill.city is not None
        return {invariant for invariant, _ in await broken(drill.city)}


async def test_a_new_key_for_each_attempt_reserves_money_twice(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """I1, I10: the gateway's list is not ours."""
    point = "payments.authorize.after_call"
    found = await found_by_a_drill(server, tmp_path_factory, "fresh_keys", point)
    assert {"I1", "I10"} <= found


async def test_a_checkpoint_of_its_own_counts_a_ride_twice(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """I6: a handler applied an event twice; or tries to for ever, where a key stops it (I8)."""
    point = "pump.fleet.before_commit"
    found = await found_by_a_drill(server, tmp_path_factory, "two_commits", point)
    assert found & {"I6", "I8"}


async def test_a_hold_without_an_end_keeps_the_vehicle_for_ever(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """I3: nobody will give it back."""
    point = "rentals.book.after_hold"
    found = await found_by_a_drill(server, tmp_path_factory, "endless_holds", point, gives_up=True)
    assert "I3" in found


async def test_a_commit_that_is_answered_before_it_is_written_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """I9: with ``synchronous_commit`` off the same kill loses what riders were told."""
    data = tmp_path_factory.mktemp("forgetful")
    options = {"synchronous_commit": "off"}
    async with own_server(options) as own, platform(own.server, data) as running:
        city = await found(running)
        load = Load(free_within_s=5)  # some vehicles will never be
        try:
            await load.begin(city, 5)
            await load.more(5)
            await nothing_is_written(running)
            await load.more(5)
            await own.kill()
            await own.start()
        finally:
            await load.stop()
            await city.close()
        assert await lost(city, load.acknowledged) != []


async def nothing_is_written(running: Platform) -> None:
    """Who writes the log behind the riders' backs stands still, so that one kill is enough."""
    writers = await running.look(
        "SELECT pid FROM pg_stat_activity WHERE backend_type"
        " IN ('walwriter', 'background writer', 'checkpointer')"
    )
    for writer in writers:
        os.kill(writer["pid"], signal.SIGSTOP)
