"""From a city's policies to zones: what a rule forbids, where, when, and for which vehicles. Pure.

A rule becomes a zone where its meaning is one: a speed, or that no vehicle may be in a state there
(a count or a time of at most 0). Caps, idle times, fees and notices to riders are no zones; they
are kept and shown, and not enforced.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fahrwerk.feeds.protocols import FORMS
from fahrwerk.feeds.protocols.mds_policy import DAYS, Geography, Policy, Rule
from fahrwerk.feeds.rules import places, states
from fahrwerk.fleet.contract.zones import Hours, PolicyZone, ZoneKind, ZoneRules
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

KM_PER_MILE = 1.609344
FASTEST_KMH = 130
HIGHEST = 900
"""Of priorities: a city's rules go before the operator's zones, and earlier ones before later."""
_UNITS = {
    "time": ("seconds", "minutes", "hours", "days"),
    "speed": ("mph", "kph"),
    "count": ("devices",),
}
_RIDING, _PARKED = {"on_trip"}, {"available", "non_operational", "reserved", "non_contactable"}


def check(policies: Iterable[Policy], known: Mapping[UUID, Geography]) -> None:
    """Raise ``Invalid`` for the first thing that contradicts itself or names what is not there."""
    seen: set[UUID] = set()
    for n, policy in enumerate(policies):
        at = f"policies[{n}]"
        if policy.policy_id in seen:
            raise Invalid(field=f"{at}.policy_id", issue="is there twice")
        seen.add(policy.policy_id)
        if policy.end_date is not None and policy.end_date <= policy.start_date:
            raise Invalid(field=f"{at}.end_date", issue="must be after start_date")
        for m, rule in enumerate(policy.rules):
            _check_rule(rule, f"{at}.rules[{m}]", known)


def _check_rule(rule: Rule, at: str, known: Mapping[UUID, Geography]) -> None:
    units = _UNITS.get(rule.rule_type, ())
    if rule.rule_units is not None and units and rule.rule_units not in units:
        raise Invalid(field=f"{at}.rule_units", issue=f"must be one of {', '.join(units)}")
    if rule.rule_units is None and rule.maximum is not None and rule.rule_type == "speed":
        raise Invalid(field=f"{at}.rule_units", issue="is missing")
    if None not in (rule.minimum, rule.maximum) and rule.minimum > rule.maximum:  # type: ignore[operator]
        raise Invalid(field=f"{at}.maximum", issue="must not be less than minimum")
    for k, geography in enumerate(rule.geographies):
        if geography not in known:
            raise Invalid(field=f"{at}.geographies[{k}]", issue="is not among the geographies")


def in_force(policies: Iterable[Policy], providers: Iterable[UUID], now: int) -> list[Policy]:
    """Policies that concern us and are not over or superseded; future ones too."""
    ours = set(providers)
    listed = list(policies)
    superseded = {each for p in listed if p.start_date <= now for each in p.prev_policies or ()}
    return [
        p
        for p in listed
        if p.policy_id not in superseded
        and (p.end_date is None or p.end_date > now)
        and (not p.provider_ids or not ours.isdisjoint(p.provider_ids))
    ]


def vehicle_types(policy: Policy, rule: Rule) -> list[str] | None:
    """Our types of vehicle that a rule is about, empty for all of the mode; None = none of ours."""
    ours = [kind for kind, mode in states.MODES.items() if mode == policy.mode_id]
    kept = [
        kind
        for kind in ours
        if (not rule.vehicle_types or FORMS[kind][0] in rule.vehicle_types)
        and (not rule.propulsion_types or FORMS[kind][1] in rule.propulsion_types)
    ]
    return kept or None


def meaning(rule: Rule) -> tuple[ZoneKind, int | None] | None:
    """The kind of zone a rule is, and the speed in km/h of a slow one; None = it is none."""
    if rule.maximum is None or rule.rule_type == "user":
        return None
    if rule.rule_type == "speed":
        kmh = int(rule.maximum * (KM_PER_MILE if rule.rule_units == "mph" else 1))
        return ("no_go", None) if kmh < 1 else ("slow", min(kmh, FASTEST_KMH))
    if rule.maximum > 0:
        return None
    named = set(rule.states or {})
    if not named or named & _RIDING:
        return "no_go", None
    return ("no_parking", None) if named & _PARKED else None


def schedule(rule: Rule) -> list[Hours]:
    """When a rule holds, every week; empty = always. To the minute, the last one included."""
    if rule.days is None and rule.start_time is None and rule.end_time is None:
        return []
    days = sorted({DAYS.index(day) + 1 for day in rule.days or DAYS})
    start = (rule.start_time or "00:00")[:5]
    end = (rule.end_time or "23:59:59")[:5]
    if end == "23:59":
        end = "24:00"
    elif rule.end_time is not None and not rule.end_time.endswith(":00") and len(rule.end_time) > 5:
        minutes = int(end[:2]) * 60 + int(end[3:]) + 1
        end = f"{minutes // 60:02}:{minutes % 60:02}"
    return [Hours(days=days, start=start, end=end)] if days else []


def zones(policies: Iterable[Policy], known: Mapping[UUID, Geography]) -> list[PolicyZone]:
    """The zones of policies in force, for those of our types of vehicle they are about.

    An exception that stands before a ban (a cap, or no bound at all) becomes a place where parking
    is allowed.
    """
    made = []
    for policy in policies:
        for n, rule in enumerate(policy.rules):
            types = vehicle_types(policy, rule)
            means = meaning(rule)
            if means is None and _is_exception(policy, n):
                means = ("preferred_parking", None)
            if types is None or means is None:
                continue
            for geography in rule.geographies:
                polygons = places.polygons_in(known[geography].geography_json)
                if polygons:
                    made.append(_zone(policy, n, means, types, geography, polygons))
    return made


def _is_exception(policy: Policy, n: int) -> bool:
    rule = policy.rules[n]
    if rule.rule_type not in ("count", "time") or set(rule.states or {}) & _RIDING:
        return False
    later = policy.rules[n + 1 :]
    return any(each.rule_type == rule.rule_type and meaning(each) is not None for each in later)


def _zone(
    policy: Policy, n: int, means: tuple[ZoneKind, int | None], types: list[str],
    geography: UUID, polygons: places.Polygons,
) -> PolicyZone:  # fmt: skip
    rule, (kind, speed) = policy.rules[n], means
    words = " ".join("".join(c for c in f"{policy.name}: {rule.name}" if c.isprintable()).split())
    return PolicyZone(
        external_id=f"{policy.policy_id}/{rule.rule_id}/{geography}",
        rules=ZoneRules(
            name=words[:100].strip() or "Policy",
            kind=kind,
            vehicle_types=types,
            priority=HIGHEST - min(n, HIGHEST),
            speed_limit_kmh=speed,
            schedule=schedule(rule),
            valid_from=datetime.fromtimestamp(policy.start_date / 1000, UTC),
            valid_until=None
            if policy.end_date is None
            else datetime.fromtimestamp(policy.end_date / 1000, UTC),
        ),
        polygons=polygons,
    )
