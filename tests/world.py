"""Verbs to build a situation through the rooms' public actions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from fahrwerk import app as composition
from fahrwerk.kernel import crypto, ids, jobs
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.pump import Pump
from fahrwerk.kernel.settings import Settings

if TYPE_CHECKING:
    from litestar import Litestar

    from fahrwerk.fleet.contract import Vehicle
    from fahrwerk.tenancy.contract import Operator

_numbers = itertools.count(1)
# What knocks at somebody else's door: brokers and cities, most of them of tests that have ended.
_ELSEWHERE = {"fleet.link", "feeds.read_policies", "feeds.push_to_agencies"}
_app: Litestar | None = None
PASSWORD = "correct horse battery staple"


class World:
    """One test's operator and everything in it."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.tenant = operator.id

    def call(self, *roles: str, user: UUID | None = None, key: str | None = None) -> Call:
        """A call with these roles, as the front door would make it."""
        from fahrwerk.identity.rules import permissions_of

        held = frozenset(roles)
        return Call(
            tenant=self.tenant,
            tenant_slug=self.operator.slug,
            user=user or (ids.new() if roles else None),
            roles=held,
            permissions=permissions_of(held),
            request_id=ids.request_id(),
            locale="en",
            currency=self.operator.currency,
            key=key,
        )

    def system(self, room: str = "tests") -> Call:
        """A call of the house itself for this operator."""
        return system(self.tenant, room, slug=self.operator.slug)

    def admin(self) -> Call:
        """A call of an administrator of this operator."""
        return self.call("admin")

    async def rider(self, **fields: Any) -> Call:
        """A newly registered customer's call."""
        from fahrwerk.identity import contract as identity

        n = next(_numbers)
        values: dict[str, Any] = {
            "email": f"rider{n}@{self.operator.slug}.example",
            "phone": None,
            "password": PASSWORD,
            "first_name": "Ada",
            "last_name": f"Rider {n}",
        }
        person = await identity.register(self.system(), **(values | fields))
        return self.call("customer", user=person.id)

    async def vehicle(
        self,
        vehicle_type: str = "scooter",
        latitude: float = 52.52,
        longitude: float = 13.405,
        *,
        connected: bool = False,
        **fields: Any,
    ) -> Vehicle:
        """A vehicle, available; by default one without a device (opens without MQTT)."""
        from fahrwerk.fleet import contract as fleet

        n = next(_numbers)
        values: dict[str, Any] = {
            "identifier": f"V{n}",
            "model": "Ninebot ES4",
            "brand": "Segway",
        }
        return await fleet.create_vehicle(
            self.admin(),
            fleet.NewVehicle(
                vehicle_type=vehicle_type,
                latitude=latitude,
                longitude=longitude,
                is_connected=connected,
                **(values | fields),
            ),
        )

    async def card(self, rider: Call, token: str = "tok_visa") -> UUID:
        """A payment method of the rider at the sandbox gateway."""
        from fahrwerk.payments import contract as payments

        return (await payments.add_method(rider, token, True)).id

    async def settle(self) -> None:
        """Let everything that is due happen: events handled, every nudge run, until quiet."""
        pump = Pump()
        for _ in range(20):
            await pump.drain()
            before = [(reader.xid, reader.position) for reader in pump.readers]
            for nudge in jobs.nudges:
                for _ in range(50 if nudge.name not in _ELSEWHERE else 0):
                    if await nudge.function() is not True:
                        break  # else there is more: what other tests have left, too
            await pump.drain()
            if before == [(reader.xid, reader.position) for reader in pump.readers]:
                return

    def token(self, call: Call) -> str:
        """An access token for this call's person."""
        assert call.user is not None
        return crypto.issue_token(call.user, self.tenant, call.roles, ids.new())

    def client(self, call: Call | None = None, **headers: str) -> httpx.AsyncClient:
        """An HTTP client on the real application, as this caller."""
        own = {"X-Tenant-ID": self.operator.slug, "Origin": "https://test", **headers}
        if call is not None:
            own["Authorization"] = f"Bearer {self.token(call)}"
        transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=own)


def http_app() -> Litestar:
    """The real application, once per process, with limits out of the way of tests."""
    global _app
    if _app is None:
        generous = Settings(rate_limits="all=1000000/minute")
        _app = composition.create_http_app(generous, own_ground=False)
    return _app


async def make_world(**fields: Any) -> World:
    """A new operator with its default tariffs."""
    from fahrwerk.tenancy import contract as tenancy

    n = next(_numbers)
    tenant = ids.new()
    wanted = tenancy.Operator(
        id=tenant,
        slug=f"t{n}-{tenant.hex[-8:]}",
        name=f"Operator {n}",
        **fields,
    )
    operator = await tenancy.create_operator(
        Call(tenant=None, permissions=frozenset({"*"}), service="tests"), wanted
    )
    world = World(operator)
    await Pump().drain()
    return world
