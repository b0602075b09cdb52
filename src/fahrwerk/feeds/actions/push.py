"""Pushing to agencies' own servers (MDS Agency API): in order, until taken, at our own pace.

A turn registers vehicles, then sends events, trips and readings from where it stood, and writes
down how far it came after each batch. At least once: what was sent and not written down is sent
again, under the same ids. A server that is down is asked again with growing pauses and loses
nothing; a single record that it will never take is counted and passed over, so that it does not
hold up the rest.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import structlog

from fahrwerk.feeds.actions.agencies import SEALED_FOR
from fahrwerk.feeds.protocols import mds_2_0 as mds
from fahrwerk.feeds.queries import settings as feed_settings
from fahrwerk.feeds.queries.access import Reader, kept_since, provider_id
from fahrwerk.feeds.queries.mds import EVENT, STREETS
from fahrwerk.feeds.queries.mds_hours import TRIPS, readings
from fahrwerk.fleet.contract import reporting
from fahrwerk.kernel import clock, crypto, db, outside, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Problem

BATCH = 200
MOST_READINGS = 1_000
VEHICLES_AT_ONCE = 100
LEASE_S = 300
IDLE_S = 60.0
PAUSE_S, LONGEST_PAUSE_S = 10.0, 3600.0
WINDOW, SETTLES = timedelta(minutes=5), timedelta(seconds=15)
log = structlog.get_logger()


class Claim(msgspec.Struct, frozen=True):
    """A subscription whose turn it is."""

    tenant: UUID
    agency_id: UUID
    mode: str
    url: str
    token: bytes
    has_telemetry: bool
    event_number: int
    trip_number: int
    telemetry_at: datetime
    failures: int
    attempts: int


class NotTaken(Exception):
    """The turn ends here; the next one begins where this one stood."""


_CLAIM = f"""
UPDATE feeds.subscription s
SET attempts = s.attempts + 1, due_at = kernel.now() + interval '{LEASE_S} seconds'
FROM (SELECT tenant_id, agency_id, mode FROM feeds.subscription q
      WHERE due_at <= kernel.now() AND EXISTS (
          SELECT FROM feeds.agency a
          WHERE a.tenant_id = q.tenant_id AND a.id = q.agency_id AND a.is_enabled)
      ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS next
WHERE s.tenant_id = next.tenant_id AND s.agency_id = next.agency_id AND s.mode = next.mode
RETURNING s.tenant_id, s.agency_id, s.mode, s.url, s.token, s.has_telemetry, s.event_number,
          s.trip_number, s.telemetry_at, s.failures, s.attempts
"""


async def push_due() -> bool:
    """Give those that are due their turn, of all operators; True when there may be more."""
    claimed = db.shaped(Claim, await db.run("feeds", system(None, "feeds"), _CLAIM, 1))
    for claim in claimed:
        try:
            await _turn(claim)
        except db.DatabaseDown:
            raise
        except (NotTaken, Problem) as why:
            await _failed(claim, str(why))
        except Exception as error:
            log.error("push failed", agency=str(claim.agency_id), exc_info=error)
            await _failed(claim, f"{type(error).__name__}: {error}")
    return bool(claimed)


_BOUNDARY = "SELECT boundary FROM feeds.agency WHERE tenant_id = kernel.tenant() AND id = $1"


async def _turn(claim: Claim) -> None:
    call = system(claim.tenant, "feeds")
    setting = await feed_settings.setting_of(call)
    row = await db.one("feeds", call, _BOUNDARY, claim.agency_id)
    of = Reader(
        call, claim.agency_id, row["boundary"] if row else None, claim.mode,
        provider_id(claim.tenant, setting, claim.mode), "UTC", kept_since(setting),
    )  # fmt: skip
    line = _Line(claim)
    try:
        await _register(of, line)
        more = await _send_events(of, claim, line)
        more = await _send_trips(of, claim, line) or more
        if claim.has_telemetry:
            more = await _send_telemetry(of, claim, line) or more
    finally:
        await line.close()
    await db.run(
        "feeds", call, _DONE, claim.agency_id, claim.mode, claim.attempts, 0.0 if more else IDLE_S
    )


_MINE = """
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND attempts = $3
"""
_DONE = f"""
UPDATE feeds.subscription SET failures = 0, error = NULL,
       due_at = kernel.now() + make_interval(secs => $4) {_MINE}
"""
_FAIL = f"""
UPDATE feeds.subscription SET failures = failures + 1, error = $4,
       due_at = kernel.now() + make_interval(secs => $5) {_MINE}
"""


async def _failed(claim: Claim, reason: str) -> None:
    log.warning("agency did not take", agency=str(claim.agency_id), reason=reason)
    pause = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** min(claim.failures, 10)) * random.uniform(0.8, 1.2)
    call = system(claim.tenant, "feeds")
    args = (claim.agency_id, claim.mode, claim.attempts, reason[:500], pause)
    await db.run("feeds", call, _FAIL, *args)


class _Line:
    """The way to one agency's server."""

    def __init__(self, claim: Claim) -> None:
        parts = urlsplit(claim.url)
        self._path = parts.path
        token = crypto.unseal(SEALED_FOR, bytes(claim.token))
        self._peer = outside.stranger(
            "agency", f"{parts.scheme}://{parts.netloc}",
            headers={
                "authorization": f"Bearer {token}", "accept": mds.JSON, "content-type": mds.JSON,
            },
            is_dev=settings.load().dev,
        )  # fmt: skip

    async def close(self) -> None:
        await self._peer.close()

    async def send(self, method: str, name: str, items: Sequence[Any]) -> tuple[int, list[Any]]:
        """The status and what the server says it did not take of it."""
        body = msgspec.json.encode(items)
        answer = await self._peer.call(method, f"{self._path}/{name}", content=body)
        try:
            said = msgspec.json.decode(answer.content) if answer.content else {}
        except msgspec.DecodeError:
            said = {}
        failures = said.get("failures") if isinstance(said, dict) else None
        return answer.status_code, failures if isinstance(failures, list) else []


Refused = Callable[[int, str], Awaitable[None]]


async def _deliver(
    line: _Line, name: str, items: Sequence[Any], refused: Refused, method: str = "POST"
) -> bool:
    """Send a batch; False when the server does not know a vehicle in it (yet, or any more).

    Refused as a whole, it is sent one by one. Raises ``NotTaken`` for all that may pass.
    """
    status, failures = await line.send(method, name, items)
    if status in (200, 201, 202, 204):
        unknown = [f for f in failures if isinstance(f, dict) and f.get("error") == "unregistered"]
        if unknown:
            return False
        if failures:
            await refused(len(failures), _said(failures[0]))
        return True
    if status == 404 and name != "vehicles":
        return False
    if status == 400 and len(items) > 1:
        for item in items:
            if not await _deliver(line, name, [item], refused, method):
                return False
        return True
    if status == 400:
        await refused(1, f"{name}: 400 {_said(failures[0]) if failures else ''}".strip())
        return True
    if status == 409 and method == "POST":
        return await _deliver(line, name, items, refused, "PUT")
    raise NotTaken(f"{method} {name} was answered {status}")


def _said(failure: Any) -> str:
    if not isinstance(failure, dict):
        return ""
    words = [failure.get("error"), failure.get("error_description"), failure.get("error_details")]
    return " ".join(str(each) for each in words if each)[:300]


_REFUSED = f"""
UPDATE feeds.subscription SET refused = refused + $4, last_refused = $5 {_MINE}
"""


def _refusing(of: Reader, claim: Claim) -> Refused:
    async def refused(count: int, words: str) -> None:
        log.warning("agency refused", agency=str(claim.agency_id), records=count, reason=words)
        args = (claim.agency_id, claim.mode, claim.attempts, count, words[:500])
        await db.run("feeds", of.call, _REFUSED, *args)

    return refused


_TO_REGISTER = """
SELECT vehicle_id, registered IS NULL AS is_new FROM feeds.told_vehicle
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND last_event IS NOT NULL
  AND registered IS DISTINCT FROM 'taken'
ORDER BY registered IS NULL, vehicle_id LIMIT $3
"""
_REGISTERED = """
UPDATE feeds.told_vehicle SET registered = $3
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND vehicle_id = ANY($2)
"""


async def _register(of: Reader, line: _Line) -> None:
    """Vehicles first: a server refuses events of those it does not know."""

    async def refused(count: int, words: str) -> None:
        raise NotTaken(f"vehicles: {words}")

    while rows := await db.run("feeds", of.call, _TO_REGISTER, of.agency_id, of.mode, BATCH):
        is_new = rows[0]["is_new"]
        ids = [row["vehicle_id"] for row in rows if row["is_new"] == is_new]
        found = await reporting.reported(of.call, ids)
        described = [mds.vehicle(of.provider_id, each, of.mode) for each in found]
        method = "POST" if is_new else "PUT"
        if not await _deliver(line, "vehicles", described, refused, method):
            # It has forgotten them: they are registered anew in the next turn.
            await db.run("feeds", of.call, _REGISTERED, of.agency_id, ids, None)
            raise NotTaken("vehicles have to be registered again")
        await db.run("feeds", of.call, _REGISTERED, of.agency_id, ids, "taken")


_EVENTS = f"""
SELECT {EVENT} FROM feeds.told_event e
WHERE e.tenant_id = kernel.tenant() AND e.agency_id = $1 AND e.mode = $2 AND e.number > $3
ORDER BY e.number LIMIT $4
"""
_CAME_TO = f"""
UPDATE feeds.subscription SET event_number = greatest(event_number, $4),
       trip_number = greatest(trip_number, $5), telemetry_at = greatest(telemetry_at, $6),
       pushed_at = $7, failures = 0, error = NULL {_MINE}
"""


async def _came_to(
    of: Reader, claim: Claim, event: int = 0, trip: int = 0, at: datetime | None = None
) -> None:
    until = at or claim.telemetry_at
    args = (claim.agency_id, claim.mode, claim.attempts, event, trip, until, clock.now())
    await db.run("feeds", of.call, _CAME_TO, *args)


async def _send_events(of: Reader, claim: Claim, line: _Line) -> bool:
    args = (of.agency_id, of.mode, claim.event_number, BATCH)
    told = db.shaped(mds.ToldEvent, await db.run("feeds", of.call, _EVENTS, *args))
    if not told:
        return False
    events = [mds.event(of.provider_id, each) for each in told]
    if not await _deliver(line, "events", events, _refusing(of, claim)):
        await _forgotten(of, {each.vehicle_id for each in told})
    await _came_to(of, claim, event=told[-1].number)
    return len(told) == BATCH


async def _forgotten(of: Reader, vehicle_ids: set[UUID]) -> None:
    await db.run("feeds", of.call, _REGISTERED, of.agency_id, list(vehicle_ids), None)
    raise NotTaken("vehicles have to be registered again")


_TRIPS = f"{TRIPS} AND t.number > $3 ORDER BY t.number LIMIT $4"


async def _send_trips(of: Reader, claim: Claim, line: _Line) -> bool:
    args = (of.agency_id, of.mode, claim.trip_number, BATCH)
    told = db.shaped(mds.ToldTrip, await db.run("feeds", of.call, _TRIPS, *args))
    if not told:
        return False
    trips = [mds.trip(of.provider_id, each, of.mode) for each in told]
    if not await _deliver(line, "trips", trips, _refusing(of, claim)):
        await _forgotten(of, {each.vehicle_id for each in told})
    await _came_to(of, claim, trip=told[-1].number)
    return len(told) == BATCH


_VEHICLES = """
SELECT vehicle_id, trip_id FROM feeds.told_vehicle
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND last_event IS NOT NULL
  AND vehicle_id > $3 AND (state = ANY($4) OR at >= $5)
ORDER BY vehicle_id LIMIT $6
"""


async def _send_telemetry(of: Reader, claim: Claim, line: _Line) -> bool:
    """The readings of the next few minutes, of all vehicles; again as a whole if that fails."""
    since, newest = claim.telemetry_at, clock.now() - SETTLES
    until = min(since + WINDOW, newest)
    if until <= since:
        return False
    after = UUID(int=0)
    while True:
        args = (of.agency_id, of.mode, after, STREETS, since, VEHICLES_AT_ONCE)
        rows = await db.run("feeds", of.call, _VEHICLES, *args)
        if not rows:
            break
        found, last = await readings(
            of, since, until, {r["vehicle_id"]: r["trip_id"] for r in rows}
        )
        for start in range(0, len(found), MOST_READINGS):
            part = found[start : start + MOST_READINGS]
            if not await _deliver(line, "telemetry", part, _refusing(of, claim)):
                await _forgotten(of, {each.device_id for each in part})
        after = last or rows[-1]["vehicle_id"]
    await _came_to(of, claim, at=until)
    return until < newest
