"""An operator in the middle of its day, and a watch on all of its rows."""

from __future__ import annotations

import base64
import io
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
from PIL import Image

from fahrwerk.fleet import contract as fleet
from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import approvals, privacy
from fahrwerk.identity.contract.keys import make_key
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.payments.contract import disputes, sepa
from fahrwerk.wallet import contract as wallet
from fahrwerk.wallet.contract import resellers
from tests.fleet.test_alert_http import low
from tests.identity.idp import FakeSaml
from tests.payments.bank import entry, open_bank, statement
from tests.payments.test_debts_journey import debtor
from tests.payments.test_disputes import disputed
from tests.payments.test_failed_refunds import refused
from tests.rentals.riding import alive
from tests.world import PASSWORD, World

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
            ended, ride = [
                await posted(customer.post("/api/v1/rentals", json={"vehicle_id": each.identifier}))
                for each in (left, ridden)
            ]
            await posted(customer.post(f"/api/v1/rentals/{ended['id']}/end", json=end))
        booking = await posted(customer.post("/bookings", json={"vehicle_id": booked.identifier}))
        await world.settle()
        path = f"/api/v1/vehicles/{other.identifier}"
        command = await posted(admin.post(f"{path}/commands", json={"command": "unlock"}))
        device = {"protocol": "teltonika", "imei": new_imei()}
        await posted(admin.post(f"{path}/devices", json=device))
        code = f"P{ids.new().hex[-10:].upper()}"
        await posted(admin.post("/api/v1/promotions", json={"code": code, "percent": 10}))
        zone = await posted(admin.post("/api/v1/zones", json=FAR_ZONE))
        await low(world)
        alert = (await posted(admin.get("/api/v1/alerts")))["alerts"][0]
        many = {"ids": [ids.public("sco", free.id)], "operation": "set_category", "category": "c"}
        bulk = await posted(admin.post("/api/v1/vehicles/bulk", json=many))
        methods = await posted(customer.get("/api/v1/payment-methods"))
        payments = await posted(customer.get("/api/v1/payments"))
        rentals = [booking["booking"]["id"], ride["id"], ended["id"]]
        method = methods["payment_methods"][0]["id"]
        # The first of each is used where another one is tried: so that all the rest would fit.
        named = (ids.public("sco", booked.id), booked.id, booked.identifier, booked.qr_code)
        vehicles = [str(each) for each in named]
        self.names = {
            **dict.fromkeys(("vehicle_id", "scooter_id", "vehicle_ids"), vehicles),
            "ids": vehicles[:2],
            "qr_code": [str(booked.qr_code)],
            "imei": [device["imei"]],
            "rental_id": rentals,
            "booking_id": [*rentals, rentals[0].replace("rent_", "book_")],
            "payment_id": [each["id"] for each in payments["payments"]],
            **{key: [method] for key in ("method_id", "payment_method_id")},
            "command_id": [command["id"]],
            **await workshop(admin, other),
            "zone_id": [zone["id"]],
            "id": [zone["id"]],
            **{key: [ids.public("usr", rider.user)] for key in ("user", "user_id")},
            "promo_code": [code],
            "alert_id": [alert["id"]],
            "alert_ids": [alert["id"]],
            "job_id": [bulk["id"]],
            **await depot(admin, vehicles),
            **await view(admin),
            **await feeds(admin),
            **await city(admin),
            **await approval(world, payments["payments"][0]["id"]),
            **await books(admin),
            "topup_id": [await topup(customer)],
            **await sign_on(admin),
            **await bank(world, rider),
            **await reseller(world, admin),
            **await quarrel(world),
            **await own_rules(admin),
            "request_id": [await export(world, rider)],
            **await account(world, rider),
        }
        return self

    async def close(self) -> None:
        for client in self.callers.values():
            await client.aclose()


async def workshop(admin: httpx.AsyncClient, vehicle: fleet.Vehicle) -> dict[str, list[str]]:
    """A ticket about a vehicle, and a tour that charges it."""
    work = {"vehicle_id": vehicle.identifier, "kind": "damage", "description": "Look at it"}
    ticket = await posted(admin.post("/api/v1/maintenance/tickets", json=work))
    path = f"/api/v1/vehicles/{vehicle.identifier}/battery"
    await posted(admin.post(path, json={"kind": "charge", "level": 15}))
    start = {"latitude": vehicle.latitude, "longitude": vehicle.longitude}
    crew = {"vehicle_types": ["scooter"], "capacity": 1, "start": start}
    plan = await posted(admin.post("/api/v1/battery/plans", json=crew))
    return {"ticket_id": [ticket["id"]], "plan_id": [plan["id"]]}


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


async def depot(admin: httpx.AsyncClient, vehicles: list[str]) -> dict[str, list[str]]:
    """A group of vehicles."""
    group = await posted(admin.post("/api/v1/fleet/groups", json={"name": "Depot North"}))
    return {
        "group_id": [group["id"]],
        "group": [group["id"], group["name"]],
        "vehicles": vehicles,
        "add": vehicles[:2],
        "remove": vehicles[:2],
    }


async def view(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """A saved view of the console."""
    body = {"screen": "fleet", "name": "Low", "query": "battery=0-20"}
    return {"view_id": [(await posted(admin.put("/api/v1/views", json=body)))["id"]]}


async def sign_on(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """An identity provider, a test of it, and a directory that keeps people here."""
    key = {"type": "oidc", "issuer": "http://127.0.0.1:9/none", "client_id": "fahrwerk"}
    body = {"name": "Company", "protocol": key}
    provider = (await posted(admin.post("/api/v1/sso/providers", json=body)))["id"]
    saml = {"type": "saml", "metadata_xml": FakeSaml().metadata}
    body = {"name": "Other company", "protocol": saml}
    tested = (await posted(admin.post("/api/v1/sso/providers", json=body)))["id"]
    test = await posted(admin.post(f"/api/v1/sso/providers/{tested}/test", json={}))
    source = await posted(admin.post("/api/v1/scim/sources", json={"name": "Directory"}))
    return {
        "sso_provider_id": [provider, tested],
        "sso_test_id": [test["id"]],
        "scim_source_id": [source["source"]["id"]],
    }


async def city(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """A city far away, rules for it that have not begun, a brand."""
    box = {"name": "Accra", "country": "GH", "south": 5.0, "west": -1.0, "north": 6.0, "east": 0.0}
    area = (await posted(admin.post("/api/v1/areas", json=box)))["id"]
    rules = {"area_id": area, "valid_from": "2090-01-01T00:00:00Z", "minimum_age": 18}
    market = await posted(admin.post("/api/v1/markets", json=rules))
    look = {"name": "Flitz", "primary_color": "#000000", "secondary_color": "#ffffff"}
    brand = await posted(admin.post("/api/v1/brands", json=look))
    return {"area_id": [area], "market_id": [market["id"]], "brand_id": [brand["id"]]}


async def approval(world: World, payment: str) -> dict[str, list[str]]:
    """A wish that waits for a second person."""
    asked = await approvals.ask_approval(
        world.call("support"), ids.new(), "payments.refund", ids.parse(payment, "pay"),
        "payments.refund.approve", {"amount_minor": 1, "currency": "EUR"}, "goodwill",
    )  # fmt: skip
    tenant = ids.public("ten", world.tenant)
    return {"approval_id": [ids.public("apr", asked.id)], "tenant_id": [tenant]}


async def topup(customer: httpx.AsyncClient) -> str:
    """A checkout session that nobody has paid yet."""
    made = await posted(customer.post("/api/v1/wallet/topups", json={"amount": 20}))
    return str(made["id"])


async def reseller(world: World, admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """A reseller whose only customer has loaded money, and a payout of the commission."""
    code = ids.new().hex[-12:]
    terms = {"name": "Hotel Adler", "code": code, "rate": 2.5}
    made = await posted(admin.post("/api/v1/resellers", json=terms))
    guest = await world.rider()
    await resellers.join_reseller(guest, code)
    await wallet.open_topup(guest, 10_000, await world.card(guest), "one")
    run = await posted(admin.post("/api/v1/reseller-payouts", json={}))
    return {"reseller_id": [made["id"]], "payout_id": [run["payouts"][0]["id"]]}


async def quarrel(world: World) -> dict[str, list[str]]:
    """A debt; a bank that took the money back, and our evidence; a refund that was refused."""
    _, debt = await debtor(world)
    _, dispute = await disputed(world)
    found = await disputes.add_evidence(
        world.admin(), dispute, disputes.NewEvidence(kind="other", text="It was they.")
    )
    return {
        "refund_key": [await refused(world)],
        "debt_id": [debt],
        "dispute_id": [ids.public(disputes.DISPUTE_PREFIX, dispute)],
        "evidence_id": [ids.public(disputes.EVIDENCE_PREFIX, found.evidence[0].id)],
    }


async def own_rules(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """A role of the operator's own, a domain it claims and a logo like no other's."""
    name = f"crew-{ids.new().hex[-8:]}"
    role = {"title": "Crew", "permissions": ["fleet.vehicle.read"]}
    await posted(admin.put(f"/api/v1/roles/{name}", json=role))
    domain = f"{name}.example.org"
    await posted(admin.post("/api/v1/domains", json={"domain": domain}))
    brand = (await posted(admin.get("/api/v1/brands")))["brands"][0]["id"]
    drawn = io.BytesIO()
    Image.frombytes("RGB", (4, 1), ids.new().bytes[-12:]).save(drawn, "PNG")
    logo = admin.put(f"/api/v1/brands/{brand}/logo", content=drawn.getvalue())
    shown = (await posted(logo))["logo_url"]
    return {"name": [name], "domain_name": [domain], "logo_hash": [shown.rpartition("/")[2]]}


async def export(world: World, rider: Call) -> str:
    """A wish of the rider's to see what is held about him."""
    assert rider.user is not None
    asked = await privacy.ask_export(world.admin(), rider.user)
    return ids.public(privacy.REQUEST_PREFIX, asked.id)


_PASSKEY = """
INSERT INTO identity.passkey (id, person_id, credential_id, public_key, sign_count, rp_id, name,
                              aaguid, is_synced)
VALUES ($1, $2, $3, $3, 0, 'localhost', 'Phone', '', false)
"""


async def account(world: World, rider: Call) -> dict[str, list[str]]:
    """A session, a passkey of the rider's and an API key of the staff's."""
    assert rider.user is not None
    person = await identity.person(world.system(), rider.user)
    login = await identity.log_in(world.call(), str(person.email), PASSWORD)
    session = crypto.read_token(login.access_token).session
    passkey = ids.new()
    await db.run("identity", world.system(), _PASSKEY, passkey, rider.user, passkey.bytes)
    boss = await identity.add_person(
        world.admin(), "boss@example.org", PASSWORD, frozenset({"admin"}), "Grace", "Hopper"
    )
    entered = await identity.log_in(world.call(), "boss@example.org", PASSWORD)
    call = msgspec.structs.replace(
        world.call("admin", user=boss.id), session=crypto.read_token(entered.access_token).session
    )
    made = await make_key(call, "Warehouse", ["fleet.vehicle.read"], 30)
    return {
        "session_id": [ids.public("ses", session)],
        "passkey_id": [ids.public("psk", passkey)],
        "key_id": [ids.public("key", made.key.id)],
    }


async def books(admin: httpx.AsyncClient) -> dict[str, list[str]]:
    """An account and a journal: of the ride that has ended."""
    account = (await posted(admin.get("/api/v1/books/accounts")))["accounts"][0]["id"]
    entries = await posted(admin.get(f"/api/v1/books/accounts/{account}/entries"))
    return {"account_id": [account], "journal_id": [entries["entries"][0]["journal_id"]]}


async def bank(world: World, rider: Call) -> dict[str, list[str]]:
    """A mandate of the rider; another one's debit in a draft, and a line nobody recognised."""
    ours = await open_bank(world)
    mandate = await ours.mandate(rider)
    await ours.ride()
    run = await sepa.draft_run(ours.admin, "collection", "CORE", ours.day())
    await ours.reads(statement(entry("1.00")))
    (line,) = (await sepa.bank_lines(ours.admin, None, 1, 0)).lines
    return {
        "mandate_id": [ids.public("mnd", mandate.id)],
        "run_id": [ids.public("run", run.id)],
        "order_id": [ids.public("sdo", (await ours.order()).id)],
        "line_id": [ids.public("stl", line.id)],
    }


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
