"""Roles, addresses, numbers and passwords, tried on everything."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.identity import rules
from fahrwerk.kernel.call import Call
from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.settings import ROOMS
from tests.identity.people import tried

roles = st.frozensets(st.sampled_from(sorted(rules.PERMISSIONS)))


def _caller(held: frozenset[str]) -> Call:
    return Call(tenant=None, permissions=rules.permissions_of(held))


def test_the_roles_of_the_contract_exist() -> None:
    """IDN-27 and the house's own."""
    assert rules.PERMISSIONS.keys() == {
        *("customer", "business_user", "provider", "admin", "support", "recorder", "platform"),
        "reseller",
    }


@given(roles, roles)
def test_more_roles_never_may_less(some: frozenset[str], more: frozenset[str]) -> None:
    """IDN-26: permissions add up."""
    assert rules.permissions_of(some) <= rules.permissions_of(some | more)


@given(roles)
def test_an_unknown_role_adds_nothing(some: frozenset[str]) -> None:
    """A role in a token that no longer exists opens nothing."""
    assert rules.permissions_of(some | {"superuser", "*"}) == rules.permissions_of(some)


@given(roles, roles)
def test_nobody_gives_more_than_he_has(own: frozenset[str], given_: frozenset[str]) -> None:
    """IDN-26: whoever may give a set of roles can do all that they can."""
    caller = _caller(own)
    if rules.covers(caller, given_):
        assert all(caller.may(permission) for permission in rules.permissions_of(given_))
    assert rules.covers(caller, own)


@pytest.mark.parametrize(
    ("own", "wanted", "can"),
    [
        ("admin", "admin", True),
        ("admin", "support", True),
        ("admin", "business_user", True),
        ("admin", "platform", False),
        ("admin", "recorder", False),
        ("support", "admin", False),
        ("provider", "admin", False),
        ("recorder", "admin", False),
        ("platform", "platform", True),
        ("platform", "recorder", True),
    ],
)
def test_who_may_give_what(own: str, wanted: str, can: bool) -> None:
    assert rules.covers(_caller(frozenset({own})), {wanted}) is can


def test_an_administrator_is_one_within_the_operator_only() -> None:
    """I7: everything in every room, but not the other operators and not the clock."""
    admin = _caller(frozenset({"admin"}))
    assert all(admin.may(f"{room}.anything.at_all") for room in ROOMS if room != "tenancy")
    assert not admin.may("tenancy.operator.create")
    assert not admin.may("tenancy.operator.read")
    assert not admin.may("clock.move")
    assert _caller(frozenset({"recorder"})).may("clock.move")


def test_a_rider_may_ride_and_nothing_else() -> None:
    """IDN-28: what riders need, in business or not (TEN-10), and no administration."""
    for role in ("customer", "business_user"):
        rider = _caller(frozenset({role}))
        for permission in ("rentals.rental.create", "fleet.vehicle.unlock", "identity.self"):
            assert rider.may(permission)
        for permission in (
            *("identity.person.read", "fleet.vehicle.create", "payments.refund.create"),
            *("rentals.rental.read_any", "tenancy.operator.change"),
        ):
            assert not rider.may(permission)


@given(st.emails())
def test_email_addresses_obey_the_databases_check(email: str) -> None:
    """IDN-14: what passes here passes valid_email; the pattern is the contract's."""
    answer = tried(rules.email_of, email)
    if isinstance(answer, Invalid):
        assert answer.details == {"field": "email", "issue": "Invalid email format"}  # API-03
    else:
        assert re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", answer)


@pytest.mark.parametrize("email", ["", "a@b", "a b@c.de", "a@b.d", "a@b.de\0", "@b.de", "a@@b.c"])
def test_bad_email_addresses(email: str) -> None:
    with pytest.raises(Invalid):
        rules.email_of(email)


@pytest.mark.parametrize(
    "text",
    [
        "+491512345678",
        "+49 151 2345678",
        "0049 151/2345678",
        "+49 (0)151 234-5678",
        "+49.1512345678",
    ],
)
def test_one_number_in_many_spellings(text: str) -> None:
    """IDN-01: however written, it is one account."""
    assert rules.phone_of(text) == "+491512345678"


@given(st.text(max_size=30))
def test_phone_numbers_are_e164_or_refused(text: str) -> None:
    answer = tried(rules.phone_of, text)
    if isinstance(answer, Invalid):
        assert answer.details["field"] == "phone"
    else:
        assert re.fullmatch(r"\+[1-9][0-9]{6,14}", answer)


def test_a_number_without_its_country_is_refused() -> None:
    with pytest.raises(Invalid):
        rules.phone_of("0151 2345678")


@given(st.text(max_size=120))
def test_names_are_one_printable_line(text: str) -> None:
    name = tried(rules.name_of, "first_name", text)
    if isinstance(name, Invalid):
        assert name.details["field"] == "first_name"
    elif name is not None:
        assert name.isprintable()
        assert name == name.strip()
        assert 1 <= len(name) <= 100


@pytest.mark.parametrize(
    "password",
    [
        *("short", "nine char", "1234567890", "0987654321", "abcdefghijk", "aaaaaaaaaaaa"),
        *(
            "password123",
            "Passwort2026!",
            "Sommer2026!",
            "!!Willkommen1",
            "qwertzuiop",
            "1q2w3e4r5t",
        ),
        *("83057162940", "ada@example.org", "ADA@example.org", "ada.lovelace", "+491512345678"),
        *("491512345678", "x" * 201, "..........", "abababababab"),
    ],
)
def test_passwords_anybody_would_try(password: str) -> None:
    """IDN-39: short, common, a run, or the person's own address."""
    email = "ada@example.org" if "@" in password else "ada.lovelace@example.org"
    with pytest.raises(Invalid) as refused:
        rules.check_password(password, email, "+491512345678")
    assert refused.value.details["field"] == "password"
    assert password not in str(refused.value.details), "a password is never repeated back"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "demo-rider-2026",
        "Zwölf Boxkämpfer",
        "tz7!kd0qPw",
        "ключ от дома",
    ],
)
def test_passwords_that_will_do(password: str) -> None:
    """No rules about kinds of characters: a few words are welcome."""
    rules.check_password(password, "rider@mobility.example", None)


@given(st.text(min_size=10, max_size=40))
def test_a_password_is_the_same_however_it_was_composed(password: str) -> None:
    """An umlaut as one character or as two: normal() is stable, so the hash fits."""
    assert rules.normal(rules.normal(password)) == rules.normal(password)
    assert rules.normal("Zwo\u0308lf") == rules.normal("Zwölf")


def test_roles_must_exist() -> None:
    rules.check_roles({"customer", "support"})
    for wrong in (set[str](), {"customer", "king"}):
        with pytest.raises(Invalid):
            rules.check_roles(wrong)
