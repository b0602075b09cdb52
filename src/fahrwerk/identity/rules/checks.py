"""Checks of age and driving licence: which are needed for a ride, and which are still good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

KINDS = ("age", "licence")
VEHICLES = ("*", "scooter", "ebike", "car", "van")
MOST_A_DAY = 5
PAUSES_S = (5, 10, 20, 60, 120, 300, 600, 1800, 3600)
"""Between two questions to the provider about one check; then every hour for seven days."""
MOST_ASKED = 24 * 7 + len(PAUSES_S)


def needed(wanted: Mapping[str, Sequence[str]], vehicle_type: str | None) -> frozenset[str]:
    """The kinds of check a ride needs: those for all vehicles, and those for this type."""
    of_type = wanted.get(vehicle_type, ()) if vehicle_type else ()
    return frozenset((*wanted.get("*", ()), *of_type))


def barred(wanted: Mapping[str, Sequence[str]], checked: Collection[str]) -> frozenset[str]:
    """The vehicle types that somebody with these checks may not ride yet."""
    types = wanted.keys() - {"*"}
    return frozenset(each for each in types if needed(wanted, each) - frozenset(checked))


def check_wanted(wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What an operator asks for, tidied. Raises ``Invalid``."""
    for vehicle_type, kinds in wanted.items():
        if vehicle_type not in VEHICLES:
            issue = f"there is no vehicle type {vehicle_type[:40]}"
            raise Invalid(field="ride_checks", issue=issue)
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise Invalid(field="ride_checks", issue=f"there is no check {unknown[0][:40]}")
    return {name: sorted(set(kinds)) for name, kinds in sorted(wanted.items()) if kinds}


def pause_s(asked: int) -> int | None:
    """Seconds until the provider is asked again after ``asked`` times; None: it has forgotten."""
    if asked >= MOST_ASKED:
        return None
    return PAUSES_S[min(asked, len(PAUSES_S)) - 1] if asked else 0
