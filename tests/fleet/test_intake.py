"""Readings wait for the database, and one that it does not take spoils nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet.actions import telemetry
from fahrwerk.fleet.contract import Measured, Recorded
from fahrwerk.fleet.link import steady
from fahrwerk.fleet.link.intake import Intake
from fahrwerk.kernel import clock, db, ids

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def reading(battery_level: int) -> Measured:
    return Measured(vehicle_id=ids.new(), time=clock.now(), battery_level=battery_level)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Intake]:
    intake = Intake()
    task = asyncio.create_task(steady.forever(intake.write))
    try:
        yield intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_confirmed_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_away, stored = True, []

    async def record(readings: list[Measured]) -> Recorded:
        if is_away:
            raise db.DatabaseDown
        stored.extend(readings)
        return Recorded(len(readings), 0)

    monkeypatch.setattr(telemetry, "record_readings", record)
    monkeypatch.setattr(steady, "AGAIN_S", 0.02)
    async with running() as intake:
        givers = [asyncio.create_task(intake.keep([reading(n)])) for n in range(5)]
        await asyncio.sleep(0.2)
        assert not any(each.done() for each in givers)
        is_away = False
        await asyncio.wait_for(asyncio.gather(*givers), 2)
    assert sorted(each.battery_level or 0 for each in stored) == [0, 1, 2, 3, 4]


async def test_one_that_cannot_be_stored_spoils_only_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def record(readings: list[Measured]) -> Recorded:
        if any(each.battery_level == 3 for each in readings):
            raise OverflowError("too much for the column")
        return Recorded(len(readings), 0)

    monkeypatch.setattr(telemetry, "record_readings", record)
    async with running() as intake:
        results: list[Any] = await asyncio.wait_for(
            asyncio.gather(*(intake.keep([reading(n)]) for n in range(5)), return_exceptions=True),
            2,
        )
    assert [type(each).__name__ for each in results] == [
        *["NoneType"] * 3, "OverflowError", "NoneType",
    ]  # fmt: skip
