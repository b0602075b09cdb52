"""The table on the terminal and the file beside it."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.floors import Figure

FOLDER = Path("var/bench")
HEAD = ("what", "measured", "limit", "ratio", "floor", "noise", "CPU us", "ok")


def say(line: str) -> None:
    """Progress, at once."""
    print(f"  {line}", file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def noise(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / median(values) if median(values) else 0.0


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
    limit = "" if figure.limit is None else f"{_number(figure.limit)} {figure.limit_unit}"
    cpu = [x for x in (figure.cpu_us, figure.limit_cpu_us) if x is not None]
    return (
        figure.what,
        f"{_number(figure.measured)} {figure.unit}",
        limit.strip(),
        ratio,
        "" if figure.floor is None else str(figure.floor),
        "" if figure.noise is None else f"{figure.noise:.0%}",
        " / ".join(f"{us:.0f}" for us in cpu),
        ("yes" if figure.holds else "NO") if figure.floor or not figure.sound else "",
    )


def table(figures: Sequence[Figure]) -> str:
    """As Markdown, aligned for a terminal."""
    rows = [HEAD, *(_cells(figure) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What it ran on, and who else was there."""
    with open("/proc/cpuinfo") as info:
        model = next((x.split(":")[1].strip() for x in info if x.startswith("model name")), "?")
    return {
        "cores": os.cpu_count(),
        "model": model,
        "memory_mb": psutil.virtual_memory().total >> 20,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def keep(figures: Sequence[Figure], facts: dict[str, Any]) -> Path:
    """Write everything that was measured below ``var/bench``."""
    at = datetime.now(UTC)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{at:%Y%m%dT%H%M%SZ}.json"
    rows = [
        {
            "what": figure.what,
            "measured": figure.measured,
            "unit": figure.unit,
            "limit": figure.limit,
            "ratio": figure.ratio,
            "floor": figure.floor.words if figure.floor else None,
            "holds": figure.holds,
            "noise": figure.noise,
            "cpu_us": figure.cpu_us,
            "limit_cpu_us": figure.limit_cpu_us,
            **figure.detail,
        }
        for figure in figures
    ]
    text = msgspec.json.encode({"at": at, **facts, "figures": rows})
    path.write_bytes(msgspec.json.format(text, indent=1))
    return path
