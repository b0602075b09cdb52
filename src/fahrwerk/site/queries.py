"""Brands and legal texts. Every page asks for the brand, so it is remembered for seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.site.contract import Brand, LegalText
from fahrwerk.site.rules.defaults import DEFAULTS
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.site.contract import LegalKind

CHANGED = "site.brand"
KEEP_S = 10.0
MOST_KEPT = 4096
_kept: dict[UUID | None, tuple[float, Brand]] = {}
_changes = 0


def forget(_: str = CHANGED) -> None:
    """Drop everything remembered in this process."""
    global _changes
    _changes += 1
    _kept.clear()


hub.hear(CHANGED, forget)

_BRAND = "SELECT colour, support_email, support_phone FROM site.brand"


async def brand(call: Call) -> Brand:
    until, known = _kept.get(call.tenant, (0.0, None))
    if known is not None and time.monotonic() < until:
        return known
    before = _changes
    row = await db.one("site", call, _BRAND) if call.tenant else None
    found = Brand(**row) if row else Brand()
    if before == _changes:  # else it may have been read before the change
        while len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[call.tenant] = (time.monotonic() + KEEP_S, found)
    return found


_LEGAL = """
SELECT kind, locale, version, body, published_at FROM site.legal_text
WHERE kind = $1 AND locale = $2 AND ($3::integer IS NULL OR version = $3)
ORDER BY version DESC LIMIT 1
"""


async def legal_text(call: Call, kind: LegalKind, locale: str, version: int | None) -> LegalText:
    row = await db.one("site", call, _LEGAL, kind, locale, version) if version != 0 else None
    if row is not None:
        return LegalText(**row)
    if version:
        raise NotFound
    operator = await tenancy.operator(call)
    own = await brand(call)
    contact = own.support_email or (operator.domain and f"info@{operator.domain}") or operator.name
    body = DEFAULTS[kind, locale].format(operator=operator.name, contact=contact)
    return LegalText(kind=kind, locale=locale, version=0, body=body, published_at=None)
