"""The city that the browser tests ride in: the simulated one without its bad luck.

In the demo's city a command in fifty meets a silent vehicle, a jammed lock or a lost answer, and a
vehicle under a stranger stands still for two seconds in eight: tests that unlock and lock some
thirty times would fail every second run. Silence has a test of its own, with a mute vehicle.

    python -m tests.web.city http://localhost:8080 mqtt://127.0.0.1:1883 FOLDER RIDERS
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from fahrwerk.sim import city, demo
from fahrwerk.sim.vehicle import Faults

STANDS_S = 15.0
"""Long enough to lock it by hand in a slow browser."""


async def live(url: str, mqtt_url: str, keep: Path, riders: int) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    wishes = city.Wishes(
        url=url, mqtt_url=mqtt_url, tenant=demo.TENANT, email=demo.ADMIN.email,
        password=demo.ADMIN.password, keep=keep / "sim-keys.json", most_riders=riders,
    )  # fmt: skip
    await city.run(wishes, stop)


if __name__ == "__main__":
    city.FAULTS = Faults()
    city.LONG_LOSS_EVERY_S = 1e9
    city.HALT_S = STANDS_S
    asyncio.run(live(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
