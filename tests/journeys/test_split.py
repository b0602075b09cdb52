"""The ride again, with pricing, payments, fleet and wallet in a process of their own (ROOMS_AT)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from fahrwerk.kernel import postgres
from tests.journeys.people import City
from tests.journeys.platform import Platform, free_port, platform
from tests.journeys.test_ride import (
    test_a_declined_card_frees_the_vehicle,
    test_search_reserve_pay_confirm_unlock_ride_end,
)

pytestmark = pytest.mark.process

__all__ = [
    "test_a_declined_card_frees_the_vehicle",
    "test_search_reserve_pay_confirm_unlock_ride_end",
]
AWAY = ("pricing", "payments", "fleet", "wallet")


@pytest.fixture(scope="module")
async def running(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """The platform of these tests, in the place of the usual one."""
    port = free_port()
    at = {"FAHRWERK_ROOMS_AT": ",".join(f"{room}=http://127.0.0.1:{port}" for room in AWAY)}
    data = tmp_path_factory.mktemp("split")
    async with platform(server, data, serve=at, work=at) as started:
        started.always("rooms", FAHRWERK_HTTP_PORT=str(port))
        started.spawn("rooms")
        yield started


async def test_without_its_rooms_the_house_says_so(city: City, running: Platform) -> None:
    """RNT-28: 503 while they are away, as for a database; and all is well when they are back."""
    rider = await city.rider()
    path = "/api/v1/payment-methods"
    assert (await rider.get(path)).status_code == 200
    running.kill("rooms")
    answer = await rider.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "PEER_UNREACHABLE")
    running.spawn("rooms")
    async with asyncio.timeout(60):
        while (await rider.get(path)).status_code != httpx.codes.OK:
            await asyncio.sleep(0.1)
