"""What 3.0 and its successors share: RFC 3339 times, every text in every language."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from fahrwerk.feeds.protocols import Facts, _gbfs
from fahrwerk.feeds.rules import LANGUAGES, Text
from fahrwerk.feeds.rules.fences import Leave
from fahrwerk.kernel import clock

STABLE = "3.0"
VEHICLES = "vehicle_status"


class Vehicle(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One of ``vehicles``."""

    vehicle_id: str
    lat: float
    lon: float
    is_reserved: bool
    is_disabled: bool
    vehicle_type_id: str
    current_range_meters: int
    current_fuel_percent: float | None = None
    last_reported: datetime | None = None


class _Vehicles(msgspec.Struct, frozen=True):
    vehicles: list[_Seen]


class _Seen(msgspec.Struct, frozen=True, gc=False):
    vehicle_id: str
    is_disabled: bool


class _File(msgspec.Struct, frozen=True):
    data: _Vehicles


def moment(at: datetime) -> str:
    """A time as this version writes it."""
    return clock.stamp(at)


def in_each(facts: Facts, text: Text) -> list[dict[str, str]]:
    """A text in every language."""
    return [{"text": text[language], "language": language} for language in LANGUAGES]


def leave(rule: Leave) -> dict[str, Any]:
    """What a ride may do in a zone."""
    speed = {} if rule.speed_kmh is None else {"maximum_speed_kph": rule.speed_kmh}
    return {
        "vehicle_type_ids": rule.kinds,
        "ride_start_allowed": rule.may_start,
        "ride_end_allowed": rule.may_end,
        "ride_through_allowed": rule.may_pass,
        **speed,
    }


def vehicle_status(facts: Facts) -> dict[str, Any]:
    """``vehicle_status``"""
    return {
        "vehicles": [
            Vehicle(
                v.id, v.latitude, v.longitude, False, v.is_disabled, v.kind,
                v.range_m, v.charge, v.seen_at,
            )
            for v in facts.vehicles
        ]
    }  # fmt: skip


def feeds(of: _gbfs.Dialect, manifest: _gbfs.Writer) -> dict[str, _gbfs.Writer]:
    """The feeds of this major version."""

    def index(facts: Facts) -> dict[str, Any]:
        return {"feeds": _gbfs.links(facts, of.version, found)}

    def system_information(facts: Facts) -> dict[str, Any]:
        system = facts.system
        below = "" if of.version == STABLE else f"/{of.version}"
        return {
            **_gbfs.system(facts),
            "languages": LANGUAGES,
            "name": in_each(facts, dict.fromkeys(LANGUAGES, system.name)),
            # Nothing in this house refuses a ride because of the hour.
            "opening_hours": "24/7",
            "manifest_url": f"{system.address}{below}/manifest.json",
        }

    found: dict[str, _gbfs.Writer] = {
        "gbfs": index,
        "manifest": manifest,
        "gbfs_versions": _gbfs.versions(of),
        "system_information": system_information,
        "vehicle_types": _gbfs.vehicle_types(of),
        "vehicle_status": vehicle_status,
        "system_pricing_plans": _gbfs.pricing_plans(of),
        "geofencing_zones": _gbfs.zones(of),
        "system_alerts": _gbfs.alerts(of, lambda f, url: in_each(f, dict.fromkeys(LANGUAGES, url))),
    }
    return found


def vehicles_in(body: bytes) -> list[tuple[str, bool]]:
    """(id, is disabled) of every vehicle in a ``vehicle_status`` document."""
    file = msgspec.json.decode(body, type=_File)
    return [(v.vehicle_id, v.is_disabled) for v in file.data.vehicles]
