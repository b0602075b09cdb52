"""F1: the process dies between any two phases of any operation; the next worker finishes it.

The coroutine is abandoned at the crash point, as SIGKILL would leave it: what is committed stays,
what was going to be written never is. ``test_killed`` kills whole processes at some of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock
from fahrwerk.payments import contract
from tests.payments.killer import KilledError
from tests.payments.till import HOLD, Till, open_till

if TYPE_CHECKING:
    from tests.payments.killer import Killer
    from tests.world import World

PHASES = pytest.mark.parametrize("phase", ["after_intent", "after_call", "after_result"])
LATER = (16.0, 40.0, 80.0)


@PHASES
async def test_authorise(world: World, killer: Killer, phase: str) -> None:
    """One charge, whatever was lost; and nobody has to ask again for the booking to go on."""
    till = await open_till(world)
    killer.at = f"payments.authorize.{phase}"
    with pytest.raises(KilledError):
        await till.authorize()
    assert (await till.work(*LATER)).state == "authorized"
    assert await till.operations() == [("authorize", "done", HOLD)]
    assert await till.told() == ["PaymentAuthorized"]
    await till.at_rest()


@PHASES
async def test_authorise_twice_killed(world: World, killer: Killer, phase: str) -> None:
    """The worker that resolves it may die as well."""
    till = await open_till(world)
    killer.at = "payments.authorize.after_intent"
    with pytest.raises(KilledError):
        await till.authorize()
    killer.at = f"payments.authorize.{phase}"
    with pytest.raises(KilledError):
        await till.work(16)
    assert (await till.work(40, 80)).state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()


@PHASES
async def test_authorise_for_a_booking_that_is_gone(
    world: World, killer: Killer, phase: str
) -> None:
    """I12: killed, then cancelled: nothing stays held."""
    till = await open_till(world)
    killer.at = f"payments.authorize.{phase}"
    with pytest.raises(KilledError):
        await till.authorize()
    await till.cancelled()
    payment = await till.work(*LATER)
    assert (payment.state, payment.authorized_minor) == ("voided", 0)
    assert await till.done("authorize") == await till.done("void")
    await till.at_rest()


async def test_the_rider_asks_again_after_the_crash(world: World, killer: Killer) -> None:
    """The lease of the dead is waited for, then the same attempt is finished."""
    till = await open_till(world)
    killer.at = "payments.authorize.after_call"
    with pytest.raises(KilledError):
        await till.authorize()
    with pytest.raises(contract.PaymentUnknown):
        await till.authorize()
    await till.work(16)
    assert (await till.authorize()).state == "authorized"
    assert await till.done("authorize") == 1


@PHASES
async def test_capture(world: World, killer: Killer, phase: str) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    killer.at = f"payments.capture.{phase}"
    with pytest.raises(KilledError):
        await till.work()
    payment = await till.work(*LATER)
    assert (payment.state, payment.captured_minor) == ("completed", 525)
    assert await till.operations() == [("authorize", "done", HOLD), ("capture", "done", 525)]
    assert await till.told() == ["PaymentAuthorized", "payment.captured", "PaymentCompleted"]
    await till.at_rest()


@PHASES
@pytest.mark.parametrize("operation", ["authorize", "capture"])
async def test_the_part_beyond_the_hold(
    world: World, killer: Killer, operation: str, phase: str
) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(3_000)
    killer.at = f"payments.{operation}.{phase}"
    with pytest.raises(KilledError):
        await till.work()
    payment = await till.work(*LATER)
    assert (payment.state, payment.captured_minor) == ("completed", 3_000)
    assert (await till.done("authorize"), await till.done("capture")) == (2, 2)
    await till.at_rest()


@PHASES
async def test_void(world: World, killer: Killer, phase: str) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.cancelled()
    killer.at = f"payments.void.{phase}"
    with pytest.raises(KilledError):
        await till.work()
    assert (await till.work(*LATER)).state == "voided"
    assert await till.done("void") == 1
    assert await till.told() == ["PaymentAuthorized", "payment.voided"]
    await till.at_rest()


@PHASES
async def test_refund(world: World, killer: Killer, phase: str) -> None:
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)
    await till.work()
    killer.at = f"payments.refund.{phase}"
    with pytest.raises(KilledError):
        await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 7")
    assert (await till.work(*LATER)).refunded_minor == 200
    again = await contract.refund(world.call("support"), till.id, 200, "goodwill", "case 7")
    assert again.refunded_minor == 200
    assert await till.done("refund") == 1
    await till.at_rest()


@pytest.mark.parametrize("phase", ["after_intent", "after_call"])
async def test_challenge(world: World, killer: Killer, phase: str) -> None:
    """The challenge was passed at the bank, or not yet, when we died: both are found out."""
    till: Till = await open_till(world, "tok_threeDSecure")
    with pytest.raises(contract.AuthenticationRequired):
        await till.authorize()
    killer.at = f"payments.confirm.{phase}"
    with pytest.raises(KilledError):
        await contract.complete_authentication(till.rider, till.id)
    payment = await till.work(*LATER)
    if phase == "after_intent":
        assert payment.state == "action_required"
        await contract.complete_authentication(till.rider, till.id)
    assert (await till.payment()).state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()


@pytest.mark.parametrize("phase", ["after_intent", "after_call"])
async def test_the_rider_says_again_that_the_challenge_was_passed(
    world: World, killer: Killer, phase: str
) -> None:
    """No worker has come round yet: the repeat itself finds out and goes on (PAY-05)."""
    till: Till = await open_till(world, "tok_threeDSecure")
    with pytest.raises(contract.AuthenticationRequired):
        await till.authorize()
    killer.at = f"payments.confirm.{phase}"
    with pytest.raises(KilledError):
        await contract.complete_authentication(till.rider, till.id)
    with clock.moved_to(clock.now() + timedelta(seconds=LATER[0])):
        payment = await contract.complete_authentication(till.rider, till.id)
    assert payment.state == "authorized"
    assert await till.done("authorize") == 1
    await till.at_rest()
