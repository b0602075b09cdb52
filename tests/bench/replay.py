"""pgbench with the SQL of a booking: the limit that booking is measured against.

What differs from the application, all of it in pgbench's favour: statements follow each other on
one connection without a client thinking in between; the login inherits the rights of all rooms, so
it never says ``set_config`` (row-level security holds for it as for the application); ids of new
rows count up instead of being random; and tenancy and tariffs, which the application remembers for
some seconds, are never read. Against it stands only that ids are put together in SQL.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel import db
from fahrwerk.kernel.settings import ROOMS
from tests.bench.capture import NEW
from tests.bench.city import FIRST
from tests.bench.stage import DATABASE

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tests.bench.capture import Script
    from tests.bench.stage import Stage

LOGIN = "fahrwerk_bench"
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_LATENCY = re.compile(r"^latency average = ([\d.]+) ms", re.MULTILINE)
_EACH = re.compile(r"^ +([\d.]+) +\d+ +(\S+)", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)


class Replayed(msgspec.Struct):
    """One run of pgbench."""

    per_second: float
    done: int
    mean_ms: float
    client_us: float
    """CPU time of pgbench itself, per transaction."""
    each_ms: list[float] = []
    """Mean latency of each statement, when asked for."""


async def make_login(owner: asyncpg.Connection) -> None:
    """The login pgbench uses: no owner, no superuser, a member of all rooms that inherits."""
    await owner.execute(
        f"DO $$ BEGIN CREATE ROLE {LOGIN} LOGIN INHERIT NOSUPERUSER NOBYPASSRLS; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    roles = ", ".join(f"fahrwerk_{room}" for room in ("kernel", *ROOMS))
    await owner.execute(f"GRANT {roles} TO {LOGIN} WITH INHERIT TRUE")


def replay(
    stage: Stage,
    script: Script,
    tenant: UUID,
    *,
    count: int,
    connections: int,
    turn: int = 0,
    report: bool = False,
) -> Replayed:
    """Run the script ``count`` times over ``connections``; vehicles and riders from 0 on.

    ``turn`` makes the ids of new rows different from those of other runs. ``report``: with the
    time of each statement, which costs a little.
    """
    file = stage.folder / "booking.sql"
    file.write_text(script.text)
    each = count // connections
    fresh = {name: v.replace(NEW, f"{turn + 1:08}-{NEW[9:]}") for name, v in script.values.items()}
    values = {**fresh, "n": "0", "first": str(FIRST), "each": str(each)}
    settings = {
        "fahrwerk.tenant": str(tenant),
        "statement_timeout": str(db.STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(db.LOCK_TIMEOUT_MS),
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "TimeZone": "UTC",
    }
    before = os.times()
    ran = subprocess.run(
        [
            str(stage.server.programs / "pgbench"),
            *("-n", "-M", "prepared", "-c", str(connections), "-t", str(each)),
            *("-j", str(min(2, connections)), *(["-r"] if report else [])),
            *("-f", str(file), "-h", str(stage.server.socket_dir), "-U", LOGIN),
            *(part for name, value in values.items() for part in ("-D", f"{name}={value}")),
            DATABASE,
        ],
        env={"PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in settings.items())},
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    time.sleep(0.3)  # until its backends have ended and their CPU time can be read
    found = [pattern.search(ran.stdout) for pattern in (_TPS, _DONE, _LATENCY)]
    if ran.returncode or not all(found):
        raise RuntimeError(f"pgbench failed:\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}")
    tps, done, latency = (float(match[1]) for match in found if match)
    sql = [float(ms) for ms, said in _EACH.findall(ran.stdout) if not said.startswith("\\set")]
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return Replayed(tps, int(done), latency, 1e6 * spent / done, sql)
