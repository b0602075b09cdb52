"""Log-in by an identity provider: out, back, and in (IDN-20, IDN-24, IDN-25).

A log-in under way is one row. Each secret that names it is good once, and only its hash is kept:
*ticket* (leave for the provider), *state* (come back), *token* (after a SAML answer, which brings
no cookie), *code* (the app fetches its tokens). The browser that left is known by a cookie; nobody
can be sent through the second half of a log-in that somebody else began.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from fahrwerk.identity.actions import sso_people as people
from fahrwerk.identity.actions.sso_dry import dry, teller
from fahrwerk.identity.actions.sso_providers import completed
from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.sso import (
    Came,
    Directory,
    Landing,
    Leaving,
    Oidc,
    Provider,
    Saml,
    SsoRefused,
    Started,
    Step,
    UnknownProvider,
    Wish,
)
from fahrwerk.identity.protocols import _signed, oidc, saml
from fahrwerk.identity.queries import sso as queries
from fahrwerk.identity.rules import sso as rules
from fahrwerk.kernel import clock, crypto, db, ids, settings
from fahrwerk.kernel.errors import Invalid, Problem, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fahrwerk.kernel.call import Call

ATTEMPT = "sso attempt"
LOGIN_S, CODE_S = 600, 60


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in under way."""

    id: UUID
    provider_id: UUID
    flow: str
    redirect_uri: str
    app_state: str
    code_challenge: str
    secrets: bytes | None
    browser_hash: str | None


class Kept(msgspec.Struct, frozen=True):
    """What must come back as it was sent; sealed in between."""

    nonce: str = ""
    verifier: str = ""
    request_id: str = ""
    said: rules.Said | None = None


_COLUMNS = "id, provider_id, flow, redirect_uri, app_state, code_challenge, secrets, browser_hash"
_START = """
WITH forgotten AS (
    DELETE FROM identity.sso_attempt WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM identity.sso_attempt WHERE expires_at < kernel.now() LIMIT 20))
)
INSERT INTO identity.sso_attempt (id, provider_id, flow, ticket_hash, redirect_uri, app_state,
                                  code_challenge, expires_at, steps)
SELECT $1, v.id, $3::text, $4, $5, $6, $7, kernel.now() + make_interval(secs => $8), $9::jsonb
FROM identity.sso_provider v WHERE v.id = $2 AND (v.is_enabled OR $3::text = 'test')
RETURNING id
"""


async def start_sso(call: Call, provider_id: UUID, wish: Wish) -> Started:
    provider, _ = await queries.with_secret(call, provider_id)
    if isinstance(provider.protocol, Directory):
        raise Invalid(field="provider", issue="is a directory: log in there by name and password")
    if wish.flow == "app":
        if wish.redirect_uri not in provider.redirect_uris:
            raise Invalid(field="redirect_uri", issue="is not set up for this provider")
        if not rules.is_challenge(wish.code_challenge):
            raise Invalid(field="code_challenge", issue="a PKCE challenge (S256) is needed")
    elif wish.flow == "page":
        wish = msgspec.structs.replace(wish, redirect_uri=rules.local_path(wish.redirect_uri))
    else:
        raise Invalid(field="flow", issue="must be app or page")
    return await started_attempt(call, provider_id, wish, LOGIN_S, None)


async def started_attempt(
    call: Call, provider_id: UUID, wish: Wish, seconds: int, steps: list[Step] | None
) -> Started:
    attempt, ticket = ids.new(), crypto.new_secret()
    made = await db.run(
        "identity", call, _START,
        attempt, provider_id, wish.flow, crypto.digest_of(ticket), wish.redirect_uri,
        wish.state[:500], wish.code_challenge, float(seconds),
        None if steps is None else msgspec.json.encode(steps).decode(),
    )  # fmt: skip
    if not made:
        raise UnknownProvider
    return Started(attempt, ticket)


_BY_TICKET = f"""
UPDATE identity.sso_attempt SET ticket_hash = NULL
WHERE ticket_hash = $1 AND expires_at > kernel.now()
RETURNING {_COLUMNS}
"""
_LEAVE = """
UPDATE identity.sso_attempt SET state_hash = $2, browser_hash = $3, secrets = $4 WHERE id = $1
"""


async def leave_for_sso(call: Call, ticket: str) -> Leaving:
    attempt = await _claimed(call, _BY_TICKET, crypto.digest_of(ticket))
    steps: list[Step] = []
    try:
        provider = await _enabled(call, attempt)
        state, secret = crypto.new_secret(), crypto.new_secret()
        kept = Kept(crypto.new_secret(), crypto.new_secret(), f"_{ids.new().hex}{ids.new().hex}")
        base = queries.base_of(call, provider.id)
        if isinstance(provider.protocol, Oidc):
            told = teller(steps)
            is_dev = settings.load().dev
            published = await oidc.published(provider.protocol, is_dev=is_dev, tell=told)
            url = oidc.authorization_url(
                published, provider.protocol, f"{base}/callback", state, kept.nonce, kept.verifier
            )
        elif isinstance(provider.protocol, Saml):
            entity, acs = f"{base}/metadata", f"{base}/acs"
            url = saml.request_url(provider.protocol, entity, acs, kept.request_id, state)
        else:
            raise UnknownProvider
    except Problem as problem:
        return Leaving(await _turned_away(call, attempt, problem, steps), "", "")
    await db.run(
        "identity", call, _LEAVE,
        attempt.id, crypto.digest_of(state), crypto.digest_of(secret), _sealed(kept),
    )  # fmt: skip
    return Leaving(url, rules.cookie_of(state), secret)


_BY_STATE = f"""
UPDATE identity.sso_attempt SET state_hash = NULL
WHERE state_hash = $1 AND provider_id = $2 AND expires_at > kernel.now()
RETURNING {_COLUMNS}
"""


async def return_from_sso(
    call: Call, provider_id: UUID, came: Came, secret: str, device: str
) -> Landing:
    attempt = await _claimed(call, _BY_STATE, crypto.digest_of(came.state), provider_id)
    cookie, steps = rules.cookie_of(came.state), list[Step]()
    try:
        _check_browser(attempt, secret)
        provider = await _enabled(call, attempt)
        said = await _said_by_oidc(call, provider, came, _opened(attempt), teller(steps))
        return await _landed(call, attempt, provider, said, cookie, steps, device)
    except Problem as problem:
        return await _lost(call, attempt, problem, cookie, steps)


async def _said_by_oidc(
    call: Call, provider: Provider, came: Came, kept: Kept, tell: Callable[[str, str], None]
) -> rules.Said:
    if not isinstance(provider.protocol, Oidc):
        raise UnknownProvider
    is_dev = settings.load().dev
    published = await oidc.published(provider.protocol, is_dev=is_dev, tell=tell)
    oidc.check_issuer(published, came.issuer)
    if came.error or not came.code:
        text = f"It answered {came.error[:60]!r} {came.description[:200]!r}."
        raise rules.refused("denied", text)
    tell("answer", "a code, to the browser that left, from the right provider")
    claims = await oidc.claims(
        published, provider.protocol, await secret_of(call, provider),
        code=came.code, redirect_uri=f"{queries.base_of(call, provider.id)}/callback",
        verifier=kept.verifier, nonce=kept.nonce, now=clock.now().timestamp(), is_dev=is_dev,
        tell=tell,
    )  # fmt: skip
    return rules.said(
        provider.mapping, provider.domains, published.issuer, str(claims["sub"]), claims
    )


_SEEN = """
WITH forgotten AS (
    DELETE FROM identity.sso_seen WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM identity.sso_seen WHERE until < kernel.now() LIMIT 20))
)
INSERT INTO identity.sso_seen (provider_id, assertion, until) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING assertion
"""
_HOLD = """
UPDATE identity.sso_attempt SET finish_hash = $2, secrets = $3,
    steps = CASE WHEN flow = 'test' THEN $4::jsonb END WHERE id = $1
"""
_METADATA = """
UPDATE identity.sso_provider SET protocol = $2::jsonb, version = version + 1, updated_at = $3
WHERE id = $1 AND version = $4
"""


async def take_assertion(call: Call, provider_id: UUID, response: str, state: str) -> str:
    attempt = await _claimed(call, _BY_STATE, crypto.digest_of(state), provider_id)
    steps: list[Step] = []
    kept, problem = Kept(), None
    try:
        provider = await _enabled(call, attempt)
        kept = await _said_by_saml(call, provider, response, _opened(attempt), teller(steps))
    except Problem as error:
        problem = error
        steps.append(Step(str(error.details.get("reason", "refused")), False, error.text))
    # Told only where the cookie comes along: a stranger's post must learn nothing.
    token = crypto.new_secret()
    held: dict[str, Any] = {"state": state, "kept": msgspec.to_builtins(kept)}
    if problem is not None:
        held["refused"] = [str(problem.details.get("reason", "unavailable")), problem.text]
    await db.run(
        "identity", call, _HOLD,
        attempt.id, crypto.digest_of(token),
        crypto.seal(ATTEMPT, msgspec.json.encode(held).decode()),
        msgspec.json.encode(steps).decode(),
    )  # fmt: skip
    return f"{token}.{rules.cookie_of(state)}"


async def _said_by_saml(
    call: Call, provider: Provider, response: str, kept: Kept, tell: Callable[[str, str], None]
) -> Kept:
    if not isinstance(provider.protocol, Saml):
        raise UnknownProvider
    base = queries.base_of(call, provider.id)
    place = {"entity_id": f"{base}/metadata", "acs_url": f"{base}/acs"}
    try:
        found = saml.asserted(
            provider.protocol, response, **place, request_id=kept.request_id, tell=tell
        )
    except _signed.UnknownKey:
        protocol = await _newer(call, provider)
        tell("metadata", f"read anew: {len(protocol.certificates)} certificates")
        try:
            found = saml.asserted(
                protocol, response, **place, request_id=kept.request_id, tell=tell
            )
        except _signed.UnknownKey:
            raise _unknown_key() from None
    seen = await db.run(
        "identity", call, _SEEN, provider.id, crypto.digest_of(found.assertion_id), found.until
    )
    if not seen:
        raise rules.refused("replay", "This assertion has been used before.")
    tell("replay", "the assertion was not used before")
    said = rules.said(provider.mapping, provider.domains, found.issuer, found.subject, found.claims)
    return Kept(said=said)


def _unknown_key() -> Problem:
    return rules.refused("signature", "The assertion is signed by a certificate not known here.")


async def _newer(call: Call, provider: Provider) -> Saml:
    """The provider's certificates have changed: what its metadata say now, at most every minute."""
    old = provider.protocol
    age = (clock.now() - provider.updated_at).total_seconds()
    if not isinstance(old, Saml) or not old.metadata_url or age < 60:
        raise _unknown_key()
    wanted = Saml(metadata_url=old.metadata_url, entity_id=old.entity_id)
    protocol = await completed(wanted, is_dev=settings.load().dev)
    if not isinstance(protocol, Saml):
        raise _unknown_key()
    await db.run(
        "identity", call, _METADATA,
        provider.id, msgspec.json.encode(protocol).decode(), clock.now(), provider.version,
    )  # fmt: skip
    return protocol


_BY_TOKEN = f"""
UPDATE identity.sso_attempt SET finish_hash = NULL
WHERE finish_hash = $1 AND expires_at > kernel.now()
RETURNING {_COLUMNS}, steps
"""


async def finish_sso(call: Call, token: str, secret: str, device: str) -> Landing:
    row = await db.one("identity", call, _BY_TOKEN, crypto.digest_of(token.partition(".")[0]))
    if row is None:
        raise rules.refused("state", "This log-in is over. Please begin again.")
    attempt = _attempt(row)
    held = msgspec.json.decode(crypto.unseal(ATTEMPT, attempt.secrets or b""))
    cookie = rules.cookie_of(held["state"])
    steps = msgspec.convert(row["steps"] or [], list[Step])
    try:
        _check_browser(attempt, secret)
        if "refused" in held:
            reason, text = held["refused"]
            del steps[-1:]
            raise SsoRefused(text, reason=reason)
        provider = await _enabled(call, attempt)
        said = msgspec.convert(held["kept"], Kept).said
        if said is None:
            raise UnknownProvider
        return await _landed(call, attempt, provider, said, cookie, steps, device)
    except Problem as problem:
        return await _lost(call, attempt, problem, cookie, steps)


async def _claimed(call: Call, sql: str, *values: Any) -> Attempt:
    row = await db.one("identity", call, sql, *values)
    if row is None:
        raise rules.refused("state", "This log-in is over. Please begin again.")
    return _attempt(row)


def _attempt(row: db.Row) -> Attempt:
    return Attempt(**{name: row[name] for name in Attempt.__struct_fields__})


def _check_browser(attempt: Attempt, secret: str) -> None:
    if not crypto.same(crypto.digest_of(secret), attempt.browser_hash or ""):
        raise rules.refused("browser", "It was begun in another browser.")


async def _enabled(call: Call, attempt: Attempt) -> Provider:
    provider, _ = await queries.with_secret(call, attempt.provider_id)
    if not provider.is_enabled and attempt.flow != "test":
        raise UnknownProvider
    return provider


def _sealed(kept: Kept) -> bytes:
    return crypto.seal(ATTEMPT, msgspec.json.encode(kept).decode())


def _opened(attempt: Attempt) -> Kept:
    return msgspec.json.decode(crypto.unseal(ATTEMPT, attempt.secrets or b""), type=Kept)


_RESEAL = "UPDATE identity.sso_provider SET secret = $3 WHERE id = $1 AND secret = $2"


async def secret_of(call: Call, provider: Provider) -> str | None:
    """A provider's secret, opened; sealed anew where the installation's has changed."""
    _, sealed = await queries.with_secret(call, provider.id)
    if sealed is None:
        return None
    secret = crypto.unseal(queries.SEALED_FOR, sealed)
    if crypto.is_stale(queries.SEALED_FOR, sealed):
        anew = crypto.seal(queries.SEALED_FOR, secret)
        await db.run("identity", call, _RESEAL, provider.id, sealed, anew)
    return secret


_CODE = """
UPDATE identity.sso_attempt SET code_hash = $2, person_id = $3, secrets = NULL,
    expires_at = kernel.now() + make_interval(secs => $4)
WHERE id = $1
"""
_STEPS = "UPDATE identity.sso_attempt SET steps = $2::jsonb, secrets = NULL WHERE id = $1"


async def _landed(
    call: Call, attempt: Attempt, provider: Provider, said: rules.Said, cookie: str,
    steps: list[Step], device: str,
) -> Landing:  # fmt: skip
    """The log-in has been proven: on to where it was for."""
    if attempt.flow == "test":
        await dry(call, provider, said, steps)
        await db.run("identity", call, _STEPS, attempt.id, msgspec.json.encode(steps).decode())
        return Landing(steps=steps, cookie=cookie)
    person_id = await people.admitted(call, provider, said)
    if attempt.flow == "page":
        session = await people.log_in_page_as(call, provider.id, person_id, device)
        return Landing(url=attempt.redirect_uri, session=session, cookie=cookie)
    code = crypto.new_secret()
    digest = crypto.digest_of(code)
    await db.run("identity", call, _CODE, attempt.id, digest, person_id, float(CODE_S))
    return Landing(url=_back(attempt, code=code), cookie=cookie)


def _back(attempt: Attempt, **more: str) -> str:
    """The app's own address with what it has to know."""
    query = {**more, **({"state": attempt.app_state} if attempt.app_state else {})}
    mark = "&" if "?" in attempt.redirect_uri else "?"
    return f"{attempt.redirect_uri}{mark}{urlencode(query)}"


async def _lost(
    call: Call, attempt: Attempt, problem: Problem, cookie: str, steps: list[Step]
) -> Landing:
    """The log-in was refused: told where it came from."""
    url = await _turned_away(call, attempt, problem, steps)
    return Landing(url=url, cookie=cookie, steps=steps if attempt.flow == "test" else None)


async def _turned_away(call: Call, attempt: Attempt, problem: Problem, steps: list[Step]) -> str:
    reason = str(problem.details.get("reason", problem.error_code.lower()))
    if attempt.flow == "test":
        steps.append(Step(reason, False, problem.text))
        await db.run("identity", call, _STEPS, attempt.id, msgspec.json.encode(steps).decode())
        return ""
    if attempt.flow == "page":
        return f"/login/sso?{urlencode({'refused': reason, 'next': attempt.redirect_uri})}"
    error = "temporarily_unavailable" if isinstance(problem, Unavailable) else "access_denied"
    return _back(attempt, error=error, error_description=problem.text, reason=reason)


_BY_CODE = f"""
UPDATE identity.sso_attempt SET code_hash = NULL
WHERE code_hash = $1 AND expires_at > kernel.now() AND person_id IS NOT NULL
RETURNING {_COLUMNS}, person_id
"""


async def redeem_sso_code(call: Call, code: str, verifier: str, client: Client) -> Login:
    row = await db.one("identity", call, _BY_CODE, crypto.digest_of(code))
    if row is None:
        raise rules.refused("code", "This code is over. Please begin again.")
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not rules.is_verifier(verifier) or not crypto.same(challenge, row["code_challenge"]):
        raise rules.refused("code", "It was begun by another app.")
    return await people.log_in_as(call, row["provider_id"], row["person_id"], client)
