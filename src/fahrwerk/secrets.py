"""``fahrwerk secrets reseal``: seal anew what a secret of before still holds shut.

A program, beside ``fahrwerk books``: it goes from operator to operator and from room to room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.app import furniture, grounded
from fahrwerk.kernel import resealing
from fahrwerk.kernel.call import system
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.settings import Settings


def who_seals() -> dict[str, Callable[[Call], Coroutine[Any, Any, resealing.Tally]]]:
    """The rooms that keep something sealed, and the kernel, with what seals it anew."""
    found: dict[str, Callable[[Call], Coroutine[Any, Any, resealing.Tally]]]
    found = {"kernel": resealing.reseal}
    for module in furniture("actions"):
        if (each := getattr(module, "reseal", None)) is not None:
            found[module.__name__.split(".")[1]] = each
    return found


async def reseal_all(tenant: Call) -> resealing.Tally:
    """All that is sealed of one operator, whichever room keeps it."""
    tally = resealing.Tally()
    for reseal in who_seals().values():
        tally = tally.and_also(await reseal(tenant))
    return tally


async def reseal(settings: Settings, say: Callable[[str], None]) -> int:
    """Seal anew what was sealed with a secret of before, of every operator.

    The exit code: 1 when something can be opened with none of the secrets that are set.
    """
    whole = resealing.Tally()
    async with grounded(settings, "cli"):
        for operator in await tenancy.operators(system(None, "cli")):
            tally = await reseal_all(system(operator.id, "cli", slug=operator.slug))
            say(f"{operator.slug:<24} {tally.anew:>8} sealed anew, {tally.lost} cannot be opened")
            whole = whole.and_also(tally)
    if whole.lost:
        say("What cannot be opened was sealed with a secret that is not among")
        say("FAHRWERK_JWT_SECRETS_BEFORE. Add it there, or enter those keys and pair again.")
    elif not whole.anew:
        say("Nothing is sealed with a secret of before.")
    return 1 if whole.lost else 0
