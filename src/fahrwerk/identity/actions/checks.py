"""ID checks: begun by the rider, decided by a provider, over some day.

The row comes first and its id is the provider's key: what was asked twice is one check there.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.identity import providers, queries
from fahrwerk.identity.contract.checks import CheckRefused, ChecksTooOften, IdCheck, ProviderSilent
from fahrwerk.identity.events import IdCheckDecided
from fahrwerk.identity.providers import Question, Verdict
from fahrwerk.identity.queries.checks import CHECK_COLUMNS
from fahrwerk.identity.rules import checks as rules
from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Invalid, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

ADULT_YEARS = 18

_LOCK = "SELECT id FROM identity.person WHERE id = $1 AND status = 'active' FOR UPDATE"
_TODAY = """
SELECT count(*) AS many FROM identity.id_check
WHERE person_id = $1 AND created_at > kernel.now() - interval '1 day'
"""
_BEGIN = """
INSERT INTO identity.id_check (id, person_id, kind, provider, state, ask_at)
VALUES ($1, $2, $3, $4, 'pending', kernel.now() + interval '1 minute')
"""


async def start_check(call: Call, kind: str, document: str) -> IdCheck:
    if call.user is None:
        raise Unauthenticated(token_expired=False)
    if kind not in rules.KINDS:
        raise Invalid(field="kind", issue="age or licence")
    name = (await queries.policy(call)).id_provider
    provider, check, now = providers.by_name(name), ids.new(), clock.now()
    async with db.tx("identity", call) as tx:
        if not await tx.run(_LOCK, call.user):
            raise Unauthenticated(token_expired=True)
        if (await tx.run(_TODAY, call.user))[0]["many"] >= rules.MOST_A_DAY:
            raise ChecksTooOften(retry_after=3600)
        await tx.run(_BEGIN, check, call.user, kind, name)
    # Whoever is born on 29 February is of age on 1 March.
    day = now.replace(month=3, day=1) if (now.month, now.day) == (2, 29) else now
    question = Question(
        key=check, kind=kind, document=document,  # type: ignore[arg-type]
        oldest_birth=day.replace(year=day.year - ADULT_YEARS),
    )  # fmt: skip
    try:
        verdict = await provider.start(question, now)
    except providers.Refused as why:
        await _decide(call, check, Verdict(state="rejected", reference="", reason=str(why)[:100]))
        raise CheckRefused from None
    except Unavailable:
        await _decide(call, check, Verdict(state="rejected", reference="", reason="unavailable"))
        raise ProviderSilent from None
    return await _decide(call, check, verdict)


# Only a check that is pending is decided, and its event is written with it.
_WAIT = f"""
UPDATE identity.id_check SET reference = $2, asked = asked + 1,
    ask_at = kernel.now() + make_interval(secs => $3)
WHERE id = $1 AND state = 'pending' RETURNING {CHECK_COLUMNS}
"""
_DECIDE = f"""
UPDATE identity.id_check SET state = $2, reference = nullif($3, ''), reason = $4, classes = $5,
    good_until = $6, decided_at = $7
WHERE id = $1 AND state = 'pending' RETURNING {CHECK_COLUMNS}, version
"""
_READ = f"SELECT {CHECK_COLUMNS} FROM identity.id_check WHERE id = $1"


async def _decide(call: Call, check_id: UUID, verdict: Verdict, asked: int = 1) -> IdCheck:
    async with db.tx("identity", call) as tx:
        if verdict.state == "pending":
            pause = rules.pause_s(asked)
            if pause is not None:
                reference = verdict.reference[:200]
                row = await tx.one(_WAIT, check_id, reference, float(pause))
                return IdCheck(**(row or await _now(tx, check_id)))
            verdict = Verdict(state="rejected", reference=verdict.reference, reason="no_answer")
        row = await tx.one(
            _DECIDE, check_id, verdict.state, verdict.reference[:200],
            verdict.reason[:100] if verdict.reason else None, verdict.classes,
            verdict.good_until, clock.now(),
        )  # fmt: skip
        if row is None:
            return IdCheck(**await _now(tx, check_id))
        found = IdCheck(**{name: row[name] for name in IdCheck.__struct_fields__})
        fact = IdCheckDecided(found.person_id, check_id, found.kind, verdict.state)
        await events.emit(tx, call, f"id_check:{check_id}", row["version"], fact)
    return found


async def _now(tx: db.Tx, check_id: UUID) -> db.Row:
    [row] = await tx.run(_READ, check_id)
    return row


class Waiting(msgspec.Struct, frozen=True):
    """A claimed check that the provider has not decided yet."""

    tenant_id: UUID
    id: UUID
    provider: str
    reference: str | None
    asked: int


async def ask_again(call: Call, waiting: Waiting) -> None:
    """Ask the provider about a pending check. Silence is asked again later."""
    if waiting.reference is None:  # its process died between our row and the provider's answer
        verdict = Verdict(state="rejected", reference="", reason="interrupted")
    else:
        try:
            found = providers.by_name(waiting.provider)
            verdict = await found.verdict(waiting.reference, clock.now())
        except Unavailable:
            verdict = Verdict(state="pending", reference=waiting.reference)
        except (providers.Refused, Invalid) as why:
            verdict = Verdict(state="rejected", reference=waiting.reference, reason=str(why)[:100])
    await _decide(call, waiting.id, verdict, waiting.asked)


class Over(msgspec.Struct, frozen=True):
    """A check that has run out."""

    tenant_id: UUID
    id: UUID
    good_until: datetime


_EXPIRE = """
UPDATE identity.id_check SET state = 'expired', version = version + 1
WHERE id = $1 AND state = 'verified' AND good_until <= kernel.now()
RETURNING person_id, kind, version
"""


async def expire(call: Call, over: Over) -> None:
    """Write down that a check has run out, once."""
    async with db.tx("identity", call) as tx:
        row = await tx.one(_EXPIRE, over.id)
        if row is not None:
            fact = IdCheckDecided(row["person_id"], over.id, row["kind"], "expired")
            await events.emit(tx, call, f"id_check:{over.id}", row["version"], fact)
