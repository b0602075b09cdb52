"""A whole tenant into a file and out of it: nothing lost, nothing done twice (TEN-16, TEN-29)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from fahrwerk import secrets, tenants
from fahrwerk.feeds.actions import agencies
from fahrwerk.fleet import contract as fleet
from fahrwerk.identity.actions import totp
from fahrwerk.identity.contract import roles
from fahrwerk.identity.contract.roles import Grant
from fahrwerk.kernel import (
    archive,
    audit,
    belongings,
    clock,
    crypto,
    db,
    ids,
    moving,
    names,
    transport,
)
from fahrwerk.kernel.call import system
from fahrwerk.kernel.migrate import APP_LOGIN, migrate
from fahrwerk.kernel.postgres import EmbeddedPostgres
from fahrwerk.kernel.pump import Pump
from fahrwerk.kernel.settings import Settings
from fahrwerk.payments.contract import ledger
from fahrwerk.payments.gateways import _accounts
from fahrwerk.rentals import contract as rentals
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import brands
from tests.furnished import Goods, watching
from tests.world import World

ROOT = tenants.ROOT


def quietly(_: str) -> None:
    """Nobody listens."""


def owner_of(database: db.Database) -> str:
    return database.dsn.replace("fahrwerk_app", "postgres")


async def exported(world: World, database: db.Database, path: Path) -> archive.Manifest:
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
    assert archive.check_file(path, quietly) == manifest
    counts = {part.table: part.rows for part in manifest.parts}
    for table in ("kernel.event", "kernel.audit", "payments.entry", "rentals.rental"):
        assert counts[table] > 0, table
    ours = await rentals.rentals(world.system(), None, 100, 0)
    watch = await watching(database, world.tenant)
    was = await watch.look()
    # What is unique in the world, a device's number say, cannot be there twice.
    twin = {"slug": f"twin-{ids.new().hex[-8:]}", "domain": None}
    with pytest.raises(belongings.NotMoved, match="Another tenant here has it"):
        await moving.bring_in(owner_of(database), ROOT, path, ids.new(), twin, quietly)
    await moving.remove(owner_of(database), world.tenant, quietly)
    await watch.owner.execute("DELETE FROM tenancy.operator WHERE id = $1", world.tenant)
    own = {"status": "suspended"}
    await moving.bring_in(owner_of(database), ROOT, path, world.tenant, own, quietly)
    before = await watch.look()
    assert {t: n for t, (n, _) in before.items() if t not in belongings.LEFT_OUT} == {
        t: n for t, (n, _) in was.items() if t not in belongings.LEFT_OUT
    }
    said: list[str] = []
    with clock.moved_to(clock.now() + timedelta(seconds=60)):  # what waits for the gateway is over
        holds = await tenants.verified(world.tenant, world.operator.slug, "active", said.append)
    assert holds == 0, said
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


OWNER = "fahrwerk_other_owner"
_OWNER = f"""
DO $$ BEGIN CREATE ROLE {OWNER} LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object THEN NULL; END $$
"""
COME_ALONG = (
    "identity.sso_provider", "identity.scim_source", "identity.totp", "identity.approval",
    "identity.scoped_grant", "kernel.person_key", "payments.sepa_mandate", "payments.sepa_run",
    "payments.debt", "payments.risk", "payments.gateway_account", "wallet.reseller",
    "wallet.reseller_customer", "feeds.subscription", "fleet.vehicle_key", "tenancy.market",
)  # fmt: skip


def fahrwerk(here: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The command in another installation; its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "fahrwerk.cli", *arguments],
        env={**os.environ, **here}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


_TOTP = """
INSERT INTO identity.totp (person_id, secret, confirmed_at) VALUES ($1, $2, kernel.now())
"""
_GATEWAY = """
INSERT INTO payments.gateway_account (gateway, public_key, secret_sealed, webhook_sealed, hint,
    remote_id, is_live, kinds, rank, set_at, tested_at)
VALUES ('stripe', 'pk_x', $1, $2, '...x', 'acct_x', false, '{card}', 5, kernel.now(), kernel.now())
"""
_AGENCY = """
INSERT INTO feeds.subscription (agency_id, mode, url, token)
SELECT id, 'micromobility', 'https://city.example/mds', $1 FROM feeds.agency LIMIT 1
"""


_BY_NOW = """
UPDATE payments.sandbox_operation
SET settled_at = least(settled_at, now()), visible_at = least(visible_at, now())
WHERE tenant_id = $1
"""


async def by_now(database: db.Database, world: World) -> None:
    """What goods moved the clock for has happened: the gateway knows of it too."""
    owner = await asyncpg.connect(owner_of(database))
    try:
        await owner.execute(_BY_NOW, world.tenant)
    finally:
        await owner.close()


async def more_rows(world: World) -> None:
    """What is sealed, for a purpose that names the row, the tenant or neither."""
    rider, boss = await world.rider(), await world.rider()
    call = world.system()
    await db.run("identity", call, _TOTP, rider.user, crypto.seal(totp.SEAL, "JBSWY3DPEHPK3PXP"))
    keys = [
        crypto.seal(_accounts.purpose(world.tenant, "stripe", what), "sk_x")
        for what in ("secret", "webhook")
    ]
    await db.run("payments", call, _GATEWAY, *keys)
    await db.run("feeds", call, _AGENCY, crypto.seal(agencies.SEALED_FOR, "token"))
    assert boss.user is not None
    scoped = Grant("provider", f"area:{ids.new()}")
    await roles.set_grants(world.admin(), boss.user, [Grant("customer"), scoped])
    await fleet.pair_vehicles(world.admin(), [(await world.vehicle()).id], "HS256")


@pytest.mark.process
@pytest.mark.parametrize("name", [None, "flitz"])
async def test_into_another_installation(
    world: World, database: db.Database, server: EmbeddedPostgres, tmp_path: Path, name: str | None
) -> None:
    """Its own database, its own secret, an owner that is no superuser: rows of all rooms, books and
    audit chain whole, and what is sealed can be opened there, also under another name."""
    goods = await Goods(world).furnish()
    await more_rows(world)
    await world.settle()
    await by_now(database, world)
    while await audit.chain():
        pass
    await goods.close()
    await Pump().drain()
    path, key = tmp_path / "tenant.zip", tmp_path / "key"
    sealed_with = transport.new_key(key)
    manifest = await moving.export(
        owner_of(database), ROOT, world.tenant, path, quietly, secrets.reseal_all, sealed_with
    )
    counts = {part.table: part.rows for part in manifest.parts}
    assert {table: 0 for table in COME_ALONG if not counts[table]} == {}
    # Here nothing was changed, and the key on the way is not the installation's.
    assert (await secrets.reseal_all(world.system())) == (0, 0)
    other = f"elsewhere_{ids.new().hex[-8:]}"
    raw = await asyncpg.connect(server.dsn("postgres", "postgres"))
    await raw.execute(_OWNER)
    await raw.execute(f"CREATE DATABASE {other} OWNER {OWNER}")
    await raw.close()
    await migrate(server.dsn(other, OWNER))
    here = {
        "FAHRWERK_DATABASE_URL": server.dsn(other, APP_LOGIN),
        "FAHRWERK_DATABASE_ADMIN_URL": server.dsn(other, OWNER),
        "FAHRWERK_JWT_SECRET": "another installation's secret, long enough",
        "FAHRWERK_DATA": str(tmp_path),
    }
    said = await asyncio.to_thread(fahrwerk, here, "tenant", "import", "--file", str(path))
    assert said[0] == 1
    assert "needs its key" in said[1]
    slug = [name] if name else []
    told = await asyncio.to_thread(
        fahrwerk, here, "tenant", "import", *slug, "--file", str(path), "--key", str(key)
    )
    assert told[0] == 0, told[1][-2000:]
    assert " 0 cannot be opened here" in told[1]
    for command in (["books", "verify"], ["audit", "verify"], ["secrets", "reseal"]):
        told = await asyncio.to_thread(fahrwerk, here, *command)
        assert told[0] == 0, (command, told[1][-1000:])
    assert "Nothing is sealed with a secret of before" in told[1]


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
                text = lie if each == archive.MANIFEST else before.read(each)
                after.writestr(each, data if each == name else text)
        return target

    with zipfile.ZipFile(path) as file:
        rows = file.read("pricing.tariff.copy")
    fewer = rows.split(b"\n", 1)[1]

    def parts(data: bytes, **more: Any) -> list[archive.Part]:
        """The manifest, lying about one table as well as its writer can."""
        more["sha256"] = hashlib.sha256(data).hexdigest()
        return [msgspec.structs.replace(p, **more) if p == part else p for p in manifest.parts]

    def rewritten(data: bytes, **more: Any) -> Path:
        return touched("pricing.tariff.copy", data, parts=parts(data, **more))

    first, *others = part.columns
    inject = f'{first}") AS SELECT 1; DROP TABLE pricing.tariff; --'
    bad_row = b"\t".join(b"x" for _ in part.columns) + b"\n"
    for bad, why in (
        (touched("pricing.tariff.copy", rows + rows), "not what was written"),
        (rewritten(fewer), "not what it was"),
        (rewritten(rows, columns=[inject, *others]), "has other tables"),
        (rewritten(rows, columns=others), "has other tables"),
        (rewritten(rows, table="pg_catalog.pg_authid"), "other members"),
        (rewritten(bad_row), "pricing.tariff: "),
        (rewritten(rows + rows, rows=2 * part.rows), "pricing.tariff: "),
        (rewritten(b"x\n"), "pricing.tariff: "),
        (touched("", b"", root=manifest.root | {"currency": "Euro!"}), "tenancy.operator: "),
        (touched("", b"", root=manifest.root | {"tax_rate_bp": "a lot"}), "tenancy.operator: "),
        (touched("", b"", sealed="another mark"), "needs its key"),
        (touched("", b"", schema="0"), "another version"),
        (tmp_path / "nothing.zip", "not a tenant's file"),
    ):
        tenant = ids.new()
        with pytest.raises(belongings.NotMoved, match=why):
            await moving.bring_in(owner_of(database), ROOT, bad, tenant, wanted, quietly)
        assert await tenancy.operator_by_id(system(None, "t"), tenant) is None
    with pytest.raises(belongings.NotMoved, match="not the key of the file"):
        await moving.bring_in(
            owner_of(database), ROOT, path, ids.new(), wanted, quietly, key="wrong"
        )
    with pytest.raises(belongings.NotMoved, match="has rows of this tenant"):
        await moving.bring_in(owner_of(database), ROOT, path, world.tenant, wanted, quietly)


_GIVE = """
INSERT INTO identity.person_role (person_id, role, granted_at) VALUES ($1, 'platform', now())
"""
_OWN_ROLE = """
INSERT INTO identity.role (name, title, permissions, version, created_at, updated_at)
VALUES ('boss', 'Boss', $1, 1, now(), now())
"""


@pytest.mark.parametrize("may", ["role", "tenancy.operator.create", "*"])
async def test_no_file_says_who_runs_the_installation(
    world: World, database: db.Database, tmp_path: Path, may: str
) -> None:
    """TEN-16: whoever writes the platform's role into a file gets nowhere with it."""
    rider, house = await world.rider(), world.system()
    if may == "role":
        await db.run("identity", house, _GIVE, rider.user)
    else:
        await db.run("identity", house, _OWN_ROLE, ["fleet.vehicle.read", may])
    await Pump().drain()
    path, tenant = tmp_path / "tenant.zip", ids.new()
    await moving.export(owner_of(database), ROOT, world.tenant, path, quietly)
    own = {"slug": f"no-{tenant.hex[-8:]}", "domain": None}
    with pytest.raises(belongings.NotMoved, match="only the platform may"):
        await moving.bring_in(
            owner_of(database), ROOT, path, tenant, own, quietly, examine=tenants.within_bounds
        )
    assert await tenancy.operator_by_id(system(None, "t"), tenant) is None


_PROVEN = """
INSERT INTO tenancy.domain (domain, token, proven_by, proven_at, checked_at, created_at)
VALUES ($1, 'read in the DNS', 'txt', now(), now(), now() - interval '1 year')
"""


async def test_no_file_says_whose_a_domain_is(
    world: World, database: db.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEN-08, TEN-23: claimed anew, with tokens of here; they lead here when the DNS says so."""
    proven, entered = [f"{word}-{ids.new().hex[-8:]}.example.org" for word in ("txt", "own")]
    house = world.system()
    await db.run("tenancy", house, _PROVEN, proven)
    await db.run(
        "tenancy", system(None, "t"), "UPDATE tenancy.operator SET domain = $2 WHERE id = $1",
        world.tenant, entered,
    )  # fmt: skip
    await Pump().drain()
    path = tmp_path / "tenant.zip"
    await moving.export(owner_of(database), ROOT, world.tenant, path, quietly)
    watch = await watching(database, world.tenant)
    await moving.remove(owner_of(database), world.tenant, quietly)
    await watch.owner.execute("DELETE FROM tenancy.operator WHERE id = $1", world.tenant)
    await watch.owner.close()
    await moving.bring_in(
        owner_of(database), ROOT, path, world.tenant, {}, quietly, examine=tenants.admitted
    )
    rows = await db.run("tenancy", house, "SELECT * FROM tenancy.domain ORDER BY domain")
    assert [row["domain"] for row in rows] == [entered, proven]
    for row in rows:
        assert (row["proven_at"], row["proven_by"], row["checked_at"]) == (None, None, None)
        assert row["token"] != "read in the DNS"
    assert len({row["token"] for row in rows}) == 2
    outside = system(None, "t")
    assert await tenancy.operator_by_host(outside, proven) is None
    assert await tenancy.operator_by_host(outside, entered) is None
    records = {f"_fahrwerk.{proven}": ["fahrwerk-domain=read in the DNS"]}

    async def ask(kind: str, name: str) -> list[str]:
        return records.get(name, []) if kind == "TXT" else []

    monkeypatch.setattr(names, "resolver", ask)
    found = await brands.prove_domain(world.admin(), proven)
    assert not found.is_proven, "what everybody can read in the DNS proves nothing"
    records[f"_fahrwerk.{proven}"] = [f"fahrwerk-domain={rows[1]['token']}"]
    assert (await brands.prove_domain(world.admin(), proven)).is_proven
    there = await tenancy.operator_by_host(outside, proven)
    assert there is not None
    assert there.id == world.tenant


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
        found = [table.name for table in await belongings.tables(owner)]
        rows = await owner.fetch(
            "SELECT n.nspname || '.' || c.relname AS name FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND n.nspname <> 'pg_catalog'"
        )
        assert {row["name"] for row in rows} == {*found, *belongings.LEFT_OUT}
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


_CLOSING = """
UPDATE tenancy.operator SET status = 'closing', status_reason = 'test', status_since = $2,
       deletes_at = $2 WHERE id = $1
"""
_STATUS = "SELECT status FROM tenancy.operator WHERE id = $1"


async def test_closed_tenants_go_at_night(
    world: World, database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the worker that has the owner's login; by any other nothing is deleted."""
    await world.rider()
    house = system(None, "cli")
    await db.run("tenancy", house, _CLOSING, world.tenant, clock.now() - timedelta(days=1))
    for owner, status in ((None, "closing"), (owner_of(database), "closed")):
        here = Settings(database_url=database.dsn, database_admin_url=owner)
        monkeypatch.setattr(tenants, "load", lambda here=here: here)
        await tenants.sweep_each_night()
        assert (await db.run("tenancy", house, _STATUS, world.tenant))[0]["status"] == status
    gone = await watching(database, world.tenant)
    assert {count for count, _ in (await gone.look()).values()} == {0}
    await gone.owner.close()
