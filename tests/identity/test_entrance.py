"""Every way in passes the same door: single sign-on that is a must, second factors, blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from fahrwerk.identity import contract as identity
from fahrwerk.identity.actions import attempts
from fahrwerk.identity.actions.entrance import Proven, uncounted
from fahrwerk.identity.actions.log_in import open_session
from fahrwerk.identity.actions.pages import open_page_session
from fahrwerk.identity.contract import AccountBlocked, Client, SecondFactorNeeded, sessions
from fahrwerk.identity.contract.policy import PolicyChange, change_policy
from fahrwerk.identity.contract.sso import SsoRequired
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Unauthenticated
from tests.identity.doorstep import staff
from tests.identity.sso import provider
from tests.identity.test_own_sessions import proof
from tests.identity.test_sso_ldap import fake_directory
from tests.world import World

Opens = Callable[[Call, Proven, Client], Awaitable[object]]
WAYS = (["password"], ["link"], ["passkey"], ["password", "totp"], ["sso"])


@pytest.mark.parametrize("opens", [open_session, open_page_session])
async def test_one_door_for_all_ways(world: World, tmp_path: Path, opens: Opens) -> None:
    """For apps and browsers alike; every refusal stands in the person's history."""
    person = await staff(world, "support", email="grace@corp.example")
    call = world.call()

    async def refusals() -> dict[str, str]:
        found = {}
        for methods in WAYS:
            proven = Proven(person_id=person.id, methods=methods, counted=uncounted(call))
            try:
                await opens(call, proven, Client(name="Phone"))
            except Unauthenticated as problem:
                found["+".join(methods)] = problem.error_code
            except AccountBlocked as problem:
                found["+".join(methods)] = problem.error_code
        return found

    assert await refusals() == {}
    await change_policy(world.admin(), PolicyChange(second_factor_roles=["support"]))
    needed = SecondFactorNeeded.code
    assert await refusals() == {"password": needed, "link": needed}
    async with fake_directory(tmp_path) as (_, spoken):
        chosen = ids.parse(await provider(world, spoken, secret="x", is_enforced=True), "sso")
    # By another provider than the one of the address it is no better than by a password.
    assert await refusals() == {"+".join(methods): SsoRequired.code for methods in WAYS}
    theirs = Proven(person_id=person.id, methods=["sso"], counted=uncounted(call), provider=chosen)
    assert await opens(call, theirs, Client())
    await identity.block_person(world.admin(), person.id)
    assert set((await refusals()).values()) == {AccountBlocked.code}
    tried = await sessions.attempts(world.admin(), person.id, 50, 0)
    outcomes = [each.outcome for each in tried.attempts]
    assert {o: outcomes.count(o) for o in outcomes} == {
        "logged_in": 5 + 3 + 1, "second_factor_asked": 2, "sso_required": 5, "blocked": 5,
    }  # fmt: skip


async def test_an_attack_stops_right_passwords_too(world: World) -> None:
    person = await staff(world, "support")
    counted = attempts.Counted("who", "somewhere", 101, is_attack=True)
    proven = Proven(person_id=person.id, methods=["password"], counted=counted)
    for opens in (open_session, open_page_session):
        with pytest.raises(identity.WrongCredentials):
            await opens(world.call(), proven, Client())


async def test_an_apps_single_sign_on_may_be_bound_to_its_device(
    world: World, tmp_path: Path
) -> None:
    """RFC 9449: where the operator asks for a key, the directory's log-in takes one."""
    await change_policy(world.admin(), PolicyChange(bind_sessions=True))
    path, key = "/api/v1/auth/sso/ldap", ECKey.generate_key("P-256")
    async with fake_directory(tmp_path) as (_, spoken), world.client() as app:
        chosen = await provider(world, spoken, secret="r3ader")
        body = {"provider": chosen, "login": "ada", "password": "engine"}
        refused = await app.post(path, json=body)
        assert refused.json()["error"]["code"] == "DEVICE_KEY_NEEDED"
        done = await app.post(path, json=body, headers={"DPoP": proof(key, path)})
        assert done.status_code == 200, done.text
        token = {"Authorization": f"Bearer {done.json()['refresh_token']}"}
        assert (await app.post("/api/v1/auth/refresh", headers=token)).status_code == 401


async def test_a_browsers_log_in_of_staff_is_audited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDP-07: by page as by app."""
    person = await staff(world, "support")
    noted: list[tuple[str, str]] = []

    async def record(call: Call, deed: str, subject: str, note: str) -> None:
        noted.append((deed, subject))

    monkeypatch.setattr("fahrwerk.identity.actions.entrance.record", record)
    proven = Proven(person_id=person.id, methods=["password"], counted=uncounted(world.call()))
    await open_page_session(world.call(), proven, Client())
    assert noted == [("identity.log_in", str(person.id))]
