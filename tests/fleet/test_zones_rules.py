"""The geometry and the decisions of zones, against GEOS and against themselves (FLT-28..30)."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fahrwerk.fleet.contract.zones import Fix, Hours, Zone, ZoneRules
from fahrwerk.fleet.rules.parking import Here, parking
from fahrwerk.fleet.rules.polygons import polygons_of, sound, vertices
from fahrwerk.fleet.rules.zone_index import M_PER_DEGREE, Shape, ZoneIndex
from fahrwerk.fleet.rules.zones import Book, believed, check_rules, crossed
from fahrwerk.kernel import geo
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from fahrwerk.fleet.contract.zones import Polygons

NOW = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)  # a Wednesday, 12:00 in Berlin
LAT, LON = 52.52, 13.405


def blob(
    rng: random.Random, x: float, y: float, size: float, corners: int
) -> list[tuple[float, float]]:
    """A ring around a place that does not meet itself, with dents."""
    ring = []
    for n in range(corners):
        far, turn = size * rng.uniform(0.4, 1), 2 * math.pi * n / corners
        ring.append((x + 1.6 * far * math.cos(turn), y + far * math.sin(turn)))
    return ring


def drawn(rng: random.Random, x: float, y: float, size: float, corners: int) -> Polygons:
    """A sound polygon, sometimes with a hole in its middle."""
    rings = [blob(rng, x, y, size, corners)]
    if rng.random() < 0.4:
        rings.append(blob(rng, x, y, size * 0.2, 5))
    return sound([rings])


def geos(polygons: Polygons) -> Any:
    return shapely.MultiPolygon([shapely.Polygon(p[0], p[1:]) for p in polygons])


def zone(kind: Any, polygons: Polygons, number: int = 0, **rules: Any) -> Zone:
    return Zone(
        id=UUID(int=number), rules=ZoneRules(name=f"{kind} {number}", kind=kind, **rules),
        polygons=polygons, source="own", external_id=None, version=1, change="created",
        changed_at=NOW, changed_by="", created_at=NOW,
    )  # fmt: skip


def square(size: float, lon: float = LON, lat: float = LAT) -> Polygons:
    w, e, s, n = lon - size, lon + size, lat - size, lat + size
    return sound([[[(w, s), (e, s), (e, n), (w, n), (w, s)]]])


def book(*zones: Zone) -> Book:
    return Book(1, "Europe/Berlin", zones)


# --- points


def test_the_index_agrees_with_geos_on_points() -> None:
    """100 zones, 20,000 points: inside exactly where GEOS says so (a million: tests/bench)."""
    rng = random.Random(7)
    polygons = [drawn(rng, 13.4, 52.5, 0.2, 400)] + [
        drawn(rng, rng.uniform(13.2, 13.6), rng.uniform(52.4, 52.6), rng.choice((0.002, 0.02)), 30)
        for _ in range(99)
    ]
    index, theirs = ZoneIndex([Shape(p) for p in polygons]), [geos(p) for p in polygons]
    for each in theirs:
        assert each.is_valid
        shapely.prepare(each)
    for _ in range(20_000):
        x, y = rng.uniform(13.0, 13.8), rng.uniform(52.25, 52.75)
        found = {n for n, sure in index.at(x, y, 0.0) if sure}
        assert found == {n for n, g in enumerate(theirs) if shapely.contains_xy(g, x, y)}


@pytest.mark.parametrize("accuracy_m", [5.0, 40.0, 150.0, 700.0])
def test_unsure_is_what_is_nearer_to_the_border_than_the_accuracy(accuracy_m: float) -> None:
    """By GEOS' distances on a plane, at each level of the index."""
    rng = random.Random(int(accuracy_m))
    polygons = [drawn(rng, LON, LAT, size, 40) for size in (0.003, 0.01, 0.03)]
    index = ZoneIndex([Shape(p) for p in polygons])
    for _ in range(1_500):
        x, y = rng.uniform(LON - 0.06, LON + 0.06), rng.uniform(LAT - 0.04, LAT + 0.04)
        kx = M_PER_DEGREE * math.cos(math.radians(y))
        answers = dict(index.at(x, y, accuracy_m))
        for n, polygon in enumerate(polygons):
            flat = shapely.transform(
                geos(polygon), lambda p, x=x, y=y, kx=kx: (p - (x, y)) * (kx, M_PER_DEGREE)
            )
            metres = flat.boundary.distance(shapely.Point(0, 0))
            if abs(metres - accuracy_m) < 1e-6:
                continue
            if metres < accuracy_m:
                assert answers[n] is False
            else:
                assert answers.get(n) is (flat.contains(shapely.Point(0, 0)) or None)


def test_a_worthless_position_may_be_anywhere() -> None:
    """From 1,000 m on, every zone is unsure."""
    index = ZoneIndex([Shape(square(0.01)), Shape(square(0.01, 100, 0))])
    assert index.at(LON, LAT, 1_000.0) == [(0, False), (1, False)]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=9, unique=True)
)
@settings(max_examples=400, deadline=None)
def test_a_ring_is_sound_exactly_when_geos_says_so(points: list[tuple[int, int]]) -> None:
    """Self-intersection, touching, spikes: on a coarse grid, where all of them happen often."""
    ring = [(x / 100, y / 100) for x, y in points]
    assume(shapely.Polygon(ring).area > 1e-6)
    if shapely.Polygon(ring).is_valid:
        [[made]] = sound([[ring]])
        assert shapely.Polygon(made).equals(shapely.Polygon(ring))
        assert shapely.Polygon(made).exterior.is_ccw
    else:
        with pytest.raises(Invalid):
            sound([[ring]])


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=7, unique=True)
)
@settings(max_examples=300, deadline=None)
def test_a_hole_is_sound_when_geos_says_so(points: list[tuple[int, int]]) -> None:
    """Holes outside, across and touching. We only do not mind an interior in two pieces."""
    hole = [(x / 100, y / 100) for x, y in points]
    outer = [(0.02, 0.02), (0.1, 0.02), (0.1, 0.1), (0.06, 0.07), (0.02, 0.1)]
    assume(shapely.Polygon(hole).area > 1e-6)
    reason = shapely.is_valid_reason(shapely.Polygon(outer, [hole]))
    if reason == "Valid Geometry":
        made = geos(sound([[outer, hole]]))
        assert made.equals(shapely.Polygon(outer, [hole]))
    elif "disconnected" not in reason:
        with pytest.raises(Invalid):
            sound([[outer, hole]])


def test_what_is_sound_goes_through_unchanged() -> None:
    """Reading in what was shown makes no new version."""
    rng = random.Random(3)
    for _ in range(50):
        made = drawn(rng, rng.uniform(-170, 170), rng.uniform(-60, 60), 0.5, 20)
        assert sound(made) == made


def test_rings_are_closed_and_turned() -> None:
    """RFC 7946 3.1.6: the outer ring anticlockwise, holes clockwise, closed, no repetitions."""
    clockwise = [[0, 0], [0, 1], [0, 1], [1, 1, 34.5], [1, 0]]
    hole = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.4], [0.2, 0.4]]
    [[outer, inner]] = polygons_of("Polygon", [clockwise, hole])
    assert len(outer) == 5
    assert outer[0] == outer[-1]
    assert shapely.LinearRing(outer).is_ccw
    assert not shapely.LinearRing(inner).is_ccw
    assert vertices([[outer, inner]]) == 8


@pytest.mark.parametrize(
    ("kind", "coordinates", "field", "issue"),
    [
        ("Point", [1, 2], "geometry.type", "Polygon"),
        ("Polygon", [], "geometry.coordinates", "rings"),
        ("Polygon", [[[0, 0], [1, 1], None]], "geometry.coordinates[0][2]", "longitude"),
        ("Polygon", [[[0, 0], [True, 1], [1, 0]]], "geometry.coordinates[0][1]", "numbers"),
        ("Polygon", [[[0, 0], [181, 1], [1, 0]]], "geometry.coordinates[0][1]", "longitude 181"),
        ("Polygon", [[[0, -80], [120, -80], [-120, -80]]], "geometry.coordinates[0]", "pole"),
        (
            "MultiPolygon",
            [[[[0, 0], [2, 0], [2, 2], [0, 2]]], [[[1, 1], [3, 1], [3, 3], [1, 3]]]],
            "geometry.coordinates[1]",
            "crosses",
        ),
        (
            "MultiPolygon",
            [[[[0, 0], [4, 0], [4, 4], [0, 4]]], [[[1, 1], [3, 1], [3, 3], [1, 3]]]],
            "geometry.coordinates[1]",
            "overlaps",
        ),
        (
            "Polygon",
            [[[0, 0], [1, 0], [1, 1]], [[5, 5], [6, 5], [6, 6]]],
            "geometry.coordinates[1][0]",
            "not within",
        ),
        ("Polygon", [[[n / 9_000, n % 2] for n in range(9_000)]], "geometry.coordinates", "5000"),
    ],
)  # fmt: skip
def test_flaws_are_named_with_their_place(
    kind: str, coordinates: list[Any], field: str, issue: str
) -> None:
    with pytest.raises(Invalid) as wrong:
        polygons_of(kind, coordinates)
    assert str(wrong.value.details["field"]).startswith(field)
    assert issue in str(wrong.value.details["issue"])


def test_an_island_in_a_lake_is_no_overlap() -> None:
    """A polygon of a zone may stand in the hole of another."""
    lake = [[[0, 0], [4, 0], [4, 4], [0, 4]], [[1, 1], [3, 1], [3, 3], [1, 3]]]
    island = [[[1.5, 1.5], [2.5, 1.5], [2.5, 2.5], [1.5, 2.5]]]
    assert len(polygons_of("MultiPolygon", [lake, island])) == 2


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_across_the_antimeridian(seed: int) -> None:
    """RFC 7946 3.1.9: split there, nothing lost, and no border where it was split."""
    rng = random.Random(seed)
    shifted = [blob(rng, 180.0, 10.0, 0.5, rng.randint(5, 30))]
    if rng.random() < 0.5:
        shifted.append(blob(rng, 180.0 + rng.uniform(-0.05, 0.05), 10.0, 0.08, 6))
    rings = [[(x - 360 if x > 180 else x, y) for x, y in ring] for ring in shifted]
    made = sound([rings])
    assert all(-180 <= x <= 180 for p in made for r in p for x, _ in r)
    whole = shapely.Polygon(shifted[0], shifted[1:])
    assert geos(made).is_valid
    assert geos(made).area == pytest.approx(whole.area, rel=1e-6)
    assert sound(made) == made
    index = ZoneIndex([Shape(made)])
    near = whole.boundary
    for _ in range(50):
        x, y = rng.uniform(179, 181), rng.uniform(9.4, 10.6)
        point = shapely.Point(x, y)
        if near.distance(point) < 0.002:
            continue
        found = index.at(x - 360 if x > 180 else x, y, 50.0)
        assert found == ([(0, True)] if whole.contains(point) else [])


def test_the_other_side_of_the_antimeridian_is_near() -> None:
    """A border 20 m away is near, also on the other side of the date line."""
    index = ZoneIndex([Shape(sound([[[(-180, 0), (-179, 0), (-179, 1), (-180, 1)]]]))])
    assert index.at(179.999_9, 0.5, 30.0) == []  # where it was cut is no border ...
    index = ZoneIndex([Shape(sound([[[(-179.999_9, 0), (-179, 0), (-179, 1), (-179.999_9, 1)]]]))])
    assert index.at(179.999_9, 0.5, 30.0) == [(0, False)]
    assert index.at(179.999_9, 0.5, 10.0) == []


# --- the way


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_way_through_is_seen_and_none_invented(seed: int) -> None:
    """``inside`` only where the line is deep inside, ``outside`` only where it does not enter."""
    rng = random.Random(seed)
    polygons = drawn(rng, LON, LAT, 0.004, rng.randint(4, 20))
    a, b = (
        (rng.uniform(LON - 0.01, LON + 0.01), rng.uniform(LAT - 0.006, LAT + 0.006)) for _ in "ab"
    )
    care_m = rng.uniform(3, 60)
    answer = Shape(polygons).along(a, b, care_m)
    kx = M_PER_DEGREE * math.cos(math.radians((a[1] + b[1]) / 2))
    flat = shapely.transform(geos(polygons), lambda p: (p - (LON, LAT)) * (kx, M_PER_DEGREE))
    line = shapely.transform(
        shapely.LineString([a, b]), lambda p: (p - (LON, LAT)) * (kx, M_PER_DEGREE)
    )
    shared = line.intersection(flat)
    if answer == "inside":
        assert line.intersects(flat.buffer(-care_m + 0.01))
    elif answer == "outside":
        assert shared.length < 1e-3
    else:
        assert shared.length > 0


def test_a_jump_across_the_city_is_not_believed() -> None:
    """A position that nobody could have reached says nothing; a quick ride is believed."""
    at = [Fix(latitude=LAT, longitude=LON, at=NOW)]
    soon = NOW.replace(second=5)
    jumped = Fix(latitude=LAT + 0.05, longitude=LON, accuracy_m=5, at=soon)
    assert believed([*at, jumped], "scooter")[2] > 1_000
    ridden = Fix(latitude=LAT + 0.0003, longitude=LON, accuracy_m=5, at=soon)
    assert believed([*at, ridden], "scooter")[2] == 5
    track = [*at, jumped]
    outside = book(zone("operating_area", square(0.01)))
    assert parking(outside, "scooter", track, NOW).certainty == "unsure"


# --- when


@pytest.mark.parametrize(
    ("local", "holds"),
    [
        ("2026-07-03T21:59:00+02:00", False),  # Friday
        ("2026-07-03T22:00:00+02:00", True),
        ("2026-07-04T05:59:00+02:00", True),  # Saturday morning, still Friday's night
        ("2026-07-04T06:00:00+02:00", False),
        ("2026-07-05T23:30:00+02:00", True),  # Sunday night, reaching into Monday
        ("2026-07-06T05:59:00+02:00", True),
        ("2026-07-06T06:00:00+02:00", False),
        ("2026-12-04T22:30:00+01:00", True),  # winter: by the operator's clocks, not UTC
        ("2026-12-04T21:30:00+01:00", False),
    ],
)
def test_schedules_are_read_by_the_operators_clocks(local: str, holds: bool) -> None:
    """Nights end on the next day; the week wraps around; DST shifts nothing."""
    hours = Hours(days=[5, 7], start="22:00", end="06:00")
    zones = book(zone("no_parking", square(0.01), schedule=[hours]))
    found = parking(
        zones, "scooter", [Fix(latitude=LAT, longitude=LON)], datetime.fromisoformat(local)
    )
    assert found.is_allowed is not holds


# --- parking


def here(x: float = LON, y: float = LAT, accuracy_m: float = 5.0) -> list[Fix]:
    return [Fix(latitude=y, longitude=x, accuracy_m=accuracy_m)]


def test_priority_decides_where_zones_overlap() -> None:
    """The higher one holds; of equal priority the stricter; other types do not care."""
    forbid, permit = zone("no_parking", square(0.01), 1), zone("parking", square(0.002), 2)
    assert parking(book(forbid, permit), "car", here(), NOW).reason == "no_parking"
    island = zone("parking", square(0.002), 2, priority=1)
    assert parking(book(forbid, island), "car", here(), NOW).is_allowed
    bikes = zone("no_go", square(0.01), 3, priority=9, vehicle_types=["ebike"])
    assert parking(book(island, bikes), "car", here(), NOW).is_allowed
    assert parking(book(island, bikes), "ebike", here(), NOW).reason == "no_go"


def test_where_there_is_parking_one_must_park_there() -> None:
    """Parking zones of one's type bind, in the operating area that holds them."""
    berlin, hamburg = zone("operating_area", square(0.1), 1), zone(
        "operating_area", square(0.1, 10.0, 53.5), 2
    )  # fmt: skip
    rack = zone("parking", square(0.0005, LON + 0.01), 3, vehicle_types=["scooter"])
    zones = book(berlin, hamburg, rack)
    refused = parking(zones, "scooter", here(), NOW, "de-DE")
    assert refused.reason == "parking_only"
    assert refused.nearest is not None
    assert refused.nearest.zone_name == "parking 3"
    assert 600 < refused.nearest.distance_m < 700
    assert "Parkfläche" in str(refused.message)
    assert parking(zones, "car", here(), NOW).is_allowed
    assert parking(zones, "scooter", here(10.0, 53.5), NOW).is_allowed
    assert parking(book(rack), "scooter", here(), NOW).reason == "parking_only"


def test_a_bonus_is_for_who_is_surely_there() -> None:
    """The highest bonus of the zones one is in; nothing at the border."""
    low = zone("preferred_parking", square(0.001), 1, bonus_minor=50)
    high = zone("preferred_parking", square(0.001), 2, bonus_minor=150)
    assert parking(book(low, high), "scooter", here(), NOW).bonus_minor == 150
    assert parking(book(low, high), "scooter", here(accuracy_m=300), NOW).bonus_minor == 0
    assert parking(book(low, high), "scooter", here(LON + 1), NOW).bonus_minor == 0


def test_no_zones_no_rules() -> None:
    """As it was before there were zones; also for a type that none is for."""
    assert parking(book(), "car", here(), NOW).certainty == "sure"
    cars = book(zone("operating_area", square(0.01), vehicle_types=["car"]))
    assert parking(cars, "scooter", here(0, 0), NOW).is_allowed
    assert not parking(cars, "car", here(0, 0), NOW).is_allowed


KINDS = ("operating_area", "no_go", "no_parking", "parking", "preferred_parking")


@given(st.integers(0, 2**32))
@example(220)  # a place that was allowed until it was rounded
@example(1_497_524_999)  # an area that one may be in asks for parking zones
@settings(max_examples=120, deadline=None)
def test_nobody_is_refused_on_a_doubt(seed: int) -> None:
    """Whoever is refused would be refused from anywhere that the position may be; whoever is
    surely allowed, allowed from anywhere. And the nearest place is one where he is allowed."""
    rng = random.Random(seed)
    zones = book(
        *(
            zone(
                rng.choice(KINDS),
                drawn(rng, LON + rng.gauss(0, 0.004), LAT + rng.gauss(0, 0.003), 0.005, 9),
                n,
                priority=rng.choice((0, 0, 1, 2)),
            )
            for n in range(rng.randint(1, 7))
        )
    )
    state = Here(zones, "scooter", NOW)
    for _ in range(4):
        x, y = rng.uniform(LON - 0.01, LON + 0.01), rng.uniform(LAT - 0.007, LAT + 0.007)
        accuracy_m = rng.choice((4.0, 20.0, 80.0, 300.0))
        found = parking(zones, "scooter", here(x, y, accuracy_m), NOW)
        kx = M_PER_DEGREE * math.cos(math.radians(y))
        for _ in range(30):
            far, turn = accuracy_m * rng.random() * 0.999, rng.uniform(0, 2 * math.pi)
            px, py = x + far * math.cos(turn) / kx, y + far * math.sin(turn) / M_PER_DEGREE
            if not found.is_allowed:
                assert not state.allows(px, py)
            elif found.certainty == "sure":
                assert state.allows(px, py)
        if found.nearest is not None:
            near = found.nearest
            assert state.allows(near.longitude, near.latitude)
            metres = geo.distance_m(y, x, near.latitude, near.longitude)
            assert metres == pytest.approx(near.distance_m, abs=1.5)


def test_crossing_needs_a_zone_that_applies() -> None:
    """A no-go zone for cars is none for scooters; the same way counts for cars."""
    zones = book(zone("no_go", square(0.001), vehicle_types=["car"]))
    way = [*here(LON - 0.002), *here(LON + 0.002)]
    assert crossed(zones, "scooter", way, NOW) == []
    [(found, is_sure)] = crossed(zones, "car", way, NOW)
    assert (found.zone.id, is_sure) == (UUID(int=0), True)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"kind": "slow"}, "speed_limit_kmh"),
        ({"kind": "no_go", "speed_limit_kmh": 5}, "speed_limit_kmh"),
        ({"kind": "no_go", "priority": 5_000}, "priority"),
        ({"kind": "no_go", "vehicle_types": ["boat"]}, "vehicle_types"),
        ({"kind": "no_go", "valid_from": NOW, "valid_until": NOW}, "valid_until"),
        ({"kind": "no_go", "valid_from": datetime(2026, 1, 1)}, "valid_from"),  # noqa: DTZ001
        ({"kind": "parking", "bonus_minor": 5}, "bonus_amount"),
    ],
)
def test_rules_that_make_no_sense_are_named(rules: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        check_rules(ZoneRules(name="x", **rules))
    assert wrong.value.details["field"] == f"properties.{field}"
