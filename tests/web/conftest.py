"""One platform and one browser for all browser tests of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.web import stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", dest="every_look",
        help="axe over every screen in every language, light and width, not each in one of them",
    )  # fmt: skip
    parser.addoption(
        "--measure", action="store_true", dest="measure",
        help="the figures: slow 3G, 50,000 vehicles, ten minutes of memory",
    )  # fmt: skip


@pytest.fixture(scope="session")
def address(pytestconfig: pytest.Config) -> Iterator[str]:
    """Where the platform is, with its city at work."""
    if (why := stage.lacking()) is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with stage.platform_here("bundled" if pytestconfig.option.measure else "none") as here:
        yield here


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """Playwright; the tests of the apps are plain functions.

    While it is open, its event loop is the running one of this thread, and no asynchronous test
    could run: these tests have a run of their own (``make webtest``).
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(driver: Playwright) -> Iterator[Browser]:
    """One browser; each test has its own context."""
    browser = stage.launched(driver)
    yield browser
    browser.close()
