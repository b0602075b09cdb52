"""Traccar: what its HTTP forwarder posts; whole bodies, and nothing goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from fahrwerk.fleet.protocols import Heard, Order, Unsupported, traccar
from tests.fleet.devices import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

FORWARDED = {
    "position": {
        "id": 18336,
        "attributes": {
            "batteryLevel": 83, "ignition": True, "odometer": 1284310.4, "distance": 12.5,
            "totalDistance": 449672.22, "power": 40.3, "rssi": 4, "motion": True,
        },
        "deviceId": 7, "protocol": "teltonika", "serverTime": "2018-09-14T15:34:17.906+0000",
        "deviceTime": "2018-09-14T15:34:17.000+0000", "fixTime": "2018-09-14T15:34:17.000+0000",
        "outdated": False, "valid": True, "latitude": 49.0156556, "longitude": 8.3975169,
        "altitude": 115.0, "speed": 10.0, "course": 270.0, "address": None, "accuracy": 4.5,
        "network": None,
    },
    "device": {
        "id": 7, "attributes": {}, "name": "Golf", "uniqueId": "356307042441013",
        "status": "online", "lastUpdate": "2018-09-14T15:34:17.906+0000", "category": None,
    },
}  # fmt: skip
"""One position, with the members that Traccar 4 and 5 send."""
BODY = msgspec.json.encode(FORWARDED)
BATCH = msgspec.json.encode([FORWARDED, FORWARDED])


class Posts:
    """A view of the posts as a conversation in which only the device speaks."""

    capabilities: ClassVar[frozenset[str]] = frozenset()
    most_kept: ClassVar[int] = 0
    refusal: ClassVar[bytes] = b""
    kept = 0

    def is_busy(self, now: datetime) -> bool:
        return False

    def hear(self, data: bytes, now: datetime) -> Iterator[Heard]:
        for report in traccar.decode(data):
            yield Heard(imei=report.unique_id, readings=(report.reading,))

    def tell(self, order: Order, now: datetime) -> bytes:
        raise Unsupported(order.operation)


class Forwarder:
    is_locked = True

    def hello(self) -> bytes:
        return BODY

    def take(self, data: bytes) -> bytes:
        raise AssertionError("nothing is said to Traccar")


SUBJECT = Subject(
    "traccar", Posts, Forwarder, (BODY, BATCH), imei="356307042441013", is_stream=False
)
