"""The self-check: what the feeds say against what is, for every operator that publishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog
from prometheus_client import Gauge

from fahrwerk.feeds import rules
from fahrwerk.feeds.actions import forget, policies, push, tell, trips
from fahrwerk.feeds.contract import Check
from fahrwerk.feeds.protocols import DRAFT
from fahrwerk.feeds.queries import gbfs
from fahrwerk.feeds.queries.settings import setting_of
from fahrwerk.feeds.rules import mds
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.jobs import cron, every
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.feeds.contract import Setting

log = structlog.get_logger()

differences = Gauge(
    "fahrwerk_feed_differences", "Vehicles that a feed shows wrongly", ["operator", "kind"]
)
mds_differences = Gauge(
    "fahrwerk_mds_differences",
    "Vehicles that an agency believes in another state than they are in",
    ["operator", "agency", "kind"],
)
MDS_KINDS = ("missing", "strange", "wrong")
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


_REMEMBER = """
WITH old AS (
    DELETE FROM feeds.check_past
    WHERE tenant_id = kernel.tenant() AND checked_at < $2::timestamptz - interval '7 days'
)
INSERT INTO feeds.check_past (feed, checked_at, vehicles, shown, differences)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""


MOST = 200
"""Operators that are checked in a minute: a thousand get their turn every five minutes."""
PAUSE_S = 270
"""Less than five minutes: who was late in one run is not left out of the fifth after it."""

# Who has (or had) vehicles is read off the key of theirs, one step an operator, however many
# vehicles there are; who has none is not looked at.
_DUE = f"""
WITH RECURSIVE runs AS (
    (SELECT tenant_id FROM feeds.vehicle ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT v.tenant_id FROM feeds.vehicle v WHERE v.tenant_id > h.tenant_id
            ORDER BY v.tenant_id LIMIT 1)
    FROM runs h WHERE h.tenant_id IS NOT NULL
)
SELECT h.tenant_id FROM runs h LEFT JOIN feeds.check_turn t ON t.tenant_id = h.tenant_id
WHERE h.tenant_id IS NOT NULL
  AND (t.taken_at IS NULL OR t.taken_at <= kernel.now() - interval '{PAUSE_S} seconds')
ORDER BY t.taken_at NULLS FIRST, h.tenant_id LIMIT $1
"""
_TAKE = f"""
INSERT INTO feeds.check_turn AS t (taken_at) VALUES (kernel.now())
ON CONFLICT (tenant_id) DO UPDATE SET taken_at = excluded.taken_at
WHERE t.taken_at <= kernel.now() - interval '{PAUSE_S} seconds' RETURNING 1
"""


@cron("* * * * *")
async def check_feeds() -> None:
    """Compare operators' feeds with their vehicles: of those whose turn it is, the longest waiting.

    A run that takes long and the next one share the work: each takes a turn before it checks.
    """
    for tenant in await due(MOST):
        operator = await tenancy.operator_by_id(system(None, "feeds"), tenant)
        if operator is None:
            continue
        call = system(operator.id, "feeds", slug=operator.slug)
        if await db.run("feeds", call, _TAKE):
            try:
                await check_whole(operator)
            except db.DatabaseDown:
                raise
            except Exception as error:  # the others' feeds are checked all the same
                log.error("feeds not checked", operator=operator.slug, exc_info=error)


async def due(at_most: int) -> list[UUID]:
    """Operators with vehicles that were not checked for five minutes, the longest waiting first."""
    rows = await db.run("feeds", system(None, "feeds"), _DUE, at_most)
    return [row["tenant_id"] for row in rows]


async def check_whole(operator: tenancy.Operator) -> None:
    """Check all that one operator publishes, and publish what was found."""
    what = await setting_of(system(operator.id, "feeds", slug=operator.slug))
    if what.is_public:
        await check_operator(operator, what)
    await check_agencies(operator)


async def check_operator(operator: tenancy.Operator, what: Setting) -> Check:
    """Check one operator. The feeds are read anew, on the way they are read for the public; the
    truth comes by another query, before and after."""
    call = system(operator.id, "feeds", slug=operator.slug)
    at = clock.now()
    before = await fleet.standings(call)
    bodies = [
        (protocol, (await gbfs.read(operator, what, version, protocol.VEHICLES)).body)
        for version, protocol in reversed(gbfs.PROTOCOLS.items())
        if version != DRAFT or what.has_draft
    ]
    after = await fleet.standings(call)

    def compare() -> Check:
        versions = [protocol.vehicles_in(body) for protocol, body in bodies]
        return rules.compared(at, gbfs.key_of(operator.id), before, after, versions)

    found = await asyncio.to_thread(compare)
    await db.run("feeds", call, _KEEP, *msgspec.structs.astuple(found))
    whole, shown = (
        found.available + found.disabled,
        found.shown_as_available + found.shown_as_disabled,
    )
    await db.run("feeds", call, _REMEMBER, "gbfs", at, whole, shown, found.differences)
    for kind in KINDS:
        differences.labels(operator.slug, kind).set(getattr(found, kind))
    return found


_SHOWN = """
SELECT v.id, t.state, v.version > coalesce(t.version, 0) AS is_waiting
FROM feeds.vehicle v
LEFT JOIN feeds.told_vehicle t ON t.tenant_id = v.tenant_id AND t.agency_id = $1
                              AND t.vehicle_id = v.id
WHERE v.tenant_id = kernel.tenant()
"""
_KEEP_MDS = """
INSERT INTO feeds.mds_check (agency_id, checked_at, vehicles, shown, missing, strange, wrong,
                             waiting)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, agency_id) DO UPDATE SET
    checked_at = excluded.checked_at, vehicles = excluded.vehicles, shown = excluded.shown,
    missing = excluded.missing, strange = excluded.strange, wrong = excluded.wrong,
    waiting = excluded.waiting
"""


async def check_agencies(operator: tenancy.Operator) -> None:
    """Compare what each of an operator's agencies believes with its vehicles, and keep it."""
    call = system(operator.id, "feeds", slug=operator.slug)
    for agency in await tell.agencies_to_tell(call):
        at = clock.now()
        before = await fleet.standings(call)
        shown = db.shaped(mds.Shown, await db.run("feeds", call, _SHOWN, agency.id))
        after = await fleet.standings(call)
        found = mds.compared(before, after, shown, agency.boundary is not None)
        await db.run("feeds", call, _KEEP_MDS, agency.id, at, *msgspec.structs.astuple(found))
        wrong = found.missing + found.strange + found.wrong
        past = (f"mds:{agency.slug}", at, found.vehicles, found.shown, wrong)
        await db.run("feeds", call, _REMEMBER, *past)
        for kind in MDS_KINDS:
            mds_differences.labels(operator.slug, str(agency.id), kind).set(getattr(found, kind))


@every(30, wake="feeds.forget")
async def forget_agencies() -> bool:
    """Agencies that were deleted, with all they were told; True = there is more."""
    return await forget.forget_deleted()


@cron("29 2 * * *")
async def forget_what_was_told() -> None:
    """What agencies were told is kept as long as the operator says (``mds_days``)."""
    for operator in await tenancy.operators(system(None, "feeds")):
        await forget.forget_old(system(operator.id, "feeds", slug=operator.slug))


@every(5, wake="feeds.vehicle")
async def tell_vehicles() -> bool:
    """Tell agencies what happened to vehicles."""
    return await tell.tell_vehicles()


@every(5, wake="feeds.trip")
async def tell_trips() -> bool:
    """Tell agencies of trips that are over."""
    return await trips.tell_trips()


@every(10, wake="feeds.subscription")
async def push_to_agencies() -> bool:
    """Push to the agencies that have servers of their own."""
    return await push.push_due()


@every(30, wake="feeds.agency")
async def read_policies() -> bool:
    """Read in what agencies publish."""
    return await policies.read_due_agencies()


@cron("17 * * * *")
async def enforce_policies() -> None:
    """Policies begin, end and supersede others with time alone."""
    await policies.enforce_anew()
