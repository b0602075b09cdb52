"""A tenant's life: plan, suspension, domains with proof, brands, areas, market rules, set-up."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st
from PIL import Image

from fahrwerk.fleet import contract as fleet
from fahrwerk.identity.contract import birth
from fahrwerk.identity.events import SsoProviderAdded
from fahrwerk.kernel import clock, db, events, ids, names
from fahrwerk.kernel.call import system
from fahrwerk.payments.events import GatewayConnected
from fahrwerk.rentals import contract as rentals
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy import queries
from fahrwerk.tenancy.actions.domains import look_at_due
from fahrwerk.tenancy.contract.life import Limits, change_limits
from fahrwerk.tenancy.contract.markets import Market, QuietHours, TooYoung
from fahrwerk.tenancy.rules import brands as rules_of_brands
from fahrwerk.tenancy.rules import markets as rules
from tests.identity.test_roles import given, staff
from tests.rentals.riding import alive
from tests.world import World, make_world

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime.fromisoformat("2020-01-01")
BERLIN = {
    "name": "Berlin", "country": "DE", "south": 52.3, "west": 13.0, "north": 52.7, "east": 13.8,
}  # fmt: skip
HAMBURG = {
    "name": "Hamburg", "country": "DE", "south": 53.4, "west": 9.7, "north": 53.7, "east": 10.3,
}  # fmt: skip


def code(answer: httpx.Response) -> Any:
    return answer.json()["error"]["code"]


def where(world: World) -> str:
    return f"/api/v1/tenants/{ids.public('ten', world.tenant)}"


async def test_suspended_and_opened_again(world: World) -> None:
    """Riders cannot book, a running ride ends, staff read only, feeds are gone; then all is on."""
    rider, boss = await world.rider(), await staff(world, "admin")
    await world.card(rider)
    left, free = await world.vehicle(), await world.vehicle()
    platform = await make_world()
    async with (
        alive(world), world.client(rider) as ride, world.client(boss) as admin,
        world.client() as anybody, platform.client(platform.call("platform")) as above,
    ):  # fmt: skip
        begun = await ride.post("/api/v1/rentals", json={"vehicle_id": left.identifier})
        assert begun.status_code == 201
        assert (
            await admin.post(f"{where(world)}/suspend", json={"reason": "x"})
        ).status_code == 403
        done = await above.post(f"{where(world)}/suspend", json={"reason": "unpaid"})
        assert (done.json()["status"], done.json()["reason"]) == ("suspended", "unpaid")
        for refused in (
            await ride.post("/bookings", json={"vehicle_id": free.identifier}),
            await ride.post("/api/v1/rentals", json={"vehicle_id": free.identifier}),
            await admin.patch("/api/v1/tenant", json={"name": "New"}),
            await admin.post(
                "/api/v1/scooters", json={"identifier": "x", "model": "m", "brand": "b"}
            ),
        ):
            assert (refused.status_code, code(refused)) == (403, "TENANT_SUSPENDED")
        with pytest.raises(tenancy.OperatorSuspended):
            await rentals.book(rider, free.identifier, None, None, None, False, None)
        assert (await admin.get("/api/v1/users")).is_success
        feed = f"/gbfs/{world.operator.slug}/3.0/gbfs.json"
        assert (await anybody.get(feed)).status_code == 404
        # What protects people, and what is owed to them, goes on: each is refused for another
        # reason than the suspension, or done.
        debt, nobody = ids.public("debt", ids.new()), ids.public("usr", ids.new())
        for client, method, path, body in (
            (ride, "POST", f"/api/v1/debts/{debt}/pay", {}),
            (ride, "POST", f"/api/v1/wallet/debts/{debt}/pay", {}),
            (ride, "POST", "/api/v1/payment-methods", {"token": "tok_visa"}),
            (ride, "POST", f"/api/v1/vehicles/{left.identifier}/faults", {"kind": "brake"}),
            (ride, "PUT", "/api/v1/users/me/birth-date", {"birth_date": "1990-01-01"}),
            (ride, "POST", "/api/v1/gdpr/export", {}),
            (admin, "POST", f"/api/v1/payments/{ids.public('pay', ids.new())}/refunds",
             {"reason": "x"}),
            (admin, "POST", f"/api/v1/users/{nobody}/block", None),
            (admin, "POST", f"/api/v1/reseller-payouts/{ids.public('rpo', ids.new())}/pay", {}),
        ):  # fmt: skip
            answer = await client.request(method, path, json=body)
            assert "TENANT_SUSPENDED" not in answer.text, (path, answer.text)
        end = await ride.post(f"/api/v1/rentals/{begun.json()['id']}/end", json={})
        assert end.status_code == 200, end.text
        assert (await above.post(f"{where(world)}/resume")).json()["status"] == "active"
        assert (await ride.post("/bookings", json={"vehicle_id": free.identifier})).is_success


async def test_the_end_of_a_tenant(world: World) -> None:
    """Closing keeps the data for a while, says until when, and can be taken back."""
    platform = await make_world()
    async with platform.client(platform.call("platform")) as above:
        short = await above.post(f"{where(world)}/close", json={"reason": "end", "keep_days": 29})
        assert short.status_code == 400
        closing = (await above.post(f"{where(world)}/close", json={"reason": "end"})).json()
        assert closing["status"] == "closing"
        until = datetime.fromisoformat(closing["deletes_at"])
        assert timedelta(days=89) < until - clock.now() < timedelta(days=91)
        assert (await above.get(f"{where(world)}/status")).json() == closing
        assert (await above.post(f"{where(world)}/resume")).json()["deletes_at"] is None
    async with world.client(world.admin()) as admin:
        assert (await admin.post(f"{where(world)}/close", json={"reason": "x"})).status_code == 403


async def test_plan_limits_are_seen_and_kept(world: World) -> None:
    """TEN-05: vehicles, users and requests; with the numbers in the answer."""
    above = Limits(max_vehicles=2, max_users=1, max_requests_per_minute=30)
    await change_limits(world.call("platform"), world.tenant, above)
    await world.vehicle()
    await world.vehicle()
    await world.rider()
    with pytest.raises(tenancy.LimitReached) as full:
        await world.vehicle()
    assert full.value.details == {"limit": "vehicles", "allowed": 2, "used": 2}
    with pytest.raises(tenancy.LimitReached):
        await world.rider()
    async with world.client(world.admin()) as admin:
        seen = (await admin.get("/api/v1/tenant/limits")).json()
        assert seen == {
            "plan": "Enterprise", "max_vehicles": 2, "max_users": 1, "max_requests_per_minute": 30,
        }  # fmt: skip
        header = "identifier,model,brand,license_plate,qr_code\nA1,M,B,,\n"
        csv = await admin.post(
            "/api/v1/vehicles/import?dry_run=false", content=header,
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert csv.status_code == 400
        assert "your plan allows 2" in csv.text
        answers = [(await admin.get("/api/v1/tenant/limits")).status_code for _ in range(40)]
        assert 429 in answers
    other = await make_world()
    async with other.client(other.admin()) as neighbour:
        assert (await neighbour.get("/api/v1/tenant/limits")).status_code == 200
    trial = await change_limits(world.call("platform"), world.tenant, Limits(plan="Trial"))
    assert (trial.plan, trial.max_vehicles) == ("Trial", 25)


async def test_nobody_slips_over_a_limit_together(world: World) -> None:
    """TEN-05: eight who add at the same moment, and one who takes a retired vehicle back."""
    old = await world.vehicle()
    retired = fleet.VehicleChange(status="retired")
    await fleet.change_vehicle(world.admin(), old.id, retired)
    limits = Limits(max_vehicles=3, max_users=3)
    await change_limits(world.call("platform"), world.tenant, limits)
    added = await asyncio.gather(*(world.vehicle() for _ in range(8)), return_exceptions=True)
    refused = [each for each in added if isinstance(each, tenancy.LimitReached)]
    assert (len(refused), len(added)) == (5, 8), added
    people = await asyncio.gather(*(world.rider() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, tenancy.LimitReached) for each in people) == 5, people
    with pytest.raises(tenancy.LimitReached):
        await fleet.change_vehicle(world.admin(), old.id, fleet.VehicleChange(status="available"))
    one = next(each for each in added if isinstance(each, fleet.Vehicle))
    await fleet.change_vehicle(world.admin(), one.id, retired)
    back = fleet.VehicleChange(status="maintenance")
    assert (await fleet.change_vehicle(world.admin(), old.id, back)).status == "maintenance"


class Dns:
    """What the DNS says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        monkeypatch.setattr(names, "resolver", self.ask)

    async def ask(self, kind: str, name: str) -> list[str]:
        return self.records.get((kind, name), [])


async def test_a_domain_leads_here_once_it_is_proven(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEN-08, TEN-23: claimed, not routed; the DNS agrees, routed; others' claims do nothing."""
    monkeypatch.setattr(queries, "platform_host", lambda: "platform.example")
    dns, domain = Dns(monkeypatch), f"rides-{ids.new().hex[-10:]}.example.org"
    house = system(None, "tests")
    async with world.client(world.admin()) as admin:
        claimed = (await admin.post("/api/v1/domains", json={"domain": domain.upper()})).json()
        txt, cname = claimed["records"]
        assert not claimed["is_proven"]
        assert await tenancy.operator_by_host(house, domain) is None
        unproven = (await admin.post(f"/api/v1/domains/{domain}/prove")).json()
        assert (unproven["is_proven"], bool(unproven["problem"])) == (False, True)
        thief = await make_world()
        async with thief.client(thief.admin()) as other:
            theirs = (await other.post("/api/v1/domains", json={"domain": domain})).json()
            dns.records["TXT", txt["name"]] = ["v=spf1", txt["value"]]
            assert not (await other.post(f"/api/v1/domains/{domain}/prove")).json()["is_proven"]
            assert theirs["records"][0]["value"] != txt["value"]
            proven = (await admin.post(f"/api/v1/domains/{domain}/prove")).json()
            assert (proven["is_proven"], proven["proven_by"]) == (True, "txt")
            found = await tenancy.operator_by_host(house, domain)
            assert found is not None
            assert found.id == world.tenant
            # Whoever comes second, with whatever in the DNS, does not get it.
            dns.records["TXT", txt["name"]].append(theirs["records"][0]["value"])
            taken = await other.post(f"/api/v1/domains/{domain}/prove")
            assert (taken.status_code, code(taken)) == (409, "DOMAIN_TAKEN")
        for wrong in ("localhost", "a.localhost", "1.2.3.4", "no dots", "-x.example.org"):
            bad = await admin.post("/api/v1/domains", json={"domain": wrong})
            assert bad.status_code == 400, wrong
        # A proof lapses after a fortnight of daily looks without it.
        dns.records.clear()
        for _ in range(rules_of_brands.MOST_FAILURES):
            assert await tenancy.operator_by_host(house, domain) is not None
            await admin.post(f"/api/v1/domains/{domain}/prove")
        assert await tenancy.operator_by_host(house, domain) is None
        dns.records["CNAME", domain] = [cname["value"] + "."]
        by_cname = (await admin.post(f"/api/v1/domains/{domain}/prove")).json()
        assert by_cname["proven_by"] == "cname"
        await look_at_due()
        assert (await admin.delete(f"/api/v1/domains/{domain}")).status_code == 204
        assert await tenancy.operator_by_host(house, domain) is None


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "#0a7d55").save(file, kind)
    return file.getvalue()


async def test_a_brand_and_its_logo(world: World) -> None:
    """The picture is proven by decoding it and made anew; programs and bombs are refused."""
    async with world.client(world.admin()) as admin, world.client() as anybody:
        wish = {"name": "Flitz", "primary_color": "#0a7d55", "secondary_color": "#ffffff"}
        brand = (await admin.post("/api/v1/brands", json=wish)).json()
        assert (brand["is_default"], brand["logo_url"]) == (True, None)
        path = f"/api/v1/brands/{brand['id']}/logo"
        hidden = picture() + b"<script>alert(1)</script>"
        put = await admin.put(path, content=hidden, headers={"content-type": "image/png"})
        assert put.status_code == 200, put.text
        shown = await anybody.get(put.json()["logo_url"])
        assert shown.headers["content-type"] == "image/png"
        assert b"script" not in shown.content
        assert Image.open(io.BytesIO(shown.content)).size == (40, 20)
        here = (await anybody.get("/api/v1/brand")).json()["brand"]
        assert here["logo_url"] == put.json()["logo_url"]
        svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
        for bad in (svg, b"GIF89a", b"", picture()[:40], picture(size=(5000, 4000))):
            refused = await admin.put(path, content=bad, headers={"content-type": "image/png"})
            assert refused.status_code == 400, bad[:10]
        huge = await admin.put(path, content=b"x" * 2_100_000)
        assert huge.status_code == 413
        for wrong in ({"primary_color": "red"}, {"name": ""}, {"logo": "x"}):
            assert (await admin.post("/api/v1/brands", json=wish | wrong)).status_code == 400
        assert (await admin.post("/api/v1/brands", json=wish)).status_code == 409
    other = await make_world()
    async with other.client(other.admin()) as stranger:
        assert (await stranger.put(path, content=picture())).status_code == 404
        assert (await stranger.get(put.json()["logo_url"])).status_code == 404


async def test_quiet_hours_and_age_refuse_a_booking(world: World) -> None:
    """TEN-25: where the vehicle stands, when it begins; the vehicle is free again at once."""
    rider = await world.rider()
    vehicle, elsewhere = await world.vehicle(), await world.vehicle(latitude=48.1, longitude=11.5)
    now = datetime.now(UTC)
    async with world.client(world.admin()) as admin:
        area = (await admin.post("/api/v1/areas", json=BERLIN)).json()
        begins = (now.astimezone(ZONE) - timedelta(hours=1)).strftime("%H:%M")
        ends = (now.astimezone(ZONE) + timedelta(hours=1)).strftime("%H:%M")
        quiet = {"area_id": area["id"], "quiet_from": begins, "quiet_until": ends}
        made = await admin.post("/api/v1/markets", json=quiet)
        assert made.status_code == 201, made.text
        with pytest.raises(QuietHours) as refused:
            await rentals.book(rider, vehicle.identifier, None, None, None, False, None)
        assert refused.value.details["time_zone"] == "Europe/Berlin"
        there = await rentals.book(rider, elsewhere.identifier, None, None, None, False, None)
        assert there.state == "pending"
        await rentals.cancel(rider, there.id, "changed")
        ended = await admin.post(f"/api/v1/markets/{made.json()['id']}/end", json={})
        assert ended.status_code == 200
        aged = await admin.post("/api/v1/markets", json={"minimum_age": 18, "helmet": "required"})
        assert aged.status_code == 201
        with pytest.raises(TooYoung) as young:
            await rentals.book(rider, vehicle.identifier, None, None, None, False, None)
        assert young.value.details == {"minimum_age": 18, "reason": "age_unknown"}
        await birth.declare_birth_date(rider, date(now.year - 17, 1, 1))
        with pytest.raises(TooYoung):
            await rentals.book(rider, vehicle.identifier, None, None, None, False, None)
        with pytest.raises(birth.BirthDateSet):
            await birth.declare_birth_date(rider, date(1990, 1, 1))
        await birth.correct_birth_date(world.admin(), rider.user, date(1990, 1, 1))  # type: ignore[arg-type]
        booked = await rentals.book(rider, vehicle.identifier, None, None, None, False, None)
        assert booked.state == "pending"
        async with world.client(rider) as client:
            told = (await client.get("/api/v1/market")).json()["market"]
            assert (told["minimum_age"], told["helmet"]) == (18, "required")
            another = await client.post("/bookings", json={"vehicle_id": elsewhere.identifier})
            assert another.json()["helmet"] == "required", another.text
        tax = await admin.post("/api/v1/markets", json={"tax_rate_pct": 7})
        assert tax.status_code == 201
        assert (await tenancy.operator(world.system())).tax_rate_bp == 700
        wrong: dict[str, Any]
        for wrong in (
            {"quiet_from": "22:00"}, {"quiet_from": "25:00", "quiet_until": "06:00"},
            {"area_id": area["id"], "tax_rate_pct": 7}, {"languages": []}, {"helmet": "maybe"},
            {"valid_from": "2026-01-01T00:00:00"}, {"area_id": "area_nonsense"},
        ):  # fmt: skip
            assert (await admin.post("/api/v1/markets", json=wrong)).is_client_error, wrong


@examples(
    st.times(), st.times(), st.datetimes(FIRST, FIRST + timedelta(days=3650))
)  # fmt: skip
def test_quiet_hours_by_the_clock_on_the_wall(begins: Any, ends: Any, at: datetime) -> None:
    """Over midnight too: quiet is exactly from the one to the other, and it ends when it says."""
    if begins == ends:
        return
    at = at.replace(tzinfo=UTC)
    market = Market(
        id=UUID(int=0), valid_from=datetime(2000, 1, 1, tzinfo=UTC),
        quiet_from=begins, quiet_until=ends,
    )  # fmt: skip
    until = rules.quiet_until(market, at, "UTC")
    now = at.time()
    is_quiet = begins <= now < ends if begins < ends else now >= begins or now < ends
    assert (until is not None) is is_quiet
    if until is not None:
        assert timedelta(0) < until - at <= timedelta(days=1)
        assert until.time() == ends


async def test_the_set_up_goes_on_where_it_was_left(world: World) -> None:
    """WEB-16: what happens is seen, what was typed in is kept, needed steps stay."""
    async with world.client(await staff(world, "admin")) as admin:
        await world.settle()
        state = (await admin.get("/api/v1/tenant/setup")).json()
        assert [s["name"] for s in state["steps"] if s["state"] == "done"] == [
            "company", "admin", "tariffs",
        ]  # fmt: skip
        assert (state["next"], state["is_ready"]) == ("area", False)
        draft = {"data": {"city": "Berlin", "step": 2}}
        assert (await admin.put("/api/v1/tenant/setup/area", json=draft)).is_success
        kept = (await admin.get("/api/v1/tenant/setup")).json()["steps"][2]
        assert (kept["state"], kept["data"]) == ("open", draft["data"])
        await admin.post("/api/v1/areas", json=BERLIN)
        assert (await admin.put("/api/v1/tenant/setup/sso", json={"state": "skipped"})).is_success
        for bad in ("vehicles", "nonsense"):
            answer = await admin.put(f"/api/v1/tenant/setup/{bad}", json={"state": "skipped"})
            assert answer.status_code == 400
        await world.vehicle()
        facts: list[tuple[str, Any]] = [
            ("identity", SsoProviderAdded(ids.new(), "oidc")),
            ("payments", GatewayConnected("x", True)),
        ]  # fmt: skip
        for room, fact in facts:
            async with db.tx(room, world.system()) as tx:
                await events.emit(tx, world.system(), f"x:{ids.new()}", 1, fact)
        await world.settle()
        state = (await admin.get("/api/v1/tenant/setup")).json()
        assert state["is_ready"]
        done = {s["name"] for s in state["steps"] if s["state"] == "done"}
        assert {"sso", "payments"} <= done


async def test_a_grant_for_a_city_reaches_that_city_only(world: World) -> None:
    """Vehicles, their commands, and rides: of the area; the rest looks like not there."""
    boss, local, rider = (
        await staff(world, "admin"),
        await staff(world, "customer"),
        await world.rider(),
    )
    here, there = await world.vehicle(), await world.vehicle(latitude=53.55, longitude=10.0)
    await world.card(rider)
    async with world.client(boss) as admin, world.client(local) as theirs:
        berlin = (await admin.post("/api/v1/areas", json=BERLIN)).json()["id"]
        await admin.post("/api/v1/areas", json=HAMBURG)
        grants = [{"role": role, "scope": f"area:{berlin}"} for role in ("provider", "support")]
        assert (await given(admin, local, *grants)).is_success
        for params in ({}, {"lat": 52.5, "lon": 13.4, "radius": 50_000}):
            listed = (await theirs.get("/api/v1/vehicles", params=params)).json()
            assert [v["identifier"] for v in listed["vehicles"]] == [here.identifier]
            assert listed["pagination"]["total"] == 1
        far = (await theirs.get("/api/v1/vehicles", params={"lat": 53.55, "lon": 10.0})).json()
        assert far["vehicles"] == []
        assert (await theirs.get(f"/api/v1/vehicles/{here.identifier}")).is_success
        wish = {"command": "sound"}
        own = await theirs.post(f"/api/v1/vehicles/{here.identifier}/commands", json=wish)
        assert own.status_code in (202, 422), own.text
        for answer in (
            await theirs.get(f"/api/v1/vehicles/{there.identifier}"),
            await theirs.patch(f"/api/v1/vehicles/{there.identifier}", json={"model": "X"}),
            await theirs.post(f"/api/v1/vehicles/{there.identifier}/commands", json=wish),
            await theirs.get(
                f"/api/v1/vehicles/{there.identifier}/timeline",
                params={"from": "2026-11-01T00:00:00Z", "to": "2026-11-01T01:00:00Z"},
            ),
        ):
            assert answer.status_code == 404, answer.text
        away = {"latitude": 53.55, "longitude": 10.0}
        moved = await theirs.post(f"/api/v1/vehicles/{here.identifier}/move", json=away)
        assert (moved.status_code, code(moved)) == (403, "OUT_OF_SCOPE")
        rides = []
        for vehicle in (here, there):
            start = rentals.Point(vehicle.latitude, vehicle.longitude, None)  # type: ignore[arg-type]
            rides.append(
                await rentals.book(rider, vehicle.identifier, None, None, None, False, start)
            )
        seen = (await theirs.get("/api/v1/bookings")).json()["bookings"]
        assert [b["id"] for b in seen] == [ids.public("rent", rides[0].id)]
        other = await theirs.get(f"/api/v1/bookings/{ids.public('rent', rides[1].id)}")
        assert other.status_code == 404
        assert (await theirs.get(f"/api/v1/bookings/{ids.public('rent', rides[0].id)}")).is_success
        # A group of vehicles reaches them wherever they stand.
        group = (await admin.post("/api/v1/fleet/groups", json={"name": "Depot"})).json()["id"]
        body = {"add": [ids.public("sco", there.id)]}
        joined = await admin.post(f"/api/v1/fleet/groups/{group}/vehicles", json=body)
        assert joined.is_success, joined.text
        assert (
            await given(admin, local, {"role": "provider", "scope": f"group:{group}"})
        ).is_success
        listed = (await theirs.get("/api/v1/vehicles")).json()["vehicles"]
        assert [v["identifier"] for v in listed] == [there.identifier]


async def test_the_tiny_resolver_reads_what_servers_write() -> None:
    """Names that jump, several strings in a record; what never ends is refused."""
    question = names._question(7, "_fahrwerk.example.org", 16)
    record = b"\xc0\x0c" + (16).to_bytes(2, "big") + b"\0\1" + bytes(4)
    data = b"\x03abc\x02de"
    answer = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + record
    answer += len(data).to_bytes(2, "big") + data
    assert names._records(answer, question, 16) == ["abcde"]
    assert names._records(question[:2] + b"\x81\x83" + question[4:], question, 16) == []
    with pytest.raises(ValueError, match="without an end"):
        names._name(b"\xc0\x00", 0)
