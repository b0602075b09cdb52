"""The operator says where help is found, or publishes a text; somebody chooses about cookies, or
keeps a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.errors import Invalid
from fahrwerk.site import rules
from fahrwerk.site.contract import Contact, LegalText
from fahrwerk.site.contract.views import (
    MOST_VIEWS,
    TIDY,
    NewView,
    SavedView,
    TooManyViews,
    UnknownView,
)
from fahrwerk.site.queries import CHANGED, VIEW
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.site.contract import Choice, LegalKind

_CHANGE = """
INSERT INTO site.contact (support_email, support_phone, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE SET support_email = $1, support_phone = $2, updated_at = $3
"""


async def change_contact(call: Call, wanted: Contact) -> Contact:
    call.require("site.contact.write")
    await tenancy.operator(call)
    for field, most in (("support_email", 255), ("support_phone", 40)):
        text = getattr(wanted, field)
        if text is not None and not (1 <= len(text) <= most and text.isprintable()):
            raise Invalid(field=field, issue=f"must have 1 to {most} printable characters")
    async with db.tx("site", call) as tx:
        await tx.run(_CHANGE, wanted.support_email, wanted.support_phone, clock.now())
        tx.signal(CHANGED)
    return wanted


# Of two at the same time one would take the other's number: the key lets only one of them in.
_PUBLISH = """
WITH newest AS (
    SELECT version, body FROM site.legal_text WHERE kind = $1 AND locale = $2
    ORDER BY version DESC LIMIT 1
), made AS (
    INSERT INTO site.legal_text (kind, locale, version, body, published_at)
    SELECT $1, $2, coalesce((SELECT version FROM newest), 0) + 1, $3, $4
    WHERE NOT EXISTS (SELECT FROM newest WHERE body = $3)
    ON CONFLICT DO NOTHING
    RETURNING kind, locale, version, body, published_at
)
SELECT * FROM made
"""
_NEWEST = """
SELECT kind, locale, version, body, published_at FROM site.legal_text
WHERE kind = $1 AND locale = $2 ORDER BY version DESC LIMIT 1
"""


async def publish_legal_text(call: Call, kind: LegalKind, locale: str, body: str) -> LegalText:
    call.require("site.legal.write")
    await tenancy.operator(call)
    text, language = rules.text_of(body), rules.language_of(locale)
    row: db.Row | None = None
    for _ in range(3):
        made = await db.one("site", call, _PUBLISH, kind, language, text, clock.now())
        row = made or await db.one("site", call, _NEWEST, kind, language)
        if row is not None and row["body"] == text:
            break
    if row is None:
        raise db.DatabaseBusy(retry_after=1)  # three others published in between
    return LegalText(**row)


_RECORD = """
INSERT INTO site.consent (id, number, person_id, choices, policy, chosen_at)
SELECT $1, coalesce((SELECT max(number) FROM site.consent WHERE id = $1), 0) + 1, $2, $3,
       coalesce((SELECT max(version) FROM site.legal_text WHERE kind = 'privacy'), 0), $4
ON CONFLICT DO NOTHING
"""


async def record_consent(call: Call, consent_id: UUID, choices: frozenset[Choice]) -> None:
    await tenancy.operator(call)
    await db.run("site", call, _RECORD, consent_id, call.user, sorted(choices), clock.now())


_SAVE = f"""
INSERT INTO site.saved_view (id, owner_id, screen, name, query, is_shared, changed_at)
VALUES ($2, $1, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, owner_id, screen, name)
DO UPDATE SET query = $5, is_shared = $6, changed_at = $7
RETURNING {VIEW}
"""
_COUNT = """
SELECT count(*) AS n FROM site.saved_view WHERE tenant_id = kernel.tenant() AND owner_id = $1
"""


async def save_view(call: Call, wanted: NewView) -> SavedView:
    owner = rules.of_the_team(call)
    kept = rules.view_of(wanted)
    async with db.tx("site", call) as tx:
        [row] = await tx.run(
            _SAVE, owner, ids.new(), kept.screen, kept.name, kept.query, kept.is_shared, clock.now()
        )
        [counted] = await tx.run(_COUNT, owner)
        if counted["n"] > MOST_VIEWS:
            raise TooManyViews(most=MOST_VIEWS)
    return SavedView(**row)


_DELETE = """
DELETE FROM site.saved_view
WHERE tenant_id = kernel.tenant() AND id = $1 AND (owner_id = $2 OR is_shared AND $3)
RETURNING id
"""


async def delete_view(call: Call, view_id: UUID) -> None:
    owner = rules.of_the_team(call)
    if not await db.run("site", call, _DELETE, view_id, owner, call.may(TIDY)):
        raise UnknownView
