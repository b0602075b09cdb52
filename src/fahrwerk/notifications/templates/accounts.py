"""What letters about accounts say: one form for all links, one for all that owners should know.

The words stand in ``accounts.json``, by language.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

NEWS = "SecurityNews"
SHORT_NEWS = "SecuritySms"
"""The same for owners who have no e-mail address."""


class Words(msgspec.Struct, frozen=True):
    """Of one letter in one language."""

    subject: str
    text: str
    button: str = ""
    """Of links: what the link does."""


class _Language(msgspec.Struct, frozen=True):
    links: dict[str, Words]
    news: dict[str, Words]


_WORDS = msgspec.json.decode(
    Path(__file__).with_name("accounts.json").read_bytes(), type=dict[str, _Language]
)


def template_of(what: str) -> str:
    """``password_changed`` is told by ``SecurityPasswordChanged``."""
    return "Security" + "".join(word.title() for word in what.split("_"))


_WHAT = {template_of(what): what for what in _WORDS["en"].news}


def file_of(template: str) -> str:
    """The form that a template has: all that tells owners something have one."""
    return NEWS if template in _WHAT else template


def link_words(purpose: str, lang: str) -> Words:
    """What a letter with a link says."""
    return _WORDS[lang].links[purpose]


def security_words(template: str, lang: str) -> Words:
    """What a letter to an owner says."""
    return _WORDS[lang].news[_WHAT[template]]
