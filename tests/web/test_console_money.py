"""The console's money in a browser: two people, dunning, bank lines (PAY-13, PAY-28, WEB-12)."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from fahrwerk.kernel import ids
from tests.payments.bank import entry, statement
from tests.payments.gateways.kits import CREDITOR_IBAN, CREDITOR_ID
from tests.web.stage import PASSWORD, Api, Stage, new_rider
from tests.web.test_console_office import ADMIN, a_ride, an_ended_ride, dialog, office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]
PATH = "/api/v1/payments/sepa"


def another_admin(admin: Api, name: str) -> str:
    """The e-mail of a second person."""
    email = f"{name}-{ids.new().hex[-8:]}@mobility.example"
    person = {"email": email, "password": PASSWORD, "roles": ["admin"], "first_name": name.title()}
    admin.post("/api/v1/users", person)
    return email


@contextmanager
def bank_of(admin: Api) -> Iterator[None]:
    """Meanwhile the operator has an account that statements are of."""
    keys = {"public_key": CREDITOR_ID, "secret": CREDITOR_IBAN}
    admin.send("PUT", "/api/v1/gateways/sepa", json=keys)
    try:
        yield
    finally:
        admin.post("/api/v1/gateways/sepa/disable")


def a_debt(address: str, rider: Api) -> dict[str, Any]:
    """What a ride of this rider owes that could not be collected; a worker opens it."""
    a_ride(address, rider)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if found := rider.get("/api/v1/debts")["debts"]:
            return dict(found[0])
        time.sleep(0.2)
    raise AssertionError("no debt came of it")


def test_the_inbox_counts_what_waits_and_a_second_person_approves(
    browser: Browser, address: str
) -> None:
    """A refund above the limit: counted for who may decide, not for who asked."""
    reason = f"Brake {ids.new().hex[-6:]}"
    with new_rider(address) as rider, Api(address, *ADMIN) as admin:
        an_ended_ride(address, rider)
        (payment,) = rider.get("/api/v1/payments")["payments"]
        second = another_admin(admin, "bert")
        admin.send("PATCH", "/api/v1/tenant", json={"refund_limit": 0})
        try:
            asked = admin.post(f"/api/v1/payments/{payment['id']}/refunds", {"reason": reason})
            assert asked["status"] == "pending"
        finally:
            admin.send("PATCH", "/api/v1/tenant", json={"refund_limit": None})
        with office(browser, address) as stage:
            page = stage.open("/console/approvals")
            row = page.get_by_role("row").filter(has_text=reason)
            expect(row).to_contain_text("Somebody else")
            row.click()
            expect(page.get_by_text("This is your own wish")).to_be_visible()
            expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        with Stage(browser, address, width=1440) as stage:
            stage.sign_in(second)
            page = stage.open("/console/approvals")
            expect(
                page.get_by_role("link", name=re.compile("Approvals.*waits? for you"))
            ).to_be_visible()
            page.get_by_role("row").filter(has_text=reason).click()
            page.get_by_role("button", name="Approve").click()
            form = dialog(page, "Approve?")
            form.get_by_label(re.compile("Note")).fill("Seen the photo")
            form.get_by_role("button", name="Approve").click()
            expect(page.get_by_role("row").filter(has_text=reason)).to_have_count(0)
            page.locator("label").filter(has_text=re.compile("^Done$")).click()
            expect(page.get_by_role("row").filter(has_text=reason)).to_contain_text("Done")
        (payment,) = rider.get("/api/v1/payments")["payments"]
        assert payment["amount_refunded"] == payment["amount_captured"] > 0
        (wish,) = [
            each for each in admin.get("/api/v1/approvals?status=done")["approvals"]
            if each["reason"] == reason
        ]  # fmt: skip
        assert wish["note"] == "Seen the photo"


def test_a_dunning_step_is_changed_and_seen(browser: Browser, address: str) -> None:
    """PAY-28: the story beside the form says what will happen; saved, the API has it; undone."""
    with Api(address, *ADMIN) as admin, office(browser, address) as stage:
        before = admin.get("/api/v1/debt-settings")
        page = stage.open("/console/cases?part=dunning")
        story = page.get_by_role("list", name="This is how it goes")
        last = len(before["steps"])
        page.get_by_role("button", name="Add step").click()
        page.get_by_role("textbox", name=f"Step {last + 1}: after days").fill("12")
        page.get_by_role("textbox", name=f"Step {last + 1}: fee").fill("4.5")
        page.get_by_role("checkbox", name=f"Step {last + 1}: charge once more").uncheck()
        expect(story.get_by_role("listitem").filter(has_text="Day 12")).to_contain_text(
            "letter, €4.50 fee"
        )
        page.get_by_role("textbox", name=f"Step {last + 1}: after days").fill("1")
        expect(page.get_by_role("alert")).to_contain_text("same day")
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        page.get_by_role("textbox", name=f"Step {last + 1}: after days").fill("12")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Dunning saved")).to_be_visible()
        assert admin.get("/api/v1/debt-settings")["steps"][-1] == {
            "after_days": 12, "is_retried": False, "is_noticed": True, "fee_minor": 450,
        }  # fmt: skip
        page.get_by_role("button", name="Undo").click()
        expect(story.get_by_role("listitem").filter(has_text="Day 12")).to_have_count(0)
        assert admin.get("/api/v1/debt-settings") == before


def test_a_bank_line_is_read_in_assigned_and_taken_back(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    """A file with its report; an unclear line finds its debt by the amount, another its account."""
    mark = ids.new().hex[-8:]
    with (
        new_rider(address, "tok_captureFails") as rider,
        Api(address, *ADMIN) as admin,
        bank_of(admin),
    ):
        debt = a_debt(address, rider)
        file = tmp_path / "statement.xml"
        lines = (
            entry(f"{debt['amount']:.2f}", ref=f"P{mark}", text=f"Roller {mark}"),
            entry("12.40", "DBIT", ref=f"F{mark}", text=f"Kontofuehrung {mark}"),
        )
        file.write_bytes(statement(*lines, name=f"S-{mark}"))
        with office(browser, address) as stage:
            page = stage.open("/console/bank?part=statements")
            page.locator("input[type=file]").set_input_files(file)
            report = dialog(page, "Statement read in")
            expect(report).to_contain_text("2 lines are unclear")
            report.get_by_role("link", name="To the unclear lines").click()
            page.get_by_role("row").filter(has_text=f"Kontofuehrung {mark}").click()
            page.get_by_role("button", name="Assign", exact=True).click()
            form = dialog(page, "Where does this line belong?")
            expect(form.get_by_role("combobox", name="Account")).to_have_value("Fees")
            form.get_by_role("button", name="Assign").click()
            expect(page.get_by_role("row").filter(has_text=f"Kontofuehrung {mark}")).to_have_count(
                0
            )
            page.get_by_role("row").filter(has_text=f"Roller {mark}").click()
            page.get_by_role("button", name="Assign", exact=True).click()
            form.get_by_role("group", name="Debts that fit").get_by_role("button").first.wait_for()
            form.get_by_role("textbox", name=re.compile("Payment")).fill(debt["payment_id"])
            form.get_by_role("button", name="Assign").click()
            expect(page.get_by_role("row").filter(has_text=f"Roller {mark}")).to_have_count(0)
            assert rider.get("/api/v1/debts")["debts"][0]["status"] == "paid"
            # On the wrong account after all: taken back, it waits again.
            page.locator("label").filter(has_text=re.compile("^Assigned$")).click()
            page.get_by_role("row").filter(has_text=f"Kontofuehrung {mark}").click()
            page.get_by_role("button", name="Take assignment back").click()
            form = dialog(page, "Take the assignment back?")
            form.get_by_label("Reason").fill("Was interest")
            form.get_by_role("button", name="Take assignment back").click()
            expect(page.get_by_role("row").filter(has_text=f"Kontofuehrung {mark}")).to_have_count(
                0
            )
        states = {x["text"]: x["status"] for x in admin.get(f"{PATH}/lines?limit=100")["lines"]}
        assert states[f"Kontofuehrung {mark}"] == "unmatched"
        assert states[f"Roller {mark}"] == "assigned"
