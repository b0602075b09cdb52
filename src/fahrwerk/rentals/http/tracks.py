"""The way of a ride, for a map that replays it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from fahrwerk.kernel import clock, ids, web
from fahrwerk.rentals import contract
from fahrwerk.rentals.http.shapes import rental_id_in

MOST_POINTS = 5_000
Points = Annotated[
    int, QueryParameter(ge=2, le=MOST_POINTS, description="Most points, evenly chosen")
]


class RideTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The n-th of each column is the n-th point; metres and percent by the vehicle's telemetry."""

    rental_id: str
    distance_m: int
    battery_used_pct: int
    at: list[str]
    latitude: list[float]
    longitude: list[float]


@get(
    "/api/v1/rentals/{rental_id:str}/track",
    permission="rentals.rental.read",
    scoped="rentals.rental.read_any",
    personal=True,
    limit="rental",
    tags=["rentals"],
)
async def track(call: web.Caller, rental_id: FromPath[str], points: Points = 1_000) -> RideTrack:
    """Where a ride went: your own, for staff any. Empty before it has begun."""
    wanted = rental_id_in(rental_id)
    found = await contract.ride_track(call, wanted, points)
    return RideTrack(
        rental_id=ids.public("rent", wanted),
        distance_m=found.distance_m,
        battery_used_pct=found.battery_used_pct,
        at=[clock.stamp(p.at) for p in found.points],
        latitude=[p.latitude for p in found.points],
        longitude=[p.longitude for p in found.points],
    )
