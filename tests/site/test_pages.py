"""Pages of the site: everybody can use them, and nobody else can use them against somebody."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fahrwerk.kernel import db, ids
from fahrwerk.site import contract as site
from fahrwerk.site import rules
from fahrwerk.site.contract import shell
from tests.site.browsing import Browser, Page
from tests.world import PASSWORD, World

POLICY = "script-src 'self'"


def check_is_sound(page: Page) -> None:
    """Nothing in it runs or is fetched from elsewhere, and every label has its field."""
    headers = page.answer.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert POLICY in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert "form-action 'self'" in policy
    assert "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert page.unsafe == []
    assert set(page.fors) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


async def test_register_log_out_log_in_without_javascript(world: World) -> None:
    """IDN-01, IDN-05, WEB-18, WEB-25: forms alone do it, in German and in English."""
    browser = Browser(world, **{"accept-language": "de"})
    page = await browser.get("/register")
    check_is_sound(page)
    assert page.language == "de"
    assert "Registrieren" in page.text
    fields = {"first_name": "Ada", "last_name": "<b>Rot</b>", "email": "ada@ride.example"}
    wrong = await browser.send(page, "/register", **fields, password="kurz")
    check_is_sound(wrong)
    assert wrong.answer.status_code == 400
    assert "Mindestens 10 Zeichen" in wrong.text
    assert wrong.form("/register").values["last_name"] == "<b>Rot</b>"
    assert wrong.form("/register").values["password"] == ""
    home = await browser.send(wrong, "/register", password=PASSWORD)
    assert home.answer.status_code == 200
    assert "Abmelden" in home.text
    out = await browser.send(home, "/logout")
    assert "Sie sind abgemeldet." in out.text
    assert "Sie sind abgemeldet." not in (await browser.get("/login")).text
    bad = await browser.send(out, "/login", login="ada@ride.example", password="x" * 12)
    assert bad.answer.status_code == 401
    assert "falsch" in bad.text
    page = await browser.get("/language/en?next=/login")
    assert page.language == "en"
    home = await browser.send(page, "/login", login="ada@ride.example", password=PASSWORD)
    assert "Log out" in home.text


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/%09/../\t/evil", "javascript:1",
     "\\\\evil.example", "/a\nset-cookie: x=1", "", "///evil.example", "/\x00//evil"],
)  # fmt: skip
async def test_nobody_is_led_astray(world: World, target: str) -> None:
    """No open redirect: after log-in, language and theme only paths of this site are followed."""
    browser = Browser(world)
    rider = await world.rider(email=f"r{abs(hash(target))}@ride.example")
    page = await browser.get("/login")
    form = page.form("/login").values | {
        "next": target, "login": f"r{abs(hash(target))}@ride.example", "password": PASSWORD
    }  # fmt: skip
    assert rider.user
    origin = {"origin": "https://test"}
    answer = await browser.client.post("/login", data=form, headers=origin)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = await browser.client.get("/language/de", params={"next": target})
    assert answer.headers["location"] == "/"


@given(st.text())
def test_a_safe_path_stays_on_this_host(text: str) -> None:
    """Whatever is asked for: one slash, no second, nothing a browser would strip or turn."""
    found = rules.safe_path(text)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))
    assert found.isascii()
    assert found.isprintable()
    assert "\\" not in found


async def test_a_form_without_its_token_does_nothing(world: World) -> None:
    """The synchroniser token is of this browser: none, another one's and a made-up one are 403."""
    browser, other = Browser(world), Browser(world)
    page = await browser.log_in(world, await world.rider())
    foreign = (await other.get("/login")).form("/login").values["form_token"]
    for token in ("", "x", foreign, "ü"):
        answer = await browser.client.post(
            "/logout", data={"form_token": token}, headers={"origin": "https://test"}
        )
        assert answer.status_code == 403
        assert "text/html" in answer.headers["content-type"]
        check_is_sound(Page(answer))
    evil = await browser.client.post(
        "/logout", data=page.form("/logout").values, headers={"origin": "https://evil.example"}
    )
    assert evil.status_code == 403
    assert (await browser.client.get("/login")).status_code == 303  # still logged in
    for kind in ("text/plain", "application/json", "multipart/form-data"):
        answer = await browser.client.post(
            "/logout", content=b"{}", headers={"origin": "https://test", "content-type": kind}
        )
        assert answer.status_code == 415


async def test_log_in_gives_a_new_secret(world: World) -> None:
    """No session fixation: what the browser had before the log-in is worth nothing after it."""
    browser = Browser(world)
    await browser.get("/login")
    guest = browser.client.cookies["__Host-fahrwerk-guest"]
    await browser.log_in(world, await world.rider())
    assert guest not in browser.client.cookies["__Host-fahrwerk"]
    assert "__Host-fahrwerk-guest" not in browser.client.cookies


async def test_errors_are_pages(world: World) -> None:
    """404 of an unknown path and 404 of a page as HTML for browsers; JSON for programs."""
    browser = Browser(world, **{"accept-language": "de"})
    page = await browser.get("/legal/nothing")
    assert page.answer.status_code == 404
    assert "Nicht gefunden" in page.text
    check_is_sound(page)
    lost = await browser.client.get("/no/such/page")
    assert lost.status_code == 404
    assert lost.text.startswith("<!doctype html>")
    program = await browser.client.get("/no/such/page", headers={"accept": "application/json"})
    assert program.json()["error"]["code"] == "NOT_FOUND"
    assert (await browser.client.get("/api/v1/nothing")).json()["error"]["code"] == "NOT_FOUND"


async def test_consent_is_asked_once_and_written_down(world: World) -> None:
    """WEB-22: nothing is allowed until chosen; each choice is a row; it can be changed."""
    browser = Browser(world)
    page = await browser.get("/login")
    assert "Only necessary" in page.text
    page = await browser.send(page, "/cookies", choice="none")
    assert "Your choice is saved." in page.text
    assert "Only necessary" not in page.text
    page = await browser.get("/cookies")
    check_is_sound(page)
    await browser.send(page, "/cookies", choice="own", statistics="on")
    rows = await db.run(
        "site", world.system(), "SELECT id, number, choices FROM site.consent ORDER BY number"
    )
    assert [row["choices"] for row in rows] == [[], ["statistics"]]
    assert len({row["id"] for row in rows}) == 1


async def test_legal_texts_have_versions(world: World) -> None:
    """WEB-20: a true default, then the operator's own; versions before stay readable."""
    browser = Browser(world)
    page = await browser.get("/legal/privacy")
    check_is_sound(page)
    assert world.operator.name in page.text
    staff = world.admin()
    first = await site.publish_legal_text(staff, "privacy", "en", "# One\n\n- <script>1</script>")
    again = await site.publish_legal_text(staff, "privacy", "en", "# One\n\n- <script>1</script>")
    second = await site.publish_legal_text(staff, "privacy", "en", "# Two")
    assert (first.version, again.version, second.version) == (1, 1, 2)
    assert "Two" in (await browser.get("/legal/privacy")).text
    old = await browser.get("/legal/privacy?version=1")
    check_is_sound(old)
    assert "<script>1</script>" in old.text
    assert (await browser.get("/legal/privacy?version=3")).answer.status_code == 404
    assert (await browser.get("/legal/terms")).answer.status_code == 200


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_any_colour_is_readable(colour: str) -> None:
    """WEB-26: links and button texts have the contrast of WCAG 2.1 AA, light and dark."""
    for ground in (rules.LIGHT, rules.DARK):
        link = rules.readable_on(ground, colour)
        assert rules.contrast(link, ground) >= rules.READABLE
        assert rules.contrast(rules.text_on(link), link) >= rules.READABLE


OWN_HOST = """
INSERT INTO tenancy.domain (domain, brand_id, token, created_at, proven_at, proven_by)
VALUES ($1, $2, 'x', now(), now(), 'txt')
"""


async def test_pages_wear_the_brand_of_their_host(world: World) -> None:
    """TEN-08, WEB-26: tenancy's brand, the one of the domain before the default one."""
    browser = Browser(world)
    assert world.operator.name in (await browser.get("/login")).text
    staff = world.client(world.admin())
    help_at = {"support_email": "help@ride.example"}
    assert (await staff.put("/api/v1/site/contact", json=help_at)).status_code == 200
    brand = {"name": "Fast Wheels", "primary_color": "#ff8800", "secondary_color": "#000000"}
    made = await staff.post("/api/v1/brands", json=brand)
    assert made.status_code == 201, made.text
    picture = io.BytesIO()
    Image.new("RGB", (40, 20), "#ff8800").save(picture, "PNG")
    put = await staff.put(f"/api/v1/brands/{made.json()['id']}/logo", content=picture.getvalue(),
                          headers={"content-type": "image/png"})  # fmt: skip
    assert put.status_code == 200, put.text
    page = await browser.get("/login")  # at once: the change is signalled
    assert "Fast Wheels" in page.text
    assert f'src="{put.json()["logo_url"]}" alt="Fast Wheels"' in page.answer.text
    assert (await browser.client.get(put.json()["logo_url"])).status_code == 200
    assert "help@ride.example" in page.text
    assert "/site/brand/ff8800.css" in page.answer.text
    other = {"name": "Slow Wheels", "primary_color": "#0088ff", "secondary_color": "#000000"}
    slow = (await staff.post("/api/v1/brands", json=other)).json()["id"]
    host = f"slow-{world.operator.slug}.example.org"
    await db.run("tenancy", world.system(), OWN_HOST, host, ids.parse(slow, "brd"))
    page = await Browser(world, f"https://{host}").get("/login")
    assert "Slow Wheels" in page.text
    assert "/site/brand/0088ff.css" in page.answer.text
    style = await browser.client.get("/site/brand/ff8800.css")
    assert style.status_code == 200
    assert "--brand:" in style.text
    for bad in ("/site/brand/x.css", "/site/brand/ff8800.js", "/site/x/site/pages.py",
                "/site/x/site/..%2f..%2fapp.py"):  # fmt: skip
        assert (await browser.client.get(bad)).status_code == 404


def test_every_text_has_its_german() -> None:
    """WEB-27: whatever a template says stands in a catalogue, and nothing stands there in vain."""
    german = shell.catalogue("de")
    said: set[str] = set()
    rooms = Path(shell.__file__).parents[2]
    for path in sorted(rooms.glob("*/pages/*.html")):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"""\bt\((?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""", text)
        said |= {one or other for one, other in found}
    assert sorted(said - german.keys()) == []
    for english, text in german.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", text))


async def test_links_lead_back_to_the_page_a_form_stood_on(world: World) -> None:
    """A form that came back with an error is shown under its own address, which nobody can get."""
    browser = Browser(world)
    page = await browser.get("/register")
    page = await browser.send(page, "/register", password="x")
    assert "/language/de?next=/register" in page.links
    foreign = {"origin": "https://test", "referer": "https://test.evil/portal"}
    form = (await browser.get("/login")).form("/login").values
    answer = await browser.client.post("/login", data=form, headers=foreign)
    assert "/language/de?next=/" in Page(answer).links
