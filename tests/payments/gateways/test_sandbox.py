"""The sandbox alone: what only it can do, and that its documentation tells all of it."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

import pytest

from fahrwerk.kernel import clock, db, ids, outside
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.contract import GatewayFault
from fahrwerk.payments.gateways import Authorisation, Outcome, Question
from fahrwerk.payments.gateways._sandbox_tokens import CARDS, FaultKind, Operation

if TYPE_CHECKING:
    from tests.world import World

PAGE = Path(__file__).parents[3] / "docs" / "sandbox-gateway.md"
SANDBOX = gateways.find("sandbox")


async def authorise(world: World, token: str, key: str = "a") -> Outcome:
    call, person = world.system("payments"), ids.new()
    card = await SANDBOX.set_up(call, f"set-up-{token}", token, person)
    return await SANDBOX.authorise(
        call,
        Authorisation(
            key=key, amount_minor=1_250, currency="EUR", method_ref=card.ref, customer=person,
            is_off_session=False, metadata={},
        ),
    )  # fmt: skip


async def read(world: World, key: str = "a") -> Outcome | None:
    question = Question(key=key, kind="authorize", intent=None)
    return await SANDBOX.read(world.system("payments"), question)


def test_its_page_names_every_card_and_no_other() -> None:
    assert set(re.findall(r"`(tok_\w+)`", PAGE.read_text())) == set(CARDS)


def test_its_page_names_every_fault_and_operation() -> None:
    text = PAGE.read_text()
    for name in (*get_args(FaultKind), *get_args(Operation), "any"):
        assert f"`{name}`" in text
    script = get_type_hints(contract.GatewayFault)
    assert set(get_args(script["fault"])) == set(get_args(FaultKind))
    assert set(get_args(script["operation"])) == {*get_args(Operation), "any"}


@pytest.mark.parametrize("token", ["tok_timeoutBefore", "tok_timeoutAfter", "tok_late"])
async def test_silence_lasts_as_long_as_anybody_waits(world: World, token: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await authorise(world, token)
    seen = await read(world)
    assert (seen is not None) == (token == "tok_timeoutAfter")
    if token == "tok_late":
        with clock.moved_to(clock.now() + timedelta(seconds=31)):
            assert await read(world) is not None


async def test_the_other_ways_to_fail(world: World) -> None:
    with pytest.raises(outside.NotReached):
        await authorise(world, "tok_rateLimited", "rate")
    assert await read(world, "rate") is None
    for token, is_done in (("tok_error500Before", False), ("tok_error500After", True)):
        with pytest.raises(outside.OutcomeUnknown):
            await authorise(world, token, token)
        assert (await read(world, token) is not None) == is_done
    assert (await authorise(world, "tok_wrongAmount", "wrong")).amount_minor == 1_251
    seen = await read(world, "wrong")
    assert seen is not None
    assert seen.amount_minor == 1_250


async def test_a_delayed_result_is_unknown_until_it_is_there(world: World) -> None:
    assert (await authorise(world, "tok_delayed")).kind == "unknown"
    seen = await read(world)
    assert seen is not None
    assert seen.kind == "unknown"
    with clock.moved_to(clock.now() + timedelta(seconds=11)):
        seen = await read(world)
        assert seen is not None
        assert seen.kind == "done"


async def test_a_fault_spoils_the_first_request_with_a_key_only(world: World) -> None:
    with pytest.raises(outside.OutcomeUnknown):
        await authorise(world, "tok_error500After")
    assert (await authorise(world, "tok_error500After")).kind == "done"


async def test_what_it_did_outlives_whoever_asked(world: World) -> None:
    """It commits before it answers: a cancelled caller leaves the charge there."""
    asking = asyncio.create_task(authorise(world, "tok_timeoutAfter"))
    while await read(world) is None:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    seen = await read(world)
    assert seen is not None
    assert seen.kind == "done"


async def test_a_script_is_followed_line_by_line(world: World) -> None:
    admin = world.admin()
    lines = [
        GatewayFault(operation="authorize", fault="declined", code="one"),
        GatewayFault(operation="authorize", fault="declined", code="two", times=2),
    ]
    await contract.script_sandbox(admin, lines)
    codes = [(await authorise(world, "tok_visa", key)).code for key in ("a", "b", "c", "d")]
    assert codes == ["one", "two", "two", None]
    await contract.script_sandbox(admin, [GatewayFault(operation="any", fault="rate_limited")])
    with pytest.raises(outside.NotReached):
        await read(world)
    await contract.script_sandbox(admin, [GatewayFault(operation="authorize", fault="declined")])
    await contract.script_sandbox(admin, [])
    assert (await authorise(world, "tok_visa", "e")).kind == "done"
    with pytest.raises(Forbidden):
        await contract.script_sandbox(world.call("customer"), [])


async def test_every_request_is_in_its_log(world: World) -> None:
    await authorise(world, "tok_visa")
    await authorise(world, "tok_visa")
    rows = await db.run(
        "payments", world.system(),
        "SELECT operation, key, fault FROM payments.sandbox_log ORDER BY id",
    )  # fmt: skip
    assert [(row["operation"], row["fault"]) for row in rows] == [
        ("set_up", None), ("authorize", None), ("set_up", None), ("authorize", None),
    ]  # fmt: skip
