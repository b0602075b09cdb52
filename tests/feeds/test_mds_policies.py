"""Cities' policies: read in strictly, kept with their versions, enforced as zones, served."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from fahrwerk.feeds.actions import policies as reading
from fahrwerk.feeds.contract import agencies, policies
from fahrwerk.feeds.protocols import mds_policy
from fahrwerk.feeds.rules import policies as rules
from fahrwerk.fleet.contract import zones
from fahrwerk.kernel import clock, ids, outside
from fahrwerk.kernel.errors import Invalid, Unavailable
from tests.feeds.mds_reading import JSON, SQUARE, city
from tests.feeds.reading import public
from tests.feeds.schemas import mds as schemas
from tests.feeds.test_mds import GEOGRAPHY, geographies
from tests.world import World

NOW = 1_700_000_000_000
Doc = dict[str, Any]


def rule(kind: str, **more: Any) -> Doc:
    return {
        "name": f"a {kind} rule", "rule_id": str(ids.new()), "rule_type": kind,
        "geographies": [GEOGRAPHY], "states": {}, **more,
    }  # fmt: skip


def policy(*wanted: Doc, **more: Any) -> Doc:
    return {
        "name": "Scooters", "mode_id": "micromobility", "policy_id": str(ids.new()),
        "description": "What scooters may do", "start_date": NOW, "published_date": NOW,
        "rules": list(wanted), **more,
    }  # fmt: skip


def document(*wanted: Doc) -> bytes:
    return msgspec.json.encode({"version": "2.0.2", "last_updated": NOW, "policies": list(wanted)})


SLOW = rule("speed", rule_units="kph", maximum=15, vehicle_types=["scooter_standing"])
BANNED = rule("count", rule_units="devices", maximum=0, states={"on_trip": [], "available": []})
UNPARKED = rule("time", rule_units="minutes", maximum=0, states={"available": []},
                days=["sat", "sun"], start_time="10:00:00", end_time="18:29:59")  # fmt: skip


@pytest.mark.parametrize(
    ("made", "means"),
    [
        (SLOW, ("slow", 15)),
        (rule("speed", rule_units="mph", maximum=10), ("slow", 16)),
        (rule("speed", rule_units="kph", maximum=0), ("no_go", None)),
        (rule("speed", rule_units="kph", minimum=5), None),
        (BANNED, ("no_go", None)),
        (UNPARKED, ("no_parking", None)),
        (rule("count", maximum=0), ("no_go", None)),
        (rule("count", maximum=500, rule_units="devices"), None),
        (rule("time", maximum=0, states={"removed": []}), None),
        (rule("user", messages={"de": "Helm auf!"}), None),
    ],
)
def test_what_a_rule_means(made: Doc, means: tuple[str, int | None] | None) -> None:
    assert rules.meaning(msgspec.convert(made, mds_policy.Rule)) == means


def test_when_a_rule_holds() -> None:
    [hours] = rules.schedule(msgspec.convert(UNPARKED, mds_policy.Rule))
    assert (hours.days, hours.start, hours.end) == ([6, 7], "10:00", "18:30")
    assert rules.schedule(msgspec.convert(SLOW, mds_policy.Rule)) == []
    night = rule("speed", maximum=1, start_time="22:00:00", end_time="06:00:00")
    [hours] = rules.schedule(msgspec.convert(night, mds_policy.Rule))
    assert (len(hours.days), hours.start, hours.end) == (7, "22:00", "06:00")
    whole = rule("speed", maximum=1, days=["mon"])
    [hours] = rules.schedule(msgspec.convert(whole, mds_policy.Rule))
    assert (hours.days, hours.start, hours.end) == ([1], "00:00", "24:00")


async def test_policies_are_enforced_as_zones(world: World) -> None:
    """Issue 3, point 8: what a city forbids holds in the zones of the operator at once, for those
    it concerns; superseded and foreign ones do not; the earlier rule goes first."""
    berlin, admin = await city(world), world.admin()
    await policies.put_document(admin, berlin.id, "geographies", msgspec.json.encode(geographies()))
    taxis = policy(BANNED, mode_id="passenger-services")
    others = policy(BANNED, provider_ids=[str(ids.new())])
    over = policy(BANNED, end_date=NOW + 1)
    first = policy(SLOW, UNPARKED)
    got = await policies.put_document(
        admin, berlin.id, "policies", document(first, taxis, others, over)
    )
    assert (got.is_new, got.zones_created, got.document.version) == (True, 2, 1)
    found = (await zones.zones_in_force(admin)).zones
    assert [(z.rules.kind, z.rules.speed_limit_kmh, z.source) for z in found] == [
        ("slow", 15, "policy"), ("no_parking", None, "policy"),
    ]  # fmt: skip
    assert found[0].rules.vehicle_types == ["scooter"]
    assert sorted(found[1].rules.vehicle_types) == ["ebike", "scooter"]
    check = await zones.check_zones(admin, "scooter", [zones.Fix(latitude=52.5, longitude=13.4)])
    assert check.speed_limit_kmh == 15
    again = await policies.put_document(
        admin, berlin.id, "policies", document(first, taxis, others, over)
    )
    assert (again.is_new, again.zones_unchanged, again.document.version) == (False, 2, 1)
    end = policy(prev_policies=[first["policy_id"]])
    got = await policies.put_document(admin, berlin.id, "policies", document(first, end))
    assert (got.zones_deleted, got.document.version) == (2, 2)
    versions = await policies.document_versions(admin, berlin.id, "policies", 10, 0)
    assert [(v.version, v.items) for v in versions.documents] == [(2, 2), (1, 4)]
    page = await policies.policies(admin, berlin.id, 10, 0)
    assert [p.is_in_force for p in page.policies] == [False, True]
    assert [r.enforced_as for r in page.policies[0].rules] == ["slow", "no_parking"]


async def test_an_exception_before_a_ban(world: World) -> None:
    """An earlier rule takes vehicles out of a later one: parking is allowed there."""
    berlin, admin = await city(world), world.admin()
    inner, wide = copy.deepcopy(SQUARE), geographies()
    inner["coordinates"] = [[[13.39, 52.49], [13.41, 52.49], [13.41, 52.51], [13.39, 52.51],
                             [13.39, 52.49]]]  # fmt: skip
    island = geographies(inner)["geographies"][0] | {"geography_id": str(ids.new())}
    wide["geographies"].append(island)
    await policies.put_document(admin, berlin.id, "geographies", msgspec.json.encode(wide))
    rack = rule("count", rule_units="devices", maximum=50, geographies=[island["geography_id"]])
    ban = rule("count", rule_units="devices", maximum=0, states={"available": []})
    await policies.put_document(admin, berlin.id, "policies", document(policy(rack, ban)))
    for latitude, longitude, is_allowed in ((52.5, 13.4, True), (52.45, 13.35, False)):
        fix = zones.Fix(latitude=latitude, longitude=longitude, accuracy_m=3)
        found = await zones.check_zones(admin, "scooter", [fix])
        assert found.parking.is_allowed is is_allowed


_BAD: list[tuple[str, Any]] = [
    ("policies", b""),
    ("policies", b"[]"),
    ("policies", b'{"version":"2.0.2"}'),
    ("policies", b'{"version":"1.2.0","policies":[]}'),
    ("policies", b"\xff\xfe"),
    ("policies", b"[" * 100_000),
    ("policies", document(policy(SLOW), policy(SLOW) | {"start_date": -1})),
    ("policies", document(policy(rule("speed", maximum=5)))),
    ("policies", document(policy(rule("speed", rule_units="days", maximum=5)))),
    ("policies", document(policy(rule("weather")))),
    ("policies", document(policy(rule("count", minimum=5, maximum=1)))),
    ("policies", document(policy(rule("count", geographies=[str(ids.new())])))),
    ("policies", document(policy(SLOW, end_date=NOW - 1))),
    ("policies", document(policy(rule("time", start_time="25:00:00")))),
    ("geographies", msgspec.json.encode(geographies({"type": "Circle"}))),
    ("geographies", msgspec.json.encode(geographies({"type": "Polygon", "coordinates": [[[1]]]}))),
    ("geographies", msgspec.json.encode(
        geographies({"type": "Polygon", "coordinates": [[[1, 2], [300, 4], [5, 6], [1, 2]]]}))),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), _BAD, ids=range(len(_BAD)))
async def test_a_mistake_changes_nothing(world: World, kind: str, body: bytes) -> None:
    """400 with the place of the mistake; what held before holds."""
    berlin, admin = await city(world), world.admin()
    await policies.put_document(admin, berlin.id, "geographies", msgspec.json.encode(geographies()))
    await policies.put_document(admin, berlin.id, "policies", document(policy(SLOW)))
    async with world.client(admin) as client:
        path = f"/api/v1/feeds/agencies/{ids.public('agc', berlin.id)}/documents/{kind}"
        answer = await client.put(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"]["issue"]
    assert len((await zones.zones_in_force(admin)).zones) == 1
    assert (await policies.document_versions(admin, berlin.id, kind, 10, 0)).total == 1


async def test_policies_are_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the city's addresses, geographies first; what fails is shown and changes nothing."""
    answers: dict[str, httpx.Response] = {
        "/geographies": httpx.Response(200, json=geographies()),
        "/policies": httpx.Response(200, content=document(policy(SLOW))),
    }

    def stranger(name: str, base_url: str, **about: Any) -> outside.Peer:
        about.pop("is_dev")
        transport = httpx.MockTransport(lambda request: answers[request.url.path])
        return outside.Peer(name, base_url, transport=transport, **about)

    monkeypatch.setattr(outside, "stranger", stranger)
    base = "https://mds.city.example"
    berlin = await city(
        world, policy_url=f"{base}/policies?x=1", geography_url=f"{base}/geographies"
    )
    admin = world.admin()
    while await reading.read_due_agencies():
        pass
    found = await agencies.agency(admin, berlin.id)
    assert (found.read_error, found.read_at is not None) == (None, True)
    assert len((await zones.zones_in_force(admin)).zones) == 1
    answers["/policies"] = httpx.Response(200, content=b"<html>sorry</html>")
    with pytest.raises(Invalid):
        await policies.read_agency(admin, berlin.id)
    answers["/policies"] = httpx.Response(500)
    with pytest.raises(Unavailable):
        await policies.read_agency(admin, berlin.id)
    found = await agencies.agency(admin, berlin.id)
    assert "500" in (found.read_error or "")
    assert len((await zones.zones_in_force(admin)).zones) == 1


async def test_a_delegate_publishes_for_the_city(world: World) -> None:
    """Policy, Geography and Jurisdiction without a token, as MDS has them; only where wanted."""
    berlin, admin = await city(world), world.admin()
    await policies.put_document(admin, berlin.id, "geographies", msgspec.json.encode(geographies()))
    old = policy(SLOW)
    new = policy(SLOW, prev_policies=[old["policy_id"]], start_date=NOW + 5)
    later = policy(SLOW, start_date=clock.millis(clock.now()) + 10**9)
    over = policy(SLOW, end_date=NOW + 10)
    await policies.put_document(admin, berlin.id, "policies", document(new, old, later, over))
    own = {
        "jurisdiction_id": str(ids.new()), "agency_key": "berlin", "description": "Berlin",
        "mode_ids": ["micromobility"], "timestamp": NOW, "geography_id": GEOGRAPHY,
    }  # fmt: skip
    body = msgspec.json.encode({"version": "2.0.0", "jurisdictions": [own]})
    await policies.put_document(admin, berlin.id, "jurisdictions", body)
    base = f"/mds/{world.operator.slug}/agencies/berlin"
    headers = {"Accept": JSON}
    async with public() as client:
        for kind in ("policies", "geographies", "jurisdictions"):
            answer = await client.get(f"{base}/{kind}", headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (404, "not_published")
        change = agencies.AgencyChange(is_published=True)
        await agencies.change_agency(admin, berlin.id, change)
        for kind in ("policies", "geographies", "jurisdictions"):
            answer = await client.get(f"{base}/{kind}", headers=headers)
            assert answer.headers["content-type"] == JSON
            jsonschema_rs.validate(schemas.PUBLISHED[kind], answer.json())
            known = {**headers, "If-None-Match": answer.headers["etag"]}
            assert (await client.get(f"{base}/{kind}", headers=known)).status_code == 304
            assert (await client.get(f"{base}/{kind}")).status_code == 406
            missing = await client.get(f"{base}/{kind}/{ids.new()}", headers=headers)
            assert missing.status_code == 404
            wrong = await client.get(f"{base}/{kind}/x", headers=headers)
            assert (wrong.status_code, wrong.json()["error"]) == (400, "bad_param")
        one = await client.get(f"{base}/geographies/{GEOGRAPHY}", headers=headers)
        jsonschema_rs.validate(schemas.PUBLISHED["geography"], one.json())

        async def listed(**query: Any) -> list[str]:
            answer = await client.get(f"{base}/policies", params=query, headers=headers)
            assert answer.status_code == 200, answer.text
            return [each["policy_id"] for each in answer.json()["policies"]]

        a, b, c, d = (p["policy_id"] for p in (old, new, later, over))
        assert await listed() == [a, b, c]
        assert await listed(active_only="true") == [b, c]
        assert await listed(start_date=NOW, end_date=NOW + 100) == [a, d, b]
        assert await listed(policy_id=b) == [b]
        brief = await client.get(f"{base}/policies?last_updated=true", headers=headers)
        assert brief.json().keys() == {"version", "last_updated"}
        for query in ("start_date=x", "active_only=maybe", "policy_id=7"):
            assert (
                await client.get(f"{base}/policies?{query}", headers=headers)
            ).status_code == 400
        for path in ("nobody-here/agencies/berlin", f"{world.operator.slug}/agencies/paris"):
            answer = await client.get(f"/mds/{path}/policies", headers=headers)
            assert answer.status_code == 404
