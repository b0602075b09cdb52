"""SEPA direct debit from the ride to the bank's statement (PAY-01, PAY-33, TST-06)."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from sepaxml.validation import try_valid_xml  # type: ignore[import-untyped]

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unpaid
from fahrwerk.payments import contract, gateways
from fahrwerk.payments.contract import charges, mandates, sepa
from fahrwerk.payments.contract import gateways as doors
from fahrwerk.payments.gateways._sepa_files import DEBITS, TRANSFERS
from fahrwerk.payments.rules import sepa as rules
from tests.payments.bank import OTHER_IBAN, Bank, open_bank
from tests.payments.gateways.kits import CREDITOR_IBAN, CREDITOR_ID, RIDER_IBAN
from tests.world import make_world

if TYPE_CHECKING:
    from tests.world import World

NS = {"p": f"urn:iso:std:iso:20022:tech:xsd:{DEBITS}"}


@pytest.fixture
async def bank(world: World) -> Bank:
    return await open_bank(world)


# --- mandates


async def test_a_mandate_is_a_masked_method_with_proof(bank: Bank) -> None:
    """PAY-24, PAY-33: what was signed, when, from where; the account is nowhere whole."""
    rider = msgspec.structs.replace(bank.world.call("customer"), address="192.0.2.7", locale="de")
    offer = await mandates.mandate_offer(rider)
    assert CREDITOR_ID in offer.text
    assert "Lastschrift" in offer.text
    signed = await bank.mandate(rider)
    assert (signed.state, signed.signed_from, signed.signed_locale) == ("active", "192.0.2.7", "de")
    assert signed.signed_text == offer.version
    assert signed.iban_masked == "DE12 **** 9890"
    assert signed.bic == "INGDDEFFXXX"
    (method,) = await contract.methods(rider)
    assert (method.id, method.kind, method.label) == (
        signed.method_id, "sepa", "SEPA direct debit ending in 9890",
    )  # fmt: skip
    again = await bank.mandate(rider, "de12 5001 0517 0648 4898 90")
    assert again.id == signed.id, "the same account is the same mandate"
    for table in ("sepa_mandate", "method"):
        rows = await db.run(
            "payments", bank.world.system(), f"SELECT t::text AS row FROM payments.{table} t"
        )
        assert all(RIDER_IBAN not in r["row"] and "Lovelace" not in r["row"] for r in rows)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("iban", {"iban": "DE13500105170648489890"}),
        ("iban", {"iban": "DE1250010517064848989"}),
        ("iban", {"iban": "BR1800360305000010009795493C1"}),
        ("iban", {"iban": "<script>alert(1)</script>"}),
        ("bic", {"bic": "NOTABIC!"}),
        ("holder", {"holder": "A\nB\x07"}),
    ],
)
async def test_bad_accounts_are_refused(bank: Bank, field: str, values: dict[str, str]) -> None:
    """Wrong check digits, length, country: a clear error and nothing written."""
    rider = bank.world.call("customer")
    with pytest.raises(Invalid) as refused:
        await bank.mandate(rider, **values)
    assert refused.value.details["field"] == field
    assert refused.value.details["issue"]
    assert await mandates.own_mandates(rider) == []


async def test_what_was_not_read_is_not_signed(bank: Bank) -> None:
    rider = bank.world.call("customer")
    with pytest.raises(mandates.MandateTextChanged):
        await bank.mandate(rider, agreed_text="2019-01/14")
    other = await make_world()
    with pytest.raises(gateways.NoGateway):
        await mandates.mandate_offer(other.call("customer"))


async def test_mandates_of_others_are_unknown(bank: Bank) -> None:
    """I7: neither another rider's nor another operator's."""
    signed = await bank.mandate(bank.world.call("customer"))
    stranger = bank.world.call("customer")
    for call in (stranger, (await open_bank(await make_world())).world.call("customer")):
        with pytest.raises(NotFound):
            await mandates.revoke_mandate(call, signed.id)
        with pytest.raises(Invalid):
            await contract.add_method(call, ids.public("mnd", signed.id), False, "sepa")
    with pytest.raises(Forbidden):
        await mandates.mandates(stranger, None, None, 10, 0)
    assert (await mandates.mandates(bank.admin, None, "active", 10, 0)).total == 1


async def test_keys_must_be_a_creditor_and_an_account(world: World) -> None:
    for public_key, secret in (
        (CREDITOR_ID, RIDER_IBAN[:-1] + "1"),
        ("DE97ZZZ09999999999", CREDITOR_IBAN),
    ):
        account = doors.NewGatewayAccount(gateway="sepa", public_key=public_key, secret=secret)
        with pytest.raises(Invalid):
            await doors.set_gateway_account(world.admin(), account)


async def test_a_company_mandate_waits_for_its_bank(bank: Bank) -> None:
    """B2B: no method before the rider's bank has confirmed it."""
    rider = bank.world.call("customer")
    signed = await bank.mandate(rider, scheme="B2B")
    assert (signed.state, signed.method_id) == ("pending", None)
    with pytest.raises(Unpaid):
        await contract.add_method(rider, ids.public("mnd", signed.id), False, "sepa")
    confirmed = await mandates.confirm_mandate(bank.admin, signed.id)
    assert confirmed.state == "active"
    assert confirmed.method_id is not None


async def test_unused_mandates_lapse(bank: Bank) -> None:
    """36 months after the last debit; also when the nightly job has not run yet."""
    from fahrwerk.payments.jobs import end_unused_mandates

    rider = bank.world.call("customer")
    signed = await bank.mandate(rider, make_default=True)
    with clock.moved_to(clock.now() + timedelta(days=3 * 366)):
        payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 500, "EUR")  # type: ignore[arg-type]
        with pytest.raises(Unpaid) as refused:
            await contract.authorize(rider, payment.id, None)
        assert refused.value.details["reason"] == "mandate_expired"
        await end_unused_mandates()
    (found,) = await mandates.own_mandates(rider)
    assert (found.id, found.state) == (signed.id, "expired")


async def test_riders_are_told_before(world: World) -> None:
    """Pre-notification by letter, in the rider's language; none when it is not coming any more."""
    from fahrwerk.identity import contract as identity
    from fahrwerk.notifications import contract as notifications
    from fahrwerk.notifications import jobs

    bank = await open_bank(world)
    told, silent = await world.rider(), await world.rider()
    await identity.change_profile(told, identity.ProfileChange(locale="de"))
    await bank.ride(1_000, told)
    await bank.ride(700, silent)
    (mandate,) = await mandates.own_mandates(silent)
    await mandates.revoke_mandate(silent, mandate.id)
    await world.settle()
    while await jobs.send_due():
        pass
    mails = await notifications.mails(world.system(), 10)
    (mail,) = [each for each in mails if "von Ihrem Konto" in each.subject]
    assert "10,00" in mail.subject
    for part in ("DE12 **** 9890", CREDITOR_ID, "Fährwerk & Söhne GmbH", "MD"):
        assert part in mail.text
    assert not any("your account" in each.subject for each in mails)


async def test_the_proof_sees_what_the_bank_has_not_moved(bank: Bank) -> None:
    """docs/books.md, ``collections``: broken on purpose."""
    await bank.ride(1_000)
    run = await bank.run()
    await bank.answers(run)
    assert await bank.broken() == []
    await db.run(
        "payments",
        bank.world.system(),
        "UPDATE payments.sepa_order SET bank_minor = bank_minor - 1",
    )
    found = {each.check for each in await bank.broken() if hasattr(each, "check")}
    assert "collections" in found


# --- from the ride to the file


async def test_a_ride_is_collected_and_settled(bank: Bank) -> None:
    """The whole way: authorised, announced, batched, approved, exported, settled; books to zero."""
    till = await bank.ride(1_000)
    payment = await till.payment()
    assert (payment.state, payment.captured_minor) == ("completed", 1_000)
    order = await bank.order()
    assert (order.state, order.amount_minor) == ("due", 1_000)
    assert order.collect_on == rules.collect_on(clock.now(), 2)
    (notice,) = await db.run(
        "payments", bank.world.system(),
        "SELECT data FROM kernel.event WHERE name = 'sepa.debit_announced'",
    )  # fmt: skip
    assert notice["data"]["amount"] == 1_000
    assert "9890" not in str(notice["data"])  # the letter asks for it; the log has no account
    assert await bank.balance("gateway_clearing", "sepa") == 1_000

    run = await sepa.draft_run(bank.admin, "collection", "CORE", bank.day())
    assert (run.state, run.orders, run.total_minor) == ("draft", 1, 1_000)
    with pytest.raises(sepa.RunState):
        await sepa.export_run(bank.admin, run.id)
    with pytest.raises(sepa.RunState):
        await bank.file(run)
    await sepa.approve_run(bank.admin, run.id)
    exported, again = await asyncio.gather(
        sepa.export_run(bank.admin, run.id), sepa.export_run(bank.admin, run.id)
    )
    assert exported.state == again.state == "exported"
    assert exported.file_digest == again.file_digest
    with pytest.raises(sepa.RunState):
        await sepa.cancel_run(bank.admin, run.id)
    assert await bank.file(run) == await bank.file(run)

    taken = await bank.answers(exported)
    assert (taken.lines, taken.matched) == (1, 1)
    assert (await bank.order()).state == "settled"
    assert (await sepa.sepa_run(bank.admin, run.id)).state == "settled"
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == 1_000
    again_taken = await bank.answers(exported)
    assert (again_taken.lines, again_taken.known) == (0, 1)
    assert await bank.balance("bank") == 1_000
    assert await bank.broken() == []
    await till.at_rest()


async def test_the_file_is_what_banks_take(bank: Bank) -> None:
    """pain.008.001.08: valid by the schema, sums and counts right, sequence types right."""
    rider = bank.world.call("customer")
    first, second = await bank.ride(1_000, rider), await bank.ride(1_234, rider)
    await bank.ride(99)
    run = await bank.run()
    content = await bank.file(run)
    try_valid_xml(content, DEBITS)
    root = ET.fromstring(content)
    header = root.find(".//p:GrpHdr", NS)
    assert header is not None
    assert header.findtext("p:NbOfTxs", namespaces=NS) == "3"
    assert header.findtext("p:CtrlSum", namespaces=NS) == "23.33"
    assert header.findtext("p:MsgId", namespaces=NS) == run.message_id
    assert root.findtext(".//p:Cdtr/p:Nm", namespaces=NS) == "Fahrwerk Sohne GmbH"
    parts = {
        part.findtext(".//p:SeqTp", namespaces=NS): part for part in root.findall(".//p:PmtInf", NS)
    }
    assert set(parts) == {"FRST", "RCUR"}
    for part in parts.values():
        assert part.findtext("p:ReqdColltnDt", namespaces=NS) == run.execute_on.isoformat()
    ends = [each.text for each in root.findall(".//p:EndToEndId", NS)]
    assert len(set(ends)) == 3
    assert (await first.payment()).state == (await second.payment()).state == "completed"
    await bank.answers(run)
    third = await bank.ride(500, rider)
    later = await bank.run()
    assert [o.sequence for o in await bank.orders(run_id=later.id)] == ["RCUR"]
    await third.work()


async def test_amended_and_last_debits_say_so(bank: Bank) -> None:
    rider = bank.world.call("customer")
    await bank.ride(1_000, rider)
    await bank.answers(await bank.run())
    (mandate,) = await mandates.own_mandates(rider)
    amended = await mandates.amend_mandate(rider, mandate.id, OTHER_IBAN, None, None)
    assert amended.iban_masked == "DE02 **** 2051"
    assert (await contract.methods(rider))[0].last4 == "2051"
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 700, "EUR")  # type: ignore[arg-type]
    from tests.payments.till import Till

    assert mandate.method_id is not None
    till = Till(bank.world, rider, mandate.method_id, payment)
    await till.authorize()
    await till.ended(700)
    await till.work()
    await contract.remove_method(rider, mandate.method_id)
    await till.work()
    run = await bank.run()
    root = ET.fromstring(await bank.file(run))
    assert root.findtext(".//p:SeqTp", namespaces=NS) == "FNAL"
    was = root.findtext(".//p:OrgnlDbtrAcct/p:Id/p:IBAN", namespaces=NS)
    assert was == RIDER_IBAN
    assert root.findtext(".//p:DbtrAcct/p:Id/p:IBAN", namespaces=NS) == OTHER_IBAN
    assert (await mandates.own_mandates(rider))[0].state == "ended"


async def test_runs_keep_to_bank_days_and_two_persons(bank: Bank) -> None:
    with pytest.raises(sepa.NothingDue):
        await sepa.draft_run(bank.admin, "collection", "CORE", bank.day())
    await bank.ride(1_000)
    sunday = clock.now().date() + timedelta(days=13 - clock.now().weekday())
    for day in (sunday, clock.now().date(), clock.now().date() + timedelta(days=200)):
        with pytest.raises(Invalid):
            await sepa.draft_run(bank.admin, "collection", "CORE", day)
    await sepa.set_sepa_settings(bank.admin, sepa.SepaSettings(is_two_person=True))
    run = await sepa.draft_run(bank.admin, "collection", "CORE", bank.day())
    with pytest.raises(sepa.SamePerson):
        await sepa.approve_run(bank.admin, run.id)
    for call in (bank.world.call("support"), bank.world.call("customer")):
        with pytest.raises(Forbidden):
            await sepa.approve_run(call, run.id)
        with pytest.raises(Forbidden):
            await sepa.run_file(call, run.id)
    await sepa.approve_run(bank.world.admin(), run.id)
    with clock.moved_to(clock.now() + timedelta(days=20)), pytest.raises(sepa.RunTooLate):
        await sepa.export_run(bank.admin, run.id)
    assert (await sepa.cancel_run(bank.admin, run.id)).state == "cancelled"
    assert (await bank.order()).state == "due"
    with pytest.raises(NotFound):
        await sepa.sepa_run((await make_world()).admin(), run.id)


async def test_an_order_is_in_one_run_only(bank: Bank) -> None:
    """Two people draft at the same time: each debit is in one file (I1)."""
    for _ in range(3):
        await bank.ride(1_000)
    drafts = await asyncio.gather(
        *(sepa.draft_run(bank.admin, "collection", "CORE", bank.day()) for _ in range(3)),
        return_exceptions=True,
    )
    assert sorted(d.orders for d in drafts if isinstance(d, sepa.Run)) == [3]
    assert all(isinstance(d, sepa.Run | sepa.NothingDue) for d in drafts)


async def test_a_revoked_mandate_is_not_collected(bank: Bank) -> None:
    """What is not handed in is due again; what was gathered is left out of the file."""
    rider = bank.world.call("customer")
    till = await bank.ride(1_000, rider)
    gathered = await bank.ride(700)
    run = await sepa.draft_run(bank.admin, "collection", "CORE", bank.day())
    late = await bank.ride(500, rider)
    (mandate,) = await mandates.own_mandates(rider)
    await mandates.revoke_mandate(rider, mandate.id)
    assert (await late.work()).state == "due"
    assert (await late.payment()).reason == "mandate_revoked"
    await sepa.approve_run(bank.admin, run.id)
    exported = await sepa.export_run(bank.admin, run.id)
    assert (exported.orders, exported.total_minor) == (1, 700)
    assert (await till.work()).state == "due"
    assert (await gathered.work()).state == "completed"
    await bank.answers(exported)
    assert await bank.broken() == []
    assert await contract.methods(rider) == []
    with pytest.raises(contract.UnknownMethod):
        await contract.pay(rider, till.rental, None)


# --- top-ups and refunds


async def test_a_prepaid_balance_waits_for_the_bank(bank: Bank) -> None:
    """ARCHITECTURE, section 9: a wallet is credited only by settled money."""
    rider = bank.world.call("customer")
    signed = await bank.mandate(rider)
    assert rider.user is not None
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=2_000,
        currency="EUR", method_id=signed.method_id,
    )  # fmt: skip
    payment = await charges.charge(bank.world.system("wallet"), wanted)
    assert (payment.state, payment.captured_minor) == ("authorized", 0)
    run = await bank.run()
    assert (await charges.charge(bank.world.system("wallet"), wanted)).state == "authorized"
    await bank.answers(run)
    from fahrwerk.payments import jobs

    await jobs.settle_payments()
    payment = await charges.charge(bank.world.system("wallet"), wanted)
    assert (payment.state, payment.captured_minor) == ("completed", 2_000)
    await jobs.settle_payments()
    assert await bank.books() == {"bank": 2_000, "receivables": -2_000}
    nothing = msgspec.structs.replace(wanted, payment_id=ids.new(), reference=ids.new())
    with pytest.raises(Invalid):
        await charges.charge(
            bank.world.system("wallet"), msgspec.structs.replace(nothing, amount_minor=0)
        )


async def test_only_euros(bank: Bank) -> None:
    rider = bank.world.call("customer")
    signed = await bank.mandate(rider, make_default=True)
    payment = await contract.open_payment(rider, ids.new(), ids.new(), rider.user, 500, "USD")  # type: ignore[arg-type]
    with pytest.raises(Unpaid) as refused:
        await contract.authorize(rider, payment.id, signed.method_id)
    assert refused.value.details["reason"] == "currency_not_supported"
    for amount in (0, -1, 10**12):
        with pytest.raises(Invalid):
            await contract.open_payment(rider, ids.new(), ids.new(), rider.user, amount, "EUR")  # type: ignore[arg-type]
    assert await bank.books() == {}


async def test_a_refund_before_the_file_makes_the_debit_smaller(bank: Bank) -> None:
    till, gone = await bank.ride(1_000), await bank.ride(500)
    await contract.refund(bank.admin, till.id, 300, "helmet missing", "r1")
    await contract.refund(bank.admin, gone.id, 500, "no ride", "r2")
    run = await bank.run()
    assert (run.orders, run.total_minor) == (1, 700)
    await bank.answers(run)
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == 700
    assert await bank.broken() == []
    with pytest.raises(sepa.NothingDue):
        await bank.run("refund")


async def test_a_refund_afterwards_is_a_transfer(bank: Bank) -> None:
    """pain.001, and a transfer that comes back is a refund that failed (PAY-13)."""
    till = await bank.ride(1_000)
    await bank.answers(await bank.run())
    assert (await contract.refund(bank.admin, till.id, 400, "sorry", "r1")).refunded_minor == 400
    with pytest.raises(Conflict):
        await contract.refund(bank.admin, till.id, 601, "sorry", "r2")
    run = await bank.run("refund")
    content = await bank.file(run)
    try_valid_xml(content, TRANSFERS)
    await bank.answers(run)
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == 600
    (order,) = await bank.orders(run_id=run.id)
    await bank.answers(run, {order.end_to_end_id: "AC04"}, is_settled=False, number=2)
    payment = await till.work()
    assert (payment.state, payment.refunded_minor) == ("completed", 0)
    await till.work()
    assert await bank.balance("gateway_clearing") == 0
    assert await bank.balance("bank") == 1_000
    assert await bank.broken() == []
