"""Signing in with a second factor, in both apps: the same form (issue 5)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyotp
import pytest
from playwright.sync_api import expect

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import PASSWORD, Api, Stage, email_of, new_rider

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]


def secured(api: Api) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator app for this person, and the recovery codes."""
    app = pyotp.TOTP(api.post("/api/v1/me/totp")["secret"])
    codes = api.post("/api/v1/me/totp/confirm", {"code": app.now()})["recovery_codes"]
    return app, list(codes)


def fresh(app: pyotp.TOTP) -> str:
    """A code that was not used for setting up: the next one is good already."""
    return app.at(int(time.time()) + 30)


def test_a_rider_signs_in_with_the_code_of_an_app(browser: Browser, address: str) -> None:
    """Wrong once, then right; in French, and nothing an axe finds."""
    with new_rider(address, token=None) as rider, Stage(browser, address, language="fr") as stage:
        app, _ = secured(rider)
        page = stage.open("/app/account")
        page.get_by_label("E-mail ou téléphone").fill(email_of(rider))
        page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Se connecter", exact=True).click()
        code = page.get_by_label("Code de l’application d’authentification")
        expect(code).to_be_visible()
        assert stage.axe() == []
        code.fill("000000")
        page.get_by_role("button", name="Se connecter", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Ce code n’est pas correct")
        code.fill(fresh(app))
        code.press("Enter")
        expect(code).to_be_hidden()
        expect(page.get_by_role("button", name="Se déconnecter")).to_be_visible()


def test_staff_signs_in_with_a_recovery_code(browser: Browser, address: str) -> None:
    """Back once, then by a code of paper; the console opens where one wanted to go."""
    email = f"boss-{ids.new().hex[-8:]}@mobility.example"
    person = {"email": email, "password": PASSWORD, "roles": ["admin"]}
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        admin.post("/api/v1/users", person)
    with Api(address, email, PASSWORD) as boss, Stage(browser, address, width=1440) as stage:
        _, codes = secured(boss)
        page = stage.open("/console/rentals")
        for is_last in (False, True):
            page.get_by_label("Operator").fill(demo.TENANT)
            page.get_by_label("E-mail or phone").fill(email)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Sign in", exact=True).click()
            if not is_last:
                page.get_by_role("button", name="Back", exact=True).click()
        page.get_by_role("button", name="Use a recovery code").click()
        page.get_by_label("Recovery code").fill(codes[0])
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Rides").first).to_be_visible()
        assert page.url.endswith("/console/rentals")
