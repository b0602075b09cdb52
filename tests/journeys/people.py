"""Who takes part in a journey: an operator's staff, riders, and vehicles on the road."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any
from uuid import UUID

import httpx

from fahrwerk.fleet.protocols import fahrwerk_mqtt as protocol
from fahrwerk.kernel import crypto, ids
from fahrwerk.kernel.call import Call
from fahrwerk.sim.vehicle import Faults, SimVehicle
from fahrwerk.tenancy import contract as tenancy
from tests.journeys.platform import Platform, client_for

PASSWORD = "correct horse battery staple"
PATIENCE_S = 100.0
_AGAIN_S = 0.2


class Persistent:
    """An app that does not give up: each step has a key, and is sent with it until it is answered.

    Not an answer: a lost connection, a 5xx, and 409 while the first try with this key is running.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.lost = 0
        """Requests that got no answer at all."""
        self.put_off: list[str] = []
        """Codes of the answers that said "later"."""

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        """The final answer to ``body`` (default: an empty object)."""
        headers = {"Idempotency-Key": key or ids.new().hex}
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await self.client.post(path, json=body or {}, headers=headers)
            except httpx.TransportError:
                self.lost += 1
            else:
                code = answer.json()["error"]["code"] if answer.is_error else ""
                if not answer.is_server_error and code != "IDEMPOTENCY_IN_FLIGHT":
                    return answer
                assert code != "INTERNAL_ERROR", f"{path}: {answer.text}"
                self.put_off.append(code)
            assert time.monotonic() < end, f"{path}: no answer, {self.lost=} {self.put_off=}"
            await asyncio.sleep(_AGAIN_S)

    async def get(self, path: str) -> Any:
        """What is there, as soon as somebody answers."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await self.client.get(path)
            except httpx.TransportError:
                self.lost += 1
            else:
                if not answer.is_server_error:
                    assert answer.status_code == 200, answer.text
                    return answer.json()
            assert time.monotonic() < end, f"{path}: no answer"
            await asyncio.sleep(_AGAIN_S)


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
        seed: str | None = None,
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
            seed=seed or identifier,
            idle_interval_s=0.5,
            riding_interval_s=0.5,
        )
        thing.start()
        await thing.ready()
        self.vehicles.append(thing)
        return vehicle_id, thing

    async def by_hand(self, identifier: str) -> str:
        """A scooter without a device: it is opened as soon as the platform says so."""
        body = {
            "identifier": identifier, "model": "Ninebot ES4", "brand": "Segway",
            "location": {"latitude": 52.52, "longitude": 13.405}, "is_connected": False,
        }  # fmt: skip
        answer = await self.admin.post("/api/v1/scooters", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def tariffs_ready(self) -> None:
        """Wait until pricing has heard of the new operator."""
        end, patient = time.monotonic() + PATIENCE_S, Persistent(self.admin)
        while "scooter" not in str(answer := await patient.get("/api/v1/tariffs")):
            assert time.monotonic() < end, f"{answer}\n{self.platform.log('work')}"
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Vehicles off the road, riders home."""
        await asyncio.gather(*(thing.close() for thing in self.vehicles))
        await asyncio.gather(*(client.aclose() for client in self.clients))


def vehicle_key(paired: dict[str, Any]) -> protocol.VehicleKey:
    """The vehicle's half of its keys, from the answer to its pairing."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    return protocol.VehicleKey(
        paired["kind"], raw(paired["signs_with"]), raw(paired["checks_with"])
    )


async def found(running: Platform, **fields: Any) -> City:
    """A new operator on ``running``; ``fields`` of ``tenancy.Operator``, e.g. short windows."""
    slug = f"city-{ids.new().hex[-8:]}"
    call = Call(tenant=None, permissions=frozenset({"*"}), service="tests")
    wanted = tenancy.Operator(id=ids.new(), slug=slug, name="Journey GmbH", **fields)
    async with running.inside():
        await tenancy.create_operator(call, wanted)
    city = City(running, slug, wanted.id)
    await city.tariffs_ready()
    return city
