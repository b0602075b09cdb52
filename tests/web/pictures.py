"""The documentation's pictures of both apps: ``make pictures`` takes them of a real ride.

Into docs/pictures/, at twice a screen's points; a picture that has hardly changed is a diff for
nothing, so take them when a screen has changed, and look at them.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from fahrwerk.sim import demo
from tests.web.stage import Api, Stage, email_of, lacking, launched, new_rider, platform_here
from tests.web.walk import Walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

INTO = Path(__file__).resolve().parents[2] / "docs" / "pictures"
QUALITY = 82
LARGEST_IN_SUM = 1_500_000
RIDDEN_MS = 14_000
"""Until there is a way to be seen on the map."""
VEHICLES, RIDERS = 1.0, 24
SETTLED_MS = 1_500
"""For tiles, pins and figures that come one after the other."""


def kept(page: Page, name: str) -> None:
    """A picture of the page as it is now."""
    page.wait_for_timeout(SETTLED_MS)
    path = INTO / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).save(path, quality=QUALITY, method=6)
    sys.stdout.write(f"{path.name}: {path.stat().st_size // 1024} kB\n")


def near_alexanderplatz(address: str) -> str:
    """A vehicle that is near the place the pictures are taken at."""
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        found = admin.get("/api/v1/vehicles/search?lat=52.5219&lon=13.4132&radius=5000&limit=20")
    alive = [v for v in found["vehicles"] if not v.get("warning") and v["type"] == "scooter"]
    return str(alive[0]["id"])


def ride(browser: Browser, address: str) -> None:
    """One ride from the map to its end."""
    with new_rider(address) as rider, Stage(browser, address, device_scale_factor=2) as stage:
        stage.sign_in(email_of(rider))
        walk = Walk(stage, address, rider, "en")
        walk.open("/app/")
        expect(stage.page.get_by_role("listitem").first).to_be_visible()
        stage.is_drawn()
        kept(stage.page, "rider-find")
        walk.open(f"/app/?v={near_alexanderplatz(address)}")
        stage.is_drawn()
        kept(stage.page, "rider-vehicle")
        for key in ("vehicle.reserve", "trip.atVehicle", "trip.unlock"):
            walk.button(key).click()
        expect(walk.button("ride.end")).to_be_visible()
        stage.is_drawn()
        stage.page.wait_for_timeout(RIDDEN_MS)
        kept(stage.page, "rider-ride")
        walk.button("ride.end").click()
        walk.button("end.confirm").click()
        expect(stage.page.get_by_role("heading", name="Ride ended")).to_be_visible()
        kept(stage.page, "rider-end")


def others(browser: Browser, address: str) -> None:
    """The same app in the dark and on a desk."""
    for name, look in (
        ("rider-dark", {"language": "de", "dark": True}),
        ("rider-desktop", {"width": 1280}),
    ):
        with (
            new_rider(address) as rider,
            Stage(browser, address, device_scale_factor=2, **look) as stage,
        ):
            stage.sign_in(email_of(rider))
            Walk(stage, address, rider, "en").open("/app/")
            expect(stage.page.get_by_role("listitem").first).to_be_visible()
            stage.is_drawn()
            kept(stage.page, name)


def console(browser: Browser, address: str) -> None:
    """The operator's side of the same city."""
    with Stage(browser, address, width=1440, device_scale_factor=2) as stage:
        stage.sign_in(demo.ADMIN.email, demo.ADMIN.password)
        for name, path in (
            ("console-overview", "/console/"),
            ("console-fleet", "/console/vehicles"),
            ("console-zones", "/console/zones"),
            ("console-rentals", "/console/rentals"),
        ):
            page = stage.open(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator(".mantine-Skeleton-root:visible")).to_have_count(0)
            if name in ("console-fleet", "console-zones"):
                stage.is_drawn()
            kept(page, name)


def main() -> int:
    if (why := lacking()) is not None:
        sys.stderr.write(f"pictures: {why}\n")
        return 1
    INTO.mkdir(parents=True, exist_ok=True)
    with platform_here("bundled", VEHICLES, RIDERS) as address, sync_playwright() as driver:
        browser = launched(driver)
        for take in (ride, others, console):
            take(browser, address)
        browser.close()
    weight = sum(path.stat().st_size for path in INTO.iterdir())
    sys.stdout.write(f"{weight // 1024} kB in sum\n")
    return 0 if weight < LARGEST_IN_SUM else 1


if __name__ == "__main__":
    sys.exit(main())
