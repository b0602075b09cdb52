"""Reading what agencies published: documents, their versions, and what we make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.feeds.contract.policies import (
    DocumentPage,
    DocumentVersion,
    NotPublished,
    PolicyPage,
    PolicyShown,
    RuleShown,
    UnknownGeography,
    Wanted,
)
from fahrwerk.feeds.protocols import mds_2_0, mds_policy
from fahrwerk.feeds.queries import settings
from fahrwerk.feeds.queries.access import provider_id
from fahrwerk.feeds.queries.agencies import agency_of
from fahrwerk.feeds.rules import places, states
from fahrwerk.feeds.rules import policies as rules
from fahrwerk.kernel import clock, db
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.feeds.protocols.mds_policy import Geography, Policy
    from fahrwerk.kernel.call import Call

_NEWEST = """
SELECT body, version, received_at FROM feeds.document
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND kind = $2 ORDER BY version DESC LIMIT 1
"""


async def newest(call: Call, agency_id: UUID, kind: str) -> db.Row | None:
    """The newest version of a document: ``body``, ``version``, ``received_at``."""
    return await db.one("feeds", call, _NEWEST, agency_id, kind)


async def geographies_of(call: Call, agency_id: UUID) -> dict[UUID, Geography]:
    """All geographies of an agency, by id."""
    row = await newest(call, agency_id, "geographies")
    if row is None:
        return {}
    document = mds_policy.read("geographies", row["body"])
    assert isinstance(document, mds_policy.Geographies)  # noqa: S101 - what was asked for
    return {each.geography_id: each for each in document.geographies}


async def policies_of(call: Call, agency_id: UUID) -> list[Policy]:
    """All policies of an agency, in the order it published them."""
    row = await newest(call, agency_id, "policies")
    if row is None:
        return []
    document = mds_policy.read("policies", row["body"])
    assert isinstance(document, mds_policy.Policies)  # noqa: S101 - what was asked for
    return document.policies


async def geography_polygons(call: Call, agency_id: UUID, geography_id: UUID) -> places.Polygons:
    """The area of a geography. Raises ``UnknownGeography``, ``Invalid`` where it has none."""
    found = (await geographies_of(call, agency_id)).get(geography_id)
    if found is None:
        raise UnknownGeography
    polygons = places.polygons_in(found.geography_json)
    if not polygons:
        raise Invalid(field="boundary_id", issue="is a geography without an area")
    return polygons


async def providers(call: Call) -> list[UUID]:
    """The operator's provider ids, of all modes."""
    assert call.tenant is not None  # noqa: S101 - asked for an operator only
    setting = await settings.setting_of(call)
    return [provider_id(call.tenant, setting, mode) for mode in states.EDGES]


async def policies(call: Call, agency_id: UUID, limit: int, offset: int) -> PolicyPage:
    call.require("feeds.agency.read")
    await agency_of(call, agency_id)
    found, now = await policies_of(call, agency_id), clock.millis(clock.now())
    ours = {each.policy_id for each in rules.in_force(found, await providers(call), now)}
    page = [
        _shown(each, each.policy_id in ours and each.start_date <= now)
        for each in found[offset : offset + limit]
    ]
    return PolicyPage(page, len(found))


def _shown(policy: Policy, is_in_force: bool) -> PolicyShown:
    shown = []
    for rule in policy.rules:
        types = rules.vehicle_types(policy, rule)
        kind, speed = rules.meaning(rule) or (None, None)
        shown.append(
            RuleShown(
                rule_id=rule.rule_id, name=rule.name, rule_type=rule.rule_type,
                enforced_as=kind if types else None, speed_limit_kmh=speed,
                vehicle_types=types or [],
            )
        )  # fmt: skip
    return PolicyShown(
        policy_id=policy.policy_id,
        name=policy.name,
        description=policy.description,
        start_at=clock.from_millis(policy.start_date),
        end_at=None if policy.end_date is None else clock.from_millis(policy.end_date),
        is_in_force=is_in_force,
        rules=shown,
    )


_VERSIONS = """
SELECT kind, version, body, origin, received_at, received_by FROM feeds.document
WHERE tenant_id = kernel.tenant() AND agency_id = $1 AND kind = $2
ORDER BY version DESC LIMIT $3 OFFSET $4
"""


async def document_versions(
    call: Call, agency_id: UUID, kind: str, limit: int, offset: int
) -> DocumentPage:
    call.require("feeds.agency.read")
    await agency_of(call, agency_id)
    rows = await db.run("feeds", call, _VERSIONS, agency_id, kind, limit, offset)
    newest_one = await newest(call, agency_id, kind)
    page = [
        DocumentVersion(
            row["kind"], row["version"], len(mds_policy.whole(row["body"], kind)), row["origin"],
            row["received_at"], row["received_by"],
        )
        for row in rows
    ]  # fmt: skip
    return DocumentPage(page, newest_one["version"] if newest_one else 0)  # numbered from 1


_DELEGATE = """
SELECT id FROM feeds.agency
WHERE tenant_id = kernel.tenant() AND slug = $1 AND is_published AND is_enabled
"""
_ONE = {
    "policies": "policy_id", "geographies": "geography_id", "jurisdictions": "jurisdiction_id",
}  # fmt: skip


async def published(call: Call, slug: str, agency: str, kind: str, wanted: Wanted) -> bytes:
    found = await settings.found(call, slug)
    if found is None or kind not in _ONE:
        raise NotPublished
    house = system(found[0].id, "feeds", slug=slug)
    row = await db.one("feeds", house, _DELEGATE, agency)
    document = await newest(house, row["id"], kind) if row else None
    if document is None:
        raise NotPublished
    head = {
        "version": mds_2_0.VERSION, "last_updated": clock.millis(document["received_at"]),
    }  # fmt: skip
    if wanted.only_updated:
        return msgspec.json.encode(head)
    items = mds_policy.whole(document["body"], kind)
    if wanted.item_id is not None:
        items = [each for each in items if each[_ONE[kind]] == str(wanted.item_id)]
        if not items:
            raise NotPublished
        if kind == "geographies":
            return msgspec.json.encode({"version": mds_2_0.VERSION, "geography": items[0]})
    elif kind == "policies":
        items = _within(items, wanted, clock.millis(clock.now()))
    return msgspec.json.encode(head | {kind: items})


def _within(items: list[dict[str, Any]], wanted: Wanted, now: int) -> list[dict[str, Any]]:
    """Policies whose time overlaps what was asked for, by the date they take effect."""
    superseded = {each for item in items for each in item.get("prev_policies") or ()}
    since, until = now if wanted.start is None else wanted.start, wanted.end
    kept = [
        item
        for item in items
        if (item.get("end_date") is None or item["end_date"] >= since)
        and (until is None or item["start_date"] <= until)
        and not (wanted.only_active and item["policy_id"] in superseded)
    ]
    return sorted(kept, key=lambda item: item["start_date"])
