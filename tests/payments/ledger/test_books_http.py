"""The books over HTTP: for staff, in decimals, paged, as CSV; and a reversal with its reason."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import db, ids
from fahrwerk.payments.contract import ledger
from tests.payments.ledger.keeper import entered, top_up, use
from tests.world import make_world

if TYPE_CHECKING:
    import httpx

    from tests.world import World


async def some_books(world: World) -> None:
    call = world.system()
    await top_up(call, "rider-1", paid=5_000, bonus=500)
    for n in range(5):
        await use(call, "rider-1", 119 + n)


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"/api/v1/books/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_accounts_and_trial_balance(world: World) -> None:
    await some_books(world)
    async with world.client(world.admin()) as client:
        found = await get(client, "accounts", code="wallet_paid")
        [wallet] = found["accounts"]
        assert wallet["id"].startswith("acc_")
        del wallet["id"]
        assert wallet == {
            "code": "wallet_paid", "owner": "rider-1", "kind": "liability", "currency": "EUR",
            "balance": 48.95, "held": 0.0, "entries": 2,
        }  # fmt: skip
        assert found["pagination"]["total"] == 1
        page = await get(client, "accounts", limit=2, offset=1)
        assert (len(page["accounts"]), page["pagination"]["has_more"]) == (2, True)
        trial = await get(client, "trial-balance")
        assert trial["is_balanced"] is True
        rows = {row["code"]: row for row in trial["rows"]}
        assert rows["gateway_clearing"]["debit"] == rows["gateway_clearing"]["closing"] == 50.0
        assert round(sum(row["closing"] for row in trial["rows"]), 2) == 0
        past = await get(client, "accounts", as_of="2020-01-01T00:00:00Z", owner="rider-1")
        assert [each["balance"] for each in past["accounts"]] == [0.0, 0.0]
        text = await client.get("/api/v1/books/trial-balance.csv")
        cells = list(csv.DictReader(io.StringIO(text.text)))
        assert {row["code"] for row in cells} == set(rows)
        assert text.headers["content-type"].startswith("text/csv")


async def test_a_statement_by_pages_and_as_a_file(world: World) -> None:
    await some_books(world)
    async with world.client(world.admin()) as client:
        account = (await get(client, "accounts", code="wallet_bonus"))["accounts"][0]["id"]
        entries: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = await get(client, f"accounts/{account}/entries", limit=2, **after)
            entries += page["entries"]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        # 1.19, 1.20, ... of 5.00, newest first; the last takes what is left of the bonus.
        assert [each["balance"] for each in entries] == [0.0, 0.18, 1.4, 2.61, 3.81, 5.0]
        assert entries[-1]["credit"] == entries[-1]["balance"] == 5.0
        assert entries[-1]["debit"] is None
        text = await client.get(f"/api/v1/books/accounts/{account}/entries.csv")
        cells = list(csv.DictReader(io.StringIO(text.text)))
        assert [float(row["balance"]) for row in cells] == [each["balance"] for each in entries]
        journal = await get(client, f"journals/{entries[0]['journal_id']}")
        assert round(sum((x["debit"] or 0) - (x["credit"] or 0) for x in journal["lines"]), 2) == 0
        assert journal["kind"] == "usage"


async def test_what_a_spreadsheet_would_take_for_a_formula(world: World) -> None:
    await ledger.post_journal(
        world.system(), entered(("bank", 5), ("revenue.0", -5), narration="=cmd()")
    )
    async with world.client(world.admin()) as client:
        account = (await get(client, "accounts", code="bank"))["accounts"][0]["id"]
        text = await client.get(f"/api/v1/books/accounts/{account}/entries.csv")
    assert '"\'=cmd()"' in text.text


async def test_a_reversal_over_http(world: World) -> None:
    """Once; the same request again gets the same answer; and it is audited."""
    posted = await ledger.post_journal(world.system(), entered(("bank", 5), ("revenue.0", -5)))
    path = f"/api/v1/books/journals/{ids.public('jrn', posted)}/reverse"
    body = {"reason": "typed twice"}
    admin = world.admin()
    async with world.client(admin) as client:
        first = await client.post(path, json=body)
        assert first.status_code == 201, first.text
        assert first.json()["reverses"] == ids.public("jrn", posted)
        assert first.json()["narration"] == "typed twice"
        assert (await client.post(path, json=body)).json()["id"] == first.json()["id"]
        for wrong in ({}, {"reason": ""}, {"reason": "x", "amount": 5}):
            assert (await client.post(path, json=wrong)).status_code == 400
    async with world.client(world.admin()) as client:
        other = await client.post(path, json=body)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "ALREADY_REVERSED")
        answer = await client.post(
            f"/api/v1/books/journals/{first.json()['id']}/reverse", json=body
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOT_REVERSIBLE")
    rows = await db.run(
        "kernel", world.system(),
        "SELECT outcome FROM kernel.audit WHERE action = 'payments.ask_reversal' AND actor = $1",
        admin.actor,
    )  # fmt: skip
    assert [row["outcome"] for row in rows].count("done") == 2


async def test_who_may_not_look(world: World) -> None:
    """I7: riders may not; another operator's staff finds nothing."""
    posted = await ledger.post_journal(world.system(), entered(("bank", 5), ("revenue.0", -5)))
    journal = f"/api/v1/books/journals/{ids.public('jrn', posted)}"
    other = await make_world()
    async with world.client(await world.rider()) as client:
        for path in (journal, "/api/v1/books/accounts", "/api/v1/books/trial-balance.csv"):
            assert (await client.get(path)).status_code == 403
    async with world.client(world.call("support")) as client:
        assert (await client.get(journal)).status_code == 200
        refused = await client.post(f"{journal}/reverse", json={"reason": "no"})
        assert refused.status_code == 403
    async with other.client(other.admin()) as client:
        assert (await client.get(journal)).status_code == 404
        assert (await client.get("/api/v1/books/accounts")).json()["accounts"] == []


async def test_odd_requests_are_answered_clearly(world: World) -> None:
    await ledger.post_journal(world.system(), entered(("bank", 5), ("revenue.0", -5)))
    async with world.client(world.admin()) as client:
        account = (await get(client, "accounts", code="bank"))["accounts"][0]["id"]
        entries = f"accounts/{account}/entries"
        for path, query, status in (
            ("accounts", {"as_of": "2026-01-01T00:00:00"}, 400),
            ("accounts", {"as_of": "0001-01-01T00:00:00Z"}, 400),
            ("accounts", {"as_of": "9999-12-31T23:59:59+14:00"}, 400),
            ("accounts", {"limit": 0}, 400),
            ("accounts", {"code": "x" * 101}, 400),
            ("accounts", {"owner": "nobody"}, 200),
            (entries, {"after": "x" * 201}, 400),
            ("accounts", {"code": "\x00"}, 400),
            ("trial-balance", {"from": "yesterday"}, 400),
            (entries, {"after": "none"}, 400),
            (entries, {"after": "MDAwMS0wMS0wMVQwMDowMDowMCswMDowMHw="}, 400),
            (entries, {"limit": 101}, 400),
            ("accounts/acc_x/entries", {}, 404),
            (f"accounts/{ids.public('acc', ids.new())}/entries.csv", {}, 404),
            ("journals/jrn_0000000000000000000000", {}, 404),
        ):
            answer = await client.get(f"/api/v1/books/{path}", params=query)
            assert answer.status_code == status, (path, query, answer.text)
