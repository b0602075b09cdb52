"""Importing a whole fleet: all of its rows in one transaction, or none (FLT-12..14)."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet.actions.edges import refused_by
from fahrwerk.fleet.actions.vehicles import CODES_ARE_UNIQUE, add_within
from fahrwerk.fleet.contract import BadImport, ImportProblem, ImportResult
from fahrwerk.fleet.importers import vehicle_csv
from fahrwerk.kernel import db, ids

if TYPE_CHECKING:
    from fahrwerk.fleet.importers.vehicle_csv import Sheet
    from fahrwerk.kernel.call import Call

SHOWN_PROBLEMS = 1_000
_AT_ONCE = 2_500
"""Vehicles per statement: well within the time a statement may take."""


async def import_vehicles(call: Call, dry_run: bool, csv: bytes) -> ImportResult:
    call.require("fleet.vehicle.create")
    if len(csv) > vehicle_csv.MOST_BYTES:
        raise BadImport(field="body", issue=f"more than {vehicle_csv.MOST_BYTES:,} bytes")
    # Seconds of pure computing for a large file: not on the loop that answers everybody else.
    sheet = await asyncio.to_thread(vehicle_csv.read, csv)
    problems = sorted(
        [*sheet.problems, *await _already_taken(call, sheet)], key=lambda p: (p.row, p.column)
    )
    result = ImportResult(
        rows=sheet.rows,
        valid=sheet.rows - len({p.row for p in problems if p.row}),
        created=0,
        problem_count=len(problems),
        problems=problems[:SHOWN_PROBLEMS],
        dry_run=dry_run,
    )
    if dry_run:
        return result
    if problems:
        raise BadImport(**msgspec.to_builtins(result))
    with refused_by(**CODES_ARE_UNIQUE):
        async with db.tx("fleet", call) as tx:
            wanted = iter(sheet.vehicles.values())
            while part := list(islice(wanted, _AT_ONCE)):
                await add_within(tx, call, [ids.new() for _ in part], part)
    return msgspec.structs.replace(result, created=len(sheet.vehicles))


_TAKEN = """
SELECT 'identifier' AS field, identifier AS value FROM fleet.vehicle WHERE identifier = ANY($1)
UNION ALL SELECT 'qr_code', qr_code FROM fleet.vehicle WHERE qr_code = ANY($2)
UNION ALL SELECT 'external_id', external_id FROM fleet.vehicle WHERE external_id = ANY($3)
"""


async def _already_taken(call: Call, sheet: Sheet) -> list[ImportProblem]:
    """Codes of the file that the fleet has already."""
    columns = [
        {value: row for row, v in sheet.vehicles.items() if (value := getattr(v, name)) is not None}
        for name in vehicle_csv.UNIQUE
    ]
    rows = await db.run("fleet", call, _TAKEN, *map(list, columns))
    by_name = dict(zip(vehicle_csv.UNIQUE, columns, strict=True))
    return [
        ImportProblem(by_name[row["field"]][row["value"]], row["field"], "is in the fleet already")
        for row in rows
    ]
