"""The self-check: what the feeds say against what is, for every operator that publishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import Gauge

from fahrwerk.feeds import queries, rules
from fahrwerk.feeds.contract import Check
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.feeds.contract import Setting

differences = Gauge(
    "fahrwerk_feed_differences", "Vehicles that a feed shows wrongly", ["operator", "kind"]
)
KINDS = ("missing", "doubled", "in_use", "strange", "wrong")

_KEEP = """
INSERT INTO feeds.check (checked_at, available, disabled, shown_as_available, shown_as_disabled,
                         missing, doubled, in_use, strange, wrong, unplaced, moving)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (tenant_id) DO UPDATE SET
    checked_at = excluded.checked_at, available = excluded.available, disabled = excluded.disabled,
    shown_as_available = excluded.shown_as_available,
    shown_as_disabled = excluded.shown_as_disabled, missing = excluded.missing,
    doubled = excluded.doubled, in_use = excluded.in_use, strange = excluded.strange,
    wrong = excluded.wrong, unplaced = excluded.unplaced, moving = excluded.moving
"""


@cron("*/5 * * * *")
async def check_feeds() -> None:
    """Compare each operator's feeds with its vehicles, and publish what was found."""
    for operator in await tenancy.operators(system(None, "feeds")):
        call = system(operator.id, "feeds", slug=operator.slug)
        what = await queries.setting_of(call)
        if what.is_public:
            await check_operator(operator, what)


async def check_operator(operator: tenancy.Operator, what: Setting) -> Check:
    """Check one operator. The feeds are read anew, on the way they are read for the public; the
    truth comes by another query, before and after."""
    call = system(operator.id, "feeds", slug=operator.slug)
    at = clock.now()
    before = await fleet.standings(call)
    bodies = [
        (protocol, (await queries.read(operator, what, version, protocol.VEHICLES)).body)
        for version, protocol in reversed(queries.PROTOCOLS.items())
    ]
    after = await fleet.standings(call)

    def compare() -> Check:
        versions = [protocol.vehicles_in(body) for protocol, body in bodies]
        return rules.compared(at, queries.key_of(operator.id), before, after, versions)

    found = await asyncio.to_thread(compare)
    await db.run("feeds", call, _KEEP, *msgspec.structs.astuple(found))
    for kind in KINDS:
        differences.labels(operator.slug, kind).set(getattr(found, kind))
    return found
