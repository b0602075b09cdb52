"""Fire drills: a ride during which one process dies at one given line, and comes back.

A *case* is a crash point and a rider: one who repeats each step until it is answered, or one who
gives up when the connection breaks. Several *lanes*, each a platform of its own, work the cases
off beside each other, because most of a case is waiting for leases. Test workers share the cases
by files, so it does not matter which of them runs which test.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import msgspec

from fahrwerk.kernel import ids, postgres
from fahrwerk.sim.vehicle import Faults, SimVehicle
from tests.journeys.invariants import END_WITHIN_S, at_rest, broken
from tests.journeys.people import City, Persistent, found
from tests.journeys.platform import Death, Platform, platform

MOST_RIDES = 5
"""A point that only one of two racing workers passes may need another ride."""
SHORT = tuple({"payment_hold_s": seconds, "unlock_window_s": seconds} for seconds in (8, 24, 72))
"""Bookings of riders who give up run out before the drill ends. The longer ones are for machines so
busy that a process takes longer than the shortest to start."""
LONG = {"payment_hold_s": 120, "unlock_window_s": 120}
END = {"end_location": {"latitude": 52.5215, "longitude": 13.409, "address": "Berlin"}}


class Plan(msgspec.Struct, frozen=True):
    """How a crash point is reached: which process dies, in what kind of ride, armed when."""

    process: str
    way: str
    stage: str
    card: str = "tok_visa"


class GivenUp(Exception):
    """The rider has put the phone away."""


class TooLate(GivenUp):
    """The booking ran out, perhaps while a busy machine was starting processes."""


class Impatient(Persistent):
    """An app that gives up for good when the connection breaks, or when it is too late."""

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or ids.new().hex}
        try:
            answer = await self.client.post(path, json=body or {}, headers=headers)
        except httpx.TransportError:
            raise GivenUp from None
        if answer.is_error and answer.json()["error"]["code"] == "RENTAL_STATE":
            raise TooLate
        return answer


class Ride(msgspec.Struct):
    """Who and what takes part, and what is to happen before each stage."""

    city: City
    rider: Persistent
    vehicle: str
    thing: SimVehicle
    at: Callable[[str], Awaitable[None]]

    async def book(self) -> str:
        """Reserve; the booking's id."""
        await self.at("book")
        wish = {"vehicle_id": self.vehicle, "promo_code": "WELCOME10"}
        answer = await self.rider.post("/bookings", wish)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["booking"]["id"])

    async def confirm(self, booking: str) -> None:
        """Pay."""
        await self.at("confirm")
        answer = await self.rider.post(f"/bookings/{booking}/confirm-payment")
        assert answer.status_code == 200, answer.text

    async def unlock(self) -> None:
        """Open, however often it takes."""
        await self.at("unlock")
        answer = await self.rider.post(f"/vehicles/{self.vehicle}/unlock")
        assert answer.status_code == 200, answer.text

    async def end(self, rental: str) -> None:
        """Stop the meter."""
        await self.at("end")
        answer = await self.rider.post(f"/api/v1/rentals/{rental}/end", END)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "completed"

    async def cancel(self, booking: str) -> None:
        """Change one's mind."""
        await self.at("cancel")
        answer = await self.rider.post(f"/bookings/{booking}/cancel")
        assert answer.status_code == 200, answer.text


# --- the ways through a ride; each names the state its rental ends in


async def _whole(ride: Ride) -> str:
    booking = await ride.book()
    await ride.confirm(booking)
    await ride.unlock()
    await ride.end(booking)
    return "completed"


async def _at_once(ride: Ride) -> str:
    await ride.at("start")
    place = {"latitude": 52.52, "longitude": 13.405}
    wish = {"scooter_id": ride.vehicle, "start_location": place}
    answer = await ride.rider.post("/api/v1/rentals", wish)
    assert answer.status_code == 201, answer.text
    await ride.end(answer.json()["id"])
    return "completed"


async def _jammed(ride: Ride) -> str:
    booking = await ride.book()
    await ride.confirm(booking)
    ride.thing.faults = Faults(lock_jammed=1.0)
    answer = await ride.rider.client.post(f"/vehicles/{ride.vehicle}/unlock", json={})
    assert answer.status_code == 503, answer.text
    ride.thing.faults = Faults()
    await ride.unlock()
    await ride.end(booking)
    return "completed"


async def _challenged(ride: Ride) -> str:
    booking = await ride.book()
    answer = await ride.rider.post(f"/bookings/{booking}/confirm-payment")
    assert answer.status_code == 400, answer.text
    link = answer.json()["error"]["details"]["next_action"]["complete_with"]
    await ride.at("challenge")
    answer = await ride.rider.post(link.removeprefix("POST "))
    assert answer.status_code == 200, answer.text
    await ride.confirm(booking)
    await ride.unlock()
    await ride.end(booking)
    return "completed"


async def _refunded(ride: Ride) -> str:
    booking = await ride.book()
    await ride.confirm(booking)
    await ride.unlock()
    await ride.end(booking)
    await at_rest(ride.city)
    paid = (await ride.rider.get("/api/v1/payments"))["payments"][0]
    await ride.at("refund")
    support = Persistent(ride.city.client("support"))
    answer = await support.post(
        f"/api/v1/payments/{paid['id']}/refunds", {"amount": 0.5, "reason": "goodwill"}
    )
    assert answer.status_code in (200, 201), answer.text
    return "completed"


async def _cancelled(ride: Ride) -> str:
    booking = await ride.book()
    await ride.confirm(booking)
    await ride.cancel(booking)
    return "cancelled"


async def _expired(ride: Ride) -> str:
    booking = await ride.book()
    # Only when nobody works does the booking run out unseen; then the armed worker finds it.
    ride.city.platform.kill("work")
    await asyncio.sleep(SHORT[0]["payment_hold_s"] + 0.5)
    await ride.at("expired")
    while (await ride.rider.get(f"/bookings/{booking}"))["status"] == "pending":
        await asyncio.sleep(0.1)
    return "cancelled"


WAYS: dict[str, Callable[[Ride], Awaitable[str]]] = {
    "whole": _whole,
    "at once": _at_once,
    "jammed": _jammed,
    "challenged": _challenged,
    "refunded": _refunded,
    "cancelled": _cancelled,
    "expired": _expired,
}

_UNDER_WAY = """
SELECT FROM kernel.checkpoint c JOIN kernel.event e ON (e.xid, e.position) > (c.xid, c.position)
WHERE e.tenant_id = $1
UNION ALL
SELECT FROM notifications.notice WHERE tenant_id = $1 AND state = 'due'
"""
_OUTCOMES = """
SELECT r.state, p.state AS payment, p.captured_minor AS captured, p.refunded_minor AS refunded,
       coalesce((r.rating ->> 'total_minor')::bigint, 0) AS price,
       (SELECT count(*) FROM payments.sandbox_operation o
        JOIN payments.sandbox_intent i ON i.tenant_id = o.tenant_id AND i.ref = o.intent
        WHERE o.tenant_id = r.tenant_id AND i.metadata ->> 'booking_id' = r.id::text
          AND o.kind = 'capture' AND o.outcome = 'done') AS charges
FROM rentals.rental r
LEFT JOIN payments.payment p ON p.tenant_id = r.tenant_id AND p.id = r.payment_id
WHERE r.tenant_id = $1
"""


async def check_outcomes(city: City, wanted: set[str]) -> None:
    """Each rental is completed and paid exactly once, or cancelled and not paid at all."""
    rentals = await city.platform.look(_OUTCOMES, city.tenant)
    for row in rentals:
        if row["state"] == "completed":
            assert row["payment"] in ("completed", "refunded"), dict(row)
            assert (row["captured"], row["charges"]) == (row["price"], 1), dict(row)
        else:
            assert row["state"] == "cancelled", dict(row)
            assert row["payment"] in ("voided", "failed"), dict(row)
            assert (row["captured"], row["charges"]) == (0, 0), dict(row)
    assert {row["state"] for row in rentals} <= wanted, [dict(row) for row in rentals]


class Drill:
    """One case on one platform."""

    def __init__(
        self,
        running: Platform,
        point: str,
        plan: Plan,
        *,
        gives_up: bool,
        rest_s: float = END_WITHIN_S,
    ) -> None:
        self.running, self.point, self.plan, self.gives_up = running, point, plan, gives_up
        self.rest_s = rest_s
        self.seen = len(running.deaths)
        self.city: City | None = None

    @property
    def has_died(self) -> bool:
        """The process ended by its own SIGKILL."""
        return Death(self.plan.process, -signal.SIGKILL) in self.running.deaths[self.seen :]

    async def run(self) -> None:
        """Ride until the process has died, then look whether all came to a good end."""
        short = self.gives_up or self.plan.way == "expired"
        for windows in SHORT if short else (LONG,):
            city = self.city = await found(self.running, **windows)
            try:
                await self._run_in(city)
                return
            except TooLate:
                continue
            finally:
                await city.close()
        raise AssertionError(f"every booking ran out before {self.point}")

    async def _run_in(self, city: City) -> None:
        wanted = {"cancelled"} if self.gives_up else set[str]()
        for number in range(MOST_RIDES):
            wanted |= await self._ride(city, number)
            if await self._died():
                break
        else:
            raise AssertionError(f"nobody passed {self.point}")
        await at_rest(city, self.rest_s)
        await check_outcomes(city, wanted)
        assert all(thing.is_locked for thing in city.vehicles)
        assert await broken(city) == []

    async def _ride(self, city: City, number: int) -> set[str]:
        vehicle, thing = await city.vehicle(f"SC{number:03}")
        assert thing is not None
        client = await city.rider(self.plan.card)
        rider = Impatient(client) if self.gives_up else Persistent(client)
        await heard_of(city, vehicle)
        try:
            return {await WAYS[self.plan.way](Ride(city, rider, vehicle, thing, self._at))}
        except GivenUp as why:
            if isinstance(why, TooLate) and not await self._died():
                raise
            return set()

    async def _died(self) -> bool:
        for _ in range(20):
            if self.has_died:
                return True
            await asyncio.sleep(0.05)  # the supervisor looks as often
        return False

    async def _at(self, stage: str) -> None:
        if stage != self.plan.stage or self.has_died:
            return
        name, running = self.plan.process, self.running
        if name == "work" and name in running.processes:
            # The first batch it handles shall be the one that this stage causes.
            while await running.look(_UNDER_WAY, self.city and self.city.tenant):
                await asyncio.sleep(0.02)
        if name in running.processes:
            running.kill(name)
        running.spawn(name, FAHRWERK_CRASH_AT=self.point)
        if name == "serve":
            await running.ready()


async def heard_of(city: City, vehicle: str) -> None:
    """Wait until the platform has heard of a vehicle."""
    end = time.monotonic() + 30
    while True:
        seen = (await city.admin.get(f"/api/v1/scooters/{vehicle}")).json()
        if seen["telemetry"].get("last_heartbeat"):
            return
        assert time.monotonic() < end, "the vehicle was never heard"
        await asyncio.sleep(0.05)


# --- lanes


class Lanes:
    """Works cases off. ``result`` waits for one and gives what went wrong, or nothing."""

    def __init__(
        self,
        server: postgres.EmbeddedPostgres,
        shared: Path,
        data: Path,
        cases: Sequence[tuple[str, Plan, bool]],
        count: int,
    ) -> None:
        self._server, self._shared, self._data, self._cases = server, shared, data, cases
        self._is_over = False
        self._tasks = [asyncio.create_task(self._lane(number)) for number in range(count)]

    async def _lane(self, number: int) -> None:
        data = self._data / f"lane-{number}"
        data.mkdir()
        async with platform(self._server, data) as running:
            running.heal()
            for point, plan, gives_up in self._cases:
                name = case_name(point, gives_up=gives_up)
                if not self._is_over and self._claimed(name):
                    await self._run(running, Drill(running, point, plan, gives_up=gives_up), name)

    def _claimed(self, name: str) -> bool:
        try:
            os.close(os.open(self._shared / f"{name}.claim", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    async def _run(self, running: Platform, drill: Drill, name: str) -> None:
        said = ""
        began = time.monotonic()
        try:
            await drill.run()
        except Exception:
            said = traceback.format_exc()
            for process in ("serve", "work"):
                said += f"\n--- {process}\n{running.log(process)}"
        part = self._shared / f"{name}.part"
        part.write_text(said)
        part.rename(self._shared / f"{name}.result")
        with open(self._shared / "times", "a") as times:
            times.write(f"{time.monotonic() - began:6.1f} {name}\n")

    async def result(self, name: str) -> str:
        """Why the case failed; empty if it did not. Whoever's lane has it, here or elsewhere."""
        path = self._shared / f"{name}.result"
        while not path.exists():
            for task in self._tasks:
                if task.done() and (error := task.exception()) is not None:
                    raise error
            await asyncio.sleep(0.1)
        return path.read_text()

    async def finish(self) -> None:
        """Bring to an end what is under way, take on nothing more."""
        self._is_over = True
        await asyncio.gather(*self._tasks)


def case_name(point: str, *, gives_up: bool) -> str:
    """A crash point's name, and whose ride it is if the rider gives up."""
    return f"{point}-given_up" if gives_up else point
