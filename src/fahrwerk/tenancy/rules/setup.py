"""The steps of an operator's set-up (WEB-16, TEN-03..08). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy.contract.life import Setup, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS: dict[str, bool] = {
    "company": True,
    "admin": True,
    "area": True,
    "market": False,
    "brand": False,
    "domain": False,
    "sso": False,
    "payments": False,
    "tariffs": False,
    "vehicles": True,
}
"""In the order the wizard goes; True: nothing can be rented out without it."""
LARGEST_DATA = 50
"""Fields of what a wizard keeps for a step."""


def setup_of(kept: Mapping[str, tuple[str | None, dict[str, Any]]]) -> Setup:
    """The set-up, from what is kept of its steps: ``(state, data)``."""
    steps = [
        Step(name, state or "open", is_needed, data)
        for name, is_needed in STEPS.items()
        for state, data in [kept.get(name, (None, {}))]
    ]
    missing = next((each.name for each in steps if each.state == "open"), None)
    return Setup(steps, all(s.state == "done" for s in steps if s.is_needed), missing)


def check_step(name: str, state: str | None, data: dict[str, Any]) -> None:
    """Raise ``Invalid`` for a step that is none, or cannot be passed over."""
    if name not in STEPS:
        raise Invalid(field="step", issue=f"must be one of {', '.join(STEPS)}")
    if state not in (None, "done", "skipped"):
        raise Invalid(field="state", issue="must be done or skipped")
    if state == "skipped" and STEPS[name]:
        raise Invalid(field="state", issue="this step is needed")
    if len(data) > LARGEST_DATA:
        raise Invalid(field="data", issue=f"must have at most {LARGEST_DATA} fields")
