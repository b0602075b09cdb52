"""A process that does one thing with a payment, to be killed while doing it (F1).

    python -m tests.payments.killed <dsn> <tenant> <rider> <payment> authorize|work|refund|transfer

``FAHRWERK_CRASH_AT`` says where it dies. Ends with 0 when nothing killed it.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from fahrwerk import app
from fahrwerk.kernel import crypto, db
from fahrwerk.kernel.call import Call, system
from fahrwerk.payments import contract
from fahrwerk.payments.actions._work import drive
from fahrwerk.payments.contract.transfers import transfer

REFUND = (200, "goodwill", "case 7")
TRANSFER = ("acct_1", 500, "EUR", "p1")


async def main(dsn: str, tenant: UUID, rider: UUID, payment: UUID, what: str) -> None:
    app.load_rooms()
    crypto.set_signing_secret("tests")
    await db.open_database(dsn, 4)
    house = system(tenant, "payments")
    match what:
        case "authorize":
            call = Call(tenant=tenant, user=rider, roles=frozenset({"customer"}))
            await contract.authorize(call, payment, None)
        case "refund":
            await contract.refund(house, payment, *REFUND)
        case "transfer":
            await transfer(house, *TRANSFER)
        case _:
            await drive(house, payment)
    await db.close_database()


if __name__ == "__main__":
    _, dsn, tenant, rider, payment, what = sys.argv
    asyncio.run(main(dsn, UUID(tenant), UUID(rider), UUID(payment), what))
