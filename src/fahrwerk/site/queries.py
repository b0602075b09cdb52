"""The look of pages, and legal texts. Each page asks for its look: it is kept for seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fahrwerk.kernel import db, health
from fahrwerk.kernel.errors import NotFound
from fahrwerk.kernel.live import hub
from fahrwerk.kernel.privacy import Holdings, Rule, Section, Text
from fahrwerk.site import rules
from fahrwerk.site.contract import Contact, LegalText, Look
from fahrwerk.site.contract.views import MOST_SHOWN, SavedView
from fahrwerk.site.rules.defaults import DEFAULTS
from fahrwerk.tenancy import contract as tenancy
from fahrwerk.tenancy.contract import brands

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.site.contract import LegalKind

CHANGED = "site.contact"
KEEP_S = 10.0
MOST_KEPT = 4096
_kept: dict[tuple[UUID, str], tuple[float, Look]] = {}
_changes = 0


def forget(_: str = CHANGED) -> None:
    """Drop everything remembered in this process."""
    global _changes
    _changes += 1
    _kept.clear()


hub.hear(CHANGED, forget)
hub.hear(brands.CHANGED, forget)


async def look(call: Call, host: str) -> Look:
    if call.tenant is None:
        return Look()
    until, known = _kept.get((call.tenant, host), (0.0, None))
    if known is not None and time.monotonic() < until:
        return known
    before = _changes
    brand = await brands.brand_at(call, host)
    found = Look(name=(await tenancy.operator(call)).name, contact=await contact(call))
    if brand is not None:
        logo = f"/api/v1/logos/{brand.logo_hash}" if brand.logo_hash else None
        found = Look(name=brand.name, colour=brand.primary_color, logo=logo, contact=found.contact)
    if before == _changes:  # else it may have been read before the change
        while len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[call.tenant, host] = (time.monotonic() + KEEP_S, found)
    return found


_CONTACT = "SELECT support_email, support_phone FROM site.contact"


async def contact(call: Call) -> Contact:
    row = await db.one("site", call, _CONTACT)
    return Contact(**row) if row else Contact()


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
    own = (await contact(call)).support_email
    reach = own or (operator.domain and f"info@{operator.domain}") or operator.name
    body = DEFAULTS[kind, locale].format(operator=operator.name, contact=reach)
    return LegalText(kind=kind, locale=locale, version=0, body=body, published_at=None)


VIEW = """screen, name, query, is_shared, id, owner_id, owner_id = $1 AS is_own"""
_VIEWS = f"""
SELECT {VIEW} FROM site.saved_view
WHERE tenant_id = kernel.tenant() AND (owner_id = $1 OR is_shared)
  AND ($2::text IS NULL OR screen = $2)
ORDER BY lower(name), name, id LIMIT {MOST_SHOWN}
"""


async def saved_views(call: Call, screen: str | None = None) -> list[SavedView]:
    owner = rules.of_the_team(call)
    return [SavedView(**row) for row in await db.run("site", call, _VIEWS, owner, screen)]


_OLD_CHOICES = """WITH gone AS (
    DELETE FROM site.consent WHERE tenant_id = kernel.tenant() AND (id, number) IN (
        SELECT id, number FROM site.consent
        WHERE tenant_id = kernel.tenant() AND chosen_at < $1 LIMIT $2)
    RETURNING 1) SELECT count(*) AS count FROM gone"""

PERSONAL = Holdings(
    sections=(
        Section(
            name="cookies",
            title=Text("What you allowed about cookies", "Was Sie zu Cookies erlaubt haben"),
            purpose=Text("To prove what was allowed", "Um zu belegen, was erlaubt wurde"),
            basis="legal_obligation",
            kept=Text("three years", "drei Jahre"),
            fate="deleted",
            sql="""SELECT choices, policy AS policy_version, chosen_at FROM site.consent
            WHERE tenant_id = kernel.tenant() AND person_id = $1 ORDER BY chosen_at, id, number""",
        ),
        Section(
            name="views",
            title=Text("Views you saved in the console", "Ansichten, die Sie gemerkt haben"),
            purpose=Text("To find them again", "Damit Sie sie wiederfinden"),
            basis="contract",
            kept=Text("until you delete them", "bis Sie sie löschen"),
            fate="deleted",
            sql="""SELECT screen, name, query, is_shared, changed_at FROM site.saved_view
            WHERE tenant_id = kernel.tenant() AND owner_id = $1 ORDER BY screen, name""",
        ),
    ),
    rules=(
        Rule(
            name="cookies",
            title=Text("Choices about cookies", "Auswahl zu Cookies"),
            days=1095,
            least=365,
            sql=(_OLD_CHOICES,),
        ),
    ),
)
"""What the site holds about people (``kernel.privacy``)."""


async def system_health(call: Call) -> health.Health:
    """See the contract."""
    call.require("site.health.read")
    return await health.look()
