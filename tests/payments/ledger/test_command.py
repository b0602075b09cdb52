"""``fahrwerk books verify``: what it says, and its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.payments.contract import ledger
from tests.payments.ledger.keeper import break_rows, entered
from tests.payments.till import open_till

if TYPE_CHECKING:
    from tests.world import World


async def books(database: db.Database, *arguments: str) -> tuple[int, str]:
    """The command in a process of its own, on this database."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fahrwerk.cli", "books", *arguments),
        env={**os.environ, "FAHRWERK_DATABASE_URL": database.dsn, "FAHRWERK_JWT_SECRET": "tests"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.process
async def test_the_command_names_the_journal(world: World, database: db.Database) -> None:
    slug = world.operator.slug
    await ledger.post_journal(world.system(), entered(("bank", 5), ("revenue.0", -5)))
    till = await open_till(world)
    await till.authorize()
    await till.ended(525)  # the rest is left to the command: no worker has come by
    assert await books(database, "verify", "--tenant", slug) == (0, f"{slug:<24} hold\n")
    code, said = await books(database, "catch-up", "--tenant", slug)
    assert (code, said.splitlines()[0]) == (0, f"{slug:<24} 1 journals posted")
    rows = await db.run(
        "payments", world.system(), "SELECT id FROM payments.journal WHERE kind = 'sale'"
    )
    await break_rows(
        database,
        "UPDATE payments.entry SET amount_minor = amount_minor + 1 WHERE journal_id = $1",
        args=(rows[0]["id"],),
    )
    code, said = await books(database, "verify", "--tenant", slug)
    assert code == 1
    assert "BROKEN" in said
    assert f"sums       {ids.public('jrn', rows[0]['id'])}" in said
    assert await books(database, "verify", "--tenant", "nobody") == (
        1, "there is no operator nobody\n",
    )  # fmt: skip
