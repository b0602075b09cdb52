"""The kernel's own invariants: the event log has no gaps, the audit log is whole (I6, I8, I11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from fahrwerk.kernel import audit, clock, db, events, ids, invariants
from fahrwerk.kernel.call import system
from fahrwerk.kernel.invariants import broken_invariants
from fahrwerk.kernel.pump import Pump
from fahrwerk.kernel.upkeep import chain_audit_log
from fahrwerk.rentals.events import RentalCancelled

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from tests.world import World


async def _told(world: World) -> list[str]:
    return [invariant for invariant, _ in await broken_invariants(world.system())]


async def _happened(world: World, stream: str, version: int) -> None:
    call = world.system("rentals")
    fact = RentalCancelled(ids.new(), ids.new(), ids.new(), ids.new(), "rider")
    async with db.tx("rentals", call) as tx:
        await events.emit(tx, call, stream, version, fact)


async def test_a_missing_event_is_told(world: World) -> None:
    """I6: versions of a stream have no gap."""
    stream = f"rental:{ids.new()}"
    await _happened(world, stream, 1)
    assert await _told(world) == []
    await _happened(world, stream, 3)
    [(invariant, detail)] = await broken_invariants(world.system())
    assert invariant == "I6"
    assert stream in detail


async def test_an_event_that_nobody_handles_is_told_after_two_minutes(world: World) -> None:
    """I8"""
    await Pump().drain()
    await _happened(world, f"rental:{ids.new()}", 1)
    with clock.moved_to(clock.now() + timedelta(seconds=100)):
        assert await _told(world) == []
    with clock.moved_to(clock.now() + timedelta(seconds=130)):
        assert "I8" in await _told(world)
        await Pump().drain()
        assert await _told(world) == []


async def test_entries_of_the_audit_log_find_their_place_in_the_chain(world: World) -> None:
    """I11: the worker links them; a row that was changed afterwards is told."""
    for number in range(3):
        await audit.record(world.admin(), f"fleet.create_vehicle_{number}", "", "done")
    with clock.moved_to(clock.now() + timedelta(seconds=130)):
        assert await _told(world) == ["I11"]
    while await chain_audit_log():
        pass
    with clock.moved_to(clock.now() + timedelta(seconds=130)):
        assert await _told(world) == []
    await db.run(
        "pump", system(None, "pump"),
        "UPDATE kernel.audit SET hash = '\\x00' WHERE tenant_id = $1 AND seq = 2", world.tenant,
    )  # fmt: skip
    assert await broken_invariants(world.system()) == [("I11", "the audit chain is broken at 2")]


async def test_it_is_asked_of_one_operator(world: World) -> None:
    """I7: nobody reads all operators' logs at once by leaving the operator out."""
    with pytest.raises(ValueError, match="one operator"):
        await broken_invariants(system(None, "doctor"))


async def test_a_worker_tells_the_metrics_what_is_broken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY section 1: every minute in production, exported as a metric."""
    answers = [[("I1", "captured twice"), ("I1", "and again"), ("I4", "two vehicles")], []]
    done = asyncio.Event()

    async def ask(call: Call) -> list[tuple[str, str]]:
        assert call.tenant == world.tenant
        if len(answers) == 1:
            done.set()
        return answers.pop(0) if answers else []

    async def operators() -> list[tuple[UUID, str]]:
        return [(world.tenant, "here")]

    def shown(name: str) -> float | None:
        return REGISTRY.get_sample_value("fahrwerk_broken_invariants", {"invariant": name})

    monkeypatch.setattr(invariants, "EVERY_S", 0.2)
    watching = asyncio.create_task(invariants.watch(operators, [ask]))
    while shown("I1") is None:
        await asyncio.sleep(0.01)
    assert (shown("I1"), shown("I4")) == (2.0, 1.0)
    await asyncio.wait_for(done.wait(), 5)
    while shown("I1") is not None:
        await asyncio.sleep(0.01)
    assert REGISTRY.get_sample_value("fahrwerk_invariants_examined_timestamp_seconds")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
