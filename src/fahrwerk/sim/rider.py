"""A simulated rider: a person with a phone who finds, books, pays, rides and may change plans.

What a person intends is drawn from dice (``intend``: pure); what comes of it is up to the platform
and the vehicle. Nothing the platform answers is an error here: a rider shrugs, tries another
vehicle or goes home, and whatever was left open is tidied up before the next trip.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from fahrwerk.kernel import geo
from fahrwerk.sim import demand, streets
from fahrwerk.sim.api import Away
from fahrwerk.sim.phone import BAD_CARD, GOOD_CARD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fahrwerk.sim.phone import Phone
    from fahrwerk.sim.streets import Place
    from fahrwerk.sim.vehicle import SimVehicle

_log = logging.getLogger(__name__)

WALK_MPS = 1.4
LONGEST_WALK_S = 60.0
"""People are faster than they were: nobody watches a dot on foot."""
SPEED_KMH = {"scooter": 17.0, "ebike": 19.0, "car": 27.0, "van": 25.0}
RANGE_M = {"scooter": 40_000.0, "ebike": 80_000.0, "car": 320_000.0, "van": 260_000.0}
RADII_M = (600, 1_500, 3_000)
BOOK_TRIES = 3
LEAST_BATTERY = 12
LOOK_AT_PHONE_S = 20.0
SILENT_VEHICLE_PAUSES_S = (15.0, 45.0)
PAYMENT_PAUSES_S = (2.0, 4.0, 8.0, 16.0)
END_WITHIN_S = 900.0
NO_PARKING = "PARKING_NOT_ALLOWED"
MOST_MOVES = 4
"""Nearest places tried, one after the other, when a ride may not end where it is."""
HEARD_S = 3.0
"""Until the platform has heard from the vehicle where it stands now."""

Habit = Literal["rides", "cancels", "declined", "forgets", "too_late"]
_HABITS: dict[Habit, int] = {"rides": 86, "cancels": 4, "declined": 3, "forgets": 2, "too_late": 5}
_TYPES = {"scooter": 70, "ebike": 18, "car": 8, "van": 4}
_WORDS = (
    "Great scooter, smooth ride!",
    "Brakes a little soft.",
    "Clean and quick.",
    "Alles bestens.",
    "Klingel fehlt.",
)


class Intent(msgspec.Struct, frozen=True):
    """What a person has in mind when the phone comes out of the pocket."""

    vehicle_type: str
    habit: Habit
    distance_m: int
    stars: int | None
    feedback: str | None
    pauses_midway: bool
    is_business: bool
    promo_code: str | None

    @property
    def minutes(self) -> int:
        """What the person would say it takes."""
        return max(5, round(self.distance_m / (SPEED_KMH[self.vehicle_type] / 0.06) + 2))


def intend(rng: random.Random) -> Intent:
    """One trip of one person."""
    (vehicle_type,) = rng.choices(list(_TYPES), list(_TYPES.values()))
    (habit,) = rng.choices(list(_HABITS), list(_HABITS.values()))
    stars = rng.choices((5, 4, 3, 2, 1), (60, 24, 8, 4, 4))[0] if rng.random() < 0.7 else None
    return Intent(
        vehicle_type=vehicle_type,
        habit=habit,
        distance_m=demand.ride_length_m(rng, vehicle_type),
        stars=stars,
        feedback=rng.choice(_WORDS) if stars and rng.random() < 0.3 else None,
        pauses_midway=rng.random() < 0.08,
        is_business=rng.random() < 0.12,
        promo_code="WELCOME10" if rng.random() < 0.1 else None,
    )


class Booking(msgspec.Struct, frozen=True):
    """What the platform gave: the rental's id, and the vehicle it is of."""

    id: str
    vehicle_id: str


NOTHING = Intent(
    vehicle_type="scooter",
    habit="rides",
    distance_m=0,
    stars=None,
    feedback=None,
    pauses_midway=False,
    is_business=False,
    promo_code=None,
)
"""For ends of rides that nobody remembers."""


class City(Protocol):
    """What a rider sees of the city."""

    def vehicle(self, vehicle_id: str) -> SimVehicle | None:
        """The vehicle of this id, when one stops in front of it."""

    def mount(self, vehicle_id: str) -> None:
        """It is this rider who moves the vehicle from now on."""

    def dismount(self, vehicle_id: str) -> None:
        """No longer."""

    def taken_near(self, place: Place) -> str | None:
        """A vehicle that somebody else is about to ride: a race to be lost."""


class Rider:
    """One person. ``go`` is one trip; ``doing`` is what it is at, for the city's log."""

    def __init__(
        self,
        phone: Phone,
        city: City,
        place: Place,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.phone, self.city, self.place = phone, city, place
        self.doing = "resting"
        self._rng, self._sleep = rng, sleep

    async def go(self, intent: Intent) -> str:
        """One trip, start to finish: what came of it, in a word.

        Raises ``Away`` when the platform is not to be reached for long.
        """
        try:
            return await self._trip(intent)
        finally:
            self.doing = "resting"

    async def _trip(self, intent: Intent) -> str:
        self.doing = "searching"
        vehicle_id = await self._choose(intent)
        if vehicle_id is None:
            self.place = streets.load_streets().random_place(self._rng)  # the tram goes elsewhere
            return "nothing_near"
        booking = await self._book(vehicle_id, intent)
        if booking is None:
            return "not_booked"
        if intent.habit == "forgets":
            return "forgotten"
        if intent.habit == "cancels":
            await self._sleep(self._rng.uniform(5, 40))
            return await self._cancel(booking)
        if not await self._pay(booking, declined=intent.habit == "declined"):
            return "not_paid"
        self.doing = "walking"
        await self._walk(booking.vehicle_id)
        self.city.mount(booking.vehicle_id)
        try:
            if not await self._unlock(booking):
                given_back = await self._cancel(booking)
                return "vehicle_silent" if given_back == "cancelled" else given_back
            self.doing = "riding"
            await self._ride(booking, intent)
            return await self._end(booking, intent)
        finally:
            self.city.dismount(booking.vehicle_id)

    async def _choose(self, intent: Intent) -> str | None:
        if intent.habit == "too_late" and (taken := self.city.taken_near(self.place)):
            return taken
        for radius_m in RADII_M:
            found = await self.phone.search(self.place, intent.vehicle_type, radius_m)
            charged = [v for v in found if (v.battery or 0) >= LEAST_BATTERY]
            if charged:
                return self._rng.choice(charged[:3]).id
        return None

    async def _book(self, vehicle_id: str, intent: Intent) -> Booking | None:
        """The vehicle, or one of those offered instead; None when none is to be had."""
        for _ in range(BOOK_TRIES):
            answer = await self.phone.book(vehicle_id, intent)
            if answer.ok:
                return Booking(str(answer.find("booking", "id")), vehicle_id)
            offered = answer.find("error", "details", "alternatives") or []
            if answer.status != 409 or not offered:
                return None
            await self._sleep(self._rng.uniform(2, 6))  # reads what is offered
            vehicle_id = str(offered[0]["id"])
        return None

    async def _pay(self, booking: Booking, *, declined: bool) -> bool:
        card = await self.phone.card(BAD_CARD if declined else GOOD_CARD)
        if card is None:
            return False
        for pause_s in (*PAYMENT_PAUSES_S, None):
            answer = await self.phone.pay(booking.id, card)
            if answer.ok or answer.code != "PAYMENT_PENDING" or pause_s is None:
                return answer.ok
            await self._sleep(pause_s)  # the bank has not said yet: neither yes nor no
        return False

    async def _walk(self, vehicle_id: str) -> None:
        vehicle = self.city.vehicle(vehicle_id)
        if vehicle is not None:
            here = (self.place.lat, self.place.lon)
            away_m = 1.3 * geo.distance_m(*here, vehicle.latitude, vehicle.longitude)
            await self._sleep(min(LONGEST_WALK_S, away_m / WALK_MPS))
            self._stand_by(vehicle)

    async def _unlock(self, booking: Booking) -> bool:
        for pause_s in (*SILENT_VEHICLE_PAUSES_S, None):
            answer = await self.phone.unlock(booking.vehicle_id)
            if answer.ok or answer.code != "VEHICLE_OFFLINE" or pause_s is None:
                return answer.ok
            await self._sleep(pause_s)  # "Try unlock again in 1 minute": people are impatient
        return False

    async def _ride(self, booking: Booking, intent: Intent) -> None:
        """Along the streets, looking at the phone now and then, until there, or out of power."""
        vehicle = self.city.vehicle(booking.vehicle_id)
        if vehicle is None:  # no vehicle of this city: nobody can move it
            await self._sleep(self._rng.uniform(60, 240))
            return
        left_m = vehicle.battery_level / 100 * RANGE_M[intent.vehicle_type]
        distance_m = min(float(intent.distance_m), 0.9 * left_m)
        here = streets.load_streets().place(vehicle.latitude, vehicle.longitude)
        way = streets.wander(self._rng, here, distance_m)
        legs = [way]
        if intent.pauses_midway and len(way) > 4:
            legs = [way[: len(way) // 2], way[len(way) // 2 :]]
        speed_kmh = SPEED_KMH[intent.vehicle_type] * self._rng.uniform(0.85, 1.1)
        for number, leg in enumerate(legs):
            if number:
                await self.phone.lock(booking.vehicle_id)
                await self._sleep(self._rng.uniform(30, 90))  # a coffee, the ride goes on
                if not await self._unlock(booking):
                    break
            if not await self._drive(booking, vehicle, leg, speed_kmh):
                break
        self._stand_by(vehicle)

    async def _drive(
        self, booking: Booking, vehicle: SimVehicle, leg: list[streets.LatLon], speed_kmh: float
    ) -> bool:
        driving = asyncio.create_task(vehicle.drive_to(leg, speed_kmh))
        try:
            while not driving.done():
                await asyncio.wait([driving], timeout=LOOK_AT_PHONE_S)
                if not driving.done() and await self._is_over(booking):
                    return False
            return driving.result()
        finally:
            driving.cancel()
            await asyncio.wait([driving])

    async def _is_over(self, booking: Booking) -> bool:
        try:
            answer = await self.phone.status(booking.id)
        except Away:
            return False  # no reception: one rides on
        return answer.ok and answer.find("status") != "active"

    async def _end(self, booking: Booking, intent: Intent) -> str:
        """End the ride, whatever it takes: until then it costs money."""
        give_up_at = time.monotonic() + END_WITHIN_S
        while True:
            try:
                return "ridden" if await self._ended(booking, intent) else "not_ended"
            except Away:
                if time.monotonic() > give_up_at:
                    raise
                await self._sleep(10.0)

    async def _ended(self, booking: Booking, intent: Intent) -> bool:
        """Whether the platform takes it: here, or at the nearest place where it says it does."""
        for moves_left in reversed(range(MOST_MOVES + 1)):
            address = streets.address_near(self.place.lat, self.place.lon)
            answer = await self.phone.end(booking.id, self.place, address, intent)
            near = answer.find("error", "details", "nearest")
            if answer.code != NO_PARKING or not near or not moves_left:
                return answer.ok
            await self._go_on_to(booking, (float(near["latitude"]), float(near["longitude"])))
        return False

    async def _go_on_to(self, booking: Booking, place: streets.LatLon) -> None:
        """The rest of the way, to where the ride may end."""
        vehicle = self.city.vehicle(booking.vehicle_id)
        if vehicle is None:  # not of this city, or of an earlier life: the phone goes there alone
            self.place = streets.load_streets().place(*place)
            self.place = msgspec.structs.replace(self.place, lat=place[0], lon=place[1])
            await self._sleep(HEARD_S)
            return
        self.city.mount(booking.vehicle_id)
        await vehicle.drive_to([place], SPEED_KMH["scooter"])
        self._stand_by(vehicle)
        await self._sleep(HEARD_S)

    async def _cancel(self, booking: Booking) -> str:
        answer = await self.phone.cancel(booking.id)
        return "cancelled" if answer.ok else "not_cancelled"

    async def tidy_up(self) -> int:
        """End rides and give back bookings that an earlier life left open; how many."""
        left = await self.phone.unfinished()
        for rental_id, state in left:
            if state == "in_progress":
                vehicle_id = await self.phone.ridden(rental_id)
                try:
                    await self._ended(Booking(rental_id, vehicle_id), NOTHING)
                finally:
                    if vehicle_id:
                        self.city.dismount(vehicle_id)
            else:
                await self.phone.cancel(rental_id)
        return len(left)

    def _stand_by(self, vehicle: SimVehicle) -> None:
        self.place = streets.load_streets().place(vehicle.latitude, vehicle.longitude)
