"""Unlock with simulated vehicles: from the rider's request to the vehicle's word that it is open.

Real processes all the way: API, Mosquitto (or the bundled broker) on loopback, the worker's link,
and vehicles that check every signature. The answer comes when the vehicle has confirmed *and* the
ride has begun, so what is measured is a little more than was asked for.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.kernel import db
from fahrwerk.kernel.call import system
from fahrwerk.sim.vehicle import SimVehicle
from tests.bench import booking
from tests.bench.city import SOUTH, WEST, vehicle_id
from tests.bench.floors import UNLOCK_P95_MS, Figure
from tests.bench.lag import quantiles
from tests.bench.report import say
from tests.servers import has_mosquitto, mosquitto

if TYPE_CHECKING:
    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

AT_A_TIME = 2
PAUSE_S = 0.05
_VERIFIED = """
SELECT 1000 * extract(epoch FROM verified_at - queued_at)::float8 AS ms FROM fleet.command
WHERE operation = 'unlock' AND state = 'verified'
"""


async def measure(stage: Stage, city: City, plan: Plan) -> list[Figure]:
    """The line of the table about unlocking."""
    await booking.clear(stage)
    keys = await _keys(stage, city, plan.unlocks)
    async with mosquitto() as url, AsyncExitStack() as street:
        vehicles = [
            SimVehicle(
                city.vehicle(k), key, url, latitude=SOUTH, longitude=WEST, seed=k,
                idle_interval_s=30.0,
            )
            for k, key in enumerate(keys)
        ]  # fmt: skip
        for vehicle in vehicles:
            await street.enter_async_context(vehicle)
        env = {"FAHRWERK_MQTT_URL": url}
        with stage.worker(**env), stage.api(1, **env) as api:
            host, port = api.targets[0]
            limits = httpx.Limits(max_connections=20)
            async with httpx.AsyncClient(
                base_url=f"http://{host}:{port}", timeout=30, limits=limits, trust_env=False
            ) as client:
                for k in range(plan.unlocks):
                    await _paid_booking(client, city, k)
                took, errors = await _unlock_all(client, city, plan.unlocks)
    raw = await asyncpg.connect(stage.owner_dsn)
    try:
        inside = sorted(row["ms"] for row in await raw.fetch(_VERIFIED))
    finally:
        await raw.close()
    return [_figure(sorted(took), errors, inside, sum(not v.is_locked for v in vehicles), plan)]


async def _keys(stage: Stage, city: City, count: int) -> list[wire.VehicleKey]:
    """Pair the first vehicles."""
    await db.open_database(stage.dsn, 2)
    try:
        call = system(city.tenant, "bench", slug=city.slug)
        pairings = await fleet.pair_vehicles(call, [vehicle_id(k) for k in range(count)], "EdDSA")
    finally:
        await db.close_database()
    return [wire.VehicleKey("EdDSA", pair.signs_with, pair.checks_with) for pair in pairings]


async def _ask(client: httpx.AsyncClient, city: City, k: int, path: str, body: Any) -> Any:
    headers = {"X-Tenant-ID": city.slug, "Authorization": f"Bearer {city.tokens[k]}"}
    answer = await client.post(path, json=body, headers=headers)
    if answer.status_code >= 300:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return answer.json()


async def _paid_booking(client: httpx.AsyncClient, city: City, k: int) -> None:
    card = await _ask(
        client,
        city,
        k,
        "/api/v1/payment-methods",
        {"gateway_token": "tok_visa", "make_default": True},
    )
    wish = {"vehicle_id": city.vehicle(k), "estimated_duration_minutes": 30}
    booked = await _ask(client, city, k, "/api/v1/bookings", wish)
    path = f"/api/v1/bookings/{booked['booking']['id']}/confirm-payment"
    await _ask(client, city, k, path, {"payment_method_id": card["id"]})


async def _unlock_all(
    client: httpx.AsyncClient, city: City, count: int
) -> tuple[list[float], list[str]]:
    took: list[float] = []
    errors: list[str] = []
    waiting = iter(range(count))

    async def ride() -> None:
        for k in waiting:
            began = time.perf_counter()
            try:
                await _ask(client, city, k, f"/api/v1/vehicles/{city.vehicle(k)}/unlock", None)
            except (RuntimeError, httpx.HTTPError) as error:
                errors.append(str(error))
            else:
                took.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(ride() for _ in range(AT_A_TIME)))
    return took, errors


def _figure(
    took: list[float], errors: list[str], inside: list[float], is_open: int, plan: Plan
) -> Figure:
    p50, p95, p99 = quantiles(took)
    say(f"unlock: {len(took)} of {plan.unlocks}, {is_open} open, p50 {p50} p95 {p95} {errors[:1]}")
    return Figure(
        what=f"unlock p95, request to ride begun, {plan.unlocks} unlocks (p50 {p50:.0f}, "
        f"p99 {p99:.0f})",
        measured=p95,
        unit="ms",
        floor=UNLOCK_P95_MS,
        sound=not errors and len(took) == is_open == plan.unlocks,
        detail={
            "errors": errors[:3],
            "queued_to_verified_ms": quantiles(inside),
            "broker": "Mosquitto" if has_mosquitto() else "bundled",
        },
    )
