"""Readings of many connections, written together; each giver waits until its own are kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.fleet.actions import telemetry
from fahrwerk.fleet.link.steady import patiently, refused

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Measured

    _Given = tuple[list[Measured], asyncio.Future[None]]

GATHER_S = 0.05
AT_ONCE = 1_000


class Intake:
    """Bounded by its givers: each connection has one batch here at most, and waits."""

    def __init__(self) -> None:
        self._given: list[_Given] = []
        self._some = asyncio.Event()

    async def keep(self, readings: list[Measured]) -> None:
        """Return when these are stored. Raises what made storing them impossible."""
        stored = asyncio.get_running_loop().create_future()
        self._given.append((readings, stored))
        self._some.set()
        await stored

    async def write(self) -> None:
        """One round: wait for some, gather a moment, store them in one go."""
        await self._some.wait()
        await asyncio.sleep(GATHER_S)
        self._some.clear()
        while self._given:
            part: list[_Given] = []
            count = 0
            while self._given and (not part or count + len(self._given[0][0]) <= AT_ONCE):
                part.append(self._given.pop(0))
                count += len(part[-1][0])
            await self._store(part)

    async def _store(self, part: list[_Given]) -> None:
        readings = [each for given, _ in part for each in given]
        try:
            done = await patiently(lambda: telemetry.record_readings(readings))
        except Exception as error:
            if len(part) > 1:  # one that the database does not take must not spoil the others'
                for each in part:
                    await self._store([each])
            elif not part[0][1].done():
                part[0][1].set_exception(error)
            return
        if done.unknown:
            refused.labels("telemetry", "unknown_vehicle").inc(done.unknown)
        for _, stored in part:
            if not stored.done():
                stored.set_result(None)
