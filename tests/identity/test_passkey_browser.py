"""Passkeys in a real browser with an authenticator of its own: the script does what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import ids
from tests.identity.doorstep import staff
from tests.wallet.test_portal_browser import CHROMIUM, browser_page, served
from tests.world import PASSWORD, World

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium on this machine"),
]
DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


async def test_a_passkey_is_added_and_lets_in_under_a_policy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added on one's own pages, then the only way in there is: no password, no app."""
    person = await staff(world, "support")
    troubles: list[str] = []
    async with served() as port:
        address = f"http://localhost:{port}"
        monkeypatch.setenv("FAHRWERK_PUBLIC_URL", address)
        login = f"/login?tenant={world.operator.slug}&next=/account/security"
        async with browser_page(address, troubles) as page:
            device = await page.context.new_cdp_session(page)
            await device.send("WebAuthn.enable")
            await device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
            await page.goto(login)
            await page.fill("[name=login]", "staff@example.org")
            await page.fill("[name=password]", PASSWORD)
            await page.click("main form[action='/login'] button")
            await page.click("form[action='/account/passkeys/begin'] button")
            await page.fill("[name=name]", "This laptop")
            await page.click("form[data-passkey] button")
            await page.wait_for_url("**/account/security")
            assert "This laptop" in await page.inner_text("main")
            async with world.client(world.admin()) as admin:
                wish = {"second_factor_roles": ["support"]}
                await admin.patch("/api/v1/identity/policy", json=wish)
            await page.click("form[action='/logout'] button")
            await page.goto(login)
            await page.fill("[name=login]", "staff@example.org")
            await page.fill("[name=password]", PASSWORD)
            await page.click("main form[action='/login'] button")
            await page.click("main form[action='/account/passkey'] button")
            await page.click("form[data-passkey] button")
            await page.wait_for_url("**/account/security")
            me = await page.evaluate(
                "fetch('/session/access', {method: 'POST'}).then(answer => answer.json())"
            )
    assert me["user"]["id"] == ids.public("usr", person.id)
    assert troubles == []
    found = await identity.person(world.system(), person.id)
    assert found.roles == {"support"}
