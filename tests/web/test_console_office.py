"""The console's office in a browser: money back, prices, roles, people (WEB-12, WEB-14, WEB-16)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import PASSWORD, Api, Stage, email_of, new_rider

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]
ADMIN = (demo.ADMIN.email, demo.ADMIN.password)


def office(browser: Browser, address: str, **more: Any) -> Stage:
    """The administrator in front of the console."""
    stage = Stage(browser, address, **({"width": 1440} | more))
    stage.sign_in(*ADMIN)
    return stage


def a_ride(address: str, rider: Api) -> dict[str, Any]:
    """One ride of this rider, ended."""
    with Api(address, *ADMIN) as admin:
        found = admin.get("/api/v1/vehicles?status=available&type=scooter&limit=100")["vehicles"]
        free = [
            v for v in found if v["telemetry"]["last_seen"] and (v["battery"]["level"] or 0) > 40
        ]
        assert free, "the city has no free scooter"
        vehicle = free[0]
    started = rider.post("/api/v1/rentals", {"vehicle_id": vehicle["id"]})
    return dict(rider.post(f"/api/v1/rentals/{started['id']}/end"))


def an_ended_ride(address: str, rider: Api) -> dict[str, Any]:
    """One ride of this rider, ended and paid."""
    ended = a_ride(address, rider)
    assert ended["payment"]["status"] == "processed", ended
    return ended


def dialog(page: Page, name: str) -> Any:
    """The dialogue of this title."""
    return page.get_by_role("dialog", name=name)


def test_a_ride_is_refunded_and_above_the_limit_by_two(browser: Browser, address: str) -> None:
    """A part at once; the rest, above the limit, waits for a second person, who approves it."""
    with new_rider(address) as rider, Api(address, *ADMIN) as admin:
        ride = an_ended_ride(address, rider)
        second = f"second-{ids.new().hex[-8:]}@mobility.example"
        person = {"email": second, "password": PASSWORD, "roles": ["admin"]}
        admin.post("/api/v1/users", person)
        with office(browser, address) as stage:
            page = stage.open(f"/console/rentals?r={ride['id']}")
            panel = page.get_by_role("complementary", name=re.compile("Ride"))
            expect(panel.get_by_role("region", name="Price")).to_contain_text("Total")
            expect(panel.get_by_role("region", name="Route", exact=True)).to_be_visible()
            panel.get_by_role("button", name="Refund").click()
            form = dialog(page, "Refund money")
            expect(form.get_by_role("button", name="Refund")).to_be_disabled()  # no reason yet
            form.get_by_label(re.compile("Amount")).fill("0.5")
            form.get_by_label("Reason").fill("Brake squeaked")
            form.get_by_role("button", name="Refund").click()
            expect(page.get_by_text("€0.50 refunded")).to_be_visible()
            expect(panel.get_by_role("region", name="Payment")).to_contain_text("€0.50")
            admin.send("PATCH", "/api/v1/tenant", json={"refund_limit": 0.5})
            try:
                panel.get_by_role("button", name="Refund").click()
                form.get_by_label("Reason").fill("All of it")
                form.get_by_role("button", name="Refund").click()
                expect(page.get_by_role("heading", name="Approvals")).to_be_visible()
                page.get_by_role("row").filter(has_text="All of it").click()
                expect(page.get_by_text("This is your own wish")).to_be_visible()
                with Stage(browser, address, width=1440) as other:
                    other.sign_in(second)
                    there = other.open("/console/approvals")
                    there.get_by_role("row").filter(has_text="All of it").click()
                    there.get_by_role("button", name="Approve").click()
                    dialog(there, "Approve?").get_by_role("button", name="Approve").click()
                    expect(there.get_by_text("Approved", exact=True).first).to_be_visible()
            finally:
                admin.send("PATCH", "/api/v1/tenant", json={"refund_limit": None})
        (payment,) = rider.get("/api/v1/payments")["payments"]
        assert payment["amount_refunded"] == payment["amount_captured"] > 0


def test_a_new_price_is_in_the_next_quote_and_can_be_undone(browser: Browser, address: str) -> None:
    """PRC-07: changed in the console, asked by the simulator and by a rider's app; then undone."""
    wish = {"vehicle_type": "van", "estimated_duration_minutes": 60}
    with new_rider(address) as rider, office(browser, address) as stage:
        before = rider.post("/api/v1/pricing/quote", wish)["estimated_cost"]
        page = stage.open("/console/tariffs?type=van&minutes=60")
        quote = page.locator("[data-quote]")
        expect(quote).to_have_attribute("data-quote", re.compile(rf"^{before:g}"))
        page.get_by_role("button", name="Edit: Van").click()
        form = dialog(page, "Change price: Van")
        form.get_by_label(re.compile("New price")).fill("7.2")
        expect(form.get_by_role("table", name="Comparison")).to_contain_text("€7.20")
        form.get_by_role("button", name="Save").click()
        expect(quote).to_have_attribute("data-quote", "7.2")
        assert rider.post("/api/v1/pricing/quote", wish)["estimated_cost"] == 7.2
        page.get_by_role("button", name="Undo").click()
        expect(quote).to_have_attribute("data-quote", re.compile(rf"^{before:g}"))
        assert rider.post("/api/v1/pricing/quote", wish)["estimated_cost"] == before


def test_a_role_is_made_and_enforced(browser: Browser, address: str) -> None:
    """IDN-26: made of two rights; who has it sees those screens, and the API refuses the rest."""
    name = f"desk_{ids.new().hex[-6:]}"
    email = f"{name}@mobility.example"
    with office(browser, address) as stage:
        page = stage.open("/console/roles")
        page.get_by_role("button", name="New role").click()
        form = dialog(page, "New role")
        form.get_by_label("Title").fill("Front desk")
        form.get_by_label("Short name").fill(name)
        for right in ("identity.person.read", "identity.self"):
            form.get_by_role("searchbox", name="Filter rights").fill(right)
            form.get_by_label(right, exact=True).check()
        form.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Role saved: Front desk")).to_be_visible()
        expect(
            page.get_by_role("columnheader", name=re.compile("Front desk")).first
        ).to_be_visible()
        with Api(address, *ADMIN) as admin:
            admin.post("/api/v1/users", {"email": email, "password": PASSWORD, "roles": [name]})
    with Stage(browser, address, width=1440) as stage:
        stage.sign_in(email)
        page = stage.open("/console/customers")
        expect(page.get_by_role("grid", name="List of customers")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("^Tariffs"))).to_have_count(0)
        page = stage.open("/console/books")
        expect(page.get_by_role("heading", name="No access", level=1)).to_be_visible()
    with Api(address, email, PASSWORD) as desk:
        assert desk.client.get("/api/v1/books/accounts").status_code == 403
        assert desk.client.get("/api/v1/users").status_code == 200


def test_a_customer_is_blocked_and_let_back_by_undo(browser: Browser, address: str) -> None:
    """WEB-14: found by a part of the e-mail; blocked, he cannot log in; undone, he can."""
    with new_rider(address, first_name="Bruno") as rider, office(browser, address) as stage:
        page = stage.open("/console/customers")
        page.get_by_role("searchbox", name="Search customers").fill(email_of(rider))
        page.get_by_role("row").filter(has_text=email_of(rider)).click()
        page.get_by_role("button", name="Block").click()
        expect(page.get_by_role("button", name="Unblock")).to_be_visible()
        login = {"email": email_of(rider), "password": PASSWORD}
        assert rider.client.post("/api/v1/auth/login", json=login).status_code in (401, 403)
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Block")).to_be_visible()
        assert rider.client.post("/api/v1/auth/login", json=login).status_code == 200


def test_a_wallet_is_adjusted_with_a_reason(browser: Browser, address: str) -> None:
    """Goodwill: the customer sees amount and reason; it stands in the audit log."""
    with new_rider(address) as rider, office(browser, address) as stage:
        user = rider.get("/api/v1/users/me")["id"]
        page = stage.open(f"/console/customers?c={user}")
        page.get_by_role("button", name="Add or take").click()
        form = dialog(page, "Adjust the wallet")
        form.get_by_label(re.compile("Amount")).fill("12.5")
        form.get_by_label("Reason").fill("Scooter was dirty")
        form.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Wallet changed by €12.50")).to_be_visible()
        expect(page.get_by_role("region", name="Transactions")).to_contain_text("Scooter was dirty")
        assert rider.get("/api/v1/wallet")["amount"] == 12.5
        page = stage.open("/console/audit?action=wallet.adjust")
        expect(page.get_by_role("row").filter(has_text="wallet.adjust").first).to_be_visible()


def test_the_platform_makes_an_operator(browser: Browser, address: str) -> None:
    """WEB-16: the wizard step by step; its administrator signs in and sees what is to be done."""
    slug = f"flitz-{ids.new().hex[-6:]}"
    with Stage(browser, address, width=1440) as stage:
        answer = stage.context.request.post(
            f"{address}/session",
            data={"email": demo.PLATFORM.email, "password": demo.PLATFORM.password,
                  "tenant": demo.PLATFORM.tenant},
            headers={"Origin": address},
        )  # fmt: skip
        assert answer.ok
        page = stage.open("/console/tenants")
        page.get_by_role("button", name="New operator").first.click()
        form = page.get_by_role("dialog")
        form.get_by_label("Name", exact=True).fill("Flitz GmbH")
        expect(form.get_by_label("Short name")).to_have_value("flitz-gmbh")
        form.get_by_label("Short name").fill(slug)
        form.get_by_role("button", name="Next").click()
        form.get_by_role("button", name="Next").click()
        form.get_by_label("Administrator's e-mail").fill(f"admin@{slug}.example")
        form.get_by_role("textbox", name=re.compile("Password")).fill(PASSWORD)
        form.get_by_role("button", name="Next").click()
        form.get_by_role("button", name="Create").click()
        expect(page.get_by_text("Operator made: Flitz GmbH")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text=slug)).to_be_visible()


def test_the_office_works_by_keyboard(browser: Browser, address: str) -> None:
    """`g u` opens customers, `j` and `o` the first of them, Escape closes."""
    with office(browser, address) as stage:
        page = stage.open("/console/audit")
        expect(page.get_by_role("grid", name="Who did what")).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("u")
        expect(page.get_by_role("grid", name="List of customers")).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("o")
        expect(page.get_by_role("complementary", name="Customer", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("complementary", name="Customer", exact=True)).to_have_count(0)
