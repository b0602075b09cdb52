"""The endpoints of the fleet and the vehicles' pages of rentals, on the real application."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet import rules
from fahrwerk.kernel import clock, ids
from tests.fleet.street import BERLIN, connected_vehicle, hold, report
from tests.world import make_world

if TYPE_CHECKING:
    import httpx

    from tests.world import World

SC002: dict[str, Any] = {
    "identifier": "SC002", "model": "Xiaomi Mi Pro 2", "brand": "Xiaomi",
    "license_plate": "B-CD 456", "category": "premium",
    "location": {"latitude": 52.516275, "longitude": 13.377704, "address": "Pariser Platz"},
    "metadata": {"color": "black", "year": 2023, "max_speed": 25, "weight": 14.5},
}  # fmt: skip
"""FLT-10's example."""


def _refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    details: dict[str, Any] = answer.json()["error"]["details"]
    return details


async def test_a_scooter_is_added(world: World) -> None:
    """FLT-10: by staff only, once per identifier, each mistake named."""
    async with world.client(world.call("provider")) as staff:
        made = await staff.post("/api/v1/scooters", json=SC002)
        assert made.status_code == 201
        body = made.json()
        assert body["id"].startswith("sco_")
        assert (body["status"], body["qr_code"]) == ("available", "SC002-QR")
        assert (body["location"], body["metadata"]) == (SC002["location"], SC002["metadata"])
        details = _refused(
            await staff.post("/api/v1/scooters", json=SC002), 409, "IDENTIFIER_TAKEN"
        )
        assert details["field"] == "identifier"
        wrong = SC002 | {"identifier": "SC3", "location": {"latitude": 91, "longitude": 0}}
        details = _refused(
            await staff.post("/api/v1/scooters", json=wrong), 400, "VALIDATION_ERROR"
        )
        assert details["field"] == "location.latitude"
        details = _refused(
            await staff.post("/api/v1/scooters", json=SC002 | {"wheels": 3}), 400,
            "VALIDATION_ERROR",
        )  # fmt: skip
        car = {"identifier": "C1", "model": "ID.3", "brand": "VW", "vehicle_type": "car"}
        assert (await staff.post("/api/v1/vehicles", json=car)).json()["id"].startswith("car_")
    async with world.client(world.call("customer")) as rider:
        _refused(await rider.post("/api/v1/scooters", json=SC002), 403, "PERMISSION_DENIED")
    async with world.client() as nobody:
        _refused(await nobody.get("/api/v1/scooters"), 401, "AUTHENTICATION_FAILED")


async def test_the_list_has_the_vehicle_object(world: World) -> None:
    """FLT-07, FLT-08, FLT-09, PRC-08, C-83."""
    vehicle = await connected_vehicle(world, identifier="SC001", license_plate="B-AB 123")
    await report(
        vehicle.id, latitude=52.520008, longitude=13.404954, accuracy_m=5.0, battery_level=85,
        voltage=42.1, temperature=23.5, signal_strength=-65,
    )  # fmt: skip
    change = fleet.VehicleChange(firmware_version="2.1.3")
    await fleet.change_vehicle(world.admin(), vehicle.id, change)
    await world.vehicle("car")
    async with world.client(world.call("customer")) as rider:
        body = (await rider.get("/api/v1/scooters")).json()
        [shown] = body["scooters"]
        assert body["pagination"] == {"total": 1, "limit": 50, "offset": 0, "has_more": False}
        seen = shown["telemetry"].pop("last_seen")
        assert seen.endswith("Z")
        assert shown["telemetry"].pop("last_heartbeat") == seen
        assert shown == {
            "id": ids.public("sco", vehicle.id), "vehicle_type": "scooter", "identifier": "SC001",
            "model": "Ninebot ES4", "brand": "Segway", "category": "standard",
            "license_plate": "B-AB 123", "status": "available",
            "location": {"latitude": 52.520008, "longitude": 13.404954, "address": None,
                         "accuracy": 5.0},
            "battery": {"level": 85, "voltage": 42.1, "temperature": 23.5, "estimated_range": 25,
                        "charging_cycles": 0},
            "telemetry": {"signal_strength": -65, "firmware_version": "2.1.3",
                          "hardware_version": None},
            "pricing": {"base_fee": 1.5, "price_per_minute": 0.25, "currency": "EUR"},
            "warning": None,
        }  # fmt: skip
        body = (await rider.get("/api/v1/vehicles")).json()
        assert body["pagination"]["total"] == 2
        body = (await rider.get("/api/v1/vehicles", params={"type": "car"})).json()
        assert [v["vehicle_type"] for v in body["vehicles"]] == ["car"]


async def test_the_list_filters_and_pages(world: World) -> None:
    """FLT-07, FLT-09: status, lat, lon, radius (1,000 m unless given), limit, offset."""
    for n in range(5):
        await world.vehicle(latitude=BERLIN[0] + n * 0.004)
    await hold(world, await world.vehicle(identifier="HELD"))
    here = {"lat": BERLIN[0], "lon": BERLIN[1]}

    async def ids_of(client: httpx.AsyncClient, **params: Any) -> tuple[int, int, bool]:
        answer = await client.get("/api/v1/scooters", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()["pagination"]
        return len(answer.json()["scooters"]), page["total"], page["has_more"]

    async with world.client(world.admin()) as staff:
        assert await ids_of(staff) == (6, 6, False)
        assert await ids_of(staff, limit=4) == (4, 6, True)
        assert await ids_of(staff, limit=4, offset=4) == (2, 6, False)
        assert await ids_of(staff, **here) == (4, 4, False)
        assert await ids_of(staff, **here, radius=1_400) == (5, 5, False)
        assert await ids_of(staff, **here, radius=1_400, status="available") == (4, 4, False)
        assert await ids_of(staff, status="reserved") == (1, 1, False)
    async with world.client(world.call("customer")) as rider:
        assert await ids_of(rider, **here, radius=1_400) == (4, 4, False)
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"lat": 52}, "lon"), ({"status": "lost"}, "status"), ({"limit": 101}, "limit"),
            ({"radius": 0}, "radius"), ({"lat": 91, "lon": 0}, "lat"),
            ({"lat": "nan", "lon": 0}, "lat"),
        ]  # fmt: skip
        for params, field in wrong:
            answer = await rider.get("/api/v1/scooters", params=params)
            assert _refused(answer, 400, "VALIDATION_ERROR")["field"] == field


async def test_one_vehicle_in_full(world: World) -> None:
    """FLT-11, FLT-34, FLT-41, C-04: by id, identifier or external number."""
    vehicle = await world.vehicle(external_id="12345", hardware_version="1.2", battery_level=85)
    path = f"/api/v1/scooters/{ids.public('sco', vehicle.id)}"
    async with world.client(world.admin()) as staff:
        served = {"last_service_at": "2024-01-01T10:00:00Z", "service_interval_days": 31}
        assert (await staff.patch(path, json=served)).status_code == 200
        body = (await staff.get(path)).json()
        assert body["maintenance"] == {
            "last_service": "2024-01-01T10:00:00Z", "next_service_due": "2024-02-01T10:00:00Z",
            "service_interval_days": 31,
        }  # fmt: skip
        assert body["usage"] == {
            "total_trips": 0, "total_distance": 0, "total_revenue": 0, "utilization_rate": 0,
        }  # fmt: skip
        assert body["telemetry"]["hardware_version"] == "1.2"
        assert body["battery"]["estimated_range"] == 25
        for name in ("12345", vehicle.identifier, str(vehicle.id)):
            assert (await staff.get(f"/api/v1/vehicles/{name}")).json() == body
        _refused(await staff.get("/api/v1/vehicles/nobody"), 404, "UNKNOWN_VEHICLE")
    async with world.client(world.call("customer")) as rider:
        assert (await rider.get(path)).json()["usage"]["total_revenue"] is None
        await hold(world, vehicle)
        held = (await rider.get(path)).json()
        assert (held["status"], held["location"]) == ("reserved", None)
    other = await make_world()
    async with other.client(other.admin()) as stranger:
        _refused(await stranger.get(path), 404, "UNKNOWN_VEHICLE")


async def test_a_silent_vehicle_carries_a_warning(world: World) -> None:
    """FLT-20, WEB-06: in the rider's language."""
    await connected_vehicle(world)
    with clock.moved_to(clock.now() + timedelta(seconds=rules.STALE_S + 1)):
        async with world.client(world.call("customer")) as rider:
            for language, text in (
                ("en", "This vehicle hasn't reported its status recently."),
                ("de", "Dieses Fahrzeug hat seinen Zustand länger nicht gemeldet."),
            ):
                answer = await rider.get("/api/v1/scooters", headers={"Accept-Language": language})
                assert answer.json()["scooters"][0]["warning"] == text


async def test_what_is_available_without_prices(world: World) -> None:
    """FLT-36"""
    vehicle = await world.vehicle(latitude=BERLIN[0] + 0.001, battery_level=60)
    here: dict[str, Any] = {"lat": BERLIN[0], "lon": BERLIN[1], "type": "scooter"}
    async with world.client(world.call("customer")) as rider:
        body = (await rider.get("/fleet/available", params=here)).json()
    assert (body["count"], body["search_radius_meters"]) == (1, 1000)
    assert body["vehicles"][0]["id"] == ids.public("sco", vehicle.id)
    assert body["vehicles"][0]["distance_meters"] == 111
    assert body["vehicles"][0]["estimated_range_km"] == 18


async def test_out_of_service_and_back(world: World) -> None:
    vehicle = await world.vehicle()
    path = f"/api/v1/vehicles/{ids.public('sco', vehicle.id)}"
    async with world.client(world.call("provider")) as staff:
        body = (await staff.patch(path, json={"status": "maintenance", "qr_code": "NEW"})).json()
        assert (body["status"], body["qr_code"]) == ("maintenance", "NEW")
        _refused(await staff.patch(path, json={"status": "in_use"}), 400, "VALIDATION_ERROR")
        _refused(await staff.patch(path, json={"wheels": 3}), 400, "VALIDATION_ERROR")
        assert (await staff.patch(path, json={"status": "available"})).status_code == 200
        moved = await staff.post(f"{path}/move", json={"latitude": 52.6, "longitude": 13.5})
        assert moved.json()["location"]["latitude"] == 52.6
        await hold(world, vehicle)
        _refused(await staff.patch(path, json={"status": "maintenance"}), 409, "VEHICLE_IN_USE")


async def test_a_csv_file_is_looked_at_then_imported(world: World) -> None:
    """FLT-12, FLT-13: nothing is created unless asked for."""
    text = "identifier;model;brand;license_plate;qr_code\r\nSC1;m;b;;\r\nSC2;m;b;;\r\n"
    async with world.client(world.admin(), **{"Content-Type": "text/csv"}) as staff:
        looked = await staff.post("/api/v1/vehicles/import", content=text.encode())
        assert looked.status_code == 200, looked.text
        assert looked.json() == {
            "rows": 2, "valid": 2, "created": 0, "updated": 0, "problem_count": 0, "problems": [],
            "dry_run": True,
        }  # fmt: skip
        done = await staff.post("/api/v1/vehicles/import?dry_run=false", content=text.encode())
        assert done.json()["created"] == 2
        again = await staff.post("/api/v1/vehicles/import?dry_run=false", content=text.encode())
        details = _refused(again, 400, "IMPORT_NOT_VALID")
        assert details["problems"][0] == {
            "row": 1, "column": "identifier", "rule": "is in the fleet already",
        }  # fmt: skip
        # Larger than other endpoints take, and with a key.
        big = (text + "\r\n" * 1_000_000).encode()
        looked = await staff.post(
            "/api/v1/vehicles/import", content=big, headers={"Idempotency-Key": "import-1"}
        )
        assert looked.json()["problem_count"] == 4
        huge = await staff.post("/api/v1/vehicles/import", content=b"\n" * 10_000_001)
        assert huge.status_code == 413


@pytest.mark.parametrize("kind", ["HS256", "EdDSA"])
async def test_pairing_shows_the_key_once(world: World, kind: str) -> None:
    """FLT-16"""
    vehicle, other = await world.vehicle(), await world.vehicle()
    one = ids.public("sco", vehicle.id)
    async with world.client(world.call("provider")) as staff:
        key = (await staff.post(f"/api/v1/vehicles/{one}/pair", json={"kind": kind})).json()
        assert (key["vehicle_id"], key["kind"]) == (one, kind)
        assert len(base64.urlsafe_b64decode(key["signs_with"] + "=")) == 32
        assert (key["signs_with"] == key["checks_with"]) == (kind == "HS256")
        assert (await staff.post(f"/api/v1/vehicles/{one}/pair")).json()["kind"] == "EdDSA"
        wanted = {"ids": [ids.public("sco", other.id), one], "kind": kind}
        keys = (await staff.post("/api/v1/vehicles/pair", json=wanted)).json()["keys"]
        assert [k["vehicle_id"] for k in keys] == wanted["ids"]
        many = {"ids": [one] * 501}
        _refused(await staff.post("/api/v1/vehicles/pair", json=many), 400, "VALIDATION_ERROR")
    async with world.client(world.call("customer")) as rider:
        _refused(await rider.post(f"/api/v1/vehicles/{one}/pair"), 403, "PERMISSION_DENIED")


async def test_staff_ring_a_vehicle(world: World) -> None:
    """A command and what becomes of it; a repeat with the same key is the same command."""
    vehicle = await connected_vehicle(world)
    path = f"/api/v1/vehicles/{ids.public('sco', vehicle.id)}/commands"
    async with world.client(world.call("provider")) as staff:
        sent = await staff.post(path, json={"command": "sound"}, headers={"Idempotency-Key": "a"})
        assert sent.status_code == 202
        assert (sent.json()["status"], sent.json()["command"]) == ("queued", "sound")
        seen = await staff.get(f"/api/v1/commands/{sent.json()['id']}")
        assert seen.json() == sent.json()
        _refused(await staff.post(path, json={"command": "jump"}), 400, "VALIDATION_ERROR")
        _refused(await staff.get("/api/v1/commands/cmd_1"), 404, "NOT_FOUND")
    async with world.client(world.call("customer")) as rider:
        _refused(await rider.post(path, json={"command": "unlock"}), 403, "PERMISSION_DENIED")
