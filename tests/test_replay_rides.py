"""Recorded rides through the real API, in this process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import db, jobs
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments.contract import ledger
from fahrwerk.replay import Stuck, Wishes, replay
from fahrwerk.replay.report import Count
from tests.test_replay import HEADER, RIDES, recorded_week
from tests.world import World, http_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSWORD = "a recorder of rides gone by"


@pytest.fixture
async def working(world: World) -> AsyncIterator[World]:
    """The world with a worker beside it, as `fahrwerk up` has one."""
    pump, runner = Pump(), jobs.Runner(("pricing", "payments", "rentals", "notifications"))
    db.database().after_events = pump.wake
    await pump.start()
    await runner.start()
    yield world
    await runner.stop()
    await pump.stop()
    db.database().after_events = lambda: None


async def recorder(world: World) -> str:
    """An account that may move the clock; given by the platform, as administrators cannot."""
    email = f"recorder@{world.operator.slug}.example"
    roles = frozenset({"admin", "recorder"})
    await identity.add_person(world.system(), email, PASSWORD, roles, "Re", "Corder")
    return email


def wishes(world: World, email: str, **fields: object) -> Wishes:
    values: dict[str, object] = {
        "trips": RIDES / "trips_2014-05-05_week.csv",
        "stations": RIDES / "stations.csv",
        "tenant": world.operator.slug,
        "email": email,
        "password": PASSWORD,
        "staff": True,
        "url": "http://test",
        "riders": 16,
        "hands": 12,
    }
    return Wishes(**(values | fields))  # type: ignore[arg-type]


def transport() -> httpx.AsyncBaseTransport:
    return httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]


async def test_recorded_rides_are_ridden_rated_and_paid(working: World, tmp_path: Path) -> None:
    """The first 200 trips through the real API: every count agrees, and a repeat changes none."""
    email = await recorder(working)
    wished = wishes(working, email, limit=200, report=tmp_path / "report.json")
    said: list[str] = []
    first = await replay(wished, said.append, transport())
    assert first.differences == []
    assert (first.rows, first.rides.recorded, first.rides.ridden) == (200, 200, 200)
    trips = recorded_week().trips[:200]
    assert first.seconds.ridden == sum(trip.duration_s for trip in trips)
    assert first.billed_minutes == sum(-(-trip.duration_s // 60) for trip in trips)
    assert first.money.captured_minor == first.money.receipts_minor > 0
    assert list(first.days) == ["2014-05-05"]
    assert json.loads((tmp_path / "report.json").read_text())["rides"]["ridden"] == 200
    await booked(working, first.money.receipts_minor)
    again = await replay(wished, said.append, transport())
    assert again.differences == []
    assert again.rides == first.rides
    assert again.money == first.money
    assert again.about.requests < first.about.requests / 2, "what is there is not ridden again"
    await booked(working, first.money.receipts_minor)


async def booked(world: World, receipts_minor: int) -> None:
    """The books hold, and revenue with its tax is what the receipts say: no more, no less."""
    await world.settle()
    assert await ledger.proof(world.system()) == []
    lines = await ledger.trial_balance(world.admin(), None, None)
    closing = {line.code: line.closing_minor for line in lines}
    assert -closing.pop("revenue.1900") - closing.pop("vat.1900") == receipts_minor
    assert closing == {"gateway_clearing": receipts_minor, "receivables": 0}
    # The rides were ridden in May 2014, so that is when they were sold.
    then = datetime(2014, 6, 1, tzinfo=UTC)
    lines = await ledger.trial_balance(world.admin(), None, then)
    assert {line.code: line.closing_minor for line in lines}["receivables"] == receipts_minor


ODD = """\
6,1800,2014-05-05T00:00,77,2014-05-05T00:30,45,9
7,600,2014-05-05T00:10,77,2014-05-05T00:20,45,9
8,600,2014-05-05T00:10,77,2014-05-05T00:20,999,9
9,168395,2014-05-05T01:00,70,2014-05-06T23:46,77,8
10,600,2014-05-05T02:00,70,2014-05-05T02:10,70,9
11,-600,2014-05-05T02:00,70,2014-05-05T01:50,70,9
"""


async def test_what_cannot_have_happened_is_told_with_what_the_platform_said(
    working: World, tmp_path: Path
) -> None:
    """The bike in two rides is asked for all the same: the platform itself has to say no."""
    trips = tmp_path / "odd.csv"
    trips.write_text(f"{HEADER}\n{ODD}")
    email = await recorder(working)
    made = await replay(wishes(working, email, trips=trips), lambda _: None, transport())
    assert made.differences == []
    assert (made.rides, made.moved) == (Count(3, 3), 1)
    assert [(told.line, told.rule) for told in made.findings] == [
        (3, "bike_in_two_rides"),
        (4, "unknown_station"),
        (5, "over_limit"),
        (7, "no_duration"),
    ]
    outcomes = [told.outcome for told in made.findings]
    assert outcomes[0].startswith("refused by the platform: VEHICLE_UNAVAILABLE")
    assert outcomes[1] == outcomes[3] == "not ridden"
    assert outcomes[2].startswith("ridden, ")
    assert made.money.captured_minor == made.money.receipts_minor > 0


async def test_who_may_not_move_the_clock_is_told_so(world: World) -> None:
    email = f"admin@{world.operator.slug}.example"
    roles = frozenset({"admin"})
    await identity.add_person(world.system(), email, PASSWORD, roles, "Ad", "Min")
    with pytest.raises(Stuck, match="needs the role recorder"):
        await replay(wishes(world, email), lambda _: None, transport())
    with pytest.raises(Stuck, match="AUTHENTICATION_FAILED"):
        await replay(wishes(world, email, password="wrong"), lambda _: None, transport())
    with pytest.raises(Stuck, match="No such file"):
        await replay(wishes(world, email, trips=Path("none.csv")), lambda _: None, transport())


async def test_the_platform_makes_the_tenant_with_its_recorder(working: World) -> None:
    """Currency and tariff as wished; a second replay finds everything and doubles nothing."""
    email = f"platform@{working.operator.slug}.example"
    roles = frozenset({"platform"})
    await identity.add_person(working.system(), email, PASSWORD, roles, "Pla", "Tform")
    wished = wishes(
        working,
        email,
        staff=False,
        platform=working.operator.slug,
        tenant=f"replay-{working.operator.slug}",
        currency="USD",
        tariff=("1.00", "0.10", "30.00"),
        limit=20,
        riders=4,
    )
    for _ in range(2):
        made = await replay(wished, lambda _: None, transport())
        assert made.differences == []
        assert (made.rides, made.money.currency) == (Count(20, 20), "USD")
        assert made.money.receipts_minor == 20 * 100 + made.billed_minutes * 10
    with pytest.raises(Stuck, match="AUTHENTICATION_FAILED"):
        other = msgspec.structs.replace(wished, password="wrong")
        await replay(other, lambda _: None, transport())
