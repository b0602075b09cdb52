"""Upkeep and batteries over HTTP: shapes, who may, what is refused (docs/maintenance.md)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import maintenance as upkeep
from fahrwerk.kernel import clock, ids
from tests.fleet.street import BERLIN, hold
from tests.fleet.workshop import end_ride
from tests.world import make_world

if TYPE_CHECKING:
    import httpx

    from tests.world import World


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code, error
    details: dict[str, Any] = error["details"]
    return details


def done(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_the_detail_shows_when_service_is_due(world: World) -> None:
    """FLT-11, FLT-34: by kilometres too, at the use since the last service."""
    vehicle = await world.vehicle()
    path = f"/api/v1/scooters/{ids.public('sco', vehicle.id)}"
    async with world.client(world.admin()) as staff:
        body = {"days": 30, "kilometres": 10, "rides": 400}
        shown = done(await staff.put("/api/v1/maintenance/intervals/scooter", json=body))
        [mine] = [i for i in shown["intervals"] if i["vehicle_type"] == "scooter"]
        assert (mine["kilometres"], mine["rides"], mine["is_default"]) == (10, 400, False)
        with clock.moved_to(clock.now() + timedelta(days=5)):
            await end_ride(world, vehicle.id, distance_m=20_000)
        about = done(await staff.get(path))["maintenance"]
        assert about["service_interval_days"] == 30
        assert about["last_service"] is None
        service = done(await staff.get(f"/api/v1/vehicles/{vehicle.identifier}/service"))
        assert service["due"] == ["distance"]
        assert (service["kilometres_since"], service["rides_since"]) == (20, 1)
        assert service["next_service_due"][:10] == about["next_service_due"][:10]
        assert about["next_service_due"] < clock.stamp(clock.now() + timedelta(days=1))
        done(await staff.put("/api/v1/maintenance/intervals/scooter", json={}))
        refused(await staff.put("/api/v1/maintenance/intervals/boat", json=body), 400,
                "VALIDATION_ERROR")  # fmt: skip


async def test_a_ticket_over_http(world: World) -> None:
    """FLT-06: money in decimals of the operator's currency."""
    vehicle = await world.vehicle(identifier="SC7")
    async with world.client(world.call("provider")) as staff:
        wanted = {"vehicle_id": "SC7", "kind": "brakes", "description": "No grip"}
        made = done(await staff.post("/api/v1/maintenance/tickets", json=wanted), 201)
        assert (made["severity"], made["state"]) == ("safety", "open")
        assert made["vehicle_id"] == ids.public("sco", vehicle.id)
        again = await staff.post("/api/v1/maintenance/tickets", json=wanted)
        assert refused(again, 409, "TICKET_ALREADY_OPEN")["ticket_id"] == made["id"]
        path = f"/api/v1/maintenance/tickets/{made['id']}"
        back = await staff.patch("/api/v1/vehicles/SC7", json={"status": "available"})
        refused(back, 409, "SAFETY_TICKET_OPEN")
        body: dict[str, Any] = {
            "assignee": "Mia", "labour_minutes": 30, "labour_rate": "52.50",
            "parts": [{"name": "Pads", "quantity": 2, "unit_cost": 12.99}],
        }  # fmt: skip
        changed = done(await staff.patch(path, json=body))
        assert changed["state"] == "assigned"
        assert changed["cost"] == {
            "labour": 26.25, "parts": 25.98, "total": 52.23, "currency": "EUR",
        }  # fmt: skip
        assert changed["parts"] == [
            {"name": "Pads", "part_number": None, "quantity": 2, "unit_cost": 12.99}
        ]
        closed = done(await staff.post(f"{path}/complete", json={"resolution": "New pads"}))
        assert (closed["state"], closed["assignee"]) == ("done", "Mia")
        assert done(await staff.get(path)) == closed
        records = done(await staff.get("/api/v1/maintenance/records", params={"vehicle": "SC7"}))
        [record] = records["records"]
        assert (record["type"], record["cost"], record["ticket_id"]) == (
            "repair", 52.23, made["id"],
        )  # fmt: skip
        listed = done(await staff.get("/api/v1/maintenance/tickets", params={"is_open": "false"}))
        assert [t["id"] for t in listed["tickets"]] == [made["id"]]
        assert listed["pagination"]["total"] == 1
        shown = done(await staff.patch("/api/v1/vehicles/SC7", json={"category": "premium"}))
        assert (shown["status"], shown["out_for"]) == ("available", [])
        for wrong, field in (
            ({"labour_rate": "1.001"}, "labour_rate"),
            ({"state": "done"}, "state"),
            ({"labour_rate": "NaN"}, "labour_rate"),
            ({"wheels": 3}, "wheels"),
            ({"parts": [{"name": "x", "unit_cost": -1}]}, "parts.0.unit_cost"),
        ):
            answer = await staff.patch(path, json=wrong)
            assert refused(answer, 400, "VALIDATION_ERROR")["field"] == field
        refused(await staff.get("/api/v1/maintenance/tickets/tick_1"), 404, "NOT_FOUND")


async def test_a_record_over_http(world: World) -> None:
    """FLT-06"""
    await world.vehicle(identifier="SC8")
    path = "/api/v1/vehicles/SC8/maintenance"
    async with world.client(world.admin()) as staff:
        body = {
            "type": "service", "description": "Yearly", "cost": 49.9,
            "performed_at": "2024-01-01T10:00:00Z",
        }  # fmt: skip
        made = done(await staff.post(path, json=body), 201)
        assert (made["cost"], made["currency"], made["next_due"]) == (
            49.9, "EUR", "2024-01-31T10:00:00Z",
        )  # fmt: skip
        about = done(await staff.get("/api/v1/vehicles/SC8"))["maintenance"]
        assert about == {
            "last_service": "2024-01-01T10:00:00Z", "next_service_due": "2024-01-31T10:00:00Z",
            "service_interval_days": 30,
        }  # fmt: skip
        for wrong, field in (
            ({"performed_at": "9999-12-31T23:59:59-12:00"}, "performed_at"),
            ({"performed_at": "0001-01-01T00:00:00+14:00"}, "performed_at"),
            ({"next_due": "2000-01-01T00:00:00Z"}, "next_due"),
            ({"cost": 1e30}, "cost"),
            ({"next_due": "9999-12-31T23:59:59-12:00"}, "next_due"),
            ({"cost": -1}, "cost"),
            ({"type": "magic"}, "type"),
            ({"description": "\x00"}, "description"),
        ):
            answer = await staff.post(path, json={"type": "repair", **wrong})
            assert refused(answer, 400, "VALIDATION_ERROR")["field"] == field
        page = {"since": "2024-01-01T00:00:00Z", "until": "2024-02-01T00:00:00Z"}
        assert done(await staff.get("/api/v1/maintenance/records", params=page))["records"] == [
            made
        ]
        downtime = done(await staff.get("/api/v1/maintenance/downtime", params=page))
        assert (downtime["seconds"], downtime["availability"]) == (0, 1)
        for bad in ({"since": "2024-01-01T00:00:00"}, {"until": "2026-01-01T00:00:00Z"},
                    {"until": "0001-01-01T00:00:00+14:00"}, {"since": "soon"}):  # fmt: skip
            answer = await staff.get("/api/v1/maintenance/downtime", params={**page, **bad})
            refused(answer, 400, "VALIDATION_ERROR")


async def test_a_rider_reports_a_fault(world: World) -> None:
    """In the rider's language; 403 for who never had it; it leaves the search."""
    vehicle = await world.vehicle()
    rider = world.call("customer")
    path = f"/api/v1/vehicles/{vehicle.qr_code}/faults"
    async with world.client(rider, **{"Accept-Language": "de"}) as phone:
        refused(await phone.post(path, json={"kind": "brakes"}), 403, "NOT_YOUR_RIDE")
        await end_ride(world, vehicle.id, user_id=rider.user)
        body = {"kind": "brakes", "description": "Bremse zieht nicht"}
        said = done(await phone.post(path, json=body), 201)
        assert said["message"] == "Danke. Wir kümmern uns darum."
        refused(await phone.post(path, json={"kind": "wings"}), 400, "VALIDATION_ERROR")
        refused(await phone.get("/api/v1/maintenance/tickets"), 403, "PERMISSION_DENIED")
    assert (await fleet.vehicle(world.system(), vehicle.id)).status == "maintenance"
    async with world.client(world.call("support")) as support:
        path = f"/api/v1/maintenance/tickets/{said['report_id']}"
        [report] = done(await support.get(path))["fault_reports"]
        assert report["description"] == "Bremse zieht nicht"
        refused(await support.patch(path, json={}), 403, "PERMISSION_DENIED")


async def test_a_plan_over_http(world: World) -> None:
    """FLT-31: made, worked off, listed, cancelled."""
    near = await world.vehicle(latitude=BERLIN[0] + 0.001, battery_level=5)
    far = await world.vehicle(latitude=BERLIN[0] + 0.002, battery_level=6)
    body: dict[str, Any] = {
        "vehicle_types": ["scooter", "ebike"], "capacity": 5,
        "start": {"latitude": BERLIN[0], "longitude": BERLIN[1]},
    }  # fmt: skip
    around = [[13.0, 52.0], [14.0, 52.0], [14.0, 53.0], [13.0, 53.0], [13.0, 52.0]]
    async with world.client(world.call("provider")) as staff:
        limits = {"lowest_level": 15, "back_level": 30, "critical_level": 5}
        set_to = done(await staff.put("/api/v1/battery/thresholds/scooter", json=limits))
        assert set_to == {"vehicle_type": "scooter", "is_default": False, **limits}
        assert len(done(await staff.get("/api/v1/battery/thresholds"))["thresholds"]) == 4
        area = {"type": "Polygon", "coordinates": [around]}
        plan = done(await staff.post("/api/v1/battery/plans", json={**body, "area": area}), 201)
        assert [stop["vehicle_id"] for stop in plan["stops"]] == [
            ids.public("sco", near.id), ids.public("sco", far.id),
        ]  # fmt: skip
        path = f"/api/v1/battery/plans/{plan['id']}"
        after = done(await staff.post(f"{path}/stops/1", json={"state": "done"}))
        assert (after["done"], after["stops"][0]["state"]) == (1, "done")
        skip = {"state": "skipped", "reason": "locked in"}
        wrong = await staff.post(f"{path}/stops/2", json={**skip, "level": 5})
        refused(wrong, 400, "VALIDATION_ERROR")
        assert done(await staff.post(f"{path}/stops/2", json=skip))["state"] == "done"
        refused(await staff.post(f"{path}/cancel"), 409, "BATTERY_PLAN_CLOSED")
        refused(await staff.post(f"{path}/stops/3", json=skip), 404, "UNKNOWN_BATTERY_PLAN")
        second = done(await staff.post("/api/v1/battery/plans", json=body), 201)
        done(await staff.post(f"/api/v1/battery/plans/{second['id']}/cancel"))
        listed = done(await staff.get("/api/v1/battery/plans", params={"state": "cancelled"}))
        assert [p["id"] for p in listed["plans"]] == [second["id"]]
        swap = {"kind": "swap", "level": 99}
        filled = done(
            await staff.post(f"/api/v1/vehicles/{far.identifier}/battery", json=swap), 201
        )
        assert (filled["level_before"], filled["level"]) == (6, 99)
        none = await staff.post("/api/v1/battery/plans", json=body)
        refused(none, 409, "NO_VEHICLES_TO_VISIT")
        changes: list[dict[str, Any]] = [
            {"capacity": 201},
            {"vehicle_types": []},
            {"start": {"latitude": 91, "longitude": 0}},
            {"area": {"type": "Polygon", "coordinates": [around[:2]]}},
            {"area": {"type": "Polygon", "coordinates": [[[1e400, 0]] * 4]}},
            {"max_stops": 0},
        ]
        for change in changes:
            text = json.dumps({**body, **change}).replace("Infinity", "1e400")
            headers = {"content-type": "application/json"}
            answer = await staff.post("/api/v1/battery/plans", content=text, headers=headers)
            refused(answer, 400, "VALIDATION_ERROR")
    async with world.client(world.call("customer")) as rider:
        refused(await rider.post("/api/v1/battery/plans", json=body), 403, "PERMISSION_DENIED")


async def test_versions_over_http(world: World) -> None:
    """FLT-40"""
    await world.vehicle(identifier="SC9", hardware_version="1.2")
    async with world.client(world.admin()) as staff:
        [shown] = done(await staff.get("/api/v1/vehicles/SC9/versions"))["versions"]
        assert (shown["part"], shown["version"]) == ("hardware", "1.2")
        refused(await staff.get("/api/v1/vehicles/nobody/versions"), 404, "UNKNOWN_VEHICLE")


@pytest.mark.parametrize("path", ["faults", "battery", "maintenance"])
async def test_nothing_happens_to_another_operators_vehicle(world: World, path: str) -> None:
    """I7"""
    vehicle = await world.vehicle()
    await hold(world, vehicle)
    stranger = await make_world()
    body: dict[str, Any] = {
        "faults": {"kind": "brakes"}, "battery": {"kind": "swap"},
        "maintenance": {"type": "repair"},
    }[path]  # fmt: skip
    async with stranger.client(stranger.admin()) as staff:
        answer = await staff.post(f"/api/v1/vehicles/{vehicle.id}/{path}", json=body)
        refused(answer, 404, "UNKNOWN_VEHICLE")
    page = await upkeep.tickets(world.admin(), upkeep.TicketsWanted(), 10, 0)
    assert page.total == 0
