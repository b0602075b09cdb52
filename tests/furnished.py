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
from tests.fleet.test_alert_http import low
from tests.rentals.riding import alive
from tests.world import World

PHOTO = io.BytesIO()
Image.new("RGB", (2, 2)).save(PHOTO, "PNG")

FAR_ZONE = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]},
    "properties": {"name": "Gulf of Guinea", "kind": "slow", "speed_limit_kmh": 20},
}
"""Where none of our rides ends."""


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
        work = {"vehicle_id": other.identifier, "kind": "damage", "description": "Look at it"}
        ticket = await posted(admin.post("/api/v1/maintenance/tickets", json=work))
        await posted(admin.post(f"{path}/battery", json={"kind": "charge", "level": 15}))
        start = {"latitude": other.latitude, "longitude": other.longitude}
        crew = {"vehicle_types": ["scooter"], "capacity": 1, "start": start}
        plan = await posted(admin.post("/api/v1/battery/plans", json=crew))
        code = f"P{ids.new().hex[-10:].upper()}"
        await posted(admin.post("/api/v1/promotions", json={"code": code, "percent": 10}))
        zone = await posted(admin.post("/api/v1/zones", json=FAR_ZONE))
        await low(world)
        alert = (await posted(admin.get("/api/v1/alerts")))["alerts"][0]
        many = {"ids": [ids.public("sco", free.id)], "operation": "set_category", "category": "c"}
        bulk = await posted(admin.post("/api/v1/vehicles/bulk", json=many))
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
            "ticket_id": [ticket["id"]],
            "plan_id": [plan["id"]],
            "zone_id": [zone["id"]],
            "id": [zone["id"]],
            "user": [ids.public("usr", rider.user)],
            "user_id": [ids.public("usr", rider.user)],
            "promo_code": [code],
            "alert_id": [alert["id"]],
            "alert_ids": [alert["id"]],
            "job_id": [bulk["id"]],
            **await feeds(admin),
            **await books(admin),
            "topup_id": [await topup(customer)],
        }
        return self

    async def close(self) -> None:
        for client in self.callers.values():
            await client.aclose()


async def posted(request: Any) -> Any:
    answer = await request
    assert answer.is_success, answer.text
    return answer.json()


async def feeds(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """A city with a token, and an alert that everybody may read."""
    city = {"slug": "berlin", "name": "Land Berlin"}
    agency = await posted(admin.post("/api/v1/feeds/agencies", json=city))
    path = f"/api/v1/feeds/agencies/{agency['id']}/tokens"
    token = await posted(admin.post(path, json={"label": "Reads"}))
    words = {"summary": {"de": "Sturm", "en": "Storm"}}
    storm = await posted(admin.post("/api/v1/feeds/alerts", json=words))
    return {
        "agency_id": [agency["id"]],
        "public_alert_id": [storm["id"]],
        "token_id": [token["token"]["id"]],
    }


async def topup(customer: httpx.AsyncClient) -> str:
    """A checkout session that nobody has paid yet."""
    made = await posted(customer.post("/api/v1/wallet/topups", json={"amount": 20}))
    return str(made["id"])


async def books(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """An account and a journal: of the ride that has ended."""
    account = (await posted(admin.get("/api/v1/books/accounts")))["accounts"][0]["id"]
    entries = await posted(admin.get(f"/api/v1/books/accounts/{account}/entries"))
    return {"account_id": [account], "journal_id": [entries["entries"][0]["journal_id"]]}


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
