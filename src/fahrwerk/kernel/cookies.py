"""Browsers: who is there by a cookie, and that what a page sends was meant (C-54).

Endpoints that say ``page=True`` know their caller by a cookie, all others by a bearer token; below
``/api/`` no cookie counts at all, so that no foreign site can use one there. ``page="also"`` takes
either. A cookie holds an opaque secret; whose it is, the house is asked, at most every 30 s.

Whatever changes something must come from a page of ours: ``Origin`` says so, and in a form the
synchroniser token, which is derived from the cookie. ``SameSite=Lax`` is the third wall.
"""

from __future__ import annotations

import base64
import hmac
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fahrwerk.kernel import crypto
from fahrwerk.kernel.errors import Forbidden

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

SESSION, GUEST, OPERATOR = "fahrwerk", "fahrwerk-guest", "fahrwerk-operator"
LANGUAGE = "fahrwerk-language"
"""Names of cookies; with ``__Host-`` before them wherever the browser takes that."""
LONGEST = 1_000
KEEP_S = 30.0
MOST_KEPT = 50_000
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class ForeignOrigin(Forbidden):
    """The request was not sent by a page of this host."""

    code = "FOREIGN_ORIGIN"
    message = "This was not sent by a page of this site. Please open the page again and repeat it."


class StaleForm(Forbidden):
    """The form's token is missing, or of another session."""

    code = "STALE_FORM"
    message = "This form is too old. Please open the page again and repeat it."


class Jar:
    """The cookies of one request, and those its answer sets."""

    __slots__ = ("_given", "is_secure", "set")

    def __init__(self, header: str, *, is_secure: bool) -> None:
        self.is_secure = is_secure
        self.set: list[tuple[bytes, bytes]] = []
        self._given = _parsed(header)

    def named(self, name: str) -> str:
        """What a cookie is called here: only over TLS do browsers take the safe prefix."""
        return f"__Host-{name}" if self.is_secure else name

    def get(self, name: str) -> str:
        """A cookie's value, or nothing."""
        return self._given.get(self.named(name), "")

    def put(self, name: str, value: str, max_age_s: int | None) -> None:
        """Have the browser keep a value that scripts cannot read; None: until it is closed."""
        parts = [f"{self.named(name)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
        if self.is_secure:
            parts.append("Secure")
        if max_age_s is not None:
            parts.append(f"Max-Age={max_age_s}")
        self._given[self.named(name)] = value
        self.set.append((b"set-cookie", "; ".join(parts).encode("ascii")))

    def drop(self, name: str) -> None:
        """Have the browser forget it."""
        self.put(name, "", 0)


def _parsed(header: str) -> dict[str, str]:
    """Names and values; one that is there twice counts as none: whose it is cannot be told."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for part in header[:8192].split(";"):
        name, is_pair, value = part.strip().partition("=")
        if is_pair:
            if name in found:
                twice.add(name)
            found[name] = value.strip()
    return {n: v for n, v in found.items() if n not in twice and len(v) <= LONGEST}


class Visit:
    """A browser's request for a page, or from one."""

    __slots__ = ("call", "host", "is_named", "jar", "path", "session")

    def __init__(
        self, call: Call, jar: Jar, host: str, path: str, session: UUID | None, *, is_named: bool
    ) -> None:
        self.call = call
        self.jar = jar
        self.host = host
        """The name it was asked under, without its port: an operator may have several brands."""
        self.path = path
        """With its query: where to come back to. Of a form: the page it stood on."""
        self.session = session
        """Whose cookie came, or None."""
        self.is_named = is_named
        """True: header or host name the operator; else it is what was chosen before, or a guess."""

    def sign_in(self, token: str, max_age_s: int) -> None:
        """Give the browser the cookie of a page session that has just begun."""
        self.jar.put(SESSION, token, max_age_s)
        self.jar.drop(GUEST)

    def sign_out(self) -> None:
        """Take the cookie back."""
        self.jar.drop(SESSION)

    @property
    def form_token(self) -> str:
        """What every form of this browser carries, hidden. Before log-in it needs a cookie too."""
        secret = self.jar.get(SESSION) or self.jar.get(GUEST)
        if not secret:
            secret = crypto.new_secret()
            self.jar.put(GUEST, secret, None)
        return _token(secret)

    def check_form(self, given: str) -> None:
        """Raise ``StaleForm`` unless the form was made for this browser."""
        secret = self.jar.get(SESSION) or self.jar.get(GUEST)
        if not secret or not crypto.same(_token(secret), given):
            raise StaleForm


def _token(secret: str) -> str:
    mac = hmac.digest(crypto.key_for("form"), secret.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:24]).decode()


def jar_of(scope: Any, headers: dict[bytes, str], *, dev: bool) -> Jar:
    """The cookies of a request. Only on a laptop do they go without TLS, under other names."""
    is_local = _name(headers.get(b"host", "")) in _LOCAL or _name(
        headers.get(b"host", "")
    ).endswith(".localhost")
    is_plain = dev and is_local and scope.get("scheme") == "http"
    return Jar(headers.get(b"cookie", ""), is_secure=not is_plain)


def _name(host: str) -> str:
    """A host without its port."""
    return host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()


def check_origin(headers: dict[bytes, str], jar: Jar, address: str) -> None:
    """Raise ``ForeignOrigin`` unless a page of the host asked for, or of ``address``, sent this."""
    if headers.get(b"sec-fetch-site", "same-origin") != "same-origin":
        raise ForeignOrigin
    said = headers.get(b"origin") or headers.get(b"referer", "")
    try:
        origin = urlsplit(said)
    except ValueError:
        raise ForeignOrigin from None
    schemes = ("https",) if jar.is_secure else ("http", "https")
    hosts = {headers.get(b"host", "").lower(), urlsplit(address).netloc.lower()} - {""}
    if origin.scheme not in schemes or origin.netloc.lower() not in hosts:
        raise ForeignOrigin


def came_from(headers: dict[bytes, str]) -> str:
    """The page of this host that a form was sent from, with its query; / where nothing says it."""
    try:
        page = urlsplit(headers.get(b"referer", ""))
    except ValueError:
        return "/"
    if page.netloc.lower() != headers.get(b"host", "").lower() or not page.path.startswith("/"):
        return "/"
    return f"{page.path}?{page.query}" if page.query else page.path


class Remembered:
    """Whose cookie is whose, for ``KEEP_S``; ended sessions are refused elsewhere, at once."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, crypto.Claims]] = {}

    def find(self, token: str) -> crypto.Claims | None:
        """What was found before and is still good."""
        until, claims = self._kept.get(crypto.digest_of(token), (0.0, None))
        return claims if time.monotonic() < until else None

    def keep(self, token: str, claims: crypto.Claims) -> None:
        """Remember what was found."""
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[crypto.digest_of(token)] = (time.monotonic() + KEEP_S, claims)
