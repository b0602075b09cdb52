"""A fleet as a CSV file (FLT-12, FLT-13), as spreadsheets write it.

UTF-8 with or without a byte order mark; comma or semicolon (the header decides); any line ends.
The five columns of FLT-12 must be there, in any order; five more may be. Cells are trimmed, empty
ones are left out, blank lines are passed over. Columns that only an export knows are passed over,
and so is the apostrophe it puts before what a spreadsheet would take for a formula: a file that was
exported can be changed and imported. Nothing here knows the fleet: what is already taken is checked
by whoever imports.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.fleet import rules
from fahrwerk.fleet.contract import ImportProblem, NewVehicle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUIRED = ("identifier", "model", "brand", "license_plate", "qr_code")
OPTIONAL = ("vehicle_type", "category", "external_id", "latitude", "longitude")
EXPORTED = ("id", "status", "battery_level", "odometer_m", "trips", "last_seen_at", "created_at")
"""What an export shows besides; an import passes it over."""
MOST_ROWS = 50_000
MOST_BYTES = 10_000_000
UNIQUE = ("identifier", "qr_code", "external_id")
_DEGREES = re.compile(r"-?\d{1,3}([.,]\d{1,15})?")

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; ``bare`` is the way back."""
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def bare(cell: str) -> str:
    """What ``safe`` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class Sheet(msgspec.Struct, frozen=True):
    """What was read: good rows by their number, the number of all, and what is wrong."""

    rows: int
    vehicles: dict[int, NewVehicle]
    problems: list[ImportProblem]
    given: dict[int, frozenset[str]] = {}
    """The columns that a row says something in."""


def read(raw: bytes, told: Callable[[int], None] = lambda _: None) -> Sheet:
    """Read a file. Never raises: a file that is none is one problem, in row 0 (the header).

    ``told`` hears now and then how many rows have been read.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _no_sheet("", f"must be UTF-8 (byte {error.start + 1} is not)")
    first_line = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().lower() for cell in next((r for r in records if any(r)), [])]
        if wrong := list(_header_problems(header)):
            return Sheet(0, {}, wrong)
        return _body(header, enumerate(records, start=1), told)
    except csv.Error as error:
        return _no_sheet("", f"is not CSV: {error} (line {records.line_num})")


def _no_sheet(column: str, rule: str) -> Sheet:
    return Sheet(0, {}, [ImportProblem(0, column, rule)])


def _header_problems(header: list[str]) -> Iterator[ImportProblem]:
    for name in REQUIRED:
        if name not in header:
            yield ImportProblem(0, name, "this column is missing")
    for place, name in enumerate(header):
        if name not in REQUIRED + OPTIONAL + EXPORTED:
            yield ImportProblem(0, name[:50], "there is no such column")
        elif name in header[:place]:
            yield ImportProblem(0, name, "this column stands there twice")
    if ("latitude" in header) != ("longitude" in header):
        yield ImportProblem(0, "latitude", "latitude and longitude come together")


def _body(
    header: list[str], records: Iterator[tuple[int, list[str]]], told: Callable[[int], None]
) -> Sheet:
    rows = 0
    given: dict[int, frozenset[str]] = {}
    alike: dict[frozenset[str], frozenset[str]] = {}  # most rows fill in the same columns
    vehicles: dict[int, NewVehicle] = {}
    problems: list[ImportProblem] = []
    seen: dict[tuple[str, str], int] = {}
    for number, record in records:
        if not any(cell.strip() for cell in record):
            continue
        rows += 1
        if rows > MOST_ROWS:
            problems.append(ImportProblem(number, "", f"more than {MOST_ROWS:,} rows"))
            break
        if rows % 1_000 == 0:
            told(rows)
        vehicle, wrong = _row(header, record)
        for name in UNIQUE if vehicle else ():
            if (value := getattr(vehicle, name)) is not None:
                first = seen.setdefault((name, value), number)
                if first != number:
                    wrong.append((name, f"is the same as in row {first}"))
        if vehicle is not None and not wrong:
            vehicles[number] = vehicle
            names = frozenset(n for n, c in zip(header, record, strict=True) if c.strip())
            given[number] = alike.setdefault(names, names)
        problems += [ImportProblem(number, column, rule) for column, rule in wrong]
    if not rows:
        problems.append(ImportProblem(0, "", "there are no rows below the header"))
    return Sheet(rows, vehicles, problems, given)


def _row(header: list[str], record: list[str]) -> tuple[NewVehicle | None, list[tuple[str, str]]]:
    if len(record) != len(header):
        return None, [("", f"has {len(record)} cells, the header has {len(header)}")]
    cells = {
        name: bare(cell.strip())
        for name, cell in zip(header, record, strict=True)
        if cell.strip() and name not in EXPORTED
    }
    degrees: dict[str, float | None] = {"latitude": None, "longitude": None}
    wrong = [
        (name, "must not be empty")
        for name in ("identifier", "model", "brand")
        if name not in cells
    ]
    for name in degrees:
        if (text := cells.pop(name, None)) is not None:
            if _DEGREES.fullmatch(text):
                degrees[name] = float(text.replace(",", "."))
            else:
                wrong.append((name, "must be degrees, such as 52.520008"))
    if wrong:
        return None, wrong
    vehicle = rules.with_qr_code(
        NewVehicle(**cells, **degrees)  # type: ignore[arg-type]  # names are checked by the header
    )
    return vehicle, rules.flaws(vehicle)
