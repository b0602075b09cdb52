"""Puts the figures of a run into docs/performance.md, between its two marks (``--page``)."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.floors import Figure

PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_SMALL_US = 2.0


def write(figures: Sequence[Figure], facts: dict[str, Any]) -> None:
    """Replace what stands between the marks."""
    text = PAGE.read_text()
    head, found, rest = text.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has lost its marks {BEGIN} and {END}")
    parts = [_facts(facts), report.table(figures), *_budgets(facts)]
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n\n".join(parts) + f"\n{END}{tail}")


def _facts(facts: dict[str, Any]) -> str:
    machine, postgres = facts["machine"], facts["postgres"]
    arguments = " ".join(arg for arg in sys.argv[1:] if arg != "--page")
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by "
        f"`.venv/bin/python -m tests.bench{f' {arguments}' if arguments else ''}`: "
        f"{machine['cores']} cores ({machine['model']}), {machine['memory_mb'] // 1024} GB, Python "
        f"{machine['python']}, PostgreSQL {postgres['server_version']} with "
        f"fsync={postgres['fsync']}, synchronous_commit={postgres['synchronous_commit']}, one "
        f"fdatasync {postgres['fdatasync_us']} us, {facts['plan'].processes} API processes; load "
        f"of the machine before the run: {machine['load_before']:.1f}."
    )


def _budgets(facts: dict[str, Any]) -> list[str]:
    parts = []
    if budgets := facts.get("budgets"):
        parts.append(_layers(budgets))
    if statements := facts.get("booking_statements_us"):
        lines = [
            "The statements of a booking as pgbench sends them, one client, commit included:",
            "",
            "| us | statement |",
            "|---|---|",
            *(f"| {us:.0f} | `{_short(sql)}` |" for us, sql in statements),
        ]
        parts.append("\n".join(lines))
    return parts


def _layers(budgets: dict[str, Any]) -> str:
    """One column a budget: who used how much CPU, then the layers of the process looked at."""
    whose = ["worker" if "worker_us" in budget else "app" for budget in budgets.values()]
    inside = [budget[f"{who}_us"] for budget, who in zip(budgets.values(), whose, strict=True)]
    rows = {
        who: [budget["cpu_us"].get(who) for budget in budgets.values()]
        for who in ("postgres", "generator", "app", "worker")
    }
    lines = [
        "CPU us of one request (worker: of one booking's two events) and, below, of the layers of "
        "the process that was looked at (API; for the last column the worker):",
        "",
        f"| | {' | '.join(budgets)} |",
        f"|---{'|---' * len(budgets)}|",
        *(_row(f"**{who}**", cells) for who, cells in rows.items()),
    ]
    names = sorted({name for layers in inside for name in layers}, key=lambda n: -_most(inside, n))
    for name in names:
        if _most(inside, name) >= _SMALL_US:
            lines.append(_row(name, [layers.get(name) for layers in inside]))
    return "\n".join(lines)


def _most(inside: list[dict[str, float]], name: str) -> float:
    return max(layers.get(name, 0.0) for layers in inside)


def _row(name: str, cells: list[float | None]) -> str:
    return f"| {name} | " + " | ".join("" if us is None else f"{us:.1f}" for us in cells) + " |"


def _short(sql: str) -> str:
    return re.sub(r"\s+", " ", sql)[:90].replace("|", "\\|")
