"""How the web apps are served: for ever or anew, compressed, in parts, nothing foreign in them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fahrwerk.front import pages
from tests.world import World

RANGES = {
    "bytes=0-3": (206, b"PMTi", "bytes 0-3/16"),
    "bytes=12-": (206, b"cdef", "bytes 12-15/16"),
    "bytes=12-99": (206, b"cdef", "bytes 12-15/16"),
    "bytes=16-20": (416, b"", "bytes */16"),
    "bytes=-4": (200, b"PMTiles89abcdef!"[:16], None),
    "pages=1-2": (200, b"PMTiles89abcdef!"[:16], None),
}
FIRST_LOAD = 250_000


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
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / "city.pmtiles").write_bytes(b"PMTiles89abcdef"[:12] + b"cdef")
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
        plain = await client.get("/web/assets/rider-1a2b.js", headers={"accept-encoding": "br"})
        worker = await client.get("/app/worker.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["vary"] == "accept-encoding"
    assert script.text == plain.text == "let a = 1;" * 200
    assert "content-encoding" not in plain.headers
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
    whole = (built / "map" / "city.pmtiles").read_bytes()
    async with world.client() as client:
        answer = await client.get("/web/map/city.pmtiles", headers={"range": wanted})
    assert answer.status_code == status
    assert answer.content == (whole if status == 200 else body)
    assert answer.headers.get("content-range") == told
    assert answer.headers["accept-ranges"] == "bytes"


async def test_the_apps_know_whose_they_are(world: World) -> None:
    """Before anybody has signed in: names, money, zone and map; no login of anybody outside."""
    async with world.client() as client:
        told = (await client.get("/web/config.json")).json()
        streets = await client.get("/web/map/streets.geojson")
        nature = await client.get("/web/map/nature.geojson")
    assert told["operator"]["slug"] == world.operator.slug
    assert told["operator"]["time_zone"] == "Europe/Berlin"
    assert told["map_style"] == "bundled"
    assert "OpenStreetMap" in told["map_credit"]
    assert told["demo_logins"] == []  # this operator is not the demo's
    assert len(streets.json()["geometry"]["coordinates"]) > 100
    assert {f["properties"]["kind"] for f in nature.json()["features"]} == {"river", "lake", "park"}


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
    """At most 250 kB compressed before the map: a cheap phone on a bad network."""
    files = pages.first_load("rider")
    weight = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in files}
    assert sum(weight.values()) < FIRST_LOAD, weight
    page = (pages.BUILT / "rider" / "index.html").read_text()
    assert all(f"/web/assets/{name}" in page for name in weight if name.startswith("rider"))
    manifest = msgspec.json.decode((pages.BUILT / "rider" / "manifest.webmanifest").read_bytes())
    assert manifest["start_url"] == manifest["scope"] == "/app/"
    assert all((pages.BUILT / "rider" / Path(i["src"]).name).is_file() for i in manifest["icons"])
