"""What has to be there before the first ride: operator, staff, bikes, riders with cards.

All of it is found or made, so that a second replay into the same tenant goes on where the first one
ended. Passwords are derived from the one the replay was started with.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.replay.client import Person, Stuck
from fahrwerk.replay.plan import RIDERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from fahrwerk.replay.client import Client
    from fahrwerk.replay.plan import Bike
    from fahrwerk.replay.trips import Station

AT_A_TIME = 8
TARIFF_S = 30.0
"""A new operator's tariffs are laid out by a worker; so long we wait for it."""
KIND = {"model": "bike", "brand": "Recorded", "vehicle_type": "ebike"}
CARD = "tok_visa"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How to replay what into which tenant.

    Without ``staff``, ``email`` and ``password`` are a platform administrator's: the tenant is made
    with an account of its own. With it they are of an account there that may move the clock.
    """

    trips: Path
    stations: Path
    tenant: str
    email: str
    password: str
    platform: str = "platform"
    """The tenant of platform administrators."""
    staff: bool = False
    url: str = "http://127.0.0.1:8080"
    report: Path | None = None
    limit: int | None = None
    """Only the first so many records."""
    zone: str = "America/Los_Angeles"
    currency: str = "EUR"
    tariff: tuple[str, str, str] | None = None
    """Base fee, price per minute, daily maximum, such as 1.50; None = the operator's default."""
    riders: int = RIDERS
    """At least so many, unless there are fewer rides."""
    hands: int = 48
    """Requests under way at a time."""


async def all_of(work: Iterable[Callable[[], Awaitable[Any]]], at_a_time: int = AT_A_TIME) -> None:
    """Do it all, some at a time; the first failure ends the rest."""
    seats = asyncio.Semaphore(at_a_time)

    async def seated(one: Callable[[], Awaitable[Any]]) -> None:
        async with seats:
            await one()

    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(seated(one))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _account(wishes: Wishes, name: str) -> Person:
    email = f"{name}@{wishes.tenant}.example"
    derived = hmac.new(wishes.password.encode(), f"replay {email}".encode(), hashlib.sha256)
    return Person(wishes.tenant, email, derived.hexdigest()[:32])


async def staff_of(client: Client, wishes: Wishes) -> Person:
    """The recorder of the tenant; the tenant is made when it is not there. Raises ``Stuck``."""
    if wishes.staff:
        staff = Person(wishes.tenant, wishes.email, wishes.password)
    else:
        staff = _account(wishes, "recorder")
        platform = Person(wishes.platform, wishes.email, wishes.password)
        answer = await client.ask(platform, "POST", "/api/v1/tenants", json=_tenant(wishes, staff))
        # Somebody else's, or ours with other values: whose it is, the log-in will show.
        if not answer.ok and answer.code != "SLUG_TAKEN":
            raise Stuck(f"The tenant {wishes.tenant} cannot be made: {answer}")
    answer = await client.log_in(staff)
    if not answer.ok:
        raise Stuck(f"{staff.email} cannot log in at {wishes.tenant}: {answer}")
    if "recorder" not in staff.roles:
        raise Stuck(
            f"{staff.email} has the roles {', '.join(staff.roles)}; bringing in rides of the past "
            "needs the role recorder."
        )
    return staff


def _tenant(wishes: Wishes, staff: Person) -> dict[str, Any]:
    return {
        "name": f"Replay of {wishes.trips.stem}"[:200],
        "slug": wishes.tenant,
        "currency": wishes.currency,
        "time_zone": wishes.zone,
        "locale": "en",
        "admin_user": {
            "email": staff.email,
            "password": staff.password,
            "first_name": "Replay",
            "last_name": "Recorder",
            "roles": ["admin", "recorder"],
        },
    }


async def prices(client: Client, staff: Person, wishes: Wishes) -> tuple[str, int]:
    """Currency, and the longest ride the operator allows, in seconds; sets the tariff if wished."""
    if wishes.tariff is not None:
        base_fee, per_minute, daily = wishes.tariff
        tariff = {"base_fee": base_fee, "price_per_minute": per_minute, "daily_maximum": daily}
        await client.must(staff, "PUT", "/api/v1/tariffs/ebike", json=tariff)
    for _ in range(int(TARIFF_S / 0.5)):
        listed = await client.must(staff, "GET", "/api/v1/tariffs")
        if found := [each for each in listed["tariffs"] if each["vehicle_type"] == "ebike"]:
            break
        await asyncio.sleep(0.5)
    else:
        raise Stuck("The operator has no tariff for e-bikes: is a worker running?")
    # A change of nothing answers the rules as they are.
    rules = await client.must(staff, "PATCH", "/api/v1/tenant", json={})
    return found[0]["currency"], int(rules["settings"]["max_ride_h"]) * 3600


async def bikes_of(client: Client, staff: Person, bikes: Sequence[Bike]) -> dict[str, str]:
    """Ids of vehicles by the bikes' names, each standing where its first ride begins.

    They have no device (``is_connected`` false): bikes of a dock are opened by the dock.
    """
    listed = every(client, staff, "/api/v1/vehicles", "vehicles")
    there = {each["identifier"]: each["id"] async for each in listed}

    async def make(bike: Bike) -> None:
        body = KIND | {
            "identifier": bike.name,
            "is_connected": False,
            "location": place(bike.station),
        }
        key = f"replay:bike:{bike.name}"
        made = await client.must(staff, "POST", "/api/v1/vehicles", json=body, key=key)
        there[bike.name] = made["id"]

    await all_of(partial(make, bike) for bike in bikes if bike.name not in there)
    return {bike.name: there[bike.name] for bike in bikes}


def place(station: Station) -> dict[str, Any]:
    """A station as a location."""
    return {
        "latitude": station.latitude,
        "longitude": station.longitude,
        "address": station.name,
    }


async def every(client: Client, person: Person, path: str, name: str, **query: str) -> Any:
    """All ``name`` of a list endpoint, page by page."""
    offset, more = 0, True
    while more:
        params = query | {"limit": 100, "offset": offset}
        page = await client.must(person, "GET", path, params=params)
        for each in page[name]:
            yield each
        offset, more = offset + 100, page["pagination"]["has_more"]


async def riders_of(client: Client, staff: Person, wishes: Wishes, count: int) -> list[Person]:
    """So many riders, logged in, each with a card of the sandbox.

    They are customers who may move the clock of their own requests as well.
    """
    riders = [_account(wishes, f"rider-{number:03}") for number in range(1, count + 1)]
    there = {u["email"] async for u in every(client, staff, "/api/v1/users", "users", q="rider-")}

    async def make(rider: Person, number: int) -> None:
        if rider.email not in there:
            body = {
                "email": rider.email,
                "password": rider.password,
                "roles": ["customer", "recorder"],
                "first_name": "Rider",
                "last_name": f"{number}",
            }
            answer = await client.ask(staff, "POST", "/api/v1/users", json=body)
            # A request repeated after a lost answer finds what it made itself.
            if not answer.ok and answer.code != "ALREADY_REGISTERED":
                raise Stuck(f"{rider.email} cannot be made: {answer}")
        path = "/api/v1/payment-methods"
        if not (await client.must(rider, "GET", path))["payment_methods"]:
            card = {"gateway_token": CARD, "make_default": True}
            await client.must(rider, "POST", path, json=card, key="replay:card")

    await all_of(partial(make, rider, number) for number, rider in enumerate(riders, 1))
    return riders
