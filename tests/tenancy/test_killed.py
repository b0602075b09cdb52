"""The process dies while the set-up's steps are noted: noted once by whoever goes on (F1)."""

from __future__ import annotations

import pytest

from fahrwerk.kernel import pump
from fahrwerk.tenancy.contract import life
from tests.payments.killer import KilledError, Killer
from tests.world import World


@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_step_is_noted_once(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Checkpoint and step commit together, so a repeat finds either both or none."""
    await world.settle()
    await world.vehicle()
    killer = Killer()
    killer.at = f"pump.tenancy.{step}_commit"
    monkeypatch.setattr(pump, "point", killer.point)
    with pytest.raises(KilledError):
        await pump.Pump(["tenancy"]).drain()
    for _ in range(2):  # other workers, that know nothing of the first
        await pump.Pump(["tenancy"]).drain()
    steps = {each.name: each.state for each in (await life.setup(world.admin())).steps}
    assert steps["vehicles"] == "done"
