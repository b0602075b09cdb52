"""What every test stands on: one embedded PostgreSQL per run, a cloned database per worker.

Every test is its own tenant, so nothing is cleaned up and tests of one worker test isolation too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog

from fahrwerk import app
from fahrwerk.kernel import crypto, db, live, postgres
from fahrwerk.kernel.migrate import APP_LOGIN, migrate
from tests.world import World, make_world

TEMPLATE = "fahrwerk_template"
# As the processes themselves do: drawing a traceback with all local variables takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)
# The apps in a browser that draws maps by software take a whole machine: what else is measured in
# seconds would fail beside them. `make webtest` runs them by themselves.
collect_ignore = [] if os.environ.get("FAHRWERK_WEB_TESTS") else ["web"]
# Tests measure behaviour, not the disk: what was not fsynced is lost only with the machine.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Several platforms of real processes run beside each other in tests/journeys.
_WIDE = {"max_connections": "400"}


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[postgres.EmbeddedPostgres]:
    """The run's PostgreSQL: started by the first worker, stopped by the last."""
    worker = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    place = Path(tempfile.gettempdir()) / f"fahrwerk-tests-{worker}"
    place.mkdir(exist_ok=True)
    users = place / "users"
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = postgres.start(place / "postgres", options=_FAST | _WIDE)
        if not users.exists():
            asyncio.run(_make_template(found))
        count = int(users.read_text()) if users.exists() else 0
        users.write_text(str(count + 1))
    yield found
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = int(users.read_text()) - 1
        users.write_text(str(left))
        if left == 0:
            found.stop(how="immediate")


async def _make_template(found: postgres.EmbeddedPostgres) -> None:
    raw = await asyncpg.connect(found.dsn("postgres", "postgres"))
    await raw.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")  # of a try that failed
    await raw.execute(f"CREATE DATABASE {TEMPLATE}")
    await raw.close()
    await migrate(found.dsn(TEMPLATE, "postgres"))


async def new_database(found: postgres.EmbeddedPostgres, name: str) -> None:
    """A fresh migrated database: a clone of the template."""
    raw = await asyncpg.connect(found.dsn("postgres", "postgres"))
    try:
        # A clone needs the template unused; another worker may be cloning it right now.
        await raw.execute("SELECT pg_advisory_lock(4711)")
        await raw.execute(f"DROP DATABASE IF EXISTS {name}")
        await raw.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    finally:
        await raw.close()


@pytest.fixture(scope="session")
async def database(server: postgres.EmbeddedPostgres, worker_id: str) -> AsyncIterator[db.Database]:
    """This worker's database, opened as the application opens it."""
    name = f"fahrwerk_{worker_id}"
    await new_database(server, name)
    crypto.set_signing_secret("tests")
    app.load_rooms()
    opened = await db.open_database(server.dsn(name, APP_LOGIN), 16)
    opened.signal = live.hub.signal
    yield opened
    await db.close_database()


@pytest.fixture
async def world(database: db.Database) -> World:
    """A fresh operator: this test's tenant."""
    crypto.set_signing_secret("tests")  # whatever a test before has left
    return await make_world()
