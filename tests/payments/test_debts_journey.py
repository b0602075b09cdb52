"""A debt over HTTP: the rider is told, cannot book, pays from the balance, and may book again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids
from fahrwerk.payments import contract
from fahrwerk.payments.contract import debts as doors
from tests.payments.test_debts import in_debt
from tests.payments.till import open_till

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from tests.world import World


async def debtor(world: World) -> tuple[Call, str]:
    """A registered rider who owes 12.50."""
    rider = await world.rider()
    till = await open_till(world, "tok_captureFails", rider=rider)
    await till.authorize()
    await till.ended(1_250)
    await till.work(0, 5, 20, 60, 200)
    (debt,) = (await doors.own_debts(rider, 10, 0)).debts
    return rider, ids.public("debt", debt.id)


async def test_told_blocked_and_paid_from_the_balance(world: World) -> None:
    rider, debt = await debtor(world)
    vehicle = await world.vehicle()
    async with world.client(rider) as client, world.client(world.admin()) as admin:
        wish = {"vehicle_id": vehicle.identifier}
        blocked = await client.post("/api/v1/bookings", json=wish)
        assert (blocked.status_code, blocked.json()["error"]["code"]) == (403, "DEBT_OPEN")
        details = blocked.json()["error"]["details"]
        assert (details["amount_minor"], details["debt_ids"]) == (1_250, [debt])
        poor = await client.post(f"/api/v1/wallet/debts/{debt}/pay")
        assert (poor.status_code, poor.json()["error"]["code"]) == (400, "PAYMENT_FAILED")
        card = await world.card(rider)
        paid = {"amount": 20, "payment_method_id": ids.public("pm", card)}
        await client.post("/api/v1/wallet/topups", json=paid)
        await world.settle()
        done = await client.post(f"/api/v1/wallet/debts/{debt}/pay")
        assert (done.status_code, done.json()["status"]) == (200, "paid"), done.text
        await world.settle()
        wallet = (await client.get("/api/v1/wallet")).json()
        assert wallet["balance_cents"] == 750
        rows = (await client.get("/api/v1/wallet/transactions")).json()["transactions"]
        assert (rows[0]["type"], rows[0]["amount_cents"]) == ("usage", -1_250)
        assert (await client.post("/api/v1/bookings", json=wish)).status_code == 201
        shown = (await client.get(f"/api/v1/debts/{debt}")).json()
        assert (shown["debt"]["status"], shown["debt"]["amount"]) == ("paid", 0)
        everybody = await client.get("/api/v1/debts?all=true")
        assert everybody.status_code == 403
        assert (await admin.get("/api/v1/debts?all=true&status=paid")).json()["pagination"][
            "total"
        ] == 1


async def test_the_letter_in_both_languages(world: World) -> None:
    """NTF-09: what is owed, since when, how to pay it."""
    await debtor(world)
    await world.settle()
    rows = await db.run(
        "notifications", world.system("notifications"),
        "SELECT subject, text FROM notifications.mail WHERE template = 'DebtNotice'",
    )  # fmt: skip
    assert len(rows) == 1
    assert "12.50" in rows[0]["text"] or "12,50" in rows[0]["text"]
    from fahrwerk.notifications.templates import letters

    for name in ("html", "txt", "subject"):
        for lang in ("de", "en"):
            assert letters.get_template(f"DebtNotice.{lang}.{name}.j2")


async def test_settings_and_staff(world: World) -> None:
    till = await in_debt(world)
    (debt,) = (await doors.own_debts(till.rider, 10, 0)).debts
    async with world.client(world.admin()) as admin:
        wrong = {"steps": [{"after_days": 3}, {"after_days": 3}], "write_off_days": None}
        assert (await admin.put("/api/v1/debt-settings", json=wrong)).status_code == 400
        right = {"steps": [{"after_days": 2, "fee_minor": 250}], "write_off_days": 9}
        assert (await admin.put("/api/v1/debt-settings", json=right)).status_code == 200
        assert (await admin.get("/api/v1/debt-settings")).json()["write_off_days"] == 9
        path = f"/api/v1/debts/{ids.public('debt', debt.id)}/write-off"
        off = await admin.post(path, json={"note": "bankrupt"})
        assert (off.json()["status"], off.json()["amount_written_off"]) == ("written_off", 12.5)


async def test_a_booking_is_paid_before_it_is_confirmed(world: World) -> None:
    """PAY-03: `POST /payments` opens the payment of a booking by itself, for its rider only."""
    rider, stranger = await world.rider(), await world.rider()
    await world.card(rider)
    await world.card(stranger)
    vehicle = await world.vehicle()
    async with world.client(rider) as client, world.client(stranger) as other:
        made = await client.post("/api/v1/bookings", json={"vehicle_id": vehicle.identifier})
        booking = made.json()["booking"]["id"]
        assert (
            await other.post("/api/v1/payments", json={"booking_id": booking})
        ).status_code == 404
        paid = await client.post("/api/v1/payments", json={"booking_id": booking})
        assert (paid.status_code, paid.json()["status"]) == (201, "authorized"), paid.text
        await world.settle()
        shown = (await client.get(f"/api/v1/bookings/{booking}")).json()
        assert "confirmed" in str(shown)
        nothing = ids.public("rent", ids.new())
        unknown = await client.post("/api/v1/payments", json={"booking_id": nothing})
        assert unknown.status_code == 404


async def test_a_cancelled_booking_is_not_paid(world: World) -> None:
    """A clear 409, not a 404: there is nothing to pay."""
    rider = await world.rider()
    await world.card(rider)
    vehicle = await world.vehicle()
    async with world.client(rider) as client:
        made = await client.post("/api/v1/bookings", json={"vehicle_id": vehicle.identifier})
        booking = made.json()["booking"]["id"]
        await client.post(f"/api/v1/bookings/{booking}/cancel")
        refused = await client.post("/api/v1/payments", json={"booking_id": booking})
        assert refused.status_code == 409, refused.text
        await world.settle()
        with clock.moved_to(clock.now() + timedelta(minutes=5)):
            payment = await contract.payment_for(world.system(), ids.parse(booking, "book", "rent"))
        assert payment is None or payment.authorized_minor == 0
