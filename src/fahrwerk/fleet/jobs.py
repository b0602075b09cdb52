"""What fleet does at its own pace: holds run out, vehicles fall silent, commands go unanswered.

Each nudge asks which operators have something due and does each one's part as that operator. All of
it is decided by the database's clock, and may run in several workers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.fleet import rules
from fahrwerk.fleet.actions import alert_looks, alerts, bulk
from fahrwerk.fleet.actions.battery import (
    learn_ranges,
    tenants_with_battery_news,
    turn_by_battery,
)
from fahrwerk.fleet.actions.commands import expire_commands, lock_open_vehicles
from fahrwerk.fleet.actions.dispatch import tenants_with_silent_commands
from fahrwerk.fleet.actions.edges import tell_caches, title
from fahrwerk.fleet.actions.holds import SILENT, free_expired_holds
from fahrwerk.fleet.actions.maintenance import open_due_tickets
from fahrwerk.fleet.actions.plans import expire_battery_plans
from fahrwerk.fleet.actions.speed_limits import tell_speeds
from fahrwerk.fleet.events import VehicleOffline
from fahrwerk.kernel import db, events, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron, every
from fahrwerk.kernel.live import hub

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

_AT_ONCE = 200
_DAYS_AHEAD = 7

_WITH_EXPIRED_HOLDS = "SELECT fleet.tenants_with_expired_holds() AS tenant_id"


@every(1)
async def free_holds() -> bool:
    """Vehicles whose hold has run out are free again (RNT-18, I3); True = there are more."""
    is_full = False
    for row in await db.run("fleet", system(None, "fleet"), _WITH_EXPIRED_HOLDS):
        freed = await free_expired_holds(system(row["tenant_id"], "fleet"), _AT_ONCE)
        is_full = is_full or freed == _AT_ONCE
    return is_full


@every(1)
async def give_up_commands() -> bool:
    """Commands that no vehicle answered in time have failed (RNT-27); True = there are more."""
    is_full = False
    for tenant in await tenants_with_silent_commands():
        expired = await expire_commands(system(tenant, "fleet"), _AT_ONCE)
        is_full = is_full or expired == _AT_ONCE
    return is_full


_TO_LOOK_AFTER = f"SELECT fleet.tenants_to_look_after({rules.SILENT_S}) AS tenant_id"


@every(15)
async def look_after_vehicles() -> bool:
    """Silent vehicles leave the search (FLT-19), open ones are locked; True = there are more."""
    is_full = False
    for row in await db.run("fleet", system(None, "fleet"), _TO_LOOK_AFTER):
        call = system(row["tenant_id"], "fleet")
        silent = await mark_silent_vehicles(call, _AT_ONCE)
        locked = await lock_open_vehicles(call, _AT_ONCE)
        is_full = is_full or _AT_ONCE in (silent, locked)
    return is_full


_MARK_SILENT = f"""
WITH silent AS (
    SELECT id FROM fleet.vehicle WHERE status = 'available' AND {SILENT}
    LIMIT $1 FOR UPDATE SKIP LOCKED
), gone AS (
    UPDATE fleet.vehicle v SET status = 'offline', version = version + 1, updated_at = kernel.now()
    FROM silent WHERE v.id = silent.id RETURNING v.id, v.version, v.last_seen_at, v.cell
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $2, $3, jsonb_build_object(
        'vehicle_id', id, 'last_seen_at', last_seen_at), $4, $5 FROM gone
)
SELECT cell FROM gone
"""


async def mark_silent_vehicles(call: Call, limit: int) -> int:
    """This operator's available vehicles that have been silent for five minutes go offline.

    One that is reserved or in use keeps its status, and goes offline when it is given back.
    """
    rows = await db.run(
        "fleet", call, _MARK_SILENT, limit, *title(VehicleOffline), call.actor, call.trace
    )
    tell_caches(hub, call, *(row["cell"] for row in rows))
    return len(rows)


@every(1, wake=bulk.WAKE)
async def work_on_bulk_jobs() -> bool:
    """A batch of each operator's oldest job on many vehicles; True = there is more."""
    return await bulk.work_on_bulk_jobs()


@cron("23 3 * * *")
async def forget_bulk_jobs() -> None:
    """What was done to many vehicles is remembered for 30 days."""
    await bulk.forget_bulk_jobs()


@every(alert_looks.EVERY_S)
async def look_for_alerts() -> bool:
    """Look at the fleets that are due, one after the other (WEB-10); True = there is more."""
    return await alert_looks.look_at_due_fleets()


@cron("37 3 * * *")
async def forget_old_alerts() -> None:
    """Resolved alerts can be looked up for a year."""
    await alerts.forget_old_alerts()


@every(60)
async def watch_new_operators() -> None:
    """Operators that have got vehicles are watched from now on."""
    await alert_looks.watch_new_operators()


# By the server's real clock: a test that moves time must not throw data away.
_KEEP_DAYS = """
SELECT fleet.open_telemetry_days((now() AT TIME ZONE 'UTC')::date,
                                 (now() AT TIME ZONE 'UTC')::date + $1::int),
       fleet.drop_telemetry_days((now() AT TIME ZONE 'UTC')::date - $2::int)
"""


@cron("11 2 * * *")
async def keep_telemetry() -> None:
    """Make the coming days' partitions, and forget readings that are too old."""
    days = settings.load().telemetry_days
    await db.run("fleet", system(None, "fleet"), _KEEP_DAYS, _DAYS_AHEAD, days)


_MANY_AT_ONCE = 1_000


@every(10, wake="fleet.battery")
async def look_after_batteries() -> bool:
    """Too empty vehicles leave the search, charged ones come back (FLT-31); True = more to do."""
    is_full = False
    for tenant in await tenants_with_battery_news(system(None, "fleet")):
        looked = await turn_by_battery(system(tenant, "fleet"), _MANY_AT_ONCE)
        is_full = is_full or looked == _MANY_AT_ONCE
    return is_full


_WITH_VEHICLES = "SELECT fleet.tenants_with_vehicles() AS tenant_id"


@cron("*/5 * * * *")
async def keep_ranges() -> None:
    """How far vehicles go follows their rides and the weather (FLT-32); old plans end."""
    for row in await db.run("fleet", system(None, "fleet"), _WITH_VEHICLES):
        call = system(row["tenant_id"], "fleet")
        while await learn_ranges(call, _MANY_AT_ONCE) == _MANY_AT_ONCE:
            pass
        await expire_battery_plans(call, _MANY_AT_ONCE)


@cron("23 * * * *")
async def check_services() -> None:
    """Vehicles fall due for service by the calendar too, when nobody rides them (FLT-34)."""
    for row in await db.run("fleet", system(None, "fleet"), _WITH_VEHICLES):
        call = system(row["tenant_id"], "fleet")
        while await open_due_tickets(call, _MANY_AT_ONCE) == _MANY_AT_ONCE:
            pass


_FORGET_RIDES = """
DELETE FROM fleet.ride WHERE tenant_id = kernel.tenant()
AND ended_at < kernel.now() - make_interval(days => $1)
"""


@cron("41 2 * * *")
async def forget_rides() -> None:
    """Who rode what is kept as long as telemetry, and no longer."""
    days = settings.load().telemetry_days
    for row in await db.run("fleet", system(None, "fleet"), _WITH_VEHICLES):
        await db.run("fleet", system(row["tenant_id"], "fleet"), _FORGET_RIDES, days)


_WITH_SPEED_ZONES = "SELECT fleet.tenants_with_speed_zones() AS tenant_id"


@every(2)
async def keep_to_speed_zones() -> None:
    """Vehicles that entered or left a slow zone are told the speed that holds (FLT-29)."""
    for row in await db.run("fleet", system(None, "fleet"), _WITH_SPEED_ZONES):
        await tell_speeds(system(row["tenant_id"], "fleet"))
