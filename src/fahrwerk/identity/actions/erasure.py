"""Somebody is erased (GDP-02): here at once, in the other rooms by ``person.erased``, and then it
is looked for everywhere whether anything is left.

What the person's key sealed is unreadable from the moment it is forgotten, in whatever copy of the
log. The account's row stays as a number that the books and the log may go on naming.

Crash points: ``identity.erasure.after_rows``, ``identity.erasure.before_done``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fahrwerk.identity.actions.log_out import BY_PERSON, end_sessions
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.privacy import ERASURE
from fahrwerk.identity.events import PersonErased
from fahrwerk.identity.queries import rights
from fahrwerk.identity.rules import privacy as rules
from fahrwerk.kernel import audit, clock, crypto, db, events, person_keys, privacy
from fahrwerk.kernel.call import system
from fahrwerk.kernel.crash import point

if TYPE_CHECKING:
    from fahrwerk.identity.actions.export import Taken
    from fahrwerk.kernel.call import Call

SEAL = "identity.erasure"
ERASED = "person.erased"

_REFUSE = """
UPDATE identity.privacy_request SET state = 'refused', next_at = NULL, ended_at = $3,
       result = $4::jsonb
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'waiting' RETURNING id
"""
_LIFT = """
UPDATE identity.person SET restricted_at = NULL, restricted_reason = NULL
WHERE tenant_id = kernel.tenant() AND id = $1 AND restricted_reason = $2
"""


async def erase(call: Call, taken: Taken) -> None:
    """The next step of an erasure: refuse it, do it, or see whether it is done everywhere."""
    if taken.state != "waiting":
        await _finish(call, taken)
        return
    against = await privacy.obstacles(call, taken.person_id)
    if not against:
        await _erase_here(call, taken)
        return
    told = [
        {"code": each.code, "message": each.text.told(taken.locale), **each.details}
        for each in against
    ]
    async with db.tx("identity", call) as tx:
        if await tx.run(_REFUSE, taken.id, taken.turn, clock.now(), {"obstacles": told}):
            await tx.run(_LIFT, taken.person_id, ERASURE)
            await tell(tx, call, taken.person_id, "erasure_refused")


_CONTACT = """
SELECT email, phone, first_name, last_name FROM identity.person
WHERE tenant_id = kernel.tenant() AND id = $1 AND status <> 'deleted' FOR UPDATE
"""
_BEGIN = """
UPDATE identity.privacy_request SET state = 'erasing', traces = $3, next_at = kernel.now()
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'waiting' RETURNING id
"""
_OF = "tenant_id = kernel.tenant() AND person_id = $1"
_ROWS = (
    *(
        f"DELETE FROM identity.{table} WHERE {_OF}"
        for table in (
            *("person_role", "scoped_grant", "sourced_role", "proof", "challenge", "totp"),
            *("recovery_code", "passkey", "api_key", "device", "id_check", "attempt"),
            *("sso_link", "sso_attempt", "scim_user"),
        )
    ),
    # The session's number has to be known for an hour yet: it says that its tokens are over.
    f"""UPDATE identity.session SET device = '', address = '', key_thumbprint = NULL WHERE {_OF}""",
    """DELETE FROM identity.refresh_token t USING identity.session s
    WHERE t.tenant_id = kernel.tenant() AND s.tenant_id = t.tenant_id AND s.id = t.session_id
      AND s.person_id = $1""",
    f"""UPDATE identity.consent SET address = '', device = '', ended_from = NULL,
        ended_at = coalesce(ended_at, kernel.now()) WHERE {_OF}""",
    """DELETE FROM identity.privacy_file f USING identity.privacy_request r
    WHERE f.tenant_id = kernel.tenant() AND r.tenant_id = f.tenant_id AND r.id = f.request_id
      AND r.person_id = $1""",
    f"""UPDATE identity.privacy_request SET state = 'expired', next_at = NULL
    WHERE {_OF} AND kind = 'export' AND state IN ('waiting', 'running', 'ready')""",
)
"""One statement a table, however much somebody has."""
_PERSON = """
UPDATE identity.person SET status = 'deleted', email = NULL, phone = NULL, first_name = NULL,
       last_name = NULL, locale = NULL, password_hash = NULL, password_set_at = NULL,
       email_verified_at = NULL, phone_verified_at = NULL, birth_date = NULL, department = NULL,
       rights_changed_at = kernel.now(), updated_at = $2, version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING version
"""


async def _erase_here(call: Call, taken: Taken) -> None:
    person = taken.person_id
    async with db.tx("identity", call) as tx:
        contact = await tx.one(_CONTACT, person)
        words = rules.words_of(tuple(contact.values()) if contact else ())
        sealed = crypto.seal(SEAL, msgspec.json.encode(words).decode())
        if not await tx.run(_BEGIN, taken.id, taken.turn, sealed):
            return  # called off, or in other hands
        if contact is not None:
            await end_sessions(tx, call, BY_PERSON, person, reason="erased")
            for sql in _ROWS:
                await tx.run(sql, person)
            [row] = await tx.run(_PERSON, person, clock.now())
            fact = PersonErased(person, taken.id)
            await events.emit(tx, call, f"person:{person}", row["version"], fact)
        await person_keys.forget(tx, person)
        tx.signal(rights.changed(call.tenant))
    point("identity.erasure.after_rows")


# By the login of the pump, which also reads how far the handlers are.
_ANSWERS = """
DELETE FROM kernel.idempotency WHERE tenant_id = $1 AND caller = $2
"""
_UNHEARD = """
SELECT c.handler_group FROM kernel.checkpoint c
JOIN kernel.event e ON (e.xid, e.position) > (c.xid, c.position)
WHERE c.handler_group = ANY($3) AND e.tenant_id = $1 AND e.stream = $2 AND e.name = $4
"""
_LATER = """
UPDATE identity.privacy_request SET next_at = kernel.now() + make_interval(secs => $3)
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'erasing'
"""
_DONE = """
UPDATE identity.privacy_request
SET state = 'done', next_at = NULL, ended_at = $3, traces = NULL, result = $4::jsonb, rows = $5,
    sections_done = sections
WHERE tenant_id = kernel.tenant() AND id = $1 AND turn = $2 AND state = 'erasing' RETURNING id
"""
# Something was written after a room had heard of it, by work that was under way: tell it again.
TELL_AGAIN = 10
_TOLD = """
UPDATE identity.person SET version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 RETURNING version
"""
_TRACES = (
    "SELECT traces FROM identity.privacy_request WHERE tenant_id = kernel.tenant() AND id = $1"
)


async def _finish(call: Call, taken: Taken) -> None:
    """Look again at everything, as an export would; done when only that is left which may be."""
    person = taken.person_id
    await db.run("pump", system(None, "pump"), _ANSWERS, call.tenant, str(person))
    groups = [each.room for each in events.handlers if each.kind is PersonErased]
    unheard = await db.run(
        "pump", system(None, "pump"), _UNHEARD,
        call.tenant, f"person:{person}", groups, ERASED,
    )  # fmt: skip
    words = await _words(call, taken)
    left, kept, rows = await _left(call, taken, words)
    if left and taken.turn % TELL_AGAIN == 0:
        async with db.tx("identity", call) as tx:
            [row] = await tx.run(_TOLD, person)
            fact = PersonErased(person, taken.id)
            await events.emit(tx, call, f"person:{person}", row["version"], fact)
    if unheard or left:
        wait = 2.0 if taken.turn < 30 else 60.0
        await db.run("identity", call, _LATER, taken.id, taken.turn, wait)
        return
    point("identity.erasure.before_done")
    result = {"kept": kept, "looked_for": len(words)}
    if await db.run("identity", call, _DONE, taken.id, taken.turn, clock.now(), result, rows):
        counts = {each["section"]: each["rows"] for each in msgspec.to_builtins(kept)}
        house = system(call.tenant, "identity")
        await audit.record(
            house, "identity.person_erased", f"person:{person}", "done", {"kept": counts}
        )


async def _words(call: Call, taken: Taken) -> list[str]:
    row = await db.one("identity", call, _TRACES, taken.id)
    if row is None or row["traces"] is None:
        return []
    return msgspec.json.decode(crypto.unseal(SEAL, bytes(row["traces"])), type=list[str])


async def _left(
    call: Call, taken: Taken, words: list[str]
) -> tuple[list[str], list[rules.Kept], int]:
    """Sections that have what they may not have, and what may stay."""
    left: list[str] = []
    kept: list[rules.Kept] = []
    total = 0
    for section in privacy.sections():
        count, is_traced = 0, False
        async for row in privacy.gathered(call, section, taken.person_id):
            count += 1
            is_traced = is_traced or rules.is_traced(row, words)
        total += count
        if is_traced or (count and section.fate == "deleted"):
            left.append(f"{section.room}.{section.name}")
        if (told := rules.leftovers(section, count, taken.locale)) is not None:
            kept.append(told)
    return left, kept, total
