"""The API against machine-made requests, over real sockets (API-02, API-11, GDP-25).

Schemathesis reads the document that the running platform serves, makes requests that fit it and
requests that do not, and sends them as a rider, as staff and as an administrator. Whatever comes:
no 500, one error format, and answers as documented.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fahrwerk.kernel.settings import ROOMS
from tests.journeys.people import City
from tests.journeys.test_ride import eventually

pytestmark = pytest.mark.process
SEED = 20261120
EXAMPLES = 16
"""Of each operation, fitting and not fitting."""
CALLERS = ("rider",) * 3 + ("admin",) * 3 + ("provider", "support", "nobody")
TAGS = (*ROOMS, "operations")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


class Stage:
    """An operator in the middle of its day, and who calls."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.ids: dict[str, list[str]] = {}
        """Good values by the name of what they are for."""
        self.callers: dict[str, httpx.AsyncClient] = {}

    async def set_up(self) -> None:
        """Vehicles without a device, so that everything goes at once; a ride, a booking."""
        city = self.city
        rider = await city.rider()
        self.callers = {"rider": rider, "admin": city.admin}
        self.callers |= {role: city.client(role) for role in ("provider", "support")}
        answer = await city.admin.patch("/api/v1/tenant", json={"max_active_rentals": 100})
        assert answer.status_code == 200, answer.text
        vehicles = [await self._vehicle(f"SC{n:03}") for n in range(30)]
        ride = await self._posted(rider, "/api/v1/rentals", {"vehicle_id": vehicles[0]})
        await self._posted(rider, f"/api/v1/rentals/{ride['id']}/end", {"rating": 5})
        under_way = await self._posted(rider, "/api/v1/rentals", {"vehicle_id": vehicles[1]})
        booking = (await self._posted(rider, "/bookings", {"vehicle_id": vehicles[2]}))["booking"]
        command = await self._posted(
            city.admin, f"/api/v1/vehicles/{vehicles[3]}/commands", {"command": "unlock"}
        )
        methods = (await rider.get("/api/v1/payment-methods")).json()["payment_methods"]
        paid = await eventually(
            lambda: _json(rider, "/api/v1/payments"), lambda p: len(p["payments"]) == 2
        )
        somebody = await city.rider(None)
        me = await _json(somebody, "/api/v1/users/me")
        rentals = [ride["id"], under_way["id"], booking["id"]]
        self.ids = {
            "vehicle_id": vehicles,
            "rental_id": rentals,
            "booking_id": rentals,
            "payment_id": [each["id"] for each in paid["payments"]],
            "method_id": [each["id"] for each in methods],
            "command_id": [command["id"]],
            "user": [me["id"]],
            "vehicle_type": ["scooter", "ebike", "car", "van"],
            "gateway": ["sandbox"],
            # and elsewhere than in paths
            "scooter_id": vehicles,
            "payment_method_id": [each["id"] for each in methods],
            "user_id": [me["id"]],
            "promo_code": ["WELCOME10"],
            "gateway_token": ["tok_visa", "tok_chargeDeclined"],
        }

    async def _vehicle(self, identifier: str) -> str:
        body = {
            "identifier": identifier,
            "model": "Ninebot ES4",
            "brand": "Segway",
            "location": {"latitude": 52.52, "longitude": 13.405},
            "is_connected": False,
        }
        return str((await self._posted(self.city.admin, "/api/v1/scooters", body))["id"])

    async def _posted(self, client: httpx.AsyncClient, path: str, body: Any) -> Any:
        answer = await client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def session(self, caller: str) -> requests.Session:
        """The caller's headers, for Schemathesis."""
        made = requests.Session()
        made.headers.update({"X-Tenant-ID": self.city.slug})
        if caller in self.callers:
            made.headers["Authorization"] = self.callers[caller].headers["authorization"]
        return made


async def _json(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).json()


@pytest.fixture
async def stage(city: City) -> Stage:
    made = Stage(city)
    await made.set_up()
    return made


def _operations(url: str, room: str) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    document = httpx.get(f"{url}/api/openapi.json", timeout=60).json()
    assert {tag["name"] for tag in document["tags"]} <= {*TAGS}, "add the new tag to TAGS"
    for item in document["paths"].values():
        for operation in item.values():
            # Who calls, and for whom, is ours to say: with anything else all would end at the door.
            del operation["security"]
            operation["parameters"] = [
                each
                for each in operation["parameters"]
                if not each.get("$ref", "").endswith("nant")
            ]
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        raw = operation.definition.raw
        is_endless = "text/event-stream" in raw["responses"].get("200", {}).get("content", {})
        if raw["tags"] == [room] and not is_endless:
            yield operation


def _wrong_with(answer: Response) -> Iterator[str]:
    """What our own contract says of every answer."""
    if not answer.headers.get("x-request-id"):
        yield "no X-Request-ID"
    if answer.status_code >= 400:
        if answer.headers["content-type"] != ["application/json"]:
            yield f"an error as {answer.headers['content-type']}"
        else:
            body = answer.json()
            if set(body) != {"error"} or set(body["error"]) != {
                *("code", "message", "details", "request_id")
            }:
                yield f"another error format: {body}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("room", TAGS)
def test_whatever_is_sent_is_answered_as_documented(stage: Stage, room: str) -> None:
    """TST, API-02, API-11: positive and negative data as rider, provider and administrator."""
    found: dict[str, str] = {}
    with contextlib.ExitStack() as open_until_here:
        sessions = {
            caller: open_until_here.enter_context(stage.session(caller)) for caller in {*CALLERS}
        }
        for operation in _operations(stage.city.platform.url, room):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                found |= _tried(stage, sessions, operation, mode)
    assert not found, "\n\n".join(f"{k}\n{v}" for k, v in list(found.items())[:15])


def _tried(
    stage: Stage,
    sessions: dict[str, requests.Session],
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
) -> dict[str, str]:
    """What was wrong with the answers to many requests, and the request for each."""
    found: dict[str, str] = {}
    names = [each.name for each in operation.path_parameters]
    is_known = stage.ids.keys() >= {*names}

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        caller = data.draw(st.sampled_from(CALLERS))
        if names and is_known and data.draw(st.integers(0, 3)):
            # Mostly something that is there, so that more is tried than looking it up.
            good = {name: data.draw(st.sampled_from(stage.ids[name])) for name in names}
            case.path_parameters = good
        if mode is GenerationMode.POSITIVE and data.draw(st.integers(0, 3)):
            case.headers.pop("Idempotency-Key", None)  # the same short ones come again and again
            for part in (case.query, case.body):
                if isinstance(part, dict):
                    for name in sorted(part.keys() & stage.ids.keys()):
                        part[name] = data.draw(st.sampled_from(stage.ids[name]))
        answer = case.call(stage.city.platform.url, session=sessions[caller], timeout=30)
        for wrong in (*_wrong_with(answer), *_not_as_documented(case, answer)):
            key = f"{operation.label} {answer.status_code} {wrong[:60]}"
            found.setdefault(key, f"{mode.value} as {caller}: {wrong}\n{case.as_curl_command()}")

    with contextlib.suppress(Unsatisfiable):  # nothing about it that could be wrong
        send()
    return found


def _not_as_documented(case: Any, answer: Response) -> Iterator[str]:
    # Any text at all may stand in a body that is only text; what it means is said in the answer.
    checks = CHECKS if case.media_type != "text/csv" else CHECKS[:-1]
    try:
        case.validate_response(answer, checks=checks)
    except (FailureGroup, Failure) as failed:
        for each in getattr(failed, "exceptions", [failed]):
            # ?x=null is understood as leaving x out; no harm in it.
            if not ("became null" in str(each) and "in query" in str(each)):
                yield f"{type(each).__name__}: {each}"


async def _said(url: str, what: bytes) -> bytes:
    """What the server answers to bytes, until it closes."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(what)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def test_the_running_server_guards_itself(city: City) -> None:
    """F15, API-02: what is not HTTP, and what asks to be something else; see kernel/test_server."""
    url = city.platform.url
    for what, status, code in (
        (b"\x16\x03\x01 hello", 400, "INVALID_HTTP"),
        (
            b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            404,
            "NOT_FOUND",
        ),
    ):
        head, _, body = (await _said(url, what)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status), head
        assert json.loads(body)["error"]["code"] == code
    assert (await city.admin.get("/health")).json() == {"status": "ok"}


async def test_nobody_says_where_somebody_else_calls_from(city: City) -> None:
    """Rate limits and the audit log go by address: the platform was told of no proxy."""
    invented = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    invented |= {"X-Real-IP": "203.0.113.9", "X-Forwarded-Proto": "https"}
    answer = await city.admin.patch("/api/v1/tenant", json={"name": "Changed"}, headers=invented)
    assert answer.status_code == 200
    owner = await asyncpg.connect(city.platform.owner_dsn)
    try:
        sql = "SELECT DISTINCT address FROM kernel.audit WHERE tenant_id = $1"
        assert [row["address"] for row in await owner.fetch(sql, city.tenant)] == ["127.0.0.1"]
    finally:
        await owner.close()
