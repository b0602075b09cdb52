"""Operations on many vehicles and imports of large files: begin, look, stop, undo."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, RawBody
from msgspec import Meta

from fahrwerk.fleet.contract import PREFIX, ImportResult
from fahrwerk.fleet.contract import bulk as fleet
from fahrwerk.fleet.contract.bulk import BulkJob, Chosen, ImportMode, Operation
from fahrwerk.fleet.contract.groups import GROUP_PREFIX
from fahrwerk.fleet.http.groups import group_id_of
from fahrwerk.fleet.http.live import Status
from fahrwerk.fleet.http.vehicles import IMPORT_BYTES, Short, VehicleType, _TakesCsv
from fahrwerk.kernel import clock, ids, web
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid, NotFound

BULK_BYTES = 2_500_000


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vehicles by what they are now; what is left out does not matter, so ``{}`` is all."""

    type: VehicleType | None = None
    status: Status | None = None
    """Retired ones only if that is asked for."""
    category: Short | None = None
    group: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    """Id or name."""


class BulkBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done with which vehicles: ``ids`` or else ``filter``."""

    operation: Literal["set_status", "set_category", "command", "join_group", "leave_group"]
    status: Literal["available", "maintenance", "retired"] | None = None
    """Of set_status."""
    category: Short | None = None
    """Of set_category."""
    command: fleet.BulkCommand | None = None
    args: dict[str, bool | int] = {}
    """Of a command: ``on`` for lights, ``kmh`` for speed_limit."""
    group: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    """Of join_group and leave_group: id or name."""
    ids: Annotated[list[str], Meta(min_length=1, max_length=fleet.MOST_VEHICLES)] | None = None
    filter: Filter | None = None


class BulkView(msgspec.Struct, frozen=True, kw_only=True):
    """A job: running -> done, failed or cancelled. ``done + failed`` of ``total`` are through."""

    id: str
    operation: str
    value: str
    """The status, category, command, the group's id, or how an import is done."""
    args: dict[str, bool | int]
    status: str
    phase: str | None
    """Of an import: checking, writing."""
    total: int
    done: int
    """A command is done when it is queued. Rows of an import are there when the job is done."""
    failed: int
    undo_of: str | None
    undone_by: str | None
    created_by: str | None
    created_at: str
    finished_at: str | None
    result: ImportResult | None
    """Of an import, once it has ended: each problem by row, column and rule."""


class BulkList(msgspec.Struct, frozen=True):
    """A page of jobs, newest first."""

    jobs: list[BulkView]
    pagination: web.Pagination


class FailureView(msgspec.Struct, frozen=True):
    """A vehicle that could not be done, and why."""

    vehicle_id: str
    identifier: str | None
    """None: there is no such vehicle."""
    reason: str
    """A code, such as VEHICLE_IN_USE, CHANGED_SINCE, COMMAND_NOT_SUPPORTED, UNKNOWN_VEHICLE."""


class FailureList(msgspec.Struct, frozen=True):
    """A page of failures."""

    failures: list[FailureView]
    pagination: web.Pagination


def _view(job: BulkJob) -> BulkView:
    return BulkView(
        id=ids.public("bulk", job.id),
        operation=job.kind,
        value=_value(job),
        args=job.args,
        status=job.state,
        phase=job.phase,
        total=job.total,
        done=job.done,
        failed=job.failed,
        undo_of=_named("bulk", job.undo_of),
        undone_by=_named("bulk", job.undone_by),
        created_by=_named("usr", job.created_by),
        created_at=clock.stamp(job.created_at),
        finished_at=clock.stamp(job.finished_at) if job.finished_at else None,
        result=job.result,
    )


def _value(job: BulkJob) -> str:
    if job.kind in ("join_group", "leave_group"):
        return ids.public(GROUP_PREFIX, UUID(job.value))
    return job.value


def _named(prefix: str, value: UUID | None) -> str | None:
    return ids.public(prefix, value) if value else None


def _new_id(call: Call, what: str) -> UUID:
    """The same for the same key: a repeat finds the job that it began."""
    return ids.derived(what, call.tenant, call.user, call.key) if call.key else ids.new()


_VALUES = {
    "set_status": "status", "set_category": "category", "command": "command",
    "join_group": "group", "leave_group": "group",
}  # fmt: skip
"""Where the value of each operation stands."""


async def _operation(call: Call, data: BulkBody) -> Operation:
    wanted = _VALUES[data.operation]
    for name in ("status", "category", "command", "group"):
        if name != wanted and getattr(data, name) is not None:
            raise Invalid(field=name, issue=f"does not belong to {data.operation}")
    value = getattr(data, wanted)
    if value is None:
        raise Invalid(field=wanted, issue="is missing")
    if wanted == "group":
        value = str(await group_id_of(call, value))
    return Operation(data.operation, value, data.args)


def _vehicles(named: list[str]) -> list[UUID]:
    found = []
    for place, each in enumerate(named):
        try:
            found.append(ids.parse(each, *PREFIX.values()))
        except NotFound:
            raise Invalid(field=f"ids[{place}]", issue="is no id of a vehicle") from None
    return found


@post(
    "/api/v1/vehicles/bulk",
    permission="fleet.vehicle.write",
    scoped=True,
    status_code=202,
    body_bytes=BULK_BYTES,
    request_max_body_size=BULK_BYTES,
    tags=["fleet"],
)
async def start_bulk(call: web.Caller, data: JSONBody[BulkBody]) -> BulkView:
    """Begin something on up to 50,000 vehicles; look at the job to see how far it is.

    For a command also ``fleet.command.create`` is needed. Send an ``Idempotency-Key``: a repeat
    then answers the same job.
    """
    chosen = None
    if data.filter is not None:
        chosen = Chosen(
            data.filter.type, data.filter.status, data.filter.category,
            await group_id_of(call, data.filter.group),
        )  # fmt: skip
    vehicles = None if data.ids is None else _vehicles(data.ids)
    operation = await _operation(call, data)
    return _view(await fleet.start_bulk(call, _new_id(call, "bulk"), operation, vehicles, chosen))


@post(
    "/api/v1/vehicles/imports",
    operation_class=_TakesCsv,
    permission="fleet.vehicle.create",
    status_code=202,
    request_max_body_size=IMPORT_BYTES,
    body_bytes=IMPORT_BYTES,
    tags=["fleet"],
)
async def start_import(
    call: web.Caller,
    body: RawBody,
    dry_run: FromQuery[bool] = True,
    mode: FromQuery[ImportMode] = "create",
) -> BulkView:
    """As ``/vehicles/import``, as a job: for large files, whose progress is to be seen (FLT-14).

    A file with problems ends as ``failed`` and nothing is imported; a dry run ends as ``done``.
    """
    job_id = _new_id(call, "import")
    return _view(await fleet.start_import(call, job_id, mode, dry_run, bytes(body)))


@get("/api/v1/bulk", permission="fleet.live.read", scoped=True, tags=["fleet"])
async def bulk_jobs(call: web.Caller, limit: web.Limit = 50, offset: web.Offset = 0) -> BulkList:
    """Jobs of the last 30 days, newest first."""
    page = await fleet.bulk_jobs(call, limit, offset)
    jobs = [_view(job) for job in page.jobs]
    return BulkList(jobs, web.pagination(page.total, limit, offset, len(jobs)))


@get("/api/v1/bulk/{job_id:str}", permission="fleet.live.read", scoped=True, tags=["fleet"])
async def bulk_job(call: web.Caller, job_id: FromPath[str]) -> BulkView:
    """One job and how far it has come."""
    return _view(await fleet.bulk_job(call, ids.parse(job_id, "bulk")))


@get(
    "/api/v1/bulk/{job_id:str}/failures", permission="fleet.live.read", scoped=True, tags=["fleet"]
)
async def bulk_failures(
    call: web.Caller, job_id: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> FailureList:
    """What a job could not do, vehicle by vehicle."""
    page = await fleet.bulk_failures(call, ids.parse(job_id, "bulk"), limit, offset)
    shown = [
        FailureView(
            ids.public(PREFIX[each.vehicle_type], each.vehicle_id)
            if each.vehicle_type
            else str(each.vehicle_id),
            each.identifier,
            each.reason,
        )
        for each in page.failures
    ]
    return FailureList(shown, web.pagination(page.total, limit, offset, len(shown)))


@post(
    "/api/v1/bulk/{job_id:str}/cancel",
    permission="fleet.vehicle.write",
    scoped=True,
    status_code=200,
    tags=["fleet"],
)
async def cancel_bulk(call: web.Caller, job_id: FromPath[str]) -> BulkView:
    """Stop a job. What is done stays done; of an import nothing is."""
    return _view(await fleet.cancel_bulk(call, ids.parse(job_id, "bulk")))


@post(
    "/api/v1/bulk/{job_id:str}/undo",
    permission="fleet.vehicle.write",
    scoped=True,
    status_code=202,
    tags=["fleet"],
)
async def undo_bulk(call: web.Caller, job_id: FromPath[str]) -> BulkView:
    """Give each vehicle back the status, category or group it had, unless it was changed since."""
    return _view(await fleet.undo_bulk(call, ids.parse(job_id, "bulk")))


handlers = [
    start_bulk,
    start_import,
    bulk_jobs,
    bulk_job,
    bulk_failures,
    cancel_bulk,
    undo_bulk,
]
