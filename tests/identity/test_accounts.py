"""Registration, accounts made by staff, profiles, blocking, and what other rooms ask."""

from __future__ import annotations

import asyncio

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.identity.contract import ProfileChange, Standing
from fahrwerk.kernel import db, ids
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.tenancy.contract import UnknownOperator
from tests.identity.people import EMAIL, ada, facts, logged_in, sessions
from tests.world import PASSWORD, World, make_world


async def test_a_rider_registers(world: World) -> None:
    """IDN-01, IDN-13, EV-09: a customer, a hash that is Argon2id, one fact by the rider herself."""
    person = await ada(world, locale="en")
    assert person.roles == {"customer"}
    assert person.status == "active"
    assert await identity.person(world.system(), person.id) == person
    row = await db.one(
        "identity", world.system(), "SELECT * FROM identity.person WHERE id = $1", person.id
    )
    assert row is not None
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in str(dict(row))
    assert await facts(world.system(), f"person:{person.id}") == [
        (
            "user.registered",
            1,
            {"user_id": str(person.id), "roles": ["customer"]},
            ids.public("usr", person.id),
        )
    ]


async def test_e_mail_or_phone_is_enough_but_one_is_needed(world: World) -> None:
    """C-05: either of the two; names may come later."""
    person = await ada(world, email=None, phone="0049 151 2345678", first_name=None, last_name=None)
    assert (person.email, person.phone) == (None, "+491512345678")
    with pytest.raises(Invalid) as refused:
        await ada(world, email=None, phone=None)
    assert refused.value.details["field"] == "email"


async def test_one_account_per_address_and_number(world: World) -> None:
    """C-06: capital letters make no other address, spaces no other number."""
    await ada(world, phone="+491512345678")
    for taken in (
        {"email": "ADA@Example.org"},
        {"email": "other@example.org", "phone": "+49 151 2345678"},
    ):
        with pytest.raises(identity.AlreadyRegistered):
            await ada(world, **taken)


async def test_of_many_registrations_at_once_one_wins(world: World) -> None:
    """C-06: one account, one fact, and a 409 for everybody else."""
    tries = [ada(world, email=e) for e in (EMAIL, "Ada@example.org", "ADA@EXAMPLE.ORG") * 4]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(o).__name__ for o in outcomes) == ["AlreadyRegistered"] * 11 + ["Person"]
    counted = await db.run(
        "identity",
        world.system(),
        "SELECT (SELECT count(*) FROM identity.person) AS people, "
        "(SELECT count(*) FROM kernel.event WHERE name = 'user.registered') AS facts",
    )
    assert dict(counted[0]) == {"people": 1, "facts": 1}


async def test_two_operators_have_the_same_rider_apart(world: World) -> None:
    """TEN-01, C-06, I7: the same address, two accounts, two passwords, no way across."""
    other = await make_world()
    here, there = await ada(world), await ada(other, password="another secret entirely")
    assert here.id != there.id
    assert (await identity.log_in(world.call(), EMAIL, PASSWORD)).person.id == here.id
    with pytest.raises(identity.WrongCredentials):
        await identity.log_in(other.call(), EMAIL, PASSWORD)
    with pytest.raises(identity.UnknownPerson):
        await identity.person(world.system(), there.id)
    assert await identity.contact(world.system(), there.id) is None
    assert await identity.rider_standing(world.system(), there.id) == Standing(False, "unknown")
    page = await identity.persons(world.admin(), None, 50, 0)
    assert [p.id for p in page.persons] == [here.id]


async def test_nobody_registers_with_no_operator(world: World) -> None:
    for tenant in (None, ids.new()):
        with pytest.raises(UnknownOperator):
            await identity.register(system(tenant, "tests"), EMAIL, None, PASSWORD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("email", "ada@example"), ("phone", "0151 1"), ("password", "short")),
        *(("first_name", "A\0da"), ("locale", "xx"), ("last_name", "L" * 101)),
    ],
)
async def test_what_does_not_fit_is_named(world: World, field: str, value: str) -> None:
    """API-03."""
    with pytest.raises(Invalid) as refused:
        await ada(world, **{field: value})
    assert refused.value.details["field"] == field


async def test_the_database_checks_addresses_itself(world: World) -> None:
    """IDN-14: valid_email is the last wall, whoever writes."""
    with pytest.raises(Exception, match="valid_email"):
        await db.run(
            "identity",
            world.system(),
            "INSERT INTO identity.person (id, email, created_at, updated_at) "
            "VALUES ($1, 'not an address', now(), now())",
            ids.new(),
        )


async def test_staff_make_accounts_with_roles(world: World) -> None:
    """IDN-17, IDN-27: several roles, each a row; never above one's own."""
    roles = frozenset({"customer", "business_user"})
    admin = world.admin()
    made = await identity.add_person(admin, "bo@example.org", PASSWORD, roles, "Bo", "Berg")
    assert (await identity.person(admin, made.id)).roles == roles
    assert (await facts(admin, f"person:{made.id}"))[0][3] == admin.actor
    colleague = await identity.add_person(
        admin, "cy@example.org", PASSWORD, frozenset({"admin"}), "Cy", "Cohn"
    )
    assert colleague.roles == {"admin"}
    for role in ("platform", "recorder"):
        with pytest.raises(Forbidden):
            await identity.add_person(
                admin, "dee@example.org", PASSWORD, frozenset({role}), "Dee", "Dahl"
            )
    for caller in (world.call("support"), world.call("provider"), world.call("customer")):
        with pytest.raises(Forbidden):
            await identity.add_person(
                caller, "dee@example.org", PASSWORD, frozenset({"customer"}), "Dee", "Dahl"
            )
    with pytest.raises(identity.AlreadyRegistered):
        await identity.add_person(admin, "BO@example.org", PASSWORD, roles, "Bo", "Berg")


async def test_people_change_their_profile(world: World) -> None:
    """IDN-31: what is left out stays, None removes, spelling is normalised."""
    person = await ada(world)
    me = world.call("customer", user=person.id)
    change = ProfileChange(first_name=" Augusta  Ada ", phone="+49 151 2345678", locale="en")
    changed = await identity.change_profile(me, change)
    assert (changed.first_name, changed.last_name) == ("Augusta Ada", "Lovelace")
    assert (changed.phone, changed.locale) == ("+491512345678", "en")
    assert (await identity.change_profile(me, ProfileChange(locale=None))).locale is None
    assert (await identity.change_profile(me, ProfileChange())).phone == "+491512345678"
    other = await ada(world, email="bo@example.org")
    with pytest.raises(identity.AlreadyRegistered):
        await identity.change_profile(
            world.call("customer", user=other.id), ProfileChange(phone="+491512345678")
        )
    with pytest.raises(identity.UnknownPerson):
        await identity.change_profile(world.call("customer"), ProfileChange(locale="en"))


async def test_a_number_is_given_once_however_many_ask(world: World) -> None:
    """C-06 for changes too: the index decides, and says so politely."""
    people = [await ada(world, email=f"r{n}@example.org") for n in range(4)]
    wish = ProfileChange(phone="+491512345678")
    calls = [world.call("customer", user=p.id) for p in people]
    outcomes = await asyncio.gather(
        *(identity.change_profile(call, wish) for call in calls), return_exceptions=True
    )
    assert sorted(type(o).__name__ for o in outcomes) == ["AlreadyRegistered"] * 3 + ["Person"]


async def test_the_last_way_to_log_in_stays(world: World) -> None:
    """C-05."""
    person = await ada(world, email=None, phone="+491512345678")
    with pytest.raises(Invalid):
        await identity.change_profile(
            world.call("customer", user=person.id), ProfileChange(phone=None)
        )


async def test_a_blocked_person_is_out(world: World) -> None:
    """No log-in, no refresh, no ride; a fact each for the account and its sessions. Then back."""
    login = await logged_in(world)
    person, admin = login.person, world.admin()
    barred = await identity.block_person(admin, person.id)
    assert barred.status == "blocked"
    await identity.block_person(admin, person.id)
    with pytest.raises(identity.AccountBlocked):
        await identity.log_in(world.call(), EMAIL, PASSWORD)
    with pytest.raises(identity.WrongCredentials):  # strangers do not learn of it
        await identity.log_in(world.call(), EMAIL, "not the password")
    with pytest.raises(Exception, match="Invalid or expired token"):
        await identity.refresh(world.call(), login.refresh_token)
    assert await identity.rider_standing(admin, person.id) == Standing(False, "blocked")
    session = (await sessions(world, person.id))[0]
    assert session["revoked_reason"] == "blocked"
    ended = await facts(admin, f"session:{session['id']}")
    assert [(name, version) for name, version, _, _ in ended] == [("session.revoked", 1)]
    assert ended[0][2]["reason"] == "blocked"

    assert (await identity.unblock_person(admin, person.id)).status == "active"
    await identity.unblock_person(admin, person.id)
    assert (await identity.rider_standing(admin, person.id)).may_ride
    assert await identity.log_in(world.call(), EMAIL, PASSWORD)
    with pytest.raises(Exception, match="Invalid or expired token"):
        await identity.refresh(world.call(), login.refresh_token)  # what was ended stays ended
    names = [(name, version) for name, version, _, _ in await facts(admin, f"person:{person.id}")]
    assert names == [("user.registered", 1), ("user.blocked", 2), ("user.unblocked", 3)]


async def test_whom_one_may_block(world: World) -> None:
    """Not oneself, nobody above, and only with the permission."""
    boss = await identity.add_person(
        world.system(), "boss@example.org", PASSWORD, frozenset({"platform"}), "B", "Oss"
    )
    rider = await ada(world)
    me = world.call("admin", user=rider.id)
    for call, whom in (
        (world.admin(), boss.id),
        (me, rider.id),
        (world.call("support"), rider.id),
        (world.call("provider"), rider.id),
    ):
        with pytest.raises(Forbidden):
            await identity.block_person(call, whom)
    with pytest.raises(identity.UnknownPerson):
        await identity.block_person(world.admin(), ids.new())


async def test_who_may_ride(world: World) -> None:
    """RNT-15, C-05: active, and named before the first booking; one statement."""
    named = await ada(world)
    nameless = await ada(world, email="n@example.org", first_name=None)
    seen: list[str] = []
    token = db.statements.set(seen)
    assert await identity.rider_standing(world.system(), named.id) == Standing(True)
    db.statements.reset(token)
    assert len(seen) == 1
    assert await identity.rider_standing(world.system(), nameless.id) == Standing(
        False, "name_missing"
    )
    assert await identity.rider_standing(world.system(), ids.new()) == Standing(False, "unknown")


async def test_how_to_reach_somebody(world: World) -> None:
    """NTF: the person's language, else the operator's; a name, else what there is."""
    ada_, bo = (
        await ada(world, locale="en"),
        await ada(
            world, email="bo@example.org", phone="+491512345678", first_name=None, last_name=None
        ),
    )
    call = world.system()
    assert await identity.contact(call, ada_.id) == identity.Contact(
        "Ada Lovelace", EMAIL, None, "en"
    )
    assert await identity.contact(call, bo.id) == identity.Contact(
        "bo@example.org", "bo@example.org", "+491512345678", "de"
    )


async def test_staff_search_people(world: World) -> None:
    """IDN-26: part of name, address or number; % and _ mean themselves; paged, newest first."""
    people = [
        await ada(world, email=f"p{n}@example.org", first_name=f"P{n}", phone=f"+4915123456{n}0")
        for n in range(3)
    ]
    odd = await ada(world, email="under_score@example.org", last_name="100%")
    staff = world.call("support")

    async def found(q: str | None, limit: int = 50, offset: int = 0) -> list[object]:
        page = await identity.persons(staff, q, limit, offset)
        return [p.id for p in page.persons]

    assert await found(None) == [odd.id, *(p.id for p in reversed(people))]
    assert await found("P1 LOVE") == [people[1].id]
    assert await found("5620") == [people[2].id]
    assert await found("p0@EXAMPLE") == [people[0].id]
    assert await found("_") == [odd.id]
    assert await found("%") == [odd.id]
    assert await found("\\") == []
    assert await found(None, 2, 1) == [people[2].id, people[1].id]
    beyond = await identity.persons(staff, None, 10, 100)
    assert (beyond.persons, beyond.total) == ([], 4)
    for caller in (world.call("customer"), world.call("provider")):
        with pytest.raises(Forbidden):
            await identity.persons(caller, None, 50, 0)
