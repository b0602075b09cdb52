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
_SMALL_US = 1.0


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
    for name, budget in facts.get("budgets", {}).items():
        whose = "worker" if "worker_us" in budget else "app"
        layers = {k: us for k, us in budget[f"{whose}_us"].items() if us >= _SMALL_US}
        cpu = ", ".join(f"{who} {us:.0f}" for who, us in budget["cpu_us"].items())
        lines = [
            f"**{name}**, CPU us each ({cpu}), one process; of those of {whose}:",
            "",
            "| layer | us |",
            "|---|---|",
            *(f"| {layer} | {us:.1f} |" for layer, us in layers.items()),
        ]
        parts.append("\n".join(lines))
    if statements := facts.get("booking_statements_us"):
        lines = [
            "**the statements of a booking** as pgbench sends them, one client, commit included:",
            "",
            "| us | statement |",
            "|---|---|",
            *(f"| {us:.0f} | `{_short(sql)}` |" for us, sql in statements),
        ]
        parts.append("\n".join(lines))
    return parts


def _short(sql: str) -> str:
    return re.sub(r"\s+", " ", sql)[:90].replace("|", "\\|")
