"""Directories and what they keep here, as SCIM shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.identity.contract.scim import NoResource, ScimPage, ScimSearch, Source
from fahrwerk.identity.contract.sso import RoleRule
from fahrwerk.identity.queries.scim_filter import PREFIX, condition
from fahrwerk.identity.rules.scim_schema import ENTERPRISE, GROUP, USER
from fahrwerk.kernel import clock, db, ids, settings

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

SOURCE = """
SELECT s.id, s.name, s.provider_id, s.role_rules, s.default_roles, s.created_at, s.rotated_at,
    s.last_used_at,
    (SELECT count(*) FROM identity.scim_user u
     WHERE u.tenant_id = s.tenant_id AND u.source_id = s.id AND u.deleted_at IS NULL) AS users,
    (SELECT count(*) FROM identity.scim_group g
     WHERE g.tenant_id = s.tenant_id AND g.source_id = s.id) AS groups
FROM identity.scim_source s
"""
_SOURCES = f"{SOURCE} ORDER BY s.name, s.id LIMIT 20"


def source_of(row: db.Row) -> Source:
    """The directory in a row of ``SOURCE``."""
    values = dict(row.items())
    values["role_rules"] = msgspec.convert(values["role_rules"], list[RoleRule])
    return Source(**values)


async def scim_sources(call: Call) -> list[Source]:
    call.require("identity.scim.read")
    return [source_of(row) for row in await db.run("identity", call, _SOURCES)]


USERS = """
SELECT u.id, u.data, u.version, u.created_at, u.updated_at,
    ARRAY(SELECT m.group_id FROM identity.scim_member m
          WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id ORDER BY 1) AS others,
    ARRAY(SELECT g.display_name::text FROM identity.scim_member m
          JOIN identity.scim_group g ON g.tenant_id = m.tenant_id AND g.id = m.group_id
          WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id ORDER BY m.group_id) AS names
FROM identity.scim_user u
WHERE u.source_id = $1 AND u.deleted_at IS NULL AND {which}
"""
GROUPS = """
SELECT u.id, u.data, u.version, u.created_at, u.updated_at,
    ARRAY(SELECT m.user_id FROM identity.scim_member m
          WHERE m.tenant_id = u.tenant_id AND m.group_id = u.id ORDER BY 1) AS others,
    NULL::text[] AS names
FROM (SELECT g.*, jsonb_strip_nulls(jsonb_build_object(
          'displayName', g.display_name, 'externalId', g.external_id)) AS data
      FROM identity.scim_group g) u
WHERE u.source_id = $1 AND {which}
"""
SHOWN = {"User": USERS, "Group": GROUPS}
_COUNTS = {
    "User": "SELECT count(*) AS total FROM identity.scim_user u "
    "WHERE u.source_id = $1 AND u.deleted_at IS NULL AND {which}",
    "Group": "SELECT count(*) AS total FROM (SELECT g.*, jsonb_strip_nulls(jsonb_build_object("
    "'displayName', g.display_name, 'externalId', g.external_id)) AS data "
    "FROM identity.scim_group g) u WHERE u.source_id = $1 AND {which}",
}


async def scim_found(call: Call, source_id: UUID, kind: str, search: ScimSearch) -> ScimPage:
    given: list[Any] = [source_id]
    which = condition(kind, search.filter, given)
    counted = await db.run("identity", call, _COUNTS[kind].format(which=which), *given)
    sql = SHOWN[kind].format(which=which)
    sql += f" ORDER BY u.created_at, u.id LIMIT ${len(given) + 1} OFFSET ${len(given) + 2}"
    rows = await db.run(
        "identity", call, sql, *given, max(0, search.count), max(0, search.start - 1)
    )
    return ScimPage([shown(kind, row) for row in rows], counted[0]["total"])


async def scim_resource(
    call: Call, source_id: UUID, kind: str, resource_id: UUID
) -> dict[str, Any]:
    sql = SHOWN[kind].format(which="u.id = $2")
    row = await db.one("identity", call, sql, source_id, resource_id)
    if row is None:
        raise NoResource
    return shown(kind, row)


def shown(kind: str, row: db.Row) -> dict[str, Any]:
    """A resource as SCIM shows it (RFC 7643, 3)."""
    data: dict[str, Any] = dict(row["data"])
    schemas = [USER, *([ENTERPRISE] if ENTERPRISE in data else [])] if kind == "User" else [GROUP]
    other, field = ("Group", "groups") if kind == "User" else ("User", "members")
    belongs = [
        {
            "value": (value := ids.public(PREFIX[other], each)),
            "$ref": location(other, value),
            **({"display": name, "type": "direct"} if kind == "User" else {"type": "User"}),
        }
        for each, name in zip(row["others"], row["names"] or row["others"], strict=True)
    ]
    resource_id = ids.public(PREFIX[kind], row["id"])
    meta = {
        "resourceType": kind,
        "created": clock.stamp(row["created_at"]),
        "lastModified": clock.stamp(row["updated_at"]),
        "location": location(kind, resource_id),
        "version": tag(row["version"]),
    }
    if belongs:
        data[field] = belongs
    return {"schemas": schemas, "id": resource_id, **data, "meta": meta}


def tag(version: int) -> str:
    """A version as an ETag."""
    return f'W/"{version}"'


def location(kind: str, resource_id: str) -> str:
    """Where a resource is."""
    return f"{settings.load().address}/scim/v2/{kind}s/{resource_id}"
