"""Nobody is shut out (WEB-25, WEB-26): axe finds nothing serious on any screen of either app.

Each screen is looked at in one of the eight looks, a different one for its neighbour; with
``make webtest ARGS="--all -k everybody"`` each in all eight, which takes half an hour.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

from fahrwerk.sim import demo
from tests.web.stage import ROOT, Api, Stage, new_rider
from tests.web.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.process, pytest.mark.timeout(1800)]


class Look(NamedTuple):
    """How an app is looked at."""

    language: str
    width: int
    dark: bool


LOOKS = [Look(*each) for each in product(("de", "en"), (390, 1440), (False, True))]
FEW = [LOOKS[1], LOOKS[6]]
"""A rider's ride takes a minute: in two looks unless all are asked for."""
CONSOLE = ROOT / "web" / "console"
PLATFORM_ONLY = {"/tenants"}
OPEN = [
    "/vehicles?view=list", "/vehicles?view=list&v={vehicle}", "/charging?new=1", "/zones?zone=new",
    "/zones?preview=1", "/maintenance?new={vehicle}",
]  # fmt: skip
"""What stands in the address alone; rows that open a panel and parts of a screen are found."""


def look_name(look: Look) -> str:
    return f"{look.language}-{look.width}-{'dark' if look.dark else 'light'}"


def routes() -> list[str]:
    """Every screen of the console's tables that needs no id."""
    found = [
        path
        for table in sorted(CONSOLE.glob("*/screens.ts"))
        for path in re.findall(r'path: "([^"$]+)"', table.read_text())
    ]
    assert len(found) > 20, found
    return found


@pytest.mark.parametrize("look", LOOKS, ids=look_name)
def test_the_rider_app(
    browser: Browser, address: str, look: Look, pytestconfig: pytest.Config
) -> None:
    if look not in FEW and not pytestconfig.option.every_look:
        pytest.skip("in this look with --all only")
    found: list[str] = []
    with (
        new_rider(address) as rider,
        Stage(browser, address, reduced_motion="reduce", **look._asdict()) as stage,
    ):
        for name in Walk(stage, address, rider, look.language)():
            found += [f"{name}: {each}" for each in stage.axe()]
            if stage.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{name}: wider than the screen")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", LOOKS, ids=look_name)
def test_the_console(
    browser: Browser, address: str, look: Look, pytestconfig: pytest.Config
) -> None:
    share = slice(None) if pytestconfig.option.every_look else slice(LOOKS.index(look), None, 8)
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        vehicle = admin.get("/api/v1/vehicles?limit=1")["vehicles"][0]["identifier"]
    screens = [each for each in routes() if each not in PLATFORM_ONLY] + OPEN
    found: list[str] = []
    with Stage(browser, address, reduced_motion="reduce", **look._asdict()) as stage:
        stage.sign_in(demo.ADMIN.email, demo.ADMIN.password)
        for screen in screens[share]:
            for name in console_screen(stage, screen.format(vehicle=vehicle)):
                found += shortcomings(stage, name, look.width)
    assert not found, "\n".join(found)


def test_the_platform_administrator(browser: Browser, address: str) -> None:
    """The operators' list, one of them open, and the wizard."""
    found: list[str] = []
    with Stage(browser, address, reduced_motion="reduce", width=1440) as stage:
        stage.sign_in(demo.PLATFORM.email, demo.PLATFORM.password, demo.PLATFORM.tenant)
        for screen in ("/tenants", "/tenants?wizard=1"):
            for name in console_screen(stage, screen):
                found += shortcomings(stage, name, 1440)
    assert not found, "\n".join(found)


def console_screen(stage: Stage, path: str) -> Iterator[str]:
    """A screen as it opens, each of its parts, and of each the first row's panel."""
    parts = [path]
    for part in parts:
        page = stage.open(f"/console{part}")
        settled(stage)
        yield part
        if part == path and "?" not in path:
            links = page.locator(f"main nav a[href^='/console{path}?part=']")
            parts += [str(each.get_attribute("href"))[len("/console") :] for each in links.all()]
        rows = page.get_by_role("grid").first.get_by_role("row")
        if "=" not in part.replace("part=", "") and rows.count() > 1:
            rows.nth(1).click(position={"x": 60, "y": 12})
            settled(stage)
            yield f"{part}, first row open"


def settled(stage: Stage) -> None:
    """The screen has its heading and what it waits for."""
    expect(stage.page.get_by_role("heading").first).to_be_visible()
    expect(stage.page.locator(".mantine-Skeleton-root:visible")).to_have_count(0)
    stage.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def shortcomings(stage: Stage, name: str, width: int) -> list[str]:
    found = [f"{name}: {each}" for each in stage.axe()]
    wide = stage.page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"{name}: {wide} px wide on a screen of {width}")
    said = stage.page.locator("body").inner_text()
    found += [f"{name}: no word for {key}" for key in re.findall(r"\b[a-z]+\.nav\b", said)]
    return found
