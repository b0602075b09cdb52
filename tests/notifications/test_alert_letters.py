"""Critical alerts reach staff by e-mail, gathered: an outage is one letter (WEB-10, issue 3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.actions import alert_looks
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.fleet.rules import alerts as fleet_rules
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock
from fahrwerk.kernel.pump import Pump
from fahrwerk.notifications import contract as notifications
from fahrwerk.notifications import jobs
from tests.fleet.street import connected_vehicle, report

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.notifications.contract import Mail
    from tests.world import World

HOT = next(each for each in fleet_rules.DEFAULTS if each.name == "temperature_high")


async def staff(world: World, role: str, locale: str) -> str:
    """Somebody of the staff; the address."""
    email = f"{role}-{locale}@{world.operator.slug}.example"
    person = await identity.add_person(
        world.admin(), email, "correct horse battery staple", frozenset({role}), "Eva", "Wacht"
    )
    change = identity.ProfileChange(locale=locale)
    await identity.change_profile(world.call(role, user=person.id), change)
    return email


async def hot_vehicles(world: World, count: int, **changes: Any) -> list[Vehicle]:
    """Vehicles that are about to be too hot, and the one rule that says so."""
    rule = msgspec.structs.replace(HOT, hold_s=0, readings=1, **changes)
    await contract.set_alert_rules(world.admin(), [rule], None)
    return [await connected_vehicle(world) for _ in range(count)]


async def at(world: World, when: datetime) -> None:
    """A look, and all that follows from it."""
    with clock.moved_to(when):
        await alert_looks.look(world.system("fleet"))
        await Pump().drain()
        await jobs.write_digests()
        while await jobs.send_due():
            pass


async def letters(world: World) -> list[Mail]:
    """Oldest first."""
    return (await notifications.mails(world.system(), 100))[::-1]


async def test_staff_is_told_at_once_and_then_not_too_often(world: World) -> None:
    """In each one's language; riders and roles that are not to be told get nothing."""
    german = await staff(world, "admin", "de")
    english = await staff(world, "provider", "en")
    await staff(world, "support", "en")
    await world.rider()
    first, second, third = await hot_vehicles(world, 3)
    now = clock.now() + timedelta(seconds=30)
    with clock.moved_to(now):
        await report(first.id, temperature=70.0)
    await at(world, now)
    sent = {each.recipient: each for each in await letters(world)}
    assert set(sent) == {german, english}
    assert sent[german].subject == f"Zu heiß: {first.identifier}"
    assert sent[english].subject == f"Too hot: {first.identifier}"
    assert "nobody deals with this yet" in sent[english].text
    assert first.identifier in sent[german].html
    for vehicle in (second, third):
        now += timedelta(minutes=2)
        with clock.moved_to(now):
            await report(vehicle.id, temperature=70.0)
        await at(world, now)
    assert len(await letters(world)) == 2
    now += timedelta(minutes=15)
    await at(world, now)
    found = await letters(world)
    assert len(found) == 4
    assert "3 critical alerts" in next(e.subject for e in found[2:] if e.recipient == english)


async def test_an_outage_is_one_letter(world: World) -> None:
    await staff(world, "admin", "en")
    vehicles = await hot_vehicles(world, 8, group_above=3)
    now = clock.now() + timedelta(seconds=30)
    with clock.moved_to(now):
        for vehicle in vehicles:
            await report(vehicle.id, temperature=70.0)
    for _ in range(3):
        await at(world, now)
        now += timedelta(seconds=10)
    assert [each.subject for each in await letters(world)] == ["Too hot: 8 vehicles"]


async def test_what_is_dealt_with_meanwhile_is_not_told(world: World) -> None:
    """Neither is what is not critical, or of quiet hours."""
    await staff(world, "admin", "en")
    [vehicle] = await hot_vehicles(world, 1)
    now = clock.now() + timedelta(seconds=30)
    with clock.moved_to(now):
        await report(vehicle.id, temperature=70.0)
        await alert_looks.look(world.system("fleet"))
        await Pump().drain()
        page = await contract.alert_page(world.admin(), "open", None, None, None, None, 10, 0)
        await contract.acknowledge_alerts(world.admin(), [each.id for each in page.alerts], None)
    await at(world, now + timedelta(seconds=5))
    assert await letters(world) == []


async def test_what_is_not_critical_waits_until_it_is(world: World) -> None:
    await staff(world, "admin", "en")
    [vehicle] = await hot_vehicles(world, 1, severity="warning", escalate_after_s=600)
    now = clock.now() + timedelta(seconds=30)
    with clock.moved_to(now):
        await report(vehicle.id, temperature=70.0)
    await at(world, now)
    assert await letters(world) == []
    await at(world, now + timedelta(seconds=601))
    assert len(await letters(world)) == 1
