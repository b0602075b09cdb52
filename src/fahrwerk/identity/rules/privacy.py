"""What people may be asked to agree to; how long exports last; what an erasure leaves. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.kernel.privacy import Text

if TYPE_CHECKING:
    from datetime import date

    from fahrwerk.kernel.privacy import Rule, Section

Purpose = Literal["terms", "privacy", "marketing", "location", "analytics"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
OF_SITE: frozenset[Purpose] = frozenset({"terms", "privacy"})
"""Whose texts are the site's legal pages. They are read and agreed to, not chosen."""
LANGUAGES = ("de", "en")
LONGEST_TEXT = 10_000
FILE_DAYS = 7
LINK_LASTS = f"{FILE_DAYS} days"
PART_BYTES = 1 << 20
MOST_BYTES = 256 << 20
"""Of one export; pictures beyond are named in it, not contained."""
MOST_SHOWN = 2_000
"""Rows of one section in the readable page; the JSON beside it has them all."""

TITLES: dict[Purpose, Text] = {
    "terms": Text("Terms of service", "Allgemeine Geschäftsbedingungen"),
    "privacy": Text("Privacy policy", "Datenschutzerklärung"),
    "marketing": Text("News and offers", "Neuigkeiten und Angebote"),
    "location": Text("My location in the app", "Mein Standort in der App"),
    "analytics": Text("Statistics of use", "Nutzungsstatistik"),
}
DEFAULTS: dict[tuple[Purpose, str], str] = {
    ("marketing", "en"): "I would like to get news and offers by e-mail, SMS or push message. I "
    "can take this back at any time.",
    ("marketing", "de"): "Ich möchte Neuigkeiten und Angebote per E-Mail, SMS oder Push-Nachricht "
    "erhalten. Das kann ich jederzeit widerrufen.",
    ("location", "en"): "The app may use the location of my phone to show me vehicles near me. I "
    "can take this back at any time.",
    ("location", "de"): "Die App darf den Standort meines Telefons verwenden, um mir Fahrzeuge in "
    "meiner Nähe zu zeigen. Das kann ich jederzeit widerrufen.",
    ("analytics", "en"): "My use of the service may be evaluated without my name, to make it "
    "better. I can take this back at any time.",
    ("analytics", "de"): "Meine Nutzung darf ohne meinen Namen ausgewertet werden, um das Angebot "
    "zu verbessern. Das kann ich jederzeit widerrufen.",
}
"""Version 0: what is asked until the operator publishes words of its own."""


def purpose_of(text: str) -> Purpose:
    """A purpose there is. Raises ``NotFound``."""
    for purpose in PURPOSES:
        if purpose == text:
            return purpose
    raise NotFound("There is no such purpose.", code="UNKNOWN_PURPOSE")


def language_of(locale: str | None) -> str:
    """The language texts are shown in."""
    wanted = (locale or "")[:2]
    return wanted if wanted in LANGUAGES else "en"


def text_of(body: str) -> str:
    """A text to agree to, tidied. Raises ``Invalid``."""
    text = "\n".join(line.rstrip() for line in body.strip().splitlines())
    if not 1 <= len(text) <= LONGEST_TEXT or "\0" in text:
        raise Invalid(field="body", issue=f"must have 1 to {LONGEST_TEXT} characters")
    return text


def digest_of(body: str) -> str:
    """What proves which text was agreed to."""
    return hashlib.sha256(body.encode()).hexdigest()


def is_asked(is_answered: bool, version_answered: int, version: int) -> bool:
    """True when somebody is to be asked (again): never answered, or another text since."""
    return not is_answered or version_answered != version


class Kept(msgspec.Struct, frozen=True):
    """What an erasure left of one section."""

    section: str
    title: str
    rows: int
    fate: str
    why: str


def leftovers(section: Section, rows: int, language: str) -> Kept | None:
    """What to say of a section that still has rows of somebody erased; None: there are none."""
    if rows == 0:
        return None
    why = section.why_kept.told(language) if section.why_kept else ""
    return Kept(
        f"{section.room}.{section.name}", section.title.told(language), rows, section.fate, why
    )


def words_of(contact: tuple[str | None, ...]) -> list[str]:
    """The words by which somebody would be known: what an erasure must leave nowhere."""
    return [word for word in contact if word and len(word) > 2]


def is_traced(values: object, words: list[str]) -> bool:
    """True when one of the words stands in values of any depth."""
    if isinstance(values, str):
        return any(word in values for word in words)
    if isinstance(values, dict):
        return any(is_traced(each, words) for each in values.values())
    if isinstance(values, (list, tuple)):
        return any(is_traced(each, words) for each in values)
    return False


def check_days(rule: Rule, days: int) -> int:
    """How long something is kept. Raises ``Invalid`` beyond what is sane or lawful."""
    if not rule.least <= days <= rule.most:
        raise Invalid(field=f"rules.{rule.name}", issue=f"must be {rule.least} to {rule.most} days")
    return days


def file_name(slug: str, on: date) -> str:
    """What an export is called."""
    return f"{slug}-data-{on.isoformat()}.zip"
