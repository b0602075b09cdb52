"""Reading feeds: encoded once per operator, version and time to live, then kept in the process."""

from __future__ import annotations

import asyncio
import hashlib
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.feeds import rules
from fahrwerk.feeds.contract import (
    Check,
    Document,
    MdsCheck,
    NotChecked,
    PastCheck,
    UnknownFeed,
)
from fahrwerk.feeds.contract.alerts import PublicAlert
from fahrwerk.feeds.protocols import (
    ALERTED,
    DRAFT,
    LIVE,
    PRICED,
    ZONED,
    Facts,
    gbfs_2_3,
    gbfs_3_0,
    gbfs_3_1,
    ttl_s,
)
from fahrwerk.feeds.queries.alerts import current_alerts
from fahrwerk.feeds.queries.settings import changed, publisher
from fahrwerk.feeds.rules import fences
from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract.zones import ZonesInForce, zones_in_force
from fahrwerk.kernel import clock, crypto, db, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub
from fahrwerk.pricing import contract as pricing

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.feeds.contract import Setting
    from fahrwerk.kernel.call import Call
    from fahrwerk.tenancy import contract as tenancy

PROTOCOLS: dict[str, Any] = {each.VERSION: each for each in (gbfs_2_3, gbfs_3_0, gbfs_3_1)}
MOST_KEPT_BYTES = 128 << 20

Key = tuple["UUID", str, str]
"""Operator, version, name."""


class Kept(msgspec.Struct, frozen=True):
    """A document in this process: good until ``until`` (of ``time.monotonic``)."""

    until: float
    body: bytes
    updated_at: datetime
    digest: bytes
    """Of ``data`` alone: tells whether a new reading says anything new. Vehicles' always does."""


_kept: dict[Key, Kept] = {}
_under_way: dict[Key, asyncio.Task[Kept]] = {}
_changes = 0


def forget(signal: str) -> None:
    """Drop what this process keeps of the operator a signal names."""
    global _changes
    _changes += 1
    for key in [k for k in _kept if changed(k[0]) == signal]:
        del _kept[key]


hub.hear("feeds.setting", forget)


async def document(call: Call, slug: str, version: str, name: str) -> Document:
    """See the contract. Many who ask at once wait for one reading."""
    if version not in PROTOCOLS or name not in PROTOCOLS[version].FEEDS:
        raise UnknownFeed
    operator, what = await publisher(call, slug)
    if version == DRAFT and not what.has_draft:
        raise UnknownFeed
    key = (operator.id, version, name)
    kept = _kept.get(key)
    if kept is None or kept.until <= monotonic():
        task = _under_way.get(key)
        if task is None:
            task = asyncio.create_task(_renew(key, operator, what))
            _under_way[key] = task
            task.add_done_callback(lambda done: _finished(key, done))
        kept = await asyncio.shield(task)  # who goes away does not take it from the others
    return Document(kept.body, max(0, round(kept.until - monotonic())))


def _finished(key: Key, task: asyncio.Task[Kept]) -> None:
    _under_way.pop(key, None)
    if not task.cancelled():
        task.exception()  # whoever still waits gets it; if nobody does, it is no news


async def _renew(key: Key, operator: tenancy.Operator, what: Setting) -> Kept:
    before = _changes
    _, version, name = key
    kept = await read(operator, what, version, name, _kept.get(key))
    if before == _changes:  # else it may say what was before the change: answer it, keep it not
        _kept.pop(key, None)
        room = MOST_KEPT_BYTES - len(kept.body)
        while _kept and sum(len(each.body) for each in _kept.values()) > room:
            del _kept[next(iter(_kept))]  # the oldest, which is out of date first
        if room >= 0:
            _kept[key] = kept
    return kept


async def read(
    operator: tenancy.Operator, what: Setting, version: str, name: str, was: Kept | None = None
) -> Kept:
    """A feed as it is now. When nothing but vehicles' data is new, it keeps its old time."""
    until, at = monotonic() + ttl_s(name), clock.now()
    rows = await _asked(system(operator.id, "feeds", slug=operator.slug), name)
    address = settings.load()
    publisher = rules.system(operator, what, address.mail_from, address.address)

    def write() -> Kept:
        protocol = PROTOCOLS[version]
        data = msgspec.json.encode(protocol.FEEDS[name](_facts(operator, publisher, rows)))
        digest = b"" if name in LIVE else hashlib.blake2b(data, digest_size=16).digest()
        is_old = digest and was is not None and was.digest == digest
        updated_at = was.updated_at if was is not None and is_old else at
        head = {
            "last_updated": protocol.moment(updated_at), "ttl": ttl_s(name),
            "version": protocol.VERSION, "data": msgspec.Raw(data),
        }  # fmt: skip
        return Kept(until, msgspec.json.encode(head), updated_at, digest)

    # 50,000 vehicles are a quarter of a second of work: others are served meanwhile.
    return await asyncio.to_thread(write) if name in LIVE else write()


class _Rows(msgspec.Struct, frozen=True):
    """What the rooms below said."""

    vehicles: list[fleet.PublicVehicle] = []
    types: list[fleet.FleetType] = []
    tariffs: dict[str, pricing.Terms] = {}
    zones: ZonesInForce | None = None
    alerts: list[PublicAlert] = []


async def _asked(call: Call, name: str) -> _Rows:
    if name in LIVE:
        return _Rows(vehicles=await fleet.public_vehicles(call))
    if name in PRICED:
        types, tariffs = await asyncio.gather(fleet.vehicle_types(call), pricing.tariffs(call))
        return _Rows(types=types, tariffs=tariffs)
    if name in ZONED:
        types, zones = await asyncio.gather(fleet.vehicle_types(call), zones_in_force(call))
        return _Rows(types=types, zones=zones)
    if name in ALERTED:
        return _Rows(alerts=await current_alerts(call, clock.now()))
    return _Rows()


def _facts(operator: tenancy.Operator, publisher: rules.System, rows: _Rows) -> Facts:
    held: list[fences.Fence] = []
    everywhere: list[fences.Leave] = []
    if rows.zones is not None:
        kinds = [each.vehicle_type for each in rows.types]
        held, everywhere = fences.fences(rows.zones, kinds, clock.now(), rules.LANGUAGES)
    return Facts(
        publisher,
        rules.kinds(rows.types, rows.tariffs),
        rules.plans(rows.types, rows.tariffs, operator.max_ride_h),
        rules.shown(key_of(operator.id), rows.vehicles),
        held,
        everywhere,
        fences.operating_area(rows.zones) if rows.zones is not None else [],
        rows.alerts,
    )


def key_of(tenant: UUID) -> bytes:
    """What an operator's rotating ids are made with."""
    return crypto.key_for(f"feeds.vehicle:{tenant}")


_CHECK = """
SELECT checked_at, available, disabled, shown_as_available, shown_as_disabled, missing, doubled,
       in_use, strange, wrong, unplaced, moving
FROM feeds.check WHERE tenant_id = kernel.tenant()
"""


async def check(call: Call, slug: str) -> Check:
    """See the contract."""
    operator, _ = await publisher(call, slug)
    row = await db.one("feeds", system(operator.id, "feeds", slug=operator.slug), _CHECK)
    if row is None:
        raise NotChecked
    return Check(**row)


_MDS_CHECKS = """
SELECT a.slug AS agency, c.checked_at, c.vehicles, c.shown, c.missing, c.strange, c.wrong, c.waiting
FROM feeds.mds_check c JOIN feeds.agency a ON a.tenant_id = c.tenant_id AND a.id = c.agency_id
WHERE c.tenant_id = kernel.tenant() AND a.is_enabled ORDER BY a.slug
"""


async def mds_checks(call: Call, slug: str) -> list[MdsCheck]:
    """See the contract."""
    operator, _ = await publisher(call, slug)
    house = system(operator.id, "feeds", slug=operator.slug)
    return [MdsCheck(**row) for row in await db.run("feeds", house, _MDS_CHECKS)]


_PAST = """
SELECT feed, date_trunc('hour', checked_at) AS hour, count(*) AS checks,
       (array_agg(vehicles ORDER BY checked_at DESC))[1] AS vehicles,
       (array_agg(shown ORDER BY checked_at DESC))[1] AS shown, max(differences) AS differences
FROM feeds.check_past
WHERE tenant_id = kernel.tenant() AND checked_at >= $1::timestamptz - interval '7 days'
GROUP BY 1, 2 ORDER BY 1, 2
"""


async def past_checks(call: Call) -> list[PastCheck]:
    """See the contract."""
    call.require("feeds.setting.read")
    return [PastCheck(**row) for row in await db.run("feeds", call, _PAST, clock.now())]
