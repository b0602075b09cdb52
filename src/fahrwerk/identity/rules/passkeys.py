"""Where a passkey is good: for the host a page was asked at, and its origin."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from fahrwerk.kernel.errors import Invalid


class Site(msgspec.Struct, frozen=True):
    """RP id and origin of a page, as WebAuthn compares them."""

    rp_id: str
    origin: str


def site_of(host: str, address: str) -> Site:
    """The site a request came to; ``address`` is this installation's own, for scheme and port.

    Raises ``Invalid`` when passkeys cannot be used there: a browser wants a name, not a number.
    """
    scheme = urlsplit(address).scheme or "https"
    name, _, port = host.lower().partition(":")
    if not name or name.replace(".", "").isdigit() or name.startswith("["):
        raise Invalid(field="Host", issue="passkeys need a host with a name, such as localhost")
    default = {"https": "443", "http": "80"}[scheme]
    tail = f":{port}" if port and port != default else ""
    return Site(name, f"{scheme}://{name}{tail}")
