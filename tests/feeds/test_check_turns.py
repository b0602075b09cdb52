"""Whose feeds are checked when, where there are many operators."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.feeds import jobs
from fahrwerk.kernel import clock
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    import pytest

    from fahrwerk.tenancy import contract as tenancy
    from tests.world import World


async def test_the_turn_of_the_self_check_comes_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every five minutes, the longest waiting first, so many in a run; and nobody's trouble, nor
    somebody else's run, keeps the next one from its turn. Who has no vehicle is not looked at."""
    beside, broken, empty = [await make_world() for _ in range(3)]
    for each in (world, beside, broken):
        await each.vehicle()
    await world.settle()
    ours = {each.tenant: each for each in (world, beside, broken, empty)}

    async def waiting(minutes: float = 0) -> list[UUID]:
        with clock.moved_to(clock.now() + timedelta(minutes=minutes), leases=True):
            return [each for each in await jobs.due(100_000) if each in ours]

    assert set(await waiting()) == ours.keys() - {empty.tenant}
    assert len(await jobs.due(1)) == 1
    checked: list[UUID] = []

    async def check(operator: tenancy.Operator) -> None:
        checked.append(operator.id)
        if operator.id == broken.tenant:
            raise RuntimeError("its feeds cannot be read")

    async def all_three(at_most: int) -> list[UUID]:
        return [broken.tenant, world.tenant, beside.tenant]

    monkeypatch.setattr(jobs, "check_whole", check)
    with monkeypatch.context() as few:
        few.setattr(jobs, "due", all_three)
        await jobs.check_feeds()
        assert checked == [broken.tenant, world.tenant, beside.tenant]
        await jobs.check_feeds()  # another run that had found the same
        assert len(checked) == 3
    assert await waiting() == []
    assert await waiting(4) == []
    assert await waiting(5) == [broken.tenant, world.tenant, beside.tenant], "in their order"
