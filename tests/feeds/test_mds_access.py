"""Who may read MDS, in which version, and who may say so."""

from __future__ import annotations

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fahrwerk import seed
from fahrwerk.feeds.contract import agencies, policies
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Conflict, Forbidden, Invalid
from fahrwerk.sim import demo
from fahrwerk.tenancy import contract as tenancy
from tests.feeds.mds_reading import CSV, JSON, city
from tests.feeds.reading import public
from tests.feeds.schemas import mds as schemas
from tests.world import World, make_world


async def test_only_a_token_opens(world: World) -> None:
    """401 for none, a wrong one, another operator's, a revoked one, a login; no word of why."""
    berlin, other = await city(world), await city(await make_world())
    admin = world.admin()
    kept = [await agencies.issue_token(admin, berlin.id, "Two")]
    paths = ("vehicles", "vehicles/status", "trips?end_time=2026-11-20T07", "stops",
             "telemetry?telemetry_time=2026-11-20T07", f"vehicles/{ids.new()}",
             "events/recent?start_time=1&end_time=2", "reports/2026-10.csv")  # fmt: skip
    for path in paths:
        accept = CSV if path.startswith("reports") else JSON
        for token in ("x", "mds_" + "a" * 43, other.secret, world.token(admin), "a" * 5_000):
            answer = await berlin.ask(path, token=token, accept=accept)
            await berlin.failure(answer, 401, "authentication_failed")
            assert answer.headers["www-authenticate"] == "Bearer"
        async with public() as client:
            url = f"/mds/{world.operator.slug}/micromobility/{path}"
            assert (await client.get(url, headers={"Accept": accept})).status_code == 401
            assert (await client.get(url.replace(world.operator.slug, "nobody-here"),
                                     headers={"Accept": accept})).status_code == 401  # fmt: skip
    assert (await berlin.ask("vehicles", mode="taxi")).status_code == 401
    assert (await berlin.ask("vehicles")).status_code == 200
    await agencies.revoke_token(
        admin, berlin.id, (await agencies.tokens(admin, berlin.id, 9, 0)).tokens[1].id
    )
    assert (await berlin.ask("vehicles")).status_code == 401, "revoked at once"
    assert (await berlin.ask("vehicles", token=kept[0].secret)).status_code == 200
    rows = await db.run("feeds", world.system("feeds"), "SELECT * FROM feeds.token")
    assert kept[0].secret not in str(rows), "hashed at rest"


@pytest.mark.parametrize(
    ("accept", "is_fine"),
    [
        (JSON, True),
        ("application/vnd.mds+json; version=2.0", True),
        ('application/vnd.mds+json;version="2.0"', True),
        ("text/html, application/vnd.mds+json;version=2.0;q=0.5", True),
        ("application/vnd.mds+json;version=1.2, application/vnd.mds+json;version=2.0", True),
        ("application/vnd.mds+json", False),
        ("application/vnd.mds+json;version=2.0.2", False),
        ("application/vnd.mds+json;version=1.2", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        (";;,=;version=2.0", False),
    ],
)
async def test_versions_are_negotiated(world: World, accept: str, is_fine: bool) -> None:
    """406 for what is not asked for as version 2.0; without one 0.2 would be meant."""
    berlin = await city(world)
    answer = await berlin.ask("vehicles", accept=accept)
    assert answer.status_code == (200 if is_fine else 406), answer.text
    if not is_fine:
        await berlin.failure(answer, 406, "version_not_supported")


async def test_only_staff_has_a_say(world: World) -> None:
    """IDN-26: agencies and tokens are the administrator's and the fleet's."""
    berlin = await city(world)
    for call in (await world.rider(), world.call("support")):
        for attempt in (
            agencies.agencies(call),
            agencies.tokens(call, berlin.id, 1, 0),
            agencies.issue_token(call, berlin.id, "mine"),
            agencies.add_agency(call, agencies.NewAgency(slug="hamburg", name="Hamburg")),
            policies.put_document(call, berlin.id, "policies", b"{}"),
        ):
            with pytest.raises(Forbidden):
                await attempt


async def test_agencies_and_tokens_over_http(world: World) -> None:
    """Added, changed, listed; a token is shown once; what does not fit is refused."""
    async with world.client(world.call("provider")) as client:
        wish = {"slug": "berlin", "name": "Land Berlin"}
        made = (await client.post("/api/v1/feeds/agencies", json=wish)).json()
        assert made["provider_apis"]["car-share"].endswith(f"{world.operator.slug}/car-share")
        taken = await client.post("/api/v1/feeds/agencies", json=wish)
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "SLUG_TAKEN")
        path = f"/api/v1/feeds/agencies/{made['id']}"
        issued = (await client.post(f"{path}/tokens", json={"label": "Dashboard"})).json()
        assert issued["secret"].startswith("mds_")
        listed = await client.get(f"{path}/tokens")
        assert issued["secret"] not in listed.text
        assert listed.json()["pagination"]["total"] == 1
        gone = await client.delete(f"{path}/tokens/{issued['token']['id']}")
        assert gone.json()["revoked_at"] is not None
        again = await client.delete(f"{path}/tokens/{issued['token']['id']}")
        assert again.json() == gone.json()
        changed = await client.patch(path, json={"name": "Berlin", "is_published": True})
        assert (changed.json()["name"], changed.json()["is_published"]) == ("Berlin", True)
        assert (await client.get(path)).json() == changed.json()
        for wrong in (
            {"policy_url": "http://plain.example"},
            {"policy_url": "https://x y"},
            {"name": ""},
            {"boundary_id": str(ids.new())},
            {"slug": "other"},
        ):
            assert (await client.patch(path, json=wrong)).status_code in (400, 404), wrong
        missing = await client.get(f"/api/v1/feeds/agencies/agc_{'0' * 22}")
        assert missing.json()["error"]["code"] == "UNKNOWN_AGENCY"
        empty = await client.post(f"{path}/read")
        assert (empty.status_code, empty.json()) == (200, {"received": []})


async def test_there_is_an_end_to_tokens(world: World) -> None:
    berlin = await city(world)
    admin = world.admin()
    for _ in range(19):
        await agencies.issue_token(admin, berlin.id, "more")
    with pytest.raises(Conflict):
        await agencies.issue_token(admin, berlin.id, "one too many")
    with pytest.raises(Invalid):
        await agencies.issue_token(admin, berlin.id, " ")


async def test_a_repeat_of_an_agency_is_the_same(world: World) -> None:
    """With an Idempotency-Key."""
    call = world.call("admin", key="once")
    wish = agencies.NewAgency(slug="berlin", name="Berlin")
    first = await agencies.add_agency(call, wish)
    assert (await agencies.add_agency(call, wish)).id == first.id


_PATHS = st.sampled_from(
    ["vehicles", "vehicles/status", "trips", "telemetry", "events/historical", "events/recent",
     "stops", "vehicles/x", "vehicles/status/x", "stops/x", "reports/x", "reports/2026-10.csv"]
)  # fmt: skip
_NAMES = st.sampled_from(
    ["after", "limit", "end_time", "start_time", "event_time", "telemetry_time", "x", "page"]
)


async def test_no_request_is_our_fault(world: World) -> None:
    """Whatever is asked, by who has a token and who has none: never a 500, always an MDS error."""
    berlin = await city(world)
    await world.vehicle()
    await world.settle()
    cases: list[tuple[str, dict[str, str], str, str]] = []

    @settings(max_examples=150, database=None)
    @given(
        _PATHS,
        st.dictionaries(_NAMES, st.text(max_size=40) | st.integers().map(str), max_size=3),
        st.sampled_from([JSON, CSV, "*/*", ""]),
        st.sampled_from([berlin.secret, "wrong"]),
    )
    def collect(path: str, query: dict[str, str], accept: str, token: str) -> None:
        cases.append((path, query, accept, token))

    collect()
    for path, query, accept, token in cases:
        answer = await berlin.ask(path, accept=accept, token=token, **query)
        said = f"{path} {query}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code in (200, 202, 400, 401, 404, 406), said
        if answer.status_code >= 400:
            jsonschema_rs.validate(schemas.ERROR, answer.json())


async def test_the_demos_city_reads(database: db.Database) -> None:
    """``fahrwerk seed`` switches MDS on, and says its token where it says the logins; once."""
    mobility = seed.OPERATORS[0]
    await tenancy.create_operator(system(None, "seed"), mobility)
    await seed._city()
    await seed._city()
    headers = {"Authorization": f"Bearer {demo.MDS_TOKEN}", "Accept": JSON}
    async with public() as client:
        answer = await client.get(f"/mds/{demo.TENANT}/micromobility/vehicles", headers=headers)
    assert answer.status_code == 200, answer.text
    call = system(mobility.id, "tests")
    [berlin] = await agencies.agencies(call)
    assert (await agencies.tokens(call, berlin.id, 10, 0)).total == 1
