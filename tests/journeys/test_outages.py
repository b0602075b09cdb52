"""What the platform stands on fails: database, broker, gateway, clocks. Real processes throughout.

After each fault everything of the operator comes to an end and every invariant holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fahrwerk.kernel import clock, ids
from fahrwerk.rentals import contract as rentals
from fahrwerk.sim.vehicle import Faults
from tests.journeys.drill import END, check_outcomes, heard_of
from tests.journeys.invariants import at_rest, broken, lost
from tests.journeys.load import Load, own_server, ride
from tests.journeys.people import City, Persistent, found
from tests.journeys.platform import Platform, platform
from tests.rentals.riding import alive, paying_rider
from tests.world import World

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SORRY = "We're experiencing issues. Please try again shortly."  # RNT-28


async def comes_to_a_good_end(city: City, states: set[str]) -> None:
    """I1..I12, for an operator with nothing under way any more."""
    await at_rest(city)
    await check_outcomes(city, states)
    assert await broken(city) == []


# --- the database


async def test_the_database_is_killed_and_nothing_acknowledged_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """F3, I9, TST-36: SIGQUIT in the middle of rides; seconds later they go on."""
    data = tmp_path_factory.mktemp("killed")
    async with own_server() as own, platform(own.server, data) as running:
        city = await found(running)
        load = Load()
        try:
            await load.begin(city, 5)
            await load.more(5)
            await own.kill()
            await sorry(city)
            await own.start()
            await load.more(10)
            assert await load.stop() == []
            assert await lost(city, load.acknowledged) == []
            await comes_to_a_good_end(city, {"completed"})
            await _works_its_queue_again(running)
        finally:
            await load.stop()
            await city.close()


async def sorry(city: City) -> None:
    """RNT-28, RNT-29, TST-44: reads and writes say it with the words of the contract, at once."""
    client = city.client("admin")
    answers: list[httpx.Response] = []
    for _ in range(5):
        answers.append(await client.get("/api/v1/bookings"))
        answers.append(await client.post("/bookings", json={"vehicle_id": "SC0"}))
    answers.append(await client.get("/ready"))
    for answer in answers:
        assert answer.status_code == 503, answer.text
        error = answer.json()["error"]
        assert (error["code"], error["message"]) == ("DATABASE_UNAVAILABLE", SORRY)
    # The breaker is open: nobody waits for a connection that will not come.
    assert answers[-2].headers["retry-after"] == "1"
    assert (await client.get("/health")).status_code == 200


async def _works_its_queue_again(running: Platform) -> None:
    """The queue of timed jobs has a worker that is alive: it lost its connection as well."""
    end = time.monotonic() + 60
    while not await running.look(
        "SELECT FROM jobs.procrastinate_workers WHERE last_heartbeat > pg_postmaster_start_time()"
    ):
        assert time.monotonic() < end, running.log("work")
        await asyncio.sleep(0.2)


# --- the broker


async def test_the_broker_is_killed_and_comes_back(city: City) -> None:
    """F9, RNT-27: 503 meanwhile, nothing opens late, and everyone finds the broker again."""
    vehicle, thing = await city.vehicle()
    assert thing is not None
    await heard_of(city, vehicle)
    rider = Persistent(await city.rider())
    answer = await rider.post("/bookings", {"vehicle_id": vehicle})
    booking = answer.json()["booking"]["id"]
    answer = await rider.post(f"/bookings/{booking}/confirm-payment")
    assert answer.status_code == 200, answer.text

    city.platform.broker.kill()
    answer = await rider.client.post(f"/vehicles/{vehicle}/unlock", json={})
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "VEHICLE_OFFLINE"
    await city.platform.broker.start()
    await thing.ready(60)
    await _heard_again(city, vehicle)
    assert thing.is_locked
    assert (await rider.get(f"/bookings/{booking}"))["status"] == "confirmed"

    answer = await rider.post(f"/vehicles/{vehicle}/unlock")
    assert answer.status_code == 200, answer.text
    assert not thing.is_locked
    answer = await rider.post(f"/api/v1/rentals/{booking}/end", END)
    assert answer.status_code == 200, answer.text
    await comes_to_a_good_end(city, {"completed"})
    assert thing.is_locked


async def _heard_again(city: City, vehicle: str) -> None:
    """Both ends are back: what the vehicle says now arrives."""
    [row] = await city.platform.look("SELECT clock_timestamp() AS at")
    end = time.monotonic() + 60
    while not await city.platform.look(
        "SELECT FROM fleet.vehicle WHERE tenant_id = $1 AND last_seen_at > $2",
        city.tenant, row["at"],
    ):  # fmt: skip
        assert time.monotonic() < end, f"{vehicle} is not heard\n{city.platform.log('work')}"
        await asyncio.sleep(0.1)


# --- the gateway

CARDS = (
    "tok_timeoutBefore", "tok_timeoutAfter", "tok_error500Before", "tok_error500After",
    "tok_rateLimited", "tok_slow", "tok_delayed", "tok_late", "tok_wrongAmount",
    "tok_captureTimeoutBefore", "tok_captureTimeoutAfter", "tok_captureError500After",
    "tok_captureDelayed", "tok_captureLate", "tok_captureSlow",
)  # fmt: skip


async def test_a_gateway_that_misbehaves_is_asked_until_it_is_clear(city: City) -> None:
    """F10, TST-40, RNT-25: silent, slow, failing before or after the charge; each paid once."""
    riders = [Persistent(await city.rider(card)) for card in CARDS]
    vehicles = [await city.by_hand(f"SC{n}") for n in range(len(CARDS))]
    await asyncio.gather(*map(ride, riders, vehicles))
    await comes_to_a_good_end(city, {"completed"})


async def test_what_a_gateway_did_late_for_a_cancelled_booking_is_given_back(city: City) -> None:
    """I12: it charged, did not say so, and the rider has gone."""
    cards = ("tok_error500After", "tok_voidError500After", "tok_voidError500Before")
    riders = [Persistent(await city.rider(card)) for card in cards]
    for number, rider in enumerate(riders):
        vehicle = await city.by_hand(f"SC{number}")
        answer = await rider.post("/bookings", {"vehicle_id": vehicle})
        booking = answer.json()["booking"]["id"]
        await rider.client.post(f"/bookings/{booking}/confirm-payment", json={})
        answer = await rider.post(f"/bookings/{booking}/cancel")
        assert answer.status_code == 200, answer.text
    await comes_to_a_good_end(city, {"cancelled"})


# --- more than one of everything


async def test_each_step_sent_three_times_at_once_is_done_once(city: City) -> None:
    """F13, RNT-26: one key, three requests: three identical answers."""
    vehicle = await city.by_hand("SC1")
    rider = Persistent(await city.rider())

    async def thrice(path: str, body: object = None) -> httpx.Response:
        key = ids.new().hex
        answers = await asyncio.gather(*(rider.post(path, body, key) for _ in range(3)))
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].is_success, answers[0].text
        return answers[0]

    booking = (await thrice("/bookings", {"vehicle_id": vehicle})).json()["booking"]["id"]
    await thrice(f"/bookings/{booking}/confirm-payment")
    await thrice(f"/vehicles/{vehicle}/unlock")
    await thrice(f"/api/v1/rentals/{booking}/end", END)
    await comes_to_a_good_end(city, {"completed"})
    assert len(await city.platform.look(
        "SELECT FROM rentals.rental WHERE tenant_id = $1", city.tenant
    )) == 1  # fmt: skip


async def test_two_hundred_want_one_vehicle(city: City) -> None:
    """F12, RNT-15, RNT-16, TST-31: one has it; the others are shown what else is near."""
    wanted, other = await city.by_hand("SC1"), await city.by_hand("SC2")
    riders = [await city.rider(None) for _ in range(20)]
    answers = await asyncio.gather(
        *(rider.post("/bookings", json={"vehicle_id": wanted}) for rider in riders * 10)
    )
    won = [answer for answer in answers if answer.status_code == 201]
    lost_out = [answer for answer in answers if answer.status_code == 409]
    assert (len(won), len(lost_out)) == (1, 199)
    for answer in lost_out:
        error = answer.json()["error"]
        assert error["message"] == "Vehicle no longer available"
        assert [each["id"] for each in error["details"]["alternatives"]] == [other]


async def test_two_workers_handle_each_event_once(city: City) -> None:
    """I6: two readers of the same log, two queues' worth of hands; killed and replaced as well."""
    city.platform.spawn("work-2")
    try:
        riders = [Persistent(await city.rider()) for _ in range(6)]
        vehicles = [await city.by_hand(f"SC{n}") for n in range(len(riders))]
        await asyncio.gather(*map(ride, riders, vehicles))
        rides = asyncio.gather(*map(ride, riders, vehicles))
        city.platform.kill("work-2")
        city.platform.spawn("work-2")
        await rides
        await comes_to_a_good_end(city, {"completed"})
    finally:
        city.platform.kill("work-2")


# --- clocks


@pytest.fixture(params=[3600, -3600], ids=["an-hour-fast", "an-hour-slow"])
async def wrong_clock(
    request: pytest.FixtureRequest, running: Platform
) -> AsyncIterator[tuple[City, timedelta]]:
    """An operator whose HTTP server is wrong by an hour; worker and database are right."""
    offset = timedelta(seconds=request.param)
    running.kill("serve")
    running.spawn("serve", FAHRWERK_CLOCK_OFFSET_S=str(request.param))
    await running.ready()
    with clock.moved_to(clock.now() + offset):  # who logs in there gets tokens of that time
        city = await found(running, payment_hold_s=4)
        yield city, offset
    await city.close()
    running.kill("serve")
    running.spawn("serve")
    await running.ready()


async def test_a_wrong_clock_frees_nothing_and_charges_nobody_for_it(
    wrong_clock: tuple[City, timedelta],
) -> None:
    """F14, I3: the database's clock decides holds; a ride of a second is not an hour."""
    city, _ = wrong_clock
    vehicle, thing = await city.vehicle()
    assert thing is not None
    await heard_of(city, vehicle)
    rider = Persistent(await city.rider())
    began = time.monotonic()
    answer = await rider.post("/bookings", {"vehicle_id": vehicle})
    assert answer.status_code == 201, answer.text
    booking = answer.json()["booking"]["id"]
    while await _status(city, vehicle) == "reserved":
        assert time.monotonic() - began < 60, "held for ever"
        await asyncio.sleep(0.05)
    assert time.monotonic() - began > 3.5, "freed early"
    await at_rest(city)
    assert (await rider.get(f"/bookings/{booking}"))["status"] == "cancelled"

    rental = await ride(rider, vehicle)
    ended = await rider.get(f"/api/v1/rentals/{rental}")
    assert ended["duration_minutes"] <= 3
    await comes_to_a_good_end(city, {"completed", "cancelled"})


async def _status(city: City, vehicle: str) -> str:
    [row] = await city.platform.look(
        "SELECT status FROM fleet.vehicle WHERE tenant_id = $1 AND id = $2",
        city.tenant, ids.parse(vehicle, "sco"),
    )  # fmt: skip
    return str(row["status"])


@pytest.mark.parametrize("offset_s", [3600, -3600], ids=["an-hour-fast", "an-hour-slow"])
async def test_a_vehicle_with_a_wrong_clock(city: City, offset_s: int) -> None:
    """F14: one that is ahead refuses what seems too old, and nobody pays; one behind is ridden."""
    faults = Faults(clock_offset_ms=offset_s * 1000)
    vehicle, thing = await city.vehicle(faults=faults)
    assert thing is not None
    await heard_of(city, vehicle)
    rider = Persistent(await city.rider())
    if offset_s < 0:
        rental = await ride(rider, vehicle)
        assert (await rider.get(f"/api/v1/rentals/{rental}"))["duration_minutes"] <= 3
        await comes_to_a_good_end(city, {"completed"})
        return
    answer = await rider.post("/bookings", {"vehicle_id": vehicle})
    booking = answer.json()["booking"]["id"]
    await rider.post(f"/bookings/{booking}/confirm-payment")
    answer = await rider.client.post(f"/vehicles/{vehicle}/unlock", json={})
    assert answer.status_code == 503, answer.text
    assert thing.is_locked
    await rider.post(f"/bookings/{booking}/cancel")
    await comes_to_a_good_end(city, {"cancelled"})


CALENDAR: Sequence[tuple[str, datetime, timedelta, int]] = (
    ("summer time begins", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), timedelta(hours=1), 60),
    ("summer time ends", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), timedelta(hours=1), 60),
    ("leap day", datetime(2028, 2, 28, 23, 50, tzinfo=UTC), timedelta(minutes=20), 20),
    ("new year", datetime(2026, 12, 31, 22, 55, tzinfo=UTC), timedelta(minutes=10), 10),
)


@pytest.mark.parametrize(
    ("began", "lasted", "minutes"), [each[1:] for each in CALENDAR], ids=[x[0] for x in CALENDAR]
)
async def test_the_meter_does_not_know_the_calendar(
    world: World, began: datetime, lasted: timedelta, minutes: int
) -> None:
    """F14: Berlin's clocks jump, the ride goes on: what has passed is what is charged."""
    rider, vehicle = await paying_rider(world), await world.vehicle()
    with clock.moved_to(began):
        async with alive(world):
            rental = await rentals.start(rider, str(vehicle.id), None, None, None, False)
    with clock.moved_to(began + lasted):
        ended = await rentals.end(rider, rental.id, None, None, None, None)
    assert ended.rating is not None
    assert ended.rating.billed_minutes == minutes
