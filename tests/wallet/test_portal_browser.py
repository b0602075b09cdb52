"""The portal in a real browser: the balance moves by itself, and nothing breaks the policy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from fahrwerk.identity import contract as identity
from tests.world import PASSWORD, World, http_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PAGES = ("/portal/", "/portal/transactions", "/portal/billing", "/portal/usage",
         "/portal/methods", "/portal/rides", "/cookies", "/legal/privacy")  # fmt: skip

pytestmark = pytest.mark.process


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The application on a port of its own, in this process."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        config = uvicorn.Config(http_app(), lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(server.serve(sockets=[place]))
        try:
            yield port
        finally:
            server.should_exit = server.force_exit = True
            await task


@contextlib.asynccontextmanager
async def browser_page(address: str, troubles: list[str]) -> AsyncIterator[Page]:
    """A phone-sized page of a fresh browser; what goes wrong in it is collected."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(
            base_url=address, viewport={"width": 390, "height": 844}, locale="en-GB"
        )
        context.on("page", lambda page: watch(page, troubles))
        try:
            yield await context.new_page()
        finally:
            await browser.close()


def watch(page: Page, troubles: list[str]) -> None:
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console",
        lambda said: troubles.append(said.text) if said.type in ("error", "warning") else None,
    )


async def log_in(page: Page, world: World) -> None:
    rider = await world.rider()
    assert rider.user is not None
    person = await identity.person(world.system(), rider.user)
    await page.goto("/portal/methods")
    await page.fill("[name=login]", person.email or "")
    await page.fill("[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_url("**/portal/methods")
    await page.click("text=Only necessary")


@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium on this machine")
async def test_a_top_up_moves_the_balance_in_another_tab(world: World) -> None:
    """WAL-04, 06, 07, 10, 23: a card is added, 100 EUR loaded; a tab beside it shows it by itself.

    No script error, nothing the content policy stopped, nothing wider than a phone.
    """
    troubles: list[str] = []
    async with served() as port:
        address = f"http://{world.operator.slug}.localhost:{port}"
        async with browser_page(address, troubles) as page:
            await log_in(page, world)
            await page.click("main >> text=Add >> nth=-1")
            await page.wait_for_selector("text=Visa ending in 4242")
            beside = await page.context.new_page()
            await beside.goto("/portal/")
            await beside.wait_for_selector("[data-live]:not([hidden])")
            balance = beside.locator("[data-value=formatted]")
            assert await balance.text_content() == "€0.00"
            assert await beside.locator("[data-low]").is_visible()
            await page.goto("/portal/billing")
            await page.fill("[name=amount]", "100")
            assert await page.text_content("[data-preview]") == "You get €10.00 on top."
            await page.click("text=Top up now")
            await page.wait_for_url("**/portal/billing/success**")
            await world.settle()
            await playwright.expect(balance).to_have_text("€110.00")
            await playwright.expect(beside.locator("[data-low]")).to_be_hidden()
            await page.wait_for_selector("[data-topup=credited]")
            for path in PAGES:
                await page.goto(path)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= 390, path
            await page.click("text=Log out")
            await page.wait_for_url("**/login")
    assert troubles == []
