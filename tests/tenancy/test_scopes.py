"""What a grant for a part of the operator reaches, beyond vehicles and rides (IDN-27)."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import msgspec

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import live
from fahrwerk.identity.contract.roles import set_department
from fahrwerk.kernel import ids
from fahrwerk.kernel.call import Call
from fahrwerk.rentals import contract as rentals
from tests.fleet.alerting import only
from tests.fleet.street import report
from tests.fleet.test_alert_http import look
from tests.furnished import PHOTO
from tests.identity.test_roles import code, given, made, public, staff
from tests.rentals.riding import alive
from tests.tenancy.test_tenants import BERLIN, HAMBURG
from tests.world import World

HERE, THERE = (52.52, 13.405), (53.55, 10.0)
PHOTO_URL = "data:image/png;base64," + base64.b64encode(PHOTO.getvalue()).decode()


def square(at: tuple[float, float], name: str) -> dict[str, Any]:
    """A small slow zone."""
    (lat, lon), d = at, 0.01
    ring = [[lon, lat], [lon + d, lat], [lon + d, lat + d], [lon, lat + d], [lon, lat]]
    return {
        "type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"name": name, "kind": "slow", "speed_limit_kmh": 10},
    }  # fmt: skip


async def local(world: World, admin: httpx.AsyncClient, *roles: str) -> tuple[Call, str]:
    """Somebody with these roles for Berlin only, and the area's scope."""
    berlin = (await admin.post("/api/v1/areas", json=BERLIN)).json()["id"]
    await admin.post("/api/v1/areas", json=HAMBURG)
    who, scope = await staff(world, "customer"), f"area:{berlin}"
    grants = [{"role": role, "scope": scope} for role in roles]
    assert (await given(admin, who, "customer", *grants)).is_success
    return who, scope


async def test_the_fleet_of_one_city(world: World) -> None:
    """Live map, its stream, alerts, tickets, records, jobs: what is elsewhere is not there."""
    await only(world, "battery_low", hold_s=0, readings=1, group_above=100)
    here, there = [
        await world.vehicle(connected=True, latitude=at[0], longitude=at[1]) for at in (HERE, THERE)
    ]
    await fleet.pair_vehicles(world.admin(), [here.id, there.id], "HS256")
    for each, at in ((here, HERE), (there, THERE)):
        await report(each.id, battery_level=5, latitude=at[0], longitude=at[1])
    await look(world)
    async with world.client(await staff(world, "admin")) as admin:
        who, _ = await local(world, admin, "provider")
        tickets = []
        for each in (here, there):
            wish = {"vehicle_id": each.identifier, "kind": "damage", "description": "Look"}
            tickets.append((await admin.post("/api/v1/maintenance/tickets", json=wish)).json())
        every = (await admin.get("/api/v1/alerts")).json()
        assert every["counts"]["open"] == 2
        async with world.client(who) as theirs:
            shown = (await theirs.get("/api/v1/fleet/live")).json()
            assert shown["identifier"] == [here.identifier]
            assert (await admin.get("/api/v1/fleet/live")).json()["count"] == 2
            alerts = (await theirs.get("/api/v1/alerts")).json()
            assert [a["identifier"] for a in alerts["alerts"]] == [here.identifier]
            assert (alerts["counts"]["open"], alerts["pagination"]["total"]) == (1, 1)
            far = next(a for a in every["alerts"] if a["identifier"] == there.identifier)["id"]
            own = alerts["alerts"][0]["id"]
            for path, body in (
                ("acknowledge", None), ("resolve", {}), ("note", {"note": "x"}),
                ("silence", {"scope": "vehicle", "until": None}),
            ):  # fmt: skip
                answer = await theirs.post(f"/api/v1/alerts/{far}/{path}", json=body)
                assert answer.status_code == 404, (path, answer.text)
            both = await theirs.post("/api/v1/alerts/acknowledge", json={"alert_ids": [own, far]})
            assert both.status_code == 404
            wide = {"scope": "rule", "until": "2027-01-01T00:00:00Z"}
            silenced = await theirs.post(f"/api/v1/alerts/{own}/silence", json=wide)
            assert code(silenced) == "OUT_OF_SCOPE"
            assert (await theirs.post(f"/api/v1/alerts/{own}/acknowledge")).is_success
            listed = (await theirs.get("/api/v1/maintenance/tickets")).json()
            assert [t["id"] for t in listed["tickets"]] == [tickets[0]["id"]]
            path = f"/api/v1/maintenance/tickets/{tickets[1]['id']}"
            assert (await theirs.get(path)).status_code == 404
            assert (await theirs.patch(path, json={"assignee": "me"})).status_code == 404
            done = {"resolution": "done"}
            assert (await theirs.post(f"{path}/complete", json=done)).status_code == 404
            path = f"/api/v1/maintenance/tickets/{tickets[0]['id']}"
            assert (await theirs.patch(path, json={"assignee": "me"})).is_success
            job = {"filter": {}, "operation": "set_category", "category": "old"}
            begun = (await theirs.post("/api/v1/vehicles/bulk", json=job)).json()
            assert begun["total"] == 1, begun
            other = (await admin.post("/api/v1/vehicles/bulk", json=job)).json()
            jobs = (await theirs.get("/api/v1/bulk")).json()
            assert [each["id"] for each in jobs["jobs"]] == [begun["id"]]
            for verb in ("cancel", "undo"):
                answer = await theirs.post(f"/api/v1/bulk/{other['id']}/{verb}")
                assert answer.status_code == 404
    part = msgspec.structs.replace(world.system(), scope=frozenset({f"group:{ids.new()}"}))
    assert (await live.live_fleet(part)).id == []


async def test_zones_and_rides_of_one_city(world: World) -> None:
    """A zone must lie wholly within; a ride is ended by staff of the city where it began."""
    here, there = await world.vehicle(), await world.vehicle(latitude=53.55, longitude=10.0)
    rider = await world.rider()
    await world.card(rider)
    async with world.client(await staff(world, "admin")) as admin, alive(world):
        who, _ = await local(world, admin, "provider", "support")
        async with world.client(who) as theirs, world.client(rider) as riding:
            far = (await admin.post("/api/v1/zones", json=square(THERE, "far"))).json()
            answer = await theirs.post("/api/v1/zones", json=square(THERE, "mine"))
            assert (answer.status_code, code(answer)) == (403, "OUT_OF_SCOPE")
            near = await theirs.post("/api/v1/zones", json=square(HERE, "near"))
            assert near.is_success, near.text
            assert (await theirs.get("/api/v1/zones")).json()["pagination"]["total"] == 2
            for answer in (
                await theirs.delete(f"/api/v1/zones/{far['id']}"),
                await theirs.put(
                    f"/api/v1/zones/{far['id']}", json={**square(HERE, "took"), "version": 1}
                ),
            ):
                assert answer.status_code in (400, 403), answer.text
            assert code(await theirs.delete(f"/api/v1/zones/{far['id']}")) == "OUT_OF_SCOPE"
            rides = []
            for vehicle in (here, there):
                begun = await riding.post(
                    "/api/v1/rentals", json={"vehicle_id": vehicle.identifier}
                )
                assert begun.status_code == 201, begun.text
                rides.append(begun.json()["id"])
            # Also whoever rides himself: what is only his role's is narrowed, what is his own not.
            assert (await theirs.post(f"/api/v1/rentals/{rides[1]}/end")).status_code == 404
            ended = await theirs.post(f"/api/v1/rentals/{rides[0]}/end")
            assert ended.status_code == 200, ended.text
            seen = (await theirs.get("/api/v1/rentals")).json()
            assert [ride["id"] for ride in seen["rentals"]] == [rides[0]]
    assert (await rentals.rental(world.system(), ids.parse(rides[1], "rent"))).state != "completed"


async def test_people_of_one_department(world: World) -> None:
    """A grant for a department shows its people; one for an area shows nobody."""
    sales, other = await staff(world, "customer"), await staff(world, "customer")
    assert sales.user is not None
    await set_department(world.admin(), sales.user, "Sales")
    lead = await staff(world, "customer")
    async with world.client(await staff(world, "admin")) as admin, world.client(lead) as theirs:
        may = ("identity.person.read", "identity.session.read", "identity.role.read")
        assert (await made(admin, "lead", *may)).is_success
        grant = {"role": "lead", "scope": "department:Sales"}
        assert (await given(admin, lead, "customer", grant)).is_success
        listed = (await theirs.get("/api/v1/users")).json()
        assert [each["id"] for each in listed["users"]] == [public(sales)]
        assert listed["pagination"]["total"] == 1
        for path in ("", "/sessions", "/log-ins", "/roles"):
            seen = await theirs.get(f"/api/v1/users/{public(sales)}{path}")
            assert seen.is_success, (path, seen.text)
            hidden = await theirs.get(f"/api/v1/users/{public(other)}{path}")
            assert hidden.status_code == 404, path
        area = {"role": "lead", "scope": f"area:{ids.public('area', ids.new())}"}
        assert (await given(admin, lead, "customer", area)).is_success
        assert (await theirs.get("/api/v1/users")).json()["users"] == []


IN_FORCE_EVERYWHERE = (
    *("/api/v1/alert-rules", "/api/v1/battery/thresholds", "/api/v1/maintenance/intervals"),
    "/api/v1/tariffs",
)
"""Rules that bind the city too: read, and not changed, by whoever works in one."""


async def test_sheets_files_and_photos_of_one_city(world: World) -> None:
    """Issue 5: what was opened later is narrowed by its statement: nothing of elsewhere, and
    nothing done there."""
    here, there = await world.vehicle(), await world.vehicle(latitude=THERE[0], longitude=THERE[1])
    rider, rides = await world.rider(), []
    await world.card(rider)
    async with world.client(rider) as riding, alive(world):
        for vehicle in (here, there):
            said = {"vehicle_id": vehicle.identifier}
            begun = (await riding.post("/api/v1/rentals", json=said)).json()["id"]
            ended = await riding.post(f"/api/v1/rentals/{begun}/end", json={"end_photo": PHOTO_URL})
            assert ended.is_success, ended.text
            rides.append(begun)
    await world.settle()
    async with world.client(await staff(world, "admin")) as admin:
        who, _ = await local(world, admin, "provider", "support")
        async with world.client(who) as theirs:
            for path, least in (
                ("/api/v1/vehicles.csv", here.identifier),
                ("/api/v1/vehicles.csv?columns=import", here.identifier),
                ("/api/v1/fleet/labels", here.identifier),
                ("/api/v1/end-photos", rides[0]),
                ("/api/v1/end-photos?verdict=unseen", rides[0]),
            ):
                every, own = await admin.get(path), await theirs.get(path)
                assert own.status_code == 200, (path, own.text)
                assert least in own.text, path
                for far in (there.identifier, rides[1]):
                    assert far not in own.text, path
                assert any(far in every.text for far in (there.identifier, rides[1])), path
            photos = (await theirs.get("/api/v1/end-photos")).json()
            assert photos["pagination"]["total"] == 1
            named = f"/api/v1/fleet/labels?vehicles={here.identifier},{there.identifier}"
            assert (await theirs.get(named)).status_code == 404
            for ride, status in ((rides[1], 404), (rides[0], 200)):
                path = f"/api/v1/rentals/{ride}/photo/review"
                looked = await theirs.put(path, json={"verdict": "bad", "note": "x"})
                assert looked.status_code == status, looked.text
            [far] = [
                each
                for each in (await admin.get("/api/v1/end-photos")).json()["photos"]
                if each["rental_id"] == rides[1]
            ]
            assert far["verdict"] is None
            for path in IN_FORCE_EVERYWHERE:
                assert (await theirs.get(path)).json() == (await admin.get(path)).json(), path
            rules = (await theirs.get(IN_FORCE_EVERYWHERE[0])).json()
            changed = await theirs.put(IN_FORCE_EVERYWHERE[0], json=rules)
            assert code(changed) == "OUT_OF_SCOPE"
    group = msgspec.structs.replace(world.system(), scope=frozenset({f"group:{ids.new()}"}))
    assert (await rentals.end_photos(group, None, False, 50, 0)).photos == []


async def test_what_is_known_of_people_of_one_department(world: World) -> None:
    """Checks, consents, what they asked for about their data: of its people, to be read only."""
    sales, other = await staff(world, "customer"), await staff(world, "customer")
    assert sales.user is not None
    await set_department(world.admin(), sales.user, "Sales")
    lead = await staff(world, "customer")
    may = ("identity.check.read", "identity.privacy.read", "identity.privacy.write")
    async with world.client(await staff(world, "admin")) as admin, world.client(lead) as theirs:
        for person in (sales, other):
            asked = await admin.post(f"/api/v1/privacy/users/{public(person)}/exports")
            assert asked.status_code == 202, asked.text
        assert (await made(admin, "lead", *may)).is_success
        grant = {"role": "lead", "scope": "department:Sales"}
        assert (await given(admin, lead, "customer", grant)).is_success
        for path in (
            "/api/v1/users/{}/id-checks",
            "/api/v1/privacy/users/{}/consents",
            "/api/v1/privacy/users/{}/erasures/check",
        ):
            seen = await theirs.get(path.format(public(sales)))
            assert seen.status_code == 200, (path, seen.text)
            hidden = await theirs.get(path.format(public(other)))
            assert hidden.status_code == 404, path
        shown = (await theirs.get("/api/v1/privacy/all-requests")).json()
        assert [each["user_id"] for each in shown["requests"]] == [public(sales)]
        assert shown["pagination"]["total"] == 1
        every = (await admin.get("/api/v1/privacy/all-requests")).json()
        assert every["pagination"]["total"] == 2
        deed = await theirs.post(f"/api/v1/privacy/users/{public(sales)}/exports")
        assert code(deed) == "OUT_OF_SCOPE"
