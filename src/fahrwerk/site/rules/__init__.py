"""Which redirects are safe, which colours are readable, what a legal text consists of, and what a
saved view may say. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel.call import RIDERS
from fahrwerk.kernel.errors import Forbidden, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.site.contract.views import NewView

LANGUAGES = ("de", "en")
LONGEST_TEXT = 100_000
_LONGEST_PATH = 1_000
COLOUR = re.compile(r"#[0-9a-f]{6}")
READABLE = 4.5
"""Contrast that WCAG 2.1 AA asks of text."""


def safe_path(text: str, otherwise: str = "/") -> str:
    """``text`` where it is a path of this very site, else ``otherwise``: no open redirect.

    Browsers read ``//host`` and ``/\\\\host`` as another host, and drop tabs and line ends first.
    """
    is_own = (
        len(text) <= _LONGEST_PATH
        and text.startswith("/")
        and not text.startswith(("//", "/\\"))
        and "\\" not in text
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
    return text if is_own else otherwise


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1), 0 black to 1 white."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2.1), 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(colour: str) -> str:
    """Black or white, whichever is easier to read on ``colour``."""
    return max(("#000000", "#ffffff"), key=lambda text: contrast(text, colour))


def readable_on(background: str, colour: str) -> str:
    """``colour``, moved towards black or white just as far as text on ``background`` needs it."""
    end = 0 if luminance(background) > 0.18 else 255
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(21):
        moved = [round(part + (end - part) * step / 20) for part in parts]
        found = "#" + "".join(f"{part:02x}" for part in moved)
        if contrast(found, background) >= READABLE:
            return found
    return text_on(background)


LIGHT, DARK = "#f4f6f6", "#20262a"
"""The grounds of cards, on which it is harder to read than on the page's own (site.css)."""


def style_of(colour: str) -> str:
    """A brand's colours as a style sheet: of buttons, and of links on light and on dark ground."""

    def lines(ground: str) -> str:
        link = readable_on(ground, colour)
        return f"--brand:{link};--on-brand:{text_on(link)};"

    dark = lines(DARK)
    return (
        f":root{{{lines(LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f":root[data-theme=light]{{{lines(LIGHT)}}}:root[data-theme=dark]{{{dark}}}"
    )


class Block(msgspec.Struct, frozen=True):
    """A piece of a legal text: ``heading``, ``list`` or ``paragraph``, with its lines."""

    kind: str
    lines: list[str]


def blocks(body: str) -> Iterator[Block]:
    """A legal text in pieces, to be escaped and laid out: there is no markup beyond that."""
    for part in re.split(r"\n\s*\n", body.replace("\r\n", "\n").strip()):
        lines = [line.strip() for line in part.split("\n") if line.strip()]
        while lines and lines[0].startswith("#"):
            yield Block("heading", [lines.pop(0).lstrip("# ")])
        if lines and all(line.startswith("- ") for line in lines):
            yield Block("list", [line[2:] for line in lines])
        elif lines:
            yield Block("paragraph", lines)


def language_of(text: str) -> str:
    """A language the pages speak. Raises ``Invalid``."""
    if text not in LANGUAGES:
        raise Invalid(field="locale", issue=f"must be one of {', '.join(LANGUAGES)}")
    return text


def text_of(body: str) -> str:
    """The body of a legal text. Raises ``Invalid``."""
    tidy = body.replace("\r\n", "\n").strip()
    if not 1 <= len(tidy) <= LONGEST_TEXT:
        raise Invalid(field="body", issue=f"must have 1 to {LONGEST_TEXT} characters")
    return tidy


# --- saved views

SCREEN = "^[a-z][a-z-]{0,39}$"
"""What a list of the console may be called."""
LONGEST_VIEW_NAME = 60
_QUERY = re.compile(r"[\x21-\x7e]{0,2000}")
_OUTSIDE = RIDERS | {"reseller"}


def of_the_team(call: Call) -> UUID:
    """Who it is. Raises ``Forbidden`` for riders and resellers: what is shared is the team's."""
    if call.user is None or not call.roles - _OUTSIDE:
        raise Forbidden
    return call.user


def view_of(wanted: NewView) -> NewView:
    """The view as it is kept: its name in one line. Raises ``Invalid``."""
    name = " ".join(wanted.name.split())
    if not re.fullmatch(SCREEN, wanted.screen):
        raise Invalid(field="screen", issue="must be small letters and hyphens")
    if not (1 <= len(name) <= LONGEST_VIEW_NAME and name.isprintable()):
        issue = f"must have 1 to {LONGEST_VIEW_NAME} printable characters"
        raise Invalid(field="name", issue=issue)
    if not _QUERY.fullmatch(wanted.query):
        raise Invalid(field="query", issue="must be the query of an address: printable ASCII")
    return msgspec.structs.replace(wanted, name=name)
