"""People answer what they are asked to agree to; operators publish what they ask (GDP-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.identity import rules as identity_rules
from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.identity.contract.privacy import (
    Answer,
    Consent,
    ConsentText,
    Purpose,
    TextChanged,
    Way,
)
from fahrwerk.identity.queries import privacy as queries
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import audit, clock, db, ids
from fahrwerk.kernel.errors import Invalid, Unauthenticated

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

# The person's row is the queue: of two answers at once each ends the one before.
_IN_LINE = """
SELECT id FROM identity.person
WHERE tenant_id = kernel.tenant() AND id = $1 AND status <> 'deleted' FOR NO KEY UPDATE
"""
_END = """
UPDATE identity.consent SET ended_at = $3, ended_from = $4
WHERE tenant_id = kernel.tenant() AND person_id = $1 AND purpose = $2 AND ended_at IS NULL
  AND (is_given, version, text_digest) IS DISTINCT FROM ($5::boolean, $6::integer, $7::text)
"""
_ANSWER = f"""
INSERT INTO identity.consent
    (id, person_id, purpose, is_given, version, locale, text_digest, way, address, device, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, person_id, purpose) WHERE ended_at IS NULL
DO UPDATE SET purpose = excluded.purpose -- the same answer again: the first one stays
RETURNING {queries.ANSWER}
"""


async def answer_consent(
    call: Call, purpose: Purpose, is_given: bool, version: int | None, way: Way, device: str
) -> Consent:
    if call.user is None:
        raise Unauthenticated
    text = await queries.consent_text(call, purpose, call.locale)
    if version is not None and version != text.version:
        raise TextChanged(purpose=purpose, version=text.version)
    digest, now, address = rules.digest_of(text.body), clock.now(), call.address[:60]
    async with db.tx("identity", call) as tx:
        if not await tx.run(_IN_LINE, call.user):
            raise UnknownPerson
        said = (is_given, text.version, digest)
        await tx.run(_END, call.user, purpose, now, address, *said)
        row = await tx.one(
            _ANSWER, ids.new(), call.user, purpose, is_given, text.version, text.locale, digest,
            way, address, identity_rules.device_of(device), now,
        )  # fmt: skip
    return await queries.standing(call, purpose, Answer(**row) if row is not None else None)


_PUBLISH = """
WITH newest AS (
    SELECT version, body FROM identity.consent_text
    WHERE tenant_id = kernel.tenant() AND purpose = $1 AND locale = $2
    ORDER BY version DESC LIMIT 1
)
INSERT INTO identity.consent_text (purpose, locale, version, body, published_at)
SELECT $1, $2, coalesce((SELECT version FROM newest), 0) + 1, $3, $4
WHERE NOT EXISTS (SELECT FROM newest WHERE body = $3)
ON CONFLICT DO NOTHING
"""


async def publish_consent_text(call: Call, purpose: Purpose, locale: str, body: str) -> ConsentText:
    call.require(queries.WRITE)
    if purpose in rules.OF_SITE:
        raise Invalid(field="purpose", issue="is a legal text of the site: publish it there")
    if locale not in rules.LANGUAGES:
        raise Invalid(field="locale", issue="must be de or en")
    text, before = rules.text_of(body), await queries.consent_text(call, purpose, locale)
    await db.run("identity", call, _PUBLISH, purpose, locale, text, clock.now())
    after = await queries.consent_text(call, purpose, locale)
    audit.changed(
        f"consent_text:{purpose}.{locale}", {"version": before.version}, {"version": after.version}
    )
    return after
