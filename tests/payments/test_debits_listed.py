"""Debits through a gateway as staff sees them: being collected, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from fahrwerk.kernel import ids
from fahrwerk.payments import contract
from fahrwerk.payments.rules.debits import expected_on
from tests.payments.test_stripe_debits import account as account
from tests.payments.test_stripe_debits import collecting, told
from tests.payments.test_stripe_debits import patient as patient

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import Account
    from tests.world import World


async def listed(world: World, status: str | None = None) -> list[dict[str, object]]:
    """Debits as staff sees them."""
    wanted = {} if status is None else {"status": status}
    async with world.client(world.call("support")) as client:
        answer = await client.get("/api/v1/payments/debits", params=wanted)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["pagination"]["total"] == len(page["debits"])
    found: list[dict[str, object]] = page["debits"]
    return found


async def test_staff_sees_what_is_being_collected(world: World, account: Account) -> None:
    """With its mandate and the day it will be known; then what became of it."""
    till, intent = await collecting(world, account)
    (mandate,) = account.all("mandate")
    (found,) = await listed(world, "processing")
    begun = datetime.fromisoformat(str(found["begun_at"]))
    assert found == {
        "payment_id": ids.public("pay", till.id), "booking_id": ids.public("rent", till.rental),
        "user_id": ids.public("usr", till.rider.user or till.id), "gateway": "stripe",
        "amount": 5.25, "currency": "EUR", "status": "processing", "reason": None,
        "begun_at": found["begun_at"], "due_on": expected_on(begun).isoformat(),
        "account": "SEPA direct debit ending in 3201", "bank": "19043",
        "mandate_reference": mandate["payment_method_details"]["sepa_debit"]["reference"],
    }  # fmt: skip
    assert await listed(world, "collected") == []
    account.debit_arrives(intent)
    await told(world, account)
    assert (await till.work()).state == "completed"
    assert await listed(world, "processing") == []
    assert [each["status"] for each in await listed(world)] == ["collected"]
    account.debit_comes_back(intent)
    await told(world, account)
    await till.work()
    (back,) = await listed(world, "returned")
    assert (back["amount"], back["reason"] is None) == (5.25, False)
    again = await contract.pay(till.rider, till.rental, till.method)
    assert again.state == "processing"
    account.debit_fails(account.all("payment_intent")[-1], "account_closed")
    await told(world, account)
    assert (await till.work()).state == "due"
    (failed,) = await listed(world, "failed")
    assert failed["reason"] == "account_closed"
    assert {each["status"] for each in await listed(world)} == {"returned", "failed"}
    async with world.client(till.rider) as client:
        assert (await client.get("/api/v1/payments/debits")).status_code == 403
