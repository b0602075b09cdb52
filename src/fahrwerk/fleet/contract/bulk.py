"""Operations on up to 50,000 vehicles at once, and imports of large files, as jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec

from fahrwerk.fleet.contract import ImportResult
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict, NotFound

MOST_VEHICLES = 50_000
MOST_RUNNING = 10
"""Jobs of one operator."""
BulkKind = Literal["set_status", "set_category", "command", "import", "join_group", "leave_group"]
BulkState = Literal["running", "done", "failed", "cancelled"]
ImportMode = Literal["create", "update", "upsert"]
BulkCommand = Literal["lock", "sound", "lights", "speed_limit"]
COMMANDS: tuple[str, ...] = get_args(BulkCommand)
"""Unlocking stays a matter of one vehicle: a mistake would open a city."""
MODES: tuple[str, ...] = get_args(ImportMode)


class Operation(msgspec.Struct, frozen=True):
    """What is to be done with each vehicle."""

    kind: BulkKind
    value: str
    """The status (available, maintenance, retired), the category, the command, the group's id."""
    args: dict[str, bool | int] = {}
    """Of a command."""


class Chosen(msgspec.Struct, frozen=True):
    """Vehicles by what they are when the job is started; None = any.

    Retired ones only where that ``status`` is asked for.
    """

    vehicle_type: str | None = None
    status: str | None = None
    category: str | None = None
    group_id: UUID | None = None


class BulkJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job and how far it has come. Times UTC."""

    id: UUID
    kind: BulkKind
    value: str
    args: dict[str, bool | int]
    state: BulkState
    phase: str | None
    """Of an import: checking, writing. Rows that are being written are there when it is done."""
    total: int
    done: int
    """A command is done when it is queued; what the vehicle answers stands in its commands."""
    failed: int
    undo_of: UUID | None
    undone_by: UUID | None
    created_by: UUID | None
    created_at: datetime
    finished_at: datetime | None
    result: ImportResult | None
    """Of an import, when it is finished."""


class BulkJobs(msgspec.Struct, frozen=True):
    """A page of jobs, newest first."""

    jobs: list[BulkJob]
    total: int


class BulkFailure(msgspec.Struct, frozen=True):
    """A vehicle that a job could not do, and why: an error code."""

    vehicle_id: UUID
    vehicle_type: str | None
    """None: there is no such vehicle."""
    identifier: str | None
    reason: str


class BulkFailures(msgspec.Struct, frozen=True):
    """A page of failures, in the order that was asked for."""

    failures: list[BulkFailure]
    total: int


class UnknownJob(NotFound):
    """No such job with this operator."""

    code = "UNKNOWN_JOB"
    message = "There is no such job."


class JobOver(Conflict):
    """The job has ended already."""

    code = "JOB_OVER"
    message = "This job has ended."


class TooManyJobs(Conflict):
    """Ten jobs of this operator are running."""

    code = "TOO_MANY_JOBS"
    message = "Too many jobs are running. Wait until one has ended."


class NotUndoable(Conflict):
    """It is running, was undone before, or cannot be undone: a command, an import."""

    code = "NOT_UNDOABLE"
    message = "This job cannot be undone."


@action
async def start_bulk(
    call: Call,
    job_id: UUID,
    operation: Operation,
    vehicle_ids: list[UUID] | None,
    chosen: Chosen | None,
) -> BulkJob:
    """Begin an operation on vehicles named, or else chosen; the worker does it, in their order.

    At most 50,000. The same id = the same job. Permission ``fleet.vehicle.write``, for a command
    ``fleet.command.create``. Raises ``Invalid``, ``UnknownGroup``, ``TooManyJobs``.
    """
    raise AssertionError


@action
async def start_import(call: Call, job_id: UUID, mode: str, dry_run: bool, csv: bytes) -> BulkJob:
    """Begin the import of a file (``import_vehicles`` says which); all of its rows or none.

    The same id = the same job. Permission ``fleet.vehicle.create``, to update existing vehicles
    also ``fleet.vehicle.write``. A file with problems ends as ``failed``, a dry run as ``done``;
    both name them in ``result``. Raises ``Invalid``, ``BadImport`` (too large), ``TooManyJobs``.
    """
    raise AssertionError


@action
async def cancel_bulk(call: Call, job_id: UUID) -> BulkJob:
    """Stop a job: what is done stays done, an import then has done nothing.

    Permission ``fleet.vehicle.write``; harmless to repeat. Raises ``UnknownJob``, ``JobOver``.
    """
    raise AssertionError


@action
async def undo_bulk(call: Call, job_id: UUID) -> BulkJob:
    """Give each vehicle back the status, category or group it had.

    Permission ``fleet.vehicle.write``. A job of its own. Vehicles that were changed since are left
    as they are and named as failed: ``CHANGED_SINCE``. Asked again, it is the same job. Raises
    ``UnknownJob``, ``NotUndoable``.
    """
    raise AssertionError


@query
async def bulk_job(call: Call, job_id: UUID) -> BulkJob:
    """One job (permission ``fleet.live.read``). Raises ``UnknownJob``."""
    raise AssertionError


@query
async def bulk_jobs(call: Call, limit: int, offset: int) -> BulkJobs:
    """Jobs of the last 30 days (permission ``fleet.live.read``)."""
    raise AssertionError


@query
async def bulk_failures(call: Call, job_id: UUID, limit: int, offset: int) -> BulkFailures:
    """What a job could not do (permission ``fleet.live.read``). Raises ``UnknownJob``."""
    raise AssertionError
