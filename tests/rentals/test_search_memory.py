"""What the search remembers: neighbourhoods and answers, without a database (RNT-05, C-31)."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import geo
from fahrwerk.rentals.queries import answers as answers_module
from fahrwerk.rentals.queries import around
from fahrwerk.rentals.queries.answers import Answers
from fahrwerk.rentals.queries.around import Seal, Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fahrwerk.rentals.queries.around import Neighbourhood

# Imported by all that searches; the function of this name hides the module it stands in.
module = sys.modules["fahrwerk.rentals.queries.search"]
TENANT = UUID(int=7)
PLACES = [(52.52 + n % 6 / 400, 13.40 + n // 6 / 250) for n in range(36)]
"""About 280 m apart, over several areas: a step is a scooter's wandering within 30 s."""
EVERYWHERE = sorted({geo.area(geo.cell(*place)) for place in PLACES})


def area_of(place: int) -> int:
    return geo.area(geo.cell(*PLACES[place]))


def told(place: int) -> str:
    return f"fleet.cell:{TENANT}:{geo.cell(*PLACES[place])}"


class Street:
    """Vehicles as the database has them, and what a process knows of them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.place = dict.fromkeys(range(4), 14)
        self.is_free = dict.fromkeys(range(4), True)
        self.moved_at = dict.fromkeys(range(4), 0.0)
        self.known = Surroundings(lambda: self.now)

    def read(self, area: int) -> list[around.Piece]:
        return [
            (*PLACES[place], "scooter", b"%d" % vehicle, b"")
            for vehicle, place in self.place.items()
            if self.is_free[vehicle] and area_of(place) == area
        ]

    def search(self) -> set[int]:
        """Every vehicle that a search of all areas shows."""
        found = self.known.of(TENANT.int, EVERYWHERE)
        for each in found:
            if not each.is_known:
                self.known.fill(each, self.read(each.area))
        return {int(head) for each in found for head in each.heads}


STEP = st.one_of(
    st.tuples(st.sampled_from(["book", "release"]), st.integers(0, 3)),
    st.tuples(st.just("move"), st.integers(0, 3), st.sampled_from([-6, -1, 1, 6])),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 7.0, 31.0])),
    st.tuples(st.just("search")),
)


@given(st.lists(STEP, max_size=40))
def test_whatever_happens_what_is_shown_is_what_is_free(steps: list[tuple[object, ...]]) -> None:
    """Booked vehicles are never shown, free ones that stood still for 30 s always are."""
    street = Street()
    for verb, *args in steps:
        match verb, args:
            case "book" | "release", [int(vehicle)]:
                street.is_free[vehicle] = verb == "release"
                street.known.changed(told(street.place[vehicle]))
            case "move", [int(vehicle), int(way)]:
                # Once in 30 s: further than to the next cell nobody gets in that time.
                there = street.place[vehicle] + way
                if 0 <= there < len(PLACES) and street.now - street.moved_at[vehicle] >= 30:
                    street.place[vehicle], street.moved_at[vehicle] = there, street.now
            case "wait", [float(seconds)]:
                street.now += seconds
            case _:
                street.search()
        shown = street.search()
        free = {vehicle for vehicle, is_free in street.is_free.items() if is_free}
        settled = {v for v in free if street.now - street.moved_at[v] > around.TTL_S}
        assert shown <= free
        assert settled <= shown


def pieces(count: int, size: int = 100) -> list[around.Piece]:
    return [(52.5, 13.4, "scooter", b"x" * size, b"y" * size) for _ in range(count)]


def filled(known: Surroundings, tenant: int, areas: Sequence[int]) -> list[Neighbourhood]:
    found = known.of(tenant, areas)
    for each in found:
        known.fill(each, pieces(10))
    return found


def test_the_oldest_go_when_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """TST-38: bounded by bytes, counted exactly; an answer made of what went is no longer good."""
    monkeypatch.setattr(around, "MOST_BYTES", 20_000)
    known = Surroundings()
    first = filled(known, 7, [1])
    filled(known, 7, range(2, 50))
    assert known.bytes <= 20_000
    assert known.bytes == sum(each.size for each in known._kept.values())
    assert first[0].seal.is_broken
    assert [area for _, area in known._kept] == list(range(50 - len(known), 50))


def test_what_one_fills_another_need_not() -> None:
    """Two searches that miss the same neighbourhood share it, and count it once."""
    known = Surroundings()
    [one], [two] = known.of(7, [1]), known.of(7, [1])
    assert one is two
    known.fill(one, pieces(3))
    size = known.bytes
    known.fill(two, pieces(3))
    assert (known.bytes, len(one.heads)) == (size, 3)


def test_who_is_in_the_middle_of_answering_keeps_what_he_has() -> None:
    """A change forgets a neighbourhood; it does not empty it under somebody's hands."""
    known = Surroundings()
    area = area_of(0)
    [held] = filled(known, TENANT.int, [area])
    wide = known.wide(TENANT.int)
    known.changed(told(0))
    assert held.seal.is_broken
    assert wide.is_broken
    assert len(held.heads) == 10
    [fresh] = known.of(TENANT.int, [area])
    assert not fresh.is_known
    assert not known.wide(TENANT.int).is_broken
    known.fill(held, pieces(1))
    assert known.bytes == fresh.size


def test_places_without_an_answer_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """F21: while the database is down nobody fills what searches from everywhere have placed."""
    monkeypatch.setattr(around, "MOST_BYTES", 20_000)
    known = Surroundings()
    for area in range(100):
        known.of(7, [area])
    assert 0 < known.bytes <= 20_000
    assert known.bytes == sum(each.size for each in known._kept.values())


@given(
    st.floats(-79.9, 79.9), st.floats(-178.9, 178.9), st.floats(-0.026, 0.026), st.floats(-1, 1)
)  # fmt: skip
def test_the_plane_is_as_good_as_the_globe(lat: float, lon: float, dy: float, part: float) -> None:
    """RNT-04: within 3 km the distance is that of the great circle, to 10 cm."""
    y, x = lat + dy, lon + part * 0.026 / math.cos(math.radians(lat))
    exact = geo.distance_m(lat, lon, y, x)
    known = Surroundings()
    [place] = known.of(7, [1])
    known.fill(place, [(y, x, "car", b"", b"")])
    for kind in (None, "car"):
        near = module._within([place], lat, lon, kind, 10_000)
        assert math.sqrt(near[0][0]) * module._METRES_A_DEGREE == pytest.approx(exact, abs=0.1)
        if exact > 1:
            assert not module._within([place], lat, lon, kind, exact * 0.999 - 0.1)
    assert module._within([place], lat, lon, "van", 10_000) == []


@given(st.floats(-79, 79), st.floats(-178, 178), st.floats(0, 2 * math.pi), st.floats(0, 1))
def test_areas_hold_everything_within_the_radius(
    lat: float, lon: float, bearing: float, part: float
) -> None:
    """RNT-04: no vehicle within the radius is missed by the areas asked for."""
    step = part * 2_990 / module._METRES_A_DEGREE
    y = lat + step * math.cos(bearing)
    x = lon + step * math.sin(bearing) / math.cos(math.radians((lat + y) / 2))
    area = geo.area(geo.cell(y, x))
    assert area in geo.areas_around(lat, lon, max(1.0, geo.distance_m(lat, lon, y, x)))
    assert geo.cell(y, x) in geo.cells_of(area)
    assert area in geo.areas_next_to(geo.cell(y, x))


def test_another_operators_change_breaks_nothing() -> None:
    """I7"""
    known = Surroundings()
    [other] = filled(known, 8, [area_of(0)])
    known.changed(told(0))
    assert not other.seal.is_broken


def test_answers_are_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """TST-38: least recently used first."""
    monkeypatch.setattr(answers_module, "MOST_BYTES", 10_000)
    kept = Answers()
    for n in range(30):
        kept.keep((7, 0.0, 0.0, n), b"x" * 1000, 1e12, [Seal()])
        assert kept.get((7, 0.0, 0.0, 0))
    assert kept.bytes <= 10_000
    assert kept.bytes == sum(each.size for each in kept._kept.values())
    assert kept.get((7, 0.0, 0.0, 29))
    assert kept.get((7, 0.0, 0.0, 1)) is None


def test_an_answer_is_as_good_as_all_it_was_made_of() -> None:
    kept, seals = Answers(), [Seal(), Seal()]
    key = (7, 0.0, 0.0)
    kept.keep(key, b"{}", 1e12, seals)
    assert kept.get(key) == b"{}"
    seals[1].is_broken = True
    assert kept.get(key) is None
    assert (len(kept), kept.bytes) == (0, 0)
    kept.keep(key, b"{}", 1e12, seals)
    assert len(kept) == 0
    kept.keep(key, b"{}", 0.0, [Seal()])
    assert kept.get(key) is None
