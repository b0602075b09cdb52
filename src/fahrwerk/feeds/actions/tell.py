"""Telling agencies what happened to vehicles: place it, follow it, write it down for each of them.

Claim, ask fleet and rentals, decide (``rules.mds``), record. Whoever dies on the way is followed by
another worker, which finds the same and writes the same events: their ids are made from what
happened. A vehicle is followed by one worker at a time, and an agency's events are numbered under
the lock of its row, in the order in which they become visible.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog

from fahrwerk.feeds.rules import mds, places, states
from fahrwerk.fleet.contract import reporting
from fahrwerk.kernel import clock, crypto, db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import NotFound
from fahrwerk.rentals import contract as rentals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.fleet.contract.reporting import Reported, Was
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental

BATCH = 200
MOST_AT_ONCE = 4_000
"""Happenings of a batch: a new agency is told of months."""
LEASE_S = 75
LOOK_AGAIN_S = 60
"""How often a vehicle under way is looked at, whether it has crossed a border."""
FRESH = timedelta(minutes=10)
log = structlog.get_logger()


class Claim(msgspec.Struct, frozen=True):
    """A vehicle that is due; ``attempts`` is our claim on it."""

    tenant: UUID
    id: UUID
    version: int
    attempts: int


class Agency(msgspec.Struct, frozen=True):
    """Whom to tell, and what it may know."""

    id: UUID
    slug: str
    boundary: places.Area | None


_CLAIM = f"""
UPDATE feeds.vehicle v
SET attempts = v.attempts + 1, due_at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, id FROM feeds.vehicle WHERE due_at <= kernel.now()
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE v.tenant_id = next.tenant_id AND v.id = next.id
RETURNING v.tenant_id, v.id, v.version, v.attempts
"""


async def tell_vehicles() -> bool:
    """Tell of the vehicles that are due, of all operators; True when there may be more."""
    claimed = db.shaped(Claim, await db.run("feeds", system(None, "feeds"), _CLAIM, BATCH))
    by_tenant: dict[UUID, list[Claim]] = defaultdict(list)
    for claim in claimed:
        by_tenant[claim.tenant].append(claim)
    for tenant, claims in by_tenant.items():
        await _patiently(system(tenant, "feeds"), claims)
    return len(claimed) == BATCH


async def _patiently(call: Call, claims: list[Claim]) -> None:
    """One that fails must not hold up the others."""
    try:
        await tell(call, claims)
    except db.DatabaseDown:
        raise
    except Exception as error:
        if len(claims) == 1:
            log.error("vehicle not told", vehicle=str(claims[0].id), exc_info=error)
            return
        for claim in claims:
            await _patiently(call, [claim])


_AGENCIES = """
SELECT id, slug, boundary FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND is_enabled ORDER BY id
"""


async def agencies_to_tell(call: Call) -> list[Agency]:
    """Agencies of an operator that are reported to, in the order in which their rows are locked."""
    return [
        Agency(row["id"], row["slug"], places.area(row["boundary"]) if row["boundary"] else None)
        for row in await db.run("feeds", call, _AGENCIES)
    ]


async def tell(call: Call, claims: list[Claim]) -> None:
    """Tell all agencies of an operator about these vehicles."""
    agencies = await agencies_to_tell(call)
    found = {each.id: each for each in await reporting.reported(call, [c.id for c in claims])}
    beliefs = await _beliefs(call, claims, agencies, found)
    happenings = await _happenings(call, claims, beliefs)
    placed = await _placed(call, happenings, found)
    outcome = _Outcome(call, {c.id: c for c in claims}, found, placed, agencies)
    for (agency_id, vehicle_id), belief in beliefs.items():
        outcome.follow(agency_id, vehicle_id, belief)
    await outcome.record()


Believed = dict[tuple[UUID, UUID], mds.Belief]
"""(agency, vehicle) -> what it knows."""
_BELIEFS = """
SELECT agency_id, vehicle_id, mode, version, status, state, trip_id, at, latitude, longitude,
       deployed_at
FROM feeds.told_vehicle WHERE tenant_id = kernel.tenant() AND vehicle_id = ANY($1)
"""


async def _beliefs(
    call: Call, claims: list[Claim], agencies: list[Agency], found: dict[UUID, Reported]
) -> Believed:
    vehicles = [c.id for c in claims if c.id in found]
    believed = {
        (agency.id, vehicle_id): mds.Belief(mode=states.MODES[found[vehicle_id].vehicle_type])
        for agency in agencies
        for vehicle_id in vehicles
    }
    for agency_id, vehicle_id, *known in await db.run("feeds", call, _BELIEFS, vehicles):
        if (agency_id, vehicle_id) in believed:
            names = mds.Belief.__struct_fields__
            believed[agency_id, vehicle_id] = mds.Belief(**dict(zip(names, known, strict=True)))
    return believed


class Row(msgspec.Struct, frozen=True):
    """A happening as it is written down."""

    vehicle_id: UUID
    version: int
    kind: str
    at: datetime
    rental_id: UUID | None
    status: str | None
    latitude: float | None
    longitude: float | None
    battery_pct: int | None
    is_placed: bool


_HAPPENINGS = """
SELECT h.vehicle_id, h.version, h.kind, h.at, h.rental_id, h.status, h.latitude, h.longitude,
       h.battery_pct, h.is_placed
FROM unnest($1::uuid[], $2::bigint[]) AS told (vehicle_id, version)
JOIN feeds.happening h ON h.tenant_id = kernel.tenant() AND h.vehicle_id = told.vehicle_id
                      AND h.version > told.version
ORDER BY h.vehicle_id, h.version LIMIT $3
"""


async def _happenings(call: Call, claims: list[Claim], beliefs: Believed) -> list[Row]:
    since: dict[UUID, int] = {}
    for (_, vehicle_id), belief in beliefs.items():
        since[vehicle_id] = min(belief.version, since.get(vehicle_id, belief.version))
    args = (list(since), list(since.values()), MOST_AT_ONCE)
    return db.shaped(Row, await db.run("feeds", call, _HAPPENINGS, *args))


async def _placed(call: Call, rows: list[Row], found: dict[UUID, Reported]) -> list[Row]:
    """The same with the places they happened at, as far as anybody knows."""
    unplaced = [row for row in rows if not row.is_placed]
    was: list[Was | None] = []
    for start in range(0, len(unplaced), 1_000):
        part = unplaced[start : start + 1_000]
        moments = [reporting.Moment(each.vehicle_id, each.at) for each in part]
        was += await reporting.whereabouts(call, moments, int(FRESH.total_seconds()))
    readings = {(r.vehicle_id, r.version): w for r, w in zip(unplaced, was, strict=True)}
    rides = await _rides(call, unplaced)
    newest = {row.vehicle_id: row.version for row in rows}
    made: list[Row] = []
    last = await _before(call, {row.vehicle_id for row in unplaced})
    for row in rows:
        if not row.is_placed:
            vehicle = found[row.vehicle_id]
            is_newest = row.version == newest[row.vehicle_id]
            row = _with_ride(row, rides.get(row.rental_id) if row.rental_id else None)
            row = _with_place(
                row, readings[row.vehicle_id, row.version], vehicle, is_newest,
                last.get(row.vehicle_id),
            )  # fmt: skip
        last[row.vehicle_id] = row
        made.append(row)
    return made


_BEFORE = """
SELECT h.vehicle_id, h.version, h.kind, h.at, h.rental_id, h.status, h.latitude, h.longitude,
       h.battery_pct, h.is_placed
FROM unnest($1::uuid[]) AS wanted (vehicle_id) CROSS JOIN LATERAL (
    SELECT * FROM feeds.happening b
    WHERE b.tenant_id = kernel.tenant() AND b.vehicle_id = wanted.vehicle_id AND b.is_placed
    ORDER BY b.version DESC LIMIT 1) h
"""


async def _before(call: Call, vehicle_ids: set[UUID]) -> dict[UUID, Row]:
    """The last happening of each vehicle that was placed."""
    rows = await db.run("feeds", call, _BEFORE, list(vehicle_ids))
    return {row.vehicle_id: row for row in db.shaped(Row, rows)}


async def _rides(call: Call, rows: list[Row]) -> dict[UUID, Rental]:
    """The rentals of rides that are over."""
    wanted = {row.rental_id for row in rows if row.kind == "returned" and row.rental_id}

    async def ask(rental_id: UUID) -> Rental | None:
        try:
            return await rentals.rental(call, rental_id)
        except NotFound:
            return None

    answers = await asyncio.gather(*map(ask, wanted))
    return {each.id: each for each in answers if each is not None}


def _with_ride(row: Row, ride: Rental | None) -> Row:
    """A ride ended when its meter stopped; one that was called off at once was no ride."""
    if row.kind != "returned" or ride is None:
        return row
    if ride.state == "cancelled":
        return msgspec.structs.replace(row, kind="cancelled")
    if ride.ended_at is None or ride.is_recorded:
        return row
    row = msgspec.structs.replace(row, at=min(row.at, ride.ended_at))
    if ride.end is not None:
        return msgspec.structs.replace(
            row, latitude=ride.end.latitude, longitude=ride.end.longitude
        )
    return row


def _with_place(
    row: Row, was: Was | None, vehicle: Reported, is_newest: bool, before: Row | None
) -> Row:
    """By what its device said just before; else where it is, if that was only now; else where it
    was last."""
    is_now = is_newest and clock.now() - row.at < FRESH
    place, battery = (row.latitude, row.longitude), row.battery_pct
    if was is not None:
        battery = was.battery_level
        if row.kind != "moved":
            place = (was.latitude, was.longitude)
    if place[0] is None and is_now:
        place = (vehicle.latitude, vehicle.longitude)
    if place[0] is None and before is not None:
        place = (before.latitude, before.longitude)
    if place[0] is None:
        place = (vehicle.latitude, vehicle.longitude)
    status = row.status
    if row.kind == "released" and is_now and vehicle.status in ("offline", "maintenance"):
        status = vehicle.status  # it fell silent, or broke, while it was held
    return msgspec.structs.replace(
        row, status=status, latitude=place[0], longitude=place[1],
        battery_pct=vehicle.battery_level if battery is None and is_now else battery,
    )  # fmt: skip


_MINE = """
SELECT v.id, v.version FROM feeds.vehicle v
JOIN unnest($1::uuid[], $2::int[]) AS claim (id, attempts) USING (id)
WHERE v.tenant_id = kernel.tenant() AND v.attempts = claim.attempts
ORDER BY v.id FOR UPDATE OF v
"""
_LOCK = """
SELECT id, told FROM feeds.agency WHERE tenant_id = kernel.tenant() AND id = ANY($1)
ORDER BY id FOR UPDATE
"""
_PLACE = """
UPDATE feeds.happening SET kind = $3, at = $4, status = $5, latitude = $6, longitude = $7,
       battery_pct = $8, is_placed = true
WHERE tenant_id = kernel.tenant() AND vehicle_id = $1 AND version = $2 AND NOT is_placed
"""
_EVENT = """
INSERT INTO feeds.told_event (agency_id, number, id, vehicle_id, mode, state, types, at,
                              published_at, latitude, longitude, battery_pct, trip_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_BELIEVE = """
INSERT INTO feeds.told_vehicle AS t (agency_id, vehicle_id, mode, version, status, state, trip_id,
                                     at, latitude, longitude, deployed_at, last_event)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (tenant_id, agency_id, vehicle_id) DO UPDATE
SET version = excluded.version, status = excluded.status, state = excluded.state,
    trip_id = excluded.trip_id, at = excluded.at, latitude = excluded.latitude,
    longitude = excluded.longitude, deployed_at = excluded.deployed_at,
    last_event = coalesce(excluded.last_event, t.last_event)
"""
_COUNT = "UPDATE feeds.agency SET told = $2 WHERE tenant_id = kernel.tenant() AND id = $1"
_STALE = """
UPDATE feeds.told_vehicle SET registered = 'stale'
WHERE tenant_id = kernel.tenant() AND vehicle_id = ANY($1) AND registered = 'taken'
"""
PUSH = """
UPDATE feeds.subscription SET due_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND failures = 0 AND due_at > kernel.now()
"""
_DONE = """
UPDATE feeds.vehicle v SET due_at = CASE
    WHEN v.version > done.version THEN kernel.now()
    WHEN done.again THEN kernel.now() + make_interval(secs => $4) END
FROM unnest($1::uuid[], $2::bigint[], $3::bool[]) AS done (id, version, again)
WHERE v.tenant_id = kernel.tenant() AND v.id = done.id
"""


class _Outcome:
    """What a turn has come to, until it is written."""

    def __init__(
        self, call: Call, claims: dict[UUID, Claim], found: dict[UUID, Reported],
        placed: Sequence[Row], agencies: list[Agency],
    ) -> None:  # fmt: skip
        self.call = call
        self.claims = claims
        self.found = found
        self.placed = placed
        self.agencies = {each.id: each for each in agencies}
        key = crypto.lasting_key_for(f"feeds.trip:{call.tenant}")
        self.lives: dict[UUID, list[mds.Happening]] = defaultdict(list)
        for row in placed:
            self.lives[row.vehicle_id].append(
                mds.Happening(
                    vehicle_id=row.vehicle_id, version=row.version, kind=row.kind, at=row.at,
                    trip_id=mds.keyed_id(key, row.rental_id) if row.rental_id else None,
                    status=row.status, latitude=row.latitude, longitude=row.longitude,
                    battery_pct=row.battery_pct,
                )
            )  # fmt: skip
        self.beliefs: list[tuple[UUID, UUID, mds.Belief, list[mds.Told]]] = []
        self.under_way: set[UUID] = set()

    def follow(self, agency_id: UUID, vehicle_id: UUID, belief: mds.Belief) -> None:
        """One vehicle's news for one agency."""
        boundary = self.agencies[agency_id].boundary
        after, told = mds.follow(belief, boundary, self.lives[vehicle_id])
        if after.status == "in_use" and boundary is not None:
            self.under_way.add(vehicle_id)
            after, more = mds.seen(after, boundary, self._sight(vehicle_id, after))
            told += more
        if after != belief:
            self.beliefs.append((agency_id, vehicle_id, after, told))

    def _sight(self, vehicle_id: UUID, belief: mds.Belief) -> mds.Happening:
        vehicle, now = self.found[vehicle_id], clock.now()
        return mds.Happening(
            vehicle_id=vehicle_id, version=belief.version, kind="seen",
            at=min(now, vehicle.measured_at or now), trip_id=belief.trip_id,
            latitude=vehicle.latitude, longitude=vehicle.longitude,
            battery_pct=vehicle.battery_level,
        )  # fmt: skip

    async def record(self) -> None:
        """Write it down. What another worker has claimed meanwhile is left out."""
        now = clock.now()
        async with db.tx("feeds", self.call) as tx:
            numbers = {row["id"]: row["told"] for row in await tx.run(_LOCK, list(self.agencies))}
            claims = list(self.claims.values())
            mine = {
                row["id"]
                for row in await tx.run(_MINE, [c.id for c in claims], [c.attempts for c in claims])
            }
            events, beliefs = [], []
            for agency_id, vehicle_id, belief, told in self.beliefs:
                if vehicle_id not in mine or agency_id not in numbers:
                    continue
                for each in told:
                    numbers[agency_id] += 1
                    events.append(self._event(agency_id, numbers[agency_id], belief, each, now))
                last = numbers[agency_id] if told else None
                beliefs.append((agency_id, vehicle_id, *_known(belief), last))
            await tx.many(_PLACE, [_place(row) for row in self.placed if row.vehicle_id in mine])
            await tx.many(_EVENT, events)
            await tx.many(_BELIEVE, beliefs)
            await tx.many(_COUNT, list(numbers.items()))
            changed = {row.vehicle_id for row in self.placed if row.kind == "changed"}
            await tx.run(_STALE, list(changed & mine))
            if events or changed:
                await tx.run(PUSH)
                tx.signal("feeds.subscription")
            await tx.run(_DONE, *self._done(mine), float(LOOK_AGAIN_S))

    def _event(
        self, agency_id: UUID, number: int, belief: mds.Belief, told: mds.Told, now: datetime
    ) -> tuple[Any, ...]:
        # A sight has the version of the happening before it, but a time of its own.
        name = ids.derived(
            "mds event", agency_id, told.vehicle_id, told.version, told.part, told.at
        )
        return (
            agency_id, number, name, told.vehicle_id, belief.mode, told.state, list(told.types),
            told.at, now, places.shown(told.latitude), places.shown(told.longitude),
            told.battery_pct, told.trip_id,
        )  # fmt: skip

    def _done(self, mine: set[UUID]) -> tuple[list[UUID], list[int], list[bool]]:
        is_cut = len(self.placed) == MOST_AT_ONCE
        done = []
        for vehicle_id in mine:
            life = self.lives.get(vehicle_id)
            if is_cut:  # the last ones' happenings, or some of them, were not read
                version = life[-1].version if life else -1
            else:
                version = self.claims[vehicle_id].version
            done.append((vehicle_id, version, vehicle_id in self.under_way))
        columns = list(zip(*done, strict=True)) or [(), (), ()]
        return list(columns[0]), list(columns[1]), list(columns[2])


def _known(belief: mds.Belief) -> tuple[Any, ...]:
    return (
        belief.mode, belief.version, belief.status, belief.state, belief.trip_id, belief.at,
        belief.latitude, belief.longitude, belief.deployed_at,
    )  # fmt: skip


def _place(row: Row) -> tuple[Any, ...]:
    return (
        row.vehicle_id, row.version, row.kind, row.at, row.status, row.latitude, row.longitude,
        row.battery_pct,
    )  # fmt: skip
