"""What the platform's plans allow (TEN-05)."""

from __future__ import annotations

import msgspec

from fahrwerk.tenancy.contract import Operator

PLANS: dict[str, dict[str, int | None]] = {
    "Trial": {"max_vehicles": 25, "max_users": 500, "max_requests_per_minute": 600},
    "Starter": {"max_vehicles": 200, "max_users": 20_000, "max_requests_per_minute": 6_000},
    "Business": {"max_vehicles": 2_000, "max_users": 200_000, "max_requests_per_minute": 60_000},
    "Enterprise": {"max_vehicles": None, "max_users": None, "max_requests_per_minute": None},
}
"""A plan of another name has the limits that are agreed with it, one by one."""


def within_plan(wanted: Operator) -> Operator:
    """The operator with its plan's limits, where it brings none of its own."""
    limits = PLANS.get(wanted.plan, {})
    missing = {name: value for name, value in limits.items() if getattr(wanted, name) is None}
    return msgspec.structs.replace(wanted, **missing)
