"""The one way in: whoever has proven who he is, however he did, passes ``admit``, and only then a
session of an app (``log_in.open_session``) or a browser (``pages.open_page_session``) begins.

Here stand the rules for all of them: guessing, blocked accounts, single sign-on that is a must,
second factors. No rule of these may be anywhere else, or a way in is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.identity import rules
from fahrwerk.identity.actions import attempts
from fahrwerk.identity.contract import (
    AccountBlocked,
    Client,
    Person,
    SecondFactorNeeded,
    UnknownPerson,
    WrongCredentials,
)
from fahrwerk.identity.contract.sso import SsoRequired
from fahrwerk.identity.queries import COLUMNS, person_of
from fahrwerk.identity.queries.sso import check_way_in
from fahrwerk.identity.rules import binding, factors
from fahrwerk.kernel import crypto, db, ids
from fahrwerk.kernel.audit import record
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call

CHALLENGE_S = 300
CHALLENGE_PREFIX = "chl"
ENOUGH = frozenset({"totp", "recovery_code", "passkey", "sso"})
"""Whoever used one of these is not asked for a second factor; it is the provider's business when
it was single sign-on."""

# There is always one row: who is not there costs as much as who is.
_FOUND = f"""
SELECT {COLUMNS}, p.password_hash, t.person_id IS NOT NULL AS has_totp,
    EXISTS (SELECT FROM identity.passkey k WHERE k.person_id = p.id AND k.suspected_at IS NULL)
        AS has_passkey,
    d.id AS device_id, coalesce(o.second_factor_roles, '{{{{}}}}') AS second_factor_roles,
    coalesce(p.must_prove AND p.email_verified_at IS NULL AND p.phone_verified_at IS NULL, false)
        AS is_unproven
FROM (SELECT kernel.tenant() AS tenant_id) AS here
LEFT JOIN identity.policy o ON o.tenant_id = here.tenant_id
LEFT JOIN identity.person p ON p.tenant_id = here.tenant_id AND p.status <> 'deleted' AND {{which}}
LEFT JOIN identity.totp t
    ON t.tenant_id = p.tenant_id AND t.person_id = p.id AND t.confirmed_at IS NOT NULL
LEFT JOIN identity.device d
    ON d.tenant_id = p.tenant_id AND d.person_id = p.id AND d.token_hash = $2
"""
BY_EMAIL = _FOUND.format(which="lower(p.email) = $1")
BY_PHONE = _FOUND.format(which="p.phone = $1")
BY_ID = _FOUND.format(which="p.id = $1")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that a log-in has to know of an account; ``person`` None: there is none."""

    person: Person | None
    stored: str | None
    device_id: UUID | None
    """The known device that asks."""
    methods: list[str]
    """How to go on after the first factor; empty: that is all."""
    is_unproven: bool
    """Registered quietly, with an address that nobody has proven: no password counts yet."""


async def find(call: Call, sql: str, value: object, client: Client) -> Found:
    """Look an account up by one of the statements above."""
    known = crypto.digest_of(client.known) if client.known else ""
    [row] = await db.run("identity", call, sql, value, known)
    person = person_of(row) if row["id"] else None
    methods = factors.methods(
        person.roles if person else (),
        row["second_factor_roles"],
        has_totp=row["has_totp"],
        has_passkey=row["has_passkey"],
    )
    return Found(
        person=person,
        stored=row["password_hash"],
        device_id=row["device_id"],
        methods=methods,
        is_unproven=row["is_unproven"],
    )


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has proven who he is; whether that is enough says ``admit``."""

    person_id: UUID
    methods: list[str]
    """How: password | totp | recovery_code | passkey | link | sso, in the order it was done."""
    counted: attempts.Counted
    """The try this was, counted before it was looked at."""
    stored: str | None = None
    """The password hash that fitted: it must still be the person's when the session begins."""
    provider: UUID | None = None
    """Of single sign-on: who vouched for him."""


def uncounted(call: Call, device_id: UUID | None = None) -> attempts.Counted:
    """For what cannot be guessed at, such as a signature; or was counted where it was looked at."""
    return attempts.Counted("", attempts.place_of(call, device_id), 0, is_attack=False)


async def admit(call: Call, proven: Proven, client: Client) -> Person:
    """Who comes in; the account is read anew. Writes down why somebody does not.

    Raises ``WrongCredentials`` (no password is right now), ``AccountBlocked``, ``SsoRequired``,
    ``SecondFactorNeeded``, ``UnknownPerson``.
    """
    found = await find(call, BY_ID, proven.person_id, client)
    person = found.person
    if person is None:
        raise UnknownPerson
    if proven.counted.is_attack:
        await _note(call, proven, client, "attacked")
        raise WrongCredentials
    if person.status != "active":
        await _note(call, proven, client, "blocked")
        raise AccountBlocked
    if proven.counted.who:
        await attempts.forgive(call, proven.counted)
    try:
        await check_way_in(call, person, proven.provider)
    except SsoRequired:
        await _note(call, proven, client, "sso_required")
        raise
    if found.methods and not ENOUGH.intersection(proven.methods):
        await _note(call, proven, client, "second_factor_asked")
        raise await _second_factor_needed(call, person, found.methods, first=proven.methods[0])
    return person


async def entered(call: Call, proven: Proven, person: Person, client: Client) -> None:
    """His session has begun: that is kept in his history, and of staff in the audit log."""
    await _note(call, proven, client, "logged_in")
    own = msgspec.structs.replace(call, user=person.id, roles=person.roles)
    if own.is_staff:
        await record(own, "identity.log_in", str(person.id), "+".join(proven.methods))


async def _note(call: Call, proven: Proven, client: Client, outcome: str) -> None:
    device = rules.device_of(client.name)
    await attempts.note(call, proven.person_id, proven.counted, device, outcome)


_CHALLENGE = """
INSERT INTO identity.challenge (id, purpose, person_id, token_hash, data, expires_at)
VALUES ($1, $2, $3, $4, $5, kernel.now() + make_interval(secs => $6))
"""


async def new_challenge(
    call: Call, purpose: str, person_id: UUID | None, data: dict[str, object]
) -> str:
    """Begin something that needs a second half; the token that names it, good for five minutes."""
    operator = await tenancy.operator(call)
    token = f"{ids.public(CHALLENGE_PREFIX, operator.id)}.{crypto.new_secret()}"
    await db.run(
        "identity", call, _CHALLENGE,
        ids.new(), purpose, person_id, crypto.digest_of(token), data, float(CHALLENGE_S),
    )  # fmt: skip
    return token


async def _second_factor_needed(
    call: Call, person: Person, methods: list[str], *, first: str
) -> SecondFactorNeeded:
    """What to raise when somebody has proven the ``first`` of two factors."""
    data: dict[str, object] = {"first": first, "methods": methods}
    challenge = await new_challenge(call, "second_factor", person.id, data)
    return SecondFactorNeeded(challenge=challenge, methods=methods, expires_in=CHALLENGE_S)


_ONCE = """
INSERT INTO identity.device_proof (digest, until)
VALUES ($1, kernel.now() + make_interval(secs => $2))
ON CONFLICT DO NOTHING RETURNING digest
"""


async def use_device_proof(call: Call, thumbprint: str, proof_id: str) -> None:
    """A DPoP proof by this key is good once (RFC 9449, 11.1). Raises ``BadProof``.

    Remembered for as long as it is fresh. Only proofs of keys that belong to the session are: a
    stranger's would fill the table.
    """
    digest = crypto.digest_of(f"{thumbprint}.{proof_id}")
    # As long as a proof made by a clock that is ahead is fresh, and a little more.
    if not await db.run("identity", call, _ONCE, digest, 3.0 * binding.FRESH_S):
        raise binding.BadProof
