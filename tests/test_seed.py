"""``fahrwerk seed``: a believable fleet, the same every time. It is really made in test_up.py."""

from __future__ import annotations

from collections import Counter

import pytest

from fahrwerk import seed
from fahrwerk.fleet.rules.polygons import sound
from fahrwerk.fleet.rules.zone_index import Shape
from fahrwerk.identity.rules import PERMISSIONS, check_password, email_of
from fahrwerk.kernel.settings import Settings
from fahrwerk.sim import demo
from fahrwerk.sim.streets import BOX, load_streets


def test_the_fleet_is_400_vehicles_on_streets_and_repeatable() -> None:
    fleet = list(seed.wanted(1.0))
    assert fleet == list(seed.wanted(1.0))
    types = Counter(each.vehicle_type for each in fleet)
    assert types == {"scooter": 300, "ebike": 60, "car": 25, "van": 15}
    south, west, north, east = BOX
    streets = load_streets()
    for each in fleet:
        assert each.latitude is not None
        assert each.longitude is not None
        assert south <= each.latitude <= north
        assert west <= each.longitude <= east
        node = streets.at(streets.nearest(each.latitude, each.longitude))
        assert abs(node[0] - each.latitude) < 0.001, "on a street"
        assert each.battery_level is not None
        assert 0 < each.battery_level <= 100


def test_names_plates_and_codes_are_unique() -> None:
    """FLT-15: ``SC001-QR``."""
    fleet = list(seed.wanted(1.0))
    assert fleet[0].identifier == "SC001"
    assert fleet[0].qr_code == "SC001-QR"
    for name in ("identifier", "qr_code", "license_plate"):
        values = [value for each in fleet if (value := getattr(each, name)) is not None]
        assert len(values) == len(set(values))
    assert all(each.license_plate for each in fleet if each.vehicle_type in ("car", "van"))


@pytest.mark.parametrize("scale", [0.01, 0.2, 2.0])
def test_a_smaller_fleet_is_a_part_of_the_larger_in_kind(scale: float) -> None:
    types = Counter(each.vehicle_type for each in seed.wanted(scale))
    assert set(types) == {"scooter", "ebike", "car", "van"}
    assert types["scooter"] == max(1, round(300 * scale))


def test_rides_can_begin_and_end_where_the_vehicles_stand() -> None:
    """RNT-47: the operating area holds every street, and no vehicle stands where none may."""
    rings = {drawn.rules.name: sound([[list(drawn.ring)]]) for drawn in seed.ZONES}
    area, park = Shape(rings["Berlin"]), Shape(rings["Großer Tiergarten"])
    south, west, north, east = BOX
    assert all(area.holds(x, y) for x in (west, east) for y in (south, north))
    for each in seed.wanted(1.0):
        assert each.latitude is not None
        assert each.longitude is not None
        assert not park.holds(each.longitude, each.latitude)


@pytest.mark.parametrize("login", demo.LOGINS, ids=lambda login: login.who)
def test_the_demos_logins_fit_the_rules(login: demo.Login) -> None:
    assert email_of(login.email) == login.email
    check_password(login.password, login.email, None)
    assert login.role in PERMISSIONS
    assert login.tenant in {each.slug for each in seed.OPERATORS}


async def test_an_installation_in_earnest_gets_no_public_passwords() -> None:
    with pytest.raises(seed.NotHere):
        await seed.seed(Settings(dev=False))
