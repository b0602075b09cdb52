"""What roles may do, and what an e-mail address, a phone number and a password must look like.

Pure. Permissions are ``room.noun.verb``; a role may hold ``room.*`` or, for the platform, ``*``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from fahrwerk.kernel.errors import Invalid
from fahrwerk.kernel.settings import ROOMS

if TYPE_CHECKING:
    from collections.abc import Collection

    from fahrwerk.kernel.call import Call

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
LONGEST_EMAIL = 255
LONGEST_NAME = 100

_RIDER = frozenset(
    {
        *("rentals.rental.create", "rentals.rental.read", "rentals.rental.end"),
        *("fleet.vehicle.read", "fleet.vehicle.unlock", "pricing.quote.read"),
        *("payments.method.read", "payments.method.write", "payments.payment.read"),
        *("identity.self", "fleet.zone.read", "fleet.fault.create"),
        *("wallet.account.read", "wallet.topup.create", "wallet.auto.write"),
        "wallet.account.close",
    }
)
# Everything within the own operator. Looking at or making other operators is the platform's.
_ADMIN = frozenset(
    {f"{room}.*" for room in ROOMS if room != "tenancy"}
    | {"tenancy.operator.change", "tenancy.brand.write", "tenancy.domain.write"}
)
PERMISSIONS: dict[str, frozenset[str]] = {
    "customer": _RIDER,
    "business_user": _RIDER,  # TEN-10: companies' riders and private ones within one operator
    "provider": frozenset(
        {"feeds.*", "fleet.*", "pricing.*", "identity.self", "identity.key.manage"}
    ),
    "support": frozenset(
        {
            *("fleet.vehicle.read", "fleet.command.read", "identity.person.read", "identity.self"),
            *("notifications.notice.read", "payments.method.read", "payments.payment.read"),
            *("payments.payment.read_any", "payments.refund.create", "pricing.quote.read"),
            *("payments.ledger.read", "payments.dispute.read", "payments.debt.read"),
            *("payments.risk.read", "payments.risk.review"),
            *("payments.sepa.read", "payments.mandate.read_any"),
            *("pricing.promotion.read", "rentals.rental.read", "rentals.rental.read_any"),
            *(
                "rentals.photo.review",
                "rentals.rental.end_any",
                "fleet.zone.read",
                "fleet.live.read",
                "fleet.alert.read",
            ),
            *("fleet.maintenance.read", "fleet.fault.create"),
            *("wallet.account.read", "wallet.account.read_any", "wallet.account.adjust"),
            *("wallet.account.freeze", "identity.session.read", "identity.session.end"),
            *("identity.check.read", "identity.privacy.read"),
        }
    ),
    "admin": _ADMIN,
    "reseller": frozenset({"wallet.reseller.own", "identity.self"}),  # TEN-28
    "recorder": frozenset({"clock.move"}),  # brings in rides of the past, beside another role
    "platform": frozenset({"*"}),
}
"""What each role may do (IDN-26, IDN-27)."""


@lru_cache(maxsize=256)
def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """All that these roles may do together; a role nobody knows adds nothing."""
    return frozenset[str]().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))


def covers(call: Call, roles: Collection[str]) -> bool:
    """True when the caller may all that these roles may: nobody gives, or bars, more than he is.

    So only an administrator makes administrators, and none makes one of the platform.
    """
    return all(call.may(permission) for permission in permissions_of(frozenset(roles)))


def check_roles(roles: Collection[str]) -> None:
    """Raise ``Invalid`` for no roles at all, or one that does not exist."""
    if not roles:
        raise Invalid(field="roles", issue="at least one is needed")
    if unknown := sorted(set(roles) - PERMISSIONS.keys()):
        raise Invalid(field="roles", issue=f"there is no role {unknown[0]}")


_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")  # as valid_email (IDN-14)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_NOISE = re.compile(r"\(0\)|[\s().\-/]")
_LOCALE = re.compile(r"(?:de|en)(?:-[A-Z]{2})?")


def email_of(text: str) -> str:
    """An e-mail address, spaces around it removed. Raises ``Invalid`` (API-03)."""
    email = text.strip()
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise Invalid(field="email", issue="Invalid email format")
    return email


def phone_of(text: str) -> str:
    """A phone number as E.164: ``+49 (0)151 / 234-5678`` is ``+491512345678``.

    Raises ``Invalid``; a number without its country cannot be called from everywhere.
    """
    digits = _PHONE_NOISE.sub("", text)
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    if not _PHONE.fullmatch(digits):
        raise Invalid(field="phone", issue="must begin with + and the country's code")
    return digits


def name_of(field: str, text: str | None) -> str | None:
    """A name in one line, or None when there is none. Raises ``Invalid``."""
    name = " ".join((text or "").split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(field=field, issue=f"must be at most {LONGEST_NAME} printable characters")
    return name or None


def locale_of(text: str | None) -> str | None:
    """A language we speak, or None. Raises ``Invalid``."""
    if text is not None and not _LOCALE.fullmatch(text):
        raise Invalid(field="locale", issue="must be de or en, with a region if you like: de-AT")
    return text


def device_of(text: str) -> str:
    """What a client calls itself, short and printable."""
    return "".join(c for c in text if c.isprintable())[:200]


# What the commonest passwords of public leaks are made of, once digits and signs around it are
# taken off (``Sommer2026!``), and walks over the keyboard.
_COMMONEST = frozenset(
    {
        *("password", "passwort", "passphrase", "passw0rd", "p@ssw0rd", "p@ssword", "kennwort"),
        *("administrator", "admin", "root", "test", "testtest", "demo", "user", "geheim", "secret"),
        *("hallo", "hello", "welcome", "willkommen", "letmein", "changeme", "default", "trustno"),
        *("iloveyou", "ichliebedich", "schatz", "princess", "prinzessin", "sunshine", "superman"),
        *("batman", "starwars", "pokemon", "minecraft", "dragon", "monkey", "master", "shadow"),
        *("football", "fussball", "baseball", "basketball", "bundesliga", "liverpool", "schalke"),
        *("michael", "charlie", "jennifer", "christopher", "alexander", "butterfly", "chocolate"),
        *("fruehling", "sommer", "herbst", "winter", "spring", "summer", "autumn", "deutschland"),
        *("qwertyuiop", "qwertzuiop", "qwerty", "qwertz", "asdfghjkl", "yxcvbnm", "zxcvbnm"),
        *("q1w2e3r4t", "q2w3e4r5t", "q2w3e4r5t6y", "qaz2wsx", "qaz2wsx3edc", "qazwsxedc", "qwe"),
        *("qwertyqwerty", "passwordpassword", "passwortpasswort", "abc", "abcd", "aa", "a", ""),
    }
)
_AROUND = re.compile(r"^[\d\W_]+|[\d\W_]+$")
_FEWEST_DIFFERENT = 4


def normal(password: str) -> str:
    """The same characters however a keyboard composed them (NIST SP 800-63B, NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, email: str | None, phone: str | None) -> None:
    """Raise ``Invalid`` for a password that is easily guessed; no rules about kinds of characters.

    At least 10 characters (four words make a good one), none of the commonest, not the person's
    own address or number, not a run or a repetition.
    """
    lower = normal(password).lower()
    issue = None
    if len(lower) < SHORTEST_PASSWORD:
        issue = f"must have at least {SHORTEST_PASSWORD} characters; a few words make a good one"
    elif len(lower) > LONGEST_PASSWORD:
        issue = f"must have at most {LONGEST_PASSWORD} characters"
    elif lower in _own_words(email, phone):
        issue = "must not be your e-mail address or phone number"
    elif _is_common(lower) or len(set(lower)) < _FEWEST_DIFFERENT or _is_run(lower):
        issue = "is one of the first that anybody would try"
    if issue is not None:
        raise Invalid(field="password", issue=issue)


def _own_words(email: str | None, phone: str | None) -> set[str]:
    words = {phone, phone.removeprefix("+")} if phone else set()
    if email:
        words |= {email.lower(), email.lower().partition("@")[0]}
    return {word for word in words if word}


def _is_common(text: str) -> bool:
    return text in _COMMONEST or _AROUND.sub("", text) in _COMMONEST


def _is_run(text: str) -> bool:
    """True for ``1234567890``, ``abcdefghijk``, ``9876543210``: one step all along, 9 to 0 too."""
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}
