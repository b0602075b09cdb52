"""Forgotten passwords, links and second steps in a browser without JavaScript (IDN-05, WEB-18)."""

from __future__ import annotations

import html
import re

import pyotp

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import factors, proofs
from fahrwerk.kernel import clock
from tests.identity.doorstep import here, later, letter, news, staff, token_of
from tests.identity.people import EMAIL, ada
from tests.site.browsing import Browser, Page
from tests.world import PASSWORD, World

NEW = "another horse and battery"


def sound(page: Page, status: int = 200) -> Page:
    """Nothing in it may run, and every label has its field."""
    assert page.answer.status_code == status, page.text
    assert not page.unsafe
    assert set(page.fors) <= set(page.ids)
    return page


async def test_a_forgotten_password_in_a_browser(world: World) -> None:
    """Asked for, set, logged in; the same words whoever has an account; in both languages."""
    person = await ada(world)
    browser = Browser(world)
    login = sound(await browser.get("/login"))
    assert "/account/forgot" in login.links
    told = []
    for who in (EMAIL, "nobody@example.org"):
        page = sound(await browser.get("/account/forgot"))
        page = sound(await browser.send(page, "/account/forgot", login=who, purpose="reset"))
        told.append(page.text)
    assert told[0] == told[1]
    assert "a message is on its way" in told[0]
    path = f"/account/reset?token={token_of(await letter(world, 'reset'))}"
    page = sound(await browser.get(path))
    page = sound(await browser.send(page, "/account/reset", password="password12"), 400)
    page = sound(await browser.send(page, "/account/reset", password=NEW))
    assert "Your password is set" in page.text
    assert await identity.log_in(world.call(), EMAIL, NEW)
    page = sound(await browser.get(path))
    page = sound(await browser.send(page, "/account/reset", password=NEW), 422)
    assert "not valid any more" in page.text
    german = Browser(world, **{"accept-language": "de"})
    assert "Passwort vergessen?" in sound(await german.get("/account/forgot")).text
    assert "password_reset" in await news(world, person.id)


async def test_opening_a_link_uses_nothing_up(world: World) -> None:
    """Programs that look at mail open links; only the button counts."""
    await ada(world)
    browser = Browser(world)
    page = await browser.get("/account/forgot")
    await browser.send(page, "/account/forgot", login=EMAIL, purpose="magic")
    path = f"/account/magic?token={token_of(await letter(world, 'magic'))}"
    for _ in range(3):
        page = sound(await browser.get(path))
    await browser.send(page, "/account/magic")
    assert browser.client.cookies.get("__Host-fahrwerk")
    page = sound(await browser.get(path))
    sound(await browser.send(page, "/account/magic"), 422)


async def test_an_address_is_confirmed_by_a_button(world: World) -> None:
    await ada(world)
    await proofs.ask_verification(await here(world), "email")
    path = f"/account/verify?token={token_of(await letter(world, 'verify_email'))}"
    browser = Browser(world)
    page = sound(await browser.send(sound(await browser.get(path)), "/account/verify"))
    assert "Your e-mail address is confirmed." in page.text
    for text in ('"><script>alert(1)</script>', "x" * 200):
        page = sound(await browser.get(f"/account/verify?token={text}"))
        sound(await browser.send(page, "/account/verify"), 422)


async def test_two_steps_in_a_browser(world: World) -> None:
    """A code of the app, or a recovery code; a wrong one may be repeated."""
    await ada(world)
    me = await here(world)
    setup = await factors.begin_totp(me)
    app = pyotp.TOTP(setup.secret)
    [recovery, *_] = await factors.confirm_totp(me, app.at(clock.now()))
    for way in ("app", "recovery"):
        browser = Browser(world)
        page = await browser.get("/login?next=/cookies")
        page = await browser.send(page, "/login", login=EMAIL, password=PASSWORD)
        assert "One more step" in sound(page).text
        with later(seconds=40):
            code = app.at(clock.now()) if way == "app" else recovery
            page = await browser.send(page, "/account/second-factor", code="000000")
            page = await browser.send(sound(page, 401), "/account/second-factor", code=code)
        assert page.answer.url.path == "/cookies"
        assert browser.client.cookies.get("__Host-fahrwerk")


async def test_an_app_is_set_up_on_the_way_in(world: World) -> None:
    """Where the operator asks its staff for one."""
    await staff(world, "support")
    async with world.client(world.admin()) as admin:
        wish = {"second_factor_roles": ["support"]}
        await admin.patch("/api/v1/identity/policy", json=wish)
    browser = Browser(world)
    page = await browser.get("/login")
    page = await browser.send(page, "/login", login="staff@example.org", password=PASSWORD)
    assert "<svg" in sound(page).answer.text
    found = re.search(r"<code>(\w{32})</code>", html.unescape(page.answer.text))
    assert found is not None
    code = pyotp.TOTP(found[1]).at(clock.now())
    await browser.send(page, "/account/second-factor", code=code)
    assert browser.client.cookies.get("__Host-fahrwerk")


async def test_who_has_only_a_phone_number_uses_the_code(world: World) -> None:
    """An SMS has no link: its code sets a password, or logs in; a wrong one says no more."""
    phone = "+491512345678"
    await ada(world, email=None, phone=phone)
    browser = Browser(world)
    page = await browser.get("/account/forgot")
    page = await browser.send(page, "/account/forgot", login=phone, purpose="reset")
    code = (await letter(world, "reset")).code
    page = sound(await browser.send(page, "/account/code", code="00000000", password=NEW), 422)
    assert "not valid any more" in page.text
    page = sound(await browser.send(page, "/account/code", code=code, password=NEW))
    assert "Your password is set" in page.text
    assert await identity.log_in(world.call(), phone, NEW)
    with later(minutes=2):
        page = await browser.get("/account/forgot")
        page = await browser.send(page, "/account/forgot", login=phone, purpose="magic")
        code = (await letter(world, "magic")).code
        await browser.send(page, "/account/code", code=code)
        assert browser.client.cookies.get("__Host-fahrwerk")
