"""Chargebacks: in the books in every state, answered with evidence, in any order of news."""

from __future__ import annotations

import base64
from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.payments import contract, jobs
from fahrwerk.payments.actions._case import load
from fahrwerk.payments.actions._disputes import note_dispute
from fahrwerk.payments.contract import comparison, debts, ledger
from fahrwerk.payments.contract import disputes as doors
from fahrwerk.payments.contract import gateways as lists
from fahrwerk.payments.gateways import Dispute, find
from fahrwerk.payments.rules import disputes as rules
from tests.payments.gateways.kits import open_paypal, open_stripe
from tests.payments.killer import KilledError
from tests.payments.till import Till, open_till

if TYPE_CHECKING:
    from uuid import UUID

    from tests.payments.fakes.paypal import FakePayPal
    from tests.payments.fakes.stripe import FakeStripe
    from tests.payments.killer import Killer
    from tests.world import World

LOOKS = [
    rules.Stand(),
    rules.Stand(state="under_review"),
    rules.Stand(withdrawn_minor=525, fee_minor=1_500, moves=1),
    rules.Stand(state="under_review", withdrawn_minor=525, fee_minor=1_500, moves=1),
    rules.Stand(state="won", withdrawn_minor=525, fee_minor=1_500, moves=1),
    rules.Stand(state="won", fee_minor=1_500, moves=2),
]
"""One dispute from an inquiry to the money given back, as it can be seen at six moments."""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@given(st.lists(st.sampled_from(LOOKS), min_size=1, max_size=12))
def test_any_order_of_looks_ends_equal(seen: list[rules.Stand]) -> None:
    """F11: late, doubled and out of order; what was moved is the difference to the last look."""
    known, withdrawn, fee = rules.Stand(), 0, 0
    for look in seen:
        now = rules.newer(known, look)
        withdrawn += now.withdrawn_minor - known.withdrawn_minor
        fee += now.fee_minor - known.fee_minor
        known = now
    best = max((rules.Stand(), *seen), key=LOOKS.index)
    assert known == best
    assert (withdrawn, fee) == (best.withdrawn_minor, best.fee_minor)


def test_a_bank_overturns_its_decision() -> None:
    lost = rules.Stand(state="lost", withdrawn_minor=525, moves=1)
    won = rules.Stand(state="won", moves=2)
    for order in permutations([lost, won]):
        known = rules.Stand()
        for look in order:
            known = rules.newer(known, look)
        assert known == won


async def disputed(world: World, token: str = "tok_createDispute") -> tuple[Till, UUID]:
    """A ride that was charged, and whose owner of the card does not know it."""
    till = await open_till(world, token)
    await till.authorize()
    await till.ended(525)
    await till.work(0, 1)
    page = await lists.disputes(world.admin(), 10, 0)
    assert page.total == 1
    return till, page.disputes[0].id


async def balances(till: Till) -> dict[str, int]:
    """Chargebacks, fees and what is in clearing."""
    page = await ledger.accounts(till.world.system(), None, None, None, 100, 0)
    found = {each.code: each.balance_minor for each in page.accounts}
    return {name: found.get(name, 0) for name in ("chargebacks", "fees", "gateway_clearing")}


async def proved(till: Till) -> None:
    with clock.moved_to(clock.now() + timedelta(days=1)):
        assert await ledger.proof(till.world.system()) == []


async def test_withdrawn_when_it_is_opened(world: World) -> None:
    till, dispute = await disputed(world)
    found = await doors.dispute(world.admin(), dispute)
    assert (found.dispute.state, found.withdrawn_minor, found.fee_minor) == (
        *("needs_response", 525, 1_500),
    )
    assert found.dispute.evidence_due_at
    assert await balances(till) == {"chargebacks": 525, "fees": 1_500, "gateway_clearing": -1_500}
    await proved(till)


@pytest.mark.parametrize(
    ("words", "state", "lost"),
    [("winning_evidence", "won", 0), ("losing_evidence", "lost", 525)],
)
async def test_answered_and_decided(world: World, words: str, state: str, lost: int) -> None:
    """Texts, files and what the log tells of the ride; handed in once; the books follow."""
    till, dispute = await disputed(world)
    admin = world.admin()
    await doors.add_evidence(admin, dispute, doors.NewEvidence(kind="ride"))
    wanted = doors.NewEvidence(kind="photo", file_name="end.png", content=PNG)
    await doors.add_evidence(admin, dispute, wanted)
    found = await doors.add_evidence(admin, dispute, doors.NewEvidence(kind="other", text=words))
    assert "Ridden from" in (found.evidence[0].text or "")
    assert [each.size for each in found.evidence] == [None, len(PNG), None]
    for _ in range(2):
        given = await doors.hand_in_evidence(admin, dispute)
        assert given.handed_in == "done"
    assert given.dispute.state == state
    with pytest.raises(doors.DisputeAnswered):
        await doors.add_evidence(admin, dispute, doors.NewEvidence(kind="other", text="more"))
    await till.work()
    assert await balances(till) == {
        "chargebacks": lost, "fees": 1_500, "gateway_clearing": 525 - lost - 1_500,
    }  # fmt: skip
    rows = await db.run(
        "payments", world.system(),
        "SELECT name, version FROM kernel.event WHERE stream LIKE 'dispute:%' ORDER BY version",
    )  # fmt: skip
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert {"payment.disputed", "payment.evidence_given", "payment.dispute_changed"} <= {
        row["name"] for row in rows
    }
    await proved(till)


async def test_a_lost_dispute_may_be_owed_again(world: World) -> None:
    """PAY-28: where the operator wants it; dunning does not charge the card, the rider may."""
    admin = world.admin()
    steps = [debts.Step(after_days=1)]
    usual = debts.Dunning(
        steps=steps, write_off_days=None, block_above_minor=0, is_dispute_owed=True
    )
    await debts.set_dunning(admin, usual)
    till, dispute = await disputed(world)
    words = doors.NewEvidence(kind="other", text="losing_evidence")
    await doors.add_evidence(admin, dispute, words)
    await doors.hand_in_evidence(admin, dispute)
    payment = await till.work(0, 1)
    assert (payment.state, payment.reason, payment.captured_minor) == ("due", "chargeback", 525)
    (debt,) = (await debts.own_debts(till.rider, 10, 0)).debts
    assert (debt.state, debt.owed_minor) == ("open", 525)
    assert (await balances(till))["chargebacks"] == 0
    assert await owed(till) == 525
    captures = await till.done("capture")
    with clock.moved_to(clock.now() + timedelta(days=2)):
        await jobs.remind_debtors()
        await till.work()
    (reminded,) = (await debts.own_debts(till.rider, 10, 0)).debts
    assert reminded.step == 1
    assert await till.done("capture") == captures
    paid = await debts.pay_debt(till.rider, debt.id, await world.card(till.rider))
    assert (paid.state, paid.owed_minor) == ("paid", 0)
    await till.work()
    assert await owed(till) == 0
    await proved(till)


async def test_an_overturned_dispute_is_not_owed_any_more(world: World) -> None:
    """The books and the debt go back; looks at the dispute come twice and in any order."""
    admin = world.admin()
    usual = await debts.dunning(admin)
    await debts.set_dunning(admin, structs.replace(usual, is_dispute_owed=True))
    till, dispute = await disputed(world)
    await doors.add_evidence(
        admin, dispute, doors.NewEvidence(kind="other", text="losing_evidence")
    )
    await doors.hand_in_evidence(admin, dispute)
    await till.work(0, 1)
    assert await owed(till) == 525
    found = (await doors.dispute(admin, dispute)).dispute
    case = await load(world.system(), till.id)
    assert case is not None
    moves = (await db.run("payments", world.system(), "SELECT moves FROM payments.dispute"))[0][0]
    won = Dispute(
        ref=found.ref, amount_minor=525, currency="EUR", reason=found.reason, state="won",
        evidence_due_at=None, opened_at=found.opened_at, fee_minor=1_500, moves=moves + 1,
    )  # fmt: skip
    for _ in range(2):
        await note_dispute(world.system(), found.gateway, won, case)
    await till.work()
    assert (await till.payment()).state == "completed"
    (debt,) = (await debts.own_debts(till.rider, 10, 0)).debts
    assert (debt.state, debt.owed_minor) == ("paid", 0)
    assert await owed(till) == 0
    assert (await balances(till))["chargebacks"] == 0
    with clock.moved_to(clock.now() + timedelta(days=1)):
        wrong = await ledger.proof(world.system())
    assert [x for x in wrong if x.check != "comparison"] == []


async def owed(till: Till) -> int:
    """By the rider, in the books."""
    owner = str(till.rider.user)
    page = await ledger.accounts(till.world.system(), "receivables", owner, None, 10, 0)
    return sum(each.balance_minor for each in page.accounts)


@pytest.mark.parametrize("phase", ["after_intent", "after_call"])
async def test_killed_while_handing_in(world: World, killer: Killer, phase: str) -> None:
    """The same evidence goes in once, with its key, whoever sees it through."""
    till, dispute = await disputed(world)
    await doors.add_evidence(world.admin(), dispute, doors.NewEvidence(kind="ride"))
    killer.at = f"payments.evidence.{phase}"
    with pytest.raises(KilledError):
        await doors.hand_in_evidence(world.admin(), dispute)
    await till.work(20, 100)
    found = await doors.dispute(world.admin(), dispute)
    assert (found.handed_in, found.dispute.state) == ("done", "under_review")


async def test_the_gateway_does_not_answer(world: World) -> None:
    till, dispute = await disputed(world)
    fault = contract.GatewayFault(operation="evidence", fault="error_500_after")
    await contract.script_sandbox(world.admin(), [fault])
    await doors.add_evidence(world.admin(), dispute, doors.NewEvidence(kind="ride"))
    assert (await doors.hand_in_evidence(world.admin(), dispute)).handed_in == "sent"
    await till.work(100)
    assert (await doors.dispute(world.admin(), dispute)).handed_in == "done"


async def test_nobody_but_staff(world: World) -> None:
    till, dispute = await disputed(world)
    with pytest.raises(Forbidden):
        await doors.dispute(till.rider, dispute)
    with pytest.raises(Forbidden):
        await doors.add_evidence(world.call("support"), dispute, doors.NewEvidence(kind="ride"))


async def test_over_http(world: World) -> None:
    await disputed(world)
    async with world.client(world.admin()) as client:
        (shown,) = (await client.get("/api/v1/disputes")).json()["disputes"]
        path = f"/api/v1/disputes/{shown['id']}"
        bad = {"kind": "photo", "file": "no base64", "file_name": "a.png"}
        assert (await client.post(f"{path}/evidence", json=bad)).status_code == 400
        fine = {"kind": "photo", "file": base64.b64encode(PNG).decode(), "file_name": "a.png"}
        made = (await client.post(f"{path}/evidence", json=fine)).json()
        gone = await client.delete(f"{path}/evidence/{made['evidence'][0]['id']}")
        assert gone.json()["evidence"] == []
        empty = await client.post(f"{path}/hand-in")
        assert (empty.status_code, empty.json()["error"]["code"]) == (409, "NO_EVIDENCE")
        await client.post(f"{path}/evidence", json={"kind": "ride"})
        assert (await client.post(f"{path}/hand-in")).json()["evidence_status"] == "done"


async def test_at_stripe(world: World, stripe: FakeStripe) -> None:
    """Files go to Stripe's files, texts to their fields, and both are submitted."""
    account = await open_stripe(world, stripe)
    till = await open_till(world, "pm_card_visa")
    await till.authorize()
    await till.ended(525)
    await till.work()
    theirs = account.customer_disputes(account.all("payment_intent")[0])

    async def post(body: bytes, headers: dict[str, str]) -> None:
        await contract.take_webhook(world.system(), "stripe", body, headers)

    await account.deliver(post)
    await till.work()
    admin = world.admin()
    dispute = (await lists.disputes(admin, 1, 0)).disputes[0].id
    assert (await doors.dispute(admin, dispute)).withdrawn_minor == 525
    await doors.add_evidence(admin, dispute, doors.NewEvidence(kind="ride"))
    wanted = doors.NewEvidence(kind="photo", file_name="end.png", content=PNG)
    await doors.add_evidence(admin, dispute, wanted)
    assert (await doors.hand_in_evidence(admin, dispute)).handed_in == "done"
    assert set(theirs["evidence"]) == {"uncategorized_text", "service_documentation"}
    assert theirs["status"] == "under_review"
    account.dispute_moves(theirs, "won")
    await account.deliver(post)
    await till.work()
    found = await doors.dispute(admin, dispute)
    assert (found.dispute.state, found.withdrawn_minor, found.fee_minor) == ("won", 0, 1_500)
    assert (await balances(till))["chargebacks"] == 0
    await proved(till)


async def test_at_paypal(world: World, paypal: FakePayPal) -> None:
    """Kept back at once, answered with notes and files, given back when it is won; lists agree."""
    account = await open_paypal(world, paypal)
    rider = world.call("customer")
    assert rider.user
    begun = await find("paypal").begin_set_up(world.system("payments"), f"k{ids.new()}", rider.user)
    assert begun.token
    account.payer_approves_set_up(begun.token, "good")
    method = await contract.add_method(rider, begun.token, True, "paypal")
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 1_250, "EUR")
    till = Till(world, rider, method.id, payment)
    await till.authorize()
    await till.ended(1_250)
    await till.work()
    theirs = account.payer_disputes(account.orders()[0])

    async def post(body: bytes, headers: dict[str, str]) -> None:
        await contract.take_webhook(world.system(), "paypal", body, headers)

    await account.deliver(post)
    await till.work()
    admin = world.admin()
    dispute = (await lists.disputes(admin, 1, 0)).disputes[0].id
    assert (await doors.dispute(admin, dispute)).withdrawn_minor == 1_250
    await doors.add_evidence(admin, dispute, doors.NewEvidence(kind="ride"))
    wanted = doors.NewEvidence(kind="photo", file_name="end.png", content=PNG)
    await doors.add_evidence(admin, dispute, wanted)
    assert (await doors.hand_in_evidence(admin, dispute)).handed_in == "done"
    assert [each["evidence_type"] for each in theirs["given"]] == ["PROOF_OF_FULFILLMENT", "OTHER"]
    assert theirs["files"] == 1
    account.dispute_ends(theirs, "RESOLVED_SELLER_FAVOUR")
    await account.deliver(post)
    await till.work()
    assert (await doors.dispute(admin, dispute)).withdrawn_minor == 0
    with clock.moved_to(clock.now() + timedelta(days=1)):
        (last,) = await comparison.compare(admin)
        await till.work()  # what PayPal kept is booked
    assert (last.gateway, last.compared, last.found, last.problem) == ("paypal", 1, 0, None)
    await proved(till)
