"""TST-01 in a real browser, with real identity providers: each of the three protocols, end to end.

Each needs its peer and Chromium on this machine (.ci/run installs them); else it is skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fahrwerk.identity.protocols import oidc
from tests.identity import peers
from tests.identity.sso import provider
from tests.wallet.test_portal_browser import CHROMIUM, browser_page, served
from tests.world import World

NO_BROWSER = "" if Path(CHROMIUM).exists() else "no chromium on this machine"
pytestmark = [pytest.mark.process, pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER)]
ROLES = ["customer", "provider"]


async def entered(page: Any, world: World) -> dict[str, Any]:
    """Who the browser is now, as its pages' scripts ask."""
    await page.wait_for_url("**/cookies")
    me: dict[str, Any] = await page.evaluate(
        "fetch('/session/access', {method: 'POST'}).then(answer => answer.json())"
    )
    async with world.client(world.admin()) as admin:
        found = await admin.get("/api/v1/users", params={"q": "ada@corp.example"})
    [there] = found.json()["users"]
    assert there["id"] == me["user"]["id"]
    return me["user"]  # type: ignore[no-any-return]


async def chosen_way(page: Any, world: World, name: str) -> None:
    await page.goto(f"/login?tenant={world.operator.slug}&next=/cookies")
    await page.click("text=Log in with your organisation")
    if name:
        await page.click(f"text={name}")


@pytest.mark.skipif(bool(peers.NO_PHP), reason=peers.NO_PHP)
async def test_saml_at_simplesamlphp(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata by address, a log-in at Debian's SimpleSAMLphp, an account with the mapped roles."""
    troubles: list[str] = []
    async with served() as port:
        address = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("FAHRWERK_PUBLIC_URL", address)
        with peers.simplesaml(tmp_path) as (metadata, know):
            mapping = {"email": "Email", "department": "Department", "role": "Role"}
            protocol = {"type": "saml", "metadata_url": metadata}
            way = await provider(world, protocol, name="By SAML", mapping=mapping)
            base = f"{address}/sso/{world.operator.slug}/{way}"
            know(f"{base}/metadata", f"{base}/acs")
            async with browser_page(address, troubles) as page:
                await chosen_way(page, world, "By SAML")
                await page.fill("[name=username]", "ada")
                await page.fill("[name=password]", "engine")
                await page.click("#submit_button, button[type=submit]")
                user = await entered(page, world)
    assert (user["email"], sorted(user["roles"])) == ("ada@corp.example", ROLES)


@pytest.mark.skipif(bool(peers.NO_NODE), reason=peers.NO_NODE)
async def test_oidc_at_oidc_provider(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """npm's certified oidc-provider: discovery, PKCE, keys, userinfo, and the way back."""
    oidc.forget()
    troubles: list[str] = []
    async with served() as port:
        address = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("FAHRWERK_PUBLIC_URL", address)
        protocol = {"type": "oidc", "issuer": "http://127.0.0.1:1", "client_id": "fahrwerk"}
        way = await provider(world, protocol, secret="s3cret/+", name="By OIDC")
        back = f"{address}/sso/{world.operator.slug}/{way}/callback"
        with peers.node_oidc(tmp_path, [back]) as issuer:
            body = {
                "name": "By OIDC", "protocol": protocol | {"issuer": issuer}, "secret": "s3cret/+",
                "domains": ["corp.example"], "role_rules": [{"group": "Fleet", "role": "provider"}],
            }  # fmt: skip
            async with world.client(world.admin()) as admin:
                moved = await admin.put(f"/api/v1/sso/providers/{way}", json=body)
                assert moved.status_code == 200, moved.text
            async with browser_page(address, troubles) as page:
                await chosen_way(page, world, "By OIDC")
                await page.fill("[name=login]", "ada")
                await page.fill("[name=password]", "any")
                await page.click("[type=submit]")
                await page.click("[type=submit]")
                user = await entered(page, world)
    assert (user["email"], sorted(user["roles"])) == ("ada@corp.example", ROLES)


@pytest.mark.skipif(bool(peers.NO_SLAPD), reason=peers.NO_SLAPD)
async def test_ldap_at_openldap(world: World, tmp_path: Path) -> None:
    """Debian's slapd behind our own form; a wrong password is told in words."""
    troubles: list[str] = []
    with peers.slapd(tmp_path) as there:
        protocol = {
            "type": "ldap", "url": there["ldaps"], "ca_pem": there["ca"],
            "bind_dn": "cn=reader,dc=corp,dc=example", "base_dn": "dc=corp,dc=example",
            "group_base_dn": "dc=corp,dc=example",
        }  # fmt: skip
        await provider(world, protocol, secret="r3ader", name="By LDAP")
        async with served() as port, browser_page(f"http://127.0.0.1:{port}", troubles) as page:
            await chosen_way(page, world, "")
            await page.fill("[name=login]", "ada")
            await page.fill("[name=password]", "wrong")
            await page.click("form[method=post] button")
            await page.wait_for_selector("text=Name or password is wrong.")
            await page.fill("[name=login]", "ada")
            await page.fill("[name=password]", "analytical engine")
            await page.click("form[method=post] button")
            user = await entered(page, world)
    assert (user["email"], sorted(user["roles"])) == ("ada@corp.example", ROLES)
