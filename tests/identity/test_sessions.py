"""Log-in, refresh and log-out: what a session is and how it ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid, Unauthenticated
from fahrwerk.tenancy.contract import UnknownOperator
from tests.identity.people import EMAIL, ada, facts, logged_in, problem_of, sessions
from tests.world import PASSWORD, World, make_world


def _later(**by: float) -> Any:
    return clock.moved_to(clock.now() + timedelta(**by))


async def _is_refused(world: World, refresh_token: str) -> bool:
    refused = await problem_of(identity.refresh(world.call(), refresh_token))
    if refused is None:
        return False
    assert refused.text == "Invalid or expired token"  # IDN-12, to the letter
    assert (refused.status, refused.error_code) == (401, "AUTHENTICATION_FAILED")
    assert refused.details == {"token_expired": True}
    return True


async def test_log_in_by_e_mail_or_phone(world: World) -> None:
    """IDN-06, IDN-09: both names lead to the same account; the token says who, where and what."""
    person = await ada(world, email="Ada@Example.org", phone="+491512345678")
    for login in (EMAIL, " ADA@example.org ", "+491512345678", "0049 151 2345678"):
        done = await identity.log_in(world.call(), login, PASSWORD)
        claims = crypto.read_token(done.access_token)
        assert (claims.user, claims.tenant) == (person.id, world.tenant)
        assert claims.roles == {"customer"}
        assert done.expires_in == 3600
        assert done.person == person
        assert claims.session in {s["id"] for s in await sessions(world, person.id)}


async def test_a_password_composed_otherwise_fits(world: World) -> None:
    """An umlaut from another keyboard is the same umlaut."""
    await ada(world, password="Zwölf Boxkämpfer")
    assert await identity.log_in(world.call(), EMAIL, "Zwo\u0308lf Boxka\u0308mpfer")


async def test_what_is_stored_is_no_secret(world: World) -> None:
    """IDN-18: the hash of the token and its expiry, never the token; the device is remembered."""
    person = await ada(world)
    done = await identity.log_in(world.call(), EMAIL, PASSWORD, "Firefox\n" + "x" * 500)
    answer = await identity.refresh(world.call(), done.refresh_token)
    (row,) = await sessions(world, person.id)
    assert len(row["token_hash"]) == 64
    assert timedelta(days=29) < row["expires_at"] - row["created_at"] < timedelta(days=31)
    assert row["last_accessed_at"] > row["created_at"]
    assert row["device"] == ("Firefox" + "x" * 500)[:200]
    replaced = await db.run("identity", world.system(), "SELECT * FROM identity.refresh_token")
    assert replaced[0]["answer"] is not None
    for login in (done, answer):
        for stored in (dict(row), dict(replaced[0])):
            assert login.refresh_token.partition(".")[2] not in str(stored)
            assert login.access_token not in str(stored)


@pytest.mark.parametrize(
    "login", [EMAIL, "nobody@example.org", "+491519999999", "not a name at all", "", "a@b\0.de"]
)
async def test_unknown_and_wrong_look_and_cost_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    """RELIABILITY 4: one Argon2 hash is computed whatever was found, and the answer is the same."""
    await ada(world)
    hasher, checked = crypto._hasher, []

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            checked.append(stored)
            return hasher.verify(stored, password)

    monkeypatch.setattr(crypto, "_hasher", Counting())
    with pytest.raises(identity.WrongCredentials) as refused:
        await identity.log_in(world.call(), login, "not the password")
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (refused.value.text, refused.value.details) == ("E-mail or password is wrong.", {})


async def test_an_unknown_operator_is_said_so(world: World) -> None:
    for tenant in (None, ids.new()):
        with pytest.raises(UnknownOperator):
            await identity.log_in(system(tenant, "tests"), EMAIL, PASSWORD)


async def test_an_account_without_password_cannot_log_in(world: World) -> None:
    """C-05: accounts of single sign-on have none; nothing is not a password."""
    person = await ada(world)
    await db.run(
        "identity",
        world.system(),
        "UPDATE identity.person SET password_hash = NULL WHERE id = $1",
        person.id,
    )
    for password in (PASSWORD, ""):
        with pytest.raises(identity.WrongCredentials):
            await identity.log_in(world.call(), EMAIL, password)


async def test_refresh_turns_the_token(world: World) -> None:
    """IDN-07: a new pair in the same session; the new one works, and knows roles given since."""
    first = await logged_in(world)
    await db.run(
        "identity",
        world.system(),
        "INSERT INTO identity.person_role (person_id, role, granted_at) "
        "VALUES ($1, 'business_user', now())",
        first.person.id,
    )
    second = await identity.refresh(world.call(), first.refresh_token)
    assert second.refresh_token != first.refresh_token
    claims = crypto.read_token(second.access_token)
    assert claims.session == crypto.read_token(first.access_token).session
    assert claims.roles == second.person.roles == {"customer", "business_user"}
    third = await identity.refresh(world.call(), second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_a_refresh_token_names_its_operator(world: World) -> None:
    """IDN-07 knows no X-Tenant-ID: the token is enough; a wrong header is refused (C-80)."""
    login = await logged_in(world)
    other = await make_world()
    with pytest.raises(Invalid) as refused:
        await identity.refresh(other.call(), login.refresh_token)
    assert refused.value.error_code == "TENANT_MISMATCH"
    done = await identity.refresh(system(None, "tests"), login.refresh_token)
    assert crypto.read_token(done.access_token).tenant == world.tenant


async def test_a_repeat_within_the_grace_gets_the_same_answer(world: World) -> None:
    """RELIABILITY 4: the answer was lost on the way; ten seconds, then it is theft."""
    login = await logged_in(world)
    answer = await identity.refresh(world.call(), login.refresh_token)
    assert await identity.refresh(world.call(), login.refresh_token) == answer
    with _later(seconds=9):
        assert await identity.refresh(world.call(), login.refresh_token) == answer
    with _later(seconds=11):
        assert await _is_refused(world, login.refresh_token)
        assert await _is_refused(world, answer.refresh_token)


async def test_two_refreshes_at_once_are_answered_the_same(world: World) -> None:
    """An app with two tabs: one rotation, one pair, the session lives on."""
    login = await logged_in(world)
    for _ in range(5):
        answers = await asyncio.gather(
            *(identity.refresh(world.call(), login.refresh_token) for _ in range(8))
        )
        assert len({(a.access_token, a.refresh_token) for a in answers}) == 1
        login = answers[0]
    rows = await db.run("identity", world.system(), "SELECT answer FROM identity.refresh_token")
    assert len(rows) == 5
    assert sum(row["answer"] is not None for row in rows) == 1, "only the newest answer is kept"


async def test_an_older_token_gives_the_thief_away(world: World) -> None:
    """RELIABILITY 4: its whole family ends, with one fact, even within ten seconds."""
    first = await logged_in(world)
    second = await identity.refresh(world.call(), first.refresh_token)
    third = await identity.refresh(world.call(), second.refresh_token)
    elsewhere = await identity.log_in(world.call(), EMAIL, PASSWORD)
    assert await _is_refused(world, first.refresh_token)
    for token in (third.refresh_token, second.refresh_token, first.refresh_token):
        assert await _is_refused(world, token)
    session = crypto.read_token(first.access_token).session
    told = await facts(world.system(), f"session:{session}")
    assert [(name, version, data["reason"]) for name, version, data, _ in told] == [
        ("session.revoked", 1, "reuse_detected")
    ]
    assert not await _is_refused(world, elsewhere.refresh_token), "another session is not touched"


async def test_a_stolen_token_used_late_ends_the_session_for_both(world: World) -> None:
    """Replay after the grace: neither thief nor owner goes on."""
    login = await logged_in(world)
    owner = await identity.refresh(world.call(), login.refresh_token)
    with _later(minutes=5):
        assert await _is_refused(world, login.refresh_token)
        assert await _is_refused(world, owner.refresh_token)


async def test_many_thieves_at_once_end_it_once(world: World) -> None:
    """I6: one revocation, one fact."""
    login = await logged_in(world)
    await identity.refresh(world.call(), login.refresh_token)
    with _later(seconds=11):
        refused = await asyncio.gather(*(_is_refused(world, login.refresh_token) for _ in range(6)))
    assert all(refused)
    session = crypto.read_token(login.access_token).session
    assert len(await facts(world.system(), f"session:{session}")) == 1


async def test_a_session_opened_while_being_blocked_is_useless(world: World) -> None:
    """The log-in won the race against the block: its session exists, but goes nowhere."""
    login = await logged_in(world)
    await db.run(
        "identity",
        world.system(),
        "UPDATE identity.person SET status = 'blocked' WHERE id = $1",
        login.person.id,
    )
    assert await _is_refused(world, login.refresh_token)


@pytest.mark.parametrize("token", ["", "x", "frt_.", "frt_" + "z" * 22 + ".x", "\0", "y" * 5000])
async def test_nonsense_is_not_a_refresh_token(world: World, token: str) -> None:
    """IDN-12."""
    assert await _is_refused(world, token)


async def test_an_access_token_is_not_a_refresh_token(world: World) -> None:
    login = await logged_in(world)
    assert await _is_refused(world, login.access_token)
    forged = login.refresh_token[:-4] + ("AAAA" if login.refresh_token[-4:] != "AAAA" else "BBBB")
    assert await _is_refused(world, forged)
    assert not await _is_refused(world, login.refresh_token), "guessing ends nobody's session"


async def test_a_session_unused_for_a_month_is_over(world: World) -> None:
    """IDN-18: each use moves the end; old ones are cleared away at the next log-in."""
    login = await logged_in(world)
    with _later(days=29):
        login = await identity.refresh(world.call(), login.refresh_token)
    with _later(days=58):
        login = await identity.refresh(world.call(), login.refresh_token)
    with _later(days=89):
        assert await _is_refused(world, login.refresh_token)
    with _later(days=120):
        await identity.log_in(world.call(), EMAIL, PASSWORD)
    assert len(await sessions(world, login.person.id)) == 1


async def test_log_out_ends_one_session(world: World) -> None:
    """One by its token (a replaced one too), harmless to repeat; the others go on."""
    phone, laptop = await logged_in(world), await identity.log_in(world.call(), EMAIL, PASSWORD)
    me = world.call("customer", user=phone.person.id)
    turned = await identity.refresh(world.call(), phone.refresh_token)
    await identity.log_out(me, phone.refresh_token)
    await identity.log_out(me, phone.refresh_token)
    await identity.log_out(me, "nonsense")
    assert await _is_refused(world, turned.refresh_token)
    assert not await _is_refused(world, laptop.refresh_token)
    ended = await facts(me, f"session:{crypto.read_token(phone.access_token).session}")
    assert [(name, data["reason"]) for name, _, data, _ in ended] == [("session.revoked", "logout")]


async def test_log_out_everywhere(world: World) -> None:
    """All sessions of the caller, nobody else's."""
    logins = [await logged_in(world), await identity.log_in(world.call(), EMAIL, PASSWORD)]
    await ada(world, email="bo@example.org")
    bo = await identity.log_in(world.call(), "bo@example.org", PASSWORD)
    await identity.log_out(world.call("customer", user=logins[0].person.id), None)
    for login in logins:
        assert await _is_refused(world, login.refresh_token)
    assert not await _is_refused(world, bo.refresh_token)
    with pytest.raises(Unauthenticated):
        await identity.log_out(world.call(), None)


async def test_another_operator_ends_nothing(world: World) -> None:
    """I7: a token is no use at another operator, not even to end its session."""
    login = await logged_in(world)
    other = await make_world()
    await identity.log_out(other.call("customer"), login.refresh_token)
    assert not await _is_refused(world, login.refresh_token)
