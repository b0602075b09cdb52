"""``fahrwerk books``: prove the books of every operator, or have rides posted once more.

A program, beside ``fahrwerk audit``: it looks at one operator after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.app import grounded
from fahrwerk.kernel import money
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract import ledger
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.kernel.settings import Settings

OPEN_SHOWN = 20
"""Open items of one operator; the others are at ``/api/v1/books/open-items``."""


async def books(settings: Settings, what: str, slug: str | None, say: Callable[[str], None]) -> int:
    """``verify``: say what is wrong, by journal. ``catch-up``: post what rides lack first.

    What waits in suspense for a person is told as open, and is not wrong.
    The exit code: 1 when anything is wrong, or when there is no such operator.
    """
    wrong, seen = 0, 0
    async with grounded(settings, "cli"):
        for operator in await tenancy.operators(system(None, "cli")):
            if slug not in (None, operator.slug):
                continue
            seen += 1
            call = system(operator.id, "cli", slug=operator.slug)
            if what == "catch-up":
                say(f"{operator.slug:<24} {await ledger.catch_up(call)} journals posted")
            findings = await ledger.proof(call)
            wrong += len(findings)
            say(f"{operator.slug:<24} {f'BROKEN: {len(findings)}' if findings else 'hold'}")
            for finding in findings:
                say(f"  {finding.check:<10} {finding.subject}  {finding.detail}")
            waiting = await ledger.open_items(call, OPEN_SHOWN, 0)
            for item in waiting.items:
                amount = f"{money.to_major(item.amount_minor, item.currency):.2f} {item.currency}"
                late = "  LATE" if item.is_late else ""
                say(f"  {'open':<10} {item.subject}  {amount} since {item.since:%Y-%m-%d}{late}")
            if waiting.total > OPEN_SHOWN:
                say(f"  {'open':<10} and {waiting.total - OPEN_SHOWN} more")
    if not seen:
        say(f"there is no operator {slug}")
    return 1 if wrong or not seen else 0
