"""GBFS 2.3: POSIX times, one language, bikes that may be vans."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from fahrwerk.feeds.protocols import Facts, _gbfs
from fahrwerk.feeds.rules import Text
from fahrwerk.feeds.rules.fences import Leave

VERSION = "2.3"
VEHICLES = "free_bike_status"


class Bike(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One of ``bikes``."""

    bike_id: str
    lat: float
    lon: float
    is_reserved: bool
    is_disabled: bool
    vehicle_type_id: str
    current_range_meters: int
    current_fuel_percent: float | None = None
    last_reported: int | None = None


class _Bikes(msgspec.Struct, frozen=True):
    bikes: list[_Seen]


class _Seen(msgspec.Struct, frozen=True, gc=False):
    bike_id: str
    is_disabled: bool


class _File(msgspec.Struct, frozen=True):
    data: _Bikes


def moment(at: datetime) -> int:
    """A time as this version writes it."""
    return int(at.timestamp())


def _in_own(facts: Facts, text: Text) -> str:
    return text[facts.system.language]


def _leave(rule: Leave) -> dict[str, Any]:
    """One word for start and end: where a ride must not end, none is promised to start."""
    speed = {} if rule.speed_kmh is None else {"maximum_speed_kph": rule.speed_kmh}
    return {
        "vehicle_type_id": rule.kinds,
        "ride_allowed": rule.may_start and rule.may_end,
        "ride_through_allowed": rule.may_pass,
        **speed,
    }


DIALECT = _gbfs.Dialect(VERSION, moment, _in_own, _leave, _gbfs.cost)


def _index(facts: Facts) -> dict[str, Any]:
    return {facts.system.language: {"feeds": _gbfs.links(facts, VERSION, FEEDS)}}


def _system_information(facts: Facts) -> dict[str, Any]:
    system = facts.system
    return {**_gbfs.system(facts), "language": system.language, "name": system.name}


def _free_bike_status(facts: Facts) -> dict[str, Any]:
    return {
        "bikes": [
            Bike(
                v.id, v.latitude, v.longitude, False, v.is_disabled, v.kind,
                v.range_m, v.charge, moment(v.seen_at) if v.seen_at else None,
            )
            for v in facts.vehicles
        ]
    }  # fmt: skip


def _zones(facts: Facts) -> dict[str, Any]:
    # What holds everywhere cannot be said here: where there are operating areas, they say it.
    return _gbfs.zones(DIALECT, has_global=False)(facts)


FEEDS: dict[str, _gbfs.Writer] = {
    "gbfs": _index,
    "gbfs_versions": _gbfs.versions(DIALECT),
    "system_information": _system_information,
    "vehicle_types": _gbfs.vehicle_types(DIALECT),
    "free_bike_status": _free_bike_status,
    "system_pricing_plans": _gbfs.pricing_plans(DIALECT),
    "geofencing_zones": _zones,
    "system_alerts": _gbfs.alerts(DIALECT, lambda facts, url: url),
}
"""What there is to tell. Without stations and regions there are no feeds of them."""


def vehicles_in(body: bytes) -> list[tuple[str, bool]]:
    """(id, is disabled) of every vehicle in a ``free_bike_status`` document."""
    file = msgspec.json.decode(body, type=_File)
    return [(v.bike_id, v.is_disabled) for v in file.data.bikes]
