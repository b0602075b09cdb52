"""One platform and one browser for all browser tests of a worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.web import stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the platform is, with its city at work."""
    if (why := stage.lacking()) is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with stage.platform_here() as here:
        yield here


# For a module only: while it is open, its event loop is the running one of this thread, and no
# asynchronous test of another module could run.
@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """Playwright; the tests of the apps are plain functions."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(driver: Playwright) -> Iterator[Browser]:
    """One browser; each test has its own context."""
    browser = stage.launched(driver)
    yield browser
    browser.close()
