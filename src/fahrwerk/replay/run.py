"""Rides the plan through the API, waits until the money has settled, and compares."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from fahrwerk.kernel.money import DECIMALS
from fahrwerk.replay import stage
from fahrwerk.replay.client import Client, Stuck
from fahrwerk.replay.plan import plan
from fahrwerk.replay.report import About, Outcome, Paid, Report, Ridden, report
from fahrwerk.replay.trips import Unreadable, read_stations, read_trips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import httpx

    from fahrwerk.replay.client import Person
    from fahrwerk.replay.plan import Plan, Ride, Step
    from fahrwerk.replay.stage import Wishes
    from fahrwerk.replay.trips import Recorded

FREE_S = 30.0
"""A ride's vehicle is freed by a worker that hears of its end; so long we wait for it."""
SETTLE_S = 300.0
PROGRESS_S = 2.0
_OPEN = ("created", "authorized", "action_required", "unknown", "processing")
"""What payments are while something is still to happen to them."""


def _read(wishes: Wishes) -> Recorded:
    try:
        with wishes.stations.open(encoding="utf-8-sig", errors="replace") as file:
            stations = read_stations(file, wishes.stations.name)
        with wishes.trips.open(encoding="utf-8-sig", errors="replace") as file:
            lines = itertools.islice(file, None if wishes.limit is None else wishes.limit + 1)
            return read_trips(lines, stations, ZoneInfo(wishes.zone), wishes.trips.name)
    except (OSError, Unreadable) as error:
        raise Stuck(str(error)) from None


async def replay(
    wishes: Wishes,
    say: Callable[[str], None],
    transport: httpx.AsyncBaseTransport | None = None,
) -> Report:
    """Replay the recorded trips; what came of it. ``say`` gets a line of progress now and then.

    Raises ``Stuck`` when it cannot go on.
    """
    began = time.monotonic()
    recorded = _read(wishes)
    async with Client(wishes.url, wishes.hands, transport) as client:
        staff = await stage.staff_of(client, wishes)
        currency, longest_s = await stage.prices(client, staff, wishes)
        made = plan(recorded.trips, longest_s, wishes.riders)
        say(f"{len(made.bikes)} bikes, {made.riders} riders")
        bikes = await stage.bikes_of(client, staff, made.bikes)
        riders = await stage.riders_of(client, staff, wishes, made.riders)
        names = {bike_id: name for name, bike_id in bikes.items()}
        before = await _listed(client, staff, names, currency)
        riding = Riding(client, staff, riders, bikes, made, before, say)
        await riding.run(wishes.hands)
        say("Waiting for payments ...")
        rides = await _listed(client, staff, names, currency)
        paid = await _settled(client, riders, currency)
        about = About(
            tenant=wishes.tenant,
            url=wishes.url,
            zone=wishes.zone,
            currency=currency,
            longest_s=longest_s,
            took_s=round(time.monotonic() - began, 1),
            requests=client.requests,
            rate_limited=client.limited,
        )
    result = report(recorded, made, riding.outcomes, rides, paid, about)
    if wishes.report is not None:
        wishes.report.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    return result


class Riding:
    """The plan under way: so many hands take the next step each, in the order of the list."""

    def __init__(
        self,
        client: Client,
        staff: Person,
        riders: Sequence[Person],
        bikes: Mapping[str, str],
        made: Plan,
        before: Iterable[Ridden],
        say: Callable[[str], None],
    ) -> None:
        self.client, self.staff, self.riders, self.bikes = client, staff, riders, bikes
        self.plan, self.say = made, say
        self.outcomes = [Outcome() for _ in made.rides]
        self.over = [asyncio.Event() for _ in made.steps]
        self.done = 0
        # What an earlier replay has ridden is not ridden again.
        known = {(ride.vehicle, ride.started_at): ride.id for ride in before}
        self.known = {
            n: known[ride.trip.bike, ride.starts_at]
            for n, ride in enumerate(made.rides)
            if not ride.is_refusal_expected and (ride.trip.bike, ride.starts_at) in known
        }
        for n, rental_id in self.known.items():
            self.outcomes[n].rental_id = rental_id

    async def run(self, hands: int) -> None:
        """All steps. Steps need earlier ones only, so the first one waiting always can go on."""
        queue = iter(range(len(self.plan.steps)))
        telling = asyncio.create_task(self._tell())
        try:
            await stage.all_of((partial(self._hand, queue) for _ in range(hands)), hands)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _hand(self, queue: Iterable[int]) -> None:
        for number in queue:
            step = self.plan.steps[number]
            for need in step.needs:
                await self.over[need].wait()
            if step.ride not in self.known:
                await self._do(step, self.plan.rides[step.ride], self.outcomes[step.ride])
            self.over[number].set()
            self.done += 1

    async def _do(self, step: Step, ride: Ride, outcome: Outcome) -> None:
        trip, rider = ride.trip, self.riders[ride.rider]
        vehicle, key = self.bikes[trip.bike], _key(trip.trip_id, step.kind)
        if step.kind == "move":
            await self._free(vehicle)
            where = stage.place(trip.start)
            path = f"/api/v1/vehicles/{vehicle}/move"
            await self.client.must(self.staff, "POST", path, json=where, key=key, at=step.at)
        elif step.kind == "start":
            if not ride.is_refusal_expected:
                await self._free(vehicle)
            body = {"vehicle_id": vehicle, "start_location": stage.place(trip.start)}
            answer = await self.client.ask(
                rider, "POST", "/api/v1/rentals", json=body, key=key, at=step.at
            )
            if answer.ok:
                outcome.rental_id = answer.body["id"]
            else:
                outcome.refusal = f"{answer.code}, {answer.error.get('message', '')}"
        elif outcome.rental_id:
            where = {"end_location": stage.place(trip.end)}
            path = f"/api/v1/rentals/{outcome.rental_id}/end"
            await self.client.must(rider, "POST", path, json=where, key=key, at=step.at)

    async def _free(self, vehicle: str) -> None:
        """Wait until the last ride's news has freed the vehicle.

        Were it tried too early, the answer would be no, and be kept for this key.
        """
        until = time.monotonic() + FREE_S
        for pause_s in itertools.chain((0.01, 0.02, 0.05, 0.1), itertools.repeat(0.25)):
            seen = await self.client.must(self.staff, "GET", f"/api/v1/vehicles/{vehicle}")
            if seen["status"] == "available" or time.monotonic() > until:
                return
            await asyncio.sleep(pause_s)

    async def _tell(self) -> None:
        began, all_steps, warned = time.monotonic(), len(self.plan.steps), False
        while True:
            await asyncio.sleep(PROGRESS_S)
            rate = self.done / (time.monotonic() - began)
            left = f"{(all_steps - self.done) / rate:.0f} s left" if rate else "..."
            at = self.plan.steps[min(self.done, all_steps - 1)].at
            self.say(
                f"{self.done:,} of {all_steps:,} steps, {rate:.0f}/s, {left}; it is "
                f"{at:%Y-%m-%d %H:%M} UTC"
            )
            if self.client.limited and not warned:
                warned = True
                self.say(
                    "The platform limits how often it may be asked. To replay at full speed, start "
                    "it with FAHRWERK_RATE_LIMITS=all=1000000/minute"
                )


def _key(trip_id: str, kind: str) -> str:
    """The same for the same trip, whatever its number is made of."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", trip_id):
        trip_id = hashlib.sha256(trip_id.encode()).hexdigest()
    return f"replay:{trip_id}:{kind}"


def _minor(amount: float | None, currency: str) -> int:
    return round((amount or 0.0) * 10.0 ** DECIMALS[currency])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


async def _listed(
    client: Client, staff: Person, names: dict[str, str], currency: str
) -> list[Ridden]:
    """All completed rides of the tenant, as the platform has them."""
    listed = stage.every(client, staff, "/api/v1/rentals", "rentals", status="completed")
    rides = {each["id"]: _ridden(each, names, currency) async for each in listed}
    return list(rides.values())


def _ridden(listed: dict[str, Any], names: dict[str, str], currency: str) -> Ridden:
    vehicle = listed["vehicle"]["id"]
    return Ridden(
        id=listed["id"],
        vehicle=names.get(vehicle, vehicle),
        started_at=_time(listed["start_time"]),
        ended_at=_time(listed["end_time"]),
        start=_address(listed["start_location"]),
        end=_address(listed["end_location"]),
        billed_minutes=listed["duration_minutes"],
        total_minor=_minor(listed["total_cost"], currency),
    )


def _address(location: dict[str, Any] | None) -> str:
    return str((location or {}).get("address") or "nowhere")


async def _settled(client: Client, riders: Sequence[Person], currency: str) -> dict[str, Paid]:
    """Payments by rental, once none is under way any more or patience has ended."""
    until = time.monotonic() + SETTLE_S
    paid: dict[str, Paid] = {}
    waiting = list(riders)

    async def ask(rider: Person) -> None:
        is_open = False
        async for each in stage.every(client, rider, "/api/v1/payments", "payments"):
            captured = _minor(each["amount_captured"], currency)
            paid[each["booking_id"]] = Paid(captured, each["status"] in _OPEN)
            is_open = is_open or each["status"] in _OPEN
        if not is_open:
            waiting.remove(rider)

    while waiting and time.monotonic() < until:
        await stage.all_of(partial(ask, rider) for rider in list(waiting))
        await asyncio.sleep(0.5 if waiting else 0)
    return paid
