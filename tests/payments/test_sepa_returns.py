"""What comes back: rejects, returns, refunds and reversals; lines nobody recognises; bad files."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, ids, privacy
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound
from fahrwerk.payments import contract, gateways, jobs
from fahrwerk.payments.contract import charges, ledger, mandates, sepa
from tests.payments.bank import CAMT, PLAY, Bank, entry, open_bank, statement
from tests.payments.ledger.keeper import break_rows
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World


@pytest.fixture
async def bank(world: World) -> Bank:
    return await open_bank(world)


# --- R-transactions


@pytest.mark.parametrize(
    ("code", "kind", "is_blocked"),
    [("AM04", "return", False), ("AC04", "return", True), ("MD06", "refund", False)],
)
async def test_a_return_reopens_the_ride(
    bank: Bank, code: str, kind: str, is_blocked: bool
) -> None:
    """The ride is due again, the books are turned back, the fee is ours, bad mandates are shut."""
    rider = bank.world.call("customer")
    till = await bank.ride(1_000, rider)
    run = await bank.run()
    await bank.answers(run)
    order = await bank.order()
    later = run.execute_on + timedelta(days=3)
    taken = await bank.answers(
        run, {order.end_to_end_id: code}, is_settled=False, number=2, day=later
    )
    assert (taken.lines, taken.matched) == (1, 1)
    payment = await till.work()
    assert (payment.state, payment.captured_minor, payment.reason) == ("due", 0, code)
    back = await bank.order()
    assert (back.state, back.reason, back.return_kind, back.fee_minor) == (
        "returned",
        code,
        kind,
        300,
    )
    told = await till.told()
    assert told[-2:] == ["payment.returned", "PaymentFailed"]
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == -300
    assert await bank.balance("fees") == 300
    assert await bank.balance("receivables") == 1_000
    (mandate,) = await mandates.own_mandates(rider)
    assert mandate.state == ("blocked" if is_blocked else "active")
    again = await bank.answers(
        run, {order.end_to_end_id: code}, is_settled=False, number=2, day=later
    )
    assert again.known == 1
    await till.work()
    assert (await till.told())[-2:] == ["payment.returned", "PaymentFailed"]
    assert await bank.broken() == []


async def test_what_came_back_is_paid_anew(bank: Bank) -> None:
    """By the rider: a new debit, settled; never a second one by itself (I1)."""
    till = await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run, {(await bank.order()).end_to_end_id: "AM04"})
    assert (await till.work(0, 10, 100)).state == "due"
    assert len(await bank.orders()) == 1
    paid = await contract.pay(till.rider, till.rental, None)
    assert (paid.state, paid.captured_minor) == ("completed", 1_000)
    await bank.answers(await bank.run())
    await till.work()
    assert await bank.books() == {
        "bank": 700, "fees": 300, "revenue.1900": 840, "vat.1900": 160,
    }  # fmt: skip
    assert await bank.broken() == []


async def test_a_reject_by_message_moves_no_money(bank: Bank) -> None:
    """pain.002 before settlement: the batch is credited without it."""
    rider = bank.world.call("customer")
    till, fine = await bank.ride(1_000, rider), await bank.ride(700)
    run = await bank.run()
    order = next(o for o in await bank.orders() if o.amount_minor == 1_000)
    report = PLAY.status_report(await bank.file(run), {order.end_to_end_id: "AC01"})
    for _ in range(2):
        await bank.reads(report)
    assert (await till.work()).state == "due"
    assert (await mandates.own_mandates(rider))[0].state == "blocked"
    ref = f"{run.message_id}-FRST"
    batch = f"<Refs><PmtInfId>{ref}</PmtInfId></Refs>"
    taken = await bank.reads(statement(entry("7.00", more=batch)))
    assert taken.matched == 1
    assert (await sepa.sepa_run(bank.admin, run.id)).state == "settled"
    await fine.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.broken() == []


async def test_after_a_reject_the_next_debit_is_the_first(bank: Bank) -> None:
    """The banks never settled one: FRST again. After a return it goes on with RCUR."""
    rider = bank.world.call("customer")
    await bank.ride(1_000, rider)
    run = await bank.run()
    end = {(await bank.order()).end_to_end_id: "AM04"}
    await bank.reads(PLAY.status_report(await bank.file(run), end))
    await bank.ride(700, rider)
    second = await bank.run()
    (order,) = await bank.orders(run_id=second.id)
    assert order.sequence == "FRST"
    await bank.answers(second, {order.end_to_end_id: "AM04"})
    await bank.ride(500, rider)
    third = await bank.run()
    assert [each.sequence for each in await bank.orders(run_id=third.id)] == ["RCUR"]


async def test_a_batch_credited_whole_with_rejects_debited(bank: Bank) -> None:
    """As German banks do: gross credit, and a debit for each reject, in any order."""
    till = await bank.ride(1_000)
    await bank.ride(700)
    run = await bank.run()
    order = next(o for o in await bank.orders() if o.amount_minor == 1_000)
    end = {order.end_to_end_id: "MS03"}
    await bank.answers(run, end, is_settled=False)
    assert (await till.work()).state == "due"
    await bank.answers(run, number=2)
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == 400
    assert await bank.broken() == []


async def test_a_return_after_a_refund(bank: Bank) -> None:
    """The rider has 400 twice: all is owed again, nothing is lost from the books."""
    till = await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run)
    await contract.refund(bank.admin, till.id, 400, "sorry", "r1")
    await bank.answers(await bank.run("refund"))
    order = await bank.order()
    await bank.answers(run, {order.end_to_end_id: "MD06"}, is_settled=False, number=2)
    payment = await till.work()
    assert (payment.state, payment.captured_minor, payment.refunded_minor) == ("due", 400, 400)
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == -700
    assert await bank.balance("receivables") == 1_000
    assert await bank.broken() == []


@pytest.mark.parametrize("is_drafted", [False, True])
async def test_a_refund_that_had_not_left_stays(bank: Bank, is_drafted: bool) -> None:
    """The bank gave all back: a transfer would give 400 twice, so it is taken out of its run."""
    till = await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run)
    await contract.refund(bank.admin, till.id, 400, "sorry", "r1")
    drafted = await sepa.draft_run(bank.admin, "refund", "CORE", None) if is_drafted else None
    order = await bank.order()
    for _ in range(2):
        await bank.answers(run, {order.end_to_end_id: "MD06"}, is_settled=False, number=2)
    payment = await till.work()
    assert (payment.state, payment.captured_minor, payment.refunded_minor) == ("due", 400, 400)
    await till.work()
    (transfer,) = [each for each in await bank.orders() if each.kind == "refund"]
    assert (transfer.state, transfer.amount_minor, transfer.run_id) == ("netted", 0, None)
    if drafted is not None:
        assert (await sepa.sepa_run(bank.admin, drafted.id)).state == "cancelled"
    with pytest.raises(sepa.NothingDue):
        await sepa.draft_run(bank.admin, "refund", "CORE", None)
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == -300
    assert await bank.balance("receivables") == 600
    assert await bank.broken() == []


async def test_a_returned_top_up_is_told_as_a_refund(bank: Bank) -> None:
    """The wallet hears what it knows; until it has taken it back it waits in suspense."""
    rider = bank.world.call("customer")
    signed = await bank.mandate(rider)
    assert rider.user is not None
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=2_000,
        currency="EUR", method_id=signed.method_id,
    )  # fmt: skip
    await charges.charge(bank.world.system("wallet"), wanted)
    run = await bank.run()
    await bank.answers(run)
    for _ in range(3):
        await jobs.settle_payments()
    order = await bank.order()
    await bank.answers(run, {order.end_to_end_id: "AM04"}, is_settled=False, number=2)
    for _ in range(3):
        await jobs.settle_payments()
    payment = await contract.payment(bank.admin, wanted.payment_id)
    assert (payment.state, payment.refunded_minor) == ("refunded", 2_000)
    assert await bank.books() == {
        "bank": -300, "fees": 300, "receivables": -2_000, "suspense": 2_000,
    }  # fmt: skip


async def test_a_rejected_top_up_is_never_credited(bank: Bank) -> None:
    rider = bank.world.call("customer")
    signed = await bank.mandate(rider)
    assert rider.user is not None
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=2_000,
        currency="EUR", method_id=signed.method_id,
    )  # fmt: skip
    await charges.charge(bank.world.system("wallet"), wanted)
    run = await bank.run()
    end = {(await bank.order()).end_to_end_id: "AC04"}
    await bank.reads(PLAY.status_report(await bank.file(run), end))
    for later in (0, 5, 20, 60):
        with clock.moved_to(clock.now() + timedelta(seconds=later)):
            await jobs.settle_payments()
    payment = await contract.payment(bank.admin, wanted.payment_id)
    assert (payment.state, payment.captured_minor) == ("due", 0)
    assert len(await bank.orders()) == 1, "it is not collected again by itself"
    assert await bank.books() == {}


async def test_a_reversal_and_an_import_by_many_at_once(bank: Bank) -> None:
    """The same file by four people at the same time: posted once (I1)."""
    till = await bank.ride(1_000)
    run = await bank.run()
    end = (await bank.order()).end_to_end_id
    taken = await asyncio.gather(*(bank.answers(run) for _ in range(4)))
    assert sorted(each.lines for each in taken) == [0, 0, 0, 1]
    back = entry("10.00", "DBIT", "V1", more=f"<Refs><EndToEndId>{end}</EndToEndId></Refs>")
    back = back.replace("<Sts>", "<RvslInd>true</RvslInd><Sts>")
    taken = await asyncio.gather(*(bank.reads(statement(back)) for _ in range(4)))
    assert sorted(each.matched for each in taken) == [0, 0, 0, 1]
    assert (await till.work()).state == "due"
    order = await bank.order()
    assert (order.return_kind, order.reason, order.fee_minor) == ("reversal", "MS03", 0)
    await till.work()
    assert await bank.books() == {"receivables": 1_000, "revenue.1900": 840, "vat.1900": 160}
    assert await bank.broken() == []


# --- what nobody recognises


async def test_the_reference_is_found_in_the_text(bank: Bank) -> None:
    """Some banks give back nothing else, and break it."""
    await bank.ride(1_000)
    await bank.run()
    end = (await bank.order()).end_to_end_id
    text = f"SVWZ+LASTSCHRIFT {end[:11]} {end[11:]} ABWA"
    taken = await bank.reads(statement(entry("10.00", text=text)))
    assert taken.matched == 1
    assert (await bank.order()).state == "settled"


async def test_strange_lines_wait_in_suspense(bank: Bank) -> None:
    """Listed until an operator says what they are; suspense is empty again then."""
    await bank.ride(1_000)
    await bank.run()
    order = await bank.order()
    taken = await bank.reads(
        statement(
            entry("3.50", "DBIT", "A1", "account fee"), entry("999.00", "CRDT", "A2", "payout"),
            entry("10.00", "CRDT", "A3", "typed by hand"),
            entry("9.99", "CRDT", "A4", "too little"),
            entry("10.00", "CRDT", "A3", "typed by hand"),
        )
    )  # fmt: skip
    assert (taken.lines, taken.matched, taken.known) == (4, 0, 1)
    assert await bank.balance("suspense") == 350 - 99_900 - 1_000 - 999
    assert await bank.broken() == []  # that is work, not a mistake in the books
    waiting = await ledger.open_items(bank.admin, 10, 0)
    assert sorted(each.amount_minor for each in waiting.items) == [-99_900, -1_000, -999, 350]
    assert not any(each.is_late for each in waiting.items)
    with clock.moved_to(clock.now() + timedelta(days=14)):
        late = await ledger.open_items(bank.admin, 10, 0)
        assert late.items[0].is_late
        assert await bank.broken() == []
    lines = {
        each.remittance: each
        for each in (await sepa.bank_lines(bank.admin, "unmatched", 10, 0)).lines
    }
    fee, payout = lines["account fee"], lines["payout"]
    hand, little = lines["typed by hand"], lines["too little"]
    for wrong in (
        sepa.Assignment(), sepa.Assignment(code="wallet_paid", owner="x"),
        sepa.Assignment(code="suspense"), sepa.Assignment(code="nosuch"),
        sepa.Assignment(code="fees", order_id=order.id),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await sepa.assign_line(bank.admin, fee.id, wrong)
    with pytest.raises(sepa.DoesNotFit):
        await sepa.assign_line(bank.admin, little.id, sepa.Assignment(order_id=order.id))
    with pytest.raises(Forbidden):
        await sepa.assign_line(bank.world.call("support"), fee.id, sepa.Assignment(code="fees"))
    with pytest.raises(NotFound):
        other = (await make_world()).admin()
        await sepa.assign_line(other, fee.id, sepa.Assignment(code="fees"))
    await sepa.assign_line(bank.admin, fee.id, sepa.Assignment(code="fees", note="November"))
    stripe = sepa.Assignment(code="gateway_clearing", owner="stripe")
    await sepa.assign_line(bank.admin, payout.id, stripe)
    await sepa.assign_line(bank.admin, hand.id, sepa.Assignment(order_id=order.id))
    with pytest.raises(sepa.LineAssigned):
        await sepa.assign_line(bank.admin, hand.id, sepa.Assignment(order_id=order.id))
    await sepa.assign_line(bank.admin, little.id, sepa.Assignment(code="rounding"))
    assert (await bank.order()).state == "settled"
    assert await bank.balance("suspense") == 0
    assert (await ledger.open_items(bank.admin, 10, 0)).total == 0
    assert await bank.balance("gateway_clearing", "sepa") == 0
    assert await bank.broken() == []


async def test_suspense_that_no_open_item_explains_is_red(
    bank: Bank, database: db.Database
) -> None:
    """I5: the books say more than the list of the clerk: that is a mistake, and it is named."""
    await bank.reads(statement(entry("3.50", "DBIT", "A1", "fee"), entry("9.00", "CRDT", "A2")))
    assert await bank.broken() == []
    (line,) = [
        each
        for each in (await sepa.bank_lines(bank.admin, "unmatched", 10, 0)).lines
        if each.amount_minor == 900
    ]
    lost = "UPDATE payments.sepa_line SET state = 'assigned' WHERE tenant_id = $1 AND id = $2"
    await break_rows(database, lost, args=(bank.world.tenant, line.id))
    said = [str(each) for each in await bank.broken()]
    assert any(ids.public("jrn", line.journal_id) in each for each in said), said
    assert any("-550 EUR in suspense, open items say 350" in each for each in said), said


async def test_a_wrong_account_is_taken_back(bank: Bank) -> None:
    """Assigned, released, assigned anew, by many at once; what the bank did for us stays."""
    till = await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run)
    await bank.reads(statement(entry("12.00", "DBIT", "B1", "account fee")))
    (fee,) = (await sepa.bank_lines(bank.admin, "unmatched", 10, 0)).lines
    await sepa.assign_line(bank.admin, fee.id, sepa.Assignment(code="rounding"))
    with pytest.raises(Forbidden):
        await sepa.release_line(bank.world.call("support"), fee.id, "wrong")
    freed = await asyncio.gather(
        *(sepa.release_line(bank.admin, fee.id, "wrong account") for _ in range(4))
    )
    assert {each.state for each in freed} == {"unmatched"}
    assert (await bank.balance("rounding"), await bank.balance("suspense")) == (0, 1_200)
    again = await sepa.assign_line(bank.admin, fee.id, sepa.Assignment(code="fees"))
    assert again.assigned_to == "fees"
    assert (await bank.balance("fees"), await bank.balance("suspense")) == (1_200, 0)
    await sepa.release_line(bank.admin, fee.id, "wrong again")
    await sepa.assign_line(bank.admin, fee.id, sepa.Assignment(code="fees", note="November"))
    (settled,) = (await sepa.bank_lines(bank.admin, "matched", 10, 0)).lines
    with pytest.raises(sepa.LineKept):
        await sepa.release_line(bank.admin, settled.id, "no")
    await till.work()
    assert await bank.broken() == []


async def test_a_transfer_pays_a_debt(bank: Bank) -> None:
    """PAY-28: the rider sent the money instead."""
    till = await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run, {(await bank.order()).end_to_end_id: "AM04"})
    assert (await till.work()).state == "due"
    await bank.reads(statement(entry("10.00", ref="T1", text="sorry, here it is")))
    (line,) = (await sepa.bank_lines(bank.admin, "unmatched", 10, 0)).lines
    await sepa.assign_line(bank.admin, line.id, sepa.Assignment(payment_id=till.id))
    assert (await till.work()).state == "completed"
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("suspense") == 0
    assert await bank.broken() == []


# --- bad files


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<Document/>",
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"/>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + statement(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + statement(),
        statement(entry("1.00"))[:-9],
        statement(entry("-1.00")),
        statement(entry("1e9")),
        statement(entry("99999999999999999.00")),
        statement(entry("1.00").replace("2026-11-24", "24.11.2026")),
        statement(entry("1.00"), iban="DE02120300000000202051"),
        statement("<a>" * 60 + "</a>" * 60),
        statement(entry("1.00", text="x" * 20_000)),
    ],
)
async def test_bad_files_post_nothing(bank: Bank, content: bytes) -> None:
    """Malformed, hostile, of another account: a clear error."""
    with pytest.raises(Invalid) as refused:
        await bank.reads(content)
    assert refused.value.details["field"] == "body"
    assert await bank.books() == {}


async def test_what_is_no_booking_is_skipped(bank: Bank) -> None:
    pending = entry("5.00", ref="P1").replace("BOOK", "PDNG")
    dollars = entry("5.00", ref="P2").replace("EUR", "USD")
    taken = await bank.reads(statement(pending, dollars, entry("0.00", ref="P3")))
    assert (taken.lines, taken.skipped) == (0, 3)
    advice = CAMT.replace("053", "054")
    told = await bank.reads(statement(entry("5.00", ref="N1"), name="N", kind=advice))
    assert told.lines == 1
    booked = await bank.reads(statement(entry("5.00", ref="N1"), name="S2"))
    assert booked.known == 1, "told by camt.054 before"
    unnamed = await bank.reads(statement(entry("5.00", ref="NONREF"), name="N2", kind=advice))
    assert unnamed.skipped == 1


async def test_without_an_account_nothing_is_read(world: World) -> None:
    with pytest.raises(gateways.NoGateway):
        await sepa.import_statement(world.admin(), statement(entry("5.00")))
    with pytest.raises(Forbidden):
        await sepa.import_statement(world.call("support"), statement())


async def test_a_crash_in_the_middle_is_read_in_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: a line is there whole or not at all, so the file is simply read in once more."""
    from fahrwerk.payments.actions import statements

    await bank.ride(1_000)
    run = await bank.run()
    content = PLAY.statement(await bank.file(run), run.execute_on)

    async def dies(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(statements, "move", dies)
        with pytest.raises(RuntimeError):
            await bank.reads(content)
    rows = await db.run("payments", bank.world.system(), "SELECT FROM payments.sepa_line")
    assert rows == []
    assert await bank.balance("bank") == 0
    assert (await bank.reads(content)).matched == 1
    assert await bank.balance("bank") == 1_000


async def test_names_on_bank_lines_go_when_the_years_of_the_books_are_over(bank: Bank) -> None:
    """GDP-02: in the rider's copy until then; afterwards the amount stays, the person does not."""
    rider = bank.world.call("customer")
    till = await bank.ride(1_000, rider)
    run = await bank.run()
    await bank.answers(run, {(await bank.order()).end_to_end_id: "AM04"})
    assert (await till.work()).state == "due"
    payer = "<RltdPties><Dbtr><Nm>Ada Lovelace</Nm></Dbtr></RltdPties>"
    text = "sorry, from DE12500105170648489890"
    await bank.reads(
        statement(
            entry("10.00", ref="T1", text=text, more=payer),
            entry("3.00", ref="T2", text=text, more=payer),
        )
    )
    paid, strange = sorted(
        (await sepa.bank_lines(bank.admin, "unmatched", 10, 0)).lines, key=lambda x: -x.amount_minor
    )
    await sepa.assign_line(bank.admin, paid.id, sepa.Assignment(payment_id=till.id))
    section = next(each for each in privacy.sections() if each.name == "bank_lines")
    assert rider.user is not None
    copied = [row async for row in privacy.gathered(bank.admin, section, rider.user)]
    assert {row["counterparty"] for row in copied} >= {"Ada Lovelace"}
    rule = next(each for each in privacy.rules() if each.name == "bank_lines")
    assert rule.least > 365 * 8
    assert await privacy.sweep(bank.admin, rule, clock.now() - timedelta(days=rule.days)) == 0
    in_nine_years = clock.now() + timedelta(days=30)  # all lines are from before that
    assert await privacy.sweep(bank.admin, rule, in_nine_years) >= 1
    assert await privacy.sweep(bank.admin, rule, in_nine_years) == 0
    lines = {each.id: each for each in (await sepa.bank_lines(bank.admin, None, 10, 0)).lines}
    assert (lines[paid.id].counterparty, lines[paid.id].remittance) == ("", "")
    assert (lines[paid.id].amount_minor, lines[paid.id].state) == (1_000, "assigned")
    assert lines[strange.id].counterparty == "Ada Lovelace"  # still to be assigned: work
    told = await db.run("payments", bank.world.system(), "SELECT narration FROM payments.journal")
    assert not any("DE125" in row["narration"] for row in told)
    await till.work()
    assert await bank.broken() == []
