"""A fleet from a spreadsheet: every problem named, all rows or none (FLT-12, FLT-13, FLT-14)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import BadImport, ImportProblem
from fahrwerk.fleet.importers import vehicle_csv
from fahrwerk.kernel import db
from tests.fleet.street import news
from tests.world import World, make_world

HEADER = "identifier,model,brand,license_plate,qr_code"
FILE = f"""{HEADER}
SC001,Ninebot ES4,Segway,B-AB 123,SC001-QR
SC002,Xiaomi Mi Pro,Xiaomi,B-CD 456,SC002-QR
"""
"""The file of FLT-12, letter by letter."""


async def _count(world: World) -> int:
    return (await fleet.vehicles(world.admin(), None, None, None, 1_000, 1, 0)).total


def _rules(sheet: vehicle_csv.Sheet) -> list[tuple[int, str]]:
    return [(p.row, p.column) for p in sheet.problems]


async def test_the_file_of_the_manual_is_imported_after_a_look(world: World) -> None:
    """FLT-12, FLT-13: a dry run creates nothing, the real one everything."""
    looked = await fleet.import_vehicles(world.admin(), True, FILE.encode())
    assert looked == fleet.ImportResult(2, 2, 0, 0, [], True)
    assert await _count(world) == 0
    done = await fleet.import_vehicles(world.admin(), False, FILE.encode())
    assert done == fleet.ImportResult(2, 2, 2, 0, [], False)
    one = await fleet.find_vehicle(world.admin(), "SC001-QR")
    assert (one.identifier, one.model, one.brand, one.license_plate, one.vehicle_type) == (
        "SC001", "Ninebot ES4", "Segway", "B-AB 123", "scooter",
    )  # fmt: skip
    assert await news(world, one.id) == ["vehicle.created"]


async def test_all_or_nothing(world: World) -> None:
    """A file with one bad row creates nothing; the problem says row, column and rule."""
    await world.vehicle(identifier="SC001")
    text = f"{FILE}SC003,,Segway,,\nSC004,m,b,,\nSC004,m,b,,X\n"
    expected = [
        ImportProblem(1, "identifier", "is in the fleet already"),
        ImportProblem(1, "qr_code", "is in the fleet already"),
        ImportProblem(3, "model", "must not be empty"),
        ImportProblem(5, "identifier", "is the same as in row 4"),
    ]
    looked = await fleet.import_vehicles(world.admin(), True, text.encode())
    assert looked == fleet.ImportResult(5, 2, 0, 4, expected, True)
    with pytest.raises(BadImport) as bad:
        await fleet.import_vehicles(world.admin(), False, text.encode())
    assert bad.value.details["problem_count"] == 4
    assert bad.value.details["problems"][2] == {
        "row": 3, "column": "model", "rule": "must not be empty",
    }  # fmt: skip
    assert await _count(world) == 1


async def test_another_operator_may_have_the_same_numbers(world: World) -> None:
    """C-06"""
    other = await make_world()
    for each in (world, other):
        done = await fleet.import_vehicles(each.admin(), False, FILE.encode())
        assert done.created == 2


async def test_a_large_fleet_is_imported_at_once(world: World) -> None:
    """FLT-14: 6,000 rows here (several statements); 50,000 take a few seconds on two cores."""
    rows = "".join(f"SC{n:05},Ninebot ES4,Segway,,\n" for n in range(6_000))
    done = await fleet.import_vehicles(world.admin(), False, f"{HEADER}\n{rows}".encode())
    assert done.created == 6_000
    assert await _count(world) == 6_000
    told = await db.run(
        "fleet", world.system(),
        "SELECT count(*) AS n FROM kernel.event WHERE name = 'vehicle.created'",
    )  # fmt: skip
    assert told[0]["n"] == 6_000


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + FILE,
        FILE.replace("\n", "\r\n"),
        FILE.replace(",", ";"),
        "\n\n" + FILE.replace("\n", "\n\n") + ";;;;\n".replace(";", ","),
        FILE.replace("identifier", " Identifier "),
        FILE.rstrip("\n"),
    ],
    ids=["bom", "crlf", "semicolon", "blank lines", "header case", "no last line end"],
)
def test_what_spreadsheets_write_is_understood(text: str) -> None:
    sheet = vehicle_csv.read(text.encode())
    assert sheet.problems == []
    assert [v.identifier for v in sheet.vehicles.values()] == ["SC001", "SC002"]


def test_more_columns_in_any_order() -> None:
    text = (
        "latitude;longitude;qr_code;brand;model;identifier;license_plate;vehicle_type;category;"
        'external_id\n52,52;-13.405;Q1;"Se;gway";M;A1;;ebike;premium;12345\n'
    )
    [vehicle] = vehicle_csv.read(text.encode()).vehicles.values()
    assert (vehicle.latitude, vehicle.longitude) == (52.52, -13.405)
    assert (vehicle.brand, vehicle.vehicle_type, vehicle.category) == (
        "Se;gway",
        "ebike",
        "premium",
    )
    assert (vehicle.external_id, vehicle.qr_code, vehicle.license_plate) == ("12345", "Q1", None)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", [(0, name) for name in vehicle_csv.REQUIRED]),
        (HEADER, [(0, "")]),
        ("identifier,model,brand\nA,B,C\n", [(0, "license_plate"), (0, "qr_code")]),
        (f"{HEADER},colour\nA,B,C,D,E,F\n", [(0, "colour")]),
        (f"{HEADER},model\nA,B,C,D,E,F\n", [(0, "model")]),
        (f"{HEADER},latitude\nA,B,C,D,E,1\n", [(0, "latitude")]),
        (f"{HEADER}\nA,B,C\n", [(1, "")]),
        (f"{HEADER}\nA,B,C,D,E,F\n", [(1, "")]),
        (f"{HEADER}\n,,x,,\n", [(1, "identifier"), (1, "model")]),
        (f"{HEADER},vehicle_type\nA,B,C,D,E,boat\n", [(1, "vehicle_type")]),
        (f"{HEADER}\n{'A' * 51},B,C,D,E\n", [(1, "identifier")]),
        (f"{HEADER},latitude,longitude\nA,B,C,D,E,91,0\n", [(1, "latitude")]),
        (f"{HEADER},latitude,longitude\nA,B,C,D,E,nan,1e2\n", [(1, "latitude"), (1, "longitude")]),
        (f"{HEADER},latitude,longitude\nA,B,C,D,E,1,\n", [(1, "longitude")]),
        (f"{HEADER}\nA,B,C,,Q\nB,B,C,,Q\n", [(2, "qr_code")]),
        (f"{HEADER}\nA,B,C,,B-QR\nB,B,C,,\n", [(2, "qr_code")]),
        (f'{HEADER}\nA,"B,C,D,E\n', [(0, "")]),
    ],
)
def test_each_problem_is_named(text: str, problems: list[tuple[int, str]]) -> None:
    sheet = vehicle_csv.read(text.encode())
    assert _rules(sheet) == problems


def test_what_is_no_text_is_one_problem() -> None:
    assert _rules(vehicle_csv.read("Käfer".encode("latin-1"))) == [(0, "")]
    assert _rules(vehicle_csv.read(b"PK\x03\x04\xff\xfe")) == [(0, "")]


def test_fifty_thousand_rows_are_the_most() -> None:
    """FLT-14"""
    rows = "".join(f"S{n},m,b,,\n" for n in range(vehicle_csv.MOST_ROWS + 1))
    sheet = vehicle_csv.read(f"{HEADER}\n{rows}".encode())
    assert len(sheet.vehicles) == vehicle_csv.MOST_ROWS
    assert _rules(sheet) == [(vehicle_csv.MOST_ROWS + 1, "")]


_word = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C", "Z"]),
    min_size=1, max_size=20,
).filter(lambda word: not word.startswith("'"))  # fmt: skip
"""An apostrophe in front may be an export's, and is taken off again (test_export.py)."""
_fleet = st.lists(
    st.tuples(_word, _word, _word, st.just("") | _word, _word),
    min_size=1, max_size=8, unique_by=(lambda r: r[0], lambda r: r[4]),
)  # fmt: skip


@given(_fleet, st.sampled_from(",;"), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_is_read(
    rows: list[tuple[str, ...]], delimiter: str, line_end: str, mark: bool
) -> None:
    """Whatever stands in the cells, quoted as CSV quotes it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(HEADER.split(","))
    writer.writerows(rows)
    sheet = vehicle_csv.read(out.getvalue().encode("utf-8-sig" if mark else "utf-8"))
    assert sheet.problems == []
    read = [
        (v.identifier, v.model, v.brand, v.license_plate or "", v.qr_code)
        for v in sheet.vehicles.values()
    ]
    assert read == rows


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: f"{HEADER}\n{t}".encode()))
def test_any_bytes_at_all_are_read_without_an_accident(raw: bytes) -> None:
    sheet = vehicle_csv.read(raw)
    assert len(sheet.vehicles) <= sheet.rows
    assert sheet.problems or len(sheet.vehicles) == sheet.rows
