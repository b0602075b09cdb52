"""One's own account in a browser without JavaScript; passkeys by what their script would send."""

from __future__ import annotations

import html
import json
import re

import pyotp

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, ids
from tests.identity.authenticator import Authenticator
from tests.identity.clients import bearer
from tests.identity.doorstep import here, later, letters, news, staff, token_of
from tests.identity.people import EMAIL, ada
from tests.identity.test_ways_in_pages import NEW, sound
from tests.site.browsing import Browser, Page
from tests.world import PASSWORD, World

SECURITY = "/account/security"
HOME = "http://localhost:8080"
"""Passkeys are good for host names only."""


async def entered(world: World, login: str = EMAIL, base: str = "https://test") -> Browser:
    """A browser in which somebody is logged in."""
    browser = Browser(world, base)
    page = await browser.get("/login")
    await browser.send(page, "/login", login=login, password=PASSWORD)
    return browser


async def test_profile_addresses_and_password(world: World) -> None:
    """IDN-31: each field by its form, what is wrong beside it, in both languages."""
    person = await ada(world)
    browser = await entered(world)
    page = sound(await browser.get("/account"))
    assert EMAIL in page.text
    page = sound(await browser.send(page, "/account", first_name="<b>Augusta</b>", phone="x"), 400)
    assert page.form("/account").values["first_name"] == "<b>Augusta</b>"
    page = sound(await browser.send(page, "/account", phone="+49 151 2345678", locale="de"))
    assert "It is saved." in page.text
    changed = await identity.person(world.system(), person.id)
    assert (changed.first_name, changed.phone, changed.locale) == (
        "<b>Augusta</b>", "+491512345678", "de",
    )  # fmt: skip
    page = sound(await browser.send(page, "/account/verification", channel="phone"))
    [said] = await letters(world, "verify_phone")
    page = sound(await browser.send(page, "/account/verification/code", code=said.code))
    assert "Your phone number is confirmed." in page.text
    page = sound(await browser.send(page, "/account/email", email="new@example.org"))
    for purpose in ("email_old", "email_new"):
        [said] = await letters(world, purpose)
        page = await browser.get(f"/account/verify?token={token_of(said)}")
        page = sound(await browser.send(page, "/account/verify"))
    assert "counts from now on" in page.text
    page = sound(await browser.get(SECURITY))
    wrong = sound(
        await browser.send(page, "/account/password", old_password="x", password=NEW), 401
    )
    page = await browser.send(wrong, "/account/password", old_password=PASSWORD, password=NEW)
    assert "Your password is changed." in sound(page).text
    assert await identity.log_in(world.call(), "new@example.org", NEW)
    german = Browser(world, **{"accept-language": "de"})
    page = await german.send(await german.get("/login"), "/login", login="new@example.org",
                             password=NEW)  # fmt: skip
    for path, word in (("/account", "Mein Konto"), (SECURITY, "Passwort ändern"),
                       ("/account/sessions", "Wo Sie angemeldet sind")):  # fmt: skip
        assert word in sound(await german.get(path)).text


async def test_an_app_and_its_recovery_codes(world: World) -> None:
    """Set up by picture, confirmed, codes shown once; after a while one confirms first."""
    person = await ada(world)
    browser = await entered(world)
    page = sound(await browser.send(await browser.get(SECURITY), "/account/totp"))
    found = re.search(r"<code>(\w{32})</code>", html.unescape(page.answer.text))
    assert found is not None
    assert "<svg" in page.answer.text
    app = pyotp.TOTP(found[1])
    page = sound(await browser.send(page, "/account/totp/confirm", code="000000"), 401)
    page = sound(await browser.send(page, "/account/totp/confirm", code=app.at(clock.now())))
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", page.answer.text)
    assert len(codes) == 10
    assert page.answer.headers["cache-control"] == "private, no-store"
    with later(minutes=20):
        page = await browser.get(SECURITY)
        assert codes[0] not in page.text
        page = sound(await browser.send(page, "/account/recovery-codes"))
        assert page.answer.url.path == "/account/confirm"
        page = sound(await browser.send(page, "/account/confirm", password="wrong"), 401)
        page = sound(await browser.send(page, "/account/confirm", password=PASSWORD))
        assert page.answer.url.path == SECURITY
        page = sound(await browser.send(page, "/account/recovery-codes"))
        assert codes[0] not in page.text
        page = await browser.send(await browser.get(SECURITY), "/account/totp/remove")
        assert "The app is removed." in sound(page).text
    assert await news(world, person.id) == ["totp_added", "recovery_codes_made", "totp_removed"]


async def test_a_date_of_birth_is_said_once(world: World) -> None:
    """TEN-25: what it is for stands beside it; wrong ones are refused; then it is shown, and the
    market's minimum age asks for it."""
    person = await ada(world)
    browser = await entered(world)
    page = sound(await browser.get("/account"))
    assert "There is no minimum age here" in page.text
    box = {"country": "DE", "south": 48.0, "west": 11.0, "north": 49.0, "east": 12.0}
    async with world.client(world.admin()) as admin:
        assert (await admin.post("/api/v1/markets", json={"minimum_age": 18})).is_success
        for name, years in (("M<i>", 16), ("Free", None), ("Same", 18), ("None", 0)):
            area = (await admin.post("/api/v1/areas", json=box | {"name": name})).json()["id"]
            if name != "None":
                rules = {"area_id": area, "minimum_age": years}
                assert (await admin.post("/api/v1/markets", json=rules)).is_success
    page = sound(await browser.get("/account"))
    for text in ("at least 18.", "In M<i> you have to be at least 16.", "In Free there is no"):
        assert text in page.text, text
    assert "In Same" not in page.text
    assert "In None" not in page.text
    for wrong in ("", "x", "2999-01-01", "1850-01-01", "2001-02-30", "1" * 500):
        refused = await browser.send(page, "/account/birth-date", birth_date=wrong)
        assert "Must be a day in the past" in sound(refused, 400).text
    forged = await browser.client.post("/account/birth-date", data={"birth_date": "2001-02-03"})
    assert forged.status_code == 403
    page = sound(await browser.send(page, "/account/birth-date", birth_date="2001-02-03"))
    assert "3 Feb 2001" in page.text
    assert "Customer service can correct it." in page.text
    assert "/account/birth-date" not in page.answer.text
    call = world.call("customer", user=person.id)
    async with world.client(call) as own:
        said = (await own.get("/api/v1/users/me/birth-date")).json()
        assert said["birth_date"] == "2001-02-03"
        assert {"area": None, "minimum_age": 18} in said["minimum_ages"]
        again = await own.put("/api/v1/users/me/birth-date", json={"birth_date": "1990-01-01"})
        assert again.json()["error"]["code"] == "BIRTH_DATE_SET"
    async with world.client(await world.rider()) as other:
        assert (await other.get("/api/v1/users/me/birth-date")).json()["birth_date"] is None
    german = await entered(world)
    german.client.headers["accept-language"] = "de"
    assert "Geburtsdatum" in sound(await german.get("/account")).text


def options_of(page: Page) -> dict[str, object]:
    """What the page would ask the browser."""
    found = re.search(r'data-passkey="([^"]*)"', page.answer.text)
    assert found is not None
    said: dict[str, object] = json.loads(html.unescape(found[1]))
    return said


async def test_only_a_passkey_under_a_policy_gets_in_by_page(world: World) -> None:
    """Made, named, logged in by, where the operator asks for a second factor; renamed; the last
    one stays."""
    await staff(world, "support")
    async with world.client(world.admin()) as admin:
        browser = await entered(world, "staff@example.org", base=HOME)
        wish = {"second_factor_roles": ["support"]}
        await admin.patch("/api/v1/identity/policy", json=wish)
    phone = Authenticator()
    page = sound(await browser.send(await browser.get(SECURITY), "/account/passkeys/begin"))
    made = phone.make(options_of(page))
    lie = Authenticator(origin="https://evil.example").make(options_of(page))
    page = sound(await browser.send(page, "/account/passkeys", credential=json.dumps(lie)), 401)
    made = phone.make(options_of(page))
    page = sound(await browser.send(page, "/account/passkeys", credential=json.dumps(made),
                                    name="Key ring"))  # fmt: skip
    assert "The passkey is added." in page.text
    page = await browser.send(page, "/account/passkeys/rename", name="<i>Ring</i>")
    assert "<i>Ring</i>" in sound(page).text
    other = Browser(world, base=HOME)
    page = await other.get("/login?next=/account/security")
    page = sound(await other.send(page, "/login", login="staff@example.org", password=PASSWORD))
    assert "log in with your passkey" in page.text
    page = sound(await other.send(page, "/account/passkey"))
    for nonsense in ("", "[]", "{", '{"rawId": 3}', "x" * 20_000):
        page = sound(await other.send(page, "/account/passkey/log-in", credential=nonsense), 401)
    used = phone.sign(options_of(page))
    page = sound(await other.send(page, "/account/passkey/log-in", credential=json.dumps(used)))
    assert page.answer.url.path == SECURITY
    page = await other.send(page, "/account/passkeys/remove")
    assert page.answer.status_code == 409


async def test_sessions_are_seen_and_ended(world: World) -> None:
    """IDN-10: one, all others, all; who tried stands below."""
    await ada(world)
    browser = await entered(world)
    done = await identity.log_in(world.call(), EMAIL, PASSWORD, device="Old phone")
    await here(world, name="Tablet")
    page = sound(await browser.get("/account/sessions"))
    assert "Old phone" in page.text
    assert page.text.count("logged in") >= 3
    async with world.client() as client:
        client.headers.update(bearer(done.access_token))
        for form in [f for f in page.forms if f.action == "/account/sessions/end"]:
            sent = {"origin": browser.base, "referer": str(page.answer.url)}
            answer = await browser.client.post(form.action, data=form.values, headers=sent)
            assert answer.status_code == 303
        assert (await client.get("/api/v1/users/me")).status_code == 401
    page = sound(await browser.send(await browser.get("/account/sessions"),
                                    "/account/sessions/end-all", which="all"))  # fmt: skip
    assert "You are logged out." in page.text
    assert (await browser.get("/account")).answer.url.path == "/login"


async def test_api_keys_of_those_who_may(world: World) -> None:
    """IDN-36: made, shown once, rotated, ended; riders do not see the page."""
    await staff(world, "admin")
    browser = await entered(world, "staff@example.org")
    page = sound(await browser.get("/account/keys"))
    page = sound(await browser.send(page, "/account/keys", name="Job", scopes="nonsense!"), 400)
    assert page.form("/account/keys").values["name"] == "Job"
    page = sound(await browser.send(page, "/account/keys", scopes="fleet.vehicle.read"))
    secrets = [page]
    page = sound(await browser.get("/account/keys"))
    secrets.append(await browser.send(page, "/account/keys/change", deed="rotate"))
    found = [re.findall(r"<code>(fwk_[^<]+)</code>", each.answer.text) for each in secrets]
    [[first], [second]] = found
    assert first != second
    for secret in (first, second):
        async with world.client() as client:
            client.headers.update(bearer(secret))
            assert (await client.get("/api/v1/vehicles")).status_code == 200
    page = sound(await browser.send(await browser.get("/account/keys"), "/account/keys/change",
                                    deed="revoke"))  # fmt: skip
    assert first not in page.answer.text
    assert "ended" in page.text
    page = await browser.send(page, "/account/keys", name="X", scopes="x.y.z", days="0")
    assert page.answer.status_code == 400
    await ada(world)
    rider = await entered(world)
    assert (await rider.get("/account/keys")).answer.status_code == 403
    assert "/account/keys" not in (await rider.get("/account")).links
    form = {"key": ids.public("key", ids.new()), "deed": "revoke"}
    answer = await rider.client.post("/account/keys/change", data=form)
    assert answer.status_code == 403
