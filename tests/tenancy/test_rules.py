"""What an operator may look like, tried on everything."""

from __future__ import annotations

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fahrwerk.kernel import ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import rules
from fahrwerk.tenancy.contract import Operator

GOOD = Operator(id=ids.new(), slug="mobility", name="Mobility GmbH")
_ends = st.sampled_from(string.ascii_lowercase + string.digits)
_inside = st.text(string.ascii_lowercase + string.digits + "-", max_size=61)
slugs = st.builds("{}{}{}".format, _ends, _inside, _ends)


def _field_refused(**fields: object) -> str:
    with pytest.raises(Invalid) as refused:
        rules.check(msgspec.structs.replace(GOOD, **fields))
    return str(refused.value.details["field"])


def test_the_example_of_the_contract_is_fine() -> None:
    """TEN-03: Mobility GmbH with its own domain and the plan Enterprise."""
    rules.check(msgspec.structs.replace(GOOD, domain="mobility.scooter-share-pro.com"))


@given(slugs)
def test_every_slug_is_a_label_of_a_host_name(slug: str) -> None:
    """TEN-06: a short name always makes a sub-domain, and comes back from it."""
    assert rules.is_slug(slug)
    assert rules.slug_of_host(f"{slug}.example.org", {"example.org"}) == slug
    assert rules.is_host(f"{slug}.example.org")


@given(st.text(max_size=80))
def test_nothing_else_is_a_slug(text: str) -> None:
    """Header values are written by strangers: what passes has only safe characters."""
    if rules.is_slug(text):
        assert set(text) <= set(string.ascii_lowercase + string.digits + "-")
        assert 2 <= len(text) <= 63
        assert text[0] != "-" != text[-1]


@pytest.mark.parametrize(
    "slug", ["", "a", "Mobility", "-mobility", "mobility-", "mob.ility", "a" * 64, "müller", "a\n"]
)
def test_bad_slugs_are_refused(slug: str) -> None:
    assert _field_refused(slug=slug) == "slug"


@pytest.mark.parametrize("slug", sorted(rules.RESERVED))
def test_the_platforms_own_sub_domains_are_kept(slug: str) -> None:
    """TEN-03: the portal itself lives at admin.<platform>."""
    assert _field_refused(slug=slug) == "slug"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("plan", ""),
        ("currency", "BTC"),
        ("currency", "eur"),
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "Europe"),
        ("time_zone", ""),
        ("locale", "fr"),
        ("locale", "de-at"),
        ("domain", "Example.org"),
        ("domain", "localhost"),
        ("domain", "10.0.0.1"),
        ("domain", "a..example.org"),
        ("domain", "x" * 64 + ".example.org"),
    ],
)
def test_each_field_is_checked_and_named(field: str, value: str) -> None:
    """API-03: the answer names the field."""
    assert _field_refused(**{field: value}) == field


@given(st.sampled_from(sorted(rules.BOUNDS)), st.integers(-(10**6), 10**6))
def test_numbers_stay_within_their_bounds(field: str, value: int) -> None:
    """TEN-25, C-21: tax 0 to 50 %, holds and limits positive; both ends are allowed."""
    least, most = rules.BOUNDS[field]
    if least <= value <= most:
        rules.check(msgspec.structs.replace(GOOD, **{field: value}))
    else:
        assert _field_refused(**{field: value}) == field
    for end in (least, most):
        rules.check(msgspec.structs.replace(GOOD, **{field: end}))


@given(st.text(string.ascii_lowercase + ".-:[]0123456789", max_size=300))
def test_any_host_header_can_be_looked_at(host: str) -> None:
    """TEN-23: whatever stands in Host, the answer is a slug, or none."""
    slug = rules.slug_of_host(host, {"example.org", "localhost"})
    assert slug is None or host in (f"{slug}.example.org", f"{slug}.localhost")
    assert not rules.is_host(host) or len(host) <= 253
