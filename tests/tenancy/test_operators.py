"""Operators through the contract and over HTTP."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest

from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import Call, system
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.kernel.live import hub
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy import queries
from fahrwerk.tenancy.contract import Operator, OperatorChange
from tests.world import World, http_app, make_world

PLATFORM = Call(tenant=None, permissions=frozenset({"*"}), service="tests")


def _wanted(**fields: object) -> Operator:
    tenant = ids.new()
    base = Operator(id=tenant, slug=f"op-{tenant.hex[-10:]}", name="Operator")
    return msgspec.structs.replace(base, **fields)


async def _facts(operator: Operator) -> list[tuple[str, int, str]]:
    rows = await db.run(
        "tenancy",
        system(operator.id, "tenancy"),
        "SELECT name, version, stream FROM kernel.event WHERE topic = 'tenancy' ORDER BY version",
    )
    return [(row["name"], row["version"], row["stream"]) for row in rows]


async def test_a_new_operator_is_found_by_every_name(database: db.Database) -> None:
    """TEN-02, TEN-06, TEN-23: by id, slug, own domain and sub-domain, with all its rules."""
    wanted = _wanted(
        currency="JPY", time_zone="Asia/Tokyo", locale="en", tax_rate_bp=1000, tax_included=False,
        payment_hold_s=900, unlock_window_s=60, max_active_rentals=1, max_ride_h=2, max_ride_km=9,
        plan="Starter",
    )  # fmt: skip
    wanted = msgspec.structs.replace(wanted, domain=f"{wanted.slug}.ride.example")
    assert await tenancy.create_operator(PLATFORM, wanted) == wanted
    queries.forget()  # from the database, not from memory
    assert await tenancy.operator(system(wanted.id, "tests")) == wanted
    assert await tenancy.operator_by_id(PLATFORM, wanted.id) == wanted
    assert await tenancy.operator_by_slug(PLATFORM, f" {wanted.slug.upper()} ") == wanted
    for host in (f"{wanted.slug}.ride.example", f"{wanted.slug}.Localhost."):
        assert await tenancy.operator_by_host(PLATFORM, host) == wanted
    assert wanted in await tenancy.operators(PLATFORM)


async def test_the_first_fact_stands_in_the_new_operators_log(database: db.Database) -> None:
    """I6, I7: operator.created belongs to the operator it speaks of, not to who made it."""
    operator = await tenancy.create_operator(PLATFORM, _wanted())
    assert await _facts(operator) == [("operator.created", 1, f"operator:{operator.id}")]


async def test_repeating_is_harmless(database: db.Database) -> None:
    """The same id again answers what is there and tells nothing twice, ten at once as well."""
    wanted = _wanted()
    made = await asyncio.gather(*(tenancy.create_operator(PLATFORM, wanted) for _ in range(10)))
    assert made == [wanted] * 10
    later = msgspec.structs.replace(wanted, name="Another name")
    assert await tenancy.create_operator(PLATFORM, later) == wanted
    assert len(await _facts(wanted)) == 1


async def test_names_are_unique(database: db.Database) -> None:
    """Two operators cannot share a short name or a domain; of two at once one wins."""
    first = _wanted(domain=f"{ids.new().hex}.example")
    await tenancy.create_operator(PLATFORM, first)
    with pytest.raises(tenancy.SlugTaken):
        await tenancy.create_operator(PLATFORM, _wanted(slug=first.slug))
    with pytest.raises(tenancy.DomainTaken):
        await tenancy.create_operator(PLATFORM, _wanted(domain=first.domain))
    slug = f"race-{ids.new().hex[-8:]}"
    tries = [tenancy.create_operator(PLATFORM, _wanted(slug=slug)) for _ in range(6)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(o).__name__ for o in outcomes) == ["Operator"] + ["SlugTaken"] * 5


async def test_only_the_platform_creates_operators(world: World) -> None:
    """TEN-03: an operator's own administrator cannot."""
    for call in (world.admin(), world.call("customer"), world.call("provider"), world.call()):
        with pytest.raises(Forbidden):
            await tenancy.create_operator(call, _wanted())
    assert await tenancy.create_operator(world.call("platform"), _wanted())


async def test_bad_values_do_not_reach_the_database(database: db.Database) -> None:
    with pytest.raises(Invalid):
        await tenancy.create_operator(PLATFORM, _wanted(currency="XXX"))


async def test_no_operator_is_an_answer(database: db.Database) -> None:
    """Unknown or no tenant: UnknownOperator; unknown names: None."""
    for tenant in (None, ids.new()):
        with pytest.raises(tenancy.UnknownOperator):
            await tenancy.operator(system(tenant, "tests"))
    assert await tenancy.operator_by_slug(PLATFORM, "nobody-here") is None
    assert await tenancy.operator_by_host(PLATFORM, "nobody-here.example") is None
    assert await tenancy.operator_by_host(PLATFORM, "[") is None


async def test_reads_are_remembered_and_forgotten(world: World) -> None:
    """Every request asks: no statement for the second, and none is kept past a change."""
    call = world.system()
    slug = world.operator.slug
    await tenancy.operator(call)
    await tenancy.operator_by_slug(call, slug)
    seen: list[str] = []
    token = db.statements.set(seen)
    try:
        for _ in range(5):
            await tenancy.operator(call)
            await tenancy.operator_by_slug(call, slug)
            await tenancy.operator_by_slug(call, "\0'; --")  # cannot be a name: not even asked
        assert seen == []
        hub.signal(queries.CHANGED)  # as it arrives from another process
        await tenancy.operator(call)
        assert len(seen) == 1
    finally:
        db.statements.reset(token)


async def test_absence_is_not_remembered_past_creation(database: db.Database) -> None:
    """Somebody asked for it before it was there: it is found right after."""
    wanted = _wanted()
    assert await tenancy.operator_by_slug(PLATFORM, wanted.slug) is None
    await tenancy.create_operator(PLATFORM, wanted)
    assert await tenancy.operator_by_slug(PLATFORM, wanted.slug) == wanted


async def test_memory_is_bounded(database: db.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers can ask for any number of names."""
    monkeypatch.setattr(queries, "MOST_KEPT", 8)
    queries.forget()
    for n in range(30):
        await tenancy.operator_by_slug(PLATFORM, f"nobody-{n}")
    assert len(queries._kept) == 8


async def test_a_remembered_operator_grows_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a signal between processes is lost, a change is seen after seconds all the same."""
    monkeypatch.setattr(queries, "KEEP_S", -1.0)
    queries.forget()
    before = await tenancy.operator(world.system())
    await db.run(
        "tenancy", world.system(), "UPDATE tenancy.operator SET name = 'New' WHERE id = $1",
        before.id,
    )  # fmt: skip
    assert (await tenancy.operator(world.system())).name == "New"


async def test_an_operator_changes_its_own_rules(world: World) -> None:
    """TEN-25, C-21: tax and limits; one event for each change that is one, seen at once."""
    change = OperatorChange(tax_rate_bp=851, tax_included=False, max_ride_h=12)
    changed = await tenancy.change_operator(world.admin(), change)
    assert (changed.tax_rate_bp, changed.tax_included, changed.max_ride_h) == (851, False, 12)
    assert await tenancy.operator(world.system()) == changed
    assert changed == msgspec.structs.replace(
        world.operator, tax_rate_bp=851, tax_included=False, max_ride_h=12
    )
    await tenancy.change_operator(world.admin(), change)
    assert [name for name, _, _ in await _facts(changed)] == [
        "operator.created",
        "operator.changed",
    ]
    with pytest.raises(Invalid):
        await tenancy.change_operator(world.admin(), OperatorChange(tax_rate_bp=5001))
    with pytest.raises(Forbidden):
        await tenancy.change_operator(world.call("provider"), change)


async def test_two_changes_at_once_both_count(world: World) -> None:
    admin = world.admin()
    await asyncio.gather(
        tenancy.change_operator(admin, OperatorChange(max_ride_h=5)),
        tenancy.change_operator(admin, OperatorChange(max_ride_km=50)),
    )
    now = await tenancy.operator(world.system())
    assert (now.max_ride_h, now.max_ride_km) == (5, 50)
    assert [version for _, version, _ in await _facts(now)] == [1, 2, 3]


async def test_own_tenant_over_http(world: World) -> None:
    """TEN-02, TEN-23: who this request is for, by header or by host; 404 for nobody."""
    async with world.client() as client:
        answer = await client.get("/api/v1/tenant")
        assert answer.status_code == 200
        assert answer.json() == {
            "name": world.operator.name,
            "slug": world.operator.slug,
            "currency": "EUR",
            "time_zone": "Europe/Berlin",
            "locale": "de",
            "tax_included": True,
            "tax_rate_pct": 19.0,
        }
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await client.get("/api/v1/tenant", headers=known)).status_code == 304
        unknown = await client.get("/api/v1/tenant", headers={"X-Tenant-ID": "nobody-here"})
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "UNKNOWN_TENANT"
    transport = httpx.ASGITransport(app=http_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
    host = f"http://{world.operator.slug}.localhost:8080"
    async with httpx.AsyncClient(transport=transport, base_url=host) as client:
        assert (await client.get("/api/v1/tenant")).json()["slug"] == world.operator.slug
    async with httpx.AsyncClient(transport=transport, base_url="http://elsewhere") as client:
        assert (await client.get("/api/v1/tenant")).json()["error"]["code"] == "UNKNOWN_TENANT"


async def test_only_the_platform_lists_operators(world: World) -> None:
    """I7: an operator does not learn of the others; the platform pages through them (API-07)."""
    await make_world()
    for call in (world.admin(), world.call("support"), world.call("recorder")):
        async with world.client(call) as client:
            assert (await client.get("/api/v1/tenants")).status_code == 403
    async with world.client(world.call("platform")) as client:
        first = (await client.get("/api/v1/tenants?limit=1")).json()
        second = (await client.get("/api/v1/tenants?limit=1&offset=1")).json()
        assert first["pagination"]["total"] >= 2
        assert first["pagination"]["has_more"] is True
        assert first["tenants"][0]["slug"] < second["tenants"][0]["slug"]
        shown = first["tenants"][0]
        assert shown["id"].startswith("ten_")
        assert {"plan", "custom_domain", "settings", "currency"} <= shown.keys()
        assert (await client.get("/api/v1/tenants?limit=101")).status_code == 400


async def test_change_over_http(world: World) -> None:
    """C-21: 8.51 % is 851 basis points; unknown fields and wrong values are named (API-03)."""
    async with world.client(world.admin()) as client:
        answer = await client.patch("/api/v1/tenant", json={"tax_rate_pct": 8.51})
        assert answer.json()["settings"]["tax_rate_pct"] == 8.51
        assert (await tenancy.operator(world.system())).tax_rate_bp == 851
        for body, field in (
            ({"tax_rate_pct": 51}, "tax_rate_pct"),
            ({"locale": "fr"}, "locale"),
            ({"payment_hold_s": 100_000}, "payment_hold_s"),
        ):
            refused = await client.patch("/api/v1/tenant", json=body)
            assert refused.status_code == 400
            assert refused.json()["error"]["details"]["field"] == field
        assert (await client.patch("/api/v1/tenant", json={"currency": "USD"})).status_code == 400
    async with world.client(await world.rider()) as client:
        assert (await client.patch("/api/v1/tenant", json={"name": "Mine"})).status_code == 403
