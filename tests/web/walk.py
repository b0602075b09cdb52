"""A walk through every screen of the rider app, in any language; whoever asks looks at each.

for name in rider_screens(stage, address, rider): picture it, or let axe look at it
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from fahrwerk.sim import demo
from tests.web.stage import ROOT, Api, Stage, email_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Route

WEB = ROOT / "web"
PHOTO = ROOT / "docs" / "city.png"


def _flat(texts: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _dictionary(source: str) -> dict[str, str]:
    """A dictionary of the apps as they write it: an object of objects and plain strings."""
    named = re.compile(r'"(?:[^"\\]|\\.)*"|([A-Za-z_]\w*):')
    text = named.sub(lambda m: m[0] if m[1] is None else f'"{m[1]}":', source)
    return dict(_flat(json.loads(re.sub(r",(\s*})", r"\1", text))))


@lru_cache
def words(language: str) -> dict[str, str]:
    """What the rider app says in this language, by its keys."""
    said: dict[str, str] = {}
    for path in (WEB / "lib/texts/shared.ts", WEB / "rider/door/texts.ts"):
        found = re.search(rf"const {language}\b[^=]*= ({{.*?\n}});", path.read_text(), re.DOTALL)
        assert found, (path, language)
        said |= _dictionary(found[1])
    own = re.search(r"({\n.*\n})", (WEB / f"rider/texts/{language}.ts").read_text(), re.DOTALL)
    assert own
    return said | _dictionary(own[1])


def free_vehicle(address: str) -> dict[str, Any]:
    """A connected scooter of the city that nobody has."""
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        found = admin.get("/api/v1/vehicles?status=available&type=scooter&limit=100")["vehicles"]
    alive = [
        v
        for v in found
        if v["warning"] is None
        and v["telemetry"]["last_seen"]
        and (v["battery"]["level"] or 0) > 40
    ]
    assert alive, "the city has no free scooter"
    chosen: dict[str, Any] = alive[-1]
    return chosen


class Walk:
    """One look at the app: a person who has not been here before, from the door to the receipt."""

    def __init__(self, stage: Stage, address: str, rider: Api, language: str) -> None:
        self.stage, self.page = stage, stage.page
        self.address, self.rider, self.says = address, rider, words(language)

    def __call__(self) -> Iterator[str]:
        """The name of each screen, when it is there."""
        yield from self.door()
        self.stage.sign_in(email_of(self.rider))
        yield from self.find()
        yield from self.ride()
        yield from self.account()

    def button(self, key: str, **values: str) -> Locator:
        return self.page.get_by_role("button", name=self._said(key, **values)).last

    def _said(self, key: str, **values: str) -> str:
        return re.sub(r"{{(\w+)}}", lambda m: values[m[1]], self.says[key])

    def is_settled(self) -> None:
        """A heading, and nothing that is about to be something else."""
        expect(self.page.get_by_role("heading").first).to_be_visible()
        expect(self.page.locator(".mantine-Skeleton-root:not([class*=over])")).to_have_count(0)

    def open(self, path: str) -> None:
        self.stage.open(path)
        self.is_settled()

    def door(self) -> Iterator[str]:
        self.stage.context.add_init_script("localStorage.removeItem('fahrwerk.greeted')")
        self.stage.open("/app/")
        expect(self.button("hello.next")).to_be_visible()
        yield "hello-language"
        self.button("hello.next").click()
        yield "hello-terms"
        self.page.get_by_role("checkbox").check()
        self.button("hello.next").click()
        yield "hello-lesson"
        self.button("hello.skip").click()
        self.button("signIn").wait_for()
        yield "door-sign-in"
        self.button("door.register").click()
        self.button("door.create").wait_for()
        yield "door-register"

    def find(self) -> Iterator[str]:
        self.open("/app/")
        expect(self.page.get_by_role("listitem").first).to_be_visible()
        self.stage.is_drawn()
        yield "find"
        self.page.get_by_role("button", name=self.says["find.filters"], exact=True).click()
        expect(self.page.get_by_role("dialog")).to_be_visible()
        yield "find-filters"
        self.page.keyboard.press("Escape")
        self.open("/app/scan")
        expect(self.page.get_by_role("textbox")).to_be_visible()
        yield "scan"
        self.page.get_by_role("textbox").fill("NOBODY-1")
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_text(self.says["error.UNKNOWN_VEHICLE"])).to_be_visible()
        yield "scan-unknown"

    def ride(self) -> Iterator[str]:
        vehicle = free_vehicle(self.address)
        self.open(f"/app/?v={vehicle['id']}")
        expect(self.button("vehicle.reserve")).to_be_enabled()
        self.stage.is_drawn()
        yield "vehicle"
        self.button("vehicle.reserve").click()
        expect(self.page.get_by_role("timer")).to_be_visible()
        yield "reserved"
        self.button("trip.atVehicle").click()
        expect(self.button("trip.unlock")).to_be_visible()
        yield "check"
        self.button("trip.fault").click()
        yield "fault"
        self.open("/app/trip")
        self.button("trip.atVehicle").click()
        held: list[Route] = []  # the vehicle's answer waits until the steps were looked at
        self.page.route("**/unlock", lambda route: held.append(route))
        self.button("trip.unlock").click()
        expect(self.page.get_by_role("list", name=self.says["trip.unlocking"])).to_be_visible()
        yield "unlocking"
        for each in held:
            each.continue_()
        self.page.unroute("**/unlock")
        expect(self.button("ride.end")).to_be_visible()
        self.stage.is_drawn()
        yield "ride"
        self.stage.context.set_offline(True)
        expect(self.page.get_by_text(self.says["offline.banner"])).to_be_visible()
        yield "ride-offline"
        self.stage.context.set_offline(False)
        self.button("ride.end").click()
        self.page.set_input_files("input[type=file]", str(PHOTO))
        expect(self.page.get_by_alt_text(self.says["end.photoAlt"])).to_be_visible()
        yield "end"
        self.button("end.confirm").click()
        expect(self.page.get_by_role("heading", name=self.says["end.done"])).to_be_visible()
        yield "ended"
        self.button("end.receipt").click()
        expect(self.page.get_by_role("heading", name=self.says["receipt.rate"])).to_be_visible()
        self.is_settled()
        yield "receipt"

    def account(self) -> Iterator[str]:
        for place in ("rides", "wallet", "account", "help"):
            self.open(f"/app/{place}")
            yield place
            if place == "wallet":
                for key in ("wallet.topUp", "wallet.add"):
                    self.button(key).click()
                    expect(self.page.get_by_role("dialog")).to_be_visible()
                    yield key.replace(".", "-")
                    self.page.keyboard.press("Escape")
                    expect(self.page.get_by_role("dialog")).to_have_count(0)
