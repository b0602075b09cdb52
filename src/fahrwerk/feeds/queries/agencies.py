"""Reading agencies, their subscriptions and tokens."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fahrwerk.feeds.contract.agencies import (
    Agency,
    Subscription,
    Token,
    TokenPage,
    UnknownAgency,
)
from fahrwerk.kernel import db

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_AGENCIES = """
SELECT id, slug, name, is_enabled, boundary_id, is_published, policy_url, geography_url,
       jurisdiction_url, read_at, read_error, created_at
FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR id = $1) AND deleted_at IS NULL
ORDER BY slug
"""
_SUBSCRIPTIONS = """
SELECT s.agency_id, s.mode, s.url, s.has_telemetry, s.pushed_at, s.failures, s.error, s.refused,
       s.last_refused,
       (SELECT count(*) FROM feeds.told_event e
        WHERE e.tenant_id = s.tenant_id AND e.agency_id = s.agency_id AND e.mode = s.mode
          AND e.number > s.event_number)::int AS events_behind,
       (SELECT count(*) FROM feeds.told_trip t
        WHERE t.tenant_id = s.tenant_id AND t.agency_id = s.agency_id AND t.mode = s.mode
          AND t.number > s.trip_number)::int AS trips_behind
FROM feeds.subscription s
WHERE s.tenant_id = kernel.tenant() AND ($1::uuid IS NULL OR s.agency_id = $1) ORDER BY s.mode
"""


async def agencies(call: Call) -> list[Agency]:
    call.require("feeds.agency.read")
    return await _read(call, None)


async def agency(call: Call, agency_id: UUID) -> Agency:
    call.require("feeds.agency.read")
    return await agency_of(call, agency_id)


async def agency_of(call: Call, agency_id: UUID) -> Agency:
    """One agency, for whoever may change it."""
    found = await _read(call, agency_id)
    if not found:
        raise UnknownAgency
    return found[0]


async def _read(call: Call, agency_id: UUID | None) -> list[Agency]:
    rows = await db.run("feeds", call, _AGENCIES, agency_id)
    pushed: dict[UUID, list[Subscription]] = defaultdict(list)
    for agency, *about in await db.run("feeds", call, _SUBSCRIPTIONS, agency_id):
        names = Subscription.__struct_fields__
        pushed[agency].append(Subscription(**dict(zip(names, about, strict=True))))
    return [Agency(**row, subscriptions=pushed[row["id"]]) for row in rows]


_TOKENS = """
SELECT id, label, created_at, created_by, revoked_at FROM feeds.token
WHERE tenant_id = kernel.tenant() AND agency_id = $1
ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3
"""


_HOW_MANY = """
SELECT count(*) AS n FROM feeds.token WHERE tenant_id = kernel.tenant() AND agency_id = $1
"""


async def tokens(call: Call, agency_id: UUID, limit: int, offset: int) -> TokenPage:
    call.require("feeds.token.read")
    await agency_of(call, agency_id)
    page = db.shaped(Token, await db.run("feeds", call, _TOKENS, agency_id, limit, offset))
    [count] = await db.run("feeds", call, _HOW_MANY, agency_id)
    return TokenPage(page, count["n"])
