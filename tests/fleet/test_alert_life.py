"""An alert from beginning to end: no flapping, people's verbs, escalation, outages (WEB-10)."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fahrwerk.fleet import jobs
from fahrwerk.fleet.actions import alert_looks
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.fleet.contract.alerts import AlertRule
from fahrwerk.fleet.contract.zones import Hours
from fahrwerk.fleet.rules import alerts as rules
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid, NotFound
from tests.fleet.alerting import DEFAULTS, NEWS, Time, alerts, low, news, only, timeline
from tests.fleet.street import BERLIN, connected_vehicle
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract.alerts import Alert
    from tests.world import World


@pytest.fixture
def time() -> Time:
    return Time()


async def test_what_comes_back_within_minutes_is_the_same_alert(world: World, time: Time) -> None:
    """No flapping, and who deals with it is not asked again."""
    alert = await low(world, time)
    assert alert.vehicle_id is not None
    await contract.acknowledge_alerts(world.admin(), [alert.id], None)
    for _ in range(3):
        await time.report(alert.vehicle_id, battery_level=30)
        await time.look(world)
        await time.report(alert.vehicle_id, battery_level=10)
        await time.look(world, 200)
    [same] = await alerts(world)
    assert (same.id, same.times, same.state, same.worst) == (alert.id, 4, "acknowledged", 10.0)
    assert (await timeline(world, same))[:4] == ["raised", "acknowledged", "cleared", "reopened"]
    assert (await news(world, same)).count("alert.raised") == 4
    await time.report(alert.vehicle_id, battery_level=30)
    await time.look(world)
    await time.report(alert.vehicle_id, battery_level=10)
    await time.look(world, 400)
    assert len(await alerts(world)) == 2


async def test_acknowledging_is_for_open_alerts_and_harmless_again(
    world: World, time: Time
) -> None:
    alert = await low(world, time)
    staff = world.call("provider")
    with pytest.raises(contract.UnknownAlert):
        await contract.acknowledge_alerts(staff, [alert.id, ids.new()], "on my way")
    done = await contract.acknowledge_alerts(staff, [alert.id], "on my way")
    assert done == [alert.id]
    assert await contract.acknowledge_alerts(staff, [alert.id], None) == []
    details = await contract.alert_details(staff, alert.id)
    assert (details.alert.state, details.alert.acknowledged_by) == ("acknowledged", staff.user)
    assert [(e.what, e.actor, e.note) for e in details.timeline][-1] == (
        "acknowledged", staff.actor, "on my way",
    )  # fmt: skip
    assert await news(world, alert) == ["alert.raised", "alert.acknowledged"]


async def test_what_a_person_resolved_is_raised_only_after_it_has_gone(
    world: World, time: Time
) -> None:
    alert = await low(world, time)
    assert alert.vehicle_id is not None
    after = await contract.resolve_alert(world.admin(), alert.id, "it is a known gauge")
    assert (after.state, after.resolution) == ("resolved", "person")
    again = await contract.resolve_alert(world.admin(), alert.id, None)
    assert again == after
    await time.report(alert.vehicle_id, battery_level=4)
    for _ in range(3):
        await time.look(world, 100)
    assert await alerts(world, "active") == []
    await time.report(alert.vehicle_id, battery_level=90)
    await time.look(world)
    await time.report(alert.vehicle_id, battery_level=5)
    await time.look(world, 400)
    [new] = await alerts(world, "active")
    assert new.id != alert.id


async def test_a_moved_vehicle_may_stay_once_a_person_says_so(world: World, time: Time) -> None:
    await only(world, "moved_without_ride", readings=1)
    vehicle = await connected_vehicle(world)
    await time.look(world)
    await time.look(world, 120)
    there = {"latitude": BERLIN[0] + 0.01, "longitude": BERLIN[1], "accuracy_m": 5.0}
    await time.report(vehicle.id, **there)
    await time.look(world)
    [alert] = await alerts(world, "open")
    await contract.resolve_alert(world.admin(), alert.id, None)
    for _ in range(3):
        await time.report(vehicle.id, **there)
        await time.look(world, 100)
    assert await alerts(world, "active") == []
    await time.report(vehicle.id, latitude=BERLIN[0], longitude=BERLIN[1], accuracy_m=5.0)
    await time.look(world, 400)
    assert len(await alerts(world, "open")) == 1  # moved again


async def test_nobody_acknowledges(world: World, time: Time) -> None:
    """One step more severe each time, three times at most; then it rests."""
    alert = await low(world, time, escalate_after_s=600)
    for seconds, severity, escalations in (
        (590, "info", 0), (15, "warning", 1), (601, "critical", 2), (601, "critical", 3),
        (601, "critical", 3),
    ):  # fmt: skip
        await time.look(world, seconds)
        [now] = await alerts(world)
        assert (now.severity, now.escalations) == (severity, escalations)
    assert (await timeline(world, alert)) == ["raised", "escalated", "escalated", "escalated"]
    assert await news(world, alert) == ["alert.raised"] + ["alert.escalated"] * 3


async def test_who_acknowledges_in_time_is_left_alone(world: World, time: Time) -> None:
    alert = await low(world, time, escalate_after_s=600)
    await contract.acknowledge_alerts(world.admin(), [alert.id], None)
    await time.look(world, 1200)
    assert await timeline(world, alert) == ["raised", "acknowledged"]


async def told(world: World, alert: Alert) -> list[bool]:
    """For each alert.raised of it, whether somebody is to be disturbed."""
    rows = await db.run("fleet", world.system(), NEWS, f"alert:{alert.id}")
    return [row["data"]["is_told"] for row in rows if row["name"] == "alert.raised"]


@pytest.mark.parametrize("scope", ["vehicle_and_rule", "vehicle", "rule"])
async def test_silenced_until_a_time(world: World, time: Time, scope: contract.Scope) -> None:
    """Alerts are raised all the same; nobody is told before it ends."""
    alert = await low(world, time, escalate_after_s=600)
    assert alert.vehicle_id is not None
    until = time.at + timedelta(hours=2)
    with clock.moved_to(time.at):
        after = await contract.silence_alert(world.admin(), alert.id, scope, until)
        assert after.silenced_until == until
        assert len(await contract.alert_silences(world.admin())) == 1
        await contract.resolve_alert(world.admin(), alert.id, None)
    await time.report(alert.vehicle_id, battery_level=90)
    await time.look(world)
    await time.report(alert.vehicle_id, battery_level=5)
    await time.look(world, 400)
    [new] = await alerts(world, "open")
    assert await told(world, alert) == [True]
    assert await told(world, new) == [False]
    await time.look(world, 3600)
    assert await timeline(world, new) == ["raised"]
    await time.look(world, 3600)
    assert await timeline(world, new) == ["raised", "told"]
    with clock.moved_to(time.at):
        assert await contract.alert_silences(world.admin()) == []
    await time.look(world, 601)
    assert await timeline(world, new) == ["raised", "told", "escalated"]


async def test_a_silence_can_be_lifted_and_has_bounds(world: World, time: Time) -> None:
    alert = await low(world, time)
    for until in (time.at - timedelta(hours=1), time.at + timedelta(days=91)):
        with pytest.raises(Invalid):
            await contract.silence_alert(world.admin(), alert.id, "vehicle", until)
    soon = clock.now() + timedelta(hours=1)
    await contract.silence_alert(world.admin(), alert.id, "vehicle", soon)
    after = await contract.silence_alert(world.admin(), alert.id, "vehicle", None)
    assert after.silenced_until is None
    assert (await timeline(world, alert))[-2:] == ["silenced", "unsilenced"]


async def test_quiet_hours_keep_it_until_morning(world: World, time: Time) -> None:
    """By the operator's clock: Europe/Berlin."""
    night = Hours(days=[1, 2, 3, 4, 5, 6, 7], start="22:00", end="06:00")
    time.at = time.at.replace(hour=22, minute=0, second=0) + timedelta(days=1)  # 23:00 or 00:00
    alert = await low(world, time, quiet_hours=[night], escalate_after_s=600)
    assert await told(world, alert) == [False]
    await time.look(world, 4 * 3600)
    assert await timeline(world, alert) == ["raised"]
    await time.look(world, 4 * 3600)
    assert await timeline(world, alert) == ["raised", "told"]
    assert (await alerts(world))[0].severity == "info"


async def test_an_outage_is_one_alert(world: World, time: Time) -> None:
    """More than group_above within a minute: those it began with are folded in."""
    await only(world, "silent", group_above=5)
    vehicles = [await connected_vehicle(world) for _ in range(12)]
    for vehicle in vehicles[:3]:
        await time.report(vehicle.id)
    await time.look(world, 15)
    for vehicle in vehicles[3:]:
        await time.report(vehicle.id)
    await time.look(world, 890)  # three fall silent first
    assert len(await alerts(world, "open")) == 3
    await time.look(world, 20)
    [wide] = await alerts(world, "open")
    assert (wide.vehicle_id, wide.vehicles, wide.rule) == (None, 12, "silent")
    folded = await alerts(world, "resolved")
    assert [each.resolution for each in folded] == ["grouped"] * 3
    details = await contract.alert_details(world.admin(), wide.id)
    assert {each.id for each in details.affected} == {each.id for each in vehicles}
    for vehicle in vehicles[:11]:
        await time.report(vehicle.id)
    await time.look(world)
    [wide] = await alerts(world, "open")
    assert wide.vehicles == 1
    await time.report(vehicles[11].id)
    await time.look(world)
    assert await alerts(world, "active") == []
    assert await news(world, wide) == ["alert.raised", "alert.resolved"]


async def test_after_a_burst_vehicles_have_their_own_alerts_again(world: World, time: Time) -> None:
    await only(world, "battery_low", hold_s=0, readings=1, group_above=3)
    vehicles = [await connected_vehicle(world, battery_level=50) for _ in range(6)]
    for vehicle in vehicles[:4]:
        await time.report(vehicle.id, battery_level=5)
    await time.look(world)
    await time.report(vehicles[4].id, battery_level=5)
    await time.look(world, 30)  # still the same burst
    await time.report(vehicles[5].id, battery_level=5)
    await time.look(world, 120)
    found = {each.vehicle_id: each.vehicles for each in await alerts(world, "open")}
    assert found == {None: 5, vehicles[5].id: 1}
    [wide] = [each for each in await alerts(world, "open") if each.vehicle_id is None]
    await contract.resolve_alert(world.admin(), wide.id, None)
    await time.look(world, 120)
    assert [each.vehicle_id for each in await alerts(world, "open")] == [vehicles[5].id]


async def test_two_workers_at_once_raise_one_alert(world: World, time: Time) -> None:
    await only(world, "battery_low", hold_s=0, readings=1)
    vehicles = [await connected_vehicle(world, battery_level=50) for _ in range(3)]
    for vehicle in vehicles:
        await time.report(vehicle.id, battery_level=5)
    with clock.moved_to(time.at):
        await asyncio.gather(*(alert_looks.look(world.system("fleet")) for _ in range(8)))
        await asyncio.gather(*(alert_looks.look(world.system("fleet")) for _ in range(8)))
    found = await alerts(world)
    assert {each.vehicle_id for each in found} == {each.id for each in vehicles}
    assert len(found) == 3
    for each in found:
        assert await news(world, each) == ["alert.raised"]
        assert await timeline(world, each) == ["raised"]


async def test_the_index_is_the_last_wall(world: World, time: Time) -> None:
    alert = await low(world, time)
    with pytest.raises(Exception, match="alert_open"):
        await db.run(
            "fleet", world.system(),
            "INSERT INTO fleet.alert (id, rule, kind, vehicle_id, severity, raised_at, last_at,"
            " value, worst) VALUES ($1, $2, $2, $3, 'info', now(), now(), 1, 1)",
            ids.new(), alert.rule, alert.vehicle_id,
        )  # fmt: skip


async def test_operators_do_not_see_each_other(world: World, time: Time) -> None:
    """I7: not in lists, not by id, not by any verb; rules and silences are each one's own."""
    alert = await low(world, time)
    other = await make_world()
    stranger = other.admin()
    await time.look(other)
    assert await alerts(other) == []
    for attempt in (
        contract.acknowledge_alerts(stranger, [alert.id], None),
        contract.alert_details(stranger, alert.id),
        contract.resolve_alert(stranger, alert.id, None),
        contract.note_alert(stranger, alert.id, "mine"),
        contract.silence_alert(stranger, alert.id, "rule", time.at + timedelta(hours=1)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await contract.alert_rules(stranger)).rules == list(rules.DEFAULTS)
    changes = await contract.alert_changes(stranger, 0)
    assert changes.alerts == []
    assert [each.state for each in await alerts(world)] == ["open"]


async def test_rules_that_go_take_their_alerts_with_them(world: World, time: Time) -> None:
    alert = await low(world, time)
    await contract.set_alert_rules(
        world.admin(), [msgspec.structs.replace(DEFAULTS["battery_low"], is_enabled=False)], None
    )
    await time.look(world)
    [after] = await alerts(world)
    assert (after.state, after.resolution) == ("resolved", "rule_changed")
    assert await news(world, alert) == ["alert.raised", "alert.resolved"]


async def test_a_rule_for_another_type_lets_go(world: World, time: Time) -> None:
    await low(world, time)
    rule = AlertRule(
        name="battery_low", kind="battery_low", severity="warning", raise_at=20, clear_at=30,
        vehicle_types=["car"],
    )  # fmt: skip
    await contract.set_alert_rules(world.admin(), [rule], None)
    car = await connected_vehicle(world, vehicle_type="car", battery_level=50)
    await time.report(car.id, battery_level=20)
    await time.look(world)
    assert [each.vehicle_id for each in await alerts(world, "open")] == [car.id]


async def test_what_was_resolved_long_ago_is_forgotten(world: World, time: Time) -> None:
    old, young = await low(world, time), await connected_vehicle(world, battery_level=50)
    await time.report(young.id, battery_level=5)
    await time.look(world)
    for each in await alerts(world, "open"):
        await contract.resolve_alert(world.admin(), each.id, None)
    long_ago = "UPDATE fleet.alert SET resolved_at = now() - interval '401 days' WHERE id = $1"
    await db.run("fleet", world.system(), long_ago, old.id)
    await jobs.forget_old_alerts()
    assert [each.vehicle_id for each in await alerts(world)] == [young.id]


SHADOWED = ("battery_low", "temperature_high", "temperature_low", "tipped_over")
MEASURED = {"battery_low": "battery_level", "tipped_over": "is_tipped"}


async def test_the_sieve_hides_nothing_from_the_rules(world: World, time: Time) -> None:
    """The database finds where something changes; the rules alone, asked of everything, agree."""
    dice = random.Random(11)
    await only(world, *SHADOWED, group_above=100)
    vehicles = [(await connected_vehicle(world, battery_level=50)).id for _ in range(8)]
    now: dict[UUID, dict[str, Any]] = {each: {"battery_level": 50} for each in vehicles}
    measured_at: dict[UUID, Any] = {}
    standings: dict[tuple[UUID, str], rules.Standing] = {}
    for _ in range(25):
        time.at += timedelta(seconds=dice.choice((5, 20, 60)))
        for each in dice.sample(vehicles, 4):
            now[each] |= {
                "battery_level": dice.choice((5, 14, 15, 16, 24, 25, 60)),
                "temperature": dice.choice((-20.0, -15.0, -12.0, 20.0, 55.0, 60.0, 70.0)),
                "is_tipped": dice.choice((True, True, False)),
            }
            measured_at[each] = time.at
            await time.report(each, **now[each])
        await time.look(world, 0)
        for each, name in product(vehicles, SHADOWED):
            value = now[each].get(MEASURED.get(name, "temperature"))
            standing = standings.get((each, name), rules.Standing())
            known = None if value is None else float(value)
            step = rules.next_step(
                DEFAULTS[name], standing, known, measured_at.get(each, "first"), time.at
            )
            standings[each, name] = _after(step, standing, known, measured_at.get(each), time.at)
        wanted = {key for key, standing in standings.items() if standing.phase == "raised"}
        assert {(each.vehicle_id, each.rule) for each in await alerts(world, "open")} == wanted
    assert len(await alerts(world)) > 8


def _after(
    step: rules.Step, before: rules.Standing, value: float | None, measured_at: Any, at: Any
) -> rules.Standing:
    if step in ("begin", "raise"):
        phase: rules.Phase = "pending" if step == "begin" else "raised"
        return rules.Standing(phase, at, 1, measured_at, value or 0.0, at)
    if step == "count":
        return before._replace(readings=before.readings + 1, measured_at=measured_at)
    return rules.Standing() if step in ("drop", "clear") else before
