"""A stand-in for the platform's HTTP side: just enough to see what a simulated rider asks for.

It answers every request with success in the published shapes; a test scripts what differs.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from typing import Any

import httpx
import msgspec

from fahrwerk.sim.api import Api, Session
from fahrwerk.sim.phone import Phone

PLACE = {"lat": 52.52, "lon": 13.405}


class FrontDesk(httpx.AsyncBaseTransport):
    """``script["POST /bookings"]`` holds answers to give first: (status, body), or an exception."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.keys: list[tuple[str, str | None]] = []
        self.script: dict[str, deque[tuple[int, Any] | Exception]] = defaultdict(deque)
        self.vehicles: list[dict[str, Any]] = [seen(f"sco_{n}") for n in (1, 2)]
        self.methods: list[dict[str, Any]] = []
        self.unfinished: list[dict[str, Any]] = []

    def first(self, what: str, *answers: tuple[int, Any] | Exception) -> None:
        """Before the usual answer, give these to requests like ``POST /bookings/*/cancel``."""
        self.script[what].extend(answers)

    def count(self, what: str) -> int:
        """How often this was asked."""
        return sum(each == what for each, _ in self.asked)

    def body(self, what: str) -> Any:
        """What came with the last request of this kind."""
        return next(body for each, body in reversed(self.asked) if each == what)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        parts = [
            "*" if "_" in part and not part.startswith("confirm") else part
            for part in request.url.path.split("/")
        ]
        what = f"{request.method} {'/'.join(parts)}"
        raw = await request.aread()
        body = msgspec.json.decode(raw) if raw else dict(request.url.params)
        self.asked.append((what, body))
        self.keys.append((what, request.headers.get("idempotency-key")))
        answer = self.script[what].popleft() if self.script[what] else self._usual(what, body)
        if isinstance(answer, Exception):
            raise answer
        status, shown = answer
        return httpx.Response(status, json=shown, request=request)

    def _usual(self, what: str, body: Any) -> tuple[int, Any]:
        if what.endswith(("/auth/login", "/auth/refresh")):
            return 200, {"access_token": "access", "refresh_token": "refresh", "expires_in": 3600}
        if what.endswith("/vehicles/search"):
            return 200, {"vehicles": self.vehicles, "count": len(self.vehicles)}
        if what.endswith("/payment-methods"):
            if what.startswith("GET"):
                return 200, {"payment_methods": self.methods}
            last4 = "4242" if body["gateway_token"] == "tok_visa" else "0002"
            self.methods.append({"id": f"pm_{last4}", "last4": last4})
            return 201, self.methods[-1]
        if what == "POST /bookings":
            return 201, {"booking": {"id": "rent_1", "status": "pending"}}
        if what == "GET /bookings":
            return 200, {"bookings": [b for b in self.unfinished if b["status"] == body["status"]]}
        if what.endswith("/status"):
            return 200, {"id": "rent_1", "status": "active"}
        return 200, {}


def seen(vehicle_id: str, battery: int = 80) -> dict[str, Any]:
    """A vehicle as the search shows it (RNT-03)."""
    return {"id": vehicle_id, "battery": battery, "location": PLACE, "distance_meters": 80}


def refusal(status: int, code: str, **details: Any) -> tuple[int, Any]:
    """An answer in the one error format (API-02)."""
    return status, {"error": {"code": code, "message": code, "details": details}}


def phone_at(desk: FrontDesk) -> Phone:
    """A rider's phone whose requests come to this desk."""
    api = Api("http://desk", "mobility", transport=desk)
    return Phone(Session(api, "ada@example.org", "a good password", random.Random(1)))
