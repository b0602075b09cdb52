"""How finely a span of telemetry is shown. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime

MOST_STEPS = 2_000
LONGEST = timedelta(days=31)
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600)
"""Steps that people can read off an axis."""


LONGEST_TRACK = timedelta(days=1)
"""With a position every second, as many as are read."""


def check_span(since: datetime, until: datetime, longest: timedelta = LONGEST) -> None:
    """Raise ``Invalid`` unless it is a span that is not too long."""
    if until <= since:
        raise Invalid(field="to", issue="must be after from")
    if until - since > longest:
        raise Invalid(field="from", issue=f"must be at most {longest.days} days before to")


def step_of(since: datetime, until: datetime, wanted_s: int | None) -> int:
    """Seconds to a step. Raises ``Invalid`` for one that makes too many steps."""
    check_span(since, until)
    seconds = (until - since).total_seconds()
    if wanted_s is None:
        return next((step for step in STEPS_S if seconds / step <= MOST_STEPS), STEPS_S[-1])
    if wanted_s < 1 or seconds / wanted_s > MOST_STEPS:
        least = next(step for step in (*STEPS_S, seconds) if seconds / step <= MOST_STEPS)
        raise Invalid(field="step", issue=f"must be at least {least:.0f} s for this span")
    return wanted_s
