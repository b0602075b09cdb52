"""The pure rules behind links, codes, factors, checks and leaked passwords."""

from __future__ import annotations

import hashlib

import httpx
import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.identity.actions import passwords
from fahrwerk.identity.providers import breaches
from fahrwerk.identity.rules import checks, factors, keys, passkeys, proofs
from fahrwerk.kernel import outside
from fahrwerk.kernel.errors import Forbidden, Invalid
from tests.identity.people import problem_of, tried

SECRET = pyotp.random_base32()
LEAKED = "correct horse battery2026"


@given(st.one_of(st.none(), st.floats(0, 86_400)), st.integers(0, 20), st.integers(0, 20))
def test_letters_are_limited(age: float | None, hour: int, day: int) -> None:
    """More that went out never make room for another."""
    if not proofs.may_send(age, hour, day):
        assert not proofs.may_send(age, hour + 1, day)
        assert not proofs.may_send(age, hour, day + 1)
    else:
        assert age is None or age >= proofs.PAUSE_S
        assert hour < proofs.MOST_AN_HOUR
        assert day < proofs.MOST_A_DAY


@given(st.integers(0, 2**64), st.sampled_from([6, 8]))
def test_codes_are_digits_however_they_are_typed(number: int, digits: int) -> None:
    code = proofs.code_of(number, digits)
    assert len(code) == digits
    assert code.isdigit()
    assert proofs.typed(f" {code[:3]}-{code[3:]} ") == code


@given(st.text(max_size=40))
def test_links_carry_any_token_safely(token: str) -> None:
    link = proofs.link("https://go.example", "reset", token)
    assert httpx.URL(link).params["token"] == token
    assert link.startswith("https://go.example/account/reset?token=")


@given(st.integers(10**9, 4 * 10**9), st.integers(-5, 5))
def test_a_code_is_right_for_a_minute_and_a_half(at: int, off: int) -> None:
    """One step early or late, never for a step that was used."""
    code = pyotp.TOTP(SECRET).at(at + off * factors.STEP_S)
    step = factors.step_of(SECRET, code, at, 0)
    if abs(off) <= 1:
        assert step is not None
        assert factors.step_of(SECRET, code, at, step) is None
    elif step is not None:  # two steps may have the same code, once in a million
        assert code in {pyotp.TOTP(SECRET).at(at + n * factors.STEP_S) for n in (-1, 0, 1)}


@given(st.text(max_size=12))
def test_what_is_no_code_is_never_right(text: str) -> None:
    if not (len(text) == 6 and text.isascii() and text.isdigit()):
        assert factors.step_of(SECRET, text, 1_800_000_000, 0) is None


@given(st.binary(min_size=10, max_size=10))
def test_recovery_codes_keep_every_bit(random: bytes) -> None:
    code = factors.recovery_code(random)
    assert len(code) == 19
    assert proofs.typed(code.lower()) == code.replace("-", "")


@given(
    st.frozensets(st.sampled_from(["customer", "support", "admin"])),
    st.frozensets(st.sampled_from(["support", "admin"])),
    st.booleans(),
    st.booleans(),
)
def test_a_factor_is_asked_of_who_has_one_or_must(
    roles: frozenset[str], asked: frozenset[str], totp: bool, passkey: bool
) -> None:
    """Who must have one never gets by with the password alone."""
    methods = factors.methods(roles, asked, has_totp=totp, has_passkey=passkey)
    assert bool(methods) == (totp or bool(roles & asked))
    assert ("enrol_totp" in methods) == (bool(roles & asked) and not totp and not passkey)


some = st.dictionaries(st.sampled_from(checks.VEHICLES), st.lists(st.sampled_from(checks.KINDS)))


@given(some, st.sampled_from([None, *checks.VEHICLES[1:]]))
def test_a_ride_needs_what_is_asked_of_all_and_of_its_type(
    wanted: dict[str, list[str]], vehicle: str | None
) -> None:
    tidy = checks.check_wanted(wanted)
    assert checks.needed(tidy, vehicle) == checks.needed(wanted, vehicle)
    assert checks.needed(wanted, None) <= checks.needed(wanted, vehicle)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_scopes_are_permissions_one_has(scopes: list[str]) -> None:
    """Any text: refused, or among what was held."""
    held = frozenset({"fleet.*", "identity.self"})
    found = tried(keys.check_scopes, scopes, held)
    if not isinstance(found, Invalid | Forbidden):
        assert all(s == "identity.self" or s.startswith("fleet.") for s in found)


@pytest.mark.parametrize(
    ("host", "address", "rp", "origin"),
    [
        ("go.example", "https://fahrwerk.example", "go.example", "https://go.example"),
        ("GO.example:443", "https://x", "go.example", "https://go.example"),
        ("localhost:8080", "http://127.0.0.1:8080", "localhost", "http://localhost:8080"),
        ("a.localhost:80", "http://localhost", "a.localhost", "http://a.localhost"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", None, None),
        ("[::1]:8080", "http://localhost", None, None),
        ("", "https://x", None, None),
    ],
)
def test_a_passkey_needs_a_name(
    host: str, address: str, rp: str | None, origin: str | None
) -> None:
    site = tried(passkeys.site_of, host, address)
    if rp is None:
        assert isinstance(site, Invalid)
    else:
        assert (site.rp_id, site.origin) == (rp, origin)


async def test_a_leaked_password_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """By five characters of its hash; a list that is silent keeps nobody out."""
    monkeypatch.setenv("FAHRWERK_BREACH_URL", breaches.SANDBOX)
    refused = await problem_of(passwords.check(LEAKED, None, None))
    assert isinstance(refused, Invalid)
    assert "leak" in refused.details["issue"]
    assert await problem_of(passwords.check("correct horse battery staple", None, None)) is None
    digest = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) > 1:
            return httpx.Response(503)
        lines = [f"{digest[5:]}:7", f"{'0' * 35}:0"]
        return httpx.Response(200, text="\r\n".join(lines))

    url = "https://leaks.example"
    peer = outside.Peer("breaches", url, transport=httpx.MockTransport(answer))
    monkeypatch.setitem(breaches._peers, url, peer)
    monkeypatch.setenv("FAHRWERK_BREACH_URL", url)
    assert isinstance(await problem_of(passwords.check(LEAKED, None, None)), Invalid)
    assert asked == [f"/range/{digest[:5]}"]
    assert digest[5:] not in asked[0]
    assert await problem_of(passwords.check(LEAKED, None, None)) is None
    await peer.close()
