"""One process of the platform that posts journals as fast as it can, as a worker or wallet would.

python -m tests.bench.posting <dsn> <tenant> <first> <count> <connections>

Says ``ready``, begins at the next line it is given, and says the seconds it took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from uuid import UUID

import uvloop

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.contract.ledger import Line, NewJournal
from fahrwerk.payments.rules import ledger as rules

RIDERS = 1_000


def sale(number: int) -> NewJournal:
    """A ride of some euros, taxed with 19 %, of one of a thousand riders."""
    gross = 100 + number % 4_900
    tax = rules.tax_in(gross, 1900)
    return NewJournal(
        key=f"bench:{number}",
        kind="sale",
        currency="EUR",
        lines=[
            Line("receivables", gross, f"rider-{number * 7_919 % RIDERS}"),
            Line("revenue.1900", tax - gross),
            Line("vat.1900", -tax),
        ],
        at=clock.now(),
        reference=ids.new(),
    )


async def _post(dsn: str, tenant: UUID, first: int, count: int, connections: int) -> None:
    await db.open_database(dsn, connections)
    call = system(tenant, "payments")
    numbers = iter(range(first, first + count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await ledger.post_journal(call, sale(number))

    await db.run("payments", call, "SELECT 1")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(connections)))
    print(time.perf_counter() - began, flush=True)
    await db.close_database()


if __name__ == "__main__":
    uvloop.run(_post(sys.argv[1], UUID(sys.argv[2]), *map(int, sys.argv[3:6])))
