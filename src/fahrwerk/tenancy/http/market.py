"""Areas and market rules over HTTP (TEN-11, TEN-25)."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.tenancy.contract import markets as contract
from fahrwerk.tenancy.contract.markets import Helmet

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class AreaBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box around a city, WGS 84, at most ten degrees wide."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    country: Annotated[str, Meta(min_length=2, max_length=2, examples=["DE"])]
    south: Latitude
    west: Longitude
    north: Latitude
    east: Longitude


class AreaView(msgspec.Struct, frozen=True):
    """A city the operator works in."""

    id: str
    name: str
    country: str
    south: float
    west: float
    north: float
    east: float


class AreaList(msgspec.Struct, frozen=True):
    """All areas, by name."""

    areas: list[AreaView]


class MarketBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules to add. Quiet hours: ``22:00`` to ``06:00`` is over midnight, in your time zone."""

    area_id: Annotated[str, Meta(max_length=40)] | None = None
    """None: for the whole operator. Rules of an area win, wholly, over those of the operator."""
    valid_from: datetime | None = None
    """None: from now on."""
    valid_until: datetime | None = None
    tax_rate_pct: Annotated[float, Meta(ge=0, le=50)] | None = None
    """Instead of your own rate while this holds; for the whole operator only."""
    minimum_age: Annotated[int, Meta(ge=0, le=99)] | None = None
    helmet: Helmet = "none"
    quiet_from: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None
    quiet_until: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None
    languages: Annotated[
        list[Annotated[str, Meta(pattern="^[a-z]{2}(-[A-Z]{2})?$")]],
        Meta(min_length=1, max_length=10),
    ] = msgspec.field(default_factory=lambda: ["de", "en"])


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of a market and the time they hold."""

    id: str
    area_id: str | None
    valid_from: str
    valid_until: str | None
    tax_rate_pct: float | None
    minimum_age: int | None
    helmet: str
    quiet_from: str | None
    quiet_until: str | None
    languages: list[str]


class MarketList(msgspec.Struct, frozen=True):
    """All rules, the latest begun first; past ones too."""

    markets: list[MarketView]


class MarketHere(msgspec.Struct, frozen=True):
    """What holds at a place now; null where there are no rules."""

    market: MarketView | None


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when rules hold; null: until now."""

    valid_until: datetime | None = None


@get("/api/v1/areas", permission="identity.self", tags=["tenancy"])
async def list_areas(call: web.Caller) -> AreaList:
    """The cities the operator works in."""
    return AreaList([_area(each) for each in await contract.areas(call)])


@post("/api/v1/areas", permission="tenancy.operator.change", status_code=201, tags=["tenancy"])
async def add_area(call: web.Caller, data: JSONBody[AreaBody]) -> AreaView:
    """Add a city (TEN-11). Grants and market rules can be for it."""
    area_id = ids.derived("area", call.tenant, call.key) if call.key else ids.new()
    wanted = contract.Area(id=area_id, **msgspec.structs.asdict(data))
    return _area(await contract.save_area(call, wanted))


@put("/api/v1/areas/{area_id:str}", permission="tenancy.operator.change", tags=["tenancy"])
async def put_area(call: web.Caller, area_id: FromPath[str], data: JSONBody[AreaBody]) -> AreaView:
    """Change a city's name or box."""
    known = ids.parse(area_id, "area")
    if known not in {each.id for each in await contract.areas(call)}:
        raise contract.UnknownArea
    wanted = contract.Area(id=known, **msgspec.structs.asdict(data))
    return _area(await contract.save_area(call, wanted))


@delete(
    "/api/v1/areas/{area_id:str}",
    permission="tenancy.operator.change",
    status_code=204,
    tags=["tenancy"],
)
async def delete_area(call: web.Caller, area_id: FromPath[str]) -> None:
    """Forget a city; 409 while there are market rules for it."""
    await contract.remove_area(call, ids.parse(area_id, "area"))


@get("/api/v1/market", permission="identity.self", tags=["tenancy"])
async def market_here(
    call: web.Caller,
    lat: Annotated[float | None, QueryParameter(ge=-90, le=90)] = None,
    lon: Annotated[float | None, QueryParameter(ge=-180, le=180)] = None,
) -> MarketHere:
    """Which rules hold now, at a place or for the operator as a whole: helmet, age, quiet hours."""
    found = await contract.market_at(call, lat, lon)
    return MarketHere(_market(found) if found else None)


@get("/api/v1/markets", permission="tenancy.operator.change", tags=["tenancy"])
async def list_markets(call: web.Caller) -> MarketList:
    """All market rules with the time they hold, or held."""
    return MarketList([_market(each) for each in await contract.markets(call)])


@post("/api/v1/markets", permission="tenancy.operator.change", status_code=201, tags=["tenancy"])
async def add_market(call: web.Caller, data: JSONBody[MarketBody]) -> MarketView:
    """Add rules, from now on or from a day to come (a new tax, say). They do not change."""
    tax, area = data.tax_rate_pct, data.area_id
    wanted = contract.Market(
        id=ids.derived("market", call.tenant, call.key) if call.key else ids.new(),
        area_id=_area_id(area) if area is not None else None,
        valid_from=_time("valid_from", data.valid_from) or clock.now(),
        valid_until=_time("valid_until", data.valid_until),
        tax_rate_bp=round(tax * 100) if tax is not None else None,
        minimum_age=data.minimum_age,
        helmet=data.helmet,
        quiet_from=time.fromisoformat(data.quiet_from) if data.quiet_from else None,
        quiet_until=time.fromisoformat(data.quiet_until) if data.quiet_until else None,
        languages=data.languages,
    )
    return _market(await contract.add_market(call, wanted))


@post(
    "/api/v1/markets/{market_id:str}/end",
    permission="tenancy.operator.change",
    status_code=200,
    tags=["tenancy"],
)
async def end_market(call: web.Caller, market_id: FromPath[str], data: JSONBody[End]) -> MarketView:
    """Let rules end, now or later. Rules that have not begun are taken away."""
    which = ids.parse(market_id, "mkt")
    until = _time("valid_until", data.valid_until)
    return _market(await contract.end_market(call, which, until))


def _time(field: str, at: datetime | None) -> datetime | None:
    return None if at is None else clock.of_our_days(field, at)


def _area_id(text: str) -> UUID:
    try:
        return ids.parse(text, "area")
    except NotFound:
        raise Invalid(field="area_id", issue="names no area") from None


def _area(area: contract.Area) -> AreaView:
    box = (area.south, area.west, area.north, area.east)
    return AreaView(ids.public("area", area.id), area.name, area.country, *box)


def _market(market: contract.Market) -> MarketView:
    tax, quiet = market.tax_rate_bp, (market.quiet_from, market.quiet_until)
    return MarketView(
        id=ids.public("mkt", market.id),
        area_id=ids.public("area", market.area_id) if market.area_id else None,
        valid_from=clock.stamp(market.valid_from),
        valid_until=clock.stamp(market.valid_until) if market.valid_until else None,
        tax_rate_pct=tax / 100 if tax is not None else None,
        minimum_age=market.minimum_age,
        helmet=market.helmet,
        quiet_from=quiet[0].strftime("%H:%M") if quiet[0] else None,
        quiet_until=quiet[1].strftime("%H:%M") if quiet[1] else None,
        languages=market.languages,
    )


handlers = [
    list_areas,
    add_area,
    put_area,
    delete_area,
    market_here,
    list_markets,
    add_market,
    end_market,
]
