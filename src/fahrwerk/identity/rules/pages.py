"""How long a browser stays logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel.call import RIDERS

if TYPE_CHECKING:
    from collections.abc import Collection

_DAY_S = 86_400
RIDER_S = (14 * _DAY_S, 90 * _DAY_S)
STAFF_S = (8 * 3_600, _DAY_S)


def lifetime_of(roles: Collection[str]) -> tuple[int, int]:
    """Seconds without use, and seconds in all: a working day for staff, whose screens others see;
    long for riders, who want to unlock and go."""
    return STAFF_S if set(roles) - RIDERS else RIDER_S
