"""The rider app in a browser, against the real platform and its city (WEB-01..07, 23..27, 30)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import segno
from PIL import Image
from playwright.sync_api import Page, expect

from fahrwerk.kernel import ids
from fahrwerk.sim import demo
from tests.web.stage import (
    PASSWORD,
    Api,
    Stage,
    chromium,
    email_of,
    launched,
    new_rider,
)
from tests.web.walk import free_vehicle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]


def unlock(page: Page) -> None:
    """From the vehicle's own check to the running ride."""
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("list", name="Unlocking")).to_be_visible()
    expect(page.get_by_role("button", name="End ride")).to_be_visible()


def pause(page: Page) -> None:
    """Lock on the way; the city's vehicle refuses while it moves, and the app says so."""
    locked = page.get_by_text("Locked. Time and cost go on.")
    moves = page.get_by_text("The vehicle is moving. Stop, then lock it.").first
    for _ in range(15):
        page.get_by_role("button", name="Pause: lock").click()
        expect(locked.or_(moves).first).to_be_visible()
        if locked.is_visible():
            return
        page.get_by_role("button", name="Close").last.click()
        page.wait_for_timeout(1_500)
    raise AssertionError("the vehicle never stood still")


def end(page: Page) -> None:
    """End with a photo; the app says so."""
    page.get_by_role("button", name="End ride").click()
    expect(
        page.get_by_text("You may park here.").or_(page.get_by_text("Good place"))
    ).to_be_visible()
    page.set_input_files("input[type=file]", str(Path(__file__).parents[2] / "docs" / "city.png"))
    expect(page.get_by_alt_text("Your photo of the parking place")).to_be_visible()
    page.get_by_role("button", name="End ride").click()
    expect(page.get_by_role("heading", name="Ride ended")).to_be_visible()


def test_a_whole_ride_with_a_typed_code(browser: Browser, address: str) -> None:
    """WEB-02..05: sign in by hand, find, type the code, check, unlock, pause, end, receipt."""
    vehicle = free_vehicle(address)
    with new_rider(address) as rider, Stage(browser, address) as stage:
        page = stage.open("/app/")
        page.get_by_label("E-mail or phone").fill(email_of(rider))
        page.get_by_role("textbox", name="Password").fill("wrong password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("is not right")
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("nearby")
        stage.is_drawn()
        page.get_by_role("link", name="Scan").click()
        page.get_by_label("Type the code").fill(vehicle["identifier"].lower())
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(vehicle["identifier"])
        page.get_by_role("button", name="Ride now").click()
        expect(page.get_by_role("heading", name="A quick look")).to_be_visible()
        unlock(page)
        pause(page)
        page.get_by_role("button", name="Ride on: unlock").click()
        expect(page.get_by_role("button", name="Pause: lock")).to_be_visible()
        page.reload()  # a ride goes on after it
        expect(page.get_by_role("heading", level=1)).to_contain_text(vehicle["identifier"])
        end(page)
        expect(page.get_by_text("Photo sent.")).to_be_visible()
        page.get_by_role("button", name="See the receipt").click()
        expect(page.get_by_text("Paid with Visa •••• 4242")).to_be_visible()
        page.get_by_role("radio", name="4 stars").focus()
        page.keyboard.press("Space")
        page.get_by_label("Comment").fill("Smooth")
        page.get_by_role("button", name="Send rating").click()
        expect(page.get_by_role("heading", name="Your rating")).to_be_visible()
        (ride,) = rider.get("/api/v1/rentals")["rentals"]
        assert (ride["status"], ride["rating"], ride["feedback"]) == ("completed", 4, "Smooth")
        photo = rider.client.get(f"/api/v1/rentals/{ride['id']}/photo")
        assert photo.headers["content-type"] == "image/jpeg"


def filmed(code: str, path: Path) -> Path:
    """A film of a QR code for Chromium's fake camera: raw frames of brightness, no colour."""
    matrix = segno.make(code, error="m").matrix
    side = len(matrix)
    small = Image.new("L", (side + 8, side + 8), 255)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            small.putpixel((x + 4, y + 4), 0 if dark else 255)
    frame = Image.new("L", (640, 480), 200)
    frame.paste(small.resize((360, 360), Image.Resampling.NEAREST), (140, 60))
    body = b"FRAME\n" + frame.tobytes() + bytes([128]) * (640 * 480 // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420mpeg2\n" + body * 10)
    return path


def test_a_ride_by_the_camera(driver: Playwright, address: str, tmp_path: Path) -> None:
    """WEB-05: reserve, then the camera reads the code on the vehicle."""
    vehicle = free_vehicle(address)
    film = filmed(f"https://example.org/v/{vehicle['identifier']}", tmp_path / "code.y4m")
    browser = launched(
        driver, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )  # fmt: skip
    try:
        asked: dict[str, Any] = {"permissions": ["geolocation", "camera"]}
        with new_rider(address) as rider, Stage(browser, address, **asked) as stage:
            stage.sign_in(email_of(rider))
            page = stage.open(f"/app/?v={vehicle['id']}")
            page.get_by_role("button", name="Reserve for free").click()
            expect(page.get_by_role("timer")).to_be_visible()
            page.get_by_role("link", name="Scan the code").click()
            expect(page.get_by_role("heading", name="A quick look")).to_be_visible()
            unlock(page)
            end(page)
    finally:
        browser.close()


A_TAG_READER = """
globalThis.tag = { refuses: true };
globalThis.NDEFReader = class {
  async scan() {
    if (tag.refuses) throw new DOMException("no", "NotAllowedError");
    tag.hold = (recordType, said) => {
      const data = new DataView(new TextEncoder().encode(said).buffer);
      this.onreading({ message: { records: [{ recordType, encoding: "utf-8", data }] } });
    };
    tag.spoil = () => this.onreadingerror();
  }
};
"""


def test_a_ride_by_the_tag(browser: Browser, address: str) -> None:
    """WEB-05: the vehicle's NFC tag says what its QR code says; each failure says what to do."""
    vehicle = free_vehicle(address)
    with new_rider(address) as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open("/app/scan")
        expect(page.get_by_label("Type the code")).to_be_focused()
        expect(page.get_by_role("button", name="NFC")).to_have_count(0)
        stage.context.add_init_script(A_TAG_READER)
        page.reload()
        page.get_by_role("button", name="Unlock by NFC").click()
        expect(page.get_by_text("NFC is not allowed for this page.")).to_be_visible()
        page.evaluate("tag.refuses = false")
        page.get_by_role("button", name="Unlock by NFC").click()
        expect(page.get_by_text("Hold your phone to the vehicle’s NFC tag.")).to_be_visible()
        page.evaluate("tag.spoil()")
        expect(page.get_by_text("This NFC tag cannot be read.")).to_be_visible()
        page.evaluate("tag.hold('mime', 'picture')")
        expect(page.get_by_text("This NFC tag cannot be read.")).to_be_visible()
        page.evaluate("tag.hold('text', 'NOBODY-1')")
        expect(page.get_by_text("There is no such vehicle. Please check the code.")).to_be_visible()
        assert not stage.axe()
        page.evaluate(f"tag.hold('url', 'https://example.org/v/{vehicle['identifier']}')")
        expect(page.get_by_role("heading", level=1)).to_contain_text(vehicle["identifier"])
        page.get_by_role("button", name="Ride now").click()
        expect(page.get_by_role("heading", name="A quick look")).to_be_visible()


def test_a_reservation_is_cancelled(browser: Browser, address: str) -> None:
    """RNT-18, and the bar that leads back to it from every screen."""
    vehicle = free_vehicle(address)
    with new_rider(address) as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={vehicle['id']}")
        page.get_by_role("button", name="Reserve for free").click()
        expect(page.get_by_role("timer")).to_be_visible()
        stage.open("/app/rides")
        page.get_by_role("link", name=re.compile("Reserved")).click()
        page.get_by_role("button", name="Cancel reservation").click()
        expect(page.get_by_text("No ride right now")).to_be_visible()
        (booking,) = rider.get("/api/v1/bookings")["bookings"]
        assert booking["status"] == "cancelled"


def test_without_a_network_in_mid_ride(browser: Browser, address: str) -> None:
    """The app opens again, the end is kept and sent, and the rider is told (WEB-30)."""
    vehicle = free_vehicle(address)
    with new_rider(address) as rider, Stage(browser, address, keeps=True) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open("/app/")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.wait_for_function(
            "caches.keys().then(async (names) => names.length > 0 &&"
            " (await (await caches.open(names[0])).keys()).length > 20)"
        )
        stage.open(f"/app/?v={vehicle['id']}")
        page.get_by_role("button", name="Ride now").click()
        unlock(page)
        stage.context.set_offline(True)
        expect(page.get_by_text("No network.")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_contain_text(vehicle["identifier"])
        page.get_by_role("button", name="End ride").click()
        page.get_by_role("button", name="End ride").click()
        expect(page.get_by_text("The meter stops when the message arrives")).to_be_visible()
        (ride,) = rider.get("/api/v1/rentals")["rentals"]
        assert ride["status"] == "active"
        stage.context.set_offline(False)
        expect(page.get_by_role("heading", name="Ride ended")).to_be_visible()
        (ride,) = rider.get("/api/v1/rentals")["rentals"]
        assert ride["status"] == "completed"


def test_a_declined_payment_frees_the_vehicle(browser: Browser, address: str) -> None:
    """RNT-23 with its text; nothing is charged."""
    vehicle = free_vehicle(address)
    with new_rider(address, "tok_chargeDeclined") as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={vehicle['id']}")
        page.get_by_role("button", name="Ride now").click()
        page.get_by_role("button", name="Unlock").click()
        failed = page.get_by_text("Payment failed. Please try another payment method.")
        expect(failed).to_be_visible()
        expect(page.get_by_text("You were not charged.")).to_be_visible()
        page.get_by_role("link", name="Another payment method").click()
        expect(page.get_by_role("heading", name="Payment methods")).to_be_visible()
        (booking,) = rider.get("/api/v1/bookings")["bookings"]
        assert booking["status"] == "cancelled"


def test_the_banks_question_is_passed(browser: Browser, address: str) -> None:
    """RNT-24: 3-D Secure on the way to the ride."""
    vehicle = free_vehicle(address)
    with new_rider(address, "tok_threeDSecure") as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={vehicle['id']}")
        page.get_by_role("button", name="Ride now").click()
        page.get_by_role("button", name="Unlock").click()
        page.get_by_role("button", name="Confirm at the bank").click()
        expect(page.get_by_role("button", name="End ride")).to_be_visible()
        end(page)


def two_by_the_river(address: str) -> tuple[str, str]:
    """Two scooters with a key instead of a device, side by side."""
    place = {"latitude": 52.5139, "longitude": 13.4264}
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        made = [
            admin.post(
                "/api/v1/vehicles",
                {"identifier": f"TWO-{ids.new().hex[-6:]}", "vehicle_type": "scooter",
                 "model": "Max", "brand": "Segway", "is_connected": False, "location": place},
            )["id"]
            for _ in range(2)
        ]  # fmt: skip
    return made[0], made[1]


def test_a_vehicle_that_somebody_else_took(browser: Browser, address: str) -> None:
    """RNT-16: the text, and what else is near."""
    vehicle, _ = two_by_the_river(address)
    with (
        new_rider(address) as rider,
        new_rider(address) as other,
        Stage(browser, address) as stage,
    ):
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={vehicle}")
        expect(page.get_by_role("button", name="Reserve for free")).to_be_enabled()
        taken = other.post("/api/v1/bookings", {"vehicle_id": vehicle})
        page.get_by_role("button", name="Reserve for free").click()
        gone = "This vehicle is no longer available. Here are other nearby options:"
        expect(page.get_by_role("alert")).to_contain_text(gone)
        expect(page.get_by_role("alert").get_by_role("button").first).to_be_visible()
        other.post(f"/api/v1/bookings/{taken['booking']['id']}/cancel")


def test_a_silent_vehicle_costs_nothing(browser: Browser, address: str) -> None:
    """RNT-27: the text, "not charged", and when to try again."""
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        made = admin.post(
            "/api/v1/scooters",
            {"identifier": f"QUIET-{ids.new().hex[-6:]}", "model": "Mute", "brand": "Silent",
             "location": {"latitude": 52.5225, "longitude": 13.4140}, "battery_level": 80},
        )  # fmt: skip
    with new_rider(address) as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={made['id']}")
        page.get_by_role("button", name="Ride now").click()
        page.get_by_role("button", name="Unlock").click()
        told = page.get_by_text("Vehicle may be offline. Try unlock again in 1 minute.")
        expect(told).to_be_visible()
        expect(page.get_by_text("You were not charged.")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("Again in"))).to_be_disabled()
        page.get_by_role("button", name="Cancel reservation").click()
        expect(page.get_by_text("No ride right now")).to_be_visible()


def test_an_outage_is_told_and_waited_for(browser: Browser, address: str) -> None:
    """RNT-28: the text; it comes back by itself."""
    with new_rider(address) as rider, Stage(browser, address) as stage:
        stage.sign_in(email_of(rider))
        page = stage.page
        down = {"error": {"code": "DATABASE_UNAVAILABLE", "message": "", "details": {}}}
        page.route("**/api/v1/rentals?*", lambda route: route.fulfill(status=503, json=down))
        stage.open("/app/rides")
        words = "We're experiencing issues. Please try again shortly."
        expect(page.get_by_role("alert")).to_contain_text(words)
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("No trip yet")).to_be_visible()


def test_without_webgl_the_list_is_enough(driver: Playwright, address: str) -> None:
    """A ride is possible in a browser that draws no map and has no camera."""
    vehicle = free_vehicle(address)
    browser = driver.chromium.launch(
        executable_path=chromium(),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-3d-apis",
            "--disable-software-rasterizer",
        ],
    )
    try:
        with new_rider(address) as rider, Stage(browser, address) as stage:
            stage.sign_in(email_of(rider))
            page = stage.open("/app/")
            expect(page.get_by_text("This device cannot draw the map")).to_be_visible()
            expect(page.get_by_role("heading", level=1)).to_contain_text("nearby")
            stage.open("/app/scan")
            page.get_by_label("Type the code").fill(vehicle["identifier"])
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Ride now").click()
            unlock(page)
            end(page)
    finally:
        browser.close()


def test_the_language_is_chosen_at_the_start(browser: Browser, address: str) -> None:
    """WEB-27: four languages; the terms come before anything else."""
    with Stage(browser, address, language="fr") as stage:
        stage.context.add_init_script("localStorage.removeItem('fahrwerk.greeted')")
        page = stage.open("/app/")
        expect(page.get_by_role("heading", name="Quelle langue\u202f?")).to_be_visible()
        page.get_by_role("button", name="Español").click()
        expect(page.get_by_role("heading", name="¿Qué idioma?")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "es"
        page.get_by_role("button", name="Siguiente").click()
        expect(page.get_by_role("button", name="Siguiente")).to_be_disabled()
        page.get_by_role("checkbox").check()
        for _ in range(4):
            page.get_by_role("button", name="Siguiente").click()
        page.get_by_role("button", name="¡Vamos!").click()
        expect(page.get_by_role("heading", name="Te damos la bienvenida")).to_be_visible()


def test_somebody_new_signs_up_and_adds_a_card(browser: Browser, address: str) -> None:
    """IDN-01 and the sandbox's card form; money is loaded (WAL-34)."""
    with Stage(browser, address, language="de") as stage:
        page = stage.open("/app/")
        page.get_by_role("button", name="Konto anlegen").click()
        page.get_by_label("Vorname").fill("Grete")
        page.get_by_label("Nachname").fill("Neu")
        page.get_by_label("E-Mail").fill(f"neu-{ids.new().hex[-12:]}@mobility.example")
        page.get_by_role("textbox", name="Passwort").fill(PASSWORD)
        page.get_by_role("button", name="Konto anlegen").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("in der Nähe")
        page.get_by_role("link", name="Zahlung").click()
        page.get_by_role("button", name="Karte hinzufügen").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Kartennummer").fill("4242424242424241")
        dialog.get_by_role("button", name="Karte hinzufügen").click()
        expect(dialog.get_by_text("Diese Kartennummer stimmt nicht.")).to_be_visible()
        dialog.get_by_label("Kartennummer").fill("4242424242424242")
        dialog.get_by_label("Gültig bis").fill("1230")
        dialog.get_by_label("Prüfzahl").fill("123")
        dialog.get_by_role("button", name="Karte hinzufügen").click()
        expect(page.get_by_text("Visa •••• 4242").first).to_be_visible()
        page.get_by_role("button", name="Aufladen").click()
        page.get_by_role("button", name=re.compile("20,00")).click()
        expect(page.get_by_text("20,00 € sind gutgeschrieben.")).to_be_visible()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus, as somebody without a mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "(document.activeElement?.getAttribute('aria-label')"
            " || document.activeElement?.textContent || '').trim()"
        )
        if told.startswith(name):
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_a_ride_with_the_keyboard_alone(browser: Browser, address: str) -> None:
    """WEB-26: reserve, check, unlock and end without a mouse or a finger."""
    vehicle = free_vehicle(address)
    with new_rider(address) as rider, Stage(browser, address, width=1440) as stage:
        stage.sign_in(email_of(rider))
        page = stage.open(f"/app/?v={vehicle['id']}")
        expect(page.get_by_role("button", name="Reserve for free")).to_be_enabled()
        tab_to(page, "Reserve for free")
        page.keyboard.press("Enter")
        expect(page.get_by_role("timer")).to_be_visible()
        for name in ("I am at the vehicle", "Unlock"):
            tab_to(page, name)
            page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="End ride")).to_be_visible()
        tab_to(page, "End ride")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="End ride")).to_be_focused()
        tab_to(page, "End ride")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Ride ended")).to_be_focused()
