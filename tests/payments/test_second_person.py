"""Refunds above the operator's limit need a second person: and every way around it (IDN-26)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fahrwerk.identity.contract import approvals
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.payments import contract
from fahrwerk.payments.contract import ledger, refunds
from fahrwerk.payments.jobs import carry_out_approved
from fahrwerk.tenancy import contract as tenancy
from tests.payments.test_refund import paid
from tests.world import make_world

if TYPE_CHECKING:
    from tests.payments.till import Till
    from tests.world import World


async def limited(world: World, minor: int = 300) -> Till:
    """A paid ride of 5.25, and a limit."""
    change = tenancy.OperatorChange(refund_limit_minor=minor)
    await tenancy.change_operator(world.admin(), change)
    return await paid(world)


def path(till: Till) -> str:
    return f"/api/v1/payments/{ids.public('pay', till.id)}/refunds"


async def asked(client: httpx.AsyncClient, till: Till, amount: float, key: str) -> httpx.Response:
    body = {"amount": amount, "reason": "goodwill"}
    return await client.post(path(till), json=body, headers={"Idempotency-Key": key})


def code(answer: httpx.Response) -> Any:
    return answer.json()["error"]["code"]


async def test_one_asks_another_one_approves(world: World) -> None:
    """202 and nothing is given back; then by the second person, once, whatever is repeated."""
    till = await limited(world)
    service, boss = world.call("support"), world.admin()
    async with world.client(service) as first, world.client(boss) as second:
        small = await asked(first, till, 2.5, "small")
        assert (small.status_code, small.json()["amount_refunded"]) == (201, 2.5)
        # Many small ones are no way around: what counts is the sum.
        large = await asked(first, till, 1.0, "large")
        assert large.status_code == 202
        wish = large.json()
        assert (wish["status"], wish["amount"], wish["currency"]) == ("pending", 1.0, "EUR")
        assert (await asked(first, till, 1.0, "large")).json() == wish
        yes = f"/api/v1/refund-approvals/{wish['approval_id']}/approve"
        assert (await first.post(yes, json={})).status_code == 403
        listed = (await second.get("/api/v1/approvals")).json()["approvals"]
        assert [(each["status"], each["can_decide"]) for each in listed] == [("pending", True)]
        done = [await second.post(yes, json={"note": "checked"}) for _ in range(2)]
        assert [(d.status_code, d.json()["amount_refunded"]) for d in done] == [(200, 3.5)] * 2
        mine = (await first.get(f"/api/v1/approvals/{wish['approval_id']}")).json()
        assert (mine["status"], mine["note"], mine["can_decide"]) == ("done", "checked", False)


async def test_nobody_approves_his_own(world: World) -> None:
    """Not even the administrator; neither may somebody who lacks the permission, or a stranger."""
    till = await limited(world)
    boss = world.admin()
    async with world.client(boss) as client:
        wish = (await asked(client, till, 5.25, "own")).json()["approval_id"]
        yes = f"/api/v1/refund-approvals/{wish}/approve"
        assert code(await client.post(yes, json={})) == "SECOND_PERSON_NEEDED"
        assert code(await client.post(f"/api/v1/approvals/{wish}/decline", json={})) == (
            "SECOND_PERSON_NEEDED"
        )
    async with world.client(world.call("support")) as other:
        assert (await other.post(yes, json={})).status_code == 403
        assert (await other.get(f"/api/v1/approvals/{wish}")).status_code == 404
        assert (await other.post(f"/api/v1/approvals/{wish}/decline", json={})).status_code == 403
    foreign = await make_world()
    async with foreign.client(foreign.admin()) as stranger:
        assert (await stranger.post(yes, json={})).status_code == 404
    # The database has the last word: nobody decides on his own wish, whatever the code does.
    with pytest.raises(Exception, match="two_people"):
        await db.run(
            "identity", world.system(),
            "UPDATE identity.approval SET state = 'approved', decided_by = asked_by, "
            "decided_at = now()",
        )  # fmt: skip
    with pytest.raises(refunds.RefundNeedsApproval):
        await contract.refund(boss, till.id, 525, "directly", "k")
    assert (await contract.payment(boss, till.id)).refunded_minor == 0


async def test_declined_and_run_out_are_over(world: World) -> None:
    till = await limited(world, 0)
    first, second = world.call("support"), world.admin()
    one = (await refunds.ask_refund(first, till.id, 100, "one", "a")).approval
    two = (await refunds.ask_refund(first, till.id, 100, "two", "b")).approval
    assert one is not None
    assert two is not None
    declined = await approvals.decide_approval(second, one.id, False, "no reason given")
    assert declined.state == "declined"
    with pytest.raises(approvals.AlreadyDecided):
        await refunds.approve_refund(second, one.id, None)
    with clock.moved_to(clock.now() + timedelta(days=8)):
        with pytest.raises(approvals.AlreadyDecided):
            await refunds.approve_refund(second, two.id, None)
        assert (await approvals.approval(first, two.id)).state == "expired"
    assert (await contract.payment(second, till.id)).refunded_minor == 0


async def test_two_at_once_are_not_each_below_the_limit(world: World) -> None:
    till = await limited(world)
    one, two = await asyncio.gather(
        *(refunds.ask_refund(world.call("support"), till.id, 200, "r", key) for key in "ab"),
        return_exceptions=True,
    )
    again = [
        await refunds.ask_refund(world.call("support"), till.id, 200, "r", "c")
        for each in (one, two)
        if isinstance(each, BaseException)
    ]
    assert (await contract.payment(world.admin(), till.id)).refunded_minor == 200, again


async def test_what_was_approved_is_carried_out_after_a_crash(world: World) -> None:
    """F1: approved, and the process died before it refunded: a worker does."""
    till = await limited(world)
    wish = (await refunds.ask_refund(world.call("support"), till.id, 400, "big", "a")).approval
    assert wish is not None
    await approvals.decide_approval(world.admin(), wish.id, True, None)
    await carry_out_approved()
    assert (await contract.payment(world.admin(), till.id)).refunded_minor == 0  # too soon
    await db.run(
        "identity", world.system(),
        "UPDATE identity.approval SET decided_at = decided_at - interval '2 minutes' WHERE id = $1",
        wish.id,
    )  # fmt: skip
    await carry_out_approved()
    await carry_out_approved()
    assert (await contract.payment(world.admin(), till.id)).refunded_minor == 400
    assert (await approvals.approval(world.admin(), wish.id)).state == "done"


async def test_the_house_is_not_bound(world: World) -> None:
    """What follows from events (a cancelled order) is no person's refund."""
    till = await limited(world, 0)
    house: Call = world.system("payments")
    assert (await contract.refund(house, till.id, 100, "cancelled", "h")).refunded_minor == 100


async def test_a_large_correction_needs_two(world: World) -> None:
    """A journal above the limit is taken back by two people, once; a small one by one."""
    await limited(world, 300)
    posted = []
    for number, amount in enumerate((1_000, 200)):
        lines = [
            ledger.Line("goodwill", amount),
            ledger.Line("bank", -amount),
        ]  # fmt: skip
        journal = ledger.NewJournal(
            key=f"t:{number}", kind="adjustment", currency="EUR", lines=lines,
            narration="gift", at=clock.now(),
        )  # fmt: skip
        posted.append(await ledger.post_journal(world.system(), journal))
    large, small = (
        f"/api/v1/books/journals/{ids.public(ledger.JOURNAL_PREFIX, each)}" for each in posted
    )
    boss, other = world.admin(), world.admin()
    async with world.client(boss) as first, world.client(other) as second:
        why = {"reason": "by mistake"}
        assert (await first.post(f"{small}/reverse", json=why)).status_code == 201
        asked = await first.post(f"{large}/reverse", json=why)
        assert asked.status_code == 202, asked.text
        assert (await first.post(f"{large}/reverse", json=why)).json() == asked.json()
        assert (await first.get(large)).json()["reversed_by"] is None
        yes = f"/api/v1/reversal-approvals/{asked.json()['approval_id']}/approve"
        assert code(await first.post(yes, json={})) == "SECOND_PERSON_NEEDED"
        refund = f"/api/v1/refund-approvals/{asked.json()['approval_id']}/approve"
        assert (await second.post(refund, json={})).status_code == 404
        done = [await second.post(yes, json={}) for _ in range(2)]
        assert [each.status_code for each in done] == [200, 200]
        assert done[0].json()["id"] == done[1].json()["id"]
        assert (await first.get(large)).json()["reversed_by"] == done[0].json()["id"]
    assert await ledger.proof(world.system()) == []
