"""Areas an operator works in, and the rules of their markets with the time they hold (TEN-25)."""

from __future__ import annotations

from datetime import datetime, time
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound, Refused

Helmet = Literal["none", "recommended", "required"]


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A city (TEN-11): a box around it, WGS 84."""

    id: UUID
    name: str
    country: str
    """ISO 3166: DE"""
    south: float
    west: float
    north: float
    east: float

    def has(self, latitude: float, longitude: float) -> bool:
        """True for a place within the box."""
        return self.south <= latitude <= self.north and self.west <= longitude <= self.east


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of a market: of the whole operator, or of one area, which then wins wholly.

    Currency and time zone are the operator's own: its books stand on them.
    """

    id: UUID
    area_id: UUID | None = None
    valid_from: datetime
    valid_until: datetime | None = None
    tax_rate_bp: int | None = None
    """Instead of the operator's own rate, while this holds; not for an area."""
    minimum_age: int | None = None
    helmet: Helmet = "none"
    quiet_from: time | None = None
    """Wall clock of the operator's time zone; no ride begins from here ..."""
    quiet_until: time | None = None
    """... to here, over midnight if it is earlier."""
    languages: list[str] = msgspec.field(default_factory=lambda: ["de", "en"])


class MinimumAge(msgspec.Struct, frozen=True):
    """How old one has to be to ride somewhere."""

    area: str | None
    """Its name; None: wherever no other is named."""
    years: int | None
    """None: no minimum."""


class Places(msgspec.Struct, frozen=True):
    """Boxes: what a scope of areas means for whoever looks for places."""

    south: list[float]
    west: list[float]
    north: list[float]
    east: list[float]

    def have(self, latitude: float | None, longitude: float | None) -> bool:
        """True for a place within one of the boxes."""
        if latitude is None or longitude is None:
            return False
        boxes = zip(self.south, self.west, self.north, self.east, strict=True)
        return any(s <= latitude <= n and w <= longitude <= e for s, w, n, e in boxes)


class UnknownArea(NotFound):
    """No such area of this operator."""

    code = "UNKNOWN_AREA"
    message = "There is no such area."


class AreaInUse(Conflict):
    """Market rules stand on it, or the name is taken."""

    code = "AREA_IN_USE"
    message = "There are market rules for this area, or another one has its name."


class UnknownMarket(NotFound):
    """No such rules of this operator."""

    code = "UNKNOWN_MARKET"
    message = "There are no such market rules."


class QuietHours(Refused):
    """No ride begins now; ``details``: ``until``, ``time_zone``."""

    code = "QUIET_HOURS"
    message = "Rides cannot begin at this time of the day here."


class TooYoung(Refused):
    """The market's minimum age; ``details``: ``minimum_age``, ``reason``."""

    status = 403
    code = "RIDER_TOO_YOUNG"
    message = "You have to be older to ride here."


@query
async def areas(call: Call) -> list[Area]:
    """The operator's areas, by name. Remembered for seconds."""
    raise AssertionError


@query
async def places_of(call: Call, area_ids: list[UUID]) -> Places:
    """The boxes of these areas; one that is not there has none."""
    raise AssertionError


@query
async def markets(call: Call) -> list[Market]:
    """All market rules, the latest first, also past (permission ``tenancy.operator.change``)."""
    raise AssertionError


@query
async def market_at(call: Call, latitude: float | None, longitude: float | None) -> Market | None:
    """The rules that hold now at a place; None where there are none. Remembered for seconds."""
    raise AssertionError


@query
async def minimum_ages(call: Call) -> list[MinimumAge]:
    """The minimum ages that hold now, of the whole operator first; none where nobody is too young.

    Of an area only where it has rules of its own. Remembered for seconds.
    """
    raise AssertionError


@query
async def check_quiet(call: Call, market: Market, starts_at: datetime) -> None:
    """Raise ``QuietHours`` when no ride may begin at this time."""
    raise AssertionError


@action
async def save_area(call: Call, area: Area) -> Area:
    """Make or change an area (permission ``tenancy.operator.change``). Raises ``Invalid``."""
    raise AssertionError


@action
async def remove_area(call: Call, area_id: UUID) -> None:
    """Forget an area. Grants for it are then grants for nothing. Raises ``AreaInUse``."""
    raise AssertionError


@action
async def add_market(call: Call, wanted: Market) -> Market:
    """Add rules (permission ``tenancy.operator.change``); the id makes a repeat harmless.

    Rules are not changed, so that it can always be said what held when. Of two that hold at once
    the later begun is in force. Raises ``Invalid``, ``UnknownArea``.
    """
    raise AssertionError


@action
async def end_market(call: Call, market_id: UUID, at: datetime | None) -> Market:
    """Say until when rules hold; None: until now. Raises ``UnknownMarket``, ``Invalid``."""
    raise AssertionError
