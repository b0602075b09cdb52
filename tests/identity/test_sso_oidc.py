"""OpenID Connect: the whole way, and what attackers try (IDN-20, IDN-24, IDN-25)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from fahrwerk.identity.protocols import oidc
from fahrwerk.kernel import ids
from tests.identity.idp import FakeOidc, fake_oidc
from tests.identity.sso import BACK, OVER, Person, provider, told
from tests.identity.test_scim import PATCH, ada, directory, made
from tests.identity.test_scim import token_of as scim_token
from tests.world import World


@pytest.fixture
async def idp() -> AsyncIterator[FakeOidc]:
    oidc.forget()
    async with fake_oidc() as fake:
        yield fake


async def at(world: World, idp: FakeOidc, **more: Any) -> str:
    protocol = {"type": "oidc", "issuer": idp.issuer, "client_id": "fahrwerk"}
    return await provider(world, protocol, **{"secret": "s3cret/+", **more})


async def through(world: World, idp: FakeOidc, chosen: str, person: Person | None = None) -> str:
    """Once to the provider and back: what the app is told."""
    person = person or Person(world)
    query = idp.authorize(await person.leave(chosen))
    answer = await person.open(f"/sso/{world.operator.slug}/{chosen}/callback?{query}")
    assert answer.status_code == 303, answer.text
    back = str(answer.headers["location"])
    assert back.startswith(BACK)
    return back


async def test_first_log_in_makes_the_account_and_later_ones_find_it(
    world: World, idp: FakeOidc
) -> None:
    """IDN-24: code, PKCE, state and nonce; the account has the mapped names and roles."""
    chosen = await at(world, idp, mapping={"department": "dep"})
    idp.claims |= {"groups": ["fleet"], "dep": "Sales"}
    person = Person(world)
    back = await through(world, idp, chosen, person)
    assert told(back)["state"] == "s1"
    done = await person.redeem(back)
    assert done.status_code == 200, done.text
    user = done.json()["user"]
    assert user["email"] == "ada@corp.example"
    assert user["roles"] == ["customer", "provider"]
    assert idp.forms[0]["code_verifier"]
    async with world.client() as app:
        token = {"Authorization": f"Bearer {done.json()['access_token']}"}
        me = (await app.get("/api/v1/users/me", headers=token)).json()
        assert (me["first_name"], me["last_name"]) == ("Ada", "Lovelace")
    # The second time the address has changed: it is still she, and her role is gone.
    idp.claims |= {"email": "ada.l@corp.example", "groups": []}
    again = (await person.redeem(await through(world, idp, chosen))).json()["user"]
    assert again["id"] == user["id"]
    assert again["roles"] == ["customer"]
    assert (await person.redeem(back)).json()["error"]["details"]["reason"] == "code"


ATTACKS: dict[str, tuple[str, Any]] = {
    "audience": ("audience", lambda c: c.update(aud="another")),
    "many audiences": ("audience", lambda c: c.update(aud=["fahrwerk", "another"])),
    "another party": ("audience", lambda c: c.update(aud=["fahrwerk"], azp="another")),
    "issuer": ("issuer", lambda c: c.update(iss="https://evil.example")),
    "nonce": ("nonce", lambda c: c.update(nonce="of another log-in")),
    "no nonce": ("nonce", lambda c: c.pop("nonce")),
    "expired": ("expired", lambda c: c.update(exp=int(time.time()) - 120)),
    "never expires": ("expired", lambda c: c.pop("exp")),
    "from the future": ("times", lambda c: c.update(iat=int(time.time()) + 600)),
    "time as text": ("times", lambda c: c.update(exp="9999999999")),
    "nobody": ("subject", lambda c: c.pop("sub")),
    "empty subject": ("subject", lambda c: c.update(sub="")),
    "unverified": ("email_unverified", lambda c: c.update(email_verified=False)),
    "elsewhere": (
        "email_unverified",
        lambda c: (c.update(email="bob@other.example"), c.pop("email_verified")),
    ),
}


def token_of(*parts: dict[str, Any]) -> bytes:
    texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return b".".join(texts)


def unsigned(claims: dict[str, Any]) -> str:
    return token_of({"alg": "none"}, claims).decode() + "."


def mac_signed(claims: dict[str, Any], public: bytes) -> str:
    """HS256 with the provider's public key as the secret."""
    text = token_of({"alg": "HS256", "kid": "one"}, claims)
    mac = hmac.digest(public, text, "sha256")
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


async def test_forged_and_foreign_tokens(world: World, idp: FakeOidc) -> None:
    """Signature, algorithm, key, audience, issuer, nonce and times are all looked at."""
    chosen = await at(world, idp)
    for name, (reason, bend) in ATTACKS.items():
        idp.bend = bend
        answer = told(await through(world, idp, chosen))
        assert (answer.get("reason"), "code" in answer) == (reason, False), name
    idp.bend = lambda claims: None
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    public = json.dumps(idp.key.as_dict(private=False)).encode()

    forgeries: list[tuple[str, Any]] = [
        ("algorithm", unsigned),
        ("algorithm", lambda c: mac_signed(c, public)),
        ("algorithm", lambda c: mac_signed(c, idp.key.as_pem(private=False))),
        ("signature", lambda c: idp.sign(c, stranger)),
        ("id_token", lambda c: "a.b.c"),
        ("signature", lambda c: idp.sign(c)[:-8] + "AAAAAAAA"),
    ]
    for reason, idp.signed in forgeries:
        assert told(await through(world, idp, chosen)).get("reason") == reason


async def test_key_rotation_is_followed_but_not_on_demand(world: World, idp: FakeOidc) -> None:
    """A new key is fetched once; unknown ones do not make us ask the provider over and over."""
    chosen = await at(world, idp)
    assert "code" in told(await through(world, idp, chosen))
    idp.key = RSAKey.generate_key(2048, {"kid": "two"})
    idp.published = [idp.key]
    oidc._keys = {url: (then - oidc.REFETCH_S, k) for url, (then, k) in oidc._keys.items()}
    assert "code" in told(await through(world, idp, chosen))
    before = idp.asked.count("/keys")
    idp.key = RSAKey.generate_key(2048, {"kid": "three"})
    for _ in range(3):
        assert told(await through(world, idp, chosen))["reason"] == "signature"
    assert idp.asked.count("/keys") == before


def is_over(answer: httpx.Response) -> bool:
    return str(answer.headers.get("location")) == OVER


async def test_the_way_back_is_for_the_browser_that_left(world: World, idp: FakeOidc) -> None:
    """State once, only in the browser that left, only by the provider it left for (mix-up)."""
    chosen, person, victim = await at(world, idp), Person(world), Person(world)
    path = f"/sso/{world.operator.slug}/{chosen}/callback?"
    query = idp.authorize(await person.leave(chosen))
    answer = await victim.open(path + query)  # a log-in that somebody else began
    assert told(answer.headers["location"])["reason"] == "browser"
    assert is_over(await person.open(path + query))  # and it is over for all
    query = idp.authorize(await person.leave(chosen)).replace(idp.issuer, "https://evil.example")
    answer = await person.open(path + query)
    assert told(answer.headers["location"])["reason"] == "issuer"
    query = idp.authorize(await person.leave(chosen)).partition("&iss")[0]
    assert told((await person.open(path + query)).headers["location"])["reason"] == "issuer"
    async with fake_oidc() as other:
        second = await at(world, other, domains=[])
        query = idp.authorize(await person.leave(chosen))
        back = await person.open(f"/sso/{world.operator.slug}/{second}/callback?{query}")
        assert is_over(back)
        assert not other.forms
    query = f"error=access_denied&state={idp.authorize(await person.leave(chosen))[-5:]}"
    assert is_over(await person.open(path + query))
    assert is_over(await person.open(path))


async def test_an_app_gets_its_own_code_only(world: World, idp: FakeOidc) -> None:
    """PKCE between the app and us; addresses letter by letter; nothing of another operator."""
    chosen, person = await at(world, idp), Person(world)
    back = await through(world, idp, chosen, person)
    wrong = await person.redeem(back, "x" * 43)
    assert wrong.json()["error"]["details"]["reason"] == "code"
    assert (await person.redeem(back)).status_code == 401  # a guess costs the code
    for uri in (BACK + "/x", "https://evil.example", BACK.upper(), "javascript:alert(1)"):
        body = {"provider": chosen, "redirect_uri": uri, "code_challenge": "x" * 43}
        assert (await person.app.post("/api/v1/auth/sso/start", json=body)).status_code == 400
    slug = world.operator.slug
    for evil in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil"):
        answer = await person.browser.get(f"/sso/{slug}/{chosen}/start", params={"next": evil})
        gone = await person.open(answer.headers["location"])
        query = idp.authorize(gone.headers["location"])
        done = await person.open(f"/sso/{slug}/{chosen}/callback?{query}")
        assert done.headers["location"] == "/"
        assert "fahrwerk=" in str(done.headers.get_list("set-cookie"))


async def test_nobody_takes_an_account_by_its_address(world: World, idp: FakeOidc) -> None:
    """An address alone proves nothing; taken over, the old password and sessions are gone."""
    await world.rider(email="ada@corp.example", password="correct horse battery staple")
    chosen = await at(world, idp)
    assert told(await through(world, idp, chosen))["reason"] == "account_exists"
    linking = await at(world, idp, name="Linking", domains=[])
    assert told(await through(world, idp, linking))["reason"] == "account_exists"
    async with world.client(world.admin()) as admin:
        there = (await admin.get(f"/api/v1/sso/providers/{chosen}")).json()
        drop = ("id", "created_at", "updated_at", "callback_url", "metadata_url", "has_secret")
        body = {k: v for k, v in there.items() if k not in drop}
        body |= {"may_link_by_email": True}
        changed = await admin.put(f"/api/v1/sso/providers/{chosen}", json=body)
        assert changed.status_code == 200, changed.text
        assert (await admin.put(f"/api/v1/sso/providers/{chosen}", json=body)).status_code == 409
    login = {"email": "ada@corp.example", "password": "correct horse battery staple"}
    async with world.client() as squatter:
        old = (await squatter.post("/api/v1/auth/login", json=login)).json()
        person = Person(world)
        back = await through(world, idp, chosen, person)
        assert (await person.redeem(back)).json()["user"]["id"] == old["user"]["id"]
        assert (await squatter.post("/api/v1/auth/login", json=login)).status_code == 401
        token = {"Authorization": f"Bearer {old['access_token']}"}
        assert (await squatter.get("/api/v1/users/me", headers=token)).status_code == 401
    staff = world.call("admin")
    await world.rider(email="boss@corp.example")
    from fahrwerk.kernel import db

    await db.run(
        "identity", staff,
        "INSERT INTO identity.person_role (person_id, role, granted_at) "
        "SELECT id, 'admin', now() FROM identity.person WHERE email = 'boss@corp.example'",
    )  # fmt: skip
    idp.claims |= {"sub": "mallory", "email": "boss@corp.example"}
    assert told(await through(world, idp, chosen))["reason"] == "account_exists"


async def test_switched_off_is_out_at_once(world: World, idp: FakeOidc) -> None:
    """Sessions begun by a provider end with it; its secret does not move to another address."""
    chosen, person = await at(world, idp), Person(world)
    done = (await person.redeem(await through(world, idp, chosen, person))).json()
    me = {"Authorization": f"Bearer {done['access_token']}"}
    assert (await person.app.get("/api/v1/users/me", headers=me)).status_code == 200
    pending = idp.authorize(await person.leave(chosen))
    body: dict[str, Any] = {
        "name": "Corp", "is_enabled": False,
        "protocol": {"type": "oidc", "issuer": idp.issuer, "client_id": "fahrwerk"},
    }  # fmt: skip
    async with world.client(world.admin()) as admin:
        moved = body | {"protocol": body["protocol"] | {"issuer": "https://evil.example"}}
        refused = await admin.put(f"/api/v1/sso/providers/{chosen}", json=moved)
        assert refused.json()["error"]["details"]["field"] == "secret"
        answer = await admin.put(f"/api/v1/sso/providers/{chosen}", json=body)
        assert answer.json()["has_secret"] is True
        assert "s3cret" not in answer.text
    assert (await person.app.get("/api/v1/users/me", headers=me)).status_code == 401
    late = await person.open(f"/sso/{world.operator.slug}/{chosen}/callback?{pending}")
    assert is_over(late)


async def test_what_is_set_up_is_checked(world: World, idp: FakeOidc) -> None:
    """No private addresses, no foreign schemes, no role above one's own, domains once."""
    ok: dict[str, Any] = {"type": "oidc", "issuer": idp.issuer, "client_id": "c"}
    async with world.client(world.admin()) as admin, world.client(world.call("provider")) as low:
        assert (await low.get("/api/v1/sso/providers")).status_code == 403
        for issuer in (
            "ftp://x.example",
            "file:///etc/passwd",
            "https://u@x.example",
            "x",
            "https:",
        ):
            body: dict[str, Any] = {"name": "X", "protocol": ok | {"issuer": issuer}}
            assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 400, issuer
        for role in ("platform", "nothing"):
            body = {"name": "X", "protocol": ok, "role_rules": [{"group": "g", "role": role}]}
            assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 400
        body = {"name": "X", "protocol": ok, "domains": ["Corp.example"], "is_enforced": True}
        assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 201
        assert (await admin.post("/api/v1/sso/providers", json=body)).status_code == 409
        found = await low.get("/api/v1/auth/sso/providers", params={"email": "x@CORP.example"})
        assert [each["is_enforced"] for each in found.json()["providers"]] == [True]
        found = await low.get("/api/v1/auth/sso/providers", params={"email": "x@other.example"})
        assert found.json()["providers"] == []
    from fahrwerk.identity.contract import sso as contract
    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.errors import Forbidden

    weak = Call(tenant=world.tenant, user=ids.new(), permissions=frozenset({"identity.sso.write"}))
    wanted = contract.NewProvider(
        name="X", protocol=contract.Oidc(idp.issuer, "c"),
        role_rules=[contract.RoleRule("g", "admin")],
    )  # fmt: skip
    with pytest.raises(Forbidden):
        await contract.save_sso_provider(weak, wanted, None, None)


async def test_a_test_tells_every_step_and_logs_nobody_in(world: World, idp: FakeOidc) -> None:
    """The test button: discovery and keys at once, the rest in a browser, nothing made by it."""
    chosen, person = await at(world, idp, is_enabled=False), Person(world)
    async with world.client(world.admin()) as admin:
        test = (await admin.post(f"/api/v1/sso/providers/{chosen}/test", json={})).json()
        assert [step["name"] for step in test["steps"]] == ["discovery", "keys"]
        gone = (await person.open(test["url"])).headers["location"]
        path = f"/sso/{world.operator.slug}/{chosen}/callback?"
        page = await person.open(path + idp.authorize(gone))
        assert page.status_code == 200
        assert "would make an account" in page.text
        told_ = (await admin.get(f"/api/v1/sso/tests/{test['id']}")).json()
        assert told_["is_ok"] is True
        users = (await admin.get("/api/v1/users", params={"q": "ada@corp"})).json()["users"]
        assert users == []
        idp.discovery = {"issuer": "https://evil.example"}
        oidc.forget()
        test = (await admin.post(f"/api/v1/sso/providers/{chosen}/test", json={})).json()
        assert (test["is_over"], test["is_ok"], test["url"]) == (True, False, None)
        assert "evil.example" in test["steps"][-1]["detail"]


async def test_enforced_for_a_domain_but_not_for_administrators(
    world: World, idp: FakeOidc
) -> None:
    """A password does not let an employee in, nor a stranger sit on his address; admins it does."""
    password = "correct horse battery staple"
    await world.rider(email="bob@corp.example")
    boss = {"email": "root@corp.example", "password": password, "roles": ["admin"]}
    async with world.client(world.admin()) as admin, world.client() as app:
        assert (await admin.post("/api/v1/users", json=boss)).status_code == 201
        await at(world, idp, is_enforced=True)
        bob = {"email": "bob@corp.example", "password": password}
        refused = await app.post("/api/v1/auth/login", json=bob)
        assert refused.json()["error"]["code"] == "SSO_REQUIRED"
        squat = {"email": "ada@CORP.example", "password": password}
        refused = await app.post("/api/v1/auth/register", json=squat)
        assert refused.json()["error"]["code"] == "SSO_REQUIRED"
        login = {"email": boss["email"], "password": password}
        assert (await app.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_no_request_goes_where_it_should_not(
    world: World, idp: FakeOidc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSRF: private and metadata addresses never; loopback and http only in development."""
    async with world.client(world.admin()) as admin:
        for issuer in ("https://169.254.169.254/latest", "https://10.0.0.1", "https://[fd00::1]"):
            body = {"name": "X", "protocol": {"type": "oidc", "issuer": issuer, "client_id": "c"}}
            made = await admin.post("/api/v1/sso/providers", json=body)
            test = await admin.post(f"/api/v1/sso/providers/{made.json()['id']}/test", json={})
            assert test.json()["steps"][-1]["name"] == "peer_unreachable", issuer
        idp.discovery = {"jwks_uri": "http://10.0.0.1/keys"}
        chosen = await at(world, idp)
        test = await admin.post(f"/api/v1/sso/providers/{chosen}/test", json={})
        assert test.json()["is_ok"] is False
        monkeypatch.setenv("FAHRWERK_DEV", "false")
        for issuer in (idp.issuer, "https://localhost:1"):
            body = {"name": "X", "protocol": {"type": "oidc", "issuer": issuer, "client_id": "c"}}
            made = await admin.post("/api/v1/sso/providers", json=body)
            if made.status_code == 201:
                path = f"/api/v1/sso/providers/{made.json()['id']}/test"
                steps = (await admin.post(path, json={})).json()["steps"]
                assert steps[-1]["name"] == "peer_unreachable"
            else:
                assert made.status_code == 400


async def test_whom_scim_brought_logs_in_and_whom_it_barred_does_not(
    world: World, idp: FakeOidc
) -> None:
    """IDN-29, IDN-30: linked by external id; a chosen user name is no proof; out when put out."""
    chosen = await at(world, idp, may_create=False)
    person = Person(world)
    assert told(await through(world, idp, chosen))["reason"] == "not_provisioned"
    token = await scim_token(world, provider=chosen)
    async with directory(token) as scim:
        user = await made(scim, "Users", ada(userName="alovelace", externalId="e-1"))
        idp.claims = {"sub": "eve", "preferred_username": "alovelace"}
        assert told(await through(world, idp, chosen))["reason"] == "email_missing"
        idp.claims = {"sub": "ada", "oid": "e-1"}
        done = (await person.redeem(await through(world, idp, chosen, person))).json()
        assert done["user"]["email"] == "ada@corp.example"
        off = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
        assert (await scim.patch(f"Users/{user['id']}", json=off)).status_code == 200
        me = {"Authorization": f"Bearer {done['access_token']}"}
        assert (await person.app.get("/api/v1/users/me", headers=me)).status_code == 401
        assert told(await through(world, idp, chosen))["reason"] == "blocked"


async def test_ways_in_are_offered_by_rank(world: World, idp: FakeOidc) -> None:
    """The operator's order, not the alphabet's; equals by name."""
    for name, rank in (("Beta", 50), ("Alpha", 50), ("Zeta", 1)):
        await at(world, idp, name=name, rank=rank, domains=[])
    async with world.client() as app:
        offered = (await app.get("/api/v1/auth/sso/providers")).json()["providers"]
    assert [each["name"] for each in offered] == ["Zeta", "Alpha", "Beta"]
    async with world.client(world.admin()) as admin:
        found = (await admin.get("/api/v1/sso/providers")).json()["providers"]
    assert [(each["name"], each["rank"]) for each in found][:2] == [("Zeta", 1), ("Alpha", 50)]
