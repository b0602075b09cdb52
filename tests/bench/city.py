"""The city that is measured: one operator, 50,000 vehicles on 900 square kilometres, 20,000 riders.

Ids are counted up, so that pgbench can name the same rows by an expression: vehicle ``k`` and rider
``k`` end in ``100000000000 + k``. Rows go in by COPY through the owner's login; the operator and
its prices through the platform's own action and handlers.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from fahrwerk import app
from fahrwerk.kernel import crypto, db, geo, ids
from tests.bench import load
from tests.bench.stage import SECRET
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.stage import Stage

VEHICLES, RIDERS = 50_000, 20_000
FIRST = 100_000_000_000
"""Twelve decimal digits: the end of a counted id, the same as text and as number."""
VEHICLE_HEAD, RIDER_HEAD = "00000000-0000-7000-8000-", "00000000-0000-7000-9000-"
TYPES = (("scooter", 60), ("ebike", 25), ("car", 10), ("van", 5))
PREFIXES = {"scooter": "sco", "ebike": "ebi", "car": "car", "van": "van"}
SOUTH, WEST = 52.385, 13.184
HEIGHT, WIDTH = 0.27, 0.443  # 30 km by 30 km
MARGIN = 0.015  # searches keep 1 km away from the edge
RADIUS_M, SHOWN = 1_000, 50


class City(msgspec.Struct):
    """What stands in the database, and how to ask for it."""

    tenant: UUID
    slug: str
    types: list[str]
    """Type of vehicle k."""
    tokens: list[str]
    """Access token of rider k."""

    def headers(self, rider: int) -> str:
        """Of a request of this rider, as its app sends them."""
        return (
            f"X-Tenant-ID: {self.slug}\r\nAuthorization: Bearer {self.tokens[rider]}\r\n"
            "Accept: application/json\r\nAccept-Encoding: gzip\r\nUser-Agent: rider/1.0\r\n"
        )

    def vehicle(self, k: int) -> str:
        """The public id of vehicle k."""
        return ids.public(PREFIXES[self.types[k]], vehicle_id(k))


def vehicle_id(k: int) -> UUID:
    """Of the k-th vehicle."""
    return UUID(f"{VEHICLE_HEAD}{FIRST + k}")


def rider_id(k: int) -> UUID:
    """Of the k-th rider."""
    return UUID(f"{RIDER_HEAD}{FIRST + k}")


def places_never_repeated(start: int) -> Iterator[tuple[float, float]]:
    """Places in the city, each at most once and 11 m from any other; ``start``: where to go on.

    The platform may let those share an answer who stand nearer than that.
    """
    rows, columns = round((HEIGHT - 2 * MARGIN) * 1e4), round((WIDTH - 2 * MARGIN) * 1e4)
    count, k = rows * columns, start
    while True:
        # 7,654,321 is prime and no divisor of count: a walk through all places, far apart.
        row, column = divmod(k * 7_654_321 % count, columns)
        yield SOUTH + MARGIN + row / 1e4, WEST + MARGIN + column / 1e4
        k += 1


def searches(city: City, places: Iterator[tuple[float, float]], riders: int) -> Iterator[bytes]:
    """Requests of ``riders`` riders in turn: 50 vehicles of any type within 1 km."""
    heads = [city.headers(k) for k in range(riders)]
    for number, (lat, lon) in enumerate(places):
        path = (
            f"/api/v1/vehicles/search?lat={lat:.4f}&lon={lon:.4f}&radius={RADIUS_M}&limit={SHOWN}"
        )
        yield load.get(path, heads[number % riders])


def bookings(city: City, first: int, count: int) -> Iterator[bytes]:
    """Bookings of vehicle k by rider k (modulo riders), k counting up."""
    for k in range(first, first + count):
        body = {"vehicle_id": city.vehicle(k), "estimated_duration_minutes": 30}
        yield load.post(
            "/api/v1/bookings", msgspec.json.encode(body), city.headers(k % len(city.tokens))
        )


def seed(stage: Stage, vehicles: int = VEHICLES, riders: int = RIDERS) -> City:
    """Fill the database; takes some seconds."""
    return asyncio.run(_seed(stage, vehicles, riders))


async def _seed(stage: Stage, vehicles: int, riders: int) -> City:
    crypto.set_signing_secret(SECRET)
    app.load_rooms()
    await db.open_database(stage.dsn, 4)
    try:
        world = await make_world()
    finally:
        await db.close_database()
    types = _types(vehicles)
    raw = await asyncpg.connect(stage.owner_dsn)
    try:
        await _copy(raw, "fleet", "vehicle", _vehicles(world.tenant, types))
        await _copy(raw, "identity", "person", _riders(world.tenant, riders))
        await _copy(raw, "identity", "person_role", _roles(world.tenant, riders))
        await raw.execute("VACUUM (ANALYZE)")
        await raw.execute("CHECKPOINT")
    finally:
        await raw.close()
    session = ids.new()
    tokens = [
        crypto.issue_token(rider_id(k), world.tenant, ["customer"], session) for k in range(riders)
    ]
    return City(world.tenant, world.operator.slug, types, tokens)


def _types(count: int) -> list[str]:
    names, weights = [name for name, _ in TYPES], [weight for _, weight in TYPES]
    return random.Random(1).choices(names, weights, k=count)


async def _copy(
    raw: asyncpg.Connection[Any], schema: str, table: str, rows: Iterator[dict[str, Any]]
) -> None:
    listed = list(rows)
    await raw.copy_records_to_table(
        table, schema_name=schema, columns=list(listed[0]), records=[(*r.values(),) for r in listed]
    )


def _vehicles(tenant: UUID, types: list[str]) -> Iterator[dict[str, Any]]:
    dice, now = random.Random(2), datetime.now(UTC)
    for k, vehicle_type in enumerate(types):
        lat, lon = SOUTH + HEIGHT * dice.random(), WEST + WIDTH * dice.random()
        yield {
            "tenant_id": tenant,
            "id": vehicle_id(k),
            "vehicle_type": vehicle_type,
            "identifier": f"{vehicle_type[:2].upper()}-{k:06}",
            "model": "Ninebot MAX G30",
            "brand": "Segway",
            "full_range_km": 40.0,
            "is_connected": True,
            # Seen during the whole run, so that nobody marks them silent meanwhile.
            "last_seen_at": now + timedelta(hours=6),
            "latitude": lat,
            "longitude": lon,
            "cell": geo.cell(lat, lon),
            "battery_level": dice.randint(20, 100),
            "is_locked": True,
        }


def _riders(tenant: UUID, count: int) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for k in range(count):
        yield {
            "tenant_id": tenant,
            "id": rider_id(k),
            "email": f"rider{k}@bench.example",
            "first_name": "Ada",
            "last_name": f"Rider {k}",
            "created_at": now,
            "updated_at": now,
        }


def _roles(tenant: UUID, count: int) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    for k in range(count):
        yield {
            "tenant_id": tenant,
            "person_id": rider_id(k),
            "role": "customer",
            "granted_at": now,
        }
