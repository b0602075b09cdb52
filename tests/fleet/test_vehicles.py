"""Adding, finding, changing and moving vehicles; the end of a ride (FLT-10, FLT-36, FLT-41)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet import queries, rules
from fahrwerk.fleet.actions import holds
from fahrwerk.fleet.contract import IdentifierTaken, NewVehicle, UnknownVehicle, VehicleInUse
from fahrwerk.kernel import clock, db, events, geo, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.rentals.events import RentalCancelled, RentalEnded
from tests.fleet.street import (
    BERLIN,
    answer,
    connected_vehicle,
    hold,
    last_news,
    news,
    row,
    unlock,
)
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from tests.world import World


async def test_a_new_vehicle_has_what_it_was_given(world: World) -> None:
    """FLT-01, FLT-03, FLT-10, FLT-15, FLT-40, C-07."""
    made = await world.vehicle(
        "van", category="premium", license_plate="B-CD 456", hardware_version="1.2",
        metadata={"color": "black", "year": 2023, "weight": 14.5, "full_range_km": 400},
        battery_level=50, address="Berlin, Friedrichstraße 123",
    )  # fmt: skip
    assert made == await fleet.vehicle(world.system(), made.id)
    assert (made.status, made.qr_code) == ("available", f"{made.identifier}-QR")
    assert (made.range_km, made.charging_cycles, made.trips) == (200, 0, 0)
    assert made.metadata["year"] == 2023
    assert await news(world, made.id) == ["vehicle.created"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"vehicle_type": "boat"}, "vehicle_type"),
        ({"latitude": 91.0}, "latitude"),
        ({"longitude": None}, "longitude"),
        ({"identifier": "x" * 51}, "identifier"),
        ({"identifier": " "}, "identifier"),
        ({"model": ""}, "model"),
        ({"brand": "Sea\x00t"}, "brand"),
        ({"license_plate": ""}, "license_plate"),
        ({"battery_level": 101}, "battery_level"),
        ({"metadata": {"full_range_km": "far"}}, "metadata.full_range_km"),
        ({"metadata": {"note": "x" * 9000}}, "metadata"),
        ({"metadata": {"note": "\x00"}}, "metadata"),
        ({"service_interval_days": 0}, "service_interval_days"),
    ],
)
async def test_what_is_wrong_is_named(world: World, fields: dict[str, Any], field: str) -> None:
    """API-03"""
    with pytest.raises(Invalid) as invalid:
        await world.vehicle(**fields)
    assert invalid.value.details["field"] == field


async def test_codes_are_unique_within_an_operator(world: World) -> None:
    """C-06: and free with the next one."""
    one = await world.vehicle(external_id="1")
    for field in ("identifier", "external_id", "qr_code"):
        with pytest.raises(IdentifierTaken) as taken:
            await world.vehicle(**{field: getattr(one, field)})
        assert taken.value.details["field"] == field
    other = await make_world()
    assert await other.vehicle(identifier=one.identifier, external_id="1")
    two = await world.vehicle()
    change = fleet.VehicleChange(qr_code=one.qr_code)
    with pytest.raises(IdentifierTaken):
        await fleet.change_vehicle(world.admin(), two.id, change)


async def test_a_repeat_with_the_same_key_finds_the_first(world: World) -> None:
    """API-14: the answer was lost, the vehicle was made."""
    call = world.call("admin", key="k1")
    wanted = NewVehicle(identifier="SC1", model="m", brand="b")
    assert await fleet.create_vehicle(call, wanted) == await fleet.create_vehicle(call, wanted)
    with pytest.raises(IdentifierTaken):
        await fleet.create_vehicle(world.call("admin", key="k2"), wanted)


async def test_riders_may_not(world: World) -> None:
    vehicle = await world.vehicle()
    rider = world.call("customer")
    with pytest.raises(Forbidden):
        await fleet.create_vehicle(rider, NewVehicle(identifier="a", model="m", brand="b"))
    with pytest.raises(Forbidden):
        await fleet.change_vehicle(rider, vehicle.id, fleet.VehicleChange(model="x"))
    with pytest.raises(Forbidden):
        await fleet.move_vehicle(rider, vehicle.id, fleet.Place(1.0, 1.0))
    with pytest.raises(Forbidden):
        await fleet.import_vehicles(rider, True, b"")


async def test_near_is_exact_and_in_order(world: World) -> None:
    """RNT-04, FLT-36: great-circle distance, the type asked for, available ones only."""
    made = [
        await world.vehicle(latitude=52.52 + n * 0.002, longitude=13.405 + n * 0.001)
        for n in range(8)
    ]
    await world.vehicle("car")
    await hold(world, made[1])
    call = world.system()
    for radius in (300, 1_000, 9_000, 20_000):
        expected = [
            (v.id, round(geo.distance_m(*BERLIN, v.latitude or 0, v.longitude or 0)))
            for v in made
            if v is not made[1]
        ]
        found = await fleet.nearby_vehicles(call, *BERLIN, "scooter", radius)
        assert [(v.id, v.distance_m) for v in found] == [e for e in expected if e[1] <= radius]
    assert len(await fleet.nearby_vehicles(call, *BERLIN, None, 5_000)) == 8
    assert len(await fleet.nearby_vehicles(call, *BERLIN, None, 5_000, 3)) == 3
    without = await fleet.nearby_vehicles(call, *BERLIN, "scooter", 5_000, 50, made[0].id)
    assert made[0].id not in {v.id for v in without}
    for radius in (0, 50_001):
        with pytest.raises(Invalid):
            await fleet.nearby_vehicles(call, *BERLIN, None, radius)
    with pytest.raises(Invalid):
        await fleet.nearby_vehicles(call, float("nan"), 13.0, None, 100)
    stranger = await make_world()
    assert await fleet.nearby_vehicles(stranger.system(), *BERLIN, None, 50_000) == []


@pytest.mark.parametrize("longitude", [179.9999, -179.9999])
async def test_near_works_where_east_meets_west(world: World, longitude: float) -> None:
    made = await world.vehicle(latitude=-16.8, longitude=180.0)
    for radius in (100, 20_000):
        found = await fleet.nearby_vehicles(world.system(), -16.8, longitude, None, radius)
        assert [v.id for v in found] == [made.id]


async def test_riders_do_not_see_where_others_ride(world: World) -> None:
    """Who holds a vehicle sees it; others do not see its place, nor the vehicle in lists."""
    mine, theirs, free = [await world.vehicle() for _ in range(3)]
    rider, other = world.call("customer"), world.call("customer")
    for vehicle, who in ((mine, rider), (theirs, other)):
        assert who.user is not None
        await fleet.hold_vehicle(who, str(vehicle.id), ids.new(), who.user, 300)
    for near in (None, fleet.Place(*BERLIN)):
        page = await fleet.vehicles(rider, None, None, near, 1_000, 50, 0)
        assert ({v.id for v in page.vehicles}, page.total) == ({mine.id, free.id}, 2)
        page = await fleet.vehicles(world.admin(), None, None, near, 1_000, 50, 0)
        assert page.total == 3
    assert (await fleet.vehicle(rider, theirs.id)).latitude is None
    assert (await fleet.find_vehicle(rider, theirs.identifier)).address is None
    assert (await fleet.vehicle(rider, mine.id)).latitude == BERLIN[0]
    assert (await fleet.vehicle(world.admin(), theirs.id)).latitude == BERLIN[0]


async def test_the_list_has_pages(world: World) -> None:
    """FLT-07, FLT-09"""
    made = [await world.vehicle(identifier=f"SC{n:03}") for n in range(7)]
    nowhere = NewVehicle(identifier="CAR", vehicle_type="car", model="m", brand="b")
    await fleet.create_vehicle(world.admin(), nowhere)
    admin = world.admin()
    for near in (None, fleet.Place(*BERLIN)):
        page = await fleet.vehicles(admin, "scooter", None, near, 1_000, 3, 3)
        assert (len(page.vehicles), page.total) == (3, 7)
        beyond = await fleet.vehicles(admin, "scooter", None, near, 1_000, 3, 90)
        assert (beyond.vehicles, beyond.total) == ([], 7)
        none = await fleet.vehicles(admin, "van", None, near, 1_000, 3, 0)
        assert (none.vehicles, none.total) == ([], 0)
    first = await fleet.vehicles(admin, "scooter", None, None, 1_000, 50, 0)
    assert [v.id for v in first.vehicles] == [v.id for v in made]
    far = await fleet.vehicles(admin, None, None, fleet.Place(*BERLIN), 20_000, 50, 0)
    assert far.total == 7
    assert (await fleet.vehicles(admin, None, "offline", None, 1_000, 50, 0)).total == 0


async def test_staff_change_vehicles(world: World) -> None:
    """FLT-02, FLT-34, FLT-40: what is left out stays, null clears, no change tells nothing."""
    vehicle = await world.vehicle(license_plate="B-1", metadata={"a": 1})
    served = datetime(2026, 1, 2, tzinfo=UTC)
    after = await fleet.change_vehicle(
        world.admin(), vehicle.id,
        fleet.VehicleChange(
            status="maintenance", license_plate=None, firmware_version="2.1.3",
            last_service_at=served, service_interval_days=60,
        ),
    )  # fmt: skip
    assert (after.status, after.license_plate, after.firmware_version) == (
        "maintenance", None, "2.1.3",
    )  # fmt: skip
    assert (after.last_service_at, after.service_interval_days) == (served, 60)
    assert (after.model, after.metadata) == (vehicle.model, {"a": 1})
    assert await last_news(world, vehicle.id) == {
        "vehicle_id": str(vehicle.id), "status": "maintenance",
    }  # fmt: skip
    same = fleet.VehicleChange(status="maintenance")
    assert await fleet.change_vehicle(world.admin(), vehicle.id, same) == after
    assert len(await news(world, vehicle.id)) == 2
    back = fleet.VehicleChange(status="available")
    assert (await fleet.change_vehicle(world.admin(), vehicle.id, back)).status == "available"
    with pytest.raises(UnknownVehicle):
        await fleet.change_vehicle(world.admin(), ids.new(), back)


async def test_a_held_vehicle_is_not_taken_away(world: World) -> None:
    vehicle = await world.vehicle()
    await hold(world, vehicle)
    with pytest.raises(VehicleInUse):
        await fleet.change_vehicle(
            world.admin(), vehicle.id, fleet.VehicleChange(status="maintenance")
        )
    with pytest.raises(VehicleInUse):
        await fleet.move_vehicle(world.admin(), vehicle.id, fleet.Place(52.5, 13.4))
    other = fleet.VehicleChange(model="Other")
    assert (await fleet.change_vehicle(world.admin(), vehicle.id, other)).status == "reserved"


async def test_a_moved_vehicle_is_found_where_it_was_put(world: World) -> None:
    """Rebalancing"""
    vehicle = await world.vehicle()
    place = fleet.Place(52.6, 13.5, "Depot")
    moved = await fleet.move_vehicle(world.admin(), vehicle.id, place)
    assert (moved.latitude, moved.longitude, moved.address) == (52.6, 13.5, "Depot")
    [found] = await fleet.nearby_vehicles(world.system(), 52.6, 13.5, None, 100)
    assert found.id == vehicle.id
    assert (await news(world, vehicle.id))[-1] == "vehicle.moved"
    with pytest.raises(Invalid):
        await fleet.move_vehicle(world.admin(), vehicle.id, fleet.Place(0.0, 181.0))
    with pytest.raises(UnknownVehicle):
        await fleet.move_vehicle(world.admin(), ids.new(), place)


async def _end(world: World, vehicle_id: UUID, rental_id: UUID, **fields: Any) -> None:
    """Rentals says that the ride is over."""
    now = clock.now()
    values: dict[str, Any] = {
        "booking_id": rental_id, "user_id": ids.new(), "vehicle_id": vehicle_id,
        "payment_id": ids.new(), "started_at": now - timedelta(minutes=45), "ended_at": now,
        "duration_s": 2700, "distance_m": 6800, "total_minor": 1275, "currency": "EUR",
        "promo_code": None, "is_business": False, "end_latitude": None, "end_longitude": None,
    }  # fmt: skip
    await _tell(world, rental_id, RentalEnded(**(values | fields)))


async def _tell(world: World, rental_id: UUID, fact: Any) -> None:
    call = world.system("rentals")
    async with db.tx("rentals", call) as tx:
        [last] = await tx.run(
            "SELECT count(*) AS n FROM kernel.event WHERE stream = $1", f"rental:{rental_id}"
        )
        await events.emit(tx, call, f"rental:{rental_id}", last["n"] + 1, fact)
    await world.settle()


async def test_after_the_ride_it_is_free_where_it_ended(world: World) -> None:
    """FLT-41: without a device the rider's phone says where; usage grows; told once."""
    vehicle = await world.vehicle()
    held = await hold(world, vehicle)
    await unlock(world, held)
    await _end(world, vehicle.id, held.holder, end_latitude=52.51, end_longitude=13.38)
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.status, now.latitude, now.longitude, now.is_locked, now.trips) == (
        "available", 52.51, 13.38, True, 1,
    )  # fmt: skip
    [found] = await fleet.nearby_vehicles(world.system(), 52.51, 13.38, None, 100)
    assert found.id == vehicle.id
    assert (await news(world, vehicle.id))[-1] == "vehicle.returned"
    with clock.moved_to(vehicle.created_at + timedelta(seconds=5400)):
        usage = await fleet.usage(world.admin(), vehicle.id)
    assert usage == fleet.Usage(1, 6800, 2700, 1275, 0.5)
    await _end(world, vehicle.id, held.holder)  # as if told twice: nothing to give back
    assert (await news(world, vehicle.id)).count("vehicle.returned") == 1


async def test_after_the_ride_a_connected_vehicle_is_locked(world: World) -> None:
    """It knows itself where it stands; the next rider may have it at once."""
    vehicle = await connected_vehicle(world)
    held = await hold(world, vehicle)
    await answer(world, await unlock(world, held))
    await _end(world, vehicle.id, held.holder, end_latitude=1.0, end_longitude=1.0)
    now = await fleet.vehicle(world.system(), vehicle.id)
    assert (now.status, now.latitude) == ("available", BERLIN[0])
    commands = await db.run(
        "fleet", world.system(),
        "SELECT operation, state, rental_id FROM fleet.command WHERE vehicle_id = $1 "
        "AND operation = 'lock'",
        vehicle.id,
    )  # fmt: skip
    assert [tuple(c) for c in commands] == [("lock", "queued", held.holder)]
    await hold(world, vehicle)


async def test_a_cancelled_booking_frees_the_vehicle(world: World) -> None:
    """FLT-38: also one that opened in the same moment; another's hold is not touched."""
    for opened in (False, True):
        vehicle = await connected_vehicle(world)
        held = await hold(world, vehicle)
        if opened:
            await answer(world, await unlock(world, held))
        wrong = RentalCancelled(ids.new(), ids.new(), vehicle.id, ids.new(), "rider")
        await _tell(world, wrong.booking_id, wrong)
        assert (await row(world, vehicle.id))["held_by"] == held.holder
        gone = RentalCancelled(held.holder, ids.new(), vehicle.id, ids.new(), "rider")
        await _tell(world, held.holder, gone)
        assert (await fleet.vehicle(world.system(), vehicle.id)).status == "available"
        expected = "vehicle.returned" if opened else "vehicle.released"
        assert (await news(world, vehicle.id))[-1] == expected


async def test_statements_use_their_indexes(world: World, database: db.Database) -> None:
    """With 20,000 vehicles, under row-level security: no query of the hot path reads the table."""
    await db.run(
        "fleet", world.system(),
        "INSERT INTO fleet.vehicle (id, vehicle_type, identifier, model, brand, full_range_km, "
        "is_connected, latitude, longitude, cell) SELECT gen_random_uuid(), 'scooter', 'S' || n, "
        "'m', 'b', 30, false, 50, 10, 600000000000000000 + n / 20 "
        "FROM generate_series(1, 20000) n",
    )  # fmt: skip
    one = await world.vehicle()
    owner = await asyncpg.connect(database.dsn.replace("fahrwerk_app", "postgres"))
    await owner.execute("ANALYZE fleet.vehicle")
    await owner.close()
    async with db.tx("fleet", world.system()) as tx:

        async def plan(sql: str, *args: Any) -> str:
            rows = await tx.run(f"EXPLAIN {sql}", *args)
            return "\n".join(r[0] for r in rows)

        cells = list(geo.cells_around(*BERLIN, 1_000))
        near = await plan(queries._NEARBY_CELLS, *BERLIN, None, None, 1000, 50, cells)
        assert "vehicle_search" in near
        held = await plan(
            holds._HOLD_BY_ID, one.id, ids.new(), ids.new(), "t", 300, "n", "t", "a", None
        )
        assert "vehicle_pkey" in held
        named = await plan(queries._FIND, one.identifier)
        assert "Seq Scan" not in named


@given(st.sampled_from(fleet.STATUSES), st.sampled_from(["available", "maintenance"]),
       st.booleans(), st.booleans())  # fmt: skip
def test_staff_never_take_a_vehicle_from_a_rider(
    status: str, wanted: str, is_connected: bool, is_silent: bool
) -> None:
    """I4, FLT-19"""
    if status in ("reserved", "in_use"):
        with pytest.raises(VehicleInUse):
            rules.status_by_staff(status, wanted, is_connected, is_silent)
    else:
        after = rules.status_by_staff(status, wanted, is_connected, is_silent)
        assert after in ("available", "maintenance", "offline")
        assert (after == "maintenance") == (wanted == "maintenance")
        assert not (after == "available" and is_connected and is_silent)
