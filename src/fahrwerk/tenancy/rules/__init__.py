"""What an operator may look like: names, money, time and tax. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.money import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.tenancy.contract import Operator

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_ORIGIN = re.compile(
    rf"https://((?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?)(:[1-9]\d{{0,4}})?"
)
_ON_THIS_COMPUTER = re.compile(r"http://(localhost|127\.0\.0\.1)(:[1-9]\d{0,4})?")
_LOCALE = re.compile(r"(?:de|en)(?:-[A-Z]{2})?")
_LONGEST_HOST = 253
MOST_ORIGINS = 20

RESERVED = frozenset({"admin", "api", "app", "mail", "static", "status", "www"})
"""Sub-domains the platform keeps for itself (TEN-03, TEN-06)."""

BOUNDS = {
    "tax_rate_bp": (0, 5000),
    "payment_hold_s": (1, 3600),
    "unlock_window_s": (1, 7200),
    "max_active_rentals": (1, 100),
    "max_ride_h": (1, 24 * 31),
    "max_ride_km": (1, 10_000),
}
"""Smallest and largest value of each number (TEN-25)."""


def is_slug(text: str) -> bool:
    """True for what can be an operator's short name: also a label of a host name."""
    return _SLUG.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """True for a host name with at least two labels, in lower case, not an IP address."""
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None


def is_web_origin(text: str) -> bool:
    """True for an origin as browsers write it: https, a host, no default port, no path, no ``*``;
    or one on the developer's own computer."""
    found = _ORIGIN.fullmatch(text) or _ON_THIS_COMPUTER.fullmatch(text)
    if found is None or len(found[1]) > _LONGEST_HOST:
        return False
    port = int((found[2] or ":1")[1:])
    return port <= 65535 and port != {"https": 443, "http": 80}[text.partition(":")[0]]


def slug_of_host(host: str, platform_hosts: Collection[str]) -> str | None:
    """``mobility`` for ``mobility.example.org`` when the platform lives at ``example.org``.

    None when the host is no sub-domain of the platform's own (TEN-06).
    """
    slug, _, above = host.partition(".")
    return slug if above in platform_hosts and is_slug(slug) else None


def check(wanted: Operator) -> None:
    """Raise ``Invalid`` with the first field that does not fit."""
    if not is_slug(wanted.slug):
        _refuse("slug", "must be 2 to 63 characters: small letters, digits, hyphens inside")
    if wanted.slug in RESERVED:
        _refuse("slug", "is kept for the platform itself")
    for field, most in (("name", 200), ("plan", 50)):
        text = getattr(wanted, field)
        if not 1 <= len(text.strip()) <= most or not text.isprintable():
            _refuse(field, f"must have 1 to {most} printable characters")
    if wanted.currency not in DECIMALS:
        _refuse("currency", f"must be one of {', '.join(sorted(DECIMALS))}")
    if not _is_time_zone(wanted.time_zone):
        _refuse("time_zone", "must be an IANA time zone such as Europe/Berlin")
    if not _LOCALE.fullmatch(wanted.locale):
        _refuse("locale", "must be de or en, with a region if you like: de-AT")
    if wanted.domain is not None and not is_host(wanted.domain):
        _refuse("domain", "must be a host name in small letters")
    for field in ("max_vehicles", "max_users", "max_requests_per_minute", "refund_limit_minor"):
        limit = getattr(wanted, field)
        if limit is not None and not 0 <= limit <= 10**9:
            _refuse(field, f"must be 0 to {10**9}, or no limit")
    if wanted.max_requests_per_minute == 0:
        _refuse("max_requests_per_minute", "must be at least 1, or no limit")
    if len(wanted.web_origins) > MOST_ORIGINS:
        _refuse("web_origins", f"there can be {MOST_ORIGINS}")
    if len(set(wanted.web_origins)) < len(wanted.web_origins):
        _refuse("web_origins", "names one twice")
    if not all(map(is_web_origin, wanted.web_origins)):
        _refuse("web_origins", "must each be like https://shop.example.org, with nothing after it")
    for field, (least, most) in BOUNDS.items():
        if not least <= getattr(wanted, field) <= most:
            _refuse(field, f"must be {least} to {most}")


def _refuse(field: str, issue: str) -> None:
    raise Invalid(field=field, issue=issue)


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown, not a name, a folder of zones
        return False
    return True
