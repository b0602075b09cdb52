"""ID checks through a provider (IDN-02), and a ride that needs one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity import jobs, providers
from fahrwerk.identity.contract import checks
from fahrwerk.identity.rules import checks as rules
from fahrwerk.kernel import clock
from fahrwerk.kernel.errors import Forbidden, Invalid, Unavailable
from tests.identity.clients import error_of
from tests.identity.doorstep import entered, later, usr
from tests.identity.people import ada, facts, problem_of
from tests.world import World, make_world

OWN = "/api/v1/me/id-checks"
POLICY = "/api/v1/identity/policy"


async def wants(world: World, **wish: list[str]) -> None:
    """The operator asks for these checks."""
    async with world.client(world.admin()) as admin:
        kinds = {name.replace("all", "*"): value for name, value in wish.items()}
        answer = await admin.patch(POLICY, json={"ride_checks": kinds})
        assert answer.status_code == 200, answer.text


async def reason(world: World, person: identity.Person, vehicle: str | None = None) -> str | None:
    return (await identity.rider_standing(world.system(), person.id, vehicle)).reason


async def test_a_ride_may_need_a_check(world: World) -> None:
    """By type of vehicle, only where the operator asks, until it runs out."""
    person = await ada(world)
    me = world.call("customer", user=person.id)
    assert await reason(world, person, "car") is None
    await wants(world, all=["age"], car=["licence"])
    assert await reason(world, person) == await reason(world, person, "car") == "id_check_missing"
    await checks.start_check(me, "age", "doc_valid")
    assert (await reason(world, person), await reason(world, person, "scooter")) == (None, None)
    assert await reason(world, person, "car") == "id_check_missing"
    done = await checks.start_check(me, "licence", "doc_soon")
    assert (done.state, done.classes) == ("verified", ["B"])
    assert await reason(world, person, "car") is None
    with later(minutes=2):
        assert await reason(world, person, "car") == "id_check_missing"
        assert (await checks.checks(me, person.id))[0].state == "expired"
        await jobs.follow_checks()
        await jobs.follow_checks()
    told = await facts(me, f"id_check:{done.id}")
    assert [(version, data["state"]) for _, version, data, _ in told] == [
        (1, "verified"),
        (2, "expired"),
    ]


async def test_a_check_may_take_its_time(world: World) -> None:
    """Pending is asked again by a job, and decided once."""
    person = await ada(world)
    me = world.call("customer", user=person.id)
    await wants(world, all=["age"])
    begun = await checks.start_check(me, "age", "doc_pending")
    assert (begun.state, begun.decided_at) == ("pending", None)
    assert await reason(world, person) == "id_check_missing"
    with later(seconds=6):
        await jobs.follow_checks()
        assert (await checks.checks(me, person.id))[0].state == "pending"
    with later(seconds=30):
        await jobs.follow_checks()
        await jobs.follow_checks()
        assert (await checks.checks(me, person.id))[0].state == "verified"
        assert await reason(world, person) is None
    assert len(await facts(me, f"id_check:{begun.id}")) == 1


async def test_what_is_rejected_says_why(world: World) -> None:
    """Over HTTP; five a day; nothing of the document is kept."""
    person = await ada(world)
    async with world.client() as client:
        await entered(client)
        for document, why in (("doc_underage", "too_young"), ("doc_forged", "document_forged")):
            made = (await client.post(OWN, json={"kind": "age", "document": document})).json()
            assert (made["status"], made["reason"]) == ("rejected", why)
        body = {"kind": "age", "document": "passport number 123"}
        error_of(await client.post(OWN, json=body), 422, "ID_CHECK_REFUSED")
        for bad in ({"kind": "iris"}, {"document": ""}, {"state": "verified"}):
            error_of(await client.post(OWN, json=body | bad), 400, "VALIDATION_ERROR")
        for _ in range(2):
            await client.post(OWN, json={"kind": "age", "document": "doc_valid"})
        error_of(await client.post(OWN, json=body), 429, "TOO_MANY_CHECKS")
        shown = (await client.get(OWN)).json()["id_checks"]
        assert len(shown) == 5
        assert "passport" not in str(shown)
    async with world.client(world.admin()) as admin, world.client(world.call("customer")) as bo:
        path = f"/api/v1/users/{usr(person.id)}/id-checks"
        assert (await admin.get(path)).json()["id_checks"] == shown
        error_of(await bo.get(path), 403, "PERMISSION_DENIED")
    with pytest.raises(Forbidden):
        await checks.checks(world.call("customer"), person.id)
    other = await make_world()
    assert (await problem_of(checks.checks(other.admin(), person.id))) is not None


async def test_a_silent_provider_is_no_verdict(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the beginning the rider is told; later it is asked again, for a week at most."""
    person = await ada(world)
    me = world.call("customer", user=person.id)

    class Silent:
        async def start(self, question: providers.Question, now: object) -> providers.Verdict:
            assert question.oldest_birth < clock.now() - timedelta(days=17 * 365)
            return providers.Verdict(state="pending", reference="r")

        async def verdict(self, reference: str, now: object) -> providers.Verdict:
            raise Unavailable

    silent = Silent()
    monkeypatch.setattr(providers, "by_name", lambda name: silent)
    begun = await checks.start_check(me, "licence", "x")
    assert begun.state == "pending"
    for days in range(1, 12):
        for hour in range(0, 24, 1):
            with later(days=days, hours=hour):
                await jobs.follow_checks()
        found = (await checks.checks(me, person.id))[0]
        if found.state != "pending":
            break
    assert (found.state, found.reason) == ("rejected", "no_answer")
    assert 7 <= days <= 9

    monkeypatch.setattr(silent, "start", silent.verdict, raising=False)
    monkeypatch.setattr(Silent, "start", lambda self, q, now: silent.verdict("", now))
    assert isinstance(await problem_of(checks.start_check(me, "age", "x")), checks.ProviderSilent)


async def test_only_known_wishes_are_taken(world: World) -> None:
    """Policies are the admin's, checked, and changed one by one."""
    async with world.client(world.admin()) as admin:
        for bad in ({"ride_checks": {"tank": ["age"]}}, {"ride_checks": {"car": ["iris"]}},
                    {"id_provider": "none"}, {"id_provider": "breaches"}, {"id_provider": "../x"},
                    {"tenant_id": "x"}, {"bind_sessions": "yes"}):  # fmt: skip
            error_of(await admin.patch(POLICY, json=bad), 400, "VALIDATION_ERROR")
        await admin.patch(POLICY, json={"bind_sessions": True})
        await admin.patch(POLICY, json={"ride_checks": {"car": ["licence", "age", "age"]}})
        said = (await admin.get(POLICY)).json()
        assert (said["bind_sessions"], said["ride_checks"]) == (True, {"car": ["age", "licence"]})
    async with world.client(world.call("provider")) as other:
        error_of(await other.get(POLICY), 403, "PERMISSION_DENIED")
    for name in ("sandbox", "nothing"):
        if name == "sandbox":
            assert providers.by_name(name)
        else:
            with pytest.raises(Invalid):
                providers.by_name(name)


def test_a_provider_is_asked_less_and_less_and_not_for_ever() -> None:
    pauses = [rules.pause_s(asked) for asked in range(1, rules.MOST_ASKED)]
    assert pauses == sorted(pauses, key=lambda p: p or 0)
    assert rules.pause_s(rules.MOST_ASKED) is None
    assert 6 * 86_400 < sum(p or 0 for p in pauses) < 8 * 86_400
