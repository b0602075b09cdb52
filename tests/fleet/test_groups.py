"""Named parts of the fleet: who is in them, and lists, live map, jobs and files by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import bulk as work
from fahrwerk.fleet.contract import bulk, groups, live
from fahrwerk.fleet.contract.bulk import Chosen, Operation
from fahrwerk.fleet.queries import broken_invariants
from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import news
from tests.fleet.workshop import told

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.fleet.contract.bulk import BulkJob
    from tests.world import World


async def _done(world: World, operation: Operation, **which: Any) -> BulkJob:
    job = await bulk.start_bulk(
        world.admin(), ids.new(), operation, which.get("ids"), which.get("chosen")
    )
    while job.state == "running":
        await work.work_on_bulk_jobs()
        job = await bulk.bulk_job(world.admin(), job.id)
    return job


async def _members(world: World, group_id: UUID) -> set[UUID]:
    page = await fleet.vehicles(world.admin(), None, None, None, 0, 100, 0, group_id)
    assert page.total == len(page.vehicles)
    return {each.id for each in page.vehicles}


async def test_a_group_from_its_name_to_its_end(world: World) -> None:
    admin = world.admin()
    one, two, three = [await world.vehicle() for _ in range(3)]
    north = await groups.create_group(admin, " Depot North ", None)
    assert (north.name, north.vehicles) == ("Depot North", 0)
    with pytest.raises(groups.GroupNameTaken):
        await groups.create_group(admin, "depot NORTH", None)
    with pytest.raises(Invalid):
        await groups.create_group(admin, "a\x00b", None)
    with pytest.raises(Forbidden):
        await groups.create_group(world.call("support"), "x", None)
    after = await groups.move_in_group(admin, north.id, [one.id, two.id], [])
    assert after.vehicles == 2
    again = await groups.move_in_group(admin, north.id, [one.id, three.id], [two.id])
    assert again.vehicles == 2
    assert await _members(world, north.id) == {one.id, three.id}
    assert await news(world, one.id) == ["vehicle.created", "vehicle.changed"], "told once"
    with pytest.raises(fleet.UnknownVehicle):
        await groups.move_in_group(admin, north.id, [two.id, ids.new()], [])
    assert await _members(world, north.id) == {one.id, three.id}, "all or none"
    south = await groups.create_group(admin, "South", "Beyond the river")
    await groups.move_in_group(admin, south.id, [one.id], [])
    changed = await groups.change_group(admin, south.id, groups.GroupChange(name="Süd"))
    assert (changed.name, changed.description) == ("Süd", "Beyond the river")
    assert await groups.group_called(admin, "süd") == south.id
    await groups.delete_group(admin, north.id)
    with pytest.raises(groups.UnknownGroup):
        await groups.group(admin, north.id)
    assert (await fleet.vehicle(admin, one.id)).group_ids == [south.id]
    assert [name for name, _ in await told(world, f"vehicle_group:{north.id}")] == [
        "vehicle_group.changed"
    ] * 2
    assert await broken_invariants(world.system()) == []


async def test_many_join_and_leave_by_a_job_that_can_be_undone(world: World) -> None:
    vehicles = [await world.vehicle() for _ in range(4)]
    await world.vehicle("car")
    group = await groups.create_group(world.admin(), "Trial", None)
    await groups.move_in_group(world.admin(), group.id, [vehicles[0].id], [])
    join = Operation("join_group", str(group.id))
    job = await _done(world, join, chosen=Chosen(vehicle_type="scooter"))
    assert (job.done, job.failed) == (4, 0)
    assert await _members(world, group.id) == {each.id for each in vehicles}
    away = Operation("set_category", "trial")
    assert (await _done(world, away, chosen=Chosen(group_id=group.id))).total == 4
    undo = await bulk.undo_bulk(world.admin(), job.id)
    while await work.work_on_bulk_jobs():
        pass
    assert (await bulk.bulk_job(world.admin(), undo.id)).done == 3
    assert await _members(world, group.id) == {vehicles[0].id}, "who was in it stays"
    leave = Operation("leave_group", str(group.id))
    assert (await _done(world, leave, ids=[each.id for each in vehicles])).failed == 0
    assert await _members(world, group.id) == set()
    with pytest.raises(groups.UnknownGroup):
        await _done(world, Operation("join_group", str(ids.new())), ids=[vehicles[0].id])
    assert await broken_invariants(world.system()) == []


async def test_whoever_watches_a_group_sees_who_joins(world: World) -> None:
    """A change of its group is a change of the vehicle to the live fleet."""
    one, _ = await world.vehicle(), await world.vehicle()
    group = await groups.create_group(world.admin(), "Live", None)
    call = world.admin()
    before = await live.live_fleet(call, group_id=group.id)
    assert before.id == []
    await groups.move_in_group(call, group.id, [one.id], [])
    since = await live.live_fleet(call, since=before.cursor, group_id=group.id)
    assert since.id == [ids.public("sco", one.id)]
    assert (await live.exported(call, None, None, None, group_id=group.id)).rows[0][0] == (
        one.identifier
    )


async def test_over_http(world: World) -> None:
    vehicle, _ = await world.vehicle(), await world.vehicle()
    async with world.client(world.call("provider")) as staff:
        made = await staff.post("/api/v1/fleet/groups", json={"name": "Nord"})
        assert made.status_code == 201, made.text
        group_id = made.json()["id"]
        path = f"/api/v1/fleet/groups/{group_id}"
        moved = await staff.post(f"{path}/vehicles", json={"add": [vehicle.identifier]})
        assert (moved.status_code, moved.json()["vehicles"]) == (200, 1)
        for url in ("/api/v1/vehicles", "/api/v1/fleet/live"):
            for name in ("nord", group_id):
                answer = await staff.get(url, params={"group": name})
                assert answer.status_code == 200, answer.text
                body = answer.json()
                assert len(body.get("vehicles", body.get("id"))) == 1
            assert (await staff.get(url, params={"group": "Nowhere"})).status_code == 404
        lines = (await staff.get("/api/v1/vehicles.csv", params={"group": "Nord"})).text
        assert lines.count("\n") == 2
        begun = await staff.post(
            "/api/v1/vehicles/bulk",
            json={"operation": "leave_group", "group": "Nord", "filter": {"group": "Nord"}},
        )
        assert (begun.status_code, begun.json()["value"]) == (202, group_id), begun.text
        shown = await staff.patch(path, json={"description": "Depot"})
        assert shown.json()["description"] == "Depot"
        assert [g["name"] for g in (await staff.get("/api/v1/fleet/groups")).json()["groups"]] == [
            "Nord"
        ]
        assert (await staff.delete(path)).status_code == 204
        assert (await staff.get(path)).status_code == 404
    async with world.client(await world.rider()) as rider:
        assert (await rider.get("/api/v1/vehicles", params={"group": "Nord"})).status_code == 403
        assert (await rider.get("/api/v1/fleet/groups")).status_code == 403
