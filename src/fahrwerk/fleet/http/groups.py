"""Groups of vehicles, for staff: name them, and say who is in them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.fleet import contract as vehicles
from fahrwerk.fleet.contract import groups as fleet
from fahrwerk.fleet.contract.groups import (
    GROUP_PREFIX,
    MOST_AT_ONCE,
    Group,
    GroupChange,
    GroupName,
    GroupText,
)
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call

GroupReference = Annotated[
    str | None,
    QueryParameter(
        name="group", min_length=1, max_length=60, description="A group's id or name; null = any"
    ),
]
References = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=300)]], Meta(max_length=MOST_AT_ONCE)
]


class GroupView(msgspec.Struct, frozen=True):
    """A group; ``vehicles`` counts those in it, without retired ones."""

    id: str
    name: str
    description: str | None
    vehicles: int
    created_at: str


class GroupList(msgspec.Struct, frozen=True):
    """All groups of the operator, by name."""

    groups: list[GroupView]


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a part of the fleet is called."""

    name: GroupName
    description: GroupText | None = None


class GroupMoves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes in and who goes out: vehicles by id, identifier, QR code or external id."""

    add: References = []
    remove: References = []


def _view(found: Group) -> GroupView:
    return GroupView(
        ids.public(GROUP_PREFIX, found.id), found.name, found.description, found.vehicles,
        clock.stamp(found.created_at),
    )  # fmt: skip


async def group_id_of(call: Call, reference: str | None) -> UUID | None:
    """Of a filter. Raises ``UnknownGroup``: a name that is wrong must not look like no vehicles."""
    return None if reference is None else await fleet.group_called(call, reference)


@get("/api/v1/fleet/groups", permission="fleet.live.read", tags=["fleet"])
async def groups(call: web.Caller) -> GroupList:
    """All groups, by name."""
    return GroupList([_view(each) for each in await fleet.groups(call)])


@post("/api/v1/fleet/groups", permission="fleet.vehicle.write", tags=["fleet"])
async def create_group(call: web.Caller, data: JSONBody[NewGroup]) -> GroupView:
    """Name a part of the fleet: a depot, a trial, a series. A vehicle may be in several."""
    return _view(await fleet.create_group(call, data.name, data.description))


@get("/api/v1/fleet/groups/{group_id:str}", permission="fleet.live.read", tags=["fleet"])
async def group(call: web.Caller, group_id: FromPath[str]) -> GroupView:
    """One group. Its vehicles: ``/api/v1/vehicles?group=``."""
    return _view(await fleet.group(call, ids.parse(group_id, GROUP_PREFIX)))


@patch("/api/v1/fleet/groups/{group_id:str}", permission="fleet.vehicle.write", tags=["fleet"])
async def change_group(
    call: web.Caller, group_id: FromPath[str], data: JSONBody[GroupChange]
) -> GroupView:
    """Call or describe it otherwise."""
    return _view(await fleet.change_group(call, ids.parse(group_id, GROUP_PREFIX), data))


@delete("/api/v1/fleet/groups/{group_id:str}", permission="fleet.vehicle.write", tags=["fleet"])
async def delete_group(call: web.Caller, group_id: FromPath[str]) -> None:
    """Give a group up; its vehicles stay."""
    await fleet.delete_group(call, ids.parse(group_id, GROUP_PREFIX))


@post(
    "/api/v1/fleet/groups/{group_id:str}/vehicles",
    permission="fleet.vehicle.write",
    status_code=200,
    tags=["fleet"],
)
async def move_in_group(
    call: web.Caller, group_id: FromPath[str], data: JSONBody[GroupMoves]
) -> GroupView:
    """Put up to 500 vehicles into a group and take others out: all or none.

    For more, or by a filter: ``/api/v1/vehicles/bulk`` with ``join_group`` or ``leave_group``.
    """
    joining = [(await vehicles.find_vehicle(call, each)).id for each in data.add]
    leaving = [(await vehicles.find_vehicle(call, each)).id for each in data.remove]
    found = await fleet.move_in_group(call, ids.parse(group_id, GROUP_PREFIX), joining, leaving)
    return _view(found)


handlers = [groups, create_group, group, change_group, delete_group, move_in_group]
