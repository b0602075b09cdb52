"""Simulated riders: what they ask the platform for, and that no answer of it throws them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from fahrwerk.sim import api as apis
from fahrwerk.sim import rider as riders
from fahrwerk.sim.api import Api, Away, Session
from fahrwerk.sim.rider import Intent, Rider, intend
from fahrwerk.sim.streets import load_streets
from tests.sim.frontdesk import PLACE, FrontDesk, phone_at, refusal, seen

if TYPE_CHECKING:
    from fahrwerk.sim.phone import Phone
    from fahrwerk.sim.streets import Place

RIDES = Intent(
    vehicle_type="scooter",
    habit="rides",
    distance_m=900,
    stars=5,
    feedback="Great scooter, smooth ride!",
    pauses_midway=False,
    is_business=False,
    promo_code=None,
)


class Scooter:
    """What a rider needs of a vehicle."""

    def __init__(self) -> None:
        self.latitude, self.longitude = PLACE["lat"], PLACE["lon"]
        self.battery_level = 80.0
        self.driven: list[list[tuple[float, float]]] = []
        self.seconds = 0.0
        self.arrives = True

    async def drive_to(self, points: list[tuple[float, float]], speed_kmh: float) -> bool:
        self.driven.append(points)
        await asyncio.sleep(self.seconds)
        self.latitude, self.longitude = points[-1]
        return self.arrives


class Street:
    """A city of one scooter."""

    def __init__(self) -> None:
        self.scooter = Scooter()
        self.mounted: list[str] = []
        self.taken: str | None = None

    def vehicle(self, vehicle_id: str) -> Any:
        return self.scooter

    def mount(self, vehicle_id: str) -> None:
        self.mounted.append(vehicle_id)

    def dismount(self, vehicle_id: str) -> None:
        self.mounted.remove(vehicle_id)

    def taken_near(self, place: Place) -> str | None:
        return self.taken


class Somebody:
    """A rider at a desk in a street; remembers how long each pause would have been."""

    def __init__(self) -> None:
        self.desk, self.street = FrontDesk(), Street()
        self.phone: Phone = phone_at(self.desk)
        self.slept: list[float] = []
        place = load_streets().place(PLACE["lat"], PLACE["lon"])
        self.rider = Rider(self.phone, self.street, place, random.Random(1), self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def go(self, **intent: Any) -> str:
        return await self.rider.go(msgspec.structs.replace(RIDES, **intent))


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> Somebody:
    monkeypatch.setattr(apis, "PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(riders, "LOOK_AT_PHONE_S", 0.01)
    return Somebody()


async def test_a_ride_from_search_to_rating(somebody: Somebody) -> None:
    """RNT-02, RNT-11, RNT-19, FLT-24, RNT-38, RNT-41: in this order, as an app does it."""
    somebody.street.scooter.seconds = 0.03
    assert await somebody.go() == "ridden"
    asked = [what for what, _ in somebody.desk.asked]
    steps = [
        "GET /vehicles/search",
        "POST /bookings",
        "POST /bookings/*/confirm-payment",
        "POST /vehicles/*/unlock",
        "GET /api/v1/rentals/*/status",
        "POST /api/v1/rentals/*/end",
    ]
    assert [asked.index(step) for step in steps] == sorted(asked.index(step) for step in steps)
    ended = somebody.desk.body("POST /api/v1/rentals/*/end")
    assert (ended["rating"], ended["feedback"]) == (5, "Great scooter, smooth ride!")
    assert ended["end_location"]["address"].startswith("Berlin, near ")
    assert somebody.desk.body("POST /bookings/*/confirm-payment") == {
        "payment_method_id": "pm_4242"
    }
    assert somebody.street.mounted == []


async def test_everything_that_changes_something_is_keyed(somebody: Somebody) -> None:
    """RNT-26: with a key of its own for each intention."""
    await somebody.go()
    keys = [
        key for what, key in somebody.desk.keys if what.startswith("POST") and "auth" not in what
    ]
    assert None not in keys
    assert len(set(keys)) == len(keys)


async def test_the_rider_is_where_the_vehicle_was_left(somebody: Somebody) -> None:
    await somebody.go(distance_m=1_500)
    scooter = somebody.street.scooter
    assert (somebody.rider.place.lat, somebody.rider.place.lon) == (
        scooter.latitude,
        scooter.longitude,
    )
    assert (scooter.latitude, scooter.longitude) != (PLACE["lat"], PLACE["lon"])


async def test_who_is_too_late_takes_an_alternative(somebody: Somebody) -> None:
    """RNT-15, RNT-16: 409 with alternatives."""
    somebody.street.taken = "sco_taken"
    somebody.desk.first(
        "POST /bookings", refusal(409, "VEHICLE_UNAVAILABLE", alternatives=[{"id": "sco_next"}])
    )
    assert await somebody.go(habit="too_late") == "ridden"
    booked = [body["vehicle_id"] for what, body in somebody.desk.asked if what == "POST /bookings"]
    assert booked == ["sco_taken", "sco_next"]


async def test_who_finds_only_taken_vehicles_gives_up(somebody: Somebody) -> None:
    taken = refusal(409, "VEHICLE_UNAVAILABLE", alternatives=[{"id": "sco_2"}])
    somebody.desk.first("POST /bookings", taken, taken, taken)
    assert await somebody.go() == "not_booked"
    assert somebody.desk.count("POST /bookings") == 3


async def test_nothing_near_is_looked_for_farther_away(somebody: Somebody) -> None:
    somebody.desk.vehicles = [seen("sco_1", battery=3)]
    before = somebody.rider.place
    assert await somebody.go() == "nothing_near"
    radii = [int(b["radius"]) for what, b in somebody.desk.asked if what == "GET /vehicles/search"]
    assert radii == list(riders.RADII_M)
    assert somebody.rider.place != before


async def test_a_declined_card_is_the_end_of_it(somebody: Somebody) -> None:
    """RNT-23: the platform has cancelled the booking, there is nothing to give back."""
    somebody.desk.first("POST /bookings/*/confirm-payment", refusal(400, "PAYMENT_FAILED"))
    assert await somebody.go(habit="declined") == "not_paid"
    assert somebody.desk.body("POST /bookings/*/confirm-payment") == {
        "payment_method_id": "pm_0002"
    }
    assert somebody.desk.count("POST /vehicles/*/unlock") == 0


async def test_a_payment_not_answered_is_asked_for_again(somebody: Somebody) -> None:
    pending = refusal(503, "PAYMENT_PENDING")
    somebody.desk.first("POST /bookings/*/confirm-payment", pending, pending)
    assert await somebody.go() == "ridden"
    assert somebody.slept[:2] == list(riders.PAYMENT_PAUSES_S[:2])


async def test_a_silent_vehicle_is_tried_again_and_then_given_back(somebody: Somebody) -> None:
    """RNT-27: try again in a minute; nothing is charged."""
    silent = refusal(503, "VEHICLE_OFFLINE")
    somebody.desk.first("POST /vehicles/*/unlock", silent)
    assert await somebody.go() == "ridden"
    somebody.desk.first("POST /vehicles/*/unlock", silent, silent, silent)
    assert await somebody.go() == "vehicle_silent"
    assert somebody.desk.count("POST /bookings/*/cancel") == 1
    assert somebody.street.mounted == []


async def test_changed_minds(somebody: Somebody) -> None:
    assert await somebody.go(habit="cancels") == "cancelled"
    assert somebody.desk.count("POST /bookings/*/confirm-payment") == 0
    assert await somebody.go(habit="forgets") == "forgotten"
    assert somebody.desk.count("POST /bookings/*/cancel") == 1, "who forgets does not cancel"


async def test_a_pause_midway_locks_and_unlocks(somebody: Somebody) -> None:
    """FLT-26: the ride goes on."""
    assert await somebody.go(pauses_midway=True, distance_m=2_000) == "ridden"
    assert somebody.desk.count("POST /vehicles/*/lock") == 1
    assert somebody.desk.count("POST /vehicles/*/unlock") == 2
    assert len(somebody.street.scooter.driven) == 2


async def test_an_empty_battery_ends_the_ride_early(somebody: Somebody) -> None:
    somebody.street.scooter.arrives = False
    assert await somebody.go(pauses_midway=True) == "ridden"
    assert len(somebody.street.scooter.driven) == 1


async def test_a_ride_the_platform_ended_is_not_ridden_on(somebody: Somebody) -> None:
    """RNT-51: the limits are the platform's."""
    somebody.street.scooter.seconds = 30
    somebody.desk.first("GET /api/v1/rentals/*/status", (200, {"status": "completed"}))
    async with asyncio.timeout(5):
        assert await somebody.go() == "ridden"


async def test_no_reception_while_riding_is_no_reason_to_stop(somebody: Somebody) -> None:
    somebody.street.scooter.seconds = 0.05
    gone = httpx.ConnectError("gone")
    somebody.desk.first("GET /api/v1/rentals/*/status", *[gone] * 3)
    assert await somebody.go() == "ridden"


async def test_ending_is_tried_until_the_platform_is_back(somebody: Somebody) -> None:
    gone = httpx.ConnectError("gone")
    somebody.desk.first("POST /api/v1/rentals/*/end", *[gone] * 7)
    assert await somebody.go() == "ridden"
    ends = [key for what, key in somebody.desk.keys if what == "POST /api/v1/rentals/*/end"]
    assert len(ends) == 8


NEAR = {"latitude": PLACE["lat"] + 0.01, "longitude": PLACE["lon"], "distance_meters": 1_112}
NOT_HERE = refusal(422, "PARKING_NOT_ALLOWED", nearest=NEAR)


async def test_who_may_not_park_here_goes_on_to_where_he_may(somebody: Somebody) -> None:
    """RNT-47: the rider goes to the nearest place the platform names, and ends the ride there."""
    somebody.desk.first("POST /api/v1/rentals/*/end", NOT_HERE)
    assert await somebody.go() == "ridden"
    scooter = somebody.street.scooter
    assert scooter.driven[-1] == [(NEAR["latitude"], NEAR["longitude"])]
    sent = somebody.desk.body("POST /api/v1/rentals/*/end")["end_location"]
    assert sent["latitude"] == pytest.approx(NEAR["latitude"], abs=1e-4)


async def test_who_may_park_nowhere_gives_up_after_some_places(somebody: Somebody) -> None:
    """The ride stays open, and is looked after before the next trip."""
    somebody.desk.first("POST /api/v1/rentals/*/end", *[NOT_HERE] * 20)
    assert await somebody.go() == "not_ended"
    assert somebody.desk.count("POST /api/v1/rentals/*/end") == riders.MOST_MOVES + 1


async def test_an_open_ride_of_an_earlier_life_is_taken_to_where_it_may_end(
    somebody: Somebody,
) -> None:
    somebody.desk.unfinished = [{"id": "rent_3", "status": "in_progress"}]
    ride = {"id": "rent_3", "vehicle": {"id": "sco_1", "type": "scooter"}}
    somebody.desk.first("GET /api/v1/rentals/*", (200, ride))
    somebody.desk.first("POST /api/v1/rentals/*/end", NOT_HERE)
    assert await somebody.rider.tidy_up() == 1
    assert somebody.street.scooter.latitude == NEAR["latitude"]
    assert somebody.desk.count("POST /api/v1/rentals/*/end") == 2


async def test_a_platform_that_stays_away_is_said(somebody: Somebody) -> None:
    gone = httpx.ConnectError("gone")
    somebody.desk.first("GET /vehicles/search", *[gone] * 3)
    with pytest.raises(Away):
        await somebody.go()
    assert somebody.rider.doing == "resting"


async def test_what_an_earlier_life_left_open_is_tidied_up(somebody: Somebody) -> None:
    """A simulation that was killed leaves rides under way; the next one ends them."""
    somebody.desk.unfinished = [
        {"id": "rent_1", "status": "pending"},
        {"id": "rent_2", "status": "confirmed"},
        {"id": "rent_3", "status": "in_progress"},
    ]
    assert await somebody.rider.tidy_up() == 3
    assert somebody.desk.count("POST /bookings/*/cancel") == 2
    assert somebody.desk.count("POST /api/v1/rentals/*/end") == 1


async def test_signing_up_registers_only_who_is_not_known(somebody: Somebody) -> None:
    somebody.desk.first("POST /api/v1/auth/login", refusal(401, "AUTHENTICATION_FAILED"))
    assert await somebody.phone.sign_up("Ada", "Roth")
    assert somebody.desk.count("POST /api/v1/auth/register") == 1
    assert somebody.desk.methods == [{"id": "pm_4242", "last4": "4242"}]
    again = phone_at(somebody.desk)
    assert await again.sign_up("Ada", "Roth")
    assert somebody.desk.count("POST /api/v1/auth/register") == 1
    assert len(somebody.desk.methods) == 1, "the card is there already"


# --- the session


async def test_an_expired_token_is_renewed_and_the_request_repeated(somebody: Somebody) -> None:
    """IDN-07."""
    session = somebody.phone.session
    await session.log_in()
    somebody.desk.first("GET /api/v1/users/me", refusal(401, "AUTHENTICATION_FAILED"))
    assert (await session.ask("GET", "/api/v1/users/me")).ok
    assert somebody.desk.count("POST /api/v1/auth/refresh") == 1


async def test_a_request_is_repeated_with_the_same_key(somebody: Somebody) -> None:
    """RNT-26, RNT-28: the answer that was lost may have been a success."""
    somebody.desk.first(
        "POST /bookings", httpx.ReadTimeout("lost"), refusal(503, "DATABASE_UNAVAILABLE")
    )
    answer = await somebody.phone.session.ask("POST", "/bookings", {"vehicle_id": "sco_1"})
    assert answer.ok
    keys = [key for what, key in somebody.desk.keys if what == "POST /bookings"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_who_is_told_to_wait_waits_that_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """API-05: ``retry_after``; but a rider does not stand there for an hour."""
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    desk = FrontDesk()
    busy = [refusal(429, "RATE_LIMIT_EXCEEDED", retry_after=s) for s in (7, 3_000)]
    desk.first("GET /vehicles/search", *busy)
    session = Session(Api("http://desk", "t", transport=desk), "a", "b", random.Random(1))
    await session.log_in()
    # Only the rider's: servers of other tests stand in this loop, and would not rest any more.
    monkeypatch.setattr(apis, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
    assert (await session.ask("GET", "/vehicles/search")).ok
    assert 0.75 * 7 <= slept[0] <= 1.25 * 7
    assert slept[1] <= 1.25 * apis.LONGEST_WAIT_S


# --- intentions


def test_intentions_are_drawn_from_the_seed() -> None:
    one, two = random.Random("x"), random.Random("x")
    assert [intend(one) for _ in range(50)] == [intend(two) for _ in range(50)]


def test_people_intend_all_sorts_of_things() -> None:
    rng = random.Random(7)
    drawn = [intend(rng) for _ in range(3_000)]
    habits = Counter(each.habit for each in drawn)
    assert habits.keys() == {"rides", "cancels", "declined", "forgets", "too_late"}
    assert habits["rides"] > 0.8 * len(drawn)
    assert {each.vehicle_type for each in drawn} == {"scooter", "ebike", "car", "van"}
    assert all(each.minutes >= 5 for each in drawn)
    assert any(each.promo_code == "WELCOME10" for each in drawn)
