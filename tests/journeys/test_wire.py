"""The ride again, with every question between rooms in its wire format (FAHRWERK_DOORS=wire).

What passes here works as well when rooms are served by different processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fahrwerk.kernel import postgres
from tests.journeys.platform import Platform, platform
from tests.journeys.test_ride import (
    test_a_declined_card_frees_the_vehicle,
    test_a_rental_in_one_request,
    test_of_many_riders_one_wins_and_the_others_see_what_else_is_near,
    test_search_reserve_pay_confirm_unlock_ride_end,
    test_the_same_request_three_times_is_one_booking,
)

pytestmark = pytest.mark.process

__all__ = [
    "test_a_declined_card_frees_the_vehicle",
    "test_a_rental_in_one_request",
    "test_of_many_riders_one_wins_and_the_others_see_what_else_is_near",
    "test_search_reserve_pay_confirm_unlock_ride_end",
    "test_the_same_request_three_times_is_one_booking",
]

WIRE = {"FAHRWERK_DOORS": "wire"}


@pytest.fixture(scope="module")
async def running(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """The platform of these tests, in the place of the usual one."""
    data = tmp_path_factory.mktemp("wire")
    async with platform(server, data, serve=WIRE, work=WIRE) as started:
        yield started
