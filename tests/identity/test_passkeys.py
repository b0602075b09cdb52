"""Passkeys: made, used, renamed, deleted; and every lie a browser, a site or a copy may tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import db
from tests.identity.authenticator import UP, Authenticator, b64
from tests.identity.clients import bearer, error_of
from tests.identity.doorstep import entered, later, news
from tests.identity.people import ada
from tests.world import World, make_world

OWN, IN = "/api/v1/me/passkeys", "/api/v1/auth/passkey"
HOST = {"Host": "localhost:8080"}


async def made(client: httpx.AsyncClient, phone: Authenticator, name: str = "My phone") -> Any:
    """A passkey of whoever the client is."""
    begun = (await client.post(f"{OWN}/options", headers=HOST)).json()
    body = {"challenge": begun["challenge"], "credential": phone.make(begun["options"])}
    return await client.post(OWN, json=body | {"name": name})


async def used(client: httpx.AsyncClient, phone: Authenticator, **lies: Any) -> httpx.Response:
    """Log in with a passkey."""
    begun = (await client.post(f"{IN}/options", headers=HOST)).json()
    body = {"challenge": begun["challenge"], "credential": phone.sign(begun["options"], **lies)}
    return await client.post(f"{IN}/login", json=body)


async def test_a_passkey_from_beginning_to_end(world: World) -> None:
    """Discoverable log-in, the counter kept, another name, and gone."""
    person = await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        begun = (await client.post(f"{OWN}/options", headers=HOST)).json()
        assert begun["options"]["rp"]["id"] == "localhost"
        chosen = begun["options"]["authenticatorSelection"]
        assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
        answer = await made(client, phone)
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        assert (shown["name"], shown["rp_id"], shown["is_synced"]) == (
            "My phone",
            "localhost",
            True,
        )
        assert (await client.get(OWN)).json()["passkeys"] == [shown]
        error_of(await made(client, phone), 409, "PASSKEY_ALREADY_THERE")
    async with world.client() as stranger:
        options = (await stranger.post(f"{IN}/options", headers=HOST)).json()["options"]
        assert options.get("allowCredentials", []) == []  # tells nobody who has one
        answer = await used(stranger, phone)
        assert answer.status_code == 200, answer.text
        stranger.headers.update(bearer(answer.json()["access_token"]))
        [session, _] = (await stranger.get("/api/v1/me/sessions")).json()["sessions"]
        assert session["methods"] == ["passkey"]
        renamed = await stranger.patch(f"{OWN}/{shown['id']}", json={"name": "Ada's phone"})
        assert renamed.json()["name"] == "Ada's phone"
        assert renamed.json()["last_used_at"]
        assert (await stranger.delete(f"{OWN}/{shown['id']}")).status_code == 204
        error_of(await stranger.delete(f"{OWN}/{shown['id']}"), 404, "NOT_FOUND")
        error_of(await used(stranger, phone), 401, "PASSKEY_REFUSED")
    assert await news(world, person.id) == ["passkey_added", "passkey_deleted"]


def lie(attribute: str, value: Any) -> Callable[[Authenticator], None]:
    return lambda phone: setattr(phone, attribute, value)


@pytest.mark.parametrize(
    "tell",
    [
        lie("origin", "https://evil.example"),
        lie("origin", "http://localhost:8081"),
        lie("rp_id", "evil.example"),
        lie("user", b"somebody else 16"),
        lie("credential_id", b"x" * 32),
        lie("key", Authenticator().key),
    ],
)
async def test_a_lie_is_not_accepted(world: World, tell: Callable[[Authenticator], None]) -> None:
    """Wrong origin, port, RP id, owner, credential or key: one answer for all of them."""
    await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        assert (await made(client, phone)).status_code == 201
        tell(phone)
        error = error_of(await used(client, phone), 401, "PASSKEY_REFUSED")
        assert error["details"] == {}
        if phone.origin != "http://localhost:8080" or phone.rp_id != "localhost":
            other = Authenticator(phone.origin, phone.rp_id)
            error_of(await made(client, other), 401, "PASSKEY_REFUSED")


async def test_without_the_persons_gesture_it_is_no_proof(world: World) -> None:
    """Present is not verified: a found phone must not be two factors."""
    await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        await made(client, phone)
        error_of(await used(client, phone, flags=UP), 401, "PASSKEY_REFUSED")


async def test_a_copy_gives_itself_away(world: World) -> None:
    """A counter that does not grow: refused, and neither it nor the original goes on."""
    person = await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        await made(client, phone)
        assert (await used(client, phone)).status_code == 200
        error_of(await used(client, phone, counts=False), 401, "PASSKEY_REFUSED")
        error_of(await used(client, phone), 401, "PASSKEY_REFUSED")
        [shown] = (await client.get(OWN)).json()["passkeys"]
        assert shown["is_suspected"]
    assert (await news(world, person.id))[-1] == "passkey_suspected"


async def test_authenticators_without_a_counter_work(world: World) -> None:
    """Those of big makers always say 0."""
    await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        await made(client, phone)
        for _ in range(2):
            assert (await used(client, phone, counts=False)).status_code == 200


async def test_a_challenge_is_good_once_for_one_thing_and_a_short_time(world: World) -> None:
    await ada(world)
    phone, other = Authenticator(), await make_world()
    async with world.client() as client, other.client() as elsewhere:
        await entered(client)
        await made(client, phone)
        begun = (await client.post(f"{IN}/options", headers=HOST)).json()
        body = {"challenge": begun["challenge"], "credential": phone.sign(begun["options"])}
        error_of(await elsewhere.post(f"{IN}/login", json=body), 401, "PASSKEY_REFUSED")
        assert (await client.post(f"{IN}/login", json=body)).status_code == 200
        error_of(await client.post(f"{IN}/login", json=body), 401, "PASSKEY_REFUSED")
        again = (await client.post(f"{IN}/options", headers=HOST)).json()
        late = {"challenge": again["challenge"], "credential": phone.sign(again["options"])}
        with later(minutes=6):
            error_of(await client.post(f"{IN}/login", json=late), 401, "PASSKEY_REFUSED")
        # One that was made for adding a passkey does not log in.
        adding = (await client.post(f"{OWN}/options", headers=HOST)).json()
        mixed = {"challenge": adding["challenge"], "credential": phone.sign(adding["options"])}
        error_of(await client.post(f"{IN}/login", json=mixed), 401, "PASSKEY_REFUSED")
        # And of another answer than the one that was asked for, the signature is not enough.
        one, two = [(await client.post(f"{IN}/options", headers=HOST)).json() for _ in "12"]
        swapped = {"challenge": one["challenge"], "credential": phone.sign(two["options"])}
        error_of(await client.post(f"{IN}/login", json=swapped), 401, "PASSKEY_REFUSED")


async def test_a_passkey_is_of_one_person_and_one_operator(world: World) -> None:
    """Nobody adds one to another's account, sees or deletes another's, or uses it elsewhere."""
    await ada(world)
    await ada(world, email="bo@example.org")
    phone, other = Authenticator(), await make_world()
    await ada(other)
    async with world.client() as client, world.client() as bo, other.client() as elsewhere:
        await entered(client)
        await entered(bo, "bo@example.org")
        begun = (await client.post(f"{OWN}/options", headers=HOST)).json()
        body = {"challenge": begun["challenge"], "credential": phone.make(begun["options"])}
        error_of(await bo.post(OWN, json=body), 401, "PASSKEY_REFUSED")
        shown = (await made(client, phone)).json()
        path = f"{OWN}/{shown['id']}"
        error_of(await bo.delete(path), 404, "NOT_FOUND")
        error_of(await bo.patch(path, json={"name": "mine"}), 404, "NOT_FOUND")
        error_of(await used(elsewhere, phone), 401, "PASSKEY_REFUSED")
        for host in ("evil.example", "192.0.2.1", f"{other.operator.slug}.localhost"):
            answer = await client.post(f"{OWN}/options", headers={"Host": host})
            error_of(answer, 400, "VALIDATION_ERROR")


async def test_nonsense_is_refused_and_never_our_fault(world: World) -> None:
    await ada(world)
    async with world.client() as client:
        await entered(client)
        broken = {"clientDataJSON": "e30", "attestationObject": "AA"}
        name = b64(b"x")
        for nonsense in (
            {},
            {"id": 1},
            {"rawId": "%%"},
            {"rawId": name, "response": []},
            {"rawId": name, "id": name, "type": "public-key", "response": broken},
        ):
            begun = (await client.post(f"{IN}/options", headers=HOST)).json()
            body = {"challenge": begun["challenge"], "credential": nonsense}
            error_of(await client.post(f"{IN}/login", json=body), 401, "PASSKEY_REFUSED")
            adding = (await client.post(f"{OWN}/options", headers=HOST)).json()
            body = {"challenge": adding["challenge"], "credential": nonsense}
            error_of(await client.post(OWN, json=body), 401, "PASSKEY_REFUSED")
        huge = {"challenge": "x", "credential": {"id": "x" * 20_000}}
        error_of(await client.post(f"{IN}/login", json=huge), 400, "VALIDATION_ERROR")


async def test_a_blocked_person_stays_out(world: World) -> None:
    person = await ada(world)
    phone = Authenticator()
    async with world.client() as client:
        await entered(client)
        await made(client, phone)
        await identity.block_person(world.admin(), person.id)
        error_of(await used(client, phone), 403, "ACCOUNT_BLOCKED")
        rows = await db.run("identity", world.system(), "SELECT * FROM identity.session")
        assert all(row["revoked_at"] for row in rows)


async def test_adding_asks_who_it_is(world: World) -> None:
    """A session left open in a café adds no passkey: proven within 15 minutes, or again."""
    await ada(world)
    async with world.client() as client:
        await entered(client)
        with later(minutes=16):
            answer = await client.post(f"{OWN}/options", headers=HOST)
            error_of(answer, 403, "CONFIRMATION_NEEDED")
            body = {"password": "not the password"}
            answer = await client.post("/api/v1/me/confirm", json=body)
            error_of(answer, 401, "AUTHENTICATION_FAILED")
            body = {"password": "correct horse battery staple"}
            assert (await client.post("/api/v1/me/confirm", json=body)).status_code == 204
            answer = await client.post(f"{OWN}/options", headers=HOST)
            assert answer.status_code == 200, answer.text
