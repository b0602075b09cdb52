"""The rider's app: the requests of one person, in the words of the published API.

Every verb is one or two requests through a patient session; what the platform refuses comes back
as its answer, not as an exception. ``Away`` is raised when it cannot be reached for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fahrwerk.sim.api import Answer, Session
    from fahrwerk.sim.rider import Intent
    from fahrwerk.sim.streets import Place

GOOD_CARD, BAD_CARD = "tok_visa", "tok_chargeDeclined"


class Seen(msgspec.Struct, frozen=True):
    """A vehicle as the search shows it."""

    id: str
    battery: int | None
    lat: float
    lon: float
    distance_m: int


class Phone:
    """One person's app."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._cards: dict[str, str] = {}

    async def sign_up(
        self, first_name: str, last_name: str, *, is_new: bool = False, locale: str = "de"
    ) -> bool:
        """Log in, registering first who is new, with a card to pay by; False when refused."""
        session = self.session
        if is_new or not (await session.log_in()).ok:
            made = await session.register(first_name, last_name, locale)
            if not made.ok or not (await session.log_in()).ok:
                return False
        return await self.card(GOOD_CARD) is not None

    async def card(self, token: str) -> str | None:
        """The method made from this token of the gateway: found, else added."""
        if token not in self._cards:
            answer = await self.session.ask("GET", "/api/v1/payment-methods")
            last4 = {GOOD_CARD: "4242", BAD_CARD: "0002"}[token]
            for method in answer.find("payment_methods") or []:
                if method.get("last4") == last4:
                    self._cards[token] = method["id"]
        if token not in self._cards:
            body = {"gateway_token": token, "make_default": token == GOOD_CARD}
            answer = await self.session.ask("POST", "/api/v1/payment-methods", body)
            if not answer.ok:
                return None
            self._cards[token] = answer.find("id")
        return self._cards[token]

    async def search(self, place: Place, vehicle_type: str, radius_m: int) -> list[Seen]:
        """Available vehicles, nearest first (RNT-02)."""
        answer = await self.session.ask(
            "GET",
            "/vehicles/search",
            lat=round(place.lat, 4),  # about 10 m: apps round, and so more searches are the same
            lon=round(place.lon, 4),
            type=vehicle_type,
            radius=radius_m,
        )
        return [
            Seen(
                v["id"],
                v["battery"],
                v["location"]["lat"],
                v["location"]["lon"],
                v["distance_meters"],
            )
            for v in answer.find("vehicles") or []
        ]

    async def book(self, vehicle_id: str, intent: Intent) -> Answer:
        """Reserve (RNT-11)."""
        body: dict[str, Any] = {
            "vehicle_id": vehicle_id,
            "estimated_duration_minutes": intent.minutes,
            "business_trip": intent.is_business,
        }
        if intent.promo_code:
            body["promo_code"] = intent.promo_code
        return await self.session.ask("POST", "/bookings", body)

    async def pay(self, booking_id: str, card: str) -> Answer:
        """Have the payment authorised (RNT-19)."""
        return await self.session.ask(
            "POST", f"/bookings/{booking_id}/confirm-payment", {"payment_method_id": card}
        )

    async def cancel(self, booking_id: str) -> Answer:
        """Give a booking back."""
        return await self.session.ask("POST", f"/bookings/{booking_id}/cancel")

    async def unlock(self, vehicle_id: str) -> Answer:
        """Open the vehicle (FLT-24)."""
        return await self.session.ask("POST", f"/vehicles/{vehicle_id}/unlock")

    async def lock(self, vehicle_id: str) -> Answer:
        """Close it for a while, the ride goes on (FLT-26)."""
        return await self.session.ask("POST", f"/vehicles/{vehicle_id}/lock")

    async def status(self, rental_id: str) -> Answer:
        """How the ride goes (RNT-38)."""
        return await self.session.ask("GET", f"/api/v1/rentals/{rental_id}/status")

    async def ridden(self, rental_id: str) -> str:
        """The id of the vehicle of a ride; empty when there is no such ride."""
        answer = await self.session.ask("GET", f"/api/v1/rentals/{rental_id}")
        return str(answer.find("vehicle", "id") or "")

    async def end(self, rental_id: str, place: Place, address: str, intent: Intent) -> Answer:
        """End the ride here (RNT-41)."""
        body: dict[str, Any] = {
            "end_location": {
                "latitude": round(place.lat, 6),
                "longitude": round(place.lon, 6),
                "address": address,
            }
        }
        if intent.stars is not None:
            body["rating"] = intent.stars
        if intent.feedback is not None:
            body["feedback"] = intent.feedback
        return await self.session.ask("POST", f"/api/v1/rentals/{rental_id}/end", body)

    async def unfinished(self) -> list[tuple[str, str]]:
        """Own bookings and rides that are still open: ids and states."""
        found: list[tuple[str, str]] = []
        for state in ("pending", "confirmed", "in_progress"):
            answer = await self.session.ask("GET", "/bookings", status=state, limit=20)
            found += [(b["id"], b["status"]) for b in answer.find("bookings") or []]
        return found
