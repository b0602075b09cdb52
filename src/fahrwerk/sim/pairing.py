"""How simulated vehicles come to their keys: as staff would do it, over the API (FLT-16)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.protocols import fahrwerk_mqtt as wire
from fahrwerk.sim.api import Away
from fahrwerk.sim.memory import Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.sim.api import Session
    from fahrwerk.sim.memory import Book

LIST_AT_ONCE, PAIR_AT_ONCE = 100, 200


class Listed(msgspec.Struct, frozen=True):
    """A vehicle as the platform lists it."""

    id: str
    type: str
    latitude: float | None
    longitude: float | None
    battery_level: float


async def fleet_of(staff: Session) -> list[Listed]:
    """The operator's fleet, page by page. Raises ``Away`` when it is not shown."""
    found: list[Listed] = []
    while True:
        answer = await staff.ask("GET", "/api/v1/vehicles", limit=LIST_AT_ONCE, offset=len(found))
        if not answer.ok:
            raise Away(f"the fleet is not shown: {answer.code or answer.status}")
        page = [_read(each) for each in answer.find("vehicles")]
        found += page
        if not page or not answer.find("pagination", "has_more"):
            return found


async def pair(staff: Session, fleet: Sequence[Listed], book: Book) -> int:
    """Keys for the vehicles that have none in ``book`` yet, into it; how many those were.

    A vehicle that has its key keeps it: a new one would void it. Raises ``Away``.
    """
    missing = [each.id for each in fleet if each.id not in book.vehicles]
    for start in range(0, len(missing), PAIR_AT_ONCE):
        body = {"ids": missing[start : start + PAIR_AT_ONCE], "kind": "EdDSA"}
        answer = await staff.ask("POST", "/api/v1/vehicles/pair", body)
        if not answer.ok:
            raise Away(f"the vehicles were not paired: {answer.code or answer.status}")
        for key in answer.find("keys"):
            book.vehicles[key["vehicle_id"]] = _kept(key)
    return len(missing)


def _read(shown: dict[str, Any]) -> Listed:
    location = shown["location"] or {}
    level = shown["battery"]["level"]
    return Listed(
        shown["id"],
        shown["vehicle_type"],
        location.get("latitude"),
        location.get("longitude"),
        100.0 if level is None else level,
    )


def _kept(key: dict[str, str]) -> Kept:
    """A vehicle's half of a key as the platform shows it, once: base64url without padding."""

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    kind = msgspec.convert(key["kind"], wire.Algorithm)
    return Kept(kind, raw(key["signs_with"]), raw(key["checks_with"]))
