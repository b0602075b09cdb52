"""GBFS 3.0: RFC 3339 times, every text in every language, vehicles instead of bikes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.feeds.protocols import FORMS, Facts, Link, editions
from fahrwerk.feeds.rules import LANGUAGES, Text
from fahrwerk.kernel import clock

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "3.0"


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


def _in_each(text: Text) -> list[dict[str, str]]:
    return [{"text": text[language], "language": language} for language in LANGUAGES]


def _gbfs(facts: Facts) -> dict[str, Any]:
    at = f"{facts.system.address}/{VERSION}"
    # The manifest is not among them: the specification forbids the circle.
    names = (name for name in FEEDS if name not in ("gbfs", "manifest"))
    return {"feeds": [Link(name, f"{at}/{name}.json") for name in names]}


def _manifest(facts: Facts) -> dict[str, Any]:
    return {"datasets": [{"system_id": facts.system.id, "versions": editions(facts)}]}


def _versions(facts: Facts) -> dict[str, Any]:
    return {"versions": editions(facts)}


def _system_information(facts: Facts) -> dict[str, Any]:
    system = facts.system
    terms = {"license_url": system.license_url} if system.license_url else {}
    return {
        "system_id": system.id,
        "languages": LANGUAGES,
        "name": _in_each(dict.fromkeys(LANGUAGES, system.name)),
        # Nothing in this house refuses a ride because of the hour.
        "opening_hours": "24/7",
        "feed_contact_email": system.contact_email,
        "manifest_url": f"{system.address}/manifest.json",
        "timezone": system.time_zone,
        **terms,
    }


def _vehicle_types(facts: Facts) -> dict[str, Any]:
    found = []
    for kind in facts.kinds:
        form, propulsion, wheels = FORMS[kind.id]
        plan = {"default_pricing_plan_id": kind.plan_id} if kind.plan_id else {}
        found.append(
            {
                "vehicle_type_id": kind.id,
                "form_factor": form,
                "propulsion_type": propulsion,
                "max_range_meters": kind.full_range_m,
                "name": _in_each(kind.name),
                "wheel_count": wheels,
                "return_constraint": "free_floating",
                **plan,
            }
        )
    return {"vehicle_types": found}


def _vehicle_status(facts: Facts) -> dict[str, Any]:
    return {
        "vehicles": [
            Vehicle(
                v.id, v.latitude, v.longitude, False, v.is_disabled, v.kind,
                v.range_m, v.charge, v.seen_at,
            )
            for v in facts.vehicles
        ]
    }  # fmt: skip


def _system_pricing_plans(facts: Facts) -> dict[str, Any]:
    return {
        "plans": [
            {
                "plan_id": plan.id,
                "name": _in_each(plan.name),
                "currency": plan.currency,
                "price": plan.price,
                "is_taxable": plan.is_taxable,
                "description": _in_each(plan.description),
                "per_min_pricing": plan.segments,
            }
            for plan in facts.plans
        ]
    }


def _system_alerts(facts: Facts) -> dict[str, Any]:
    return {"alerts": []}


FEEDS: dict[str, Callable[[Facts], dict[str, Any]]] = {
    "gbfs": _gbfs,
    "manifest": _manifest,
    "gbfs_versions": _versions,
    "system_information": _system_information,
    "vehicle_types": _vehicle_types,
    "vehicle_status": _vehicle_status,
    "system_pricing_plans": _system_pricing_plans,
    "system_alerts": _system_alerts,
}
"""What there is to tell. Without stations, regions and zones there are no feeds of them."""
VEHICLES = "vehicle_status"


def vehicles_in(body: bytes) -> list[tuple[str, bool]]:
    """(id, is disabled) of every vehicle in a ``vehicle_status`` document."""
    file = msgspec.json.decode(body, type=_File)
    return [(v.vehicle_id, v.is_disabled) for v in file.data.vehicles]
