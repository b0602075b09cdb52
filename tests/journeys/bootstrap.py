"""``python -m tests.journeys.bootstrap '{"slug": ...}'``: an operator in a platform's database.

In a process of its own because one process speaks to one installation.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fahrwerk import app
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.settings import load


async def main(fields: dict[str, Any]) -> None:
    """Create the operator and print its id."""
    app.load_rooms()
    from fahrwerk.tenancy import contract as tenancy

    await db.open_database(app.database_urls(load())[0], 2)
    call = Call(tenant=None, permissions=frozenset({"*"}), service="tests")
    operator = await tenancy.create_operator(call, tenancy.Operator(id=ids.new(), **fields))
    sys.stdout.write(f"{operator.id}\n")
    await db.close_database()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
