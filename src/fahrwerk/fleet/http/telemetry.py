"""What has been heard of a vehicle, for staff who wonder what it does not say."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import telemetry
from fahrwerk.fleet.contract.telemetry import Heard
from fahrwerk.kernel import web


@get(
    "/api/v1/vehicles/{vehicle_id:str}/telemetry/gaps",
    permission="fleet.live.read",
    scoped=True,
    tags=["fleet"],
)
async def telemetry_gaps(call: web.Caller, vehicle_id: FromPath[str]) -> Heard:
    """What was heard of a vehicle: the numbers that are missing, and what was odd, by kind."""
    vehicle = await fleet.find_vehicle(call, vehicle_id)
    return await telemetry.telemetry_gaps(call, vehicle.id)


handlers = [telemetry_gaps]
