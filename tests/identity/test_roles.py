"""Roles an operator makes, grants for a part of it, and attempts to become more (IDN-26..29)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import roles as contract
from fahrwerk.identity.contract.roles import Grant
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Forbidden
from fahrwerk.kernel.permissions import catalogue
from tests.world import PASSWORD, World


async def staff(world: World, *roles: str) -> Call:
    """Somebody who is really there, with these roles."""
    email = f"{ids.new().hex[-10:]}@staff.example"
    held = frozenset(roles)
    person = await identity.add_person(world.call("platform"), email, PASSWORD, held, "Sam", "S")
    return world.call(*roles, user=person.id)


def public(call: Call) -> str:
    assert call.user is not None
    return ids.public("usr", call.user)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def made(client: httpx.AsyncClient, name: str, *permissions: str, **more: Any) -> Any:
    body = {"title": name.title(), "permissions": list(permissions), **more}
    return await client.put(f"/api/v1/roles/{name}", json=body)


async def given(client: httpx.AsyncClient, to: Call, *grants: Any) -> httpx.Response:
    wanted = [g if isinstance(g, dict) else {"role": g} for g in grants]
    return await client.put(f"/api/v1/users/{public(to)}/roles", json={"grants": wanted})


async def test_a_role_of_ones_own_is_in_force_at_once(world: World) -> None:
    """IDN-26: made, given, widened and taken away again, all under the same token."""
    boss, worker = await staff(world, "admin"), await staff(world, "customer")
    async with world.client(boss) as admin, world.client(worker) as theirs:
        assert (await theirs.get("/api/v1/users")).status_code == 403
        assert (await made(admin, "reception", "identity.person.read")).status_code == 200
        assert (await given(admin, worker, "reception")).status_code == 200
        assert (await theirs.get("/api/v1/users")).status_code == 200
        assert (await theirs.get("/api/v1/audit")).status_code == 403
        wider = await made(
            admin, "reception", "identity.person.read", "identity.audit.read", version=1
        )
        assert wider.json()["version"] == 2
        assert (await theirs.get("/api/v1/audit")).status_code == 200
        mine = (await theirs.get("/api/v1/me/permissions")).json()
        assert mine["roles"] == ["reception"]
        assert {"identity.person.read", "identity.audit.read", "identity.self"} == set(
            mine["permissions"]
        )
        assert code(await admin.delete("/api/v1/roles/reception")) == "ROLE_IN_USE"
        assert (await given(admin, worker, "customer")).status_code == 200
        assert (await theirs.get("/api/v1/users")).status_code == 403
        assert (await admin.delete("/api/v1/roles/reception")).status_code == 204


async def test_nobody_becomes_more_than_he_is(world: World) -> None:
    """Privilege escalation: by editing one's own role, by giving, by names of built-in roles."""
    boss, deputy = await staff(world, "admin"), await staff(world, "customer")
    may = ("identity.role.read", "identity.role.write", "identity.role.grant")
    async with world.client(boss) as admin, world.client(deputy) as theirs:
        assert (await made(admin, "deputy", *may)).is_success
        assert (await given(admin, deputy, "deputy")).is_success
        for answer in (
            await made(theirs, "deputy", *may, "payments.refund.create", version=1),
            await made(theirs, "king", "identity.person.read"),
            await given(theirs, deputy, "admin"),
            await given(theirs, deputy, "deputy", "support"),
            await given(theirs, boss, "deputy"),
            await theirs.post(
                "/api/v1/users",
                json={"email": "a@b.example", "password": PASSWORD, "roles": ["admin"]},
            ),
        ):
            assert answer.status_code == 403, answer.text
        for name in ("admin", "platform", "customer"):
            assert (await made(admin, name, "identity.person.read")).status_code == 400
        # What no operator's administrator may, and wildcards, are not to be had by name either.
        for wish in ("tenancy.operator.create", "*", "payments.*", "no.such.thing"):
            assert (await made(admin, "wide", wish)).status_code in (400, 403), wish
        assert (await given(admin, deputy, "platform")).status_code == 403
        assert (await given(admin, deputy, "deputy", "nobody-made-this")).status_code == 400


async def test_own_fields_cannot_be_smuggled_in(world: World) -> None:
    """Mass assignment: what a body may not say is refused, not passed over."""
    rider = await world.rider()
    async with world.client(rider) as client:
        for more in ({"roles": ["admin"]}, {"department": "x"}, {"status": "active"}):
            answer = await client.patch("/api/v1/users/me", json={"first_name": "A", **more})
            assert answer.status_code == 400
        grants = {"grants": [{"role": "customer", "tenant": "x"}]}
        assert (await client.put(f"/api/v1/users/{public(rider)}/roles", json=grants)).is_error


async def test_another_operators_people_and_roles_are_not_there(
    world: World, database: object
) -> None:
    """IDOR, I7: 404, and nothing changed."""
    from tests.world import make_world

    other = await make_world()
    theirs = await staff(other, "support")
    async with other.client(await staff(other, "admin")) as there:
        assert (await made(there, "secret", "identity.person.read")).is_success
    async with world.client(await staff(world, "admin")) as admin:
        assert (await given(admin, theirs, "customer")).status_code == 404
        assert (await admin.get(f"/api/v1/users/{public(theirs)}/roles")).status_code == 404
        assert (await admin.delete("/api/v1/roles/secret")).status_code == 404
        assert (await given(admin, await staff(world, "support"), "secret")).status_code == 400
    assert await contract.grants_of(other.admin(), theirs.user) == [Grant("support")]  # type: ignore[arg-type]


async def test_the_last_administrator_stays(world: World) -> None:
    """Neither by roles nor by blocking; with two, one may go."""
    first = await staff(world, "admin")
    async with world.client(first) as admin:
        assert code(await given(admin, first, "support")) == "LAST_ADMIN"
        second = await staff(world, "admin")
        assert (await admin.post(f"/api/v1/users/{public(second)}/block")).is_success
        # A blocked administrator is none.
        assert code(await given(admin, first, "support")) == "LAST_ADMIN"
        assert (await admin.post(f"/api/v1/users/{public(second)}/unblock")).is_success
        assert (await given(admin, first, "support")).status_code == 200
        assert (await admin.get("/api/v1/roles")).status_code == 403


async def test_a_scoped_grant_opens_nothing_that_cannot_be_narrowed(world: World) -> None:
    """A role for one area: what concerns the whole operator is refused, and said so."""
    boss, local = await staff(world, "admin"), await staff(world, "customer")
    area = f"area:{ids.public('area', ids.new())}"
    async with world.client(boss) as admin, world.client(local) as theirs:
        answer = await given(admin, local, {"role": "provider", "scope": area})
        assert answer.json() == {"grants": [{"role": "provider", "scope": area}]}
        assert code(await theirs.get("/api/v1/feeds/agencies")) == "OUT_OF_SCOPE"
        mine = (await theirs.get("/api/v1/me/permissions")).json()
        assert "fleet.vehicle.write" not in mine["permissions"]
        assert {"permission": "fleet.vehicle.write", "scopes": [area]} in mine["scoped"]
        for wrong in ("area:x", "planet:earth", "group:", f"area:{ids.new().hex}"):
            bad = await given(admin, local, {"role": "provider", "scope": wrong})
            assert bad.status_code == 400, wrong
        assert (await given(admin, local, {"role": "customer", "scope": area})).status_code == 400
    # Who may something only somewhere gives nothing of it.
    scoped = world.call("customer")
    narrowed = Call(
        tenant=world.tenant, user=scoped.user, roles=frozenset({"x"}), scope=frozenset({area}),
        permissions=frozenset({"identity.role.grant", "fleet.*", "pricing.*", "feeds.*"}),
    )  # fmt: skip
    with pytest.raises(Forbidden):
        await contract.set_grants(narrowed, local.user, [Grant("provider")])  # type: ignore[arg-type]


def test_every_permission_that_code_asks_for_is_in_the_catalogue() -> None:
    """Derived from the endpoints, so that nothing is forgotten; what only widens is listed."""
    import re
    from pathlib import Path

    import fahrwerk
    from fahrwerk.identity.rules import PERMISSIONS
    from fahrwerk.identity.rules.roles import BEYOND

    known = {*catalogue(), *BEYOND, "clock.move"}
    asked: set[str] = set()
    for path in Path(fahrwerk.__file__).parent.rglob("*.py"):
        if "new" not in path.parts:
            asked |= set(re.findall(r"\.(?:may|require)\(\s*\"([a-z_.]+)\"", path.read_text()))
    inside = {"wallet.usage.create", "payments.sandbox.write"}
    assert asked - known <= inside
    named = {p for permissions in PERMISSIONS.values() for p in permissions if "*" not in p}
    assert named <= known
