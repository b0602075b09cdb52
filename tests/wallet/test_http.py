"""Wallets over HTTP, as apps, the portal and staff use them."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.wallet import contract
from fahrwerk.wallet.http import live
from tests.wallet.test_topup import me
from tests.world import World, http_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def loaded(world: World, amount: int = 5_000) -> Call:
    rider = await world.rider()
    await contract.open_topup(rider, amount, await world.card(rider), None)
    return rider


async def test_balance_and_top_up(world: World) -> None:
    """WAL-01, WAL-06, WAL-13, WAL-14, WAL-29: amounts in decimals, cents and words."""
    rider = await world.rider()
    card = ids.public("pm", await world.card(rider))
    async with world.client(rider, **{"Accept-Language": "en"}) as client:
        empty = (await client.get("/api/v1/wallet")).json()
        assert (empty["amount"], empty["lowBalance"], empty["lastUpdated"]) == (0.0, True, None)
        wish = {"amount": "100.00", "payment_method_id": card}
        headers = {"Idempotency-Key": "one"}
        made = await client.post("/api/v1/wallet/topups", json=wish, headers=headers)
        assert made.status_code == 201, made.text
        again = await client.post("/api/v1/wallet/topups", json=wish, headers=headers)
        assert again.json() == made.json()
        assert made.json()["status"] == "credited"
        assert made.json()["bonus"] == 10.0
        found = await client.get("/api/v1/wallet")
        own = found.json()
        assert (own["balance_cents"], own["currency"], own["formatted"]) == (
            11_000,
            "EUR",
            "€110.00",
        )
        assert own["lowBalance"] is False
        same = await client.get("/api/v1/wallet", headers={"If-None-Match": found.headers["etag"]})
        assert same.status_code == 304  # polling costs little (WAL-11)
        listed = (await client.get("/api/v1/wallet/topups")).json()["topups"]
        assert [each["id"] for each in listed] == [made.json()["id"]]


async def test_a_session_is_paid_with_a_new_card(world: World) -> None:
    """WAL-13: opened, then paid at its address with what the gateway gave to the client."""
    rider = await world.rider()
    async with world.client(rider) as client:
        made = (await client.post("/api/v1/wallet/topups", json={"amount": 20})).json()
        assert made["status"] == "open"
        paid = await client.post(made["checkout_url"], json={"gateway_token": "tok_visa"})
        assert paid.json()["status"] == "credited", paid.text
        assert paid.json()["checkout_url"] is None


@pytest.mark.parametrize(
    "amount", ["0", "-5", "4.99", "10.001", "500.01", "1e30", "NaN", "Infinity", True, None, "x"]
)
async def test_bad_amounts(world: World, amount: object) -> None:
    """WAL-13: 400 with the field; nothing begins."""
    rider = await world.rider()
    async with world.client(rider) as client:
        refused = await client.post("/api/v1/wallet/topups", json={"amount": amount})
        assert refused.status_code == 400, refused.text
        assert refused.json()["error"]["code"] == "VALIDATION_ERROR"
        assert (await client.get("/api/v1/wallet/topups")).json()["topups"] == []


async def test_transactions_page_by_page_and_as_csv(world: World) -> None:
    """WAL-02, WAL-24, C-50: cursors, filters, an export without formulas."""
    rider = await loaded(world)
    words = ["=1+1", "Ride", "-3", "Parking"]
    for number, text in enumerate(words * 3):
        await contract.charge_usage(world.admin(), me(rider), 100, text, f"k{number}")
    async with world.client(rider) as client:
        seen, after, pages = [], None, 0
        while pages == 0 or after:
            query = {"first": "5"} | ({"after": after} if after else {})
            page = (await client.get("/api/v1/wallet/transactions", params=query)).json()
            seen += page["transactions"]
            after, pages = page["next"], pages + 1
        assert (len(seen), pages) == (13, 3)
        assert [each["amount_cents"] for each in seen] == [-100] * 12 + [5_000]
        assert seen[0]["balance"] == 38.0
        usage = await client.get("/api/v1/wallet/transactions", params={"type": "topup"})
        assert [each["type"] for each in usage.json()["transactions"]] == ["topup"]
        for bad in ("x", "d3R4OjA=", "d3R4Ojk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="):
            refused = await client.get("/api/v1/wallet/transactions", params={"after": bad})
            assert refused.status_code == 400
        export = await client.get("/api/v1/wallet/transactions/export")
        rows = list(csv.reader(io.StringIO(export.text)))
        assert rows[0][:3] == ["at", "id", "type"]
        assert len(rows) == 14
        assert [row[6] for row in rows[1:5]] == ["Parking", "'-3", "Ride", "'=1+1"]
        assert rows[1][3] == "-1.00"


async def test_statistics_and_chart(world: World) -> None:
    """WAL-25, WAL-26, WAL-27: sums, remembered for a minute; empty bars too."""
    rider = await loaded(world)
    await contract.charge_usage(world.admin(), me(rider), 700, "Ride", "a")
    async with world.client(rider) as client:
        first = (await client.get("/api/v1/wallet/statistics")).json()
        assert first == {"spent": 7.0, "topped": 50.0, "count": 2, "currency": "EUR"}
        await contract.charge_usage(world.admin(), me(rider), 100, "Ride", "b")
        assert (await client.get("/api/v1/wallet/statistics")).json() == first
        chart = (await client.get("/api/v1/wallet/usage")).json()
        assert sum(bar["spent"] for bar in chart["bars"]) == 8.0
        assert len(chart["bars"]) in (30, 31)
        now = clock.now()
        span = {"from": (now - timedelta(days=3650)).isoformat(), "to": now.isoformat()}
        refused = await client.get("/api/v1/wallet/usage", params=span)
        assert refused.status_code == 400
        months = await client.get("/api/v1/wallet/usage", params=span | {"group_by": "month"})
        assert len(months.json()["bars"]) in (120, 121)
        naive = await client.get("/api/v1/wallet/usage", params={"from": "2026-01-01T00:00:00"})
        assert naive.status_code == 400


async def test_how_much_to_load(world: World) -> None:
    """WAL-31: round(spent * 1.2 / 10) * 10, as far as the balance lacks it."""
    rider = await loaded(world)
    async with world.client(rider) as client:
        path = "/api/v1/wallet/recommendation"
        assert (await client.get(path)).json() == {"amount": 0.0, "currency": "EUR"}
        await contract.charge_usage(world.admin(), me(rider), 4_600, "Rides", "a")
        assert (await client.get(path)).json()["amount"] == 60.0  # 55.20 -> 60, less 4, in tens


async def test_lists_are_one_statement(world: World) -> None:
    """WAL-28: no query for each row."""
    rider = await loaded(world)
    for number in range(30):
        await contract.charge_usage(world.admin(), me(rider), 10, "Ride", f"k{number}")
    token = db.statements.set([])
    try:
        page = await contract.transactions(rider, me(rider), contract.TransactionFilter(), None, 30)
        assert len(page.transactions) == 30
        assert len(db.statements.get() or []) == 1
    finally:
        db.statements.reset(token)


async def test_auto_top_up_settings(world: World) -> None:
    """WAL-33: updateAutoTopup."""
    rider = await world.rider()
    async with world.client(rider) as client:
        refused = await client.patch("/api/v1/wallet/auto-topup", json={"enabled": True})
        assert refused.json()["error"]["details"]["field"] == "payment_method_id"
        card = ids.public("pm", await world.card(rider))
        wish = {"enabled": True, "threshold": "12.50", "amount": "30", "payment_method_id": card,
                "day_limit": "60", "month_limit": "300"}  # fmt: skip
        auto = (await client.patch("/api/v1/wallet/auto-topup", json=wish)).json()["auto_topup"]
        assert (auto["enabled"], auto["threshold"], auto["amount"]) == (True, 12.5, 30.0)
        assert auto["payment_method_id"] == card
        off = await client.patch("/api/v1/wallet/auto-topup", json={"enabled": False})
        assert off.json()["auto_topup"]["amount"] == 30.0


async def test_staff_and_the_operators_systems(world: World) -> None:
    """WAL-32: processUsage; goodwill with a reason; freeze. None of it for riders."""
    rider = await loaded(world)
    user = ids.public("usr", me(rider))
    usage = {"user_id": user, "amount": "2.50", "description": "Parking", "key": "p1"}
    gift = {"amount": "3.00", "reason": "Broken brake"}
    async with world.client(await world_staff(world, "admin")) as client:
        done = [await client.post("/api/v1/wallet/usage", json=usage) for _ in range(2)]
        assert [each.status_code for each in done] == [201, 201]
        assert done[0].json() == done[1].json()
        assert done[0].json()["amount"] == -2.5
        short = await client.post("/api/v1/wallet/usage", json=usage | {"amount": 99, "key": "p2"})
        assert (short.status_code, short.json()["error"]["code"]) == (400, "INSUFFICIENT_BALANCE")
        other = await client.post("/api/v1/wallet/usage", json=usage | {"amount": 3})
        assert (other.status_code, other.json()["error"]["code"]) == (409, "WALLET_KEY_REUSED")
        given = await client.post(f"/api/v1/wallets/{user}/adjustments", json=gift)
        assert given.json()["amount"] == 3.0
        none = await client.post(f"/api/v1/wallets/{user}/adjustments", json=gift | {"reason": " "})
        assert none.status_code == 400
        nobody = ids.public("usr", ids.new())
        for method, path in (("POST", "adjustments"), ("PUT", "freeze")):
            url = f"/api/v1/wallets/{nobody}/{path}"
            body = gift if path == "adjustments" else {"reason": "x"}
            assert (await client.request(method, url, json=body)).status_code == 404
        frozen = await client.put(f"/api/v1/wallets/{user}/freeze", json={"reason": "Fraud?"})
        assert frozen.json()["frozen_reason"] == "Fraud?"
        stopped = await client.post("/api/v1/wallet/usage", json=usage | {"key": "p3"})
        assert stopped.json()["error"]["code"] == "WALLET_FROZEN"
        free = await client.delete(f"/api/v1/wallets/{user}/freeze")
        assert free.json()["frozen"] is False
        own = (await client.get("/api/v1/wallet-settings")).json()
        assert (own["bonus_from"], own["bonus"]) == (100.0, 10.0)
        put = await client.put("/api/v1/wallet-settings", json=own | {"bonus": 5})
        assert put.json()["bonus"] == 5.0
        wrong = await client.put("/api/v1/wallet-settings", json=own | {"least": 600})
        assert wrong.status_code == 400
    async with world.client(await world.rider()) as client:
        assert (await client.get(f"/api/v1/wallets/{user}")).status_code == 403
        assert (await client.post("/api/v1/wallet/usage", json=usage)).status_code == 403
        url = f"/api/v1/wallets/{user}/adjustments"
        assert (await client.post(url, json=gift)).status_code == 403
    async with world.client(await world_staff(world, "support")) as client:
        assert (await client.get(f"/api/v1/wallets/{user}")).json()["amount"] == 50.5
        listed = (await client.get(f"/api/v1/wallets/{user}/transactions")).json()
        assert [each["type"] for each in listed["transactions"]] == ["adjustment", "usage", "topup"]
        assert (await client.get("/api/v1/wallet-settings")).status_code == 403


async def world_staff(world: World, role: str) -> Call:
    return world.call(role)


class Listener:
    """Reads server-sent events as they come from the real application: ASGI clients would wait."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.gone = asyncio.Event()

    async def next(self, seconds: float = 5.0) -> tuple[str, dict[str, object]]:
        """The next event's id and data."""
        async with asyncio.timeout(seconds):
            while True:
                text = (await self.chunks.get()).decode()
                if "event: balance" in text:
                    head, _, data = text.partition("\ndata: ")
                    return head.partition("\n")[0].removeprefix("id: "), json.loads(data)

    async def receive(self) -> dict[str, object]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]  # type: ignore[assignment]
            self.headers = dict(message["headers"])  # type: ignore[call-overload]
        elif message.get("body"):
            self.chunks.put_nowait(message["body"])  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def listening(world: World, rider: Call, known: str = "") -> AsyncIterator[Listener]:
    """The balance stream of a rider, for the block."""
    listener = Listener()
    headers = [
        (b"host", b"test"), (b"x-tenant-id", world.operator.slug.encode()),
        (b"authorization", f"Bearer {world.token(rider)}".encode()),
    ]  # fmt: skip
    if known:
        headers.append((b"last-event-id", known.encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/portal/balance/stream", "raw_path": b"/portal/balance/stream",
        "query_string": b"", "root_path": "", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("test", 80), "state": {},
    }  # fmt: skip
    app: Any = http_app()
    task = asyncio.create_task(app(scope, listener.receive, listener.send))
    try:
        yield listener
    finally:
        listener.gone.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_balance_as_a_stream(world: World) -> None:
    """WAL-04, WAL-10, WAL-12: at once, then at each change; resumed without repeating itself."""
    rider = await loaded(world)
    async with listening(world, rider) as stream:
        first, data = await stream.next()
        assert stream.status == 200
        assert stream.headers[b"x-accel-buffering"] == b"no"
        assert data["balance_cents"] == 5_000
        await contract.charge_usage(world.admin(), me(rider), 4_500, "Ride", "a")
        seen = 5_000
        while seen != 500:
            last, data = await stream.next()
            seen = data["balance_cents"]  # type: ignore[assignment]
        while data["version"] != 2:
            last, data = await stream.next()
        assert data["lowBalance"] is True
        assert last != first
    async with listening(world, rider, known=last) as again:
        with pytest.raises(TimeoutError):
            await again.next(0.5)
        await contract.adjust(world.admin(), me(rider), 100, "Sorry", "b")
        assert (await again.next())[0] != last


async def test_a_lost_signal_is_made_up_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """WAL-10: looked at every two seconds, for all streams together."""
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.2)
    rider = await loaded(world)
    async with listening(world, rider) as stream:
        await stream.next()
        await asyncio.sleep(0.5)
        monkeypatch.setattr("fahrwerk.kernel.live.Hub.signal", lambda *_: None)
        monkeypatch.setattr("fahrwerk.kernel.live.Hub._deliver", lambda *_: None)
        await contract.charge_usage(world.admin(), me(rider), 100, "Ride", "a")
        assert (await stream.next())[1]["balance_cents"] == 4_900


async def test_somebody_elses_stream(world: World) -> None:
    """I7: one hears of one's own balance only."""
    rider, other = await loaded(world), await loaded(world)
    async with listening(world, other) as stream:
        await stream.next()
        await contract.charge_usage(world.admin(), me(rider), 100, "Ride", "a")
        with pytest.raises(TimeoutError):
            await stream.next(0.5)
