"""F1 for real: SIGKILL of a whole process at each step, then a worker of another process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import db
from fahrwerk.payments import contract
from fahrwerk.payments.contract.transfers import transfer
from tests.payments.killed import REFUND, TRANSFER
from tests.payments.till import HOLD, Till, open_till

if TYPE_CHECKING:
    from tests.world import World

pytestmark = pytest.mark.process
PHASES = pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
LATER = (16.0, 40.0, 80.0)


async def killed(till: Till, what: str, crash_at: str) -> int:
    """The exit code of a process that does ``what`` and dies at a crash point."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.payments.killed", db.database().dsn,
        str(till.world.tenant), str(till.rider.user), str(till.id), what,
        env={**os.environ, "FAHRWERK_CRASH_AT": crash_at}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), said.decode()[-2_000:]
    return child.returncode


@PHASES
async def test_while_authorising(world: World, phase: str) -> None:
    till = await open_till(world)
    assert await killed(till, "authorize", f"payments.authorize.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).state == "authorized"
    assert await till.operations() == [("authorize", "done", HOLD)]
    await till.at_rest()


@PHASES
async def test_while_capturing(world: World, phase: str) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    assert await killed(till, "work", f"payments.capture.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).captured_minor == 525
    assert await till.done("capture") == 1
    await till.at_rest()


@PHASES
async def test_while_voiding(world: World, phase: str) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.cancelled()
    assert await killed(till, "work", f"payments.void.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).state == "voided"
    assert await till.done("void") == 1
    await till.at_rest()


@PHASES
async def test_while_refunding(world: World, phase: str) -> None:
    """Whoever asked asks again with the same key: nothing is given back twice."""
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    assert await killed(till, "refund", f"payments.refund.{phase}") == -signal.SIGKILL
    assert (await till.work(*LATER)).refunded_minor == REFUND[0]
    again = await contract.refund(world.system(), till.id, *REFUND)
    assert again.refunded_minor == REFUND[0]
    assert await till.done("refund") == 1
    await till.at_rest()


@PHASES
async def test_while_sending_money_on(world: World, phase: str) -> None:
    till = await open_till(world)
    assert await killed(till, "transfer", f"payments.transfer.{phase}") == -signal.SIGKILL
    await till.work(*LATER)
    known = await transfer(world.system(), *TRANSFER)
    assert known.state == "done"
    rows = await db.run(
        "payments", world.system(), "SELECT amount FROM payments.sandbox_transfer"
    )  # fmt: skip
    assert [row["amount"] for row in rows] == [TRANSFER[1]]
    await till.at_rest()


async def test_without_a_crash_point_it_ends_well(world: World) -> None:
    """The child itself works: what kills it above is the crash point and nothing else."""
    till = await open_till(world)
    assert await killed(till, "authorize", "nowhere") == 0
    assert (await till.payment()).state == "authorized"
