"""Positions from a Traccar server: the JSON of its HTTP forwarder (``forward.type`` = ``json``).

Traccar speaks two hundred trackers' languages; what it has understood it posts as
``{"position": {...}, "device": {...}}``. Positions only: commands do not go this way. Speeds are
knots. Attributes have the units that Traccar prefers, where its own decoders keep to them; what is
out of range is left out rather than believed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from fahrwerk.fleet.protocols import Malformed, Reading

MOST_BYTES: Final = 1_000_000
MOST_POSITIONS: Final = 1_000
KMH_PER_KNOT: Final = 1.852


class Device(Struct, frozen=True, rename="camel"):
    """Who reported; ``unique_id`` is what its vehicle is paired with, mostly an IMEI."""

    unique_id: str


class Position(Struct, frozen=True, rename="camel"):
    """Where and when; ``fix_time`` is missing where the tracker had no position."""

    latitude: float
    longitude: float
    fix_time: str | None = None
    device_time: str | None = None
    valid: bool = True
    accuracy: float = 0.0
    speed: float = 0.0
    attributes: dict[str, Any] = {}


class Forwarded(Struct, frozen=True):
    """One post of the forwarder."""

    position: Position
    device: Device


class Report(Struct, frozen=True):
    """What one device reported."""

    unique_id: str
    reading: Reading


_BODY: Final = msgspec.json.Decoder(Forwarded | list[Forwarded])


def decode(body: bytes) -> list[Report]:
    """The reports in a body: one, or an array of up to 1,000. All are good, or ``Malformed``."""
    if len(body) > MOST_BYTES:
        raise Malformed("too_long", f"{len(body)} bytes")
    try:
        found = _BODY.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed("not_a_position", str(error)) from None
    posts = found if isinstance(found, list) else [found]
    if not 1 <= len(posts) <= MOST_POSITIONS:
        raise Malformed("too_many", f"{len(posts)} positions")
    return [Report(each.device.unique_id, _reading(each.position)) for each in posts]


def encode(posts: list[Forwarded]) -> bytes:
    """A body as Traccar would post it: one object for one position, else an array."""
    return msgspec.json.encode(posts[0] if len(posts) == 1 else posts)


def _reading(position: Position) -> Reading:
    if not (-90 <= position.latitude <= 90 and -180 <= position.longitude <= 180):
        raise Malformed("out_of_range", "latitude or longitude")
    attributes = position.attributes
    ignition, lock = attributes.get("ignition"), attributes.get("lock")
    return Reading(
        time=_time(position.device_time or position.fix_time or ""),
        latitude=position.latitude if position.valid else None,
        longitude=position.longitude if position.valid else None,
        accuracy_m=_number(position.accuracy, 0.1, 100_000),  # 0 = Traccar was not told
        speed_kmh=_number(position.speed * KMH_PER_KNOT, 0, 500) if position.valid else None,
        battery_level=_whole(_number(attributes.get("batteryLevel"), 0, 100)),
        voltage=_number(attributes.get("power"), 0, 1_500),
        temperature=_number(attributes.get("batteryTemp"), -100, 200),
        signal_strength=_whole(_number(attributes.get("rssi"), -200, -1)),  # bars are not dBm
        is_locked=_locked(lock, ignition),
        odometer_m=_whole(
            _number(attributes.get("odometer", attributes.get("totalDistance")), 0, 10**10)
        ),
    )


def _locked(lock: object, ignition: object) -> bool | None:
    """What the lock says, or, where there is none: a vehicle whose ignition is on is not locked.

    Ignition off says nothing: a rider may wait at a light.
    """
    if isinstance(lock, bool):
        return lock
    return False if ignition is True else None


def _time(text: str) -> datetime:
    """``2018-09-14T15:34:17.000+0000``; newer servers write ``+00:00`` or ``Z``."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Malformed("bad_time", f"{text!r:.40}") from None


def _number(value: object, low: float, high: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
