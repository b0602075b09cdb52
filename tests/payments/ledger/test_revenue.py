"""Revenue by day, week and month: the trial balance, cut at the operator's midnights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import db
from fahrwerk.payments.contract import ledger
from tests.payments.ledger.keeper import entered
from tests.world import make_world

if TYPE_CHECKING:
    import httpx

    from tests.world import World


async def sale(world: World, at: datetime, gross: int, tax: int) -> None:
    await ledger.post_journal(
        world.system(),
        entered(("bank", gross), ("revenue.1900", tax - gross), ("vat.1900", -tax), at=at),
    )


async def refund(world: World, at: datetime, gross: int, tax: int) -> None:
    await ledger.post_journal(
        world.system(),
        entered(("refunds.1900", gross - tax), ("vat.1900", tax), ("bank", -gross), at=at),
    )


async def asked(client: httpx.AsyncClient, **query: Any) -> Any:
    answer = await client.get("/api/v1/books/revenue", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_days_are_those_of_the_operator(world: World) -> None:
    """A minute before and after Berlin's midnight are two days; the day of winter time has 25 h."""
    await sale(world, datetime(2026, 10, 24, 21, 59, tzinfo=UTC), 1_190, 190)
    await sale(world, datetime(2026, 10, 24, 22, 0, tzinfo=UTC), 595, 95)
    await sale(world, datetime(2026, 10, 25, 22, 30, tzinfo=UTC), 119, 19)
    await refund(world, datetime(2026, 10, 26, 9, 0, tzinfo=UTC), 238, 38)
    async with world.client(world.admin()) as client:
        found = await asked(
            client, **{"from": "2026-10-24T12:00:00Z", "to": "2026-10-27T12:00:00Z"}
        )
        assert (found["by"], found["currency"]) == ("day", "EUR")
        assert [(p["begins"], p["net"], p["tax"], p["refunds"], p["total"])
                for p in found["periods"]] == [
            ("2026-10-23T22:00:00Z", 10.0, 1.9, 0.0, 11.9),
            ("2026-10-24T22:00:00Z", 6.0, 1.14, 0.0, 7.14),
            ("2026-10-25T23:00:00Z", 0.0, -0.38, -2.0, -2.38),
            ("2026-10-26T23:00:00Z", 0.0, 0.0, 0.0, 0.0),
        ]  # fmt: skip
        assert found["total"] == 16.66
        assert found["periods"][1]["ends"] == found["periods"][2]["begins"]


async def test_it_is_what_the_trial_balance_says(world: World) -> None:
    """Day by day, week by week, month by month; other accounts and currencies do not count."""
    first = datetime(2026, 1, 20, 10, tzinfo=UTC)
    for day in range(0, 60, 3):
        await sale(world, first + timedelta(days=day), 1_190 + 119 * day, 190 + 19 * day)
    await ledger.post_journal(world.system(), entered(("bank", 7), ("dunning_fees", -7), at=first))
    await ledger.post_journal(
        world.system(), entered(("bank", 9), ("revenue.1900", -9), at=first, currency="CHF")
    )
    async with world.client(world.admin()) as client:
        for by in ("day", "week", "month"):
            span = {"from": "2026-01-20T10:00:00Z", "to": "2026-03-25T10:00:00Z", "by": by}
            found = await asked(client, **span)
            assert round(found["total"] * 100) == sum(1_190 + 119 * day for day in range(0, 60, 3))
            for period in found["periods"][:3]:
                books = await client.get(
                    "/api/v1/books/trial-balance",
                    params={"from": period["begins"], "to": period["ends"]},
                )
                sold = sum(
                    row["credit"] - row["debit"]
                    for row in books.json()["rows"]
                    if row["code"] in ("revenue.1900", "vat.1900") and row["currency"] == "EUR"
                )
                assert round(sold, 2) == period["total"]


async def test_one_statement_for_all_of_it(world: World) -> None:
    """The overview asks every few seconds: one round trip, however many days."""
    async with world.client(world.admin()) as client:
        await asked(client)  # the operator is known from now on
        token = db.statements.set([])
        found = await asked(client)
        said = [each for each in db.statements.get() or [] if "payments.entry" in each]
        db.statements.reset(token)
    assert len(said) == 1
    assert len(found["periods"]) == 7


async def test_who_may_see_it_and_what_is_refused(world: World) -> None:
    """Permission as for the trial balance; nothing of another operator; no endless series."""
    await sale(world, datetime(2026, 11, 3, 9, tzinfo=UTC), 1_190, 190)
    span = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-05T00:00:00Z"}
    other = await make_world()
    async with other.client(other.admin()) as client:
        assert (await asked(client, **span))["total"] == 0
    async with world.client(await world.rider()) as client:
        assert (await client.get("/api/v1/books/revenue")).status_code == 403
    async with world.client(world.admin()) as client:
        assert (await asked(client, **span))["total"] == 11.9
        for wrong in (
            {"from": "2026-11-05T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
            {"from": "2020-01-01T00:00:00Z"},
            {"from": "2026-11-01T00:00:00"},
            {"by": "hour"},
        ):
            answer = await client.get("/api/v1/books/revenue", params=wrong)
            assert answer.status_code == 400, wrong
