"""GBFS 2.3: POSIX times, one language, bikes that may be vans."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.feeds.protocols import FORMS, Facts, Link, editions

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "2.3"


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


def _gbfs(facts: Facts) -> dict[str, Any]:
    at = f"{facts.system.address}/{VERSION}"
    links = [Link(name, f"{at}/{name}.json") for name in FEEDS if name != "gbfs"]
    return {facts.system.language: {"feeds": links}}


def _versions(facts: Facts) -> dict[str, Any]:
    return {"versions": editions(facts)}


def _system_information(facts: Facts) -> dict[str, Any]:
    system = facts.system
    terms = {"license_url": system.license_url} if system.license_url else {}
    return {
        "system_id": system.id,
        "language": system.language,
        "name": system.name,
        "feed_contact_email": system.contact_email,
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
                "name": kind.name[facts.system.language],
                "wheel_count": wheels,
                "return_constraint": "free_floating",
                **plan,
            }
        )
    return {"vehicle_types": found}


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


def _system_pricing_plans(facts: Facts) -> dict[str, Any]:
    language = facts.system.language
    return {
        "plans": [
            {
                "plan_id": plan.id,
                "name": plan.name[language],
                "currency": plan.currency,
                "price": plan.price,
                "is_taxable": plan.is_taxable,
                "description": plan.description[language],
                "per_min_pricing": plan.segments,
            }
            for plan in facts.plans
        ]
    }


def _system_alerts(facts: Facts) -> dict[str, Any]:
    return {"alerts": []}


FEEDS: dict[str, Callable[[Facts], dict[str, Any]]] = {
    "gbfs": _gbfs,
    "gbfs_versions": _versions,
    "system_information": _system_information,
    "vehicle_types": _vehicle_types,
    "free_bike_status": _free_bike_status,
    "system_pricing_plans": _system_pricing_plans,
    "system_alerts": _system_alerts,
}
"""What there is to tell. Without stations, regions and zones there are no feeds of them."""
VEHICLES = "free_bike_status"


def vehicles_in(body: bytes) -> list[tuple[str, bool]]:
    """(id, is disabled) of every vehicle in a ``free_bike_status`` document."""
    file = msgspec.json.decode(body, type=_File)
    return [(v.bike_id, v.is_disabled) for v in file.data.bikes]
