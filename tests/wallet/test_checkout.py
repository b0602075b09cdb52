"""WAL-13: a rider without any card loads money at the gateway's page, end to end over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fahrwerk.kernel import clock
from fahrwerk.payments.contract import ledger

if TYPE_CHECKING:
    from tests.world import World


async def test_a_rider_without_a_card(world: World) -> None:
    """Declined first, then paid: credited once, with its bonus, whoever hears of it first."""
    rider = await world.rider()
    async with world.client(rider) as client:
        made = await client.post("/api/v1/wallet/topups", json={"amount": 100})
        path = f"/api/v1/wallet/topups/{made.json()['id']}"
        opened = await client.post(f"{path}/checkout")
        assert opened.status_code == 200, opened.text
        assert opened.json()["status"] == "paying"
        url = opened.json()["next_action"]["url"]
        again = await client.post(f"{path}/checkout")
        assert again.json()["next_action"]["url"] == url
        page = urlsplit(url).path
        await client.post(page, data={"do": "pay", "card": "tok_insufficientFunds"})
        assert (await client.get(path)).json()["status"] == "paying"
        done = await client.post(page, data={"do": "pay", "card": "tok_visa"})
        assert f"/portal/billing/success?topup={made.json()['id']}" in done.headers["location"]
        await world.settle()
        assert (await client.get(path)).json()["status"] == "credited"
        assert (await client.get("/api/v1/wallet")).json()["balance_cents"] == 11_000
        twice = await client.post(f"{path}/checkout")
        assert twice.json()["status"] == "credited"
    with clock.moved_to(clock.now() + timedelta(hours=1)):
        assert await ledger.proof(world.system()) == []


async def test_nobody_pays(world: World) -> None:
    """After half an hour the session is expired, and the page takes nothing any more."""
    rider = await world.rider()
    async with world.client(rider) as client:
        made = await client.post("/api/v1/wallet/topups", json={"amount": 20})
        path = f"/api/v1/wallet/topups/{made.json()['id']}"
        opened = (await client.post(f"{path}/checkout")).json()
        page = urlsplit(opened["next_action"]["url"]).path
        with clock.moved_to(clock.now() + timedelta(minutes=31)):
            await world.settle()
            await world.settle()
        assert (await client.get(path)).json()["status"] == "expired"
        late = await client.post(page, data={"do": "pay", "card": "tok_visa"})
        assert "refused=expired" in late.headers["location"]
        closed = await client.post(f"{path}/checkout")
        assert (closed.status_code, closed.json()["error"]["code"]) == (409, "TOPUP_CLOSED")
        assert (await client.get("/api/v1/wallet")).json()["balance_cents"] == 0
