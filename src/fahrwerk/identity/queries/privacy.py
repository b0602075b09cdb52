"""Reads of privacy: consents, requests and their files, retention, records of processing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fahrwerk.identity.contract.privacy import (
    Answer,
    Consent,
    ConsentText,
    File,
    NoFile,
    Obstacle,
    Processing,
    Purpose,
    Request,
    RequestPage,
    Retention,
    RetentionRun,
    RunPage,
    SectionView,
    Setting,
    UnknownRequest,
)
from fahrwerk.identity.queries.reach import departments, own_or
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.identity.rules import privacy_page as page
from fahrwerk.kernel import clock, db, person_keys, privacy
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.site import contract as site
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.kernel.call import Call

READ, WRITE = "identity.privacy.read", "identity.privacy.write"

_TEXT = """
SELECT version, body, published_at FROM identity.consent_text
WHERE tenant_id = kernel.tenant() AND purpose = $1 AND locale = $2 ORDER BY version DESC LIMIT 1
"""


async def consent_text(call: Call, purpose: Purpose, locale: str) -> ConsentText:
    language = rules.language_of(locale)
    title = rules.TITLES[purpose].told(language)
    if purpose == "terms" or purpose == "privacy":
        legal = await site.legal_text(call, purpose, language, None)
        return ConsentText(
            purpose=purpose, title=title, locale=language, version=legal.version, body=legal.body,
            published_at=legal.published_at,
        )  # fmt: skip
    row = await db.one("identity", call, _TEXT, purpose, language)
    version, body, at = tuple(row) if row else (0, rules.DEFAULTS[purpose, language], None)
    return ConsentText(
        purpose=purpose, title=title, locale=language, version=version, body=body, published_at=at
    )


ANSWER = """id, purpose, is_given, version, locale, text_digest, way, address, device, at,
    ended_at"""
_ANSWERS = f"""
SELECT {ANSWER} FROM identity.consent
WHERE tenant_id = kernel.tenant() AND person_id = $1 AND ended_at IS NULL
"""
_HISTORY = f"""
SELECT {ANSWER} FROM identity.consent WHERE tenant_id = kernel.tenant() AND person_id = $1
ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3
"""


async def consents(call: Call, person_id: UUID) -> list[Consent]:
    await own_or(call, person_id, READ)
    rows = await db.run("identity", call, _ANSWERS, person_id)
    given = {row["purpose"]: Answer(**row) for row in rows}
    found = await asyncio.gather(
        *(standing(call, each, given.get(each)) for each in rules.PURPOSES)
    )
    return list(found)


async def standing(call: Call, purpose: Purpose, answer: Answer | None) -> Consent:
    """What an answer means now. It counts in the language in which it was given."""
    text = await consent_text(call, purpose, call.locale)
    version = text.version
    if answer is not None and answer.locale != text.locale:
        version = (await consent_text(call, purpose, answer.locale)).version
    asked = answer is None or rules.is_asked(True, answer.version, version)
    return Consent(
        text=text, answer=answer, is_given=answer is not None and answer.is_given and not asked,
        is_asked=asked,
    )  # fmt: skip


async def consent_history(call: Call, person_id: UUID, limit: int, offset: int) -> list[Answer]:
    await own_or(call, person_id, READ)
    return [
        Answer(**row) for row in await db.run("identity", call, _HISTORY, person_id, limit, offset)
    ]


_ONE_ANSWER = f"{_ANSWERS} AND purpose = $2"
_RESTRICTED = """
SELECT restricted_at FROM identity.person WHERE tenant_id = kernel.tenant() AND id = $1
"""


async def may_use(call: Call, person_id: UUID, purpose: Purpose) -> bool:
    if await _restricted(call, person_id) is not None:
        return False
    row = await db.one("identity", call, _ONE_ANSWER, person_id, purpose)
    return row is not None and (await standing(call, purpose, Answer(**row))).is_given


async def _restricted(call: Call, person_id: UUID) -> datetime | None:
    row = await db.one("identity", call, _RESTRICTED, person_id)
    return row["restricted_at"] if row is not None else None


async def restricted_since(call: Call, person_id: UUID) -> datetime | None:
    await own_or(call, person_id, READ)
    return await _restricted(call, person_id)


async def erasure_obstacles(call: Call, person_id: UUID) -> list[Obstacle]:
    await own_or(call, person_id, READ)
    return await against_erasure(call, person_id)


async def against_erasure(call: Call, person_id: UUID) -> list[Obstacle]:
    """The same, whoever asks."""
    found = await privacy.obstacles(call, person_id)
    return [Obstacle(each.code, each.text.told(call.locale), each.details) for each in found]


REQUEST = """id, person_id, kind, state, locale, asked_by, asked_at, due_at, sections,
    sections_done, rows, bytes, result, next_at, ended_at, expires_at"""
_REQUEST = f"""
SELECT {REQUEST} FROM identity.privacy_request WHERE tenant_id = kernel.tenant() AND id = $1
"""
_WANTED = """
FROM identity.privacy_request q WHERE tenant_id = kernel.tenant()
AND ($1::uuid IS NULL OR person_id = $1) AND ($2::text IS NULL OR state = $2)
AND ($3::text[] IS NULL OR EXISTS (SELECT FROM identity.person p
     WHERE p.tenant_id = q.tenant_id AND p.id = q.person_id AND p.department = ANY($3)))
"""
_PAGE = f"SELECT {REQUEST} {_WANTED} ORDER BY asked_at DESC, id DESC LIMIT $4 OFFSET $5"
_COUNT = f"SELECT count(*) AS total {_WANTED}"


async def request(call: Call, request_id: UUID) -> Request:
    row = await db.one("identity", call, _REQUEST, request_id)
    if row is None or not (row["person_id"] == call.user or call.may(READ)):
        raise UnknownRequest
    return Request(**row)


async def requests(
    call: Call, person_id: UUID | None, state: str | None, limit: int, offset: int
) -> RequestPage:
    if person_id is None:
        call.require(READ)
    else:
        await own_or(call, person_id, READ)
    wanted = (person_id, state, departments(call) if person_id is None else None)
    rows, counted = await asyncio.gather(
        db.run("identity", call, _PAGE, *wanted, limit, offset),
        db.run("identity", call, _COUNT, *wanted),
    )
    return RequestPage([Request(**row) for row in rows], counted[0]["total"])


async def own_data(call: Call, most: int) -> list[SectionView]:
    if call.user is None:
        raise Unauthenticated
    found = []
    for each in privacy.sections():
        rows: list[list[str]] = []
        async for row in privacy.gathered(call, each, call.user):
            rows.append([page.told(value) for value in row.values()])
            if len(rows) > most:
                break
        found.append(
            SectionView(
                section=f"{each.room}.{each.name}",
                title=each.title.told(call.locale),
                purpose=each.purpose.told(call.locale),
                basis=page.BASES[each.basis].told(call.locale),
                kept=each.kept.told(call.locale),
                recipients=each.recipients.told(call.locale) if each.recipients else "",
                columns=await privacy.columns(call, each),
                rows=rows[:most],
                has_more=len(rows) > most,
            )
        )
    return found


_FILE = """
SELECT r.person_id, r.turn, r.bytes, r.asked_at, count(*) AS parts
FROM identity.privacy_request r
JOIN identity.privacy_file f ON f.tenant_id = r.tenant_id AND f.request_id = r.id
     AND f.turn = r.turn
WHERE r.tenant_id = kernel.tenant() AND r.id = $1 AND r.state = 'ready'
  AND r.expires_at > kernel.now()
GROUP BY r.person_id, r.turn, r.bytes, r.asked_at
"""


async def export_file(call: Call, request_id: UUID) -> File:
    found = await request(call, request_id)
    if found.person_id != call.user:
        # Who has asked for somebody may not read it: it is for the person alone.
        raise UnknownRequest
    row = await db.one("identity", call, _FILE, request_id)
    if row is None:
        raise NoFile(state=found.state)
    operator = await tenancy.operator(call)
    name = rules.file_name(operator.slug, row["asked_at"].date())
    return File(name, row["bytes"], row["parts"], row["turn"])


_PART = """
SELECT f.data, r.person_id FROM identity.privacy_file f
JOIN identity.privacy_request r ON r.tenant_id = f.tenant_id AND r.id = f.request_id
WHERE f.tenant_id = kernel.tenant() AND f.request_id = $1 AND f.turn = $2 AND f.number = $3
"""


async def export_part(call: Call, request_id: UUID, turn: int, number: int) -> bytes:
    row = await db.one("identity", call, _PART, request_id, turn, number)
    if row is None or row["person_id"] != call.user:
        raise UnknownRequest
    key = await person_keys.known_key_of(call, row["person_id"])
    if key is None:
        raise NoFile
    return person_keys.unseal(key, bytes(row["data"]), part_name(request_id, turn, number))


def part_name(request_id: UUID, turn: int, number: int) -> bytes:
    """What a part is sealed for: no part can stand in another one's place."""
    return f"export:{request_id}:{turn}:{number}".encode()


_SETTING = """
SELECT officer, grace_days FROM identity.privacy_setting WHERE tenant_id = kernel.tenant()
"""


async def privacy_setting(call: Call) -> Setting:
    row = await db.one("identity", call, _SETTING)
    return Setting(**row) if row else Setting()


_RETENTION = "SELECT rule, days FROM identity.retention WHERE tenant_id = kernel.tenant()"


async def days_of(call: Call) -> dict[str, int]:
    """How many days what is kept, by rule: the operator's, else the usual ones."""
    own = {row["rule"]: row["days"] for row in await db.run("identity", call, _RETENTION)}
    return {full(each): own.get(full(each), each.days) for each in privacy.rules()}


def full(rule: privacy.Rule) -> str:
    """A rule's name among those of all rooms."""
    return f"{rule.room}.{rule.name}"


async def retention(call: Call) -> list[Retention]:
    call.require(READ)
    days = await days_of(call)
    return [
        Retention(
            rule=full(each), title=each.title.told(call.locale), days=days[full(each)],
            usual_days=each.days, least=each.least, most=each.most,
        )
        for each in privacy.rules()
    ]  # fmt: skip


_RUNS = """
SELECT id, rule, before, deleted, at FROM identity.retention_run
WHERE tenant_id = kernel.tenant() ORDER BY at DESC, id DESC LIMIT $1 OFFSET $2
"""
_RUNS_COUNT = """
SELECT count(*) AS total FROM identity.retention_run WHERE tenant_id = kernel.tenant()
"""


async def retention_runs(call: Call, limit: int, offset: int) -> RunPage:
    call.require(READ)
    rows, counted = await asyncio.gather(
        db.run("identity", call, _RUNS, limit, offset), db.run("identity", call, _RUNS_COUNT)
    )
    return RunPage([RetentionRun(**row) for row in rows], counted[0]["total"])


async def processing(call: Call, locale: str) -> list[Processing]:
    return [
        Processing(
            section=f"{each.room}.{each.name}",
            title=each.title.told(locale),
            purpose=each.purpose.told(locale),
            basis=each.basis,
            columns=await privacy.columns(call, each),
            kept=each.kept.told(locale),
            recipients=each.recipients.told(locale) if each.recipients else "",
            at_erasure=each.fate,
            why_kept=each.why_kept.told(locale) if each.why_kept else "",
        )
        for each in privacy.sections()
    ]


_STUCK = """
SELECT id, kind, state, next_at FROM identity.privacy_request
WHERE tenant_id = kernel.tenant()
  AND (next_at < kernel.now() - interval '1 hour' OR (state = 'erasing' AND $1 > due_at))
LIMIT 100
"""


async def broken_invariants(call: Call) -> list[tuple[str, str]]:
    """What people asked for and nobody does: against I8."""
    return [
        ("I8", f"{row['kind']} {row['id']} is {row['state']} since {row['next_at']}")
        for row in await db.run("identity", call, _STUCK, clock.now())
    ]
