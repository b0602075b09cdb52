"""What whoever runs the platform sees in the console: health, connected accounts, debits, notes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import Api, Stage, new_rider
from tests.web.test_console_office import ADMIN, dialog, office

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def test_health_needs_no_scrapers_token(browser: Browser, address: str) -> None:
    """As in production, where /metrics is for the scraper alone."""
    with office(browser, address) as stage:
        asked: list[str] = []
        stage.page.on("request", lambda request: asked.append(request.url))
        page = stage.open("/console/health")
        waiting = page.get_by_role("table").filter(has_text="Oldest waits")
        expect(waiting.get_by_role("row").filter(has_text="rentals")).to_be_visible()
        expect(page.get_by_text("Database connections")).to_be_visible()
        expect(page.get_by_role("heading", name="Timed jobs")).to_be_visible()
        assert not [each for each in asked if each.endswith("/metrics")]
        assert not stage.axe()


def test_an_account_is_connected_and_its_fee_set(browser: Browser, address: str) -> None:
    """This platform has no keys at Stripe, and says so; then an answer as if it had."""
    connected = {
        "gateway": "stripe", "account": "acct_1Nv0FGQ9RKHgCVdK", "is_connected": True,
        "is_live": True, "is_disabled": False, "fee_minor": 10, "fee_bp": 150,
    }  # fmt: skip
    with Stage(browser, address, width=1440) as stage:
        stage.sign_in(demo.PLATFORM.email, demo.PLATFORM.password, demo.PLATFORM.tenant)
        page = stage.open("/console/tenants")
        page.get_by_role("row").filter(has_text=demo.TENANT).first.click(
            position={"x": 60, "y": 12}
        )
        part = page.get_by_role("region", name="Stripe account and platform fee")
        expect(part).to_contain_text("No account is connected")
        part.get_by_role("button", name="Connect account").click()
        form = dialog(page, "Connect account")
        form.get_by_label("Account", exact=True).fill("acct_1Nv0FGQ9RKHgCVdK")
        form.get_by_label("Share of each capture (%)").fill("1.5")
        form.get_by_label("Fixed, of each payment (EUR)").fill("0.10")
        form.get_by_role("button", name="Save").click()
        expect(form.get_by_role("alert")).to_contain_text("no keys of its own at Stripe")
        sent: list[Any] = []

        def of_stripe(route: Any) -> None:
            if route.request.method == "PUT":
                sent.append(route.request.post_data_json)
            route.fulfill(json=connected)

        page.route("**/api/v1/tenants/*/connect", of_stripe)
        form.get_by_role("button", name="Save").click()
        expect(part).to_contain_text("acct_1Nv0FGQ9RKHgCVdK")
        expect(part).to_contain_text("1.5 % of each capture + €0.10 of each payment")
        assert sent == [{"account": "acct_1Nv0FGQ9RKHgCVdK", "fee_bp": 150, "fee_minor": 10}]
        part.get_by_role("button", name="Disconnect").click()
        expect(dialog(page, "Disconnect this account?")).to_be_visible()
        assert not stage.axe()


def test_debits_that_are_being_collected(browser: Browser, address: str) -> None:
    """They are what is shown first; the rest by choice. The rows are those of an API's answer."""
    with new_rider(address) as rider, office(browser, address) as stage:
        (method,) = rider.get("/api/v1/payment-methods")["payment_methods"]
        row = {
            "payment_id": ids.public("pay", ids.new()), "booking_id": ids.public("rent", ids.new()),
            "user_id": rider.get("/api/v1/users/me")["id"], "gateway": "stripe", "amount": 5.25,
            "currency": "EUR", "status": "processing", "reason": None,
            "begun_at": method["created_at"], "due_on": "2031-03-07",
            "account": "SEPA direct debit ending in 3201", "bank": "19043",
            "mandate_reference": "NXDSYREGC9PSMKWY",
        }  # fmt: skip
        asked: list[str] = []

        def answer(route: Any) -> None:
            asked.append(route.request.url)
            rows = [row] if "status=processing" in route.request.url else []
            page = {"total": len(rows), "limit": 100, "offset": 0, "has_more": False}
            route.fulfill(json={"debits": rows, "pagination": page})

        stage.page.route("**/api/v1/payments/debits?*", answer)
        page = stage.open("/console/bank?part=debits")
        found = page.get_by_role("row").filter(has_text="NXDSYREGC9PSMKWY")
        expect(found).to_contain_text("Being collected")
        expect(found).to_contain_text("2031")
        assert not stage.axe()
        page.locator("label").filter(has_text="Sent back").click()
        expect(page.get_by_text("No such debit")).to_be_visible()
        page.unroute_all()
        page.locator("label").filter(has_text="Collected").last.click()
        expect(page.get_by_text("No such debit")).to_be_visible()  # what the API itself says
        assert any("status=returned" in each for each in asked)


def test_a_note_on_a_payout(browser: Browser, address: str) -> None:
    """Written in the panel; it stays, with who wrote it."""
    code = ids.new().hex[-10:].upper()
    with new_rider(address) as rider, Api(address, *ADMIN) as admin:
        reseller = admin.post(
            "/api/v1/resellers", {"name": f"Hotel {code}", "code": code, "rate": 10}
        )
        rider.post("/api/v1/wallet/reseller", {"code": code})
        topup = rider.post("/api/v1/wallet/topups", {"amount": 50})
        rider.post(f"/api/v1/wallet/topups/{topup['id']}/pay")
        until = time.monotonic() + 90
        while not admin.get(f"/api/v1/resellers/{reseller['id']}")["open"]:
            assert time.monotonic() < until, "no commission came of it"
            time.sleep(0.2)
        (draft,) = [
            each
            for each in admin.post("/api/v1/reseller-payouts")["payouts"]
            if each["reseller_id"] == reseller["id"]
        ]
        with office(browser, address) as stage:
            page = stage.open(f"/console/resellers/{reseller['id']}?part=payouts")
            page.get_by_role("grid").get_by_role("row").nth(1).click()
            part = page.get_by_role("region", name="Notes")
            part.get_by_label("New note").fill("IBAN confirmed by phone")
            part.get_by_role("button", name="Add note").click()
            expect(part.get_by_label("New note")).to_have_value("")
            expect(part.get_by_text("IBAN confirmed by phone")).to_be_visible()
            assert not stage.axe()
        at = f"/api/v1/reseller-payouts/{draft['id']}"
        (note,) = admin.get(f"{at}/notes")["notes"]
        assert note["text"] == "IBAN confirmed by phone"
        admin.post(f"{at}/cancel")
