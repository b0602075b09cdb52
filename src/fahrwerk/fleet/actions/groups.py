"""Groups of vehicles: named, renamed, given up; and who is in them.

Who is in a group stands with the vehicle (``group_ids``): a change of it is a change of the vehicle
to whoever watches the fleet, with an event on its stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from fahrwerk.fleet.actions.edges import refused_by, title
from fahrwerk.fleet.contract import UnknownVehicle
from fahrwerk.fleet.contract.groups import (
    MOST_AT_ONCE,
    MOST_GROUPS,
    MOST_OF_A_VEHICLE,
    Group,
    GroupChange,
    GroupNameTaken,
    TooManyGroups,
    UnknownGroup,
)
from fahrwerk.fleet.events import GroupChanged, VehicleChanged
from fahrwerk.fleet.queries.groups import GROUPS
from fahrwerk.fleet.rules import groups as rules
from fahrwerk.kernel import db, events, ids
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WRITE = "fleet.vehicle.write"


def _taken() -> GroupNameTaken:
    return GroupNameTaken(field="name", issue="is another group's already")


_COUNT = "SELECT count(*) AS n FROM fleet.vehicle_group WHERE tenant_id = kernel.tenant()"
_CREATE = """
INSERT INTO fleet.vehicle_group (id, name, description) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, id) DO NOTHING RETURNING version
"""


async def create_group(call: Call, name: str, description: str | None) -> Group:
    call.require(WRITE)
    name = rules.check("name", name)
    if description is not None:
        description = rules.check("description", description)
    group_id = ids.derived("group", call.tenant, call.key, name) if call.key else ids.new()
    with refused_by(vehicle_group_name=_taken):
        async with db.tx("fleet", call) as tx:
            if await tx.run(_CREATE, group_id, name, description):
                [counted] = await tx.run(_COUNT)
                if counted["n"] > MOST_GROUPS:
                    raise TooManyGroups(most=MOST_GROUPS)
                news = GroupChanged(group_id, name, "created")
                await events.emit(tx, call, f"vehicle_group:{group_id}", 1, news)
            [row] = await tx.run(GROUPS, group_id)
            return Group(**row)


_LOCK = """
SELECT name, description FROM fleet.vehicle_group
WHERE tenant_id = kernel.tenant() AND id = $1 FOR UPDATE
"""
_CHANGE = """
UPDATE fleet.vehicle_group SET name = $2, description = $3, version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING version
"""


async def change_group(call: Call, group_id: UUID, change: GroupChange) -> Group:
    call.require(WRITE)
    with refused_by(vehicle_group_name=_taken):
        async with db.tx("fleet", call) as tx:
            before = await tx.one(_LOCK, group_id)
            if before is None:
                raise UnknownGroup
            name, description = before["name"], before["description"]
            if change.name is not UNSET:
                name = rules.check("name", change.name)
            if change.description is not UNSET:
                description = change.description and rules.check("description", change.description)
            if (name, description) != (before["name"], before["description"]):
                [row] = await tx.run(_CHANGE, group_id, name, description)
                news = GroupChanged(group_id, name, "changed")
                await events.emit(tx, call, f"vehicle_group:{group_id}", row["version"], news)
            [row] = await tx.run(GROUPS, group_id)
            return Group(**row)


# In the order of their ids, as whoever else locks several.
_MEMBERS = """
SELECT id FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND $1 = ANY(group_ids)
ORDER BY id FOR UPDATE
"""
_DELETE = """
DELETE FROM fleet.vehicle_group WHERE tenant_id = kernel.tenant() AND id = $1
RETURNING name, version
"""
SET_GROUPS = f"""
WITH changed AS (
    UPDATE fleet.vehicle v
    SET group_ids = CASE WHEN $3::bool THEN array_append(group_ids, $2::uuid)
                         ELSE array_remove(group_ids, $2::uuid) END,
        version = version + 1, updated_at = kernel.now()
    WHERE v.tenant_id = kernel.tenant() AND v.id = ANY($1)
      AND ($2::uuid = ANY(group_ids)) <> $3::bool
    RETURNING v.id, v.version, v.status
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $4, $5,
           jsonb_build_object('vehicle_id', id, 'status', status), $6, $7 FROM changed
)
SELECT id FROM changed
"""
"""Put locked vehicles ($1) into a group ($2), or ($3 false) take them out."""


async def delete_group(call: Call, group_id: UUID) -> None:
    call.require(WRITE)
    async with db.tx("fleet", call) as tx:
        members = [row["id"] for row in await tx.run(_MEMBERS, group_id)]
        row = await tx.one(_DELETE, group_id)
        if row is None:
            raise UnknownGroup
        await _set(tx, call, group_id, members, False)
        news = GroupChanged(group_id, row["name"], "deleted")
        await events.emit(tx, call, f"vehicle_group:{group_id}", row["version"] + 1, news)


_LOCK_VEHICLES = f"""
SELECT id, cardinality(group_ids) >= {MOST_OF_A_VEHICLE} AND NOT $2 = ANY(group_ids) AS is_full
FROM fleet.vehicle WHERE tenant_id = kernel.tenant() AND id = ANY($1) ORDER BY id FOR UPDATE
"""
HOLD_GROUP = """
SELECT 1 FROM fleet.vehicle_group WHERE tenant_id = kernel.tenant() AND id = $1 FOR SHARE
"""
"""It is there, and stays until this transaction is over."""


async def move_in_group(
    call: Call, group_id: UUID, joining: list[UUID], leaving: list[UUID]
) -> Group:
    call.require(WRITE)
    if not 1 <= len(joining) + len(leaving) <= MOST_AT_ONCE:
        raise Invalid(field="add", issue=f"must be 1 to {MOST_AT_ONCE} vehicles in all")
    if both := set(joining) & set(leaving):
        raise Invalid(field="remove", issue=f"{len(both)} are also to be added")
    async with db.tx("fleet", call) as tx:
        wanted = {*joining, *leaving}
        rows = await tx.run(_LOCK_VEHICLES, list(wanted), group_id)
        if await tx.one(HOLD_GROUP, group_id) is None:
            raise UnknownGroup
        if len(rows) < len(wanted):
            raise UnknownVehicle
        if any(row["is_full"] and row["id"] in joining for row in rows):
            raise TooManyGroups(most=MOST_OF_A_VEHICLE)
        await _set(tx, call, group_id, joining, True)
        await _set(tx, call, group_id, leaving, False)
        [row] = await tx.run(GROUPS, group_id)
        return Group(**row)


async def _set(
    tx: db.Tx, call: Call, group_id: UUID, vehicle_ids: Sequence[UUID], is_in: bool
) -> None:
    if vehicle_ids:
        await tx.run(
            SET_GROUPS, list(vehicle_ids), group_id, is_in, *title(VehicleChanged), call.actor,
            call.trace,
        )  # fmt: skip
