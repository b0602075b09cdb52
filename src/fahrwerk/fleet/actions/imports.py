"""Importing a whole fleet: all of its rows in one transaction, or none (FLT-12..14).

A row creates a vehicle, or, in the modes ``update`` and ``upsert``, changes the master data of the
one that has its identifier. What a row leaves empty stays as it is then, and so do type and place.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.actions import plan_limit
from fahrwerk.fleet.actions.edges import refused_by, title
from fahrwerk.fleet.actions.vehicles import CODES_ARE_UNIQUE, add_within
from fahrwerk.fleet.contract import BadImport, ImportProblem, ImportResult
from fahrwerk.fleet.contract.bulk import MODES
from fahrwerk.fleet.events import VehicleChanged
from fahrwerk.fleet.importers import vehicle_csv
from fahrwerk.kernel import db, events, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy.contract import LimitReached

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.fleet.contract import NewVehicle
    from fahrwerk.fleet.importers.vehicle_csv import Sheet
    from fahrwerk.kernel.call import Call

SHOWN_PROBLEMS = 1_000
_AT_ONCE = 2_500
"""Vehicles per statement: well within the time a statement may take."""
_CHANGEABLE = ("model", "brand", "category", "external_id", "license_plate", "qr_code")


class Plan(msgspec.Struct, frozen=True):
    """What a file comes to: vehicles to create, rows that may change one, and what it reports."""

    new: list[NewVehicle]
    known: list[tuple[NewVehicle, frozenset[str]]]
    """With the columns that say something."""
    result: ImportResult
    most: int | None = None
    """Vehicles that the operator's plan allows."""


async def import_vehicles(
    call: Call, dry_run: bool, csv: bytes, mode: str = "create"
) -> ImportResult:
    call.require("fleet.vehicle.create")
    if mode != "create":
        call.require("fleet.vehicle.write")
    if mode not in MODES:
        raise Invalid(field="mode", issue=f"must be one of {', '.join(MODES)}")
    if len(csv) > vehicle_csv.MOST_BYTES:
        raise BadImport(field="body", issue=f"more than {vehicle_csv.MOST_BYTES:,} bytes")
    plan = await checked(call, dry_run, csv, mode)
    if dry_run:
        return plan.result
    if plan.result.problem_count:
        raise BadImport(**msgspec.to_builtins(plan.result))
    with refused_by(**CODES_ARE_UNIQUE):
        async with db.tx("fleet", call) as tx:
            return await write_within(tx, call, plan)


async def checked(
    call: Call, dry_run: bool, csv: bytes, mode: str, told: Callable[[int], None] = lambda _: None
) -> Plan:
    """Read a file and hold it against the fleet; nothing is written."""
    # Seconds of pure computing for a large file: not on the loop that answers everybody else.
    sheet = await asyncio.to_thread(vehicle_csv.read, csv, told)
    known = await _known_types(call, sheet)
    new = sum(each.identifier not in known for each in sheet.vehicles.values())
    found = [*sheet.problems, *_misplaced(sheet, known, mode), *await _taken(call, sheet, mode)]
    found += await _too_many(call, new)
    problems = sorted(found, key=lambda p: (p.row, p.column))
    result = ImportResult(
        rows=sheet.rows,
        valid=sheet.rows - len({p.row for p in problems if p.row}),
        created=0,
        problem_count=len(problems),
        problems=problems[:SHOWN_PROBLEMS],
        dry_run=dry_run,
    )
    rows = sheet.vehicles.items()
    return Plan(
        [vehicle for _, vehicle in rows if vehicle.identifier not in known],
        [(vehicle, sheet.given[row]) for row, vehicle in rows if vehicle.identifier in known],
        result,
        await plan_limit.allowed(call),
    )


async def write_within(
    tx: db.Tx, call: Call, plan: Plan, told: Callable[[int], None] = lambda _: None
) -> ImportResult:
    """Do what was planned as part of a transaction."""
    written, updated = 0, 0
    if plan.new:
        await plan_limit.check_within(tx, plan.most, len(plan.new))
    wanted = iter(plan.new)
    while part := list(islice(wanted, _AT_ONCE)):
        await add_within(tx, call, [ids.new() for _ in part], part)
        written += len(part)
        told(written)
    known = iter(plan.known)
    while some := list(islice(known, _AT_ONCE)):
        updated += await _change_within(tx, call, some)
        written += len(some)
        told(written)
    return msgspec.structs.replace(plan.result, created=len(plan.new), updated=updated)


async def _too_many(call: Call, new: int) -> list[ImportProblem]:
    """The operator's plan, as a problem of the whole file."""
    try:
        await plan_limit.check_room(call, new)
    except LimitReached as full:
        return [too_many(full)]
    return []


def too_many(full: LimitReached) -> ImportProblem:
    """The operator's plan, as a problem of the whole file."""
    about = full.details
    issue = f"your plan allows {about['allowed']} vehicles, you have {about['used']}"
    return ImportProblem(0, "", issue)


_TYPES = "SELECT identifier, vehicle_type FROM fleet.vehicle WHERE identifier = ANY($1)"


async def _known_types(call: Call, sheet: Sheet) -> dict[str, str]:
    """The types of those vehicles of the file that the fleet has already."""
    wanted = [vehicle.identifier for vehicle in sheet.vehicles.values()]
    return {
        row["identifier"]: row["vehicle_type"]
        for row in await db.run("fleet", call, _TYPES, wanted)
    }


def _misplaced(sheet: Sheet, known: dict[str, str], mode: str) -> list[ImportProblem]:
    """Rows that would create what is there, or change what is not, or what cannot be changed."""
    found = []
    for row, vehicle in sheet.vehicles.items():
        has = known.get(vehicle.identifier)
        if has is None and mode == "update":
            found.append(ImportProblem(row, "identifier", "is not in the fleet"))
        elif has is not None and mode == "create":
            found.append(ImportProblem(row, "identifier", "is in the fleet already"))
        elif has not in (None, vehicle.vehicle_type) and "vehicle_type" in sheet.given[row]:
            found.append(ImportProblem(row, "vehicle_type", f"cannot be changed: it is a {has}"))
    return found


_TAKEN = """
SELECT 'qr_code' AS field, qr_code AS value, identifier FROM fleet.vehicle
WHERE qr_code = ANY($1)
UNION ALL SELECT 'external_id', external_id, identifier FROM fleet.vehicle
WHERE external_id = ANY($2)
"""


async def _taken(call: Call, sheet: Sheet, mode: str) -> list[ImportProblem]:
    """Codes of the file that another vehicle of the fleet has already.

    Of a row that only creates, the vehicle that is there under its identifier is another one too.
    """
    names = ("qr_code", "external_id")
    columns = [
        {value: row for row, v in sheet.vehicles.items() if (value := getattr(v, name)) is not None}
        for name in names
    ]
    by_name = dict(zip(names, columns, strict=True))
    found = []
    for taken in await db.run("fleet", call, _TAKEN, *map(list, columns)):
        row = by_name[taken["field"]][taken["value"]]
        if mode == "create" or sheet.vehicles[row].identifier != taken["identifier"]:
            found.append(ImportProblem(row, taken["field"], "is in the fleet already"))
    return found


_CHANGE = f"""
WITH wanted AS (
    SELECT v.id, {", ".join(f"coalesce(w.{name}, v.{name}) AS {name}" for name in _CHANGEABLE)}
    FROM unnest($1::text[], {", ".join(f"${n}::text[]" for n in range(2, 8))})
         AS w (identifier, {", ".join(_CHANGEABLE)})
    JOIN fleet.vehicle v ON v.tenant_id = kernel.tenant() AND v.identifier = w.identifier
    ORDER BY v.id FOR UPDATE OF v
), changed AS (
    UPDATE fleet.vehicle v
    SET {", ".join(f"{name} = w.{name}" for name in _CHANGEABLE)},
        version = version + 1, updated_at = kernel.now()
    FROM wanted w
    WHERE v.tenant_id = kernel.tenant() AND v.id = w.id
      AND ({", ".join(f"v.{name}" for name in _CHANGEABLE)}) IS DISTINCT FROM
          ({", ".join(f"w.{name}" for name in _CHANGEABLE)})
    RETURNING v.id, v.version, v.status
), told AS (
    {events.INSERT}
    SELECT 'vehicle:' || id, version, $8, $9,
           jsonb_build_object('vehicle_id', id, 'status', status), $10, $11 FROM changed
)
SELECT count(*) AS changed FROM changed
"""


async def _change_within(
    tx: db.Tx, call: Call, rows: list[tuple[NewVehicle, frozenset[str]]]
) -> int:
    """Change master data; how many of them were different."""

    def column(name: str) -> list[str | None]:
        return [getattr(vehicle, name) if name in given else None for vehicle, given in rows]

    [row] = await tx.run(
        _CHANGE, [vehicle.identifier for vehicle, _ in rows], *map(column, _CHANGEABLE),
        *title(VehicleChanged), call.actor, call.trace,
    )  # fmt: skip
    return int(row["changed"])
