"""What a tenant keeps sealed, on its way into another installation (TEN-29).

Each installation seals with a secret of its own. So for the way all of it is opened and sealed with
a key made for this one file, which is written beside it and goes there by another way; on arrival
it is opened with that key and sealed with the secret of the new installation. How each thing is
sealed, the rooms know: what does both is their ``reseal`` (``kernel.resealing``).
"""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fahrwerk.kernel import crypto, resealing
from fahrwerk.kernel.call import system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.resealing import Tally

    Reseal = Callable[[Call], Awaitable[Tally]]


def new_key(path: Path) -> str:
    """A key in a new file that only we may read. Raises ``FileExistsError``."""
    key = secrets.token_urlsafe(48)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(key + "\n")
    return key


def read_key(path: Path) -> str:
    """The key in a file that :func:`new_key` wrote."""
    return path.read_text().strip()


def mark_of(key: str) -> str:
    """What a file says of its key: enough to tell whether it is this one, and no more."""
    return crypto.digest_of(f"transport:{key}")[:16]


SEALS = "moving_seal"
_TABLE = f"CREATE TEMP TABLE {SEALS} (was bytea NOT NULL, anew bytea NOT NULL)"
_INDEX = f"CREATE INDEX ON {SEALS} USING hash (was)"
_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"


async def room_for_seals(owner: Any) -> None:
    """Make the table that :func:`gather` fills: before the transaction, which only reads."""
    await owner.execute(_TABLE)
    await owner.execute(_INDEX)


def opened(column: str, row: str) -> str:
    """A column of bytes, with what is sealed in it as it is to be on the way."""
    one = f'{row}."{column}"'
    found = f"SELECT s.anew FROM {SEALS} s WHERE s.was = {one}"
    return f'coalesce(({found}), {one}) AS "{column}"'


async def gather(owner: Any, tenant: UUID, key: str, reseal: Reseal) -> Tally:
    """Note down for all that is sealed how it is to be on the way; nothing of it is changed."""

    async def told(pairs: list[tuple[bytes, bytes]]) -> None:
        await owner.copy_records_to_table(SEALS, records=pairs, columns=["was", "anew"])

    async with _on_the_way(owner, told, lambda purpose: purpose):
        with crypto.sealing_also_with(key, first=True):
            tally = await reseal(system(tenant, "cli"))
    await owner.execute(f"ANALYZE {SEALS}")
    return tally


async def arrive(owner: Any, was: UUID, tenant: UUID, key: str | None, reseal: Reseal) -> Tally:
    """Seal with the secret of here what has come in, also for whom it is called here."""

    def purpose(there: str) -> str:
        return there.replace(str(was), str(tenant))

    async with _on_the_way(owner, None, purpose):
        if key is None:
            return await reseal(system(was, "cli"))
        with crypto.sealing_also_with(key, first=False):
            return await reseal(system(was, "cli"))


@asynccontextmanager
async def _on_the_way(
    owner: Any,
    told: Callable[[list[tuple[bytes, bytes]]], Awaitable[None]] | None,
    purpose: Callable[[str], str],
) -> AsyncIterator[None]:
    # The walls between tenants hold for an owner too, but not for a superuser.
    steps_over = await owner.fetchval(_SUPERUSER)

    async def run(room: str, sql: str, *args: Any) -> Any:
        if not steps_over:
            return await owner.fetch(sql, *args)
        await owner.execute(f"SET LOCAL ROLE fahrwerk_{room}")
        rows = await owner.fetch(sql, *args)
        await owner.execute("SET LOCAL ROLE NONE")
        return rows

    token = resealing.journey.set(resealing.Journey(run, told, purpose))
    try:
        yield
    finally:
        resealing.journey.reset(token)
