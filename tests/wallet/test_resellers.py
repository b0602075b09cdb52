"""Resellers: commission on what their customers load, clawed back, paid out (WAL-30, TEN-28)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest

from fahrwerk.kernel import clock, ids
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import ledger
from fahrwerk.wallet import contract, queries
from fahrwerk.wallet.actions.payouts import post_payout
from fahrwerk.wallet.actions.resellers import post_commission
from fahrwerk.wallet.contract import resellers
from fahrwerk.wallet.contract.resellers import ResellerTerms
from tests.wallet.test_topup import me
from tests.world import World

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

TERMS = ResellerTerms(name="Hotel Adler", code="ADLER", rate_bp=250)


async def hotel(world: World, rate_bp: int = 250, least_minor: int = 0) -> resellers.Reseller:
    terms = ResellerTerms(
        name="Hotel Adler", code="adler", rate_bp=rate_bp, least_minor=least_minor
    )
    return await resellers.add_reseller(world.admin(), terms)


async def guest(world: World, of: resellers.Reseller) -> tuple[Call, UUID]:
    """A customer of the reseller, with a card."""
    rider = await world.rider()
    assert await resellers.join_reseller(rider, f" {of.code.lower()} ") == of.name
    return rider, await world.card(rider)


async def owed(world: World, of: resellers.Reseller) -> int:
    """What the books say is owed, after all work is done; the books are right."""
    await world.settle()
    admin = world.admin()
    assert await ledger.proof(admin) == []
    assert await queries.broken_invariants(world.system("wallet")) == []
    found = await ledger.accounts(admin, "commission_payable", str(of.id), None, 10, 0)
    return sum(account.balance_minor for account in found.accounts)


async def test_commission_is_earned_and_clawed_back(world: World) -> None:
    """WAL-30: 2.5 % of what was loaded, not of the bonus; of a refund only its part goes."""
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    topup = await contract.open_topup(rider, 10_000, card, "one")
    await contract.open_topup(await world.rider(), 10_000, None, "of somebody else")
    assert await owed(world, adler) == 250
    for refund, left in ((3_333, 167), (1, 167), (6_666, 0)):
        await payments.refund(
            world.admin(), topup.payment_id, refund, "goodwill", f"refund {refund}"
        )
        assert await owed(world, adler) == left
    page = await resellers.commissions(world.admin(), adler.id, None, None, 10, 0)
    assert [line.amount_minor for line in page.lines] == [-167, -83, 250]
    shown = await resellers.reseller(world.admin(), adler.id)
    assert (shown.earned_minor, shown.open_minor, shown.customers) == (0, 0, 1)


async def test_a_rate_holds_from_now_on_and_inactive_earns_nothing(world: World) -> None:
    """What was earned stays at its rate, also when it is clawed back later."""
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    first = await contract.open_topup(rider, 10_000, card, "one")
    await resellers.change_reseller(
        world.admin(), adler.id, ResellerTerms(name="Adler", code="ADLER", rate_bp=1_000)
    )
    await contract.open_topup(rider, 1_000, card, "two")
    assert await owed(world, adler) == 350
    await resellers.change_reseller(
        world.admin(),
        adler.id,
        ResellerTerms(name="Adler", code="ADLER", rate_bp=1_000, is_active=False),
    )
    await contract.open_topup(rider, 1_000, card, "three")
    await payments.refund(world.admin(), first.payment_id, 10_000, "goodwill", "all")
    assert await owed(world, adler) == 100
    with pytest.raises(resellers.UnknownReseller):
        await resellers.join_reseller(await world.rider(), "ADLER")


async def test_a_repeat_posts_nothing_twice(world: World) -> None:
    """A worker that died after the posting does it again."""
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    await contract.open_topup(rider, 10_000, card, "one")
    line = (await resellers.commissions(world.admin(), adler.id, None, None, 10, 0)).lines[0]
    await asyncio.gather(*(post_commission(world.system("wallet"), line.id) for _ in range(5)))
    assert await owed(world, adler) == 250


async def test_payouts_need_two_people(world: World) -> None:
    """One drafts, another pays; the books say so once, and a later refund is set off."""
    adler = await hotel(world, least_minor=200)
    rider, card = await guest(world, adler)
    topup = await contract.open_topup(rider, 7_000, card, "one")
    anna, bert = world.admin(), world.call("admin", user=ids.new())
    assert await resellers.run_payouts(anna, clock.now()) == []  # 1.75 is less than 2.00
    await contract.open_topup(rider, 3_000, card, "two")
    runs = await asyncio.gather(*(resellers.run_payouts(anna, clock.now()) for _ in range(4)))
    (draft,) = [each for run in runs for each in run]
    assert draft.amount_minor == 250
    assert (await resellers.cancel_payout(anna, draft.id)).state == "cancelled"
    (draft,) = await resellers.run_payouts(anna, clock.now())
    with pytest.raises(resellers.SamePerson):
        await resellers.pay_payout(anna, draft.id, "RF18")
    paid = await asyncio.gather(*(resellers.pay_payout(bert, draft.id, "RF18") for _ in range(4)))
    assert {each.state for each in paid} == {"paid"}
    with pytest.raises(resellers.PayoutClosed):
        await resellers.cancel_payout(anna, draft.id)
    await post_payout(world.system("wallet"), draft.id)
    assert await owed(world, adler) == 0
    await payments.refund(anna, topup.payment_id, 7_000, "goodwill", "back")
    assert await owed(world, adler) == -175
    assert (await resellers.reseller(anna, adler.id)).open_minor == -175
    assert await resellers.run_payouts(anna, clock.now()) == []
    with pytest.raises(Invalid):
        await resellers.run_payouts(anna, clock.now().replace(year=2100))


async def test_a_payout_by_transfer(world: World) -> None:
    """The gateway refuses: a draft again. It is silent: on its way. It did it: posted, once."""
    admin, bert = world.admin(), world.call("admin", user=ids.new())
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    await contract.open_topup(rider, 10_000, card, "one")
    (draft,) = await resellers.run_payouts(admin, clock.now())
    with pytest.raises(resellers.SamePerson):
        await resellers.transfer_payout(admin, draft.id)
    await resellers.change_reseller(
        admin, adler.id, msgspec.structs.replace(TERMS, account="acct_closed_1")
    )
    tried = await resellers.transfer_payout(bert, draft.id)
    assert (tried.state, tried.gateway) == ("draft", "")
    assert tried.reason
    await resellers.change_reseller(
        admin, adler.id, msgspec.structs.replace(TERMS, account="acct_1")
    )
    fault = payments.GatewayFault(operation="transfer", fault="timeout_after")
    await payments.script_sandbox(admin, [fault])
    assert (await resellers.transfer_payout(bert, draft.id)).state == "paying"
    with pytest.raises(resellers.PayoutClosed):
        await resellers.pay_payout(bert, draft.id, "")
    with pytest.raises(resellers.PayoutClosed):
        await resellers.cancel_payout(admin, draft.id)
    with clock.moved_to(clock.now() + timedelta(seconds=100)):
        await world.settle()  # the gateway is asked what became of it
    paid = await resellers.transfer_payout(bert, draft.id)
    assert (paid.state, paid.gateway, paid.reason) == ("paid", "sandbox", "")
    assert (await resellers.transfer_payout(bert, draft.id)).state == "paid"
    assert await owed(world, adler) == 0


async def test_who_may_look(world: World) -> None:
    """A reseller sees his own statement and nobody else's; a rider has one reseller."""
    adler = await hotel(world)
    rider, _ = await guest(world, adler)
    krone = await resellers.add_reseller(
        world.admin(), ResellerTerms(name="Krone", code="KRONE", rate_bp=0, person_id=me(rider))
    )
    own = world.call("reseller", user=rider.user)
    assert (await resellers.own_reseller(own)).id == krone.id
    assert (await resellers.commissions(own, krone.id, None, None, 10, 0)).total == 0
    with pytest.raises(NotFound):
        await resellers.commissions(own, adler.id, None, None, 10, 0)
    with pytest.raises(NotFound):
        await resellers.payouts(own, None, None, 10, 0)
    with pytest.raises(resellers.HasReseller):
        await resellers.join_reseller(rider, "KRONE")
    with pytest.raises(resellers.CodeTaken):
        await resellers.add_reseller(world.admin(), TERMS)
    with pytest.raises(resellers.CodeTaken):
        await resellers.change_reseller(world.admin(), krone.id, TERMS)


async def test_over_http(world: World) -> None:
    """The whole way: terms, code, top-up, statement, payout; bad terms are named."""
    admin, bert = world.admin(), world.call("admin", user=ids.new())
    rider = await world.rider()
    card = await world.card(rider)
    async with world.client(admin) as office, world.client(rider) as phone:
        body = {"name": "Hotel", "code": "hotel", "rate": "2.5", "least": "1.00"}
        made = (await office.post("/api/v1/resellers", json=body)).json()
        assert (made["code"], made["rate"], made["least"]) == ("HOTEL", 2.5, 1.0)
        for wrong in ({"rate": "2.555"}, {"rate": "51"}, {"code": "!!!"}, {"least": "-1"}):
            answer = await office.post("/api/v1/resellers", json={**body, **wrong})
            assert (answer.status_code, next(iter(wrong))) == (
                400,
                answer.json()["error"]["details"]["field"],
            )
        assert (await phone.get("/api/v1/resellers")).status_code == 403
        joined = await phone.post("/api/v1/wallet/reseller", json={"code": "hotel"})
        assert joined.json() == {"reseller": "Hotel"}
        await contract.open_topup(rider, 10_000, card, "one")
        await world.settle()
        path = f"/api/v1/resellers/{made['id']}"
        lines = (await office.get(f"{path}/commissions")).json()["lines"]
        assert [line["amount"] for line in lines] == [2.5]
        (draft,) = (await office.post("/api/v1/reseller-payouts", json={})).json()["payouts"]
        pay = f"/api/v1/reseller-payouts/{draft['id']}/pay"
        refused = await office.post(pay, json={})
        assert refused.json()["error"]["code"] == "SECOND_PERSON_NEEDED"
        async with world.client(bert) as other:
            assert (await other.post(pay, json={"bank_reference": "42"})).json()["state"] == "paid"
        shown = (await office.get("/api/v1/resellers?q=hot")).json()["resellers"]
        assert [(each["earned"], each["open"], each["customers"]) for each in shown] == [
            (2.5, 0, 1)
        ]
        gone = await office.delete(f"/api/v1/resellers/customers/{ids.public('usr', me(rider))}")
        assert gone.status_code == 204
        assert (await office.get(path)).json()["customers"] == 0


async def test_customers_are_listed_and_change_hands(world: World) -> None:
    """The newest first, with what each has brought; staff moves them and lets them go."""
    adler = await hotel(world)
    bear = await resellers.add_reseller(
        world.admin(), ResellerTerms(name="Bar Bear", code="BEAR", rate_bp=500)
    )
    (first, card), (second, _) = await guest(world, adler), await guest(world, adler)
    await contract.open_topup(first, 10_000, card, "one")
    await owed(world, adler)
    assert first.user is not None
    mine, guests = ids.public("usr", first.user), f"/api/v1/resellers/{public(adler)}/customers"
    async with world.client(world.admin()) as client:
        page = (await client.get(guests)).json()
        assert page["pagination"]["total"] == 2
        assert {each["user_id"]: each["earned"] for each in page["customers"]} == {
            mine: 2.5, ids.public("usr", second.user or UUID(int=0)): 0.0,
        }  # fmt: skip
        there = f"/api/v1/resellers/{public(bear)}/customers"
        assert (await client.put(f"{there}/{mine}")).status_code == 204
        moved = (await client.get(there)).json()["customers"]
        assert [(each["user_id"], each["earned"]) for each in moved] == [(mine, 0.0)]
        assert (await client.get(guests)).json()["pagination"]["total"] == 1
        assert (await client.delete(f"/api/v1/resellers/customers/{mine}")).status_code == 204
        assert (await client.get(there)).json()["customers"] == []
        assert (await client.get("/api/v1/resellers/rsl_no/customers")).status_code == 404
    async with world.client(first) as client:
        assert (await client.get(guests)).status_code == 403


async def test_drafts_are_found_among_all_payouts(world: World) -> None:
    """What waits for a second person, however long ago it was drafted."""
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    await contract.open_topup(rider, 10_000, card, "one")
    await owed(world, adler)
    admin = world.admin()
    (draft,) = await resellers.run_payouts(admin, clock.now())
    await resellers.cancel_payout(admin, draft.id)
    (draft,) = await resellers.run_payouts(admin, clock.now())
    async with world.client(admin) as client:
        found = (await client.get("/api/v1/reseller-payouts?status=draft")).json()
        assert [each["id"] for each in found["payouts"]] == [ids.public("pyo", draft.id)]
        assert (await client.get("/api/v1/reseller-payouts")).json()["pagination"]["total"] == 2


def public(of: resellers.Reseller) -> str:
    return ids.public("rsl", of.id)


async def test_staff_note_on_a_payout(world: World) -> None:
    """Who wrote it stands beside it; the reseller's own person does not see it."""
    adler = await hotel(world)
    rider, card = await guest(world, adler)
    await contract.open_topup(rider, 10_000, card, "one")
    await owed(world, adler)
    admin = world.admin()
    (draft,) = await resellers.run_payouts(admin, clock.now())
    at = f"/api/v1/reseller-payouts/{ids.public('pyo', draft.id)}/notes"
    async with world.client(admin) as client:
        made = await client.post(at, json={"text": "IBAN confirmed by phone"})
        assert made.status_code == 201, made.text
        page = (await client.get(at)).json()
        assert page["notes"] == [made.json()]
        assert page["notes"][0]["written_by"] == admin.actor
        assert (await client.post(at, json={"text": " "})).status_code == 400
        nobodys = f"/api/v1/reseller-payouts/{ids.public('pyo', ids.new())}/notes"
        assert (await client.get(nobodys)).status_code == 404
        assert (await client.post(nobodys, json={"text": "x"})).status_code == 404
    async with world.client(world.call("reseller")) as client:
        assert (await client.get(at)).status_code == 403
