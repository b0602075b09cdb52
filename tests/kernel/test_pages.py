"""Pages cannot be declared so that a foreign site could use them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import get, post

from fahrwerk.kernel import web
from fahrwerk.kernel.cookies import ForeignOrigin, Jar, check_origin
from fahrwerk.kernel.settings import Settings
from tests.kernel.test_web import FRONT


def test_a_page_that_takes_what_any_site_could_send_does_not_start() -> None:
    """A POST page without ``form``, whose token would be checked, stops the start."""

    @post("/danger", permission=None, public=True, page=True, include_in_schema=False)
    async def danger() -> None: ...

    with pytest.raises(RuntimeError, match="takes no form"):
        web.create_app(Settings(), [danger], FRONT)


def test_no_page_is_below_api() -> None:
    """There no cookie counts, so a page there would know nobody."""

    @get("/api/v1/page", permission=None, public=True, page=True)
    async def page() -> None: ...

    with pytest.raises(RuntimeError, match="below /api/"):
        web.create_app(Settings(), [page], FRONT)


HOST = "ride.example"


@given(st.text(max_size=60), st.booleans())
def test_only_our_own_origin_passes(said: str, is_secure: bool) -> None:
    """Whatever somebody says: nothing but our host, and over TLS nothing without it."""
    jar = Jar("", is_secure=is_secure)
    headers = {b"host": HOST, b"origin": said}
    good = {f"https://{HOST}"} | (set() if is_secure else {f"http://{HOST}"})
    try:
        check_origin(headers, jar, "")
    except ForeignOrigin:
        assert said not in good
    else:
        assert said.lower().partition("#")[0].partition("?")[0].rstrip("/").split("/")[2] == HOST


@pytest.mark.parametrize(
    "origin", ["https://ride.example.evil", "https://evil/ride.example", "https://ride.example:81",
               "https://a@ride.example", "null", "", "//ride.example", "ftp://ride.example"],
)  # fmt: skip
def test_what_only_looks_like_ours_does_not(origin: str) -> None:
    with pytest.raises(ForeignOrigin):
        check_origin({b"host": HOST, b"origin": origin}, Jar("", is_secure=True), "")


def test_behind_a_proxy_the_public_address_counts() -> None:
    """The proxy asks us by another name; pages were shown under the public one."""
    headers = {b"host": "10.0.0.5:8080", b"origin": f"https://{HOST}"}
    check_origin(headers, Jar("", is_secure=True), f"https://{HOST}")


@given(st.text(max_size=300))
def test_no_cookie_header_breaks_anything(header: str) -> None:
    """Names and values as they are; what is there twice, or is too long, is not there."""
    jar = Jar(header, is_secure=True)
    assert isinstance(jar.get("fahrwerk"), str)
    assert Jar("__Host-a=1; __Host-a=2", is_secure=True).get("a") == ""
    assert Jar("__Host-a=" + "x" * 5000, is_secure=True).get("a") == ""
    assert Jar("a=1", is_secure=True).get("a") == ""
