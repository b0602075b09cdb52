"""Zones on board: how fast this vehicle may go where it is, also without a network.

The vehicle's half of docs/protocol.md, section 8; used by the agent and by the simulated vehicle.
Of the zones only the slow ones are for the vehicle to act on: where it may be parked is decided by
the platform, which knows more.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from fahrwerk.device.durable import write_whole

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
MOST_BYTES = 256 * 1024
_UNITS = 100_000
_log = logging.getLogger(__name__)

_Minute = Annotated[int, Meta(ge=0, le=1440)]
_Ring = list[int]


class _Hours(msgspec.Struct, frozen=True, array_like=True):
    days: list[int]
    start: _Minute
    end: _Minute


class _Zone(msgspec.Struct, frozen=True):
    kind: str
    polygons: list[list[_Ring]]
    priority: int = 0
    kmh: Annotated[int, Meta(ge=1, le=130)] | None = None
    hours: list[_Hours] | None = None
    since: int | None = msgspec.field(default=None, name="from")
    until: int | None = None


class _Bundle(msgspec.Struct, frozen=True):
    format: int
    version: int
    zones: list[_Zone]
    time_zone: str = "UTC"


class _Slow:
    """A slow zone, opened: rings as lists of positions, with a box around all of them."""

    def __init__(self, zone: _Zone) -> None:
        self.zone = zone
        self.kmh = zone.kmh or 0
        self.polygons = [[_opened(ring) for ring in polygon] for polygon in zone.polygons]
        outer = [p for polygon in self.polygons for p in polygon[0]] if self.polygons else []
        xs, ys = [x for x, _ in outer] or [0], [y for _, y in outer] or [0]
        self.box = (min(xs), max(xs), min(ys), max(ys))

    def covers(self, x: float, y: float) -> bool:
        west, east, south, north = self.box
        return (
            west <= x <= east
            and south <= y <= north
            and any(
                _is_in(rings[0], x, y) and not any(_is_in(hole, x, y) for hole in rings[1:])
                for rings in self.polygons
            )
        )

    def holds(self, at: datetime, local: datetime) -> bool:
        millis = at.timestamp() * 1000
        if self.zone.since is not None and millis < self.zone.since:
            return False
        if self.zone.until is not None and millis >= self.zone.until:
            return False
        return self.zone.hours is None or any(_is_on(each, local) for each in self.zone.hours)


class ZonesOnBoard:
    """What a vehicle was sent last. With ``path`` it is there again after a power cut."""

    def __init__(self, path: Path | None = None) -> None:
        self.version: int | None = None
        """None = it has none."""
        self._path = path
        self._slow: list[_Slow] = []
        self._clock: ZoneInfo | None = None
        if path is not None:
            try:
                self._use(path.read_bytes())
            except FileNotFoundError:
                pass
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                _log.warning("the zones on board are not readable: %s", error)

    def take(self, payload: bytes) -> int | None:
        """The version that is on board now; None = this message changed nothing and is not to be
        acknowledged: it is broken, of a format we do not know, or older than what is here."""
        try:
            bundle = _read(payload)
        except (ValueError, msgspec.MsgspecError) as error:
            _log.warning("zones were not taken: %s", error)
            return None
        if self.version is not None and bundle.version < self.version:
            return None
        if bundle.version != self.version and self._path is not None:
            try:
                write_whole(self._path, payload)
            except OSError as error:  # they hold all the same, until the power is cut
                _log.error("zones cannot be kept: %s", error)
        self._use(payload)
        return self.version

    def _use(self, payload: bytes) -> None:
        bundle = _read(payload)
        try:
            self._clock = ZoneInfo(bundle.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            self._clock = None
        slow = [_Slow(zone) for zone in bundle.zones if zone.kind == "slow" and zone.kmh]
        self._slow, self.version = slow, bundle.version

    def limit_kmh(self, latitude: float, longitude: float, at: datetime) -> int | None:
        """The speed that holds here and now; None = no zone says anything.

        The slow zone of highest priority; of equal ones the strictest.
        """
        x, y = longitude * _UNITS, latitude * _UNITS
        local = at.astimezone(self._clock or UTC)
        here = [each for each in self._slow if each.covers(x, y) and each.holds(at, local)]
        if not here:
            return None
        highest = max(each.zone.priority for each in here)
        return min(each.kmh for each in here if each.zone.priority == highest)


def _read(payload: bytes) -> _Bundle:
    if len(payload) > MOST_BYTES:
        raise ValueError("the message is too large")
    bundle = msgspec.json.decode(payload, type=_Bundle)
    if bundle.format != FORMAT:
        raise ValueError(f"format {bundle.format} is not known")
    if any(not polygon or any(len(r) % 2 for r in polygon) for z in bundle.zones
           for polygon in z.polygons):  # fmt: skip
        raise ValueError("a ring has half a position")
    return bundle


def _opened(steps: _Ring) -> list[tuple[int, int]]:
    x = y = 0
    ring = []
    for dx, dy in zip(steps[::2], steps[1::2], strict=True):
        x, y = x + dx, y + dy
        ring.append((x, y))
    return ring


def _is_in(ring: list[tuple[int, int]], x: float, y: float) -> bool:
    """A ray to the east crosses the border an odd number of times."""
    inside = False
    before_x, before_y = ring[-1] if ring else (0, 0)
    for here_x, here_y in ring:
        if (here_y > y) != (before_y > y):
            at = before_x + (y - before_y) * (here_x - before_x) / (here_y - before_y)
            inside ^= x < at
        before_x, before_y = here_x, here_y
    return inside


def _is_on(hours: _Hours, local: datetime) -> bool:
    minute, day = local.hour * 60 + local.minute, local.isoweekday()
    if hours.start < hours.end:
        return day in hours.days and hours.start <= minute < hours.end
    yesterday = (local - timedelta(days=1)).isoweekday()
    return (day in hours.days and minute >= hours.start) or (
        yesterday in hours.days and minute < hours.end
    )
