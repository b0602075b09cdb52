"""The documentation's pictures of the rider app: ``make pictures`` takes them of a real ride.

Into docs/pictures/; a picture that has hardly changed is a diff for nothing, so take them when a
screen has changed, and look at them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from fahrwerk.sim import demo
from tests.web.stage import Api, Stage, email_of, lacking, launched, new_rider, platform_here

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INTO = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COLOURS = 256


def kept(page: Page, name: str) -> None:
    """A picture of the page, in few colours: small enough for a repository."""
    path = INTO / f"{name}.png"
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    sys.stdout.write(f"{path.name}: {path.stat().st_size // 1024} kB\n")


def near_alexanderplatz(address: str) -> str:
    """A vehicle that is near the place the pictures are taken at."""
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        found = admin.get("/api/v1/vehicles/search?lat=52.5219&lon=13.4132&radius=5000&limit=20")
    alive = [v for v in found["vehicles"] if not v.get("warning") and v["type"] == "scooter"]
    return str(alive[0]["id"])


def ride(browser: Browser, address: str, *, language: str, dark: bool, width: int) -> None:
    """One ride from the map to its receipt."""
    name = f"rider-{language}-{'dark' if dark else 'light'}-{'desktop' if width > 700 else 'phone'}"
    words = {
        "en": ("Reserve for free", "I am at the vehicle", "Unlock", "End ride", "Ride ended"),
        "de": ("Kostenlos reservieren", "Ich bin am Fahrzeug", "Entsperren", "Fahrt beenden",
               "Fahrt beendet"),
    }[language]  # fmt: skip
    look = {"language": language, "dark": dark, "width": width}
    with new_rider(address) as rider, Stage(browser, address, **look) as stage:  # type: ignore[arg-type]
        stage.sign_in(email_of(rider))
        page = stage.open("/app/")
        stage.is_drawn()
        page.get_by_role("list").last.wait_for()
        page.wait_for_timeout(1_000)
        kept(page, f"{name}-map")
        stage.open(f"/app/?v={near_alexanderplatz(address)}")
        stage.is_drawn()
        page.wait_for_timeout(1_500)
        kept(page, f"{name}-vehicle")
        page.get_by_role("button", name=words[0]).click()
        page.get_by_role("button", name=words[1]).click()
        page.get_by_role("button", name=words[2]).click()
        expect(page.get_by_role("button", name=words[3])).to_be_visible(timeout=20_000)
        stage.is_drawn()
        page.wait_for_timeout(12_000)
        kept(page, f"{name}-ride")
        page.get_by_role("button", name=words[3]).click()
        page.get_by_role("button", name=words[3]).click()
        expect(page.get_by_role("heading", name=words[4])).to_be_visible(timeout=20_000)
        kept(page, f"{name}-end")


def main() -> int:
    if (why := lacking()) is not None:
        sys.stderr.write(f"pictures: {why}\n")
        return 1
    INTO.mkdir(parents=True, exist_ok=True)
    with platform_here() as address, sync_playwright() as driver:
        browser = launched(driver)
        ride(browser, address, language="en", dark=False, width=390)
        ride(browser, address, language="de", dark=True, width=390)
        ride(browser, address, language="en", dark=False, width=1440)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
