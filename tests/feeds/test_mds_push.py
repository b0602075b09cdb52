"""Pushing to a city's own server: in order, until taken, whatever the server does."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from fahrwerk.feeds.actions import push
from fahrwerk.feeds.contract import agencies
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db, outside
from fahrwerk.kernel.errors import Invalid
from tests.feeds.mds_reading import JSON, City, city
from tests.feeds.reading import said
from tests.feeds.schemas import array
from tests.feeds.schemas import mds as schemas
from tests.feeds.test_mds import ridden
from tests.world import World

URL = "https://mds.city.example/agency"
SHAPES = {
    "vehicles": schemas.vehicle, "events": schemas.event, "trips": schemas.trip,
    "telemetry": schemas.telemetry,
}  # fmt: skip


class Server:
    """A city's Agency API: takes what is valid, or answers as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[tuple[str, str, Any]] = []
        self.answers: list[httpx.Response | Exception] = []
        self.refuses: set[str] = set()
        self.vehicles: set[str] = set()
        self.asked = 0

        def stranger(name: str, base_url: str, **about: Any) -> outside.Peer:
            assert base_url == "https://mds.city.example"
            about.pop("is_dev")
            return outside.Peer(name, base_url, transport=httpx.MockTransport(self), **about)

        monkeypatch.setattr(outside, "stranger", stranger)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert request.headers["authorization"] == "Bearer city-secret-1"
        assert request.headers["content-type"] == request.headers["accept"] == JSON
        path, name = request.url.path.rsplit("/", 1)
        assert path == "/agency"
        items = msgspec.json.decode(request.content)
        jsonschema_rs.validate(array(SHAPES[name]("micromobility"), 1), items)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if any(str(each.get("event_id")) in self.refuses for each in items):
            return httpx.Response(400, json={"error": "bad_param"})
        known = {each["device_id"] for each in items}
        if name == "vehicles":
            if request.method == "POST" and known & self.vehicles:
                return httpx.Response(409, json={"error": "already_registered"})
            if request.method == "POST":
                self.vehicles |= known
        if known - self.vehicles:
            failures = [{"item": {}, "error": "unregistered"}]
            return httpx.Response(201, json={"success": 0, "total": 1, "failures": failures})
        self.taken += [(request.method, name, each) for each in items]
        return httpx.Response(
            201, json={"success": len(items), "total": len(items), "failures": []}
        )

    def events(self) -> list[str]:
        return [t for _, name, each in self.taken if name == "events" for t in each["event_types"]]


@pytest.fixture
def agency_server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


async def subscribed(world: World, *, has_telemetry: bool = False) -> City:
    berlin = await city(world)
    wish = agencies.SubscriptionWish(url=URL, token="city-secret-1", has_telemetry=has_telemetry)
    await agencies.subscribe(world.admin(), berlin.id, "micromobility", wish)
    return berlin


async def state(berlin: City) -> agencies.Subscription:
    found = await agencies.agency(berlin.world.admin(), berlin.id)
    return found.subscriptions[0]


async def turn(world: World) -> None:
    """Its pause is over."""
    await db.run("feeds", world.system("feeds"), "UPDATE feeds.subscription SET due_at = now()")
    while await push.push_due():
        pass


async def test_all_is_pushed_in_order(world: World, agency_server: Server) -> None:
    """Vehicles before their events, events before the trip; valid; nothing twice."""
    berlin = await subscribed(world)
    vehicle = await world.vehicle()
    await world.vehicle("car")
    await ridden(world, vehicle, (52.523, 13.41))
    await turn(world)
    assert agency_server.events() == [
        "provider_drop_off",
        "reservation_start",
        "trip_start",
        "trip_end",
    ]
    names = [name for _, name, _ in agency_server.taken]
    assert names[0] == "vehicles"
    assert names.count("vehicles") == names.count("trips") == 1
    done = await state(berlin)
    assert (done.events_behind, done.trips_behind, done.failures, done.error) == (0, 0, 0, None)
    count = len(agency_server.taken)
    await turn(world)
    assert len(agency_server.taken) == count
    change = fleet.VehicleChange(model="Other")
    await fleet.change_vehicle(world.admin(), vehicle.id, change)
    await world.settle()
    await turn(world)
    assert [
        (m, n, v["vehicle_attributes"]["model"]) for m, n, v in agency_server.taken[count:]
    ] == [("PUT", "vehicles", "Other")]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503),
        httpx.Response(429),
        httpx.Response(401, json={"error": "unauthorized"}),
        httpx.Response(406),
        httpx.ConnectError("down"),
        httpx.ReadTimeout("slow"),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
    ],
    ids=str,
)
async def test_a_server_in_trouble_loses_nothing(
    world: World, agency_server: Server, trouble: httpx.Response | Exception
) -> None:
    """What was not taken is sent again, from the very place; the pauses grow; staff see why."""
    berlin = await subscribed(world)
    await world.vehicle()
    agency_server.answers = [trouble]
    await world.settle()
    while agency_server.answers:
        await turn(world)
    seen = await state(berlin)
    assert seen.failures in (0, 1)
    await turn(world)
    assert agency_server.events() == ["provider_drop_off"]
    assert (await state(berlin)).failures == 0


async def test_pauses_grow_and_are_waited_for(world: World, agency_server: Server) -> None:
    berlin = await subscribed(world)
    await world.vehicle()
    agency_server.answers = [httpx.Response(503) for _ in range(50)]
    await world.settle()
    for _ in range(4):
        await turn(world)
    seen = await state(berlin)
    assert seen.failures >= 4
    assert seen.error == "POST vehicles was answered 503"
    asked = agency_server.asked
    await push.push_due()
    assert agency_server.asked == asked, "not before its time"


async def test_one_bad_record_does_not_hold_up_the_rest(
    world: World, agency_server: Server
) -> None:
    berlin = await subscribed(world)
    first, second = await world.vehicle(), await world.vehicle()
    agency_server.answers = [httpx.Response(503)]
    await world.settle()
    rows = await db.run("feeds", world.system("feeds"), _IDS, first.id)
    agency_server.answers, agency_server.refuses = [], {str(rows[0]["id"])}
    await turn(world)
    sent = [each["device_id"] for _, name, each in agency_server.taken if name == "events"]
    assert sent == [str(second.id)]
    seen = await state(berlin)
    assert (seen.refused, seen.events_behind) == (1, 0)
    assert "400" in (seen.last_refused or "")


_IDS = """
SELECT id FROM feeds.told_event WHERE tenant_id = kernel.tenant() AND vehicle_id = $1
"""


async def test_a_server_that_forgets_is_told_again(world: World, agency_server: Server) -> None:
    """409 for a vehicle it has: PUT; "unregistered": registered anew, then the event."""
    await subscribed(world)
    vehicle = await world.vehicle()
    agency_server.vehicles = {str(vehicle.id)}
    await world.settle()
    await turn(world)
    assert [method for method, name, _ in agency_server.taken if name == "vehicles"] == ["PUT"]
    agency_server.vehicles = set()
    await fleet.change_vehicle(world.admin(), vehicle.id, fleet.VehicleChange(status="maintenance"))
    await world.settle()
    await turn(world)
    await turn(world)
    assert agency_server.events() == ["provider_drop_off", "maintenance"]
    assert [m for m, name, _ in agency_server.taken if name == "vehicles"] == ["PUT", "POST"]


async def test_readings_are_pushed_where_wanted(world: World, agency_server: Server) -> None:
    await subscribed(world, has_telemetry=True)
    vehicle = await world.vehicle()
    await world.settle()
    rewind = "UPDATE feeds.subscription SET telemetry_at = telemetry_at - interval '12 minutes'"
    await db.run("feeds", world.system("feeds"), rewind)
    for minutes in (11, 7, 2):
        at = clock.from_millis(clock.millis(clock.now()) - minutes * 60_000)
        await said(world, vehicle, at, 52.52, 13.405, 70)
    await turn(world)
    await turn(world)
    read = [each for _, name, each in agency_server.taken if name == "telemetry"]
    assert [each["battery_percent"] for each in read] == [70, 70, 70]
    assert len({each["telemetry_id"] for each in read}) == 3


async def test_the_citys_token_is_sealed(world: World, agency_server: Server) -> None:
    """Nobody reads it out of the database; only public https addresses are called."""
    berlin = await subscribed(world)
    rows = await db.run("feeds", world.system("feeds"), "SELECT * FROM feeds.subscription")
    assert b"city-secret-1" not in bytes(rows[0]["token"])
    async with world.client(world.admin()) as client:
        text = (await client.get("/api/v1/feeds/agencies")).text
        assert "city-secret-1" not in text
        assert URL in text
    for url in ("http://mds.city.example/", "ftp://x.example/", "https://a b/", "file:///etc"):
        wish = agencies.SubscriptionWish(url=url, token="city-secret-1")
        with pytest.raises(Invalid):
            await agencies.subscribe(world.admin(), berlin.id, "micromobility", wish)
    await agencies.unsubscribe(world.admin(), berlin.id, "micromobility")
    assert (await agencies.agency(world.admin(), berlin.id)).subscriptions == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]"])
async def test_addresses_within_are_never_called(host: str) -> None:
    """A name that a user gave must not lead into our own network."""
    peer = outside.stranger("agency", f"https://{host}")
    with pytest.raises(outside.NotReached):
        await peer.call("POST", "/vehicles")
    with pytest.raises(ValueError, match="https"):
        outside.stranger("agency", "http://city.example")
    await peer.close()
