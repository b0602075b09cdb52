"""Reading feeds: encoded once per operator, version and time to live, then kept in the process."""

from __future__ import annotations

import asyncio
import hashlib
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.feeds import rules
from fahrwerk.feeds.contract import Check, Document, NotChecked, Setting, UnknownFeed
from fahrwerk.feeds.protocols import LIVE, PRICED, Facts, gbfs_2_3, gbfs_3_0, ttl_s
from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import clock, crypto, db, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.live import hub
from fahrwerk.pricing import contract as pricing
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

PROTOCOLS: dict[str, Any] = {each.VERSION: each for each in (gbfs_2_3, gbfs_3_0)}
MOST_KEPT_BYTES = 128 << 20
SETTING_KEPT_S = 5.0
MOST_SETTINGS = 10_000

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
_settings: dict[UUID, tuple[float, Setting]] = {}
_changes = 0


def changed(tenant: UUID | None) -> str:
    """The signal that tells every process that an operator changed what it publishes."""
    return f"feeds.setting:{tenant}"


def forget(signal: str) -> None:
    """Drop what this process keeps of the operator a signal names."""
    global _changes
    _changes += 1
    for tenant in [t for t in _settings if changed(t) == signal]:
        del _settings[tenant]
    for key in [k for k in _kept if changed(k[0]) == signal]:
        del _kept[key]


hub.hear("feeds.setting", forget)

_SETTING = """
SELECT is_public, contact_email, license_url FROM feeds.setting WHERE tenant_id = kernel.tenant()
"""


async def setting(call: Call) -> Setting:
    """See the contract."""
    call.require("feeds.setting.read")
    return await setting_of(call)


async def setting_of(call: Call) -> Setting:
    """What an operator publishes, from its row or by default."""
    row = await db.one("feeds", call, _SETTING)
    return Setting(*row) if row else Setting()


async def _publisher(call: Call, slug: str) -> tuple[tenancy.Operator, Setting]:
    """The operator of this name and its setting, if it publishes. Raises ``UnknownFeed``."""
    operator = await tenancy.operator_by_slug(call, slug)
    if operator is None:
        raise UnknownFeed
    known = _settings.get(operator.id)
    if known is None or known[0] < monotonic():
        before = _changes
        found = await setting_of(system(operator.id, "feeds", slug=operator.slug))
        known = (monotonic() + SETTING_KEPT_S, found)
        if before == _changes:  # else the row may have been read before the change
            if len(_settings) >= MOST_SETTINGS:
                _settings.clear()
            _settings[operator.id] = known
    if not known[1].is_public:
        raise UnknownFeed
    return operator, known[1]


async def document(call: Call, slug: str, version: str, name: str) -> Document:
    """See the contract. Many who ask at once wait for one reading."""
    if version not in PROTOCOLS or name not in PROTOCOLS[version].FEEDS:
        raise UnknownFeed
    operator, what = await _publisher(call, slug)
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


async def _asked(call: Call, name: str) -> _Rows:
    if name in LIVE:
        return _Rows(vehicles=await fleet.public_vehicles(call))
    if name in PRICED:
        types, tariffs = await asyncio.gather(fleet.vehicle_types(call), pricing.tariffs(call))
        return _Rows(types=types, tariffs=tariffs)
    return _Rows()


def _facts(operator: tenancy.Operator, publisher: rules.System, rows: _Rows) -> Facts:
    return Facts(
        publisher,
        rules.kinds(rows.types, rows.tariffs),
        rules.plans(rows.types, rows.tariffs, operator.max_ride_h),
        rules.shown(key_of(operator.id), rows.vehicles),
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
    operator, _ = await _publisher(call, slug)
    row = await db.one("feeds", system(operator.id, "feeds", slug=operator.slug), _CHECK)
    if row is None:
        raise NotChecked
    return Check(**row)
