"""Alerts over HTTP: lists, verbs, rules, the live stream, who may (WEB-10)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.fleet import jobs
from fahrwerk.fleet.actions import alert_looks
from fahrwerk.fleet.contract import PREFIX
from fahrwerk.fleet.contract import alerts as contract
from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock, crypto, db, ids
from tests.fleet.alerting import only
from tests.fleet.streams import opened
from tests.fleet.street import connected_vehicle, report

if TYPE_CHECKING:
    from fahrwerk.fleet.contract import Vehicle
    from tests.world import World

ALERTS = "/api/v1/alerts"


async def look(world: World) -> None:
    """At the fleet, now."""
    while await alert_looks.look(world.system("fleet")):
        pass


async def low(world: World, count: int = 1) -> list[Vehicle]:
    """So many vehicles with an alert each."""
    await only(world, "battery_low", hold_s=0, readings=1, group_above=100)
    vehicles = [await connected_vehicle(world) for _ in range(count)]
    for vehicle in vehicles:
        await report(vehicle.id, battery_level=5)
    await look(world)
    return vehicles


async def test_a_list_with_filters_and_counts(world: World) -> None:
    first, second = await low(world, 2)
    async with world.client(world.call("support")) as client:
        body = (await client.get(ALERTS)).json()
        assert body["pagination"] == {"total": 2, "limit": 50, "offset": 0, "has_more": False}
        assert body["counts"] == {
            "open": 2, "acknowledged": 0, "resolved": 0, "info": 2, "warning": 0, "critical": 0,
        }  # fmt: skip
        shown = {each["vehicle_id"]: each for each in body["alerts"]}
        public = ids.public(PREFIX["scooter"], first.id)
        assert shown[public]["identifier"] == first.identifier
        assert shown[public]["id"].startswith("alert_")
        assert (shown[public]["value"], shown[public]["is_fleet_wide"]) == (5.0, False)
        later = clock.stamp(clock.now() + timedelta(minutes=5))
        for query, found in (
            ("state=open", 2), ("state=active", 2), ("state=resolved", 0), ("severity=info", 2),
            ("severity=critical", 0), ("rule=battery_low", 2), ("rule=silent", 0),
            (f"vehicle={second.identifier}", 1), (f"vehicle={public}", 1), ("limit=1", 1),
            ("limit=1&offset=2", 0), (f"since={later}", 0), ("since=2020-01-01T00:00:00+01:00", 2),
        ):  # fmt: skip
            answer = await client.get(f"{ALERTS}?{query}")
            assert (query, len(answer.json()["alerts"])) == (query, found)


@pytest.mark.parametrize(
    "query",
    ["state=closed", "severity=x", "rule=A-B", "vehicle=", "since=yesterday", "limit=0",
     "since=2026-01-01T00:00:00", "since=9999-12-31T23:59:59-12:00", "since=1999-01-01T00:00:00Z"],
)  # fmt: skip
async def test_what_is_no_filter_is_said_so(world: World, query: str) -> None:
    async with world.client(world.call("support")) as client:
        assert (await client.get(f"{ALERTS}?{query}")).status_code == 400


async def test_an_alert_from_acknowledging_to_the_end(world: World) -> None:
    await low(world)
    call = world.call("provider")
    async with world.client(call) as client:
        [alert] = (await client.get(ALERTS)).json()["alerts"]
        one = f"{ALERTS}/{alert['id']}"
        assert (await client.post(f"{one}/acknowledge")).json()["state"] == "acknowledged"
        again = await client.post(f"{one}/acknowledge", json={"note": "still on it"})
        assert (again.status_code, again.json()["acknowledged_by"]) == (200, call.actor)
        note = await client.post(f"{one}/note", json={"note": "Akku getauscht"})
        assert (note.status_code, note.json()["note"]) == (201, "Akku getauscht")
        until = clock.stamp(clock.now() + timedelta(hours=1))
        silenced = await client.post(f"{one}/silence", json={"until": until, "scope": "vehicle"})
        assert silenced.json()["silenced_until"] == until
        [silence] = (await client.get("/api/v1/alert-silences")).json()["silences"]
        assert (silence["rule"], silence["by"], silence["until"]) == (None, call.actor, until)
        lifted = await client.post(f"{one}/silence", json={"until": None, "scope": "vehicle"})
        assert lifted.json()["silenced_until"] is None
        resolved = (await client.post(f"{one}/resolve", json={"note": "done"})).json()
        assert (resolved["state"], resolved["resolution"]) == ("resolved", "person")
        late = await client.post(f"{one}/acknowledge")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "ALERT_RESOLVED")
        body = (await client.get(one)).json()
        assert [each["what"] for each in body["timeline"]] == [
            "raised", "acknowledged", "note", "silenced", "unsilenced", "resolved",
        ]  # fmt: skip
        assert body["timeline"][-1]["note"] == "done"


async def test_many_at_once(world: World) -> None:
    await low(world, 3)
    async with world.client(world.call("provider")) as client:
        shown = [each["id"] for each in (await client.get(ALERTS)).json()["alerts"]]
        answer = await client.post(f"{ALERTS}/acknowledge", json={"alert_ids": shown[:2]})
        assert sorted(answer.json()["acknowledged"]) == sorted(shown[:2])
        rest = {"alert_ids": shown, "note": "all"}
        answer = await client.post(f"{ALERTS}/acknowledge", json=rest)
        assert answer.json() == {"acknowledged": shown[2:]}
        bad: list[dict[str, Any]] = [
            {"alert_ids": [shown[0]] * 501}, {"alert_ids": []}, {"alert_ids": shown, "x": 1},
            {"alert_ids": shown, "note": ""},
        ]  # fmt: skip
        for wrong in bad:
            assert (await client.post(f"{ALERTS}/acknowledge", json=wrong)).status_code == 400
        strange = await client.post(f"{ALERTS}/acknowledge", json={"alert_ids": ["alert_x"]})
        assert strange.status_code == 404


@pytest.mark.parametrize(
    ("verb", "body"),
    [("note", {"note": "a\x00b"}), ("note", {"note": "  "}), ("silence", {"until": "2026-01-01"}),
     ("silence", {"until": "9999-12-31T23:59:59-12:00"}), ("silence", {}),
     ("silence", {"until": None, "scope": "fleet"}), ("resolve", {"note": 1}), ("note", {})],
)  # fmt: skip
async def test_what_is_no_request_is_said_so(world: World, verb: str, body: dict[str, Any]) -> None:
    await low(world)
    async with world.client(world.call("provider")) as client:
        [alert] = (await client.get(ALERTS)).json()["alerts"]
        answer = await client.post(f"{ALERTS}/{alert['id']}/{verb}", json=body)
        assert answer.status_code == 400, answer.text


async def test_who_may(world: World) -> None:
    """Support reads, riders do not, strangers even less (I7)."""
    await low(world)
    rider = await world.rider()
    async with world.client(world.call("support")) as client:
        [alert] = (await client.get(ALERTS)).json()["alerts"]
        assert (await client.get(f"{ALERTS}/{alert['id']}")).status_code == 200
        assert (await client.post(f"{ALERTS}/{alert['id']}/resolve")).status_code == 403
        assert (await client.put("/api/v1/alert-rules", json={"rules": []})).status_code == 403
    for call, status in ((rider, 403), (None, 401)):
        async with world.client(call) as client:
            for path in (ALERTS, f"{ALERTS}/{alert['id']}", f"{ALERTS}/stream",
                         "/api/v1/alert-rules", "/api/v1/alert-silences"):  # fmt: skip
                assert (await client.get(path)).status_code == status
    async with world.client(world.admin()) as client:
        for unknown in (ids.public("alert", ids.new()), "alert_x", "x", str(ids.new())):
            assert (await client.get(f"{ALERTS}/{unknown}")).status_code == 404


async def test_rules_are_read_changed_and_kept_from_being_overwritten(world: World) -> None:
    async with world.client(world.admin()) as client:
        before = (await client.get("/api/v1/alert-rules")).json()
        assert before["version"] == 0
        rules = {each["name"]: each for each in before["rules"]}
        assert len(rules) == 8
        rules["battery_low"] |= {"raise_at": 20, "clear_at": 30, "severity": "critical"}
        extra = rules["battery_low"] | {"name": "battery_of_cars", "vehicle_types": ["car"]}
        wanted = {"rules": [*rules.values(), extra], "version": 0}
        answer = await client.put("/api/v1/alert-rules", json=wanted)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
        assert (await client.get("/api/v1/alert-rules")).json() == answer.json()
        late = await client.put("/api/v1/alert-rules", json=wanted)
        assert (late.status_code, late.json()["error"]["details"]) == (409, {"version": 1})
        rules["battery_low"]["clear_at"] = 10
        wrong = await client.put("/api/v1/alert-rules", json={"rules": list(rules.values())})
        assert wrong.json()["error"]["details"]["field"].endswith(".clear_at")
        other = extra | {"kind": "temperature_low"}
        kept = await client.put("/api/v1/alert-rules", json={"rules": [other]})
        assert (kept.status_code, kept.json()["error"]["details"]["field"]) == (400, "rules.0.kind")


async def test_a_stream_of_changes_that_goes_on_where_it_broke_off(world: World) -> None:
    [vehicle] = await low(world)
    call = world.call("provider")
    async with opened(world, call, f"{ALERTS}/stream") as stream:
        counts = await stream.next("counts")
        assert counts.data["open"] == 1
        await report(vehicle.id, battery_level=90)
        await look(world)
        event = await stream.next("alert")
        assert (event.data["state"], event.data["identifier"]) == ("resolved", vehicle.identifier)
        assert (await stream.next("counts")).data["open"] == 0
    await report(vehicle.id, battery_level=4)  # while nobody is connected
    await look(world)
    async with opened(world, call, f"{ALERTS}/stream", last_event_id=event.id) as stream:
        missed = await stream.next("alert")
        assert (missed.data["id"], missed.data["state"]) == (event.data["id"], "open")
    lost = str(10**17)
    async with opened(world, call, f"{ALERTS}/stream", last_event_id=lost) as stream:
        await stream.next("reset")
        await stream.next("counts")


async def test_nothing_is_left_out_while_an_older_transaction_runs(world: World) -> None:
    """A change that began earlier and commits later comes with the mark given meanwhile."""
    await low(world, 2)
    call = world.call("provider")
    page = await contract.alert_page(call, None, None, None, None, None, 10, 0)
    one, other = (each.id for each in page.alerts)
    async with db.tx("fleet", world.system()) as tx:
        await tx.run("UPDATE fleet.alert SET xid = pg_current_xact_id() WHERE id = $1", one)
        context = asyncio.create_task(_acknowledged_meanwhile(call, other))
        db.in_transaction.set(False)
        mark, seen = await context
        db.in_transaction.set(True)
    assert other in seen
    assert one not in seen
    after = await contract.alert_changes(call, mark)
    assert one in {each.id for _, each in after.alerts}


async def _acknowledged_meanwhile(call: Any, alert_id: Any) -> tuple[int, set[Any]]:
    db.in_transaction.set(False)
    start = (await contract.alert_changes(call, None)).mark
    await contract.acknowledge_alerts(call, [alert_id], None)
    changes = await contract.alert_changes(call, start)
    return changes.mark, {each.id for _, each in changes.alerts}


async def test_a_stream_ends_with_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ids.new()
    ended: frozenset[Any] = frozenset()

    async def sessions(_: Any) -> Any:
        return ended

    monkeypatch.setattr(identity, "ended_sessions", sessions)
    monkeypatch.setattr("fahrwerk.fleet.http.alerts.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(
        world, "token", lambda c: crypto.issue_token(c.user, world.tenant, c.roles, session)
    )
    async with opened(world, world.admin(), f"{ALERTS}/stream") as stream:
        await stream.next("counts")
        ended = frozenset({session})
        await stream.next("end")


async def test_the_nudge_finds_operators_by_itself_and_looks_once_in_five_seconds(
    world: World,
) -> None:
    """Lazily: an operator with a vehicle and nothing else set up has the default rules."""
    vehicle = await connected_vehicle(world, battery_level=50)
    await report(vehicle.id, is_tipped=True)
    await jobs.watch_new_operators()
    at = clock.now() + timedelta(seconds=10)
    for _ in range(3):
        at += timedelta(seconds=50)
        with clock.moved_to(at):
            await report(vehicle.id, is_tipped=True)
            while await jobs.look_for_alerts():
                pass
    page = await contract.alert_page(world.admin(), None, None, None, vehicle.id, None, 10, 0)
    assert [(each.rule, each.state) for each in page.alerts] == [("tipped_over", "open")]
    due = "SELECT due_at FROM fleet.alert_watch"
    [row] = await db.run("fleet", world.system(), due)
    assert timedelta(0) < row["due_at"] - at <= timedelta(seconds=5)
    with clock.moved_to(at + timedelta(seconds=1)):
        await jobs.look_for_alerts()
    assert [row] == await db.run("fleet", world.system(), due)
