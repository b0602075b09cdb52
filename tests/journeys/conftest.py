"""A platform of real processes per module, and an operator per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fahrwerk.kernel import postgres
from tests.journeys.people import City, found
from tests.journeys.platform import Platform, platform


@pytest.fixture(scope="module")
async def running(
    server: postgres.EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """HTTP server, worker, broker and database, shared by the tests of a module."""
    async with platform(server, tmp_path_factory.mktemp("platform")) as started:
        yield started


@pytest.fixture
async def city(running: Platform) -> AsyncIterator[City]:
    """A fresh operator on it."""
    made = await found(running)
    yield made
    await made.close()
