"""A whole tenant into a file and out of it: nothing lost, nothing done twice (TEN-16, TEN-29)."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from fahrwerk import tenants
from fahrwerk.kernel import audit, db, ids, moving
from fahrwerk.kernel.call import system
from fahrwerk.kernel.pump import Pump
from fahrwerk.payments.contract import ledger
from fahrwerk.rentals import contract as rentals
from fahrwerk.tenancy import contract as tenancy
from tests.furnished import Goods, watching
from tests.world import World

ROOT = tenants.ROOT


def quietly(_: str) -> None:
    """Nobody listens."""


def owner_of(database: db.Database) -> str:
    return database.dsn.replace("fahrwerk_app", "postgres")


async def exported(world: World, database: db.Database, path: Path) -> moving.Manifest:
    """An operator in the middle of its day, in a file."""
    goods = await Goods(world).furnish()
    await world.settle()
    while await audit.chain():
        pass
    await goods.close()
    await Pump().drain()
    return await moving.export(owner_of(database), ROOT, world.tenant, path, quietly)


async def test_round_trip(world: World, database: db.Database, tmp_path: Path) -> None:
    """Every row of every table, the books proven, the audit chain whole, no event handled again."""
    path = tmp_path / "tenant.zip"
    manifest = await exported(world, database, path)
    assert moving.check_file(path, quietly) == manifest
    counts = {part.table: part.rows for part in manifest.parts}
    for table in ("kernel.event", "kernel.audit", "payments.entry", "rentals.rental"):
        assert counts[table] > 0, table
    ours = await rentals.rentals(world.system(), None, 100, 0)
    watch = await watching(database, world.tenant)
    was = await watch.look()
    # What is unique in the world, a device's number say, cannot be there twice.
    twin = {"slug": f"twin-{ids.new().hex[-8:]}", "domain": None}
    with pytest.raises(moving.NotMoved, match="Another tenant here has it"):
        await moving.bring_in(owner_of(database), ROOT, path, ids.new(), twin, quietly)
    await moving.remove(owner_of(database), world.tenant, quietly)
    await watch.owner.execute("DELETE FROM tenancy.operator WHERE id = $1", world.tenant)
    own = {"status": "suspended"}
    await moving.bring_in(owner_of(database), ROOT, path, world.tenant, own, quietly)
    before = await watch.look()
    assert {t: n for t, (n, _) in before.items() if t not in moving.LEFT_OUT} == {
        t: n for t, (n, _) in was.items() if t not in moving.LEFT_OUT
    }
    said: list[str] = []
    assert await tenants.verified(world.tenant, world.operator.slug, "active", said.append) == 0, (
        said
    )
    await Pump().drain()  # what came in has been handled where it comes from
    after = await watch.look()
    await watch.owner.close()
    changed = {table for table in after if after[table] != before[table]}
    assert changed <= {"kernel.audit_head"}, changed  # sealed anew, and nothing else
    assert await ledger.proof(world.system()) == []
    assert await audit.verify(world.tenant) is None
    theirs = await rentals.rentals(world.system(), None, 100, 0)
    assert len(theirs) == 3
    assert theirs == ours
    assert (await tenancy.operator(world.system())).status == "active"


async def test_a_file_that_was_touched_is_refused(
    world: World, database: db.Database, tmp_path: Path
) -> None:
    """TEN-16: all or nothing; a row added to a member, a manifest that lies, another version."""
    path = tmp_path / "tenant.zip"
    await Pump().drain()
    manifest = await moving.export(owner_of(database), ROOT, world.tenant, path, quietly)
    wanted: dict[str, Any] = {"slug": f"no-{ids.new().hex[-8:]}", "domain": None}
    part = next(p for p in manifest.parts if p.table == "pricing.tariff")

    def touched(name: str, data: bytes, **changes: Any) -> Path:
        target = tmp_path / f"{ids.new().hex}.zip"
        lie = msgspec.json.encode(msgspec.structs.replace(manifest, **changes))
        with zipfile.ZipFile(path) as before, zipfile.ZipFile(target, "w") as after:
            for each in before.namelist():
                text = lie if each == moving.MANIFEST else before.read(each)
                after.writestr(each, data if each == name else text)
        return target

    with zipfile.ZipFile(path) as file:
        rows = file.read("pricing.tariff.copy")
    fewer = rows.split(b"\n", 1)[1]
    parts = [
        msgspec.structs.replace(p, sha256=hashlib.sha256(fewer).hexdigest()) if p == part else p
        for p in manifest.parts
    ]
    for bad, why in (
        (touched("pricing.tariff.copy", rows + rows), "not what was written"),
        (touched("pricing.tariff.copy", fewer, parts=parts), "not what it was"),
        (touched("", b"", schema="0"), "another version"),
        (tmp_path / "nothing.zip", "not a tenant's file"),
    ):
        tenant = ids.new()
        with pytest.raises(moving.NotMoved, match=why):
            await moving.bring_in(owner_of(database), ROOT, bad, tenant, wanted, quietly)
        assert await tenancy.operator_by_id(system(None, "t"), tenant) is None
    with pytest.raises(moving.NotMoved, match="has rows of this tenant"):
        await moving.bring_in(owner_of(database), ROOT, path, world.tenant, wanted, quietly)


async def test_a_tenant_is_deleted_whole_and_alone(world: World, database: db.Database) -> None:
    """Also what is append-only; and nothing of a neighbour."""
    from tests.world import make_world

    neighbour = await make_world()
    await neighbour.rider()
    await world.rider()
    await world.vehicle()
    await world.settle()
    beside = await watching(database, neighbour.tenant)
    before = await beside.look()
    assert await moving.remove(owner_of(database), world.tenant, quietly) > 10
    gone = await watching(database, world.tenant)
    assert {count for count, _ in (await gone.look()).values()} == {0}
    assert await beside.look() == before
    await gone.owner.close()
    await beside.owner.close()


async def test_every_table_of_a_tenant_is_in_the_file(database: db.Database) -> None:
    """By the catalogue: what others point at comes first; nothing points at a row's number."""
    owner = await asyncpg.connect(owner_of(database))
    try:
        found = [table.name for table in await moving.tables(owner)]
        rows = await owner.fetch(
            "SELECT n.nspname || '.' || c.relname AS name FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND n.nspname <> 'pg_catalog'"
        )
        assert {row["name"] for row in rows} == {*found, *moving.LEFT_OUT}
        assert found.index("identity.person") < found.index("identity.session")
        numbered = await owner.fetch(
            "SELECT c.conname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.confrelid "
            "AND a.attnum = ANY(c.confkey) WHERE c.contype = 'f' AND a.attidentity <> '' "
            "AND c.confrelid::regclass::text NOT LIKE 'jobs.%' "
            "AND c.confrelid::regclass::text NOT LIKE 'procrastinate%'"
        )
        assert [row["conname"] for row in numbered] == []
    finally:
        await owner.close()
