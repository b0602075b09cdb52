"""Who did and saw what: written before it is done, found again, not to be altered (GDP-07, I11,
TST-08.3)."""

from __future__ import annotations

import csv
import io
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import audit, db, ids
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.tenancy import contract as tenancy
from tests.identity.test_roles import given, made, staff
from tests.world import World, make_world


async def log_of(client: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/v1/audit", params=wanted)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def test_changes_have_their_before_and_after(world: World) -> None:
    """Roles, tenant settings: who, from where, under which request, what it was and is."""
    boss, worker = await staff(world, "admin"), await staff(world, "support")
    async with world.client(boss, **{"X-Request-ID": "req-42"}) as admin:
        assert (await made(admin, "reception", "identity.person.read")).is_success
        assert (await given(admin, worker, "reception")).is_success
        assert (await admin.patch("/api/v1/tenant", json={"tax_rate_pct": 7})).is_success
        entry = (await log_of(admin, action="identity.set_grants"))[0]
        assert entry["detail"] == {
            "before": {"roles": ["support"]}, "after": {"roles": ["reception"]},
        }  # fmt: skip
        assert entry["subject"] == f"person:{worker.user}"
        assert (entry["actor"], entry["outcome"]) == (boss.actor, "done")
        assert (entry["request_id"], bool(entry["address"])) == ("req-42", True)
        changed = (await log_of(admin, action="tenancy.change_operator"))[0]
        assert changed["detail"] == {
            "before": {"tax_rate_bp": 1900}, "after": {"tax_rate_bp": 700},
        }  # fmt: skip
        # Found by each of its sides, page by page.
        by_subject = await log_of(admin, subject=f"person:{worker.user}")
        assert {each["action"] for each in by_subject} == {"identity.set_grants"}
        first = (await admin.get("/api/v1/audit", params={"limit": 2, "actor": boss.actor})).json()
        rest = (await admin.get("/api/v1/audit", params={"after": first["next"]})).json()
        seen = [each["id"] for each in [*first["entries"], *rest["entries"]]]
        assert len(seen) == len(set(seen)) >= 3
        assert await log_of(admin, outcome="PERMISSION_DENIED") == []
        assert (await admin.get("/api/v1/audit", params={"after": "x"})).status_code == 400
        assert (await admin.get("/api/v1/audit", params={"from": "2026-01-01"})).status_code == 400
    async with world.client(worker) as other:
        assert (await other.get("/api/v1/audit")).status_code == 403
    foreign = await make_world()
    async with foreign.client(await staff(foreign, "admin")) as stranger:
        assert await log_of(stranger, subject=f"person:{worker.user}") == []


async def test_looking_at_people_is_written_down(world: World) -> None:
    """GDP: a list of people, a rider's rides and who he is; one's own are nobody's business."""
    rider, service = await world.rider(), await staff(world, "support")
    person = ids.public("usr", rider.user)  # type: ignore[arg-type]
    async with world.client(service) as client, world.client(rider) as own:
        for _ in range(3):
            assert (await client.get("/api/v1/users")).is_success
        assert (await client.get("/api/v1/rentals", params={"user_id": person})).is_success
        assert (await own.get("/api/v1/rentals")).is_success
    await audit.flush()
    async with world.client(await staff(world, "admin")) as admin:
        looks = await log_of(admin, outcome="seen")
        assert {(e["actor"], e["action"], e["subject"]) for e in looks} == {
            (service.actor, "identity.list_users", ""),
            (service.actor, "rentals.list_rides", person),
        }
        assert sum((e["detail"] or {}).get("times", 1) for e in looks) == 4


async def test_what_staff_may_not_is_written_down(world: World) -> None:
    """A refusal at the front door is a row as well, with its code; a rider's is none."""
    rider, service = await world.rider(), await staff(world, "support")
    async with world.client(service) as client, world.client(rider) as own:
        for _ in range(2):
            assert (await client.get("/api/v1/audit")).status_code == 403
        assert (await own.get("/api/v1/audit")).status_code == 403
    await audit.flush()
    async with world.client(await staff(world, "admin")) as admin:
        (row,) = await log_of(admin, outcome="PERMISSION_DENIED")
    assert (row["actor"], row["action"]) == (service.actor, "identity.list_audit")
    assert row["detail"] == {"times": 2}


async def test_refusals_behind_the_front_door_are_written_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 5: a question that is refused by the room, and a deed: one row each, with its code."""

    async def refuses(*_: Any) -> Any:
        raise Forbidden(permission="fleet.zone.write")

    boss, worker, watcher = [await staff(world, role) for role in ("admin", "support", "provider")]
    monkeypatch.setattr(zones, "zone_page", refuses)
    for call in (watcher, await world.rider()):
        async with world.client(call) as client:
            assert (await client.get("/api/v1/zones")).status_code == 403
    async with world.client(boss) as admin:
        assert (await given(admin, worker, "platform")).status_code == 403
        await audit.flush()
        rows = await log_of(admin, outcome="PERMISSION_DENIED")
    assert [(row["actor"], row["action"], row["subject"]) for row in reversed(rows)] == [
        (boss.actor, "identity.set_grants", str(worker.user)),
        (watcher.actor, "fleet.list_zones", ""),
    ]


async def test_a_made_up_address_keeps_nobody_elses_looks_unwritten(world: World) -> None:
    """I11: PostgreSQL has no NUL; one in a path or a question is written down as what it is not."""
    service = await staff(world, "support")
    async with world.client(service) as client:
        assert (await client.get("/api/v1/rentals/%00")).status_code == 404
        await client.get("/api/v1/rentals?user_id=a%00b")
        await client.get("/api/v1/users")
        many = "&".join(f"x{n}=1" for n in range(500))
        assert (await client.get(f"/api/v1/users?{many}")).status_code < 500
    await audit.flush()
    async with world.client(await staff(world, "admin")) as admin:
        looks = {e["subject"] for e in await log_of(admin, outcome="seen")}
    assert {"\N{REPLACEMENT CHARACTER}", "a\N{REPLACEMENT CHARACTER}b", ""} <= looks


async def test_one_operators_log_waits_for_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written for one waits on; the others' is written."""
    other, run = await make_world(), db.run

    async def fails(role: str, call: Call, *rest: object) -> object:
        if call.tenant == world.tenant:
            raise Invalid(field="x", issue="y")
        return await run(role, call, *rest)  # type: ignore[arg-type]

    for each in (world, other):
        audit.seen(each.admin(), "tests.look", "thing")
    with monkeypatch.context() as patched:
        patched.setattr(db, "run", fails)
        with pytest.raises(Invalid):
            await audit.flush()
    wanted = audit.Wanted(action="tests.look")
    assert len(await audit.search(other.admin(), wanted, None, 10)) == 1
    assert await audit.search(world.admin(), wanted, None, 10) == []
    await audit.flush()
    assert len(await audit.search(world.admin(), wanted, None, 10)) == 1


async def test_what_cannot_be_written_down_is_not_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Admin and money actions fail when the log is away: and nothing has happened."""

    async def away(*_: object) -> None:
        raise db.DatabaseDown

    call = world.admin()
    monkeypatch.setattr(audit, "record", away)
    with pytest.raises(db.DatabaseDown):
        await tenancy.change_operator(call, tenancy.OperatorChange(name="Other"))
    monkeypatch.undo()
    assert (await tenancy.operator(call)).name == world.operator.name


async def test_what_was_begun_and_never_ended_is_in_the_chain(world: World) -> None:
    """F1: the process died within: the row says so, and the chain waits only a minute for it."""
    begun = await audit.begin(world.admin(), "tests.deed", "thing")
    assert begun is not None
    await audit.record(world.admin(), "tests.other", "", "done")
    while await audit.chain():
        pass
    entries = await audit.search(world.admin(), audit.Wanted(), None, 10)
    assert [(e.outcome, e.seq) for e in entries] == [("done", None), ("begun", None)]
    owner = await asyncpg.connect(db.database().dsn.replace("fahrwerk_app", "postgres"))
    await owner.execute(
        "UPDATE kernel.audit SET at = at - interval '2 minutes' WHERE id = $1", begun
    )
    await owner.close()
    while await audit.chain():
        pass
    # Too late: what is in the chain stays as it is, and the end gets a row of its own.
    await audit.complete(world.admin(), begun, "tests.deed", "thing", "done", [])
    entries = await audit.search(world.admin(), audit.Wanted(action="tests.deed"), None, 10)
    assert [e.outcome for e in entries] == ["done", "begun"]
    while await audit.chain():
        pass
    assert await audit.verify(world.tenant) is None


@pytest.mark.parametrize(
    ("attack", "broken"),
    [
        ("UPDATE kernel.audit SET actor = 'usr_x' WHERE tenant_id = $1 AND seq = 2", 2),
        ("UPDATE kernel.audit SET detail = '{}' WHERE tenant_id = $1 AND seq = 3", 3),
        ("DELETE FROM kernel.audit WHERE tenant_id = $1 AND seq = 2", 2),
        # The last ones gone: without the sealed head nobody would miss them.
        ("DELETE FROM kernel.audit WHERE tenant_id = $1 AND seq >= 4", 4),
        ("UPDATE kernel.audit_head SET seq = 3, hash = (SELECT hash FROM kernel.audit "
         "WHERE tenant_id = $1 AND seq = 3) WHERE tenant_id = $1", 3),
    ],
)  # fmt: skip
async def test_a_touched_log_is_found(world: World, attack: str, broken: int) -> None:
    """By the command, by the endpoint, by the invariants: the place is named."""
    for number in range(5):
        detail = {"before": {"n": number}, "after": {"n": number + 1}}
        await audit.record(world.admin(), "tests.deed", str(number), "done", detail)
    while await audit.chain():
        pass
    assert await audit.verify(world.tenant) is None
    owner = await asyncpg.connect(db.database().dsn.replace("fahrwerk_app", "postgres"))
    await owner.execute(attack, world.tenant)
    await owner.close()
    assert await audit.verify(world.tenant) == broken
    async with world.client(world.admin()) as admin:
        found = (await admin.get("/api/v1/audit/verification")).json()
        assert found == {"holds": False, "broken_at": broken}


async def test_the_application_cannot_touch_what_is_chained(world: World) -> None:
    """The walls of the database: the login that answers requests completes rows, and no more."""
    await audit.record(world.admin(), "tests.deed", "", "done")
    for sql in (
        "UPDATE kernel.audit SET outcome = 'x'",
        "UPDATE kernel.audit SET actor = 'x'",
        "DELETE FROM kernel.audit",
    ):
        try:
            assert await db.run("kernel", world.system(), f"{sql} RETURNING id") == []
        except asyncpg.InsufficientPrivilegeError:
            continue


async def test_export_as_a_file(world: World) -> None:
    """CSV that no spreadsheet takes for a formula, NDJSON; that it was taken is written down."""
    await audit.record(world.admin(), "tests.deed", "=cmd|' /C calc'!A0", "done", {"after": 1})
    async with world.client(world.admin()) as admin:
        text = (await admin.get("/api/v1/audit/export", params={"action": "tests."})).text
        [row] = list(csv.DictReader(io.StringIO(text)))
        assert row["subject"].startswith("'=cmd")
        lines = (await admin.get("/api/v1/audit/export", params={"format": "ndjson"})).text
        entries = [msgspec.json.decode(line) for line in lines.splitlines()]
        taken = [e for e in entries if e["action"] == "identity.note_audit_export"]
        assert [e["detail"]["after"]["form"] for e in taken] == ["ndjson", "csv"]
    async with world.client(world.call("support")) as other:
        assert (await other.get("/api/v1/audit/export")).status_code == 403
