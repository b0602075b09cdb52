"""The simulated city's streets: in one piece, inside the box, routed along and shortest."""

from __future__ import annotations

import heapq
import math
import random
import time
import tracemalloc
from itertools import pairwise

import pytest

from fahrwerk.kernel import geo
from fahrwerk.sim.streets import (
    EAST,
    HUBS,
    NODE_EVERY_M,
    NORTH,
    SOUTH,
    WEST,
    LatLon,
    Place,
    Streets,
    address_near,
    load_streets,
    nearest_hub,
    point_along,
    route_length_m,
    wander,
)


@pytest.fixture(scope="module")
def streets() -> Streets:
    return load_streets()


def apart_m(a: LatLon, b: LatLon) -> float:
    return geo.distance_m(*a, *b)


def inside(point: LatLon) -> bool:
    return SOUTH <= point[0] <= NORTH and WEST <= point[1] <= EAST


def shortest_m(streets: Streets, start: int) -> dict[int, float]:
    """Dijkstra over single steps: slow, simple, and shares no code with ``route``."""
    found = {start: 0.0}
    todo = [(0.0, start)]
    while todo:
        here_m, node = heapq.heappop(todo)
        if here_m > found[node]:
            continue
        for other in streets.neighbours(node):
            there_m = here_m + apart_m(streets.at(node), streets.at(other))
            if there_m < found.get(other, math.inf):
                found[other] = there_m
                heapq.heappush(todo, (there_m, other))
    return found


def test_the_network_is_inner_berlin(streets: Streets) -> None:
    points = list(zip(streets.lat, streets.lon, strict=True))
    assert all(inside(point) for point in points)
    assert len(set(points)) == len(points)
    total_m = sum(along_m[-1] for along_m in streets.way_m)
    assert 300_000 < total_m < 800_000
    # Not a clump in one corner: every sixteenth of the box has streets.
    quarters = {
        (int((lat - SOUTH) / (NORTH - SOUTH) * 4), int((lon - WEST) / (EAST - WEST) * 4))
        for lat, lon in points
    }
    assert len(quarters) == 16


def test_steps_are_short_and_go_both_ways(streets: Streets) -> None:
    for node in range(len(streets.lat)):
        neighbours = streets.neighbours(node)
        assert neighbours
        for other in neighbours:
            assert other != node
            assert node in streets.neighbours(other)
            assert apart_m(streets.at(node), streets.at(other)) < NODE_EVERY_M + 1


def test_every_node_can_be_reached(streets: Streets) -> None:
    assert len(shortest_m(streets, 0)) == len(streets.lat)


def test_routes_follow_the_streets_and_are_shortest(streets: Streets) -> None:
    rng = random.Random(7)
    nodes = range(len(streets.lat))
    number = {streets.at(node): node for node in nodes}
    rings = [way for way in streets.ways if way[0] == way[-1]]
    starts = [rng.choice(nodes) for _ in range(5)] + [ring[2] for ring in rings]
    for start in starts:
        best_m = shortest_m(streets, start)
        # Far goals, the very next ones, and those on the same way, where the short cut is.
        goals = [rng.choice(nodes) for _ in range(30)] + list(streets.neighbours(start))
        goals += [node for way in streets.ways if start in way for node in way]
        goals += [node for ring in rings for node in ring]
        for goal in goals:
            way = [number[point] for point in streets.route(start, goal)]
            assert way[0] == start
            assert way[-1] == goal
            assert all(b in streets.neighbours(a) for a, b in pairwise(way))
            length_m = route_length_m([streets.at(node) for node in way])
            assert length_m == pytest.approx(best_m[goal], abs=0.01)


def test_a_route_from_itself_to_itself_is_one_point(streets: Streets) -> None:
    assert streets.route(5, 5) == [streets.at(5)]
    place = Place(*streets.at(5), 5)
    assert streets.route(place, place) == [streets.at(5)]


def test_a_route_begins_and_ends_at_the_place_without_turning_back(streets: Streets) -> None:
    way = next(way for way in streets.ways if len(way) > 12)
    (ay, ax), (by, bx) = streets.at(way[3]), streets.at(way[4])
    beside = Place(ay + (by - ay) * 0.4, ax + (bx - ax) * 0.4, way[3])
    forward = streets.route(beside, way[8])
    assert forward[:2] == [(beside.lat, beside.lon), streets.at(way[4])]
    assert streets.route(way[8], beside) == forward[::-1]
    backward = streets.route(beside, way[1])
    assert backward[:2] == [(beside.lat, beside.lon), streets.at(way[3])]


def test_a_search_can_be_limited(streets: Streets) -> None:
    ostkreuz = streets.nearest(52.5030, 13.4691)
    charlottenburg = streets.nearest(52.5047, 13.3036)
    with pytest.raises(LookupError):
        streets.route(ostkreuz, charlottenburg, max_nodes=5)


def test_crossing_the_city_takes_a_sensible_way(streets: Streets) -> None:
    ostkreuz, zoo = (52.5030, 13.4691), (52.5072, 13.3325)
    points = streets.route(streets.nearest(*ostkreuz), streets.nearest(*zoo))
    assert apart_m(points[0], ostkreuz) < 200
    assert apart_m(points[-1], zoo) < 200
    assert 1.0 <= route_length_m(points) / apart_m(ostkreuz, zoo) < 1.4


def test_nearest_is_nearest(streets: Streets) -> None:
    rng = random.Random(3)
    shrink = math.cos(math.radians((SOUTH + NORTH) / 2))
    for _ in range(150):
        lat, lon = rng.uniform(SOUTH, NORTH), rng.uniform(WEST, EAST)
        best = min(
            range(len(streets.lat)),
            key=lambda n, lat=lat, lon=lon: math.hypot(  # type: ignore[misc]
                streets.lat[n] - lat, (streets.lon[n] - lon) * shrink
            ),
        )
        assert streets.nearest(lat, lon) == best


def test_a_point_far_away_gets_a_node_at_the_edge(streets: Streets) -> None:
    munich = streets.at(streets.nearest(48.14, 11.58))
    assert munich[0] < SOUTH + 0.02
    assert munich[1] < WEST + 0.02


def test_random_places_stand_on_a_street_and_crowd_at_hubs(streets: Streets) -> None:
    rng = random.Random(1)
    places = [streets.random_place(rng) for _ in range(1500)]
    assert len({(place.lat, place.lon) for place in places}) == len(places)
    for place in places:
        point = (place.lat, place.lon)
        assert inside(point)
        node = streets.at(place.node)
        assert apart_m(point, node) <= NODE_EVERY_M
        detours_m = [
            apart_m(node, point)
            + apart_m(point, streets.at(other))
            - apart_m(node, streets.at(other))
            for other in streets.neighbours(place.node)
        ]
        assert min(detours_m) < 0.01  # on the line to the next node
    near_hubs = sum(
        apart_m((p.lat, p.lon), (h.lat, h.lon)) < 600
        for p in places
        for h in [nearest_hub(p.lat, p.lon)]
    )
    assert 0.45 < near_hubs / len(places) < 0.85


@pytest.mark.parametrize("distance_m", [15, 300, 2_000, 9_000, 30_000])
def test_a_ride_has_the_length_asked_for(streets: Streets, distance_m: int) -> None:
    rng = random.Random(distance_m)
    for _ in range(10):
        start = streets.random_place(rng)
        points = wander(rng, start, distance_m)
        assert points[0] == (start.lat, start.lon)
        assert route_length_m(points) == pytest.approx(distance_m, abs=1)
        assert all(inside(point) for point in points)
        assert all(apart_m(a, b) < NODE_EVERY_M + 1 for a, b in pairwise(points))


def test_a_short_ride_goes_somewhere(streets: Streets) -> None:
    rng = random.Random(4)
    rides = [wander(rng, streets.random_place(rng), 2_000) for _ in range(60)]
    away_m = sorted(apart_m(points[0], points[-1]) for points in rides)
    assert away_m[len(away_m) // 2] > 1_200


def test_a_ride_stays_on_the_streets(streets: Streets) -> None:
    rng = random.Random(9)
    steps = {
        (streets.at(a), streets.at(b))
        for a in range(len(streets.lat))
        for b in streets.neighbours(a)
    }
    points = wander(rng, streets.nearest(52.5219, 13.4132), 12_000)
    on_street = sum((a, b) in steps for a, b in pairwise(points))
    # All but the first and last steps of its few legs, which begin and end beside nodes.
    assert on_street >= len(points) - 20


def test_the_same_chance_gives_the_same_ride(streets: Streets) -> None:
    first, second = (
        wander(rng, streets.random_place(rng), 3_000)
        for rng in (random.Random(8), random.Random(8))
    )
    assert first == second


def test_point_along_a_line() -> None:
    line = [(52.50, 13.40), (52.51, 13.40), (52.51, 13.41)]
    assert point_along(line, 0) == line[0]
    assert point_along(line, route_length_m(line[:2]) / 2) == pytest.approx((52.505, 13.40))
    assert point_along(line, 1e9) == line[-1]
    assert point_along(line[:1], 5) == line[0]


def test_hubs_are_where_streets_are(streets: Streets) -> None:
    assert len({hub.name for hub in HUBS}) == len(HUBS) >= 25
    for hub in HUBS:
        assert inside((hub.lat, hub.lon))
        assert apart_m(streets.at(streets.nearest(hub.lat, hub.lon)), (hub.lat, hub.lon)) < 200


def test_addresses_name_the_next_hub() -> None:
    assert address_near(52.5230, 13.4020) == "Berlin, near Hackescher Markt"
    assert address_near(52.4757, 13.3660) == "Berlin, near Südkreuz"


def test_it_is_light() -> None:
    load_streets.cache_clear()
    began = time.perf_counter()
    load_streets()
    assert time.perf_counter() - began < 1
    load_streets.cache_clear()
    tracemalloc.start()
    try:
        streets = load_streets()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
    assert load_streets() is streets


def test_routes_are_fast(streets: Streets) -> None:
    rng = random.Random(2)
    pairs = [(streets.random_place(rng), streets.random_place(rng)) for _ in range(200)]
    took_s = []
    for a, b in pairs:
        began = time.perf_counter()
        streets.route(a, b)
        took_s.append(time.perf_counter() - began)
    assert sorted(took_s)[100] < 0.005
