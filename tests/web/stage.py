"""A platform with its city and a browser in front of it: what the tests of both apps stand on.

``FAHRWERK_WEB_TESTS_AT=http://localhost:8080`` uses a platform that is running already. When a test
fails, its page's picture and trace stay in ``build/web/`` (``playwright show-trace``).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

from fahrwerk.front import pages
from fahrwerk.kernel import ids
from fahrwerk.sim import demo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
STARTED_WITHIN_S, STOPPED_WITHIN_S = 180, 25
WAIT_MS = 60_000
"""For whatever must come: a machine may be busy, and what never comes fails all the same."""
expect.set_options(timeout=WAIT_MS)
ENOUGH = 15
"""Scooters of the city, before the first test."""
FAILED = ROOT / "build" / "web"
ALEX = {"latitude": 52.5219, "longitude": 13.4132, "accuracy": 10}
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
# What a page may not say on its console: the policy was broken, a script failed.
BAD_WORDS = re.compile(r"Content Security Policy|Uncaught|is not defined|Minified React")


def chromium() -> str | None:
    """Where the browser is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def lacking() -> str | None:
    """Why the browser tests cannot run here; None when they can."""
    if not pages.is_built():
        return "the web apps are not built here: make web"
    if chromium() is None:
        return "chromium is not installed (Debian: apt install chromium)"
    return None


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


@contextmanager
def platform_here(
    map_style: str = "none", vehicles: float = 0.15, riders: int = 2
) -> Iterator[str]:
    """A platform with a small city, on ports of its own; yields its address.

    Two riders: its map lives, and few vehicles are taken under a test's hands.

    Without a base map unless a picture is what is wanted: drawing one by software takes a core.
    """
    if (running := os.environ.get("FAHRWERK_WEB_TESTS_AT")) is not None:
        yield running
        return
    port, broker = _free_ports(2)
    address = f"http://localhost:{port}"
    with tempfile.TemporaryDirectory(prefix="fahrwerk-web-") as name, ExitStack() as running_here:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user reads it too
        log = running_here.enter_context((folder / "up.log").open("w"))

        def start(*command: str) -> subprocess.Popen[bytes]:
            others = {k: v for k, v in os.environ.items() if not k.startswith("FAHRWERK_")}
            limits = {"FAHRWERK_RATE_LIMITS": "all=100000/minute", "FAHRWERK_MAP_STYLE": map_style}
            process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env={**others, **limits}, cwd=ROOT,
            )  # fmt: skip
            running_here.callback(_stop, process)
            return process

        up = start(
            "fahrwerk.cli", "up", "--no-city", "--port", str(port), "--mqtt-port", str(broker),
            "--data", name, "--vehicles", str(vehicles),
        )  # fmt: skip
        try:
            _wait_ready(address, up)
            start("tests.web.city", address, f"mqtt://127.0.0.1:{broker}", name, str(riders))
            _wait(lambda: _is_alive(address), up)
        except AssertionError:
            raise AssertionError(
                f"the platform did not start:\n{(folder / 'up.log').read_text()[-3000:]}"
            ) from None
        yield address


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.HTTPError):
            if is_so():
                return
        time.sleep(0.3)
    raise AssertionError


def _wait_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    _wait(lambda: httpx.get(f"{address}/ready", timeout=5).status_code == 200, process)


def _is_alive(address: str) -> bool:
    """The city's vehicles are connected: enough of them were heard."""
    with Api(address, demo.ADMIN.email, demo.ADMIN.password) as admin:
        found = admin.get("/api/v1/vehicles?status=available&type=scooter&limit=100")["vehicles"]
    return sum(bool(each["telemetry"]["last_seen"]) for each in found) >= ENOUGH


_tokens: dict[tuple[str, str], str] = {}
"""By address and person: a password is checked slowly on purpose, so once."""


class Api:
    """The platform's API as one person."""

    def __init__(self, address: str, email: str, password: str) -> None:
        self.address = address
        self.client = httpx.Client(
            base_url=address, headers={"X-Tenant-ID": demo.TENANT}, timeout=WAIT_MS / 1000
        )
        if (who := (address, email)) not in _tokens:
            body = {"email": email, "password": password}
            _tokens[who] = self.send("POST", "/api/v1/auth/login", json=body)["access_token"]
        self.client.headers["Authorization"] = f"Bearer {_tokens[who]}"

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def send(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON; any error fails the test."""
        answer = self.client.request(method, path, **more)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, json=body if body is not None else {})


PASSWORD = "correct horse battery staple"


def new_rider(address: str, token: str | None = "tok_visa", first_name: str = "Ada") -> Api:
    """Somebody who has just registered, with a card of the sandbox."""
    email = f"web-{ids.new().hex[-12:]}@mobility.example"
    person = {"email": email, "password": PASSWORD, "tenant": demo.TENANT}
    person |= {"first_name": first_name, "last_name": "Browser"}
    httpx.post(f"{address}/api/v1/auth/register", json=person).raise_for_status()
    rider = Api(address, email, PASSWORD)
    rider.client.headers["X-Who"] = email
    if token is not None:
        rider.post("/api/v1/payment-methods", {"gateway_token": token, "make_default": True})
    return rider


def email_of(rider: Api) -> str:
    """Whose API this is."""
    return str(rider.client.headers["X-Who"])


def launched(driver: Playwright, *more: str) -> Browser:
    """Debian's Chromium, drawing in software."""
    return driver.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *more])


class Stage:
    """One person's browser in front of an app; fails on what the console should not say."""

    def __init__(
        self, browser: Browser, address: str, *, language: str = "en", dark: bool = False,
        width: int = 390, keeps: bool = False, **more: Any,
    ) -> None:  # fmt: skip
        """``keeps``: with the service worker, which fetches the whole app behind the page."""
        self.address = address
        self.said: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 844 if width < 700 else 900},
            locale={"de": "de-DE", "en": "en-GB", "fr": "fr-FR", "es": "es-ES"}[language],
            color_scheme="dark" if dark else "light",
            service_workers="allow" if keeps else "block",
            **({"geolocation": ALEX, "permissions": ["geolocation"]} | more),
        )
        self.context.add_init_script("localStorage.setItem('fahrwerk.greeted', 'true')")
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.context.tracing.start(snapshots=True)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(f"Uncaught {error}"))

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        bad = [each for each in self.said if BAD_WORDS.search(each)]
        if kind is not None:
            self._keep()
        self.context.close()
        if kind is None:
            assert not bad, bad

    def _keep(self) -> None:
        """What there was to see when the test failed; never a failure of its own."""
        FAILED.mkdir(parents=True, exist_ok=True)
        test = os.environ.get("PYTEST_CURRENT_TEST", "outside").partition(" ")[0].rpartition("/")[2]
        path = FAILED / f"{re.sub(r'[^A-Za-z0-9]+', '-', test)}-{ids.new().hex[-4:]}"
        with suppress(PlaywrightError):
            self.context.tracing.stop(path=f"{path}.zip")
            self.page.screenshot(path=f"{path}.png", timeout=10_000)
        said = "\n".join(["", *self.said[-20:]])
        sys.stdout.write(f"\n{self.page.url}\npicture and trace: {path}.png, {path}.zip{said}\n")

    def sign_in(self, email: str, password: str = PASSWORD, tenant: str = demo.TENANT) -> None:
        """By the session endpoint: the form has its own test."""
        answer = self.context.request.post(
            f"{self.address}/session",
            data={"email": email, "password": password, "tenant": tenant},
            headers={"Origin": self.address}, timeout=WAIT_MS,
        )  # fmt: skip
        assert answer.ok, answer.text()

    def open(self, path: str) -> Page:
        """Go to a path of the platform."""
        self.page.goto(f"{self.address}{path}")
        return self.page

    def is_drawn(self) -> None:
        """Wait until the map stands still."""
        self.page.locator("[data-idle=true]").first.wait_for()

    def axe(self) -> list[str]:
        """What axe finds that is serious or critical: rule and first place (WCAG 2.1 AA)."""
        if not AXE.is_file():
            pytest.skip("axe-core is not there: make web")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"
        )
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
