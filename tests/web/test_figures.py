"""What the apps weigh in a browser, printed (WEB-08, WEB-30): ``make webtest ARGS="--measure"``.

Not part of CI: a figure of a busy machine says nothing. The bounds are those of the goals.
"""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from fahrwerk.sim import demo
from tests.web.stage import Stage, email_of, new_rider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession, Route

pytestmark = [pytest.mark.process, pytest.mark.timeout(1800)]
SLOW_3G = {
    "offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000,
}  # fmt: skip
"""WebPageTest's slow 3G, which DevTools calls 3G: 400 ms to each answer, 400 kbit/s for all."""
CPU_SLOWER = 4
USABLE_S, VISITS = 3.0, 3
MANY, DRAWN_S, SCROLLED_MS = 50_000, 8.0, 3_000
CHANGED = 2_000
MINUTES = float(os.environ.get("FAHRWERK_WEB_MINUTES", "10"))
GROWS_AT_MOST = 1.25
"""The heap after the last minute to that after the first, both without garbage."""
KEPT = """async () => {
    for (let before = -1, now = 0; ; before = now) {
        const [name] = await caches.keys();
        now = name ? (await (await caches.open(name)).keys()).length : 0;
        if (now > 20 && now === before) return;
        await new Promise((done) => setTimeout(done, 2_000));
    }
}"""
"""Resolves when the service worker has fetched all it keeps: a later visit is another minute."""


@pytest.fixture(autouse=True)
def _asked_for(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.option.measure:
        pytest.skip("with --measure only")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Past pytest's own capture: a figure is for whoever started it."""

    def print_it(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201

    return print_it


def test_usable_on_a_cheap_phone(browser: Browser, address: str, say: Any) -> None:
    """From the address to a form that takes input; on a later visit, to vehicles to choose from."""
    first: list[float] = []
    later: list[float] = []
    with new_rider(address) as rider:
        for _ in range(VISITS):
            with Stage(browser, address, keeps=True) as stage:
                page = stage.page
                tools = _slowed(stage)
                began = time.monotonic()
                page.goto(f"{address}/app/", wait_until="commit")
                page.get_by_label("E-mail or phone").fill("ada@example.org")
                first.append(time.monotonic() - began)
                page.evaluate("navigator.serviceWorker.ready.then(() => true)")
                page.evaluate(KEPT)
                stage.sign_in(email_of(rider))
                began = time.monotonic()
                page.goto(f"{address}/app/", wait_until="commit")
                page.get_by_role("listitem").get_by_role("button").first.click(trial=True)
                later.append(time.monotonic() - began)
                tools.detach()
    say(
        "rider app, 400 kbit/s with 400 ms and a quarter of a processor, "
        f"median of {VISITS}: the form takes input after {_middle(first):.1f} s on the first "
        f"visit, vehicles after {_middle(later):.1f} s on a later one"
    )
    assert _middle(first) < USABLE_S
    assert _middle(later) < USABLE_S


def _slowed(stage: Stage) -> CDPSession:
    tools = stage.context.new_cdp_session(stage.page)
    tools.send("Network.enable")
    tools.send("Network.emulateNetworkConditions", SLOW_3G)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWER})
    return tools


def _middle(of: list[float]) -> float:
    return sorted(of)[len(of) // 2]


def columns(numbers: list[int], cursor: int, chance: random.Random) -> dict[str, Any]:
    """Vehicles as the live API sends them: a city with its edges thin."""
    count = len(numbers)
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cursor": str(cursor),
        "count": count, "types": ["scooter", "ebike", "car", "van"],
        "statuses": ["available", "reserved", "in_use", "maintenance", "offline", "retired"],
        "origin": [5_252_000, 1_340_500],
        "id": [f"sco_{n:022}" for n in numbers],
        "identifier": [f"MA-{n:05}" for n in numbers],
        "type": chance.choices(range(4), (70, 20, 7, 3), k=count),
        "status": chance.choices(range(5), (80, 2, 10, 5, 3), k=count),
        "latitude": [round(chance.gauss(0, 3_000)) for _ in numbers],
        "longitude": [round(chance.gauss(0, 6_000)) for _ in numbers],
        "battery": [chance.randrange(101) for _ in numbers],
        "age": [chance.randrange(60) for _ in numbers],
        "flags": [3] * count,
    }  # fmt: skip


def _changes() -> Iterator[str]:
    """Events of the live stream: some of the fleet, elsewhere."""
    chance, cursor = random.Random(5), 1
    while True:
        cursor += 1
        some = columns(chance.sample(range(MANY), CHANGED), cursor, chance)
        yield f"event: vehicles\ndata: {json.dumps(some)}\n\n"


def test_fifty_thousand_vehicles(browser: Browser, address: str, say: Any) -> None:
    """From the page's start to a drawn map and table; its table scrolls; minutes of changes.

    The fleet is made here, as the platform would send it: the figures are the browser's. A change
    of 2,000 vehicles comes with each connection of the stream, about every second.
    """
    body = json.dumps(columns(list(range(MANY)), 1, random.Random(4)))
    changes, moving = _changes(), {"on": False}

    def fleet(route: Route) -> None:
        route.fulfill(body=body, content_type="application/json")

    def stream(route: Route) -> None:
        said = next(changes) if moving["on"] else ": nothing yet\n\n"
        route.fulfill(body=said, content_type="text/event-stream")

    with Stage(browser, address, width=1440) as stage:
        stage.sign_in(demo.ADMIN.email, demo.ADMIN.password)
        page = stage.page
        page.route("**/api/v1/fleet/live", fleet)
        page.route("**/api/v1/fleet/live/stream**", stream)
        began = time.monotonic()
        stage.open("/console/vehicles")
        drawn = page.locator(f"[data-testid=fleet-map][data-ready][data-shown='{MANY}']")
        expect(drawn).to_be_visible(timeout=180_000)
        took = time.monotonic() - began
        expect(page.get_by_text("50,000 rows")).to_be_visible()
        scrolled = page.evaluate("""() => new Promise((done) => {
            const grid = document.querySelector('[role=grid]'); const began = performance.now();
            grid.scrollTop = grid.scrollHeight;
            const look = () => {
                if (grid.textContent.includes('MA-49999')) done(performance.now() - began);
                else requestAnimationFrame(look);
            };
            look(); })""")
        say(
            f"{MANY:,} vehicles: drawn after {took:.1f} s, scrolled to the end in {scrolled:.0f} ms"
        )
        tools = stage.context.new_cdp_session(page)
        moving["on"] = True
        heaps: list[float] = []
        for minute in range(1, round(MINUTES) + 1):
            page.wait_for_timeout(60_000)
            tools.send("HeapProfiler.collectGarbage")
            heaps.append(page.evaluate("performance.memory.usedJSHeapSize / 1e6"))
            say(f"minute {minute} of changes: {heaps[-1]:.0f} MB of heap")
    assert took < DRAWN_S
    assert scrolled < SCROLLED_MS
    assert not heaps or heaps[-1] < heaps[0] * GROWS_AT_MOST
