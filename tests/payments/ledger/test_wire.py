"""The ledger's doors between two processes: what is said arrives as it was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import doors
from fahrwerk.kernel.errors import Conflict, Unpaid
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.rules import ledger as rules
from tests.payments.ledger.keeper import entered, for_a_ride, top_up, use

if TYPE_CHECKING:
    from tests.world import World


async def test_all_doors_over_the_wire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call, staff = world.system(), world.admin()
    monkeypatch.setattr(doors, "runner", "wire")
    await top_up(call, "rider", paid=1_000, bonus=100)
    spent = await use(call, "rider", 150)
    assert spent.parts == {"bonus": 100, "paid": 50}
    with pytest.raises(Unpaid) as unpaid:
        await use(call, "rider", 951)
    assert (unpaid.value.error_code, unpaid.value.details) == (
        "INSUFFICIENT_BALANCE", {"available_minor": 950},
    )  # fmt: skip
    await ledger.place_hold(call, "ride", "rider", "EUR", 300, 60.0, "paid", None)
    await ledger.extend_hold(call, "ride", 90.0)
    await ledger.capture_hold(call, "ride", for_a_ride(200))
    with pytest.raises(Conflict) as ended:
        await ledger.capture_hold(call, "ride", for_a_ride(1))
    assert ended.value.error_code == "HOLD_ENDED"
    assert (await ledger.release_hold(call, "ride")).state == "captured"
    purse = await ledger.purse(call, "rider", "EUR")
    assert (purse.available_minor, [lot.left_minor for lot in purse.lots]) == (750, [750])
    posted = await ledger.post_journal(call, entered(("bank", 5), ("revenue.0", -5)))
    reversal = await ledger.reverse_journal(staff, posted, "wrong", "a")
    assert (await ledger.journal(staff, posted)).reversed_by == reversal.id
    page = await ledger.accounts(staff, "bank", None, None, 10, 0)
    assert [each.id for each in page.accounts] == [
        rules.account_id(world.tenant, "bank", "", "EUR")
    ]
    found = await ledger.statement(staff, page.accounts[0].id, None, None, None, 1)
    assert (len(found.lines), found.lines[0].balance_minor) == (1, 0)
    trial = await ledger.trial_balance(staff, None, None)
    assert sum(line.closing_minor for line in trial) == 0
    assert (await ledger.catch_up(call), await ledger.proof(call)) == (0, [])
