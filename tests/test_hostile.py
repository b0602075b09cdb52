"""Requests that mean no good: one error format, the right status, and nothing has changed.

Machine-made requests over real sockets are in journeys/test_hostile, slow and silent clients in
kernel/test_server, strangers at the front door in kernel/test_admission.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fahrwerk.identity.rules import permissions_of
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call
from tests.furnished import Goods, Watch, watching
from tests.openapi import (
    Operation,
    body_schema,
    checked,
    document,
    kind_of,
    operations,
    resolved,
    smallest,
)
from tests.rentals.riding import alive
from tests.world import World, make_world

RIDER = Call(tenant=None, permissions=permissions_of(frozenset({"customer"})))
LEFT_BEHIND = {"kernel.idempotency", "kernel.audit"}
"""A refused request may leave its answer to a key, and what staff tried, and nothing else."""


class Day:
    """A furnished operator, and whether anything in it has changed."""

    def __init__(self, goods: Goods, watch: Watch) -> None:
        self.goods = goods
        self.watch = watch
        self.rider, self.admin = goods.callers["customer"], goods.callers["admin"]
        self.platform = goods.world.client(goods.world.call("platform"))

    async def seen(self) -> dict[str, tuple[int, str]]:
        """All rows but those that a refusal may leave."""
        rows = await self.watch.look()
        return {table: row for table, row in rows.items() if table not in LEFT_BEHIND}

    def client_for(self, operation: Operation) -> httpx.AsyncClient:
        """Who gets furthest: the rider whose things these are, else the administrator."""
        permission = operation.said.get("x-permission", "")
        if permission.startswith("tenancy.operator."):
            return self.platform
        riders = ("rentals.", "payments.m", "payments.payment", "identity.self", "fleet.vehicle.un")
        is_riders = permission.startswith(riders) and RIDER.may(permission)
        return self.rider if is_riders else self.admin

    def path_of(self, operation: Operation) -> str:
        """With good names in it."""

        def good(match: re.Match[str]) -> str:
            return self.goods.names.get(match[1], ["scooter"])[0]

        return re.sub(r"\{(\w+)\}", good, operation.path)


@pytest.fixture(scope="module")
async def shared(database: db.Database) -> AsyncIterator[Day]:
    goods = await Goods(await make_world()).furnish()
    watch = await watching(database, goods.world.tenant)
    made = Day(goods, watch)
    yield made
    await watch.owner.close()
    await made.platform.aclose()
    await goods.close()


@pytest.fixture
async def day(shared: Day) -> AsyncIterator[Day]:
    """One day for all tests that leave it as it was, which is looked at after each of them."""
    before = await shared.seen()
    yield shared
    assert await shared.seen() == before, "something has changed"


def with_bodies() -> Iterator[tuple[Operation, dict[str, Any]]]:
    for operation in operations():
        if (schema := body_schema(operation)) is not None:
            yield operation, schema


# --- bodies

DEEP = 100_000
NOT_JSON = (
    *(b"{", b"nul", b"{}x", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{'a': 1}", b"{\"a\": 1,}", b"\x00"),
    *(b'{"\xed\xa0\x80": 1}', b'{"a": "\\ud800"}', b'{"a": "\n"}', b'{"a": NaN}', b'{"a": 1e999}'),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    b"1" * 5_000,
)  # fmt: skip
NOT_THIS = (b"[]", b'"text"', b"1", b"true", b'{"no_such_field": 1}', b'{"__proto__": {"a": 1}}')


async def test_what_is_not_the_body_wanted(day: Day) -> None:
    """API-03: malformed, of another type, with unknown fields, nested without end: 400 each."""
    tried = 0
    for operation, schema in with_bodies():
        client, path = day.client_for(operation), day.path_of(operation)
        wrong = [*NOT_JSON, *(NOT_THIS if schema.get("additionalProperties") is False else ())]
        for body in wrong:
            answer = await client.request(operation.method, path, content=body)
            about = f"{operation.path} {body[:40]!r}"
            error = checked(answer, 400, about=about)
            assert error["code"] in ("VALIDATION_ERROR", "TELEMETRY_NOT_VALID"), about
            assert error["details"]["field"], about
            assert error["details"]["issue"], about
            tried += 1
    assert tried > 600


async def test_bodies_have_a_size(day: Day) -> None:
    """413 before anything is read as JSON; where more is allowed, there is a limit too."""
    ten, most = b" " * 10_000_001, b" " * (12 << 20) + b"{}"
    rental = day.goods.names["rental_id"][0]
    for path, body in (
        ("/bookings", ten),
        ("/api/v1/auth/login", ten),
        ("/api/v1/vehicles/import", ten),
        (f"/api/v1/rentals/{rental}/end", most),
        ("/api/v1/webhooks/sandbox", ten),
        ("/api/v1/telemetry", ten),
    ):
        for key in ({}, {"Idempotency-Key": ids.new().hex}):
            answer = await day.admin.post(path, content=body, headers=key)
            error = checked(answer, 413, about=path)
            assert error["code"] == "PAYLOAD_TOO_LARGE"


JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 10**30, -(10**30), 1.5, -0.0, 1e308, 5e-324),
    *("", "x" * 100_000, "\0", "a\0b", "\u202e", "\ufeff", "🛴" * 50, "\x1b[31m", "\r\nX: y"),
    *("'; DROP TABLE fleet.vehicle; --", "<script>alert(1)</script>", "{{7*7}}", "${jndi:x}"),
    *("NaN", "sNaN", "-Infinity", "1e999999", "1_000", "٣", "../../etc/passwd", "%00", "null"),
    *([], {}, [[[[]]]], {"a": {"b": []}}, ["x"] * 1000, {"$ne": None}),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "2026-05-05"),
)


def what_is_new(field: dict[str, Any], seen: set[str]) -> Iterator[Any]:
    """What fits a field, and of what does not, what was not refused by another one like it."""
    components = {"schemas": document()["components"]["schemas"]}
    fits = jsonschema_rs.validator_for({"allOf": [field], "components": components})
    alike = json.dumps({n: v for n, v in field.items() if n not in ("description", "default")})
    for number, junk in enumerate(JUNK):
        if alike not in seen or fits.is_valid(junk) or number % 10 == len(alike) % 10:
            yield junk
    seen.add(alike)


async def test_no_value_of_any_field_is_our_fault(database: db.Database) -> None:
    """Every field of every body, one at a time: whatever stands in it, no 500."""
    goods = await Goods(await make_world()).furnish()
    day, tried = Day(goods, await watching(database, goods.world.tenant)), 0
    seen: set[str] = set()
    try:
        async with alive(day.goods.world):  # some of it is good, and waits for a vehicle's answer
            for operation, schema in with_bodies():
                client, path = day.client_for(operation), day.path_of(operation)
                for name, field in schema.get("properties", {}).items():
                    for junk in what_is_new(field, seen):
                        body = smallest(schema) | {name: junk}
                        answer = await client.request(operation.method, path, json=body)
                        checked(answer, about=f"{operation.path} {name}={junk!r:.60}")
                        tried += 1
        assert tried > 3000
    finally:
        await day.watch.owner.close()
        await day.platform.aclose()
        await goods.close()


async def test_no_parameter_is_our_fault(day: Day) -> None:
    """The same in queries and paths."""
    for operation in operations():
        if operation.is_endless:
            continue
        client, path = day.client_for(operation), day.path_of(operation)
        needed = {
            p["name"]: str(smallest(p["schema"]))
            for p in map(resolved, operation.said["parameters"])
            if p["in"] == "query" and p["required"]
        }
        for parameter in map(resolved, operation.said["parameters"]):
            for junk in map(str, JUNK) if operation.method == "get" else ():
                if parameter["in"] == "query":
                    query = needed | {parameter["name"]: junk[:8000]}
                    answer = await client.get(path, params=query)
                    checked(answer, about=f"{operation.path}?{parameter['name']}={junk:.60}")
                elif parameter["in"] == "path":
                    name = httpx.URL("/", params={"x": junk[:2000]}).query[2:].decode()
                    asked = operation.path.replace(f"{{{parameter['name']}}}", name)
                    answer = await client.get(re.sub(r"\{\w+\}", "x", asked), params=needed)
                    checked(answer, about=f"{operation.path} {junk:.60}")


@pytest.mark.parametrize("field", ["lat", "lon"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e309", "200", "-200.1", "x", "", "٣°"])
async def test_off_the_globe(day: Day, field: str, value: str) -> None:
    """Coordinates that are none: 400 and which one it was."""
    for path in ("/vehicles/search", "/fleet/available", "/api/v1/scooters"):
        query = {"lat": "52.5", "lon": "13.4"} | {field: value}
        error = checked(await day.rider.get(path, params=query), 400, about=path)
        assert error["details"]["field"] == field
    place = {"latitude": 52.5, "longitude": 13.4}
    name = {"lat": "latitude", "lon": "longitude"}[field]
    vehicle = day.goods.names["vehicle_id"][0]
    bodies = [json.dumps(place | {name: value})]
    bodies += [f'{{"latitude": 0, "longitude": 0, "{name}": {value}}}'] if value else []
    for body in bodies:
        answer = await day.admin.post(f"/api/v1/vehicles/{vehicle}/move", content=body)
        checked(answer, 400, about=body)


@pytest.mark.parametrize(
    "amount",
    [
        *(-1, 0, "0", -0.01, 0.001, "1.001", 1e300, 10**400, "1e999999", "1e-999999", "-Infinity"),
        *(
            "NaN",
            "sNaN",
            "nan",
            "",
            " ",
            "1,5",
            "0x10",
            "1 €",
            [],
            {},
            True,
            "９" * 40,
            999_999_999,
        ),
    ],
)
async def test_amounts_that_are_none(day: Day, amount: Any) -> None:
    """Nothing is refunded, no price set; 400 or, for more than was paid, 409."""
    payment = day.goods.names["payment_id"][-1]
    body = {"reason": "goodwill", "amount": amount}
    answer = await day.admin.post(f"/api/v1/payments/{payment}/refunds", json=body)
    checked(answer, 400, 409, about=repr(amount))
    if amount not in (0, "0", "1e-999999"):  # a price may well be nothing
        prices = {"daily_maximum": 50, "price_per_minute": amount}
        if amount not in (0.001, "1.001"):
            checked(await day.admin.put("/api/v1/tariffs/car", json=prices), 400)
    prices = {"daily_maximum": amount, "price_per_minute": 1}
    checked(await day.admin.put("/api/v1/tariffs/car", json=prices), 400)
    checked(
        await day.admin.post("/api/v1/promotions", json={"code": "ABC", "percent": amount}), 400
    )


# --- how a body is sent


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "text/plain",
            "text/json",
            "application/xml",
            "application/x-www-form-urlencoded",
            "json",
        ),
        *(
            "multipart/form-data; boundary=x",
            "application/x-msgpack",
            "",
            "*/*",
            "application/jsonp",
        ),
    ],
)
async def test_other_media_types_are_refused(day: Day, kind: str) -> None:
    """415: what a browser's form can send without asking is not read as JSON."""
    body = json.dumps({"vehicle_id": day.goods.free}).encode()
    headers = {"Content-Type": kind}
    error = checked(await day.rider.post("/bookings", content=body, headers=headers), 415)
    assert error["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert error["details"]["field"] == "Content-Type"


@pytest.mark.parametrize(
    "coding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip"]
)
async def test_compressed_bodies_are_refused(day: Day, coding: str) -> None:
    """415 unread: a bomb is not unpacked to see that it is one."""
    bomb = zlib.compress(b"\0" * 50_000_000)
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    for path in ("/bookings", "/api/v1/auth/login", "/api/v1/webhooks/sandbox"):
        error = checked(await day.rider.post(path, content=bomb, headers=headers), 415)
        assert error["details"]["field"] == "Content-Encoding"


def _png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that says it is so large, of nothing but zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    more = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + more + pixels + chunk(b"IEND", b"")


def _saved(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


PHOTOS = {
    "a bomb of pixels": _png(50_000, 50_000),
    "more pixels than a number holds": _png(2**31 - 1, 2**31 - 1),
    "a bomb of text": _png(4, 4, (b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 80_000_000))),
    "a bomb of colours": _png(4, 4, (b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 80_000_000))),
    "half of one": _saved(Image.effect_noise((200, 200), 90), "PNG")[:20_000],
    "a page": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "another kind": _saved(Image.new("P", (1, 1)), "GIF"),
    "nothing": b"",
}


@pytest.mark.parametrize("photo", PHOTOS.values(), ids=PHOTOS.keys())
async def test_photos_that_are_none(day: Day, photo: bytes) -> None:
    """RNT-48: 400, and the ride goes on."""
    rental = day.goods.names["rental_id"][1]
    for head in ("data:image/png;base64,", ""):
        body = {"end_photo": head + base64.b64encode(photo).decode()}
        answer = await day.rider.post(f"/api/v1/rentals/{rental}/end", json=body)
        assert checked(answer, 400)["details"]["field"] == "end_photo"
    for text in ("data:text/html;base64,AAAA", "data:image/png,AAAA", "====", "\0", "é", ","):
        answer = await day.rider.post(f"/api/v1/rentals/{rental}/end", json={"end_photo": text})
        checked(answer, 400)


async def test_a_method_is_what_it_says(day: Day) -> None:
    """No header, field or form turns one method into another; unknown ones are 405 or 404."""
    method = day.goods.names["method_id"][0]
    path = f"/api/v1/payment-methods/{method}"
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        for way in ("GET", "POST"):
            answer = await day.rider.request(way, path, headers={header: "DELETE"})
            checked(answer, 405)
    checked(await day.rider.post(f"{path}?_method=DELETE", content=b"_method=DELETE"), 405)
    for way in ("TRACE", "CONNECT", "PROPFIND", "PATCH", "PUT", "FOO", "delete "):
        answer = await day.rider.request(way, path)
        assert checked(answer, 405, 404)["code"] in ("METHOD_NOT_ALLOWED", "NOT_FOUND")
    allowed = await day.rider.options(path)
    assert (allowed.status_code, "DELETE" in allowed.headers["allow"]) == (204, True)


@pytest.mark.parametrize(
    ("known", "status"),
    [("*", 304), ('"', 200), ('"x', 200), ("W/", 200), ('W/"x", "y"', 200), (",,,,", 200),
     ("\x7f", 200), ("x" * 60_000, 200), ("é", 200)],
)  # fmt: skip
async def test_conditions_that_make_no_sense(day: Day, known: str, status: int) -> None:
    """RFC 9110: what does not match is not a match; other conditions are not ours."""
    headers = {b"If-None-Match": known.encode(), b"If-Modified-Since": b"yesterday",
               b"If-Match": b"*", b"Range": b"bytes=0-1,-9", b"If-Range": b"x"}  # fmt: skip
    answer = await day.rider.get("/api/v1/tenant", headers=headers)
    assert answer.status_code == status
    tag = answer.headers["etag"]
    for same in (f"W/{tag}", f'"other", {tag}', f" {tag} "):
        again = await day.rider.get("/api/v1/tenant", headers={"If-None-Match": same})
        assert (again.status_code, again.content) == (304, b"")


# --- places


@pytest.mark.parametrize("folder", ["/api/docs", "/front"])
@pytest.mark.parametrize(
    "name",
    [
        *("..%2f..%2fsettings.py", "%2e%2e", "....//x", "..\\..\\x", "%5c..%5cx", "a%00.js"),
        *(
            "*.js",
            "**",
            "a**b",
            "[",
            "~root",
            "%2fetc%2fpasswd",
            "file:%2f%2f",
            "CON",
            "x" * 5000,
        ),
        *("__init__.py", "page.html.j2", "swagger-ui.css%00", ".%2fstart.js"),
    ],
)
async def test_files_are_looked_up_not_looked_for(world: World, folder: str, name: str) -> None:
    """Path traversal, globs, names too long: 404."""
    async with world.client() as client:
        checked(await client.get(f"{folder}/{name}"), 404)


@pytest.mark.parametrize("host", ["[::1", "[", "a@b", "x" * 5000, "evil.example", "a:b:c", "%00"])
async def test_hosts_that_are_none(day: Day, host: str) -> None:
    """The Host header names an operator or nobody; it is not repeated into links of others."""
    rental = day.goods.names["rental_id"][-1]
    headers = {b"host": host.encode()}
    for path in (f"/api/v1/rentals/{rental}/receipt", "/api/v1/tenant", "/"):
        answer = await day.rider.get(path, headers=headers)
        checked(answer, about=path)


# --- at random


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
async def test_any_bytes_at_all(world: World, body: bytes) -> None:
    """No body is our fault."""
    async with world.client() as client:
        answer = await client.post("/api/v1/auth/login", content=body)
        checked(answer, 400, 401)


def _deep(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=4) | st.dictionaries(
        st.text(max_size=8), children, max_size=4
    )


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    _deep,
    max_leaves=12,
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_any_json_at_all(world: World, data: st.DataObject) -> None:
    """Of the right fields with anything in them."""
    operation, schema = data.draw(st.sampled_from(list(with_bodies())))
    names = sorted(kind_of(schema).get("properties", {"x": None}))
    body = data.draw(st.dictionaries(st.sampled_from(names), _ANYTHING, max_size=5))
    path = re.sub(r"\{\w+\}", "nothing", operation.path)
    async with world.client(world.call("admin", "customer")) as client:
        answer = await client.request(operation.method, path, json=body)
        checked(answer, about=f"{operation.path} {body}")


async def test_two_who_do_the_same_wrong_at_once(day: Day) -> None:
    """F12: a hundred at a time of what is refused leaves nothing behind either."""
    wrong = [day.rider.post("/bookings", json={"vehicle_id": "nothing"}) for _ in range(50)]
    wrong += [day.rider.post("/bookings", content=b"{") for _ in range(50)]
    for answer in await asyncio.gather(*wrong):
        checked(answer, 404, 400)
