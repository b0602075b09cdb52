"""Auto top-up: threshold, cooldown, strikes, caps; a dead card for a day (WAL-17..22, WAL-33)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments import contract as payments
from fahrwerk.payments import gateways
from fahrwerk.payments.contract import GatewayFault, ledger
from fahrwerk.wallet import contract, rules
from fahrwerk.wallet.actions.auto import top_up_by_itself
from fahrwerk.wallet.contract import AutoTopupChange
from tests.world import World

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_AUTO = """
SELECT state, reason, begun_at FROM wallet.topup WHERE is_auto AND rider_id = $1 ORDER BY begun_at
"""
_TOLD = "SELECT name, data FROM kernel.event WHERE tenant_id = $1 AND name = $2 ORDER BY position"


async def rider_with_auto(
    world: World, token: str = "tok_visa", **change: int
) -> tuple[Call, UUID]:
    """A rider with an empty wallet and auto top-up of 25 EUR below 10 EUR."""
    rider = await world.rider()
    await world.card(rider, token)
    values = {"amount_minor": 2_500, "below_minor": 1_000, **change}
    wanted = msgspec.convert({"is_on": True, **values}, AutoTopupChange)
    await contract.change_auto_topup(rider, wanted)
    assert rider.user is not None
    return rider, rider.user


async def tried(world: World, rider_id: UUID) -> list[str]:
    rows = await db.run("wallet", world.system("wallet"), _AUTO, rider_id)
    return [row["reason"] or row["state"] for row in rows]


async def minutes(world: World, start: datetime, until: int, step: int = 15) -> None:
    """Let the clock go on, the workers working."""
    for minute in range(step, until + 1, step):
        with clock.moved_to(start + timedelta(minutes=minute)):
            await world.settle()


async def test_below_the_threshold_it_tops_up(world: World) -> None:
    """WAL-17, WAL-20, WAL-22: the scheduler charges the stored method off-session, once."""
    rider, rider_id = await rider_with_auto(world)
    await world.settle()
    own = await contract.wallet(rider, rider_id)
    assert own.balance_minor == 2_500
    assert await tried(world, rider_id) == ["credited"]
    await world.settle()
    assert await tried(world, rider_id) == ["credited"]


async def test_usage_starts_it(world: World) -> None:
    """WAL-17: what falls below the threshold wakes it; above it nothing happens."""
    rider, rider_id = await rider_with_auto(world)
    start = clock.now()
    await world.settle()
    with clock.moved_to(start + timedelta(hours=2)):
        await contract.charge_usage(world.admin(), rider_id, 1_400, "Ride", "a")
        await world.settle()
        assert len(await tried(world, rider_id)) == 1
        await contract.charge_usage(world.admin(), rider_id, 200, "Ride", "b")
        await world.settle()
    assert len(await tried(world, rider_id)) == 2
    assert (await contract.wallet(rider, rider_id)).balance_minor == 3_400


async def test_the_cooldown_is_claimed_before_charging(world: World) -> None:
    """WAL-18: twenty workers at once begin one; the next comes after 60 minutes, not sooner."""
    _, rider_id = await rider_with_auto(world, below_minor=100_000, amount_minor=1_000,
                                        day_minor=100_000, month_minor=100_000)  # fmt: skip
    house = world.system("wallet")
    start = clock.now()
    await asyncio.gather(*(top_up_by_itself(house, rider_id) for _ in range(20)))
    assert await tried(world, rider_id) == ["credited"]
    await minutes(world, start, 45)
    assert len(await tried(world, rider_id)) == 1
    with clock.moved_to(start + timedelta(minutes=61)):
        await world.settle()
    assert len(await tried(world, rider_id)) == 2


async def test_a_dead_card_for_a_day(world: World) -> None:
    """WAL-18, WAL-19: three refusals an hour apart, then a pause; nothing is charged, ever."""
    rider, rider_id = await rider_with_auto(world, "tok_insufficientFunds")
    start = clock.now()
    await minutes(world, start, 24 * 60)
    with clock.moved_to(start + timedelta(hours=24)):
        own = await contract.wallet(rider, rider_id)
        rows = await db.run("wallet", world.system("wallet"), _AUTO, rider_id)
        assert [row["reason"] for row in rows] == ["insufficient_funds"] * 3
        gaps = [b["begun_at"] - a["begun_at"] for a, b in pairwise(rows)]
        assert all(gap >= timedelta(minutes=60) for gap in gaps)
        assert own.auto.is_on
        assert own.auto.paused == "too_many_failures"
        assert own.balance_minor == 0
        assert await ledger.proof(world.admin()) == []
        told = await db.run("wallet", world.system("wallet"), _TOLD, world.tenant, "topup.failed")
        assert [each["data"]["strikes"] for each in told] == [1, 2, 3]
        assert [each["data"]["is_paused"] for each in told] == [False, False, True]
        # The rider brings another card and switches it on again.
        await world.card(rider)
        await contract.change_auto_topup(rider, AutoTopupChange(is_on=True))
        await world.settle()
        own = await contract.wallet(rider, rider_id)
        assert (own.balance_minor, own.auto.paused, own.auto.strikes) == (2_500, None, 0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is silent is not waited for."""
    monkeypatch.setattr(gateways, "TIMEOUT_S", 0.2)


@pytest.mark.parametrize("token", ["tok_fraudSuspected", "tok_expiredCard", "tok_threeDSecure"])
async def test_never_retry_codes_pause_at_once(world: World, token: str) -> None:
    """WAL-19: what no other try can mend is not tried again."""
    rider, rider_id = await rider_with_auto(world, token)
    start = clock.now()
    await world.settle()
    assert (await contract.wallet(rider, rider_id)).auto.paused in rules.NEVER_RETRY
    await minutes(world, start, 180, 60)
    assert len(await tried(world, rider_id)) == 1


@pytest.mark.usefixtures("impatient")
async def test_outages_are_no_strikes(world: World) -> None:
    """WAL-19: a gateway that does not answer is not the rider's fault; the charge is made once."""
    rider, rider_id = await rider_with_auto(world, "tok_timeoutAfter")
    start = clock.now()
    await minutes(world, start, 10, 1)
    own = await contract.wallet(rider, rider_id)
    assert own.auto.strikes == 0
    assert own.auto.paused is None
    assert await tried(world, rider_id) == ["credited"]
    assert own.balance_minor == 2_500


@pytest.mark.usefixtures("impatient")
async def test_a_gateway_that_is_down_is_no_strike(world: World) -> None:
    """WAL-19: nothing reached the gateway: failed, no strike, the cooldown is kept (WAL-18)."""
    rider, rider_id = await rider_with_auto(world)
    admin = world.admin()
    await payments.script_sandbox(
        admin, [GatewayFault(operation="any", fault="timeout_before", times=1000)]
    )
    start = clock.now()
    await minutes(world, start, 50, 5)
    await payments.script_sandbox(admin, [])
    own = await contract.wallet(rider, rider_id)
    assert own.auto.strikes == 0
    assert own.auto.paused is None
    await minutes(world, start, 180, 20)
    assert (await contract.wallet(rider, rider_id)).balance_minor == 2_500


async def test_caps_per_day_and_month(world: World) -> None:
    """WAL-17: at most so much in 24 hours and in 30 days."""
    rider, rider_id = await rider_with_auto(
        world, below_minor=100_000, amount_minor=1_000, day_minor=2_000, month_minor=3_000
    )
    start = clock.now()
    await minutes(world, start, 22 * 60, 60)
    assert len(await tried(world, rider_id)) == 2
    for day in range(1, 8):
        with clock.moved_to(start + timedelta(days=day, hours=2)):
            await world.settle()
    assert len(await tried(world, rider_id)) == 3
    assert (await contract.wallet(rider, rider_id)).balance_minor == 3_000


async def test_settings_are_checked(world: World) -> None:
    """WAL-33: no method, an amount beyond the caps: said clearly."""
    rider = await world.rider()
    with pytest.raises(Invalid, match="validation"):
        await contract.change_auto_topup(rider, AutoTopupChange(is_on=True))
    await world.card(rider)
    for change in (
        AutoTopupChange(is_on=True, amount_minor=5_000, day_minor=4_000),
        AutoTopupChange(amount_minor=100), AutoTopupChange(below_minor=0),
        AutoTopupChange(amount_minor=10**9), AutoTopupChange(method_id=rider.user),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await contract.change_auto_topup(rider, change)


async def test_a_frozen_wallet_is_not_topped_up(world: World) -> None:
    """Staff's freeze holds for auto top-up as well."""
    _, rider_id = await rider_with_auto(world)
    await contract.freeze(world.admin(), rider_id, "Looked into")
    await world.settle()
    assert await tried(world, rider_id) == []
    await contract.unfreeze(world.admin(), rider_id)
    await world.settle()
    assert await tried(world, rider_id) == ["credited"]
