"""An operator in the middle of its day, and a watch on all of its rows."""

from __future__ import annotations

import base64
import io
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from PIL import Image

from fahrwerk.kernel import db, ids
from tests.rentals.riding import alive
from tests.world import World

PHOTO = io.BytesIO()
Image.new("RGB", (2, 2)).save(PHOTO, "PNG")


class Goods:
    """One operator in the middle of its day, and what its things are called."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.callers: dict[str, httpx.AsyncClient] = {}
        self.free: str = ""
        """A vehicle that can be booked."""
        self.names: dict[str, list[str]] = {}

    async def furnish(self) -> Goods:
        """A booking, a ride, an ended ride with a photo; a command, a device, a promotion."""
        world, rider = self.world, await self.world.rider()
        await world.card(rider)
        assert rider.user is not None
        callers = {
            "customer": rider,
            **{role: world.call(role) for role in ("provider", "support", "admin")},
        }
        self.callers = {role: world.client(call) for role, call in callers.items()}
        customer, admin = self.callers["customer"], self.callers["admin"]
        await posted(admin.patch("/api/v1/tenant", json={"max_active_rentals": 50}))
        booked, ridden, left, free, other = [await world.vehicle() for _ in range(5)]
        self.free = ids.public("sco", free.id)
        photo = "data:image/png;base64," + base64.b64encode(PHOTO.getvalue()).decode()
        end = {"end_photo": photo, "rating": 5}
        async with alive(world):
            wish = {"vehicle_id": left.identifier}
            ended = await posted(customer.post("/api/v1/rentals", json=wish))
            await posted(customer.post(f"/api/v1/rentals/{ended['id']}/end", json=end))
            wish = {"vehicle_id": ridden.identifier}
            ride = await posted(customer.post("/api/v1/rentals", json=wish))
        booking = await posted(customer.post("/bookings", json={"vehicle_id": booked.identifier}))
        await world.settle()
        path = f"/api/v1/vehicles/{other.identifier}"
        command = await posted(admin.post(f"{path}/commands", json={"command": "unlock"}))
        device = {"protocol": "teltonika", "imei": new_imei()}
        await posted(admin.post(f"{path}/devices", json=device))
        code = f"P{ids.new().hex[-10:].upper()}"
        await posted(admin.post("/api/v1/promotions", json={"code": code, "percent": 10}))
        methods = await posted(customer.get("/api/v1/payment-methods"))
        payments = await posted(customer.get("/api/v1/payments"))
        vehicle = ids.public("sco", booked.id)
        rentals = [booking["booking"]["id"], ride["id"], ended["id"]]
        method = methods["payment_methods"][0]["id"]
        # The first of each is used where another one is tried: so that all the rest would fit.
        vehicles = [vehicle, str(booked.id), booked.identifier, str(booked.qr_code)]
        self.names = {
            "vehicle_id": vehicles,
            "scooter_id": vehicles,
            "vehicle_ids": vehicles,
            "ids": vehicles[:2],
            "qr_code": [str(booked.qr_code)],
            "imei": [device["imei"]],
            "rental_id": rentals,
            "booking_id": [*rentals, rentals[0].replace("rent_", "book_")],
            "payment_id": [each["id"] for each in payments["payments"]],
            "method_id": [method],
            "payment_method_id": [method],
            "command_id": [command["id"]],
            "user": [ids.public("usr", rider.user)],
            "user_id": [ids.public("usr", rider.user)],
            "promo_code": [code],
        }
        return self

    async def close(self) -> None:
        for client in self.callers.values():
            await client.aclose()


async def posted(request: Any) -> Any:
    answer = await request
    assert answer.is_success, answer.text
    return answer.json()


def new_imei() -> str:
    """Fourteen digits and the check digit (Luhn)."""
    digits = [3, 5, *(int(d) for d in str(ids.new().int % 10**12).zfill(12))]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)]
    return "".join(map(str, [*digits, -sum(doubled) % 10]))


_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1
"""


class Watch:
    """Sees every row of an operator, as only the database's owner can."""

    def __init__(self, owner: asyncpg.Connection[Any], tenant: UUID, tables: list[str]) -> None:
        self.owner = owner
        self.tenant = tenant
        self.sql = " UNION ALL ".join(
            f"SELECT '{table}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) "
            f"FROM {table} t WHERE tenant_id = $1"
            for table in tables
        )

    async def look(self) -> dict[str, tuple[int, str]]:
        """Of each table: how many rows, and a digest of all that stands in them."""
        rows = await self.owner.fetch(self.sql, self.tenant)
        return {table: (count, digest) for table, count, digest in rows}


async def watching(database: db.Database, tenant: UUID) -> Watch:
    owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    tables = [row[0] for row in await owner.fetch(_TABLES)]
    assert len(tables) > 20
    return Watch(owner, tenant, tables)
