"""``fahrwerk sim``: a city of vehicles and riders around a platform it knows from outside only.

Every vehicle is a real MQTT client with its own key, every rider a person with an app. They follow
the demand of the hour, and things go wrong as they do in the street. Vehicles that somebody else
unlocks (``fahrwerk ride``, a person trying the API) drive off by themselves, so that there is
something to see.

The same seed gives the same people with the same intentions; what they meet is up to the platform.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import geo
from fahrwerk.sim import demand, memory, streets
from fahrwerk.sim.api import Api, Away, Session
from fahrwerk.sim.pairing import fleet_of, pair
from fahrwerk.sim.phone import Phone
from fahrwerk.sim.rider import RANGE_M, SPEED_KMH, Rider, intend
from fahrwerk.sim.vehicle import Faults, SimVehicle

if TYPE_CHECKING:
    from pathlib import Path

    from fahrwerk.sim.pairing import Listed
    from fahrwerk.sim.streets import Place

log = logging.getLogger(__name__)

FEWEST_RIDERS = 12
PEOPLE_PER_RIDER = 1.25
"""More people than ever ride at once, because they rest in between."""
IDLE_REPORT_S, RIDING_REPORT_S = 30.0, 2.0
CONNECT_PER_S, ARRIVE_PER_S = 50, 2.5
REST_S = (15.0, 90.0)
AWAY_PAUSES_S = (5.0, 10.0, 20.0, 30.0)
FAULTS = Faults(
    silence=0.01,
    silence_s=40,
    network_loss=0.000_2,
    network_loss_s=45,
    drop_ack=0.004,
    duplicate_ack=0.02,
    delay_ack=0.03,
    ack_delay_s=2,
    lock_jammed=0.003,
)
"""How often things go wrong: a few rides in a hundred notice."""
HOP_S, HALT_S, STEERED_M = 6.0, 2.0, 6_000.0
"""How a vehicle drives that a stranger has unlocked."""
LONG_LOSS_EVERY_S, LONG_LOSS_S = 420.0, 480.0
"""Now and then a vehicle stands in an underground car park for longer than five minutes."""
LEFT_OPEN = frozenset({"not_ended", "not_cancelled"})
"""Outcomes after which the rider looks for what is still open, before anything else."""
CREW_EVERY_S, CREW_SIZE, CREW_TAKES_S = 20.0, 3, 40.0
EMPTY_PCT = 15.0
FIRST_NAMES = ("Ada", "Ben", "Cem", "Dana", "Emil", "Fatma", "Greta", "Hugo", "Ida", "Jonas", "Kim")
LAST_NAMES = ("Albrecht", "Baum", "Demir", "Ernst", "Fuchs", "Graf", "Hahn", "Kaya", "Lenz", "Roth")
KEEP_EVERY_S, TELL_EVERY_S = 30.0, 60.0


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    url: str
    mqtt_url: str
    tenant: str
    email: str
    password: str
    """Of somebody who may pair vehicles."""
    keep: Path
    """Where the vehicles' keys are kept (``sim.memory``)."""
    seed: str = "fahrwerk"
    most_riders: int = 40


class City:
    """Vehicles, riders, a crew, and the weather of faults."""

    def __init__(self, wishes: Wishes, api: Api | None = None) -> None:
        self.wishes = wishes
        self.book = memory.load(wishes.keep)
        self.vehicles: dict[str, SimVehicle] = {}
        self.types: dict[str, str] = {}
        self.riders: list[Rider] = []
        self.outcomes: Counter[str] = Counter()
        self._mounted: set[str] = set()
        self._left: set[str] = set()
        self._out = 0
        self._rng = random.Random(f"{wishes.seed} city")
        self._api = api or Api(wishes.url, wishes.tenant)
        self._staff = Session(self._api, wishes.email, wishes.password, self._rng)

    # --- what a rider sees (rider.City)

    def vehicle(self, vehicle_id: str) -> SimVehicle | None:
        """The vehicle of this id, when one stops in front of it."""
        return self.vehicles.get(vehicle_id)

    def mount(self, vehicle_id: str) -> None:
        """It is a rider of ours who moves the vehicle from now on."""
        self._left.discard(vehicle_id)
        self._mounted.add(vehicle_id)

    def dismount(self, vehicle_id: str) -> None:
        """No longer; until it has locked it is nobody else's all the same."""
        self._left.add(vehicle_id)

    def taken_near(self, place: Place) -> str | None:
        """The nearest vehicle that somebody else is riding or about to ride."""
        others = self._mounted - self._left
        taken = [vehicle for each in others if (vehicle := self.vehicles.get(each))]
        here = (place.lat, place.lon)
        taken.sort(key=lambda v: (geo.distance_m(*here, v.latitude, v.longitude), v.id))
        return taken[0].id if taken else None

    # --- its life

    async def live(self) -> None:
        """Until cancelled. Raises ``Away`` only when the platform was never there."""
        try:
            listed = await fleet_of(self._staff)
            if await pair(self._staff, listed, self.book):
                self._write_book()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._populate(listed))
                group.create_task(self._gather_people(group))
                group.create_task(self._steer_strangers(group))
                group.create_task(self._send_crew(group))
                group.create_task(self._lose_some())
                group.create_task(self._keep_book())
                group.create_task(self._tell())
        finally:
            await self._close()

    async def _close(self) -> None:
        self._write_book()
        await asyncio.gather(*(v.close() for v in self.vehicles.values()), return_exceptions=True)
        await self._api.close()

    # --- vehicles

    async def _populate(self, listed: list[Listed]) -> None:
        for each in listed:
            if (kept := self.book.vehicles.get(each.id)) is not None:
                self._place(each, kept)
                await asyncio.sleep(1 / CONNECT_PER_S)

    def _place(self, listed: Listed, kept: memory.Kept) -> None:
        """Put a vehicle where it stood when we last looked, else where the platform has it."""

        def remember(counter: int) -> None:
            kept.counter = counter
            self._write_book()

        if kept.latitude is None or kept.longitude is None:
            place = streets.load_streets().random_place(self._rng)
            kept.latitude = place.lat if listed.latitude is None else listed.latitude
            kept.longitude = place.lon if listed.longitude is None else listed.longitude
            kept.battery_level = listed.battery_level
        vehicle = SimVehicle(
            listed.id,
            kept.key,
            self.wishes.mqtt_url,
            latitude=kept.latitude,
            longitude=kept.longitude,
            battery_level=kept.battery_level,
            is_locked=kept.is_locked,
            counter=kept.counter,
            save_counter=remember,
            keeps_zones=True,
            faults=FAULTS,
            seed=f"{self.wishes.seed} {listed.id}",
            idle_interval_s=IDLE_REPORT_S,
            riding_interval_s=RIDING_REPORT_S,
            range_m=RANGE_M[listed.type],
        )
        vehicle.odometer_m = kept.odometer_m
        if not kept.is_locked:  # ridden when we were stopped: the platform is going to lock it
            self.mount(listed.id)
            self.dismount(listed.id)
        self.vehicles[listed.id] = vehicle
        self.types[listed.id] = listed.type
        vehicle.start()

    async def _steer_strangers(self, group: asyncio.TaskGroup) -> None:
        """Whoever unlocks a vehicle without being a rider of ours is taken for a ride."""
        steered: set[str] = set()

        async def steer(vehicle: SimVehicle) -> None:
            try:
                await self._steer(vehicle)
            finally:
                steered.discard(vehicle.id)

        while True:
            for vehicle_id, vehicle in self.vehicles.items():
                if vehicle.is_locked and vehicle_id in self._left:
                    self._left.discard(vehicle_id)
                    self._mounted.discard(vehicle_id)
                is_free = vehicle.is_locked or vehicle_id in self._mounted
                if not is_free and vehicle_id not in steered:
                    steered.add(vehicle_id)
                    group.create_task(steer(vehicle))
            await asyncio.sleep(0.5)

    async def _steer(self, vehicle: SimVehicle) -> None:
        """In hops, because a lock does not close on a vehicle that moves."""
        speed_kmh = SPEED_KMH[self.types[vehicle.id]]
        place = streets.load_streets().place(vehicle.latitude, vehicle.longitude)
        way = streets.wander(self._rng, place, STEERED_M)
        gone_m = 0.0
        while not vehicle.is_locked and vehicle.id not in self._mounted and gone_m < STEERED_M:
            hop_m = speed_kmh / 3.6 * HOP_S
            hop = [streets.point_along(way, gone_m + hop_m * part / 4) for part in (1, 2, 3, 4)]
            if not await vehicle.drive_to(hop, speed_kmh):
                break
            gone_m += hop_m
            await asyncio.sleep(HALT_S)

    async def _lose_some(self) -> None:
        while True:
            await asyncio.sleep(LONG_LOSS_EVERY_S * self._rng.uniform(0.5, 1.5))
            if idle := self._idle():
                self._rng.choice(idle).lose_network(LONG_LOSS_S)

    def _idle(self) -> list[SimVehicle]:
        return [v for v in self.vehicles.values() if v.is_locked and v.id not in self._mounted]

    # --- people

    def riders_wanted(self) -> int:
        """How many should be on the way at this moment."""
        wanted = demand.riders_wanted(_now())
        return max(
            min(FEWEST_RIDERS, self.wishes.most_riders), min(wanted, self.wishes.most_riders)
        )

    async def _gather_people(self, group: asyncio.TaskGroup) -> None:
        for number in range(1, round(self.wishes.most_riders * PEOPLE_PER_RIDER) + 1):
            group.create_task(self._live_as(number))
            await asyncio.sleep(1 / ARRIVE_PER_S)

    async def _live_as(self, number: int) -> None:
        """One person, for as long as the city lives."""
        rng = random.Random(f"{self.wishes.seed} rider {number}")
        email = f"rider{number:03}@city.example"
        session = Session(self._api, email, f"{self.book.riders_secret}-{number}", rng)
        rider = Rider(Phone(session), self, streets.load_streets().random_place(rng), rng)
        names = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        self.riders.append(rider)
        is_known = is_tidy = False
        is_first = True
        failures = 0
        while True:
            try:
                is_known = is_known or await rider.phone.sign_up(*names)
                if is_known and not is_tidy:
                    await rider.tidy_up()
                    is_tidy = True
                if is_known:
                    outcome = await self._trip_of(rider, rng, is_first=is_first)
                    is_tidy, is_first = outcome not in LEFT_OPEN, False
                failures = 0 if is_known else failures + 1
            except Away as error:
                if not failures:
                    log.info("%s: %s", email, error)
                is_tidy, failures = False, failures + 1
            except Exception:  # a city that stopped at a surprise would be no help in finding it
                log.exception("%s met something nobody expected", email)
                is_tidy, failures = False, failures + 1
            rest_s = AWAY_PAUSES_S[min(failures, len(AWAY_PAUSES_S)) - 1] if failures else 0.0
            await asyncio.sleep(rest_s + rng.uniform(*REST_S))

    async def _trip_of(self, rider: Rider, rng: random.Random, *, is_first: bool) -> str:
        """The person's next trip, once there are not too many on the way already."""
        while self._out >= self.riders_wanted():  # noqa: ASYNC110 (the hour changes by itself)
            await asyncio.sleep(rng.uniform(1, 4))
        intent = intend(rng)
        if is_first:  # the city was awake before we looked: some are nearly there
            left_m = round(intent.distance_m * rng.uniform(0.1, 1.0))
            intent = msgspec.structs.replace(intent, distance_m=max(150, left_m))
        self._out += 1
        try:
            outcome = await rider.go(intent)
        finally:
            self._out -= 1
        self.outcomes[outcome] += 1
        return outcome

    # --- the crew

    async def _send_crew(self, group: asyncio.TaskGroup) -> None:
        """Swap batteries where they are low, as operators do: a few at a time, the lowest first."""
        at_work: set[str] = set()

        async def swap(vehicle: SimVehicle) -> None:
            try:
                await self._swap(vehicle)
            finally:
                at_work.discard(vehicle.id)

        while True:
            await asyncio.sleep(CREW_EVERY_S)
            low = [v for v in self._idle() if v.battery_level < EMPTY_PCT and v.id not in at_work]
            for vehicle in sorted(low, key=lambda v: v.battery_level)[: CREW_SIZE - len(at_work)]:
                at_work.add(vehicle.id)
                group.create_task(swap(vehicle))

    async def _swap(self, vehicle: SimVehicle) -> None:
        """Out of service, a full battery and a place near a hub, back into service."""
        path = f"/api/v1/vehicles/{vehicle.id}"
        try:
            answer = await self._staff.ask("PATCH", path, {"status": "maintenance"})
            if not answer.ok:
                return  # somebody booked it a moment ago: next time
            await asyncio.sleep(CREW_TAKES_S * self._rng.uniform(0.7, 1.5))
            vehicle.battery_level = 100.0
            place = streets.load_streets().random_place(self._rng)
            vehicle.latitude, vehicle.longitude = place.lat, place.lon
            await self._staff.ask("PATCH", path, {"status": "available"})
            self.outcomes["battery_swapped"] += 1
        except Away as error:
            log.info("the crew at %s: %s", vehicle.id, error)

    # --- keeping and telling

    def _write_book(self) -> None:
        for vehicle_id, vehicle in self.vehicles.items():
            kept = self.book.vehicles[vehicle_id]
            kept.latitude, kept.longitude = vehicle.latitude, vehicle.longitude
            kept.battery_level, kept.is_locked = vehicle.battery_level, vehicle.is_locked
            kept.odometer_m = vehicle.odometer_m
        memory.save(self.wishes.keep, self.book)

    async def _keep_book(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            self._write_book()

    async def _tell(self) -> None:
        """A line a minute: what people are at, and what has come of it so far."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            doing = Counter(rider.doing for rider in self.riders)
            online = sum(vehicle.is_online for vehicle in self.vehicles.values())
            parts = [f"{count} {what}" for what, count in sorted(doing.items())]
            parts.append(f"{online} of {len(self.vehicles)} vehicles online")
            so_far = [f"{what} {count}" for what, count in sorted(self.outcomes.items())]
            print("; ".join([", ".join(parts), ", ".join(so_far) or "no trips yet"]), flush=True)


def _now() -> datetime:
    return datetime.now(UTC)


async def run(wishes: Wishes, stop: asyncio.Event) -> None:
    """The city, until ``stop``; waits for a platform that is not there yet."""
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        living = asyncio.create_task(City(wishes).live())
        await asyncio.wait([living, stopping], return_when=asyncio.FIRST_COMPLETED)
        living.cancel()
        try:
            await living
        except asyncio.CancelledError:
            pass
        except Away as error:
            print(f"{error}; trying again", flush=True)
            await asyncio.wait([stopping], timeout=AWAY_PAUSES_S[0])
