"""The fleet as a file that a spreadsheet opens and the import reads back (FLT-12..14)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import BadImport, ImportProblem
from fahrwerk.fleet.contract.live import EXPORT_COLUMNS
from fahrwerk.fleet.importers.vehicle_csv import EXPORTED, OPTIONAL, REQUIRED, bare, safe
from fahrwerk.kernel import db
from fahrwerk.kernel.errors import Forbidden
from tests.fleet.street import news
from tests.world import World, make_world

URL = "/api/v1/vehicles.csv"


async def _export(world: World, query: str = "") -> str:
    async with world.client(world.call("provider")) as client:
        answer = await client.get(f"{URL}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.content.decode()


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_import_knows_every_column_of_the_export() -> None:
    assert set(EXPORT_COLUMNS) == {*REQUIRED, *OPTIONAL, *EXPORTED}
    assert set(EXPORT_COLUMNS[: len(REQUIRED + OPTIONAL)]) == {*REQUIRED, *OPTIONAL}


async def test_what_is_exported_can_be_imported_elsewhere(world: World) -> None:
    """The same vehicles come out of the other operator's fleet; here nothing changes."""
    await world.vehicle(identifier="A;1", model='Say "x", y', brand="Ö", category="gold")
    await world.vehicle("car", -33.5, -70.25, identifier="=A1+2", license_plate="B-AB 1")
    await world.vehicle(identifier="-5", external_id="@x", qr_code="'=q")
    text = await _export(world)
    other = await make_world()
    done = await fleet.import_vehicles(other.admin(), False, text.encode(), "upsert")
    assert (done.created, done.updated) == (3, 0)
    ours = REQUIRED + OPTIONAL
    again = _rows(await _export(other))
    assert [{n: r[n] for n in ours} for r in again] == [
        {n: r[n] for n in ours} for r in _rows(text)
    ]
    found = await fleet.find_vehicle(other.admin(), "=A1+2")
    assert (found.vehicle_type, found.latitude, found.longitude) == ("car", -33.5, -70.25)
    same = await fleet.import_vehicles(world.admin(), False, text.encode(), "update")
    assert (same.created, same.updated) == (0, 0)


async def test_no_cell_is_a_formula(world: World) -> None:
    """Security: quoted, and with an apostrophe before what a spreadsheet would carry out."""
    await world.vehicle(identifier="=cmd|x", model="+49", brand="@SUM(1)", longitude=-0.125)
    text = await _export(world)
    assert '"\'=cmd|x"' in text
    assert '"\'+49"' in text
    assert '"\'@SUM(1)"' in text
    assert '"-0.125"' in text  # a number does nothing
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))


@given(st.text(alphabet="'=+-@\t\rab1.", max_size=6))
def test_safe_and_back(cell: str) -> None:
    shown = safe(cell)
    assert bare(shown) == cell
    assert not shown.startswith(("=", "+", "@", "\t", "\r"))
    assert not shown.startswith("-") or float(shown) <= 0


async def test_filters_and_who_may(world: World) -> None:
    await world.vehicle("car", 52.0, 13.0, identifier="car")
    await world.vehicle(identifier="sco")
    assert [r["identifier"] for r in _rows(await _export(world, "?type=car"))] == ["car"]
    assert _rows(await _export(world, "?status=offline")) == []
    assert [r["identifier"] for r in _rows(await _export(world, "?box=51,12,52.1,14"))] == ["car"]
    rider = await world.rider()
    async with world.client(rider) as client:
        assert (await client.get(URL)).status_code == 403
    assert _rows(await _export(await make_world())) == []
    with pytest.raises(Forbidden):
        await fleet.import_vehicles(world.call("support"), True, b"", "update")


async def test_update_changes_what_is_said_and_nothing_else(world: World) -> None:
    one = await world.vehicle(identifier="A", license_plate="B-1", category="gold")
    await world.vehicle(identifier="B", qr_code="Q")
    head = "identifier,model,brand,license_plate,qr_code,category"
    text = f"{head}\nA,New,Segway,,,\nB,Ninebot ES4,Segway,B-2,Q,\n".encode()
    done = await fleet.import_vehicles(world.admin(), False, text, "update")
    assert (done.created, done.updated) == (0, 2)
    found = await fleet.find_vehicle(world.admin(), "A")
    assert (found.model, found.license_plate, found.category, found.qr_code) == (
        "New", "B-1", "gold", "A-QR",
    )  # fmt: skip
    assert await news(world, one.id) == ["vehicle.created", "vehicle.changed"]
    again = await fleet.import_vehicles(world.admin(), False, text, "update")
    assert again.updated == 0
    assert await news(world, one.id) == ["vehicle.created", "vehicle.changed"]


async def test_what_cannot_be_updated_is_named(world: World) -> None:
    await world.vehicle(identifier="A")
    await world.vehicle(identifier="B", qr_code="Q")
    head = "identifier,model,brand,license_plate,qr_code,vehicle_type"
    text = f"{head}\nA,m,b,,Q,car\nC,m,b,,,\n".encode()
    looked = await fleet.import_vehicles(world.admin(), True, text, "update")
    assert looked.problems == [
        ImportProblem(1, "qr_code", "is in the fleet already"),
        ImportProblem(1, "vehicle_type", "cannot be changed: it is a scooter"),
        ImportProblem(2, "identifier", "is not in the fleet"),
    ]
    with pytest.raises(BadImport):
        await fleet.import_vehicles(world.admin(), False, text, "update")
    upsert = await fleet.import_vehicles(world.admin(), True, text, "upsert")
    assert [p.row for p in upsert.problems] == [1, 1]


_COUNT = "SELECT count(*) AS n, count(DISTINCT identifier) AS names FROM fleet.vehicle"


async def test_fifty_thousand_there_and_back(world: World) -> None:
    """FLT-14: exported part by part, imported in one transaction, unchanged."""
    head = "identifier,model,brand,license_plate,qr_code,vehicle_type,latitude,longitude"
    lines = (
        f"S{n:06},Ninebot ES4,Segway,,S{n:06}-QR,scooter,52.{n:06},-13.{n:06}"
        for n in range(50_000)
    )
    text = "\n".join([head, *lines])
    done = await fleet.import_vehicles(world.admin(), False, text.encode())
    assert done.created == 50_000
    exported = await _export(world, "?columns=import")
    assert len(exported) < 7_000_000
    other = await make_world()
    done = await fleet.import_vehicles(other.admin(), False, exported.encode(), "upsert")
    assert (done.created, done.updated, done.problem_count) == (50_000, 0, 0)
    [counted] = await db.run("fleet", other.system(), _COUNT)
    assert (counted["n"], counted["names"]) == (50_000, 50_000)
