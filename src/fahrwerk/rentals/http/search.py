"""The search before a booking (RNT-01..07)."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import MediaType, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from fahrwerk.kernel import web
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import Found
from fahrwerk.rentals.queries.search import remembered

VehicleType = Literal["scooter", "ebike", "car", "van"]


@get(
    ["/api/v1/vehicles/search", "/vehicles/search"],
    permission="fleet.vehicle.read",
    limit="rental",
    remembered=remembered,
    tags=["rentals"],
    responses={200: ResponseSpec(Found, generate_examples=False, description="Nearest first")},
)
async def search(
    call: web.Caller,
    lat: Annotated[float, QueryParameter(ge=-90, le=90, description="WGS 84")],
    lon: Annotated[float, QueryParameter(ge=-180, le=180, description="WGS 84")],
    type: FromQuery[VehicleType | None] = None,  # noqa: A002 - the contract calls it so, and errors name it
    radius: Annotated[int, QueryParameter(ge=1, le=50_000, description="Metres")] = 1_000,
    limit: web.Limit = 50,
    min_battery: Annotated[int | None, QueryParameter(ge=0, le=100, description="Percent")] = None,
    model: Annotated[str | None, QueryParameter(max_length=100)] = None,
    max_price_per_minute: Annotated[float | None, QueryParameter(ge=0)] = None,
) -> Response[bytes]:
    """Available vehicles near a point with price and range, nearest first (RNT-01..07).

    Up to 30 seconds old (a vehicle just taken is gone at once); a vehicle that has not reported
    lately carries a ``warning`` (C-18).
    """
    body = await contract.search(
        call, lat, lon, type, radius, limit, min_battery, model, max_price_per_minute
    )
    return Response(body, media_type=MediaType.JSON)
