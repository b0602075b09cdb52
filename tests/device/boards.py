"""A board for tests: an identity, a folder, simulated pins, and the agent that runs on them."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fahrwerk.device import run
from fahrwerk.device.durable import pair
from fahrwerk.device.pins import Simulated
from fahrwerk.device.settings import Settings
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fahrwerk.device.agent import Agent

_numbers = itertools.count(1)


def new_id() -> str:
    return f"sco_{next(_numbers)}a{time.time_ns()}"


def paired(folder: Path, alg: wire.Algorithm = "EdDSA") -> tuple[str, wire.PlatformKey]:
    """A folder with an identity in it; the vehicle's id and the platform's half of its key."""
    ours, theirs = wire.new_keys(alg)
    vehicle_id = new_id()
    pair(folder / "identity", wire.handover(vehicle_id, theirs), time.time_ns() // 1_000_000)
    return vehicle_id, ours


@asynccontextmanager
async def switched_on(
    folder: Path, url: str, board: Simulated | None = None, *, connects: bool = True, **more: Any
) -> AsyncIterator[tuple[Agent, Simulated]]:
    """The agent of this folder, running; at the end it is off, as by SIGTERM."""
    pins = board or Simulated()
    values: dict[str, Any] = {"idle_s": 0.2, "riding_s": 0.2, "board": "sim"}
    agent = run.agent(folder, Settings(broker=url, **(values | more)), pins)
    life = asyncio.create_task(agent.run())
    try:
        if connects:
            async with asyncio.timeout(20):
                await agent.is_online.wait()
        yield agent, pins
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        if not life.cancelled() and life.exception() is not None:
            life.result()
