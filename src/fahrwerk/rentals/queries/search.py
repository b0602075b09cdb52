"""The search before a booking (RNT-01..07): the hottest read of the product.

Three ways, the shortest that fits: an answer that is still good; the nearest of what this process
knows of the neighbourhoods around (``around``), reading in one statement those it does not know;
and straight from the database for what is rarely asked, filters and wide circles.
"""

from __future__ import annotations

import math
import sys
import time
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from prometheus_client import Counter

from fahrwerk.fleet import contract as fleet
from fahrwerk.kernel import geo, ids, money
from fahrwerk.kernel.live import hub
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals import rules
from fahrwerk.rentals.contract import Found, FoundVehicle, Spot
from fahrwerk.rentals.queries.answers import Answers
from fahrwerk.rentals.queries.around import TTL_S, Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.fleet.contract import Available, Nearby
    from fahrwerk.kernel.call import Call
    from fahrwerk.pricing.contract import Terms
    from fahrwerk.rentals.queries.answers import Key
    from fahrwerk.rentals.queries.around import Neighbourhood, Piece

NEAR_M = 3_000
"""Up to here a search is answered from neighbourhoods, some 60 of them; that is enough to read."""
MOST_LOOKED_THROUGH = 500
_FLAT, _SEAM = 80.0, 179.0  # degrees up to which the plane of _within is as good as the globe
_METRES_A_DEGREE = math.radians(geo.EARTH_M)
_DISTANCE = b'"distance_meters":'
_NO_DISTANCE = _DISTANCE + b"-1"  # once in the JSON: within texts the quotes would be escaped
_ID = slice(7, 33)  # in a head, which begins {"id":"sco_0123456789abcdefghijkl"

answers = Answers()
surroundings = Surroundings()
hub.hear("fleet.cell", lambda signal: surroundings.changed(signal))
searches = Counter("fahrwerk_search_cache", "Searches by how they were answered", ["outcome"])
_repeated, _known, _asked = map(searches.labels, ("hit", "near", "miss"))
"""A whole answer; put together from what is known; the database was asked (RNT-06)."""


_Wishes = tuple[int | None, str | None, float | None]
_NO_WISHES: _Wishes = (None, None, None)
_encode = msgspec.json.Encoder().encode


async def search(
    call: Call,
    latitude: float,
    longitude: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
    min_battery: int | None = None,
    model: str | None = None,
    max_price_per_minute: float | None = None,
) -> bytes:
    wanted = (latitude, longitude, vehicle_type, radius_m, limit)
    wishes = (min_battery, model, max_price_per_minute)
    if (body := remembered(call, *wanted, *wishes)) is not None:
        return body
    _asked.inc()
    key = _key(call, *wanted, *wishes)
    tenant, lat, lon = key[:3]
    if _is_near(lat, lon, radius_m, wishes):
        around = surroundings.of(tenant, geo.areas_around(lat, lon, radius_m))
        await _ask(call, [each for each in around if not each.is_known])
        return _put_together(around, key, vehicle_type, radius_m, limit)
    until, seals = time.monotonic() + TTL_S, [surroundings.wide(tenant)]
    body = await _by_database(call, lat, lon, vehicle_type, radius_m, limit, wishes)
    answers.keep(key, body, until, seals)
    return body


def remembered(
    call: Call,
    latitude: float,
    longitude: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
    min_battery: int | None,
    model: str | None,
    max_price_per_minute: float | None,
) -> bytes | None:
    """What ``search`` answers, if that needs nothing which this process does not know."""
    wishes = (min_battery, model, max_price_per_minute)
    key = _key(call, latitude, longitude, vehicle_type, radius_m, limit, *wishes)
    if (body := answers.get(key)) is not None:
        _repeated.inc()
        return body
    tenant, lat, lon = key[:3]
    if not _is_near(lat, lon, radius_m, wishes):
        return None
    around = surroundings.of(tenant, geo.areas_around(lat, lon, radius_m))
    for each in around:
        if not each.is_known:
            return None
    _known.inc()
    return _put_together(around, key, vehicle_type, radius_m, limit)


def _is_near(lat: float, lon: float, radius_m: int, wishes: _Wishes) -> bool:
    """Whether to look at neighbourhoods. What is no place or radius at all, fleet refuses."""
    is_flat = abs(lat) < _FLAT and abs(lon) < _SEAM
    return is_flat and 1 <= radius_m <= NEAR_M and wishes == _NO_WISHES


def _put_together(
    around: Sequence[Neighbourhood],
    key: Key,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
) -> bytes:
    body = _nearest(around, key[1], key[2], vehicle_type, radius_m, limit)
    answers.keep(key, body, min([n.until for n in around]), [n.seal for n in around])
    return body


def _key(call: Call, latitude: float, longitude: float, *more: object) -> Key:
    """Operator, latitude, longitude, and whatever else makes two searches the same."""
    # Four decimals are 11 m: riders who stand together share an answer, none is misled by it.
    tenant = call.tenant.int if call.tenant is not None else 0
    return (tenant, round(latitude, 4), round(longitude, 4), *more)


async def _ask(call: Call, missing: Sequence[Neighbourhood]) -> None:
    """Fill neighbourhoods with what is available there: one statement for all of them."""
    terms = await pricing.tariffs(call)
    prices = {kind: _price(each) for kind, each in terms.items()}
    pieces: dict[int, list[Piece]] = {each.area: [] for each in missing}
    for vehicle in await fleet.available_in(call, [*pieces]):
        # What has no price cannot be booked.
        if (price := prices.get(vehicle.vehicle_type)) is not None:
            encoded = _encode(_found(vehicle, price, -1))
            head, tail = encoded.split(_NO_DISTANCE)
            head += _DISTANCE
            place = (vehicle.latitude, vehicle.longitude)
            kind = sys.intern(vehicle.vehicle_type)  # one text for all, not one a row
            pieces[vehicle.area].append((*place, kind, head, tail))
    for each in missing:
        surroundings.fill(each, pieces[each.area])


def _nearest(
    around: Sequence[Neighbourhood],
    lat: float,
    lon: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
) -> bytes:
    """``Found``, encoded, out of what is known of the neighbourhoods around."""
    near = _within(around, lat, lon, vehicle_type, radius_m)
    near.sort(key=itemgetter(0))
    if len({head[_ID] for _, _, head, _ in near[:limit]}) < min(limit, len(near)):
        near = _newest(near)
    vehicles = [
        b"%b%d%b" % (head, math.sqrt(square) * _METRES_A_DEGREE + 0.5, tail)
        for square, _, head, tail in near[:limit]
    ]
    return b'{"vehicles":[%b],"count":%d,"search_radius_meters":%d}' % (
        b",".join(vehicles), len(vehicles), radius_m
    )  # fmt: skip


_Near = tuple[float, float, bytes, bytes]
"""Square of the distance in degrees of latitude, until when it is known, head, tail."""


def _within(
    around: Sequence[Neighbourhood], lat: float, lon: float, vehicle_type: str | None, radius_m: int
) -> list[_Near]:
    """Vehicles within the radius, in no order.

    On a plane, in squares of degrees of latitude: no sine, no root for the hundreds that are too
    far away. A degree of longitude is as long as it is halfway between the two points, which is
    cos2(lat + dy/2), or ``wide - narrower * dy``. Within 3 km this errs by millimetres in cities,
    by some centimetres at 80 degrees north.
    """
    wide = math.cos(math.radians(lat)) ** 2
    narrower = math.radians(math.sin(math.radians(2 * lat)) / 2)
    most = (radius_m / _METRES_A_DEGREE) ** 2
    if vehicle_type is None:
        return [
            (square, place.until, head, tail)
            for place in around
            for y, x, head, tail in zip(
                place.lats, place.lons, place.heads, place.tails, strict=True
            )
            if (square := (dy := y - lat) * dy + (dx := x - lon) * dx * (wide - narrower * dy))
            <= most
        ]
    return [
        (square, place.until, head, tail)
        for place in around
        for y, x, kind, head, tail in zip(
            place.lats, place.lons, place.types, place.heads, place.tails, strict=True
        )
        if kind == vehicle_type
        and (square := (dy := y - lat) * dy + (dx := x - lon) * dx * (wide - narrower * dy)) <= most
    ]


def _newest(near: Sequence[_Near]) -> list[_Near]:
    """Each vehicle once. It is in two neighbourhoods when it crossed between their reading."""
    known: dict[bytes, float] = {}
    for _, until, head, _ in near:
        known[head[_ID]] = max(until, known.get(head[_ID], until))
    return [each for each in near if known[each[2][_ID]] == each[1]]


async def _by_database(
    call: Call,
    lat: float,
    lon: float,
    vehicle_type: str | None,
    radius_m: int,
    limit: int,
    wishes: _Wishes,
) -> bytes:
    """``Found``, encoded, for what is rarely asked (RNT-01: by battery, model and price)."""
    terms = await pricing.tariffs(call)
    look_through = limit if wishes == _NO_WISHES else MOST_LOOKED_THROUGH
    near = await fleet.nearby_vehicles(call, lat, lon, vehicle_type, radius_m, look_through)
    prices = {kind: _price(each) for kind, each in terms.items()}
    found = [
        _found(vehicle, prices[vehicle.vehicle_type], vehicle.distance_m)
        for vehicle in near
        if vehicle.vehicle_type in prices
        and _fits(vehicle, prices[vehicle.vehicle_type].per_minute, *wishes)
    ][:limit]
    return _encode(Found(found, len(found), radius_m))


def _fits(
    vehicle: Nearby,
    price_per_minute: float,
    min_battery: int | None,
    model: str | None,
    max_price_per_minute: float | None,
) -> bool:
    model = model.casefold() if model else None
    return (
        (min_battery is None or (vehicle.battery_level or 0) >= min_battery)
        and (model is None or model in vehicle.model.casefold())
        and (max_price_per_minute is None or price_per_minute <= max_price_per_minute)
    )


class _Price(NamedTuple):
    """What a type of vehicle costs, as shown."""

    per_hour: float
    per_minute: float
    base_fee: float
    currency: str


def _price(terms: Terms) -> _Price:
    return _Price(
        money.price_to_major(terms.price_per_hour_e4),
        money.price_to_major(terms.price_per_minute_e4),
        money.to_major(terms.base_fee_minor, terms.currency),
        terms.currency,
    )


def _found(vehicle: Nearby | Available, price: _Price, distance_m: int) -> FoundVehicle:
    return FoundVehicle(
        id=ids.public(fleet.PREFIX[vehicle.vehicle_type], vehicle.id),
        type=vehicle.vehicle_type,
        identifier=vehicle.identifier,
        model=vehicle.model,
        battery=vehicle.battery_level,
        location=Spot(vehicle.latitude, vehicle.longitude),
        distance_meters=distance_m,
        price_per_hour=price.per_hour,
        price_per_minute=price.per_minute,
        base_fee=price.base_fee,
        currency=price.currency,
        estimated_range_km=vehicle.range_km,
        warning=rules.STALE_WARNING if vehicle.is_stale else None,
    )
