"""The fraud seam: every payment is decided on before a gateway is asked (issue 4, point 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.payments import contract as payments
from fahrwerk.payments.contract import charges, risk
from fahrwerk.payments.contract.risk import Facts, RiskLimits
from fahrwerk.payments.rules import risk as rules
from tests.world import World

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

LIMITS = RiskLimits()
PUBLIC = "203.0.114.7"
_ASKED = "SELECT count(*) FROM payments.sandbox_operation"
_ROWS = "SELECT decision, score, facts, network FROM payments.risk ORDER BY at"


@pytest.mark.parametrize(
    ("facts", "decision", "reasons"),
    [
        (Facts(amount_minor=7_500), "allow", []),
        (Facts(amount_minor=9_999), "allow", []),
        (Facts(amount_minor=10_000), "review", ["new_card_high_amount"]),
        (Facts(amount_minor=10_000, method_age_s=86_400.0), "allow", []),
        (Facts(amount_minor=1, hourly=10), "review", ["velocity"]),
        (Facts(amount_minor=1, declined=3, hourly=9), "review", ["declines"]),
        (Facts(amount_minor=1, network_riders=5), "allow", ["shared_network"]),
        (Facts(amount_minor=1, card_riders=3, hourly=10), "review", ["velocity", "shared_card"]),
        (Facts(amount_minor=1, frauds=1), "block", ["known_fraud"]),
    ],
)
def test_what_is_unusual(facts: Facts, decision: str, reasons: list[str]) -> None:
    """One sign alone never blocks, but that staff found fraud before."""
    found = rules.assess(facts, LIMITS)
    assert (found.decision, found.reasons) == (decision, reasons)


def test_countries_count_where_they_are_named() -> None:
    """Anywhere is usual until the operator says otherwise; unknown is no sign."""
    limits = RiskLimits(countries=["DE", "AT"])
    abroad = Facts(amount_minor=1, country="US")
    assert rules.assess(abroad, LIMITS).reasons == []
    assert rules.assess(abroad, limits).reasons == ["country"]
    assert rules.assess(Facts(amount_minor=1), limits).reasons == []


_COUNTS = st.integers(0, 30)


@given(st.integers(1, 10**9), _COUNTS, _COUNTS, st.floats(0, 1e9), _COUNTS, _COUNTS, _COUNTS)
def test_worse_facts_never_help(
    amount: int, hourly: int, declined: int, age: float, cards: int, networks: int, frauds: int
) -> None:
    """Whatever is known: more of it, or a younger card, is never judged more mildly."""
    facts = Facts(
        amount_minor=amount, hourly=hourly, declined=declined, method_age_s=age,
        card_riders=cards, network_riders=networks, frauds=frauds,
    )  # fmt: skip
    score = rules.assess(facts, LIMITS).score
    for field in ("amount_minor", "hourly", "declined", "card_riders", "network_riders", "frauds"):
        worse = msgspec.structs.replace(facts, **{field: getattr(facts, field) + 1})
        assert rules.assess(worse, LIMITS).score >= score
    younger = msgspec.structs.replace(facts, method_age_s=age / 2)
    assert rules.assess(younger, LIMITS).score >= score


async def pay(rider: Call, method: UUID, amount: int = 1_000) -> payments.Payment:
    assert rider.user is not None
    wanted = charges.Charge(
        payment_id=ids.new(), reference=ids.new(), rider_id=rider.user, amount_minor=amount,
        currency="EUR", method_id=method,
    )  # fmt: skip
    return await charges.charge(rider, wanted)


async def asked(world: World) -> int:
    """How often the gateway was asked for anything."""
    return int((await db.run("payments", world.system("payments"), _ASKED))[0][0])


async def test_every_payment_is_decided_on(world: World) -> None:
    """An ordinary one goes on and leaves its facts; an address within a network says nothing."""
    rider = await world.rider()
    assert (await pay(rider, await world.card(rider))).state == "completed"
    ((decision, score, facts, network),) = await db.run("payments", world.system("payments"), _ROWS)
    assert (decision, score, network) == ("allow", 0, "")
    assert (facts["amount_minor"], facts["country"], facts["hourly"]) == (1_000, "DE", 0)
    assert (await risk.risks(world.admin(), None, None, 10, 0)).total == 0
    allowed = await risk.risks(world.admin(), None, "allow", 10, 0)
    assert [(each.decision, each.amount_minor) for each in allowed.risks] == [("allow", 1_000)]
    assert (await risk.risks(world.admin(), None, "review", 10, 0)).total == 0


async def test_review_goes_on_and_is_listed(world: World) -> None:
    """A new card and a high amount: paid, and shown to staff, once; the world is told."""
    rider = await world.rider()
    paid = await pay(rider, await world.card(rider), 20_000)
    assert paid.state == "completed"
    page = await risk.risks(world.call("support", user=ids.new()), True, None, 10, 0)
    (found,) = page.risks
    assert (found.payment_id, found.decision, found.score) == (paid.id, "review", 50)
    cleared = await risk.review_risk(world.admin(), paid.id, "cleared", "known guest")
    assert (cleared.verdict, cleared.note) == ("cleared", "known guest")
    assert (await risk.risks(world.admin(), True, None, 10, 0)).total == 0
    told = await db.run(
        "payments", world.system("payments"),
        "SELECT name, version FROM kernel.event WHERE tenant_id = $1 AND stream LIKE 'risk:%' "
        "ORDER BY version", world.tenant,
    )  # fmt: skip
    assert [tuple(row) for row in told] == [
        ("payment.risk_decided", 1),
        ("payment.risk_reviewed", 2),
    ]


async def test_blocked_reaches_no_gateway_until_it_is_cleared(world: World) -> None:
    """Known fraud: nothing is asked of the gateway; a cleared payment passes the same way again."""
    thief, friend = await world.rider(), await world.rider()
    first = await pay(thief, await world.card(thief, "tok_visaShared"), 20_000)
    await risk.review_risk(world.admin(), first.id, "fraud", "stolen")
    before = await asked(world)
    card = await world.card(friend, "tok_visaShared")  # the same card, another rider
    sent = await asked(world) - before
    blocked = await pay(friend, card)
    assert (blocked.state, blocked.reason) == ("failed", "risk_blocked")
    assert await asked(world) == before + sent
    await risk.change_risk_limits(world.admin(), RiskLimits(block_at=1_000))
    assert (await pay(friend, card)).state == "completed"


async def test_a_blocked_ride_is_declined(world: World) -> None:
    """A booking is told like by any bank; once staff has cleared it the same payment is allowed."""
    await risk.change_risk_limits(world.admin(), RiskLimits(review_at=1, block_at=1, high_minor=1))
    rider = await world.rider()
    card = await world.card(rider)
    payment_id = ids.new()
    assert rider.user is not None
    house = world.system("rentals")
    await payments.open_payment(house, payment_id, ids.new(), rider.user, 7_500, "EUR")
    for _ in range(2):
        with pytest.raises(payments.PaymentDeclined) as refused:
            await payments.authorize(rider, payment_id, card)
        assert refused.value.details["reason"] == "risk_blocked"
    await risk.review_risk(world.admin(), payment_id, "cleared", "")
    assert (await payments.authorize(rider, payment_id, card)).state == "authorized"


async def test_riders_behind_one_public_address(world: World) -> None:
    """The sixth rider from one address within a day stands out; after a month it is forgotten."""
    for n in range(6):
        rider = msgspec.structs.replace(await world.rider(), address=PUBLIC)
        await pay(rider, await world.card(rider), 20_000)
        assert (await risk.risks(world.admin(), None, None, 10, 0)).total == n + 1
    newest = (await risk.risks(world.admin(), None, None, 1, 0)).risks[0]
    assert newest.reasons == ["new_card_high_amount", "shared_network"]
    rows = await db.run("payments", world.system("payments"), _ROWS)
    assert PUBLIC not in str([tuple(row) for row in rows])
    assert len({row["network"] for row in rows}) == 1


async def test_limits_and_who_may(world: World) -> None:
    """Limits that make no sense are named; riders see nothing of it; an amount is no secret."""
    admin = world.admin()
    for wrong in (
        RiskLimits(review_at=60, block_at=50),
        RiskLimits(hourly=0),
        RiskLimits(high_minor=0),
        RiskLimits(countries=["Germany"]),
    ):
        with pytest.raises(Invalid):
            await risk.change_risk_limits(admin, wrong)
    assert await risk.risk_limits(admin) == LIMITS
    changed = await risk.change_risk_limits(admin, RiskLimits(countries=["de", "AT ", "DE"]))
    assert changed.countries == ["AT", "DE"]
    with pytest.raises(Forbidden):
        await risk.risks(await world.rider(), None, None, 10, 0)
    with pytest.raises(risk.UnknownRisk):
        await risk.review_risk(admin, ids.new(), "fraud", "")


async def test_risk_over_http(world: World) -> None:
    """What the console shows."""
    rider = await world.rider()
    paid = await pay(rider, await world.card(rider), 20_000)
    async with world.client(world.admin()) as office, world.client(rider) as phone:
        (row,) = (await office.get("/api/v1/risk/decisions?open=true")).json()["decisions"]
        assert (row["amount"], row["decision"], row["verdict"]) == (200.0, "review", None)
        path = f"/api/v1/risk/decisions/{ids.public('pay', paid.id)}/review"
        assert (await office.post(path, json={"verdict": "maybe"})).status_code == 400
        assert (await phone.post(path, json={"verdict": "cleared"})).status_code == 403
        done = await office.post(path, json={"verdict": "fraud", "note": "chargeback"})
        assert done.json()["verdict"] == "fraud"
        limits = (await office.get("/api/v1/risk/limits")).json()
        limits["countries"] = ["DE"]
        assert (await office.put("/api/v1/risk/limits", json=limits)).json() == limits
