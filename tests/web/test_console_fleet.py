"""The console's fleet screens in a browser, against the real platform (WEB-08..10, 13, 15, 29)."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import TimeoutError as TooSlow

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import Api, Stage, launched, new_rider

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Playwright

pytestmark = pytest.mark.timeout(600)


def admin(address: str) -> Api:
    return Api(address, demo.ADMIN.email, demo.ADMIN.password)


def console(browser: Browser, address: str, width: int = 1440, **more: Any) -> Stage:
    """The administrator, signed in."""
    stage = Stage(browser, address, width=width, **more)
    stage.sign_in(demo.ADMIN.email, demo.ADMIN.password)
    return stage


def short(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}{ids.new().hex[-6:].upper()}"


def new_vehicle(address: str, **more: Any) -> dict[str, Any]:
    """A vehicle without a device: a rider opens it with a key."""
    body = {
        "vehicle_type": "scooter",
        "identifier": short("CF"),
        "model": "Max",
        "brand": "Segway",
        "is_connected": False,
        "location": {"latitude": 52.5219, "longitude": 13.4132},
    }
    with admin(address) as api:
        made: dict[str, Any] = api.post("/api/v1/vehicles", {**body, **more})
    return made


def row(page: Page, identifier: str) -> Any:
    return page.get_by_role("row").filter(has_text=identifier)


def go(page: Page, letter: str, title: str) -> None:
    """``g`` and a letter; again where a busy machine was slower than the second for both."""
    there = page.get_by_role("heading", name=title, exact=True, level=1)
    for _ in range(4):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        with contextlib.suppress(TooSlow):
            there.wait_for(timeout=5_000)
            return
    there.wait_for(timeout=1_000)


def test_sign_in_and_go_about_with_the_keyboard_alone(browser: Browser, address: str) -> None:
    """WEB-08: from the form to a vehicle's drawer and back, without a mouse."""
    vehicle = new_vehicle(address)
    with Stage(browser, address, width=1440) as stage:
        page = stage.open("/console/")
        page.get_by_label("Operator").fill(demo.TENANT)
        page.get_by_label("E-mail or phone").fill(demo.ADMIN.email)
        page.get_by_label("Password", exact=True).fill(demo.ADMIN.password)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("Open: Live fleet").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        go(page, "z", "Zones")
        page.keyboard.press("/")
        page.get_by_role("combobox", name="Search").fill("live fl")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Fleet", exact=True, level=1).wait_for()
        page.get_by_role("dialog").wait_for(state="detached")
        page.keyboard.press("f")
        page.keyboard.type(vehicle["identifier"])
        row(page, vehicle["identifier"]).wait_for()
        page.get_by_text("1 row", exact=True).wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.get_by_role("complementary", name=vehicle["identifier"]).wait_for()
        assert f"v={vehicle['identifier']}" in page.url
        page.keyboard.press("Escape")
        page.get_by_role("complementary").wait_for(state="detached")
        assert f"q={vehicle['identifier']}" in page.url  # the address says what is seen


def test_a_thousand_vehicles_come_in_by_csv(browser: Browser, address: str, tmp_path: Path) -> None:
    """WEB-15: foreign column names are matched, the dry run names a fault, then all are there."""
    mark = short("IM")
    head = "Kennung;Typ;Hersteller;Modell;Breite;Länge;Farbe"
    lines = [f"{mark}-{n:04};Roller;Segway;Max;52,5{n:04};13,4{n:04};rot" for n in range(1000)]
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("\n".join([head, *lines]), encoding="utf-8")
    lines[7] = lines[7].replace("Roller", "Submarine")
    bad.write_text("\n".join([head, *lines]), encoding="utf-8")
    with console(browser, address) as stage:
        page = stage.open("/console/import")
        page.get_by_label("Choose a CSV file").set_input_files(bad)
        page.get_by_role("heading", name="Which column is what?").wait_for()
        assert page.get_by_label("Kennung").input_value() == "identifier"
        assert page.get_by_label("Farbe").input_value() == ""
        page.get_by_role("button", name="Dry run").click()
        page.get_by_text("1 problem").wait_for()
        fault = page.get_by_role("row").filter(has_text="Type")
        assert fault.get_by_role("cell").first.inner_text() == "8"
        assert page.get_by_role("button", name="Import", exact=True).is_disabled()
        page.get_by_role("button", name="Back").click()
        page.get_by_label("Choose a CSV file").set_input_files(good)
        page.get_by_role("button", name="Dry run").click()
        page.get_by_text("1000 rows are fine").wait_for()
        page.get_by_role("button", name="Import", exact=True).click()
        page.get_by_role("heading", name="1000 vehicles created").wait_for()
        page.get_by_role("button", name="To the fleet").click()
        page.get_by_role("textbox", name="Identifier").fill(mark)
        page.get_by_text("1,000 rows").wait_for()
    with admin(address) as api:
        made = api.get(f"/api/v1/vehicles/{mark}-0500")
        assert made["vehicle_type"] == "scooter"
        live = api.get("/api/v1/fleet/live?type=scooter")
        named = zip(live["id"], live["identifier"], strict=True)
        mine = [each for each, identifier in named if identifier.startswith(mark)]
        assert len(mine) == 1000
        wish = {"operation": "set_status", "status": "retired", "ids": mine}
        job = api.post("/api/v1/vehicles/bulk", wish)
        _finished(api, job["id"])  # out of the way of the other tests


def _finished(api: Api, job: str) -> dict[str, Any]:
    for _ in range(300):
        now: dict[str, Any] = api.get(f"/api/v1/bulk/{job}")
        if now["status"] in ("done", "failed", "cancelled"):
            return now
        time.sleep(0.2)
    raise AssertionError(now)


def ridden(rider: Api, vehicle: str) -> str:
    """A ride under way."""
    booked = rider.post("/api/v1/bookings", {"vehicle_id": vehicle})["booking"]["id"]
    rider.post(f"/api/v1/bookings/{booked}/confirm-payment")
    rider.post(f"/api/v1/vehicles/{vehicle}/unlock", {"booking_id": booked})
    return str(rider.get("/api/v1/rentals?status=active")["rentals"][0]["id"])


def draw_a_square(page: Page) -> None:
    """With the mouse; again where a busy machine took two clicks for one."""
    page.locator("[data-testid=zone-map] [data-drawing=draw]").wait_for()
    box = page.locator("[data-testid=zone-map] canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3
    done = page.get_by_text("4 corners")
    for pause_ms in (150, 400, 1_000):
        for dx, dy in ((0, 0), (50, 0), (50, 50), (0, 50), (0, 0)):
            page.mouse.move(x + dx, y + dy, steps=3)
            page.wait_for_timeout(pause_ms)
            page.mouse.click(x + dx, y + dy)
            page.wait_for_timeout(pause_ms)
        with contextlib.suppress(TooSlow):
            done.wait_for(timeout=10_000)
            return
        page.keyboard.press("Escape")
    done.wait_for(timeout=1_000)


def test_a_drawn_zone_refuses_the_end_of_a_ride(browser: Browser, address: str) -> None:
    """WEB-13: a no-parking zone is drawn with the mouse; a ride cannot end in it."""
    name = short("Drawn ")
    with console(browser, address) as stage, admin(address) as api:
        page = stage.open("/console/zones")
        stage.is_drawn()
        page.get_by_role("button", name="New zone").click()
        page.get_by_label("Name").fill(name)
        draw_a_square(page)
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Zone saved").wait_for()
        zones = api.get("/api/v1/zones.geojson")["features"]
        (zone,) = [each for each in zones if each["properties"]["name"] == name]
        west, south, east, north = zone["bbox"]
        middle = {"latitude": (south + north) / 2, "longitude": (west + east) / 2}
        vehicle = new_vehicle(address, location=middle)
        with new_rider(address) as rider:
            path = f"/api/v1/rentals/{ridden(rider, vehicle['id'])}/end"
            refused = rider.client.post(path, json={"end_location": middle})
            assert refused.status_code == 422, refused.text
            assert refused.json()["error"]["details"]["zone_name"] == name
            page.get_by_role("button", name="Delete").first.click()
            page.get_by_text("deleted").wait_for()
            ended = rider.client.post(path, json={"end_location": middle})
            assert ended.status_code == 200, ended.text
        # Taken back within ten seconds.
        page.get_by_role("button", name="Undo").last.click()
        page.get_by_role("button", name=name).wait_for()
        api.send("DELETE", f"/api/v1/zones/{zone['id']}")


def test_the_table_lives(browser: Browser, address: str) -> None:
    """WEB-29: what changes elsewhere is seen within seconds, without loading anything again."""
    vehicle = new_vehicle(address)
    with console(browser, address) as stage, admin(address) as api:
        page = stage.open(f"/console/vehicles?view=list&q={vehicle['identifier']}")
        shown = row(page, vehicle["identifier"])
        shown.get_by_text("Available").wait_for()
        api.send("PATCH", f"/api/v1/vehicles/{vehicle['id']}", json={"status": "maintenance"})
        shown.get_by_text("Maintenance").wait_for()
        # Many at once, and back: retire with undo.
        page.get_by_label(f"Select {vehicle['identifier']}").check()
        page.get_by_role("button", name="Retire", exact=True).click()
        page.get_by_text("1 vehicle changed").wait_for()
        shown.wait_for(state="detached")
        assert api.get(f"/api/v1/vehicles/{vehicle['id']}")["status"] == "retired"
        page.get_by_role("button", name="Undo").last.click()
        shown.get_by_text("Maintenance").wait_for()


def test_a_ticket_goes_over_the_board(browser: Browser, address: str) -> None:
    """MNT: a ticket is opened, begun and completed; its vehicle is out of service meanwhile."""
    vehicle = new_vehicle(address)
    with console(browser, address) as stage, admin(address) as api:
        page = stage.open(f"/console/maintenance?new={vehicle['identifier']}")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Kind").select_option("brakes")
        dialog.get_by_label("Description").fill("Squeals and does not stop")
        dialog.get_by_role("button", name="Save").click()
        card = page.get_by_role("button", name=vehicle["identifier"])
        card.click()
        panel = page.get_by_role("complementary")
        panel.get_by_text("Out of service while open").wait_for()
        assert api.get(f"/api/v1/vehicles/{vehicle['id']}")["status"] == "maintenance"
        panel.get_by_role("button", name="Start").click()
        panel.get_by_text("In progress").wait_for()
        panel.get_by_role("button", name="Complete").click()
        panel.get_by_label("What was done?").fill("New pads")
        panel.get_by_role("button", name="Complete").click()
        page.get_by_text("Ticket completed").wait_for()
        assert api.get(f"/api/v1/vehicles/{vehicle['id']}")["status"] == "available"


def test_without_webgl_the_table_is_enough(driver: Playwright, address: str) -> None:
    """WEB-08: no map can be drawn; the list has the vehicles, and nothing is in the way."""
    blind = launched(driver, "--disable-gpu", "--disable-3d-apis")
    try:
        with console(blind, address) as stage:
            page = stage.open("/console/vehicles")
            page.get_by_role("grid", name="Vehicles").wait_for()
            # That no map can be made is known once one was to be made.
            page.get_by_test_id("fleet-map").wait_for(state="detached")
            assert page.get_by_role("row").count() > 3
    finally:
        blind.close()
