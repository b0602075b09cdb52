"""``fahrwerk seed``: an operator with people and a fleet in Berlin, so there is something to see.

Through the rooms' own actions, as an administrator would do it; repeating it adds what is missing.
The logins are public (``fahrwerk.sim.demo``): not for an installation that others can reach.
"""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fahrwerk.app import grounded
from fahrwerk.feeds.actions.agencies import issue
from fahrwerk.feeds.contract import agencies
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import zones
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments import contract as payments
from fahrwerk.sim import demo
from fahrwerk.sim.streets import HUBS, address_near, load_streets
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.settings import Settings

AT_A_TIME, LISTED_AT_ONCE = 8, 500

OPERATORS = (
    tenancy.Operator(
        id=ids.derived("demo operator", demo.TENANT), slug=demo.TENANT, name="Mobility GmbH"
    ),
    tenancy.Operator(
        id=ids.derived("demo operator", demo.PLATFORM_TENANT),
        slug=demo.PLATFORM_TENANT,
        name="Fahrwerk Platform",
        plan="Platform",
        locale="en",
    ),
)


class Drawn(NamedTuple):
    """A zone of the demo: its rules and one ring, longitude before latitude."""

    rules: zones.ZoneRules
    ring: tuple[zones.Position, ...]


def _around(lat: float, lon: float, metres: float) -> tuple[zones.Position, ...]:
    """Twelve corners around a place."""
    north = metres / 111_195
    east = north / math.cos(math.radians(lat))
    turns = [2 * math.pi * n / 12 for n in range(12)]
    return tuple(
        (round(lon + east * math.cos(t), 6), round(lat + north * math.sin(t), 6)) for t in turns
    )


_SMALL = ["scooter", "ebike"]
ZONES = (
    Drawn(
        zones.ZoneRules(name="Berlin", kind="operating_area"),
        ((13.260, 52.464), (13.270, 52.450), (13.480, 52.450), (13.500, 52.462), (13.500, 52.556),
         (13.480, 52.572), (13.300, 52.571), (13.262, 52.560)),
    ),
    Drawn(
        zones.ZoneRules(
            name="Großer Tiergarten", kind="no_parking", vehicle_types=_SMALL, priority=10
        ),
        ((13.3515, 52.5108), (13.3700, 52.5108), (13.3700, 52.5146), (13.3515, 52.5136)),
    ),
    Drawn(
        zones.ZoneRules(
            name="Alexanderplatz", kind="slow", vehicle_types=_SMALL, speed_limit_kmh=10
        ),
        _around(52.5219, 13.4132, 180),
    ),
    Drawn(
        zones.ZoneRules(
            name="RAW-Gelände", kind="slow", vehicle_types=_SMALL, speed_limit_kmh=6,
            schedule=[zones.Hours(days=[5, 6], start="20:00", end="06:00")],
        ),
        ((13.4515, 52.5068), (13.4555, 52.5070), (13.4555, 52.5083), (13.4515, 52.5081)),
    ),
    *(
        Drawn(
            zones.ZoneRules(
                name=f"Mobilitätshub {hub.name}", kind="preferred_parking", vehicle_types=_SMALL,
                bonus_minor=50,
            ),
            _around(hub.lat, hub.lon, 45),
        )
        for hub in HUBS[1:5]
    ),
    Drawn(zones.ZoneRules(name="Ostkreuz", kind="deployment"), _around(52.5030, 13.4691, 60)),
)  # fmt: skip
"""The whole of the demo's city may be ridden and parked in, but for the park."""


class NotHere(Exception):
    """This installation is no demo."""


class Model(NamedTuple):
    """A kind of vehicle as it is bought."""

    name: str
    brand: str
    category: str
    max_speed_kmh: int
    weight_kg: float


class Batch(NamedTuple):
    """All vehicles of one type."""

    vehicle_type: str
    prefix: str
    size: int
    models: tuple[Model, ...]
    colours: tuple[str, ...]


FLEET = (
    Batch(
        "scooter",
        "SC",
        300,
        (
            Model("Ninebot ES4", "Segway", "standard", 20, 14.0),
            Model("Xiaomi Mi Pro", "Xiaomi", "standard", 20, 14.2),
            Model("Ninebot MAX G30", "Segway", "premium", 20, 19.1),
            Model("Xiaomi Mi Pro 2", "Xiaomi", "premium", 20, 14.2),
        ),
        ("black", "graphite", "lime"),
    ),
    Batch(
        "ebike",
        "EB",
        60,
        (
            Model("Citybike E2", "Prophete", "standard", 25, 23.5),
            Model("Agattu B7", "Kalkhoff", "premium", 25, 25.0),
        ),
        ("white", "petrol"),
    ),
    Batch(
        "car",
        "CA",
        25,
        (
            Model("ID.3", "Volkswagen", "standard", 160, 1794.0),
            Model("Zoe", "Renault", "standard", 140, 1577.0),
        ),
        ("white", "blue", "grey"),
    ),
    Batch(
        "van",
        "VA",
        15,
        (
            Model("eVito", "Mercedes-Benz", "standard", 120, 2200.0),
            Model("ë-Jumpy", "Citroën", "standard", 130, 2050.0),
        ),
        ("white", "silver"),
    ),
)


async def seed(settings: Settings, scale: float = 1.0) -> str:
    """Make what is missing; says what there is. ``scale`` is of the fleet: 1.0 is 400 vehicles.

    Raises ``NotHere`` in production.
    """
    if not settings.dev:
        raise NotHere("FAHRWERK_DEV is off: an installation in earnest gets no public passwords.")
    async with grounded(settings, "seed"):
        for operator in OPERATORS:
            await tenancy.create_operator(system(None, "seed"), operator)
        for login in demo.LOGINS:
            await _person(login)
        made = await _vehicles(scale)
        await _zones()
        await _city()
        # Default tariffs and promotions are laid out by pricing when it hears of the operator.
        await Pump().drain()
    return f"{OPERATORS[0].name}: {len(list(wanted(scale)))} vehicles, {made} of them new"


def _call_for(slug: str) -> Call:
    operator = next(each for each in OPERATORS if each.slug == slug)
    return system(operator.id, "seed", slug=slug)


async def _person(login: demo.Login) -> None:
    call = _call_for(login.tenant)
    try:
        if login.role == "customer":
            person = await identity.register(
                call, login.email, None, login.password, login.first_name, login.last_name, "de"
            )
            await _card(call, person.id)
        else:
            await identity.add_person(
                *(call, login.email, login.password, frozenset({login.role})),
                *(login.first_name, login.last_name),
            )
    except identity.AlreadyRegistered:
        pass


async def _card(call: Call, rider: UUID) -> None:
    as_rider = msgspec.structs.replace(call, user=rider, roles=frozenset({"customer"}))
    await payments.add_method(as_rider, "tok_visa", True)


async def _vehicles(scale: float) -> int:
    """Add those that are missing; how many those were."""
    call = _call_for(demo.TENANT)
    known: set[str] = set()
    while True:
        page = await fleet.vehicles(call, None, None, None, 0, LISTED_AT_ONCE, len(known))
        known |= {vehicle.identifier for vehicle in page.vehicles}
        if len(page.vehicles) < LISTED_AT_ONCE:
            break
    missing = [vehicle for vehicle in wanted(scale) if vehicle.identifier not in known]
    seats = asyncio.Semaphore(AT_A_TIME)

    async def add(vehicle: fleet.NewVehicle) -> None:
        async with seats:
            await fleet.create_vehicle(call, vehicle)

    await asyncio.gather(*map(add, missing))
    return len(missing)


async def _zones() -> None:
    """Draw those that never were; one that was changed or deleted since stays so."""
    call = _call_for(demo.TENANT)
    for drawn in ZONES:
        zone_id = ids.derived("demo zone", call.tenant, drawn.rules.name, drawn.rules.kind)
        await zones.create_zone(call, drawn.rules, [[list(drawn.ring)]], zone_id)


async def _city() -> None:
    """A city that reads MDS, with the token everybody knows; revoked once, it stays so."""
    call = msgspec.structs.replace(_call_for(demo.TENANT), key="seed")
    wish = agencies.NewAgency(slug=demo.CITY, name="Land Berlin", is_published=True)
    try:
        agency = await agencies.add_agency(call, wish)
    except agencies.AgencySlugTaken:
        return
    if not (await agencies.tokens(call, agency.id, 1, 0)).total:
        await issue(call, agency.id, "Demo", demo.MDS_TOKEN)


def wanted(scale: float) -> Iterator[fleet.NewVehicle]:
    """The demo's fleet: the same every time, standing on streets, most of them near a hub."""
    rng = random.Random("fahrwerk seed")
    streets = load_streets()
    for batch in FLEET:
        for number in range(1, max(1, round(batch.size * scale)) + 1):
            identifier = f"{batch.prefix}{number:03}"
            model = batch.models[(number - 1) % len(batch.models)]
            place = streets.random_place(rng)
            yield fleet.NewVehicle(
                identifier=identifier,
                model=model.name,
                brand=model.brand,
                vehicle_type=batch.vehicle_type,
                category=model.category,
                license_plate=_plate(batch, number),
                qr_code=f"{identifier}-QR",
                latitude=round(place.lat, 6),
                longitude=round(place.lon, 6),
                address=address_near(place.lat, place.lon),
                battery_level=rng.choices((rng.randint(12, 30), rng.randint(31, 100)), (1, 9))[0],
                hardware_version="1.2",
                metadata={
                    "color": rng.choice(batch.colours),
                    "year": rng.randint(2021, 2025),
                    "max_speed": model.max_speed_kmh,
                    "weight": model.weight_kg,
                },
            )


def _plate(batch: Batch, number: int) -> str | None:
    """Bicycles bear none, scooters an insurer's plate, the others Berlin's with E for electric."""
    if batch.vehicle_type == "ebike":
        return None
    if batch.vehicle_type == "scooter":
        return f"{100 + number} FWK"
    return f"B-{batch.prefix} {100 + number}E"
