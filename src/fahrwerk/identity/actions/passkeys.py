"""Passkeys: the ceremonies of WebAuthn, verified by py_webauthn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, structs
from webauthn.helpers.exceptions import WebAuthnException

from fahrwerk.identity import queries, rules
from fahrwerk.identity.actions import fresh
from fahrwerk.identity.actions.entrance import CHALLENGE_PREFIX, Proven, new_challenge, uncounted
from fahrwerk.identity.actions.log_in import open_session
from fahrwerk.identity.actions.notices import tell
from fahrwerk.identity.actions.pages import open_page_session
from fahrwerk.identity.actions.second_factor import end_challenge, there, try_challenge
from fahrwerk.identity.contract import Client, Login
from fahrwerk.identity.contract.factors import SecondFactorRequired
from fahrwerk.identity.contract.pages import PageSession
from fahrwerk.identity.contract.passkeys import (
    MOST_PASSKEYS,
    Ceremony,
    Passkey,
    PasskeyRefused,
    PasskeyThere,
    UnknownPasskey,
)
from fahrwerk.identity.queries.passkeys import PASSKEY_COLUMNS
from fahrwerk.identity.rules.passkeys import Site, site_of
from fahrwerk.kernel import crypto, db, ids, settings
from fahrwerk.kernel.errors import Invalid
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_REFUSALS = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What the library raises on nonsense; all of it is the same to who sent it."""


async def _site(call: Call, host: str) -> Site:
    """The site of a request, which must be one of this operator's or the platform's own."""
    address = settings.load().address
    site = site_of(host, address)
    if site.rp_id not in (urlsplit(address).hostname, "localhost"):
        operator = await tenancy.operator_by_host(call, site.rp_id)
        if operator is None or operator.id != call.tenant:
            raise Invalid(field="Host", issue="is not a host of this operator")
    return site


_CREDENTIALS = "SELECT credential_id FROM identity.passkey WHERE person_id = $1"


async def begin_passkey(call: Call, host: str) -> Ceremony:
    person_id = await fresh.check(call)
    site, operator = await _site(call, host), await tenancy.operator(call)
    person = await queries.person(call, person_id)
    there_are = await db.run("identity", call, _CREDENTIALS, person_id)
    if len(there_are) >= MOST_PASSKEYS:
        raise PasskeyThere
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=operator.name,
        user_name=person.email or str(person.phone),
        user_id=person_id.bytes,
        user_display_name=" ".join(filter(None, (person.first_name, person.last_name)))
        or person.email
        or str(person.phone),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            structs.PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in there_are
        ],
    )
    return await _ceremony(call, "passkey_add", person_id, site, options)


async def begin_passkey_log_in(call: Call, host: str) -> Ceremony:
    await tenancy.operator(call)
    site = await _site(call, host)
    # No list of credentials: the browser finds them, and we tell nobody who has one.
    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id, user_verification=structs.UserVerificationRequirement.REQUIRED
    )
    return await _ceremony(call, "passkey_log_in", None, site, options)


async def _ceremony(
    call: Call, purpose: str, person_id: UUID | None, site: Site, options: Any
) -> Ceremony:
    data: dict[str, object] = {
        "bytes": bytes_to_base64url(options.challenge),
        "rp_id": site.rp_id,
        "origin": site.origin,
    }
    token = await new_challenge(call, purpose, person_id, data)
    return Ceremony(token, msgspec.json.decode(webauthn.options_to_json(options)))


async def _begun(call: Call, token: str, purpose: str) -> tuple[Call, UUID | None, dict[str, Any]]:
    """The challenge, used up whatever comes of it. Raises ``PasskeyRefused``."""
    own = there(call, token, CHALLENGE_PREFIX)
    begun = await try_challenge(own, token, purpose) if own else None
    if own is None or begun is None or not await end_challenge(own, begun):
        raise PasskeyRefused("This took too long. Please begin again.")
    return own, begun.person_id, begun.data


_ADD = f"""
INSERT INTO identity.passkey (id, person_id, credential_id, public_key, sign_count, rp_id, name,
                              aaguid, transports, is_synced)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE (SELECT count(*) FROM identity.passkey WHERE person_id = $2) < {MOST_PASSKEYS}
ON CONFLICT DO NOTHING
RETURNING {PASSKEY_COLUMNS}
"""
_TRANSPORTS = frozenset(each.value for each in structs.AuthenticatorTransport)


async def add_passkey(call: Call, challenge: str, name: str, credential: dict[str, Any]) -> Passkey:
    person, _ = fresh.own_session(call)
    called = rules.name_of("name", name) or "Passkey"
    call, owner, begun = await _begun(call, challenge, "passkey_add")
    if owner != person:
        raise PasskeyRefused
    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(begun["bytes"]),
            expected_rp_id=begun["rp_id"],
            expected_origin=begun["origin"],
            require_user_verification=True,
        )
    except _REFUSALS:
        raise PasskeyRefused from None
    said = credential["response"].get("transports")
    transports = {each for each in said if isinstance(each, str)} if isinstance(said, list) else ()
    async with db.tx("identity", call) as tx:
        row = await tx.one(
            _ADD, ids.new(), person, made.credential_id, made.credential_public_key,
            made.sign_count, begun["rp_id"], called, made.aaguid,
            sorted(_TRANSPORTS.intersection(transports)), made.credential_backed_up,
        )  # fmt: skip
        if row is None:
            raise PasskeyThere
        await tell(tx, call, person, "passkey_added")
    return Passkey(**row)


_BY_CREDENTIAL = """
SELECT k.id, k.person_id, k.public_key, k.sign_count, k.rp_id, k.suspected_at IS NOT NULL AS is_bad,
    d.id AS device_id
FROM identity.passkey k
LEFT JOIN identity.device d
    ON d.tenant_id = k.tenant_id AND d.person_id = k.person_id AND d.token_hash = $2
WHERE k.credential_id = $1
"""
# Only from the counter that was checked: of two at the same time with one counter, one is a copy.
_USED = """
UPDATE identity.passkey SET sign_count = $3, last_used_at = kernel.now(), is_synced = $4
WHERE id = $1 AND sign_count = $2 AND suspected_at IS NULL RETURNING id
"""
_SUSPECT = """
UPDATE identity.passkey SET suspected_at = kernel.now()
WHERE id = $1 AND suspected_at IS NULL RETURNING person_id
"""


async def log_in_with_passkey(
    call: Call, challenge: str, credential: dict[str, Any], client: Client
) -> Login:
    own, proven = await _signed(call, challenge, credential, client)
    return await open_session(own, proven, client)


async def log_in_page_with_passkey(
    call: Call, challenge: str, credential: dict[str, Any], device: str
) -> PageSession:
    client = Client(name=device)
    own, proven = await _signed(call, challenge, credential, client)
    return await open_page_session(own, proven, client)


async def _signed(
    call: Call, challenge: str, credential: dict[str, Any], client: Client
) -> tuple[Call, Proven]:
    """Whose passkey signed, with a call of his operator. Raises ``PasskeyRefused``."""
    call, _, begun = await _begun(call, challenge, "passkey_log_in")
    known = crypto.digest_of(client.known) if client.known else ""
    try:
        credential_id = base64url_to_bytes(str(credential.get("rawId"))[:2000])
    except ValueError:
        raise PasskeyRefused from None
    row = await db.one("identity", call, _BY_CREDENTIAL, credential_id, known)
    if row is None or row["is_bad"] or row["rp_id"] != begun["rp_id"]:
        raise PasskeyRefused
    try:
        # The counter is compared below: the library cannot tell a copy from a wrong signature.
        proven = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(begun["bytes"]),
            expected_rp_id=begun["rp_id"],
            expected_origin=begun["origin"],
            credential_public_key=row["public_key"],
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        handle = credential["response"].get("userHandle")
        is_owner = base64url_to_bytes(handle) == row["person_id"].bytes
    except _REFUSALS:
        raise PasskeyRefused from None
    if not is_owner:
        raise PasskeyRefused
    before, count = row["sign_count"], proven.new_sign_count
    is_copy = (before or count) and count <= before
    turned = (row["id"], before, count, proven.credential_backed_up)
    if is_copy or not await db.run("identity", call, _USED, *turned):
        await _suspect(call, row["id"])
        raise PasskeyRefused
    counted = uncounted(call, row["device_id"])
    return call, Proven(person_id=row["person_id"], methods=["passkey"], counted=counted)


async def _suspect(call: Call, passkey_id: UUID) -> None:
    """A counter that does not grow is a copy's: neither logs in any more, and the owner is told."""
    async with db.tx("identity", call) as tx:
        row = await tx.one(_SUSPECT, passkey_id)
        if row is not None:
            await tell(tx, call, row["person_id"], "passkey_suspected")


_RENAME = f"""
UPDATE identity.passkey SET name = $3 WHERE id = $1 AND person_id = $2
RETURNING {PASSKEY_COLUMNS}
"""


async def rename_passkey(call: Call, passkey_id: UUID, name: str) -> Passkey:
    person, _ = fresh.own_session(call)
    called = rules.name_of("name", name)
    if called is None:
        raise Invalid(field="name", issue="is needed")
    row = await db.one("identity", call, _RENAME, passkey_id, person, called)
    if row is None:
        raise UnknownPasskey
    return Passkey(**row)


_DELETE = "DELETE FROM identity.passkey WHERE id = $1 AND person_id = $2 RETURNING id"
_OWN = "SELECT FROM identity.passkey WHERE id = $1 AND person_id = $2"


async def delete_passkey(call: Call, passkey_id: UUID) -> None:
    person, _ = fresh.own_session(call)
    if not await db.run("identity", call, _OWN, passkey_id, person):
        raise UnknownPasskey
    await fresh.check(call)
    said = await queries.security(call)
    if said.needs_second_factor and not said.has_totp and said.passkeys == 1:
        raise SecondFactorRequired("Your operator asks for a second factor: add another one first.")
    async with db.tx("identity", call) as tx:
        if not await tx.run(_DELETE, passkey_id, person):
            raise UnknownPasskey
        await tell(tx, call, person, "passkey_deleted")
