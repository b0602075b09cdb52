"""Zones as a vehicle keeps them on board: one compact JSON message (docs/protocol.md, 8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.contract.zones import ZONE_PREFIX
from fahrwerk.kernel import ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.fleet.contract.zones import Hours, Position, Zone, ZonesInForce

KINDS = frozenset(("operating_area", "no_go", "no_parking", "slow"))
"""What a vehicle can do something about by itself."""
MOST_BYTES = 128 * 1024
_UNITS = 100_000
"""A degree: 1.1 m, less than any receiver of a vehicle is exact to."""
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def bundle(every: ZonesInForce, vehicle_type: str, now: datetime) -> bytes:
    """The zones for this type, highest priority first; what is over or too much is left out."""
    wanted = [zone for zone in every.zones if _concerns(zone, vehicle_type, now)]
    shown, size = [], 400
    for zone in wanted:
        each = msgspec.json.encode(_zone(zone))
        size += len(each) + 1
        if size > MOST_BYTES:
            break
        shown.append(msgspec.Raw(each))
    return msgspec.json.encode(
        {
            "format": 1, "version": every.stamp, "vehicle_type": vehicle_type,
            "time_zone": every.time_zone, "complete": len(shown) == len(wanted), "zones": shown,
        }
    )  # fmt: skip


def _concerns(zone: Zone, vehicle_type: str, now: datetime) -> bool:
    rules = zone.rules
    return (
        rules.kind in KINDS
        and (not rules.vehicle_types or vehicle_type in rules.vehicle_types)
        and (rules.valid_until is None or now < rules.valid_until)
    )


def _zone(zone: Zone) -> dict[str, Any]:
    rules = zone.rules
    said = {
        "kmh": rules.speed_limit_kmh,
        "hours": [_hours(each) for each in rules.schedule] or None,
        "from": _millis(rules.valid_from),
        "until": _millis(rules.valid_until),
    }
    return {
        "id": ids.public(ZONE_PREFIX, zone.id),
        "kind": rules.kind,
        "priority": rules.priority,
        **{name: value for name, value in said.items() if value is not None},
        "polygons": [[_steps(ring) for ring in polygon] for polygon in zone.polygons],
    }


def _hours(hours: Hours) -> list[Any]:
    """Days, and minutes of the day from and until."""
    (sh, sm), (eh, em) = (map(int, each.split(":")) for each in (hours.start, hours.end))
    return [hours.days, sh * 60 + sm, eh * 60 + em]


def _millis(at: datetime | None) -> int | None:
    return None if at is None else (at - _1970) // timedelta(milliseconds=1)


def _steps(ring: Sequence[Position]) -> list[int]:
    """Longitude and latitude of the first position, then the step to each next one; not closed."""
    found: list[int] = []
    before = (0, 0)
    for lon, lat in ring[:-1]:
        here = (round(lon * _UNITS), round(lat * _UNITS))
        if here != before or not found:
            found += [here[0] - before[0], here[1] - before[1]]
        before = here
    return found
