"""SEPA over HTTP: a rider signs and pays, staff hand in, play the bank, and read its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import ids
from tests.payments.bank import Bank, entry, open_bank, statement
from tests.payments.gateways.kits import CREDITOR_IBAN, CREDITOR_ID, RIDER_IBAN

if TYPE_CHECKING:
    import httpx

    from tests.world import World

PATH = "/api/v1/payments/sepa"


@pytest.fixture
async def bank(world: World) -> Bank:
    return await open_bank(world)


async def good(request: Any) -> Any:
    answer: httpx.Response = await request
    assert answer.is_success, answer.text
    return answer.json()


async def test_the_whole_way(bank: Bank) -> None:
    """TST-06: pay by SEPA direct debit, from the consent to the settled statement."""
    world = bank.world
    call = await world.rider()
    async with world.client(call) as rider, world.client(bank.admin) as admin:
        keys = {"public_key": CREDITOR_ID, "secret": CREDITOR_IBAN, "fee_bp": 80}
        account = await good(admin.put("/api/v1/gateways/sepa", json=keys))
        assert (account["kinds"], account["secret_ends_with"]) == (["sepa"], CREDITOR_IBAN[-4:])
        text = await good(rider.get(f"{PATH}/mandate-text"))
        consent = {"iban": RIDER_IBAN, "holder": "Ada Lovelace", "agreed_text": text["version"]}
        mandate = await good(rider.post(f"{PATH}/mandates", json=consent))
        assert mandate["status"] == "active"
        assert RIDER_IBAN not in str(mandate)
        assert (await good(rider.get(f"{PATH}/mandates")))["mandates"][0]["id"] == mandate["id"]
        till = await bank.ride(1_000, call)
        payment = ids.public("pay", till.id)
        fee = await good(admin.get(f"/api/v1/payments/{payment}/gateway-fee"))
        assert fee["gateway_fee"] == 0.08, "PAY-32: SEPA 0.8 %"
        wish = {"execute_on": bank.day().isoformat()}
        run = await good(admin.post(f"{PATH}/runs", json=wish))
        assert (run["status"], run["total"], run["orders"]) == ("draft", 10.0, 1)
        at = f"{PATH}/runs/{run['id']}"
        waiting = (await good(admin.get(f"{PATH}/runs?status=draft")))["runs"]
        assert [each["id"] for each in waiting] == [run["id"]]
        assert (await good(admin.get(f"{PATH}/runs?status=settled")))["pagination"]["total"] == 0
        assert (await admin.get(f"{at}/file")).status_code == 409
        await good(admin.post(f"{at}/approve"))
        sent = await good(admin.post(f"{at}/export"))
        file = await admin.get(f"{at}/file")
        assert file.headers["content-type"].startswith("application/xml")
        assert RIDER_IBAN in file.text
        assert sent["sha256"]
        answer = await admin.post(f"/dev/sepa/runs/{run['id']}/play", json={})
        read = await good(admin.post(f"{PATH}/statements", content=answer.content))
        assert (read["kind"], read["matched"]) == ("camt.053", 1)
        again = await good(admin.post(f"{PATH}/statements", content=answer.content))
        assert (again["known"], again["lines"]) == (1, 0)
        assert (await good(admin.get(at)))["status"] == "settled"
        order = (await good(admin.get(f"{PATH}/orders?run_id={run['id']}")))["orders"][0]
        assert (order["status"], order["amount"]) == ("settled", 10.0)
        back = {"returns": {order["end_to_end_id"]: "MD06"}, "settled": False, "number": 2}
        answer = await admin.post(f"/dev/sepa/runs/{run['id']}/play", json=back)
        await good(admin.post(f"{PATH}/statements", content=answer.content))
        await till.work()
        seen = await good(rider.get(f"/api/v1/payments/{payment}"))
        assert (seen["status"], seen["reason"]) == ("due", "MD06")
        revoked = await good(rider.post(f"{PATH}/mandates/{mandate['id']}/revoke"))
        assert revoked["status"] == "revoked"


async def test_bad_input_is_said_clearly(bank: Bank) -> None:
    """400 with field and issue, and nothing written; strangers are told nothing."""
    world = bank.world
    async with world.client(world.call("customer")) as rider, world.client(bank.admin) as admin:
        text = await good(rider.get(f"{PATH}/mandate-text"))
        consent = {
            "iban": "DE13500105170648489890",
            "holder": "A L",
            "agreed_text": text["version"],
        }
        answer = await rider.post(f"{PATH}/mandates", json=consent)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"] == {
            "field": "iban", "issue": "has wrong check digits",
        }  # fmt: skip
        for body in (b"", b"<a>", b"\x00\xff", b"<!DOCTYPE a><a/>"):
            answer = await admin.post(f"{PATH}/statements", content=body)
            assert answer.status_code == 400, answer.text
        assert (await rider.post(f"{PATH}/statements", content=statement())).status_code == 403
        for path in ("runs", "orders", "lines", "statements", "settings", "all-mandates"):
            assert (await rider.get(f"{PATH}/{path}")).status_code == 403
            assert (await admin.get(f"{PATH}/{path}")).status_code == 200
        wrong = {"notice_days": 0}
        assert (await admin.put(f"{PATH}/settings", json=wrong)).status_code == 400
        nobody = ids.public("run", ids.new())
        for verb in ("approve", "cancel", "export"):
            answer = await admin.post(f"{PATH}/runs/{nobody}/{verb}")
            assert answer.json()["error"]["code"] == "UNKNOWN_RUN"


async def test_an_operator_explains_a_line(bank: Bank) -> None:
    async with bank.world.client(bank.admin) as admin:
        made = statement(entry("3.50", "DBIT", "A1", "account fee"))
        await good(admin.post(f"{PATH}/statements", content=made))
        (line,) = (await good(admin.get(f"{PATH}/lines?status=unmatched")))["lines"]
        assert (line["amount"], line["text"]) == (-3.5, "account fee")
        at = f"{PATH}/lines/{line['id']}/assign"
        done = await good(admin.post(at, json={"account": "fees", "note": "November"}))
        assert (done["status"], done["assigned_to"]) == ("assigned", "fees November")
        assert (await admin.post(at, json={"account": "fees"})).status_code == 409
        assert (await good(admin.get(f"{PATH}/lines?status=unmatched")))["lines"] == []
        page = await good(admin.get("/api/v1/books/accounts?code=fees"))
        assert page["accounts"][0]["balance"] == 3.5
