"""Many vehicles at once: progress, failures by name, cancel, undo; nothing twice (FLT-14)."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.actions import bulk as work
from fahrwerk.fleet.actions import import_jobs, imports
from fahrwerk.fleet.contract import bulk
from fahrwerk.fleet.contract.bulk import BulkJob, Chosen, Operation
from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.fleet.street import connected_vehicle, hold, news, row
from tests.world import World, make_world

if TYPE_CHECKING:
    from uuid import UUID

AWAY = Operation("set_status", "maintenance")


async def _begun(world: World, operation: Operation, vehicles: list[UUID], **how: Any) -> BulkJob:
    job_id = how.get("job_id") or ids.new()
    return await bulk.start_bulk(world.admin(), job_id, operation, vehicles, None)


async def _worked(world: World, job: BulkJob) -> BulkJob:
    """Let the worker go on until this job is over."""
    for _ in range(50):
        found = await bulk.bulk_job(world.admin(), job.id)
        if found.state != "running":
            return found
        await work.work_on_bulk_jobs()
    raise AssertionError(found)


async def _fleet(world: World, count: int) -> list[UUID]:
    rows = "".join(f"B{n:05},m,b,,\n" for n in range(count))
    text = f"identifier,model,brand,license_plate,qr_code\n{rows}"
    await fleet.import_vehicles(world.admin(), False, text.encode())
    page = await db.run("fleet", world.system(), "SELECT id FROM fleet.vehicle ORDER BY identifier")
    return [each["id"] for each in page]


async def _failures(world: World, job: BulkJob) -> dict[UUID, str]:
    page = await bulk.bulk_failures(world.admin(), job.id, 100, 0)
    assert page.total == len(page.failures)
    return {each.vehicle_id: each.reason for each in page.failures}


async def test_many_are_done_and_each_failure_is_named(world: World) -> None:
    """Held vehicles are not taken from their riders; what is unknown is named as such."""
    vehicles = await _fleet(world, 20)
    taken = await fleet.vehicle(world.system(), vehicles[3])
    await hold(world, taken)
    stranger = ids.new()
    staff = world.admin()
    job = await bulk.start_bulk(staff, ids.new(), AWAY, [*vehicles, stranger, vehicles[0]], None)
    assert (job.state, job.total, job.done, job.failed) == ("running", 21, 0, 0)
    job = await _worked(world, job)
    assert (job.state, job.total, job.done, job.failed) == ("done", 21, 19, 2)
    assert job.finished_at is not None
    assert await _failures(world, job) == {
        vehicles[3]: "VEHICLE_IN_USE", stranger: "UNKNOWN_VEHICLE",
    }  # fmt: skip
    assert (await row(world, vehicles[0]))["status"] == "maintenance"
    assert (await row(world, vehicles[3]))["status"] == "reserved"
    assert await news(world, vehicles[0]) == ["vehicle.created", "vehicle.changed"]
    told = await db.run(
        "fleet", world.system(),
        "SELECT actor FROM kernel.event WHERE name = 'vehicle.changed' LIMIT 1",
    )  # fmt: skip
    assert told[0]["actor"] == staff.actor


async def test_undo_gives_back_what_each_had(world: World) -> None:
    """Also the undo can be undone; what was changed since is left alone and named."""
    vehicles = await _fleet(world, 6)
    change = fleet.VehicleChange(category="gold")
    await fleet.change_vehicle(world.admin(), vehicles[0], change)
    job = await _worked(world, await _begun(world, Operation("set_category", "silver"), vehicles))
    await fleet.change_vehicle(world.admin(), vehicles[1], fleet.VehicleChange(category="red"))
    undo = await _worked(world, await bulk.undo_bulk(world.admin(), job.id))
    assert (undo.undo_of, undo.total, undo.done, undo.failed) == (job.id, 6, 5, 1)
    assert await _failures(world, undo) == {vehicles[1]: "CHANGED_SINCE"}
    kinds = [(await row(world, each))["category"] for each in vehicles[:3]]
    assert kinds == ["gold", "red", "standard"]
    assert (await bulk.undo_bulk(world.admin(), job.id)).id == undo.id
    assert (await bulk.bulk_job(world.admin(), job.id)).undone_by == undo.id
    redo = await _worked(world, await bulk.undo_bulk(world.admin(), undo.id))
    assert redo.done == 5
    assert (await row(world, vehicles[0]))["category"] == "silver"


async def test_undo_of_status_leaves_alone_what_did_not_change(world: World) -> None:
    vehicles = await _fleet(world, 3)
    away = fleet.VehicleChange(status="maintenance")
    await fleet.change_vehicle(world.admin(), vehicles[0], away)
    job = await _worked(world, await _begun(world, AWAY, vehicles))
    assert job.done == 3
    undo = await _worked(world, await bulk.undo_bulk(world.admin(), job.id))
    assert undo.total == 2
    states = [(await row(world, each))["status"] for each in vehicles]
    assert states == ["maintenance", "available", "available"]


async def test_vehicles_by_a_filter(world: World) -> None:
    await world.vehicle("car", identifier="car")
    await _fleet(world, 4)
    chosen = Chosen(vehicle_type="scooter", status="available")
    job = await bulk.start_bulk(world.admin(), ids.new(), AWAY, None, chosen)
    assert job.total == 4
    assert (await _worked(world, job)).done == 4
    nothing = await bulk.start_bulk(world.admin(), ids.new(), AWAY, None, chosen)
    assert nothing.total == 0
    assert (await _worked(world, nothing)).state == "done"


async def test_commands_are_queued_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies before it wrote down what it sent sends nothing twice."""
    can = await connected_vehicle(world)
    cannot = await connected_vehicle(world)
    change = fleet.VehicleChange(capabilities=["unlock"])
    await fleet.change_vehicle(world.admin(), cannot.id, change)
    lights = Operation("command", "lights", {"on": True})
    job = await _begun(world, lights, [can.id, cannot.id])

    async def dies(*_: Any) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(work, "_kept", dies)
        await work.work_on_bulk_jobs()
    assert (await bulk.bulk_job(world.admin(), job.id)).done == 0
    await work.work_on_bulk_jobs()  # it is still somebody's
    assert (await bulk.bulk_job(world.admin(), job.id)).done == 0
    with clock.moved_to(clock.now() + timedelta(seconds=work.LEASE_S + 1)):
        job = await _worked(world, job)
    assert (job.done, job.failed) == (1, 1)
    assert await _failures(world, job) == {cannot.id: "COMMAND_NOT_SUPPORTED"}
    sent = await db.run("fleet", world.system(), "SELECT operation, args FROM fleet.command")
    assert [(each["operation"], each["args"]) for each in sent] == [("lights", {"on": True})]
    with pytest.raises(bulk.NotUndoable):
        await bulk.undo_bulk(world.admin(), job.id)


async def test_a_batch_that_fails_leaves_nothing_half_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: vehicles, events and lines of the job are one transaction."""
    vehicles = await _fleet(world, 5)
    job = await _begun(world, AWAY, vehicles)

    async def dies(*_: Any) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(work, "_kept", dies)
        await work.work_on_bulk_jobs()
    assert (await row(world, vehicles[0]))["status"] == "available"
    with clock.moved_to(clock.now() + timedelta(seconds=work.LEASE_S + 1)):
        assert (await _worked(world, job)).done == 5
    assert await news(world, vehicles[0]) == ["vehicle.created", "vehicle.changed"]


async def test_a_vehicle_that_is_busy_is_not_waited_for(world: World) -> None:
    """Its turn comes when whoever is at its row is done with it."""
    vehicles = await _fleet(world, 4)
    job = await _begun(world, AWAY, vehicles)
    outside = contextvars.copy_context()
    async with db.tx("fleet", world.system()) as tx:
        await tx.run("SELECT 1 FROM fleet.vehicle WHERE id = $1 FOR UPDATE", vehicles[1])
        async with asyncio.timeout(2):
            await asyncio.create_task(
                work.work_on_bulk_jobs(), context=_without_transaction(outside)
            )
    half = await bulk.bulk_job(world.admin(), job.id)
    assert (half.state, half.done) == ("running", 3)
    assert (await _worked(world, job)).done == 4


def _without_transaction(context: contextvars.Context) -> contextvars.Context:
    context.run(db.in_transaction.set, False)
    return context


async def test_cancel(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done stays done, the rest is left."""
    monkeypatch.setattr(work, "BATCH", 2)
    vehicles = await _fleet(world, 6)
    job = await _begun(world, AWAY, vehicles)
    await work.work_on_bulk_jobs()
    stopped = await bulk.cancel_bulk(world.admin(), job.id)
    assert (stopped.state, stopped.done) == ("cancelled", 2)
    assert (await bulk.cancel_bulk(world.admin(), job.id)).state == "cancelled"
    await work.work_on_bulk_jobs()
    states = [(await row(world, each))["status"] for each in vehicles]
    assert states.count("maintenance") == 2
    done = await _worked(world, await _begun(world, AWAY, vehicles))
    with pytest.raises(bulk.JobOver):
        await bulk.cancel_bulk(world.admin(), done.id)
    # What was done before it was stopped can be taken back.
    assert (await _worked(world, await bulk.undo_bulk(world.admin(), job.id))).total == 2


async def test_who_may(world: World) -> None:
    """I7: jobs of others are not there; riders and support begin nothing."""
    vehicles = await _fleet(world, 1)
    job = await _begun(world, AWAY, vehicles)
    other = await make_world()
    with pytest.raises(bulk.UnknownJob):
        await bulk.bulk_job(other.admin(), job.id)
    with pytest.raises(bulk.UnknownJob):
        await bulk.cancel_bulk(other.admin(), job.id)
    for call in (await world.rider(), world.call("support")):
        with pytest.raises(Forbidden):
            await bulk.start_bulk(call, ids.new(), AWAY, vehicles, None)
        with pytest.raises(Forbidden):
            await bulk.undo_bulk(call, job.id)
    # Vehicles of another operator are unknown ones.
    theirs = await bulk.start_bulk(other.admin(), ids.new(), AWAY, vehicles, None)
    theirs = await _worked(other, theirs)
    assert await _failures(other, theirs) == {vehicles[0]: "UNKNOWN_VEHICLE"}


@pytest.mark.parametrize(
    "operation",
    [
        Operation("set_status", "in_use"),
        Operation("set_category", " "),
        Operation("set_category", "x", {"on": True}),
        Operation("command", "unlock"),
        Operation("command", "speed_limit"),
        Operation("import", "create"),
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, operation: Operation) -> None:
    with pytest.raises(Invalid):
        await _begun(world, operation, [ids.new()])


async def test_not_more_than_ten_jobs_at_a_time(world: World) -> None:
    for _ in range(bulk.MOST_RUNNING):
        await _begun(world, AWAY, [ids.new()])
    with pytest.raises(bulk.TooManyJobs):
        await _begun(world, AWAY, [ids.new()])


async def test_over_http(world: World) -> None:
    """A key makes a repeat the same job; each answer has the shape that is documented."""
    vehicles = [await world.vehicle() for _ in range(3)]
    named = [ids.public("sco", each.id) for each in vehicles]
    body = {"operation": "set_status", "status": "maintenance", "ids": named}
    async with world.client(world.call("provider")) as client:
        key = {"Idempotency-Key": "k1"}
        first = await client.post("/api/v1/vehicles/bulk", json=body, headers=key)
        again = await client.post("/api/v1/vehicles/bulk", json=body, headers=key)
        assert first.status_code == again.status_code == 202
        assert first.json()["id"] == again.json()["id"]
        job_id = first.json()["id"]
        await work.work_on_bulk_jobs()
        job = (await client.get(f"/api/v1/bulk/{job_id}")).json()
        assert (job["status"], job["done"], job["total"]) == ("done", 3, 3)
        assert (await client.get(f"/api/v1/bulk/{job_id}/failures")).json()["failures"] == []
        listed = (await client.get("/api/v1/bulk")).json()
        assert [each["id"] for each in listed["jobs"]] == [job_id]
        undo = await client.post(f"/api/v1/bulk/{job_id}/undo")
        assert undo.status_code == 202
        assert undo.json()["undo_of"] == job_id
        assert (await client.post(f"/api/v1/bulk/{job_id}/cancel")).status_code == 409
        assert (await client.get("/api/v1/bulk/bulk_x")).status_code == 404
        wrong: list[dict[str, Any]] = [
            body | {"ids": ["sco_1"]},
            body | {"filter": {}},
            body | {"category": "x"},
            {"operation": "command", "filter": {}},
            {"operation": "set_status", "status": "maintenance"},
        ]
        for each in wrong:
            answer = await client.post("/api/v1/vehicles/bulk", json=each)
            assert answer.status_code == 400, each
            assert answer.json()["error"]["details"]["field"]


async def test_old_jobs_are_forgotten(world: World) -> None:
    job = await _worked(world, await _begun(world, AWAY, [ids.new()]))
    await work.forget_bulk_jobs()
    assert (await bulk.bulk_job(world.admin(), job.id)).id == job.id
    with clock.moved_to(clock.now() + timedelta(days=work.KEEP_DAYS + 1)):
        await work.forget_bulk_jobs()
    with pytest.raises(bulk.UnknownJob):
        await bulk.bulk_job(world.admin(), job.id)
    left = await db.run("fleet", world.system(), "SELECT 1 FROM fleet.bulk_item")
    assert left == []


# --- imports as jobs

HEADER = "identifier,model,brand,license_plate,qr_code"


def _file(count: int) -> bytes:
    return "\n".join([HEADER, *(f"I{n:05},m,b,,I{n}" for n in range(count))]).encode()


async def test_an_import_shows_how_far_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FLT-13, FLT-14: checked, written, reported; while it is written, nothing is there yet."""
    monkeypatch.setattr(import_jobs, "TELL_EVERY_S", 0.01)
    call = world.admin()
    job = await bulk.start_import(call, ids.new(), "create", False, _file(6_000))
    assert (job.state, job.total) == ("running", 5_999)  # lines; the rows are counted by reading
    running = asyncio.create_task(work.work_on_bulk_jobs())
    seen: list[tuple[str | None, int]] = []
    while not running.done():
        now = await bulk.bulk_job(call, job.id)
        if now.state == "running":
            assert 0 <= now.done <= now.total
            seen.append((now.phase, now.done))
            assert (await fleet.vehicles(call, None, None, None, 0, 1, 0)).total in (0, 6_000)
        await asyncio.sleep(0.01)
    job = await bulk.bulk_job(call, job.id)
    assert (job.state, job.done, job.failed, job.total) == ("done", 6_000, 0, 6_000)
    assert job.result is not None
    assert job.result.created == 6_000
    assert {"checking", "writing"} <= {phase for phase, _ in seen}
    assert any(done > 0 for _, done in seen)


async def test_an_import_with_problems_ends_as_failed(world: World) -> None:
    text = f"{HEADER}\nA,m,b,,\nB,,b,,\n".encode()
    job = await _worked(
        world, await bulk.start_import(world.admin(), ids.new(), "create", False, text)
    )
    assert (job.state, job.done, job.failed, job.total) == ("failed", 0, 1, 2)
    assert job.result is not None
    assert job.result.problems == [fleet.ImportProblem(2, "model", "must not be empty")]
    looked = await bulk.start_import(world.admin(), ids.new(), "create", True, text)
    looked = await _worked(world, looked)
    assert (looked.state, looked.done) == ("done", 1)
    assert (await fleet.vehicles(world.admin(), None, None, None, 0, 1, 0)).total == 0


async def test_an_import_that_is_cancelled_while_it_is_written_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = world.admin()
    job = await bulk.start_import(call, ids.new(), "create", False, _file(3_000))
    writes = imports.write_within

    async def stop() -> None:
        await bulk.cancel_bulk(call, job.id)

    async def stopped_meanwhile(*args: Any) -> Any:
        done = await writes(*args)
        context = _without_transaction(contextvars.copy_context())
        await asyncio.create_task(stop(), context=context)
        return done

    monkeypatch.setattr(import_jobs, "write_within", stopped_meanwhile)
    await work.work_on_bulk_jobs()
    assert (await bulk.bulk_job(call, job.id)).state == "cancelled"
    assert (await fleet.vehicles(call, None, None, None, 0, 1, 0)).total == 0


async def test_an_import_whose_worker_died_is_done_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: the rows were rolled back with it."""
    job = await bulk.start_import(world.admin(), ids.new(), "create", False, _file(50))

    async def dies(*_: Any) -> Any:
        raise RuntimeError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(import_jobs, "write_within", dies)
        await work.work_on_bulk_jobs()
    assert (await bulk.bulk_job(world.admin(), job.id)).state == "running"
    with clock.moved_to(clock.now() + timedelta(seconds=import_jobs.LEASE_S + 5)):
        assert (await _worked(world, job)).done == 50


async def test_imports_over_http(world: World) -> None:
    async with world.client(world.call("provider")) as client:
        path = "/api/v1/vehicles/imports?dry_run=false"
        begun = await client.post(path, content=_file(3), headers={"content-type": "text/csv"})
        assert begun.status_code == 202
        await work.work_on_bulk_jobs()
        job = (await client.get(f"/api/v1/bulk/{begun.json()['id']}")).json()
        assert (job["operation"], job["status"], job["result"]["created"]) == ("import", "done", 3)
        assert job["args"] == {"dry_run": False}
