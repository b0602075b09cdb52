"""A look of the alert rules at 50,000 vehicles: as the city goes its way, and when all fall silent.

Between two looks of the first kind 2,000 vehicles report, some with less in their batteries. The
second kind is the hard one: everything is news at once. What counts there is how long the first
look takes, the one that raises the fleet-wide alert; the others count its vehicles in.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk import app
from fahrwerk.fleet.actions import alert_looks
from fahrwerk.fleet.contract import alerts
from fahrwerk.kernel import clock, db
from tests.bench.floors import ALERT_LOOK_S, Figure
from tests.bench.report import median, noise, say
from tests.world import World, make_world

if TYPE_CHECKING:
    from datetime import datetime

    from tests.bench.city import City
    from tests.bench.plan import Plan
    from tests.bench.stage import Stage

VEHICLES = 50_000
_SEED = f"""
INSERT INTO fleet.vehicle (id, vehicle_type, identifier, model, brand, full_range_km, is_connected,
    latitude, longitude, cell, battery_level, battery_low, temperature, last_seen_at, measured_at,
    is_locked, odometer_m)
SELECT gen_random_uuid(), 'scooter', 'A' || n, 'Ninebot MAX G30', 'Segway', 40, true,
       52.4 + (n % 1000) * 0.0002, 13.2 + (n / 1000) * 0.004, n % 3000, 30 + n % 60, 30 + n % 60,
       20, kernel.now(), kernel.now(), true, 1000
FROM generate_series(1, {VEHICLES}) AS n
"""
_REPORT = f"""
UPDATE fleet.vehicle SET measured_at = kernel.now(), last_seen_at = kernel.now(),
    battery_level = greatest(20, battery_level - (hashtext(identifier) % 5 = 0)::int)
WHERE tenant_id = kernel.tenant() AND hashtext(identifier) % {VEHICLES // 2000} = $1
"""
_ALL_REPORT = """
UPDATE fleet.vehicle SET last_seen_at = kernel.now() WHERE tenant_id = kernel.tenant()
"""


async def measure(stage: Stage, _: City, plan: Plan) -> list[Figure]:
    """The lines of the table about alerts."""
    app.load_rooms()
    await db.open_database(stage.dsn, 4)
    try:
        world = await make_world()
        await db.run("fleet", world.system("fleet"), _SEED)
        at = clock.now()
        await _looks(world, at)
        calm = []
        for n in range(plan.rounds * 4):
            at += timedelta(seconds=5)
            with clock.moved_to(at):
                await db.run("fleet", world.system("fleet"), _REPORT, n % 25)
            calm += await _looks(world, at)
        say(f"look: {1000 * median(calm):.0f} ms")
        with clock.moved_to(at):
            await db.run("fleet", world.system("fleet"), _ALL_REPORT)
        out = await _looks(world, at + timedelta(seconds=1_000))
        page = await alerts.alert_page(world.admin(), "open", None, "silent", None, None, 10, 0)
        is_one = [(each.vehicle_id, each.vehicles) for each in page.alerts] == [(None, VEHICLES)]
        say(f"outage: {1000 * out[0]:.0f} ms, {len(out)} looks in {sum(out):.1f} s")
    finally:
        await db.close_database()
    about = f"alert rules look at {VEHICLES:,} vehicles"
    return [
        Figure(
            what=f"{about}, 2,000 of which have reported", measured=median(calm), unit="s",
            floor=ALERT_LOOK_S, noise=noise(calm), detail={"all_s": calm},
        ),
        Figure(
            what=f"{about} that are all silent: until the one alert for them", measured=out[0],
            unit="s", floor=ALERT_LOOK_S, sound=is_one, detail={"all_s": out},
        ),
    ]  # fmt: skip


async def _looks(world: World, at: datetime) -> list[float]:
    """Looks until nothing is left to do: seconds of each."""
    took = []
    has_more = True
    with clock.moved_to(at):
        while has_more:
            began = time.perf_counter()
            has_more = await alert_looks.look(world.system("fleet"))
            took.append(time.perf_counter() - began)
    return took
