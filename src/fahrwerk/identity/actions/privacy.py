"""People ask for their data or to be erased; operators say how long what is kept (GDP-01..03)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fahrwerk.identity.actions import fresh, roles
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.contract import UnknownPerson
from fahrwerk.identity.contract.privacy import (
    Kind,
    NotErasable,
    Request,
    Retention,
    Setting,
    TooLate,
    UnknownRequest,
)
from fahrwerk.identity.queries import privacy as queries
from fahrwerk.identity.queries.rights import may_of
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.identity.rules import roles as rights
from fahrwerk.kernel import audit, clock, db, ids, privacy
from fahrwerk.kernel.errors import Busy, Conflict, Forbidden, Invalid

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

WANTED = "identity.privacy"
"""The signal that there is something to do."""
MOST_A_DAY = 5
NOTICE = timedelta(seconds=60)
"""Before an account is erased, the letter that says so has to be on its way."""
ERASURE = "erasure"
"""Why somebody is restricted who is being erased."""

_LOCK = """
SELECT status, locale, ARRAY(SELECT r.role FROM identity.person_role r
    WHERE r.tenant_id = p.tenant_id AND r.person_id = p.id)::text[] AS roles
FROM identity.person p WHERE tenant_id = kernel.tenant() AND id = $1 FOR NO KEY UPDATE
"""
_OPEN = f"""
SELECT {queries.REQUEST} FROM identity.privacy_request
WHERE tenant_id = kernel.tenant() AND person_id = $1 AND kind = $2 AND next_at IS NOT NULL
"""
_LATELY = """
SELECT count(*) AS times FROM identity.privacy_request
WHERE tenant_id = kernel.tenant() AND person_id = $1
  AND asked_at > $2::timestamptz - interval '1 day'
"""
_ASK = f"""
INSERT INTO identity.privacy_request
    (id, person_id, kind, locale, asked_by, asked_at, due_at, sections, next_at)
VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $6::timestamptz + interval '1 month', $7,
        kernel.now() + $8::interval)
RETURNING {queries.REQUEST}
"""
_RESTRICT = """
UPDATE identity.person SET restricted_at = coalesce(restricted_at, $2), restricted_reason = $3
WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def ask_export(call: Call, person_id: UUID) -> Request:
    await _check_may(call, person_id)
    async with db.tx("identity", call) as tx:
        return await _asked(tx, call, person_id, "export", timedelta())


async def ask_erasure(call: Call, person_id: UUID) -> Request:
    await _check_may(call, person_id)
    against = await queries.against_erasure(call, person_id)
    if against:
        raise NotErasable(
            obstacles=[
                {"code": each.code, "message": each.text, **each.details} for each in against
            ]
        )
    grace = timedelta(days=(await queries.privacy_setting(call)).grace_days)
    async with db.tx("identity", call) as tx:
        await roles.in_line(tx, call)
        made = await _asked(tx, call, person_id, "erasure", max(grace, NOTICE))
        await tx.run(_RESTRICT, person_id, clock.now(), ERASURE)
        await tell(tx, call, person_id, "erasure_asked")
    return made


async def _check_may(call: Call, person_id: UUID) -> None:
    """One's own with a log-in confirmed lately; others' for who may, and may all that they may."""
    if call.user == person_id:
        await fresh.check(call)
        return
    call.require(queries.WRITE)
    if not rights.has_all(call, await may_of(call, person_id)):
        raise Forbidden("You cannot do this for somebody who may more than you may.")


async def _asked(tx: db.Tx, call: Call, person_id: UUID, kind: Kind, wait: timedelta) -> Request:
    person = await tx.one(_LOCK, person_id)
    if person is None or person["status"] == "deleted":
        raise UnknownPerson
    if (known := await tx.one(_OPEN, person_id, kind)) is not None:
        return Request(**known)
    if kind == "erasure" and "admin" in person["roles"]:
        await roles.check_not_last_admin(tx, person_id)
    if (await tx.run(_LATELY, person_id, clock.now()))[0]["times"] >= MOST_A_DAY:
        raise Busy("You have asked for this often today. Please try again tomorrow.",
                   code="TOO_MANY_PRIVACY_REQUESTS", retry_after=3600)  # fmt: skip
    locale = rules.language_of(person["locale"] or call.locale)
    [row] = await tx.run(
        _ASK, ids.new(), person_id, kind, locale, call.actor, clock.now(),
        len(privacy.sections()), wait,
    )  # fmt: skip
    tx.signal(WANTED)
    return Request(**row)


_CANCEL = f"""
UPDATE identity.privacy_request SET state = 'cancelled', next_at = NULL, ended_at = $2
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'waiting'
RETURNING {queries.REQUEST}
"""
_LIFT = """
UPDATE identity.person SET restricted_at = NULL, restricted_reason = NULL
WHERE tenant_id = kernel.tenant() AND id = $1 AND restricted_reason = $2
"""


async def cancel_request(call: Call, request_id: UUID) -> Request:
    found = await queries.request(call, request_id)
    if found.person_id != call.user:
        if not call.may(queries.WRITE):
            raise UnknownRequest
        await _check_may(call, found.person_id)
    async with db.tx("identity", call) as tx:
        row = await tx.one(_CANCEL, request_id, clock.now())
        if row is None:
            raise TooLate(state=found.state)
        if found.kind == "erasure":
            await tx.run(_LIFT, found.person_id, ERASURE)
    return Request(**row)


_IS_ERASED = """
SELECT FROM identity.person
WHERE tenant_id = kernel.tenant() AND id = $1 AND (status = 'deleted' OR restricted_reason = $2)
"""


async def restrict(call: Call, person_id: UUID, is_restricted: bool, reason: str) -> None:
    if call.user != person_id:
        await _check_may(call, person_id)
    reason = reason.strip()
    if len(reason) > 200 or (reason and not reason.isprintable()):
        raise Invalid(field="reason", issue="must be at most 200 printable characters")
    if reason == ERASURE:
        raise Invalid(field="reason", issue="is that of erasures")
    async with db.tx("identity", call) as tx:
        if await tx.one(_LOCK, person_id) is None:
            raise UnknownPerson
        if await tx.run(_IS_ERASED, person_id, ERASURE):
            raise Conflict("This account is being deleted.", code="ERASURE_UNDER_WAY")
        if is_restricted:
            await tx.run(_RESTRICT, person_id, clock.now(), reason)
        else:
            await tx.run(_UNRESTRICT, person_id)
    audit.changed(f"person:{person_id}", None, {"is_restricted": is_restricted})


_UNRESTRICT = """
UPDATE identity.person SET restricted_at = NULL, restricted_reason = NULL
WHERE tenant_id = kernel.tenant() AND id = $1
"""
_SET = """
INSERT INTO identity.privacy_setting (officer, grace_days, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE
SET officer = excluded.officer, grace_days = excluded.grace_days, updated_at = excluded.updated_at
"""


async def change_privacy_setting(call: Call, wanted: Setting) -> Setting:
    call.require(queries.WRITE)
    officer = wanted.officer.strip()
    if len(officer) > 500 or "\0" in officer:
        raise Invalid(field="officer", issue="must be at most 500 characters")
    if not 0 <= wanted.grace_days <= 14:
        raise Invalid(field="grace_days", issue="must be 0 to 14: the law knows a month in all")
    before = await queries.privacy_setting(call)
    await db.run("identity", call, _SET, officer, wanted.grace_days, clock.now())
    after = await queries.privacy_setting(call)
    audit.changed(
        "privacy_setting", {"grace_days": before.grace_days}, {"grace_days": after.grace_days}
    )
    return after


_KEEP = """
INSERT INTO identity.retention (rule, days, updated_at)
SELECT rule, days, $3 FROM unnest($1::text[], $2::int[]) AS wanted (rule, days)
ON CONFLICT (tenant_id, rule) DO UPDATE
SET days = excluded.days, updated_at = excluded.updated_at
"""


async def change_retention(call: Call, days: dict[str, int]) -> list[Retention]:
    call.require(queries.WRITE)
    known = {queries.full(each): each for each in privacy.rules()}
    for name, wanted in days.items():
        if name not in known:
            raise Invalid(field="rules", issue=f"there is no rule {name[:60]}")
        rules.check_days(known[name], wanted)
    before = await queries.days_of(call)
    await db.run("identity", call, _KEEP, list(days), list(days.values()), clock.now())
    audit.changed("retention", {name: before[name] for name in days}, dict(days))
    return await queries.retention(call)
