"""Attacks on the platform as a whole (TST-08, TST-11), each of which fails.

Elsewhere: ids of another operator in test_tenants_over_http, malformed requests in test_hostile,
texts that are code in test_hostile_texts, tokens in test_forged_tokens, machine-made requests in
journeys/test_hostile, smuggling in kernel/test_server, log-in by other parties in identity.
"""

from __future__ import annotations

import gzip
import html
import io
import ipaddress
import re
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from litestar import Litestar

from fahrwerk import app as composition
from fahrwerk.kernel import addresses, asgi, ids, limits, outside
from fahrwerk.kernel.declared import endpoints
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.settings import Settings
from fahrwerk.payments.gateways import _sepa_xml as bank_files
from fahrwerk.site import rules as site
from tests.openapi import body_schema, checked, kind_of, operations, smallest
from tests.test_hostile import PHOTOS
from tests.test_tenants_over_http import _spots
from tests.world import PASSWORD, World, http_app

# --- addresses that users give (SSRF)

CALLED = {
    "issuer": "identity/test_sso_oidc.py, test_sso_saml.py (metadata), test_sso_ldap.py (url)",
    "metadata_url": "identity/test_sso_saml.py",
    "url": "feeds/test_mds_push.py (subscriptions)",
    "policy_url": "feeds/test_mds_policies.py",
    "geography_url": "feeds/test_mds_policies.py",
    "jurisdiction_url": "feeds/test_mds_policies.py",
}
"""Addresses that we call ourselves, by ``outside.stranger`` all of them; where it is tried."""
NEVER_CALLED = {
    "redirect_uri": "where a browser is sent, if it is among those an administrator named",
    "redirect_uris": "those",
    "license_url": "shown",
    "web_origins": "compared with",
}
WITHIN = [
    *("127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1"),
    *("fd00:ec2::254", "fec0::1", "ff02::1", "2002:a9fe:a9fe::", "2002:7f00:1::"),
]
DISGUISES = [
    *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::ffff:7f00:1]", "localhost"),
    *("localhost.", "LOCALHOST", "①②⑦.0.0.1", "127.0.0.1.", "[::]"),
]


def test_every_address_that_a_user_gives_is_known() -> None:
    """A new one is either called with care or never called: say so above."""
    found = {
        next((part for part in reversed(spot) if isinstance(part, str)), "")
        for operation in operations()
        if (schema := body_schema(operation)) is not None
        for spot in _spots(schema, ())
    }
    wanted = {n for n in found if re.search(r"(^|_)(ur[li]s?|issuer|callback|origins?)$", n)}
    assert wanted <= CALLED.keys() | NEVER_CALLED.keys()


@pytest.mark.parametrize("address", WITHIN)
def test_addresses_within(address: str) -> None:
    assert not addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", DISGUISES)
async def test_other_spellings_of_this_machine(host: str) -> None:
    """The system understands more spellings than one thinks of: what it found is looked at."""
    try:
        peer = outside.stranger("somebody", f"https://{host}/latest/meta-data")
    except (ValueError, httpx.InvalidURL):
        return
    try:
        with pytest.raises(outside.NotReached):
            await peer.call("POST", "/")
    finally:
        await peer.close()


# --- fields that are not one's own to write (mass assignment)

PRIVILEGED = (
    *("tenant_id", "user_id", "roles", "permissions", "is_admin", "id", "status", "version"),
    *("balance", "created_at", "email_verified", "__proto__"),
)
ANYTHING_GOES = {
    "feeds_put_document": "a city's own document, by its own standard",
    "fleet_import_zones": "GeoJSON, by its own standard",
    "fleet_report_traccar": "what Traccar forwards, of which we read a few fields",
}
OPEN_WITHIN = {"metadata", "data", "answers", "mapping", "properties", "geometry"}
"""Objects in bodies whose names are their writer's own."""


def open_objects(schema: dict[str, Any], path: str, above: tuple[int, ...]) -> Iterator[str]:
    """Where a body would take fields that nobody declared."""
    schema = kind_of(schema)
    if id(schema) in above:
        return
    above = (*above, id(schema))
    if "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield path
        for name, each in schema["properties"].items():
            if name not in OPEN_WITHIN:
                yield from open_objects(each, f"{path}.{name}", above)
    elif "items" in schema:
        yield from open_objects(schema["items"], path, above)


def test_bodies_are_closed() -> None:
    """Each field that may be written is declared, also within others."""
    wrong = [
        place
        for operation in operations()
        if operation.name not in ANYTHING_GOES and (schema := body_schema(operation)) is not None
        for place in open_objects(schema, operation.name, ())
    ]
    assert wrong == []


WORDS = {"mode": "car-share", "gateway": "sandbox", "user": "me"}
"""What stands in paths where only some words fit."""


async def test_nobody_writes_what_is_not_theirs(world: World) -> None:
    """A privileged field beside good ones is refused by name, not dropped and not taken."""
    tried = 0
    async with (
        world.client(await world.rider()) as rider,
        world.client(world.admin()) as admin,
        world.client(world.call("platform")) as platform,
    ):
        for operation in operations():
            schema = body_schema(operation)
            if schema is None or operation.name in ANYTHING_GOES or "properties" not in schema:
                continue
            permission = operation.said.get("x-permission", "")
            client = platform if permission.startswith("tenancy.operator.") else admin
            if permission.startswith(("identity.self", "rentals.rental.c", "payments.method")):
                client = rider
            path = re.sub(r"\{(\w+)\}", lambda m: WORDS.get(m[1], "scooter"), operation.path)
            fields = [f for f in PRIVILEGED if f not in schema["properties"]]
            for field in (fields[tried % len(fields)], fields[-1]):
                body = {field: "admin"} | smallest(schema)  # read in this order
                answer = await client.request(operation.method, path, json=body)
                about = f"{operation.name} {field}"
                error = checked(answer, 400, about=about)
                assert error["details"]["field"].endswith(field), f"{about}: {answer.text}"
                tried += 1
    assert tried > 200


# --- limits (TST-11)


INVENTED = (
    *("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "Via", "X-Client-IP"),
    *("CF-Connecting-IP", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host"),
)
"""Headers that some believe."""


@pytest.fixture
def strict() -> Litestar:
    """The platform with few log-ins, and nothing else in the way."""
    few = Settings(rate_limits="all=1000000/minute,auth=5/minute")
    return composition.create_http_app(few, own_ground=False)


async def test_there_is_no_way_around_a_limit(world: World, strict: Litestar) -> None:
    """TST-11.4, API-20, API-21: not by headers, spellings of the path, other names or keys."""
    body = {"email": "nobody@example.org", "password": "wrong password"}
    path = "/api/v1/auth/login"
    transport = httpx.ASGITransport(app=strict, raise_app_exceptions=False)  # type: ignore[arg-type]
    own = {"X-Tenant-ID": world.operator.slug}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=own
    ) as client:
        first = [await client.post(path, json=body) for _ in range(5)]
        assert {each.status_code for each in first} == {401}
        refused = await client.post(path, json=body)
        error = checked(refused, 429)
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert int(refused.headers["retry-after"]) == error["details"]["retry_after"] > 0
        for name in INVENTED:
            for value in ("203.0.113.7", "for=203.0.113.7", "127.0.0.1", "/health"):
                answer = await client.post(path, json=body, headers={name: value})
                assert answer.status_code == 429, name
        for other in (
            f"{path}/", f"/{path}", f"{path}?x=1", f"{path}#x", f"{path}%20", "/api/v1/AUTH/login",
            "/api/v1/auth/%6Cogin", "/api/v1/./auth/login", "/api/v1/x/../auth/login",
            f"{path};a=b", "/API/V1/AUTH/LOGIN", f"{path}//",
        ):  # fmt: skip
            answer = await client.post(other, json=body)
            assert answer.status_code in (429, 404, 405), other
        for headers in (
            {"Idempotency-Key": ids.new().hex}, {"User-Agent": "another"}, {"Cookie": "a=b"},
            {"Accept-Language": "de"}, {"Authorization": "Bearer x.y.z"}, {"Host": "other"},
            {"X-HTTP-Method-Override": "GET"}, {"X-Request-ID": "another"},
        ):  # fmt: skip
            answer = await client.post(path, json=body, headers=headers)
            assert answer.status_code == 429, headers
        for n in range(5):
            another = body | {"email": f"nobody{n}@example.org"}
            assert (await client.post(path, json=another)).status_code == 429
        ways_in = [
            each
            for each in operations()
            if each.said.get("x-rate-limit") == "auth" and "x-permission" not in each.said
        ]
        assert len(ways_in) > 10
        for operation in ways_in:
            answer = await client.request(operation.method, operation.path, json={})
            assert answer.status_code == 429, f"{operation.path} has a share of its own"


@pytest.mark.parametrize(
    ("kind", "method", "path", "most"),
    [
        ("auth", "POST", "/api/v1/auth/login", 10),
        ("rental", "GET", "/api/v1/end-photos", 100),
        ("analytics", "GET", "/api/v1/maintenance/downtime", 1000),
    ],
)
async def test_the_limits_of_the_contract(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, method: str, path: str, most: int
) -> None:
    """TST-11.1 to TST-11.3, TST-08.4, API-20..23: as many as agreed and not one more, with a clear
    answer; refused ones count too; others, other classes and probes go on."""
    stands = SimpleNamespace(monotonic=lambda: 1_000.0)  # or a slow machine is never over the limit
    monkeypatch.setattr(limits, "time", stands)
    app = composition.create_http_app(Settings(), own_ground=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    body = {"email": "nobody@example.org", "password": "wrong"} if method == "POST" else None
    first, second = [
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=each.headers)
        for each in (world.client(await world.rider()), world.client(await world.rider()))
    ]
    if kind == "auth":  # counted by address, before anybody is known
        first.headers.pop("authorization")
    statuses = {(await first.request(method, path, json=body)).status_code for _ in range(most)}
    assert 429 not in statuses
    for _ in range(3):
        refused = await first.request(method, path, json=body)
        error = checked(refused, 429)
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert (error["details"]["limit"], error["details"]["window"]) == (most, "1m")
        assert int(refused.headers["retry-after"]) == error["details"]["retry_after"] > 0
    assert (await second.get("/api/v1/users/me")).status_code == 200
    assert (await first.get("/health")).status_code == 200
    if kind != "auth":
        assert (await second.request(method, path)).status_code == 403
        assert (await first.get("/api/v1/users/me")).status_code == 200
    for client in (first, second):
        await client.aclose()


def test_one_owner_of_many_addresses_is_one_caller() -> None:
    """IPv6: a /64 is one customer's; what wraps an IPv4 address is counted as that one."""
    assert len({asgi.network_of(f"2001:db8:1:2::{n:x}") for n in range(1, 500)}) == 1
    assert asgi.network_of("::ffff:192.0.2.1") == asgi.network_of("192.0.2.1")


# --- who is here (user enumeration)


async def test_answers_do_not_tell_who_has_an_account(world: World) -> None:
    """The very same answer, for whoever asks without a password."""
    rider = await world.rider(email="ada@example.org")
    assert rider.user is not None
    async with world.client() as client:
        for path, body in (
            ("/api/v1/auth/login", {"password": PASSWORD + "!"}),
            ("/api/v1/auth/password/forgot", {}),
            ("/api/v1/auth/magic-link", {}),
        ):
            said = []
            for email in ("ada@example.org", "nobody@example.org"):
                answer = await client.post(path, json=body | {"email": email})
                text = re.sub(r'"(request_id|challenge)":"[^"]*"', "", answer.text)
                kept = {n: v for n, v in answer.headers.items() if n not in VARY_ANYWAY}
                said.append((answer.status_code, text, kept.keys()))
            assert said[0] == said[1], path
            assert said[0][0] in (200, 202, 204, 401), path


VARY_ANYWAY = {"x-request-id", "content-length", "ratelimit-remaining", "date"}


# --- where a browser is sent (open redirect)

ELSEWHERE = [
    *("//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "/\t/evil"),
    *("javascript:alert(1)", "data:text/html,x", "/%09/evil.example", " //evil.example", "///evil"),
    *("/\r\nSet-Cookie: a=b", "http:evil.example", "/.//evil.example", "/x/..//evil.example"),
    *("@evil.example", "/\x00/evil", "/\u2028/evil", "evil.example", "/;@evil.example"),
]


@pytest.mark.parametrize("place", ELSEWHERE)
async def test_nobody_is_sent_elsewhere(world: World, place: str) -> None:
    """Whatever stands in ``next``: an address of ours, on this very host."""
    assert _is_here(site.safe_path(place))
    async with world.client(None, Accept="text/html") as client:
        for path in ("/login", "/language/de", "/theme/dark", "/account/confirm", "/cookies"):
            for name in ("next", "return_to", "redirect", "url"):
                answer = await client.get(path, params={name: place})
                assert answer.status_code < 500, path
                assert _is_here(answer.headers.get("location", "/")), f"{path}?{name}={place!r}"
                for link in re.findall(r'(?:href|action|src)="([^"]*evil[^"]*)"', answer.text):
                    assert _is_here(html.unescape(link)), f"{path}?{name}={place!r}"


def _is_here(location: str) -> bool:
    """As browsers read it: tabs and newlines are dropped, a backslash is a slash."""
    read = re.sub(r"[\t\r\n]", "", location).replace("\\", "/").strip()
    return read.startswith("/") and not read.startswith("//") and location.isprintable()


# --- files

NAMES = (
    *("..%2f..%2fpyproject.toml", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..\\..\\x", "%5c..%5cx.js"),
    *("a%00.js", "....//....//etc/passwd", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd"),
    *("%252e%252e%252fetc%252fpasswd", "%c0%ae%c0%ae%2fx.css", "*.js", "x" * 4000 + ".js"),
)
FOLDERS = ("/app", "/console", "/web/assets", "/web/map", "/front", "/api/docs",
           "/site/x/site", "/site/brand", "/api/v1/logos", "/gbfs/x/3.0")  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
async def test_nothing_is_served_but_what_is_meant_to_be(world: World, folder: str) -> None:
    """Path traversal, encoded once and twice, with NULs, globs and other systems' slashes."""
    async with world.client() as client:
        for name in NAMES:
            answer = await client.get(f"{folder}/{name}")
            assert answer.status_code in (400, 404) or (
                folder in ("/app", "/console") and answer.status_code in (200, 303)
            ), f"{folder}/{name}: {answer.status_code}"
            assert "root:" not in answer.text
            assert "[project]" not in answer.text


@pytest.mark.parametrize("picture", PHOTOS.values(), ids=PHOTOS.keys())
async def test_logos_that_are_none(world: World, picture: bytes) -> None:
    """Bombs, half ones and programs: 400, as for the photo of a ride's end."""
    async with world.client(world.admin()) as admin:
        look = {"name": "Flitz", "primary_color": "#000000", "secondary_color": "#ffffff"}
        brand = (await admin.post("/api/v1/brands", json=look)).json()["id"]
        answer = await admin.put(f"/api/v1/brands/{brand}/logo", content=picture)
        assert checked(answer, 400)["details"]["field"] in ("logo", "body")


UPLOADS = {
    "put_logo": "",
    "add_photo": "",
    "import_vehicles": "",
    "start_import": "read by a worker (fleet/test_bulk.py), as import_vehicles reads",
    "import_zones": "",
    "post_bank_statement": "",
    "put_document": "",
    "report_traccar": "",
    "take_assertion": "identity/test_sso_saml.py, a form of XML",
    "add_resource": "identity/test_scim.py, JSON", "search_all": "JSON", "search_kind": "JSON",
    "patch_resource": "JSON", "replace_resource": "JSON",
    "post_webhook": "signed: payments/test_webhooks.py", "post_operators_webhook": "signed",
    "checkout_payment": "a form of our own sandbox",
}  # fmt: skip
"""All that takes raw bytes; where it is tried, or nothing: here. A program's file (``fahrwerk
tenant import``) is tried in kernel/test_archives.py and test_tenant_moves.py."""


def _bombs() -> dict[str, bytes]:
    """What unpacks, expands or nests far beyond its size, in every format we read and some more."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/worksheets/sheet1.xml", bytes(8 << 20))
        file.writestr("../../etc/passwd", b"x")
    names = "abcdefghij"
    laughs = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    kind = 'xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"'
    bomb = f'<!DOCTYPE d [<!ENTITY a "ha">{laughs}]><Document {kind}>&j;</Document>'
    document = f"]><Document {kind}>&a;</Document>"
    stolen = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">' + document
    parameter = '<!DOCTYPE d [<!ENTITY % a SYSTEM "http://169.254.169.254/"> %a;' + document
    return {
        "a spreadsheet that is a bomb": packed.getvalue(),
        "gzip": gzip.compress(bytes(8 << 20)),
        "laughs": bomb.encode(),
        "laughs in UTF-16": bomb.encode("utf-16"),
        "a file of ours": stolen.encode(),
        "an address of ours": parameter.encode(),
        "deep XML": f"<Document {kind}>".encode() + b"<a>" * 200_000,
        "many attributes": b"<Document " + b" ".join(b'a%d="x"' % n for n in range(50_000)) + b"/>",
        "deep JSON": b"[" * 200_000,
        "deep GeoJSON": b'{"type":"FeatureCollection","features":' + b'[{"geometry":' * 50_000,
        "a number": b"9" * 200_000,
        "one cell": b"identifier,model,brand,license_plate,qr_code\n" + b'"' + b"x" * 500_000,
        "many columns": b"identifier," * 100_000 + b"\n",
        "many quotes": b'identifier,model,brand,license_plate,qr_code\n"' + b'""' * 200_000,
        "zeros": bytes(300_000),
    }


def test_every_upload_is_known() -> None:
    """A new one is tried below, or says where it is."""
    found = {
        handler.fn.__name__
        for _, _, handler in endpoints(http_app())
        if handler.opt.get("takes") == "bytes"
    }
    assert found == UPLOADS.keys()


@pytest.mark.parametrize("bomb", _bombs().values(), ids=_bombs().keys())
async def test_uploads_that_would_grow(world: World, bomb: bytes) -> None:
    """Zip and gzip bombs, entities, depth, lies: refused in the one format, nothing stored."""
    with pytest.raises(Invalid):
        list(bank_files.read([bomb]))
    async with world.client(world.admin()) as admin:
        look = {"name": "Flitz", "primary_color": "#000000", "secondary_color": "#ffffff"}
        brand = (await admin.post("/api/v1/brands", json=look)).json()["id"]
        nobody = ids.public("agy", ids.new())
        for method, path in (
            ("PUT", f"/api/v1/brands/{brand}/logo"),
            ("PUT", f"/api/v1/rentals/{ids.public('rnt', ids.new())}/photo"),
            ("POST", "/api/v1/vehicles/import?dry_run=false"),
            ("POST", "/api/v1/zones/import?dry_run=false"),
            ("POST", "/api/v1/payments/sepa/statements"),
            ("PUT", f"/api/v1/feeds/agencies/{nobody}/documents/geography"),
            ("POST", "/api/v1/telemetry/traccar"),
        ):
            answer = await admin.request(method, path, content=bomb)
            about = f"{path}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code in (400, 404, 409, 413, 422), about
            assert "root:" not in answer.text
            checked(answer)
        assert (await admin.get("/api/v1/vehicles")).json()["pagination"]["total"] == 0
