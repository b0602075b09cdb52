"""``python -m tests.journeys.broken <mistake> serve|work``: the platform with one mistake built in.

The mistakes are the ones that were measured to lose money, events and vehicles. ``test_broken.py``
shows that the drills find each of them, so that a drill that passes means something.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk import cli
from fahrwerk.fleet.actions import holds
from fahrwerk.fleet.link import ingest
from fahrwerk.kernel import db, ids, pump
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point
from fahrwerk.payments.gateways.sandbox import Sandbox

if TYPE_CHECKING:
    from fahrwerk.fleet.link.tap import Tap, Told
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Authorisation, Outcome


def fresh_keys() -> None:
    """Each request to the gateway has a key of its own, as if a retry were something new."""
    authorise = Sandbox.authorise

    async def with_fresh_key(self: Sandbox, call: Call, wanted: Authorisation) -> Outcome:
        return await authorise(self, call, msgspec.structs.replace(wanted, key=ids.new().hex))

    Sandbox.authorise = with_fresh_key  # type: ignore[method-assign]


def two_commits() -> None:
    """What handlers write is committed first, the checkpoint afterwards."""

    async def commit(reader: pump.Reader, rows: Sequence[Any], dead: Any = None) -> None:
        async with db.tx(reader.room, system(None, "pump")) as tx:
            for row in rows:
                if row["name"] in reader.by_name:
                    await tx.turn_to(reader.room, row["tenant_id"])
                    await reader._handle(tx, row)
        point(f"pump.{reader.room}.before_commit")
        last = rows[-1]
        await db.run(
            "pump", system(None, "pump"), pump._MOVE, reader.room, *reader._saved,
            last["xid"], last["position"], len(rows),
        )  # fmt: skip
        reader.xid, reader.position = last["xid"], last["position"]
        reader.has_saved()
        del reader._given[: len(rows)]

    pump.Reader._commit = commit  # type: ignore[method-assign, assignment]


def endless_holds() -> None:
    """A vehicle is held until somebody gives it back."""
    expiry = "kernel.now() + make_interval(secs => $5)"
    for name in ("_HOLD_BY_ID", "_HOLD_BY_REFERENCE"):
        sql = getattr(holds, name)
        assert expiry in sql
        setattr(holds, name, sql.replace(expiry, f"{expiry} + interval '100 years'"))


def thanks_too_early() -> None:
    """Readings are acknowledged when they are heard, before they are stored."""
    hear = ingest.Ingest._hear

    def and_thank(self: ingest.Ingest, tap: Tap, told: Told) -> None:
        hear(self, tap, told)
        tap.acknowledge([told])

    ingest.Ingest._hear = and_thank  # type: ignore[method-assign]


MISTAKES: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (fresh_keys, two_commits, endless_holds, thanks_too_early)
}

if __name__ == "__main__":
    MISTAKES[sys.argv[1]]()
    sys.exit(cli.main(sys.argv[2:]))
