"""What other rooms may ask of the site. Their pages are rendered by ``contract.shell``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query

LegalKind = Literal["privacy", "terms", "imprint"]
Choice = Literal["statistics", "comfort"]
"""What may be allowed beside the cookies that are necessary; nothing is by default."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Where riders find help; at the foot of every page."""

    support_email: str | None = None
    support_phone: str | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How pages look under a host: tenancy's brand there, and the operator's contact.

    Texts on ``colour`` (#rrggbb) are chosen to be readable.
    """

    name: str = "Fahrwerk"
    colour: str = "#0a6b54"
    logo: str | None = None
    """Its address on this host."""
    contact: Contact = Contact()


class LegalText(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a text. Lines beginning with # are headings, with - lists."""

    kind: LegalKind
    locale: str
    version: int
    """0: the default text, which the operator has not replaced yet."""
    body: str
    published_at: datetime | None


@query
async def look(call: Call, host: str) -> Look:
    """How the operator's pages look under a host; of an operator without brands: its name.

    Remembered for seconds.
    """
    raise AssertionError


@query
async def contact(call: Call) -> Contact:
    """Where the operator's riders find help."""
    raise AssertionError


@query
async def legal_text(call: Call, kind: LegalKind, locale: str, version: int | None) -> LegalText:
    """A legal text: its newest version, or that of a number. Raises ``NotFound`` for no version."""
    raise AssertionError


@action
async def change_contact(call: Call, wanted: Contact) -> Contact:
    """Replace it (permission ``site.contact.write``). Raises ``Invalid``."""
    raise AssertionError


@action
async def publish_legal_text(call: Call, kind: LegalKind, locale: str, body: str) -> LegalText:
    """Publish a new version (permission ``site.legal.write``); the old ones stay readable.

    The same text again makes no new version. Raises ``Invalid`` (empty, too long, language).
    """
    raise AssertionError


@action
async def record_consent(call: Call, consent_id: UUID, choices: frozenset[Choice]) -> None:
    """Write down what a browser's owner allowed (WEB-22); every choice is kept as evidence."""
    raise AssertionError
