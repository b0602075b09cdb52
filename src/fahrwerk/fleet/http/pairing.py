"""Pairing, seen by whoever stands beside the vehicle: how far it has come, and who knocks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import pairing as door
from fahrwerk.kernel import clock, ids, web


class StepView(msgspec.Struct, frozen=True):
    """One thing that must be so before the vehicle goes out."""

    name: str
    is_done: bool
    says: str


class ProblemView(msgspec.Struct, frozen=True):
    """The last message that was not taken since the pairing, and what to do."""

    reason: str
    says: str
    at: str


class PairingView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a vehicle's pairing has come."""

    vehicle_id: str
    protocol: str | None
    imei: str | None
    paired_at: str | None
    last_seen_at: str | None
    firmware_version: str | None
    hardware_version: str | None
    capabilities: list[str]
    is_ready: bool
    """Every step is done: it may go out."""
    steps: list[StepView]
    problem: ProblemView | None


class StrangerView(msgspec.Struct, frozen=True):
    """A device that spoke and is not paired."""

    protocol: str
    name: str
    """Its IMEI, Traccar's unique id, or the vehicle's id in our own protocol."""
    knocks: int
    first_seen_at: str
    last_seen_at: str


class StrangerList(msgspec.Struct, frozen=True):
    """Newest first; 500 are remembered."""

    devices: list[StrangerView]
    pagination: web.Pagination


@get(
    "/api/v1/vehicles/{vehicle_id:str}/pairing",
    permission="fleet.vehicle.pair",
    scoped=True,
    tags=["fleet"],
)
async def pairing_status(call: web.Caller, vehicle_id: FromPath[str]) -> PairingView:
    """How far a vehicle's pairing has come, step by step, and what went wrong last (FLT-16)."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    status = await door.pairing_status(call, vehicle.id)
    wrong = status.problem
    return PairingView(
        vehicle_id=ids.public(PREFIX[vehicle.vehicle_type], vehicle.id),
        protocol=status.protocol,
        imei=status.imei,
        paired_at=clock.stamp(status.paired_at) if status.paired_at else None,
        last_seen_at=clock.stamp(status.last_seen_at) if status.last_seen_at else None,
        firmware_version=status.firmware_version,
        hardware_version=status.hardware_version,
        capabilities=status.capabilities,
        is_ready=status.is_ready,
        steps=[StepView(each.name, each.is_done, each.says) for each in status.steps],
        problem=ProblemView(wrong.reason, wrong.says, clock.stamp(wrong.at)) if wrong else None,
    )


@get("/api/v1/devices/unknown", permission="fleet.vehicle.pair", tags=["fleet"])
async def unknown_devices(
    call: web.Caller,
    name: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[0-9A-Za-z._:-]{1,64}$", description="Only the one that is called so"
        ),
    ] = None,
    limit: web.Limit = 50,
    offset: web.Offset = 0,
) -> StrangerList:
    """Devices that knock and are not paired (FLT-16): pair one, and its next attempt succeeds.

    Where several operators share an installation, a device on a shared port belongs to nobody
    yet: it is shown only to who can name it.
    """
    found = await door.unknown_devices(call, name)
    shown = [
        StrangerView(
            each.protocol, each.name, each.knocks, clock.stamp(each.first_seen_at),
            clock.stamp(each.last_seen_at),
        )
        for each in found[offset : offset + limit]
    ]  # fmt: skip
    return StrangerList(shown, web.pagination(len(found), limit, offset, len(shown)))


class OnBoardView(msgspec.Struct, frozen=True, kw_only=True):
    """The zones a vehicle keeps on board; versions are those of the whole map of zones."""

    vehicle_id: str
    newest_version: int
    sent_version: int | None
    """Null: it is sent them when it comes online."""
    sent_at: str
    taken_version: int | None
    """What it last said that it has; null = has never said so."""
    taken_at: str | None
    is_current: bool
    """It has said that it has the newest."""


@get(
    "/api/v1/vehicles/{vehicle_id:str}/zones",
    permission="fleet.live.read",
    scoped=True,
    tags=["fleet"],
)
async def zones_on_board(call: web.Caller, vehicle_id: FromPath[str]) -> OnBoardView:
    """Which zones it keeps on board; 404 for vehicles that keep none."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    found = await door.zones_on_board(call, vehicle.id)
    return OnBoardView(
        vehicle_id=ids.public(PREFIX[vehicle.vehicle_type], vehicle.id),
        newest_version=found.newest_version,
        sent_version=found.sent_version,
        sent_at=clock.stamp(found.sent_at),
        taken_version=found.taken_version,
        taken_at=clock.stamp(found.taken_at) if found.taken_at else None,
        is_current=found.taken_version == found.newest_version,
    )


handlers = [zones_on_board, pairing_status, unknown_devices]
