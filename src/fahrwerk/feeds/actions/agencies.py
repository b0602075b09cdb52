"""Whom an operator reports to, with which tokens they read, and where we push to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from fahrwerk.feeds import rules
from fahrwerk.feeds.actions.forget import take_down
from fahrwerk.feeds.actions.policies import enforce_newest
from fahrwerk.feeds.contract.agencies import (
    Agency,
    AgencyChange,
    AgencySlugTaken,
    IssuedToken,
    NewAgency,
    SubscriptionWish,
    Token,
    TooManyAgencies,
    TooManyTokens,
    UnknownAgency,
    UnknownToken,
)
from fahrwerk.feeds.events import AgencyAdded, AgencyChanged, AgencyDeleted
from fahrwerk.feeds.queries.agencies import agency_of
from fahrwerk.feeds.queries.policies import geography_polygons
from fahrwerk.feeds.rules import states
from fahrwerk.kernel import crypto, db, events, ids, settings
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

MOST_AGENCIES, MOST_TOKENS = 200, 20
SEALED_FOR = "feeds.subscription"
TOKEN = "mds_"  # noqa: S105 - how tokens begin, so that scanners for leaked secrets know them

_COUNT = """
SELECT count(*) AS n FROM feeds.agency WHERE tenant_id = kernel.tenant() AND deleted_at IS NULL
"""
_ADD = """
INSERT INTO feeds.agency (id, slug, name, is_published, policy_url, geography_url,
                          jurisdiction_url, read_due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7,
        CASE WHEN num_nonnulls($5::text, $6::text, $7::text) > 0 THEN kernel.now() END)
ON CONFLICT DO NOTHING RETURNING id
"""
_KNOWN = "SELECT slug FROM feeds.agency WHERE tenant_id = kernel.tenant() AND id = $1"
# All that is known of the past is told to it as well.
_VEHICLES_DUE = "UPDATE feeds.vehicle SET due_at = kernel.now() WHERE tenant_id = kernel.tenant()"
_TRIPS_DUE = """
UPDATE feeds.trip SET due_at = kernel.now(), attempts = 0
WHERE tenant_id = kernel.tenant() AND ended_at > kernel.now() - interval '90 days'
"""


async def add_agency(call: Call, wanted: NewAgency) -> Agency:
    call.require("feeds.agency.write")
    _check_addresses(wanted)
    agency_id = ids.derived("agency", call.tenant, call.key, wanted.slug) if call.key else ids.new()
    async with db.tx("feeds", call) as tx:
        [row] = await tx.run(_COUNT)
        if row["n"] >= MOST_AGENCIES:
            raise TooManyAgencies(most=MOST_AGENCIES)
        made = await tx.run(
            _ADD, agency_id, wanted.slug, wanted.name, wanted.is_published, wanted.policy_url,
            wanted.geography_url, wanted.jurisdiction_url,
        )  # fmt: skip
        if made:
            await tx.run(_VEHICLES_DUE)
            await tx.run(_TRIPS_DUE)
            fact = AgencyAdded(agency_id, wanted.slug)
            await events.emit(tx, call, f"agency:{agency_id}", 1, fact)
            for name in ("feeds.vehicle", "feeds.trip", "feeds.agency"):
                tx.signal(name)
        elif await tx.one(_KNOWN, agency_id) is None:
            raise AgencySlugTaken(field="slug", issue="is another agency's already")
    return await agency_of(call, agency_id)


def _check_addresses(wanted: NewAgency | AgencyChange) -> None:
    for name in ("policy_url", "geography_url", "jurisdiction_url"):
        if (url := getattr(wanted, name)) not in (None, UNSET):
            rules.check_address(url, name, is_dev=settings.load().dev)


_LOCK = """
SELECT name, boundary_id, is_published, policy_url, geography_url, jurisdiction_url, is_enabled
FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND id = $1 AND deleted_at IS NULL FOR UPDATE
"""
_CHANGE = """
UPDATE feeds.agency
SET name = $2, boundary_id = $3, is_published = $4, policy_url = $5, geography_url = $6,
    jurisdiction_url = $7, is_enabled = $8,
    boundary = CASE WHEN $10::bool THEN $9::jsonb ELSE boundary END,
    read_due_at = CASE WHEN $8 AND num_nonnulls($5::text, $6::text, $7::text) > 0
                       THEN kernel.now() END,
    version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING version
"""


async def change_agency(call: Call, agency_id: UUID, change: AgencyChange) -> Agency:
    call.require("feeds.agency.write")
    _check_addresses(change)
    wished = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
    polygons: Any = None
    if wished.get("boundary_id") is not None:
        polygons = await geography_polygons(call, agency_id, wished["boundary_id"])
    async with db.tx("feeds", call) as tx:
        row = await tx.one(_LOCK, agency_id)
        if row is None:
            raise UnknownAgency
        before = dict(row)
        fields = [name for name, value in wished.items() if before[name] != value]
        if fields:
            after = before | wished
            [changed] = await tx.run(
                _CHANGE, agency_id, *after.values(), polygons, "boundary_id" in fields
            )
            fact = AgencyChanged(agency_id, fields)
            await events.emit(tx, call, f"agency:{agency_id}", changed["version"], fact)
            tx.signal("feeds.agency")
            if "is_enabled" in fields and wished["is_enabled"]:
                await tx.run(_VEHICLES_DUE)
                await tx.run(_TRIPS_DUE)
                for name in ("feeds.vehicle", "feeds.trip", "feeds.subscription"):
                    tx.signal(name)
    if "is_enabled" in wished:  # also of a repeat: the first one may have died before this
        await enforce_newest(call, agency_id)
    return await agency_of(call, agency_id)


_DELETE = """
UPDATE feeds.agency
SET is_enabled = false, deleted_at = kernel.now(), read_due_at = NULL, version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND deleted_at IS NULL RETURNING slug, version
"""


async def delete_agency(call: Call, agency_id: UUID) -> None:
    call.require("feeds.agency.write")
    async with db.tx("feeds", call) as tx:
        row = await tx.one(_DELETE, agency_id)
        if row is None:
            raise UnknownAgency
        fact = AgencyDeleted(agency_id, row["slug"])
        await events.emit(tx, call, f"agency:{agency_id}", row["version"], fact)
        tx.signal("feeds.forget")
    await take_down(call, row["slug"])


_SUBSCRIBE = """
INSERT INTO feeds.subscription AS s (agency_id, mode, url, token, has_telemetry)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, agency_id, mode) DO UPDATE
SET token = excluded.token, has_telemetry = excluded.has_telemetry, due_at = kernel.now(),
    attempts = s.attempts + 1, failures = 0, error = NULL, url = excluded.url,
    event_number = CASE WHEN s.url = excluded.url THEN s.event_number ELSE 0 END,
    trip_number = CASE WHEN s.url = excluded.url THEN s.trip_number ELSE 0 END,
    telemetry_at = CASE WHEN s.url = excluded.url AND s.has_telemetry
                        THEN s.telemetry_at ELSE kernel.now() END
RETURNING xmax = 0 AS is_new
"""
_UNREGISTER = """
UPDATE feeds.told_vehicle SET registered = NULL
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2 AND registered IS NOT NULL
"""
_WAS_AT = """
SELECT url FROM feeds.subscription
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2
"""


async def subscribe(call: Call, agency_id: UUID, mode: str, wish: SubscriptionWish) -> Agency:
    call.require("feeds.agency.write")
    await agency_of(call, agency_id)
    if mode not in states.EDGES:
        raise Invalid(field="mode", issue=f"must be one of {', '.join(states.EDGES)}")
    rules.check_address(wish.url, "url", is_dev=settings.load().dev)
    if not wish.token.isascii() or not wish.token.isprintable():
        raise Invalid(field="token", issue="must be printable ASCII")
    url = wish.url.rstrip("/")
    sealed = crypto.seal(SEALED_FOR, wish.token)
    async with db.tx("feeds", call) as tx:
        if await tx.one(_LOCK, agency_id) is None:
            raise UnknownAgency
        before = await tx.one(_WAS_AT, agency_id, mode)
        await tx.run(_SUBSCRIBE, agency_id, mode, url, sealed, wish.has_telemetry)
        if before is None or before["url"] != url:
            await tx.run(_UNREGISTER, agency_id, mode)
        tx.signal("feeds.subscription")
    return await agency_of(call, agency_id)


_UNSUBSCRIBE = """
DELETE FROM feeds.subscription
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND mode = $2
"""


async def unsubscribe(call: Call, agency_id: UUID, mode: str) -> Agency:
    call.require("feeds.agency.write")
    await db.run("feeds", call, _UNSUBSCRIBE, agency_id, mode)
    return await agency_of(call, agency_id)


_HOLDING = """
SELECT count(*) AS n FROM feeds.token
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND revoked_at IS NULL
"""
_ISSUE = """
INSERT INTO feeds.token (id, agency_id, label, digest, created_by) VALUES ($1, $2, $3, $4, $5)
RETURNING id, label, created_at, created_by, revoked_at
"""


async def issue_token(call: Call, agency_id: UUID, label: str) -> IssuedToken:
    call.require("feeds.token.write")
    if not 1 <= len(label.strip()) <= 100 or not label.isprintable():
        raise Invalid(field="label", issue="must be 1 to 100 printable characters")
    return await issue(call, agency_id, label.strip(), f"{TOKEN}{crypto.new_secret()}")


async def issue(call: Call, agency_id: UUID, label: str, secret: str) -> IssuedToken:
    """Write down a token; only its digest stays."""
    async with db.tx("feeds", call) as tx:
        if await tx.one(_LOCK, agency_id) is None:
            raise UnknownAgency
        [row] = await tx.run(_HOLDING, agency_id)
        if row["n"] >= MOST_TOKENS:
            raise TooManyTokens(most=MOST_TOKENS)
        digest = crypto.digest_of(secret)
        [made] = await tx.run(_ISSUE, ids.new(), agency_id, label, digest, call.actor)
    return IssuedToken(Token(*made), secret)


_REVOKE = """
UPDATE feeds.token SET revoked_at = coalesce(revoked_at, kernel.now())
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND id = $2
RETURNING id, label, created_at, created_by, revoked_at
"""


async def revoke_token(call: Call, agency_id: UUID, token_id: UUID) -> Token:
    call.require("feeds.token.write")
    row = await db.one("feeds", call, _REVOKE, agency_id, token_id)
    if row is None:
        raise UnknownToken
    return Token(*row)
