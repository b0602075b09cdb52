"""What ``fahrwerk up`` says every few seconds, read from the published API."""

from __future__ import annotations

from typing import Any

import pytest

from fahrwerk.sim import pulse as pulses
from fahrwerk.sim.api import Api, Away
from fahrwerk.sim.pulse import Pulse
from tests.sim.frontdesk import FrontDesk, refusal

METRICS = """
# HELP fahrwerk_http_request_seconds HTTP requests
fahrwerk_http_request_seconds_bucket{le="0.1",method="GET",route="/ready",status="200"} 7.0
fahrwerk_http_request_seconds_count{method="GET",route="/ready",status="200"} 30.0
fahrwerk_http_request_seconds_count{method="POST",route="/bookings",status="201"} 1.2e+01
fahrwerk_http_request_seconds_sum{method="GET",route="/ready",status="200"} 0.4
"""


class Office(FrontDesk):
    """A desk with numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = {"active": 3, "completed": 120, "available": 380, "offline": 2}

    def _usual(self, what: str, body: Any) -> tuple[int, Any]:
        if what == "GET /metrics":
            return 200, METRICS
        if "status" in body:
            return 200, {"pagination": {"total": self.totals[body["status"]]}}
        return super()._usual(what, body)


async def test_the_pulse_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, now = Office(), 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(pulses, "Api", lambda url, tenant: Api(url, tenant, transport=desk))
    pulse = Pulse("http://desk")
    now += 10
    assert str(await pulse.read()) == (
        "3 riding, 120 rides so far, 380 available, 2 offline, 4 requests/s"
    )
    desk.totals = {**desk.totals, "active": 4, "offline": 9}
    now += 5
    beat = await pulse.read()
    assert (beat.riding, beat.offline, beat.requests_per_s) == (4, 2, 0), "the fleet less often"
    now += pulses.FLEET_EVERY_S
    assert (await pulse.read()).offline == 9


async def test_a_refusal_is_not_taken_for_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Office()
    monkeypatch.setattr(pulses, "Api", lambda url, tenant: Api(url, tenant, transport=desk))
    desk.first("GET /api/v1/vehicles", refusal(403, "PERMISSION_DENIED"))
    with pytest.raises(Away, match="403 PERMISSION_DENIED"):
        await Pulse("http://desk").read()
