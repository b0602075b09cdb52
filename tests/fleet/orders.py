"""Orders for devices, and what comes back as one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fahrwerk.fleet.protocols import Heard, Order
from fahrwerk.kernel import ids

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=15)


def order(operation: str = "unlock", expires_at: datetime = LATER, **args: Any) -> Order:
    return Order(id=ids.new(), operation=operation, expires_at=expires_at, args=args)


def only(heard: Any) -> Heard:
    [one] = heard
    assert isinstance(one, Heard)
    return one
