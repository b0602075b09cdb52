"""What may be asked of groups: named parts of the fleet, such as a depot, a trial, a series."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

GROUP_PREFIX = "grp"
"""Of public ids: ``grp_...``."""
MOST_GROUPS = 500
"""Of one operator."""
MOST_OF_A_VEHICLE = 50
MOST_AT_ONCE = 500
GroupName = Annotated[str, Meta(min_length=1, max_length=50)]
GroupText = Annotated[str, Meta(min_length=1, max_length=500)]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group and how many vehicles are in it, without those that are retired."""

    id: UUID
    name: str
    description: str | None
    vehicles: int
    created_at: datetime


class GroupChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a group; what is left out stays as it is."""

    name: GroupName | UnsetType = UNSET
    description: GroupText | UnsetType | None = UNSET


class UnknownGroup(NotFound):
    """No such group with this operator."""

    code = "UNKNOWN_GROUP"
    message = "There is no such group."


class GroupNameTaken(Conflict):
    """Another group has this name, in whatever case it is written."""

    code = "GROUP_NAME_TAKEN"
    message = "Another group already has this name."


class TooManyGroups(Conflict):
    """An operator may have 500 groups, a vehicle may be in 50."""

    code = "TOO_MANY_GROUPS"
    message = "There are too many groups."


@query
async def groups(call: Call) -> list[Group]:
    """All groups by name, at most 500 (permission ``fleet.live.read``)."""
    raise AssertionError


@query
async def group(call: Call, group_id: UUID) -> Group:
    """One group (permission ``fleet.live.read``). Raises ``UnknownGroup``."""
    raise AssertionError


@query
async def group_called(call: Call, reference: str) -> UUID:
    """The id of the group with this public id, UUID or name. Raises ``UnknownGroup``."""
    raise AssertionError


@action
async def create_group(call: Call, name: str, description: str | None) -> Group:
    """Name a part of the fleet (permission ``fleet.vehicle.write``).

    With a key a repeat finds the first try's. Raises ``GroupNameTaken``, ``TooManyGroups``,
    ``Invalid``.
    """
    raise AssertionError


@action
async def change_group(call: Call, group_id: UUID, change: GroupChange) -> Group:
    """Call or describe it otherwise (permission ``fleet.vehicle.write``).

    Raises ``UnknownGroup``, ``GroupNameTaken``, ``Invalid``.
    """
    raise AssertionError


@action
async def delete_group(call: Call, group_id: UUID) -> None:
    """No vehicle is in it any more (permission ``fleet.vehicle.write``); repeatable.

    Raises ``UnknownGroup``.
    """
    raise AssertionError


@action
async def move_in_group(
    call: Call, group_id: UUID, joining: list[UUID], leaving: list[UUID]
) -> Group:
    """Put up to 500 vehicles into a group and take others out (``fleet.vehicle.write``).

    All or none; those that are where they are wanted are passed over. For more, and by a filter:
    ``bulk.start_bulk``. Raises ``UnknownGroup``, ``UnknownVehicle`` (one of them),
    ``TooManyGroups``, ``Invalid``.
    """
    raise AssertionError
