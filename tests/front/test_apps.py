"""How the web apps are served: for ever or anew, compressed, in parts, nothing foreign in them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fahrwerk.front import pages
from tests.world import World, http_app, make_world

RANGES = {
    "bytes=0-3": (206, b"PMTi", "bytes 0-3/16"),
    "bytes=12-": (206, b"cdef", "bytes 12-15/16"),
    "bytes=12-99": (206, b"cdef", "bytes 12-15/16"),
    "bytes=16-20": (416, b"", "bytes */16"),
    "bytes=-4": (200, b"PMTiles89abcdef!"[:16], None),
    "pages=1-2": (200, b"PMTiles89abcdef!"[:16], None),
}
FIRST_LOAD, DOOR = 250_000, 40_000


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A build in miniature."""
    for name in ("rider", "console"):
        (tmp_path / name).mkdir()
        page = f'<meta name="csp-nonce" content="__NONCE__"><title>{name}</title>'
        (tmp_path / name / "index.html").write_text(page)
    (tmp_path / "rider" / "worker.js").write_text("// worker")
    (tmp_path / "assets").mkdir()
    script = tmp_path / "assets" / "rider-1a2b.js"
    script.write_text("let a = 1;" * 200)
    script.with_suffix(".js.gz").write_bytes(gzip.compress(script.read_bytes()))
    script.with_suffix(".js.br").write_bytes(b"as brotli has it")
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / "berlin.pmtiles").write_bytes(b"PMTiles89abcdef"[:12] + b"cdef")
    (tmp_path / "first-load.json").write_text('{"rider": ["assets/rider-1a2b.js"], "console": []}')
    monkeypatch.setattr(pages, "BUILT", tmp_path)
    pages._files.cache_clear()
    yield tmp_path
    pages._files.cache_clear()


async def test_pages_are_asked_for_anew_and_let_nothing_foreign_in(
    world: World, built: Path
) -> None:
    """Every path of an app is its page, each with a number of its own for its styles."""
    async with world.client() as client:
        answers = [await client.get(path) for path in ("/app/", "/app", "/app/rides/rent_1")]
        console = await client.get("/console/vehicles")
    nonces = set()
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        nonce = answer.text.split('content="')[1].split('"')[0]
        assert f"'nonce-{nonce}'" in policy
        nonces.add(nonce)
    assert len(nonces) == len(answers)
    assert "<title>console</title>" in console.text


async def test_files_are_kept_for_ever_and_sent_compressed(world: World, built: Path) -> None:
    """Their names change with what is in them; what is beside the page is asked for anew."""
    async with world.client() as client:
        script = await client.get("/web/assets/rider-1a2b.js")
        plain = await client.get("/web/assets/rider-1a2b.js", headers={"accept-encoding": "zstd"})
        brotli = client.build_request(
            "GET", "/web/assets/rider-1a2b.js", headers={"accept-encoding": "gzip, br;q=0.9"}
        )
        smallest = await client.send(brotli, stream=True)
        raw = b"".join([part async for part in smallest.aiter_raw()])
        worker = await client.get("/app/worker.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["vary"] == "accept-encoding"
    assert script.text == plain.text == "let a = 1;" * 200
    assert "content-encoding" not in plain.headers
    assert (smallest.headers["content-encoding"], raw) == ("br", b"as brotli has it")
    assert "connect-src 'self'" in script.headers["content-security-policy"]
    assert worker.headers["cache-control"] == "no-cache"
    assert worker.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "/app/missing.js", "/web/assets/missing.js", "/web/assets/first-load.json",
        "/web/assets/..%2Frider%2Findex.html", "/web/map/..%2Ffirst-load.json",
        "/app/../../../etc/passwd", "/web/map/etc.pmtiles",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(world: World, built: Path, path: str) -> None:
    async with world.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert "error" in answer.json()


@pytest.mark.parametrize("wanted", RANGES)
async def test_map_archives_are_sent_in_parts(world: World, built: Path, wanted: str) -> None:
    """RFC 9110, 14: PMTiles are read so. What is no range of bytes is ignored."""
    status, body, told = RANGES[wanted]
    whole = (built / "map" / "berlin.pmtiles").read_bytes()
    async with world.client() as client:
        answer = await client.get("/web/map/berlin.pmtiles", headers={"range": wanted})
    assert answer.status_code == status
    assert answer.content == (whole if status == 200 else body)
    assert answer.headers.get("content-range") == told
    assert answer.headers["accept-ranges"] == "bytes"


async def test_the_apps_know_whose_they_are(world: World, built: Path) -> None:
    """Before anybody has signed in: names, money, zone and map; no login of anybody outside."""
    async with world.client() as client:
        told = (await client.get("/web/config.json")).json()
        tiles = await client.get(told["map_archive"])
    assert told["operator"]["slug"] == world.operator.slug
    assert told["operator"]["time_zone"] == "Europe/Berlin"
    assert told["map_style"] == "bundled"
    assert "OpenStreetMap" in told["map_credit"]
    assert told["demo_logins"] == []  # this operator is not the demo's
    assert tiles.content.startswith(b"PMTiles")


async def test_a_map_that_was_not_built_is_not_promised(world: World, built: Path) -> None:
    """The registry may have been out of reach: vehicles then stand on plain ground."""
    (built / pages.MAP_ARCHIVE).unlink()
    pages._files.cache_clear()
    async with world.client() as client:
        told = (await client.get("/web/config.json")).json()
    assert (told["map_style"], told["map_archive"], told["map_credit"]) == ("bundled", "", "")


async def told(client: httpx.AsyncClient, path: str = "/web/config.json") -> Any:
    """What the apps are told; where maps begin is else kept for a minute."""
    pages._centres.clear()
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_maps_begin_where_the_operator_works(world: World) -> None:
    """The middle of the largest operating area, else of a city, else of the vehicles; else nobody
    can say. One vehicle at the other end of the world moves it nowhere."""
    admin = world.client(world.admin())
    async with world.client() as client:
        assert (await told(client))["map_centre"] is None
        for latitude, longitude in ((48.1, 11.5), (48.2, 11.6), (-33.0, 151.0)):
            await world.vehicle(latitude=latitude, longitude=longitude)
        assert (await told(client))["map_centre"] == [11.6, 48.1]
        over = {"south": -19.0, "west": 177.0, "north": -17.0, "east": 179.0}
        city = {"name": "Suva", "country": "FJ", **over}
        assert (await admin.post("/api/v1/areas", json=city)).status_code == 201
        assert (await told(client))["map_centre"] == [178.0, -18.0]
        for name, size in (("Small", 0.1), ("Large", 0.2)):
            east, north = 9 + size, 53 + size
            ring = [[9, 53], [east, 53], [east, north], [9, north], [9, 53]]
            zone = {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"name": name, "kind": "operating_area"},
            }
            drawn = await admin.post("/api/v1/zones", json=zone)
            assert drawn.status_code == 201, drawn.text
        longitude, latitude = (await told(client))["map_centre"]
    assert (round(longitude, 6), round(latitude, 6)) == (9.1, 53.1)


async def test_whose_app_it_is(world: World) -> None:
    """As with all pages: ``?tenant=`` chooses and is remembered; the name is the brand's."""
    brand = {"name": "Fast Wheels", "primary_color": "#ff8800", "secondary_color": "#000000"}
    made = await world.client(world.admin()).post("/api/v1/brands", json=brand)
    assert made.status_code == 201, made.text
    other = await make_world()
    transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as browser:
        for operator, name in (
            (other.operator, other.operator.name),
            (world.operator, "Fast Wheels"),
        ):
            path = f"/web/config.json?tenant={operator.slug}"
            chosen = (await told(browser, path))["operator"]
            assert (chosen["slug"], chosen["name"]) == (operator.slug, name)
            assert (await told(browser))["operator"] == chosen


def test_a_foreign_map_opens_its_own_origin_only() -> None:
    """FAHRWERK_MAP_STYLE may be an address elsewhere."""
    policy = pages.policy("n", "https://tiles.example.org/style.json?key=1")
    assert "connect-src 'self' https://tiles.example.org;" in policy
    assert "key" not in policy
    assert "tiles.example.org" not in policy.split("script-src")[1].split(";")[0]
    assert (
        pages.worker_policy("bundled")
        == "default-src 'none'; script-src 'self'; connect-src 'self'"
    )


async def test_without_a_build_the_front_page_says_why(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform starts without Node; whoever opens an app is led to the reason."""
    monkeypatch.setattr(pages, "BUILT", tmp_path)
    problem = tmp_path / "problem.txt"
    problem.write_text("The package registry did not answer.\nLast words:\n  <script>")
    monkeypatch.setattr(pages, "PROBLEM", problem)
    async with world.client() as client:
        moved = await client.get("/app/rides")
        page = await client.get("/", headers={"accept-language": "en"})
    assert (moved.status_code, moved.headers["location"]) == (303, "/")
    assert "The package registry did not answer." in page.text
    assert "<script>" not in page.text.replace('<script src="/front/front.js" defer></script>', "")
    assert 'href="/app/"' not in page.text


async def test_the_front_page_leads_to_both_apps(world: World, built: Path) -> None:
    async with world.client() as client:
        page = await client.get("/")
    assert 'href="/app/"' in page.text
    assert 'href="/console/"' in page.text


@pytest.mark.skipif(not pages.is_built(), reason="the web apps are not built here: make web")
def test_the_rider_app_is_light() -> None:
    """At most 250 kB compressed before the map, and far less before the first tap."""
    for app, most in (("rider", FIRST_LOAD), ("door", DOOR)):
        files = pages.first_load(app)
        weight = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in files}
        assert 0 < sum(weight.values()) < most, weight
    page = (pages.BUILT / "rider" / "index.html").read_text()
    assert all(f"/web/assets/{name}" in page for name in weight), "asked for all at once"
    manifest = msgspec.json.decode((pages.BUILT / "rider" / "manifest.webmanifest").read_bytes())
    assert manifest["start_url"] == manifest["scope"] == "/app/"
    assert all((pages.BUILT / "rider" / Path(i["src"]).name).is_file() for i in manifest["icons"])
