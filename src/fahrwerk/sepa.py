"""``fahrwerk sepa``: read in statements of the bank, or play the bank of an exported file.

A program, beside ``fahrwerk books``: for files larger than an upload, for a folder the bank's
software fills, and for who wants to try direct debit without a bank.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from fahrwerk.app import grounded
from fahrwerk.kernel import clock
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem
from fahrwerk.payments.contract import sepa as doors
from fahrwerk.payments.gateways import _sepa_bank as bank
from fahrwerk.payments.gateways._sepa_xml import MOST_BYTES
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fahrwerk.kernel.settings import Settings


async def read_in(
    settings: Settings, files: Sequence[Path], slug: str, say: Callable[[str], None]
) -> int:
    """Import files for an operator, one after the other; the exit code: 1 when one was refused."""
    wrong = 0
    async with grounded(settings, "cli"):
        found = [x for x in await tenancy.operators(system(None, "cli")) if x.slug == slug]
        if not found:
            say(f"there is no operator {slug}")
            return 1
        call = system(found[0].id, "cli", slug=slug)
        for file in files:
            try:
                if file.stat().st_size > MOST_BYTES:
                    raise OSError(f"larger than {MOST_BYTES >> 20} MB")
                taken = await doors.import_statement(call, file.read_bytes())
            except (Problem, OSError) as refused:
                wrong += 1
                details = refused.details if isinstance(refused, Problem) else ""
                say(f"{file.name:<40} REFUSED: {refused} {details}")
                continue
            say(
                f"{file.name:<40} {taken.kind} {', '.join(taken.references)}: "
                f"{taken.lines} new, {taken.matched} matched, {taken.known} known, "
                f"{taken.skipped} skipped"
            )
    return 1 if wrong else 0


def play(file: Path, returns: Sequence[str], on: str | None, only_returns: bool) -> bytes:
    """The camt.053 that answers an exported pain.008 or pain.001.

    ``returns``: ``<end-to-end id>=<code>``, ``all=<code>``. Raises ``ValueError``, ``Problem``.
    """
    pain = file.read_bytes()
    _, parts = bank.parts_of(pain)
    chosen: dict[str, str] = {}
    for each in returns:
        end_to_end, _, code = each.partition("=")
        if len(code) != 4 or not code.isalnum():
            raise ValueError(f"{each}: write END-TO-END-ID=CODE, such as all=AM04")
        if end_to_end == "all":
            chosen.update({one: code for part in parts for one, _ in part.transactions})
        else:
            chosen[end_to_end] = code
    day = date.fromisoformat(on) if on else clock.now().date()
    number = 2 if only_returns else 1
    return bank.statement(pain, day, chosen, number=number, is_settled=not only_returns)
