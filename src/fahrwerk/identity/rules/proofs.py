"""Links and codes: how long they are good, how many may be sent, and what they look like."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import msgspec

Purpose = Literal["verify_email", "verify_phone", "reset", "magic", "email_old", "email_new"]


class Terms(msgspec.Struct, frozen=True):
    """Of one purpose."""

    minutes: int
    """How long it is good."""
    digits: int
    """Of the code: more where a stranger may try, who does not have to be logged in."""
    page: str
    """Where the link leads."""


TERMS: dict[str, Terms] = {
    "verify_email": Terms(24 * 60, 6, "/account/verify"),
    "verify_phone": Terms(15, 6, "/account/verify"),
    "reset": Terms(30, 8, "/account/reset"),
    "magic": Terms(15, 8, "/account/magic"),
    "email_old": Terms(24 * 60, 6, "/account/verify"),
    "email_new": Terms(24 * 60, 6, "/account/verify"),
}
TRIES = 5
"""Wrong codes until a proof is worth nothing."""
PAUSE_S = 60
"""Between two letters of one purpose to one person."""
MOST_AN_HOUR = 5
MOST_A_DAY = 10


def may_send(newest_age_s: float | None, last_hour: int, last_day: int) -> bool:
    """True when another letter of this purpose may go to this person now."""
    if newest_age_s is not None and newest_age_s < PAUSE_S:
        return False
    return last_hour < MOST_AN_HOUR and last_day < MOST_A_DAY


def code_of(number: int, digits: int) -> str:
    """A random number as the code that is typed in."""
    return str(number % 10**digits).zfill(digits)


def typed(code: str) -> str:
    """A code as it was meant: people put spaces and hyphens into it."""
    return "".join(c for c in code if c.isalnum()).upper()


def link(address: str, purpose: str, token: str) -> str:
    """The link in the letter; ``address`` is that of this installation's pages."""
    return f"{address}{TERMS[purpose].page}?token={quote(token, safe='')}"


def channel_for(email: str | None, phone: str | None) -> tuple[str, str] | None:
    """Where a link to get in goes: to the e-mail address if there is one, whatever was asked.

    So a number that somebody else put into an account cannot be used to take it over.
    """
    if email is not None:
        return "email", email
    return ("sms", phone) if phone is not None else None
