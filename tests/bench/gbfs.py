"""The public feed of 50,000 vehicles: how long a cold reading takes, and that an unchanged one is a
304.

Cold is the first reading of a process that has served other feeds before: everything of it is read
and encoded. From then on it is kept for its time to live.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx

from tests.bench import booking
from tests.bench.floors import GBFS_COLD_S, Figure
from tests.bench.report import median, noise, say

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """Cold, kept and unchanged readings of ``vehicle_status``."""
    await booking.clear(stage)  # what was booked before is not shown
    cold: list[float] = []
    kept: list[float] = []
    unchanged: list[float] = []
    vehicles = size = 0
    is_304 = True
    for _ in range(plan.rounds):
        with stage.api(1) as api:
            host, port = api.targets[0]
            base = f"http://{host}:{port}/gbfs/{city.slug}/3.0"
            async with httpx.AsyncClient(base_url=base, timeout=30) as client:
                for name in ("gbfs", "system_information", "vehicle_types"):
                    (await client.get(f"/{name}.json")).raise_for_status()
                await asyncio.sleep(0.5)  # a process that has just started is not what is asked
                took, answer = await _timed(client, {})
                cold.append(took)
                vehicles, size = len(answer.json()["data"]["vehicles"]), len(answer.content)
                took, _ = await _timed(client, {})
                kept.append(took)
                took, same = await _timed(client, {"If-None-Match": answer.headers["etag"]})
                unchanged.append(took)
                is_304 = is_304 and same.status_code == 304 and not same.content
        say(f"cold {cold[-1]:.3f} s, kept {kept[-1]:.3f} s, 304 in {unchanged[-1]:.3f} s")
    detail = {"cold_s": cold, "kept_s": kept, "unchanged_s": unchanged, "bytes": size}
    return [
        Figure(
            what=f"GBFS vehicle_status of {vehicles:,} vehicles, cold",
            measured=median(cold), unit="s", floor=GBFS_COLD_S, noise=noise(cold),
            sound=vehicles == len(city.types), detail=detail,
        ),
        Figure(
            what="GBFS vehicle_status, unchanged: 304",
            measured=1000 * median(unchanged), unit="ms", sound=is_304,
        ),
    ]  # fmt: skip


async def _timed(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    answer = await client.get("/vehicle_status.json", headers=headers)
    return time.perf_counter() - began, answer
