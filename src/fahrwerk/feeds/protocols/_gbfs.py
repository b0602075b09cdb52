"""What all versions of GBFS share: the same facts, written down in a version's dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from fahrwerk.feeds.contract.alerts import PublicAlert
from fahrwerk.feeds.protocols import FORMS, Facts, Link, editions
from fahrwerk.feeds.rules import Plan, Segment, Text
from fahrwerk.feeds.rules.fences import Fence, Leave

Writer = Callable[[Facts], dict[str, Any]]
"""From facts to what stands in a feed's ``data``."""


class Dialect(msgspec.Struct, frozen=True):
    """How a version says things: a time, a text, the rules of a zone, what a ride costs."""

    version: str
    moment: Callable[[datetime], Any]
    text: Callable[[Facts, Text], Any]
    leave: Callable[[Leave], dict[str, Any]]
    cost: Callable[[Plan], dict[str, Any]]


def cost(plan: Plan) -> dict[str, Any]:
    """Minutes at their price, until each day's cap is reached."""
    return {"per_min_pricing": plan.segments}


def capped(plan: Plan) -> dict[str, Any]:
    """Minutes at their price, with the cap said by itself (since 3.1)."""
    segments = [Segment(0, plan.minute, 1)] if plan.minute else []
    cap = {"duration": 1440, "price": plan.cap}
    return {"per_min_pricing": segments, "fare_capping": cap}


def links(facts: Facts, version: str, names: Iterable[str]) -> list[Link]:
    """Where the feeds of a version are, without those that must not be among them."""
    at = f"{facts.system.address}/{version}"
    # The manifest is not among them: the specification forbids the circle.
    return [Link(name, f"{at}/{name}.json") for name in names if name not in ("gbfs", "manifest")]


def versions(of: Dialect) -> Writer:
    """``gbfs_versions``: a version names itself and the others that are no drafts."""
    return lambda facts: {"versions": editions(facts, of.version)}


def system(facts: Facts) -> dict[str, Any]:
    """What ``system_information`` has in every version, but for its name and languages."""
    terms = {"license_url": facts.system.license_url} if facts.system.license_url else {}
    return {
        "system_id": facts.system.id,
        "feed_contact_email": facts.system.contact_email,
        "timezone": facts.system.time_zone,
        **terms,
    }


def vehicle_types(of: Dialect) -> Writer:
    """``vehicle_types``"""

    def write(facts: Facts) -> dict[str, Any]:
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
                    "name": of.text(facts, kind.name),
                    "wheel_count": wheels,
                    "return_constraint": "free_floating",
                    **plan,
                }
            )
        return {"vehicle_types": found}

    return write


def pricing_plans(of: Dialect) -> Writer:
    """``system_pricing_plans``"""

    def write(facts: Facts) -> dict[str, Any]:
        return {
            "plans": [
                {
                    "plan_id": plan.id,
                    "name": of.text(facts, plan.name),
                    "currency": plan.currency,
                    "price": plan.price,
                    "is_taxable": plan.is_taxable,
                    "description": of.text(facts, plan.description),
                    **of.cost(plan),
                }
                for plan in facts.plans
            ]
        }

    return write


def zones(of: Dialect, *, has_global: bool = True) -> Writer:
    """``geofencing_zones``, in the order in which they go before each other."""

    def feature(facts: Facts, fence: Fence) -> dict[str, Any]:
        about: dict[str, Any] = {"name": of.text(facts, fence.name)}
        about |= {k: of.moment(v) for k, v in (("start", fence.start), ("end", fence.end)) if v}
        about["rules"] = [of.leave(each) for each in fence.rules]
        return {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": fence.polygons},
            "properties": about,
        }

    def write(facts: Facts) -> dict[str, Any]:
        features = [feature(facts, fence) for fence in facts.fences]
        found: dict[str, Any] = {
            "geofencing_zones": {"type": "FeatureCollection", "features": features}
        }
        if has_global:
            found["global_rules"] = [of.leave(each) for each in facts.everywhere]
        return found

    return write


def alerts(of: Dialect, url: Callable[[Facts, str], Any]) -> Writer:
    """``system_alerts``: those that are not over."""

    def alert(facts: Facts, told: PublicAlert) -> dict[str, Any]:
        times = {"start": of.moment(told.starts_at)}
        if told.ends_at is not None:
            times["end"] = of.moment(told.ends_at)
        found = {
            "alert_id": told.id.hex,
            "type": told.kind,
            "times": [times],
            "summary": of.text(facts, told.summary),
            "last_updated": of.moment(told.updated_at),
        }
        if told.description is not None:
            found["description"] = of.text(facts, told.description)
        if told.url is not None:
            found["url"] = url(facts, told.url)
        return found

    return lambda facts: {"alerts": [alert(facts, each) for each in facts.alerts]}
