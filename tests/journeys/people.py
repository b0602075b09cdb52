"""Who takes part in a journey: an operator's staff, riders, and vehicles on the road."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import UUID

import httpx

from fahrwerk.fleet.protocols import fahrwerk_mqtt as protocol
from fahrwerk.kernel import crypto, ids
from fahrwerk.sim.vehicle import Faults, SimVehicle
from tests.journeys.platform import Platform, client_for

PASSWORD = "correct horse battery staple"


class City:
    """One operator on a running platform."""

    def __init__(self, running: Platform, slug: str, tenant: UUID) -> None:
        self.platform = running
        self.slug = slug
        self.tenant = tenant
        self.clients: list[httpx.AsyncClient] = []
        self.vehicles: list[SimVehicle] = []
        self.admin = self.client("admin")

    def client(self, *roles: str, user: UUID | None = None) -> httpx.AsyncClient:
        """Somebody with these roles, as if logged in."""
        crypto.set_signing_secret("tests")
        token = crypto.issue_token(user or ids.new(), self.tenant, roles, ids.new())
        return self._kept(client_for(self.platform, self.slug, token))

    def _kept(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        self.clients.append(client)
        return client

    async def rider(self, card: str | None = "tok_visa") -> httpx.AsyncClient:
        """A rider who registered and logged in through the API, with a card at the sandbox."""
        name = f"{ids.new().hex[-10:]}@riders.example"
        anonymous = client_for(self.platform, self.slug)
        body = {"email": name, "password": PASSWORD, "first_name": "Ada", "last_name": "Rider"}
        answer = await anonymous.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        login = {"email": name, "password": PASSWORD, "tenant": self.slug}
        answer = await anonymous.post("/api/v1/auth/login", json=login)
        assert answer.status_code == 200, answer.text
        await anonymous.aclose()
        rider = self._kept(client_for(self.platform, self.slug, answer.json()["access_token"]))
        if card:
            body = {"gateway_token": card, "make_default": True}  # type: ignore[dict-item]
            answer = await rider.post("/api/v1/payment-methods", json=body)
            assert answer.status_code == 201, answer.text
        return rider

    async def vehicle(
        self,
        identifier: str = "SC001",
        *,
        faults: Faults | None = None,
        on_the_road: bool = True,
        **fields: Any,
    ) -> tuple[str, SimVehicle | None]:
        """A scooter in the fleet, paired; and the thing itself, connected over MQTT."""
        body: dict[str, Any] = {
            "identifier": identifier,
            "model": "Ninebot ES4",
            "brand": "Segway",
            "location": {"latitude": 52.52, "longitude": 13.405},
            **fields,
        }
        answer = await self.admin.post("/api/v1/scooters", json=body)
        assert answer.status_code == 201, answer.text
        vehicle_id = str(answer.json()["id"])
        answer = await self.admin.post(f"/api/v1/vehicles/{vehicle_id}/pair")
        assert answer.status_code in (200, 201), answer.text
        if not on_the_road:
            return vehicle_id, None
        thing = SimVehicle(
            vehicle_id,
            vehicle_key(answer.json()),
            self.platform.mqtt_url,
            latitude=52.52,
            longitude=13.405,
            battery_level=85,
            faults=faults or Faults(),
            seed=identifier,
            idle_interval_s=0.5,
            riding_interval_s=0.5,
        )
        thing.start()
        await thing.ready()
        self.vehicles.append(thing)
        return vehicle_id, thing

    async def tariffs_ready(self) -> None:
        """Wait until pricing has heard of the new operator."""
        for _ in range(200):
            answer = await self.admin.get("/api/v1/tariffs")
            if answer.status_code == 200 and "scooter" in answer.text:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"no tariffs:\n{self.platform.log('work')}")

    async def close(self) -> None:
        """Vehicles off the road, riders home."""
        await asyncio.gather(*(thing.close() for thing in self.vehicles))
        await asyncio.gather(*(client.aclose() for client in self.clients))


def vehicle_key(paired: dict[str, Any]) -> protocol.VehicleKey:
    """The vehicle's half of its keys, from the answer to its pairing."""
    import base64

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    key = paired
    return protocol.VehicleKey(key["kind"], raw(key["signs_with"]), raw(key["checks_with"]))


async def found(running: Platform, **fields: Any) -> City:
    """A new operator on ``running``; ``fields`` of ``tenancy.Operator``, e.g. short windows."""
    slug = f"city-{ids.new().hex[-8:]}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.journeys.bootstrap",
        json.dumps({"slug": slug, "name": "Journey GmbH", **fields}),
        env=running.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    city = City(running, slug, UUID(out.decode().strip().splitlines()[-1]))
    await city.tariffs_ready()
    return city
