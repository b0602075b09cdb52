"""The authenticator app, recovery codes, and log-in in two steps."""

from __future__ import annotations

import httpx
import pyotp
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import factors, proofs
from fahrwerk.kernel import clock, db
from tests.identity.clients import LOGIN, bearer, error_of
from tests.identity.doorstep import entered, here, later, letter, news, staff, token_of
from tests.identity.people import EMAIL, ada, problem_of
from tests.world import PASSWORD, World, make_world

SECOND = "/api/v1/auth/second-factor"
TOTP = "/api/v1/me/totp"


def code(secret: str, ahead: int = 0) -> str:
    """What the app shows now, or some steps from now."""
    return pyotp.TOTP(secret).at(int(clock.now().timestamp()) + 30 * ahead)


async def enrolled(client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """An app set up; its secret and the recovery codes."""
    setup = (await client.post(TOTP)).json()
    answer = await client.post(f"{TOTP}/confirm", json={"code": code(setup["secret"])})
    assert answer.status_code == 200, answer.text
    return setup["secret"], answer.json()["recovery_codes"]


async def asked(client: httpx.AsyncClient, login: str = EMAIL) -> dict[str, object]:
    """The challenge of a log-in in two steps."""
    answer = await client.post(LOGIN, json={"email": login, "password": PASSWORD})
    details: dict[str, object] = error_of(answer, 401, "SECOND_FACTOR_NEEDED")["details"]
    return details


async def test_an_app_is_set_up_and_asked_for(world: World) -> None:
    """Nothing counts before its first code; then log-in has two steps and says so."""
    person = await ada(world)
    async with world.client() as client:
        await entered(client)
        setup = (await client.post(TOTP)).json()
        assert setup["uri"].startswith("otpauth://totp/Operator")
        assert setup["qr_svg"].startswith("<svg")
        stored = await db.run("identity", world.system(), "SELECT secret FROM identity.totp")
        assert setup["secret"].encode() not in stored[0]["secret"]
        await entered(client)  # not confirmed: nothing is asked
        wrong = "000000" if code(setup["secret"]) != "000000" else "000001"
        error_of(await client.post(f"{TOTP}/confirm", json={"code": wrong}), 401, "WRONG_CODE")
        secret, codes = await enrolled(client)
        assert len(set(codes)) == 10
        error_of(await client.post(TOTP), 409, "TOTP_ALREADY_SET_UP")
        details = await asked(client)
        assert details["methods"] == ["totp", "recovery_code"]
        with later(seconds=31):
            body = {"challenge": details["challenge"], "code": code(secret)}
            answer = await client.post(SECOND, json=body)
            assert answer.status_code == 200, answer.text
            client.headers.update(bearer(answer.json()["access_token"]))
            [session, *_] = (await client.get("/api/v1/me/sessions")).json()["sessions"]
            assert session["methods"] == ["password", "totp"]
            error_of(await client.post(SECOND, json=body), 401, "WRONG_CODE")  # good once
        state = (await client.get("/api/v1/me/security")).json()
        assert (state["has_totp"], state["recovery_codes_left"]) == (True, 10)
    assert await news(world, person.id) == ["totp_added"]


async def test_a_code_is_good_once(world: World) -> None:
    """What was seen over a shoulder is worth nothing, also in the other half of its minute."""
    await ada(world)
    async with world.client() as client:
        await entered(client)
        secret, _ = await enrolled(client)
        one, two = await asked(client), await asked(client)
        with later(seconds=60):
            seen = code(secret)
            body = {"code": seen}
            done = await client.post(SECOND, json=body | {"challenge": one["challenge"]})
            assert done.status_code == 200
            again = await client.post(SECOND, json=body | {"challenge": two["challenge"]})
            error_of(again, 401, "WRONG_CODE")
            older = {"challenge": two["challenge"], "code": code(secret, -1)}
            error_of(await client.post(SECOND, json=older), 401, "WRONG_CODE")


async def test_codes_are_guessed_in_vain(world: World) -> None:
    """Five tries for a challenge; ten for a person within an hour, whatever challenge; a recovery
    code still works."""
    await ada(world)
    async with world.client() as client:
        await entered(client)
        secret, codes = await enrolled(client)
        with later(seconds=90):
            wrong = {f"{n:06}" for n in range(20)} - {code(secret, n) for n in (-1, 0, 1)}
            left = []
            details = await asked(client)
            for guess in sorted(wrong)[:5]:
                body = {"challenge": details["challenge"], "code": guess}
                error = error_of(await client.post(SECOND, json=body), 401, "WRONG_CODE")
                left.append(error["details"]["tries_left"])
            assert left == [4, 3, 2, 1, 0]
            body = {"challenge": details["challenge"], "code": code(secret)}
            error_of(await client.post(SECOND, json=body), 401, "WRONG_CODE")
            details = await asked(client)
            for guess in sorted(wrong)[5:10]:
                await client.post(SECOND, json={"challenge": details["challenge"], "code": guess})
            details = await asked(client)
            body = {"challenge": details["challenge"], "code": code(secret)}
            error_of(await client.post(SECOND, json=body), 429, "TOO_MANY_TRIES")
            body = {"challenge": details["challenge"], "recovery_code": codes[0].lower()}
            assert (await client.post(SECOND, json=body)).status_code == 200


async def test_a_recovery_code_is_good_once_and_new_ones_replace_all(world: World) -> None:
    person = await ada(world)
    async with world.client() as client:
        await entered(client)
        _, codes = await enrolled(client)
        for n, status in ((0, 200), (0, 401), (1, 200)):
            details = await asked(client)
            body = {"challenge": details["challenge"], "recovery_code": codes[n]}
            assert (await client.post(SECOND, json=body)).status_code == status
        stored = await db.run("identity", world.system(), "SELECT * FROM identity.recovery_code")
        assert codes[2].replace("-", "") not in str([dict(row) for row in stored])
        answer = await client.post("/api/v1/me/recovery-codes")
        assert len(answer.json()["recovery_codes"]) == 10
        details = await asked(client)
        body = {"challenge": details["challenge"], "recovery_code": codes[2]}
        error_of(await client.post(SECOND, json=body), 401, "WRONG_CODE")
        assert (await client.delete(TOTP)).status_code == 204
        await entered(client)
    told = await news(world, person.id)
    assert told == [
        "totp_added",
        *["recovery_code_used"] * 2,
        "recovery_codes_made",
        "totp_removed",
    ]


async def test_a_challenge_is_of_one_operator_and_one_person(world: World) -> None:
    await ada(world)
    other = await make_world()
    await ada(other)
    async with world.client() as client, other.client() as elsewhere:
        await entered(client)
        secret, _ = await enrolled(client)
        details = await asked(client)
        with later(seconds=31):
            body = {"challenge": details["challenge"], "code": code(secret)}
            error_of(await elsewhere.post(SECOND, json=body), 401, "WRONG_CODE")
            for nonsense in ("", "chl_x", "x" * 200):
                answer = await client.post(SECOND, json=body | {"challenge": nonsense})
                assert answer.status_code in (400, 401)
        with later(minutes=6):
            late = {"challenge": details["challenge"], "code": code(secret)}
            error_of(await client.post(SECOND, json=late), 401, "WRONG_CODE")


async def test_an_operator_asks_its_staff_for_two(world: World) -> None:
    """Who has no app sets one up on the way in; and keeps it while it is asked for."""
    await staff(world, "support")
    await ada(world)
    async with world.client(world.admin()) as admin:
        path = "/api/v1/identity/policy"
        wish = {"second_factor_roles": ["support", "support"]}
        assert (await admin.patch(path, json=wish)).json()["second_factor_roles"] == ["support"]
    async with world.client() as client:
        await entered(client)  # riders go on as before
        details = await asked(client, "staff@example.org")
        assert details["methods"] == ["enrol_totp"]
        body = {"challenge": details["challenge"]}
        setup = (await client.post(f"{SECOND}/setup", json=body)).json()
        done = await client.post(SECOND, json=body | {"code": code(setup["secret"])})
        assert done.status_code == 200, done.text
        client.headers.update(bearer(done.json()["access_token"]))
        assert (await client.get("/api/v1/me/security")).json()["needs_second_factor"]
        error_of(await client.delete(TOTP), 409, "SECOND_FACTOR_REQUIRED")
        details = await asked(client, "staff@example.org")
        assert details["methods"] == ["totp", "recovery_code"]
        error_of(await client.post(f"{SECOND}/setup", json=body), 401, "WRONG_CODE")
        body = {"challenge": str(details["challenge"])}
        error_of(await client.post(f"{SECOND}/setup", json=body), 401, "WRONG_CODE")


async def test_a_magic_link_is_one_factor(world: World) -> None:
    """And a reset logs nobody in."""
    await ada(world)
    async with world.client() as client:
        await entered(client)
        await enrolled(client)
    await proofs.ask_link(world.call(), EMAIL, "magic")
    token = token_of(await letter(world, "magic"))
    said = proofs.log_in_by_link(world.call(), token, None, None, identity.Client())
    assert isinstance(await problem_of(said), identity.SecondFactorNeeded)


async def test_keys_and_old_sessions_do_not_touch_factors(world: World) -> None:
    """Without a session of one's own nothing of it works: 401; long after log-in: 403."""
    await ada(world)
    me = await here(world)
    without = world.call("customer", user=me.user)
    for refused in (factors.begin_totp(without), factors.new_recovery_codes(without)):
        problem = await problem_of(refused)
        assert problem is not None
        assert problem.status == 401
    with later(minutes=16):
        for tried in (factors.begin_totp(me), factors.remove_totp(me)):
            with pytest.raises(identity.ConfirmationNeeded):
                await tried
