"""Guessing is slowed down, and nobody is locked out by somebody else."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.identity import contract as identity
from fahrwerk.identity import jobs
from fahrwerk.identity.actions.attempts import digest
from fahrwerk.identity.contract import proofs
from fahrwerk.identity.contract.sessions import attempts
from fahrwerk.identity.rules import lockout
from fahrwerk.kernel import crypto, db
from fahrwerk.kernel.call import Call
from tests.identity.doorstep import later, letter, news, staff, token_of
from tests.identity.people import EMAIL, ada, problem_of
from tests.world import PASSWORD, World

KNOWN = identity.Client(remember=True)


def at(world: World, address: str) -> Call:
    return msgspec.structs.replace(world.call(), address=address)


async def wrong(call: Call, times: int, login: str = EMAIL) -> list[str]:
    """The codes of so many wrong passwords, one after the other."""
    told = []
    for _ in range(times):
        problem = await problem_of(identity.log_in(call, login, "not the password"))
        assert problem is not None
        told.append(problem.error_code)
    return told


async def seen_failures(world: World, many: int, login: str = EMAIL) -> None:
    """As if so many wrong passwords had come from a thousand places."""
    await db.run(
        "identity",
        world.system(),
        "INSERT INTO identity.failure (who, place, failures) VALUES ($1, '', $2) "
        "ON CONFLICT (tenant_id, who, place) DO UPDATE SET failures = excluded.failures",
        digest("login", world.tenant, login), many,
    )  # fmt: skip


async def test_a_stranger_slows_down_himself_alone(world: World) -> None:
    """From one place pauses grow, for accounts that do not exist too; the owner elsewhere, and the
    owner's device at that very place, log in at once."""
    await ada(world)
    done = await identity.log_in(at(world, "192.0.2.7"), EMAIL, PASSWORD, client=KNOWN)
    assert done.device_token
    for login in (EMAIL, "nobody@example.org"):
        told = await wrong(at(world, "192.0.2.66"), 12, login)
        assert told == ["AUTHENTICATION_FAILED"] * 10 + ["TOO_MANY_TRIES"] * 2
    problem = await problem_of(identity.log_in(at(world, "192.0.2.66"), EMAIL, PASSWORD))
    assert isinstance(problem, identity.TooManyTries)
    assert 1 <= problem.details["retry_after"] <= 2
    assert await identity.log_in(at(world, "192.0.2.8"), EMAIL, PASSWORD)
    client = identity.Client(known=done.device_token)
    assert await identity.log_in(at(world, "192.0.2.66"), EMAIL, PASSWORD, client=client)
    with later(seconds=3):  # the pause is over, and the next one is longer
        assert await wrong(at(world, "192.0.2.66"), 1) == ["AUTHENTICATION_FAILED"]
        problem = await problem_of(identity.log_in(at(world, "192.0.2.66"), EMAIL, PASSWORD))
        assert problem is not None
        assert 3 <= problem.details["retry_after"] <= 4


async def test_all_places_together_have_a_cap(world: World) -> None:
    """Above it no password is right, after the same work; the owner is told once a day, gets in by
    his device or by a link, and after the window by password again."""
    person = await ada(world)
    done = await identity.log_in(at(world, "192.0.2.7"), EMAIL, PASSWORD, client=KNOWN)
    await seen_failures(world, lockout.CAP)
    for n in range(3):
        refused = await problem_of(identity.log_in(at(world, f"198.51.100.{n}"), EMAIL, PASSWORD))
        assert isinstance(refused, identity.WrongCredentials)
        assert (refused.text, refused.details) == ("E-mail or password is wrong.", {})
    assert await news(world, person.id) == ["under_attack"]
    client = identity.Client(known=done.device_token)
    assert await identity.log_in(at(world, "203.0.113.9"), EMAIL, PASSWORD, client=client)
    await proofs.ask_link(world.call(), EMAIL, "magic")
    token = token_of(await letter(world, "magic"))
    assert await proofs.log_in_by_link(world.call(), token, None, None, identity.Client())
    with later(hours=1, seconds=5):
        assert await identity.log_in(at(world, "203.0.113.9"), EMAIL, PASSWORD)


async def test_right_ones_do_not_add_up(world: World) -> None:
    """Whoever logs in a hundred times a day is no attack."""
    await ada(world)
    await seen_failures(world, lockout.CAP - 1)
    for _ in range(3):
        assert await identity.log_in(at(world, "192.0.2.7"), EMAIL, PASSWORD)
    assert await wrong(at(world, "192.0.2.7"), 1) == ["AUTHENTICATION_FAILED"]


async def test_many_at_once_are_many(world: World) -> None:
    """Tries are counted before they are looked at: forty at the same time are no way around."""
    await ada(world)
    call = at(world, "192.0.2.66")
    told = await asyncio.gather(*(wrong(call, 1) for _ in range(30)))
    assert sum(each == ["AUTHENTICATION_FAILED"] for each in told) == 10


async def test_a_device_token_is_one_persons(world: World) -> None:
    """Another's, an invented one or one of before a reset makes nobody known."""
    await ada(world)
    await ada(world, email="bo@example.org")
    bo = await identity.log_in(world.call(), "bo@example.org", PASSWORD, client=KNOWN)
    await seen_failures(world, lockout.CAP + 1)
    for token in (bo.device_token, "invented", ""):
        client = identity.Client(known=token)
        refused = await problem_of(identity.log_in(world.call(), EMAIL, PASSWORD, client=client))
        assert isinstance(refused, identity.WrongCredentials)
    stored = await db.run("identity", world.system(), "SELECT * FROM identity.device")
    assert str(bo.device_token) not in str([dict(row) for row in stored])
    assert [row["token_hash"] for row in stored] == [crypto.digest_of(str(bo.device_token))]


async def test_log_ins_are_written_down(world: World) -> None:
    """Who, from where, with what outcome; the owner and staff see it; staff's own are audited."""
    person = await ada(world)
    call = at(world, "192.0.2.66")
    await wrong(call, 1)
    await wrong(call, 1, "nobody@example.org")
    await identity.log_in(call, EMAIL, PASSWORD, "Firefox")
    own = world.call("customer", user=person.id)
    page = await attempts(own, person.id, 10, 0)
    assert [(a.outcome, a.address, a.device) for a in page.attempts] == [
        ("logged_in", "192.0.2.66", "Firefox"),
        ("wrong", "192.0.2.66", ""),
    ]
    assert (await attempts(world.admin(), person.id, 1, 1)).total == 2
    rows = await db.run("identity", world.system(), "SELECT * FROM identity.attempt")
    assert len(rows) == 3
    assert "example.org" not in str([dict(row) for row in rows])
    await staff(world, "support")
    await identity.log_in(call, "staff@example.org", PASSWORD)
    sql = "SELECT action, outcome, address FROM kernel.audit WHERE action = 'identity.log_in'"
    [row] = await db.run("kernel", world.system("kernel"), sql)
    assert (row["outcome"], row["address"]) == ("password", "192.0.2.66")


async def test_what_is_over_is_cleared_away(world: World) -> None:
    await ada(world)
    await wrong(world.call(), 1)
    await proofs.ask_link(world.call(), EMAIL, "magic")
    await jobs.answer_wishes()
    with later(days=100):
        await jobs.sweep()
    for table in ("failure", "proof", "attempt", "wish"):
        assert not await db.run("identity", world.system(), f"SELECT FROM identity.{table}")


@given(st.integers(0, 10_000))
def test_pauses_grow_and_end(failures: int) -> None:
    """Free at first, never shorter after one more, never longer than a quarter of an hour."""
    pause = lockout.pause_s(failures)
    assert (pause == 0) == (failures < lockout.FREE)
    assert pause <= lockout.pause_s(failures + 1) <= lockout.LONGEST_PAUSE_S
    listed = lockout.PAUSES_S[failures - 1 : failures] if failures else [0]
    assert pause == (listed[0] if listed else lockout.LONGEST_PAUSE_S)
