"""The usage chart as SVG: drawn here, so that it is there without JavaScript (WAL-25)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.wallet.contract import Bucket

WIDTH, HEIGHT = 720, 200


class Bar(msgspec.Struct, frozen=True):
    """One bar, in the chart's own units, and the first day it stands for."""

    x: float
    y: float
    width: float
    height: float
    start: date
    spent_minor: int


class Chart(msgspec.Struct, frozen=True):
    """All bars, and how much the line at the top stands for. The page stretches it to its width."""

    bars: list[Bar]
    top_minor: int
    total_minor: int
    width: int = WIDTH
    height: int = HEIGHT


def chart(buckets: Sequence[Bucket]) -> Chart:
    """Bars from the ground up."""
    top = round_top(max((each.spent_minor for each in buckets), default=0))
    step = WIDTH / max(len(buckets), 1)
    bars = []
    for number, each in enumerate(buckets):
        start = date.fromisoformat(each.start)
        height = HEIGHT * each.spent_minor / top
        bars.append(
            Bar(
                x=round(number * step + step * 0.1, 2),
                y=round(HEIGHT - height, 2),
                width=round(step * 0.8, 2),
                height=round(height, 2),
                start=start,
                spent_minor=each.spent_minor,
            )
        )
    return Chart(bars, top, sum(each.spent_minor for each in buckets))


def round_top(most: int) -> int:
    """A round number at or above ``most``: 1, 2 or 5 times a power of ten."""
    power = 100
    while True:
        for step in (1, 2, 5):
            if most <= step * power:
                return step * power
        power *= 10
