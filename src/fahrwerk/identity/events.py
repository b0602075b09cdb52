"""What identity tells. Ids only: personal data stay in identity's own rows.

Streams are ``person:<uuid>``, ``role:<name>``, ``approval:<uuid>`` and, for the end of a session,
``session:<uuid>``.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.events import event


@event("user.registered", topic="identity")
class UserRegistered(msgspec.Struct, frozen=True):
    """A new account (EV-09)."""

    user_id: UUID
    roles: list[str]


@event("session.revoked", topic="identity")
class SessionRevoked(msgspec.Struct, frozen=True):
    """A session was ended; ``reason``: logout | reuse_detected | blocked | sso_disabled |
    sso_linked | deprovisioned | erased."""

    user_id: UUID
    session_id: UUID
    reason: str


@event("user.blocked", topic="identity")
class UserBlocked(msgspec.Struct, frozen=True):
    """The operator blocked an account: no log-in and no new ride."""

    user_id: UUID


@event("user.unblocked", topic="identity")
class UserUnblocked(msgspec.Struct, frozen=True):
    """A blocked account may ride again."""

    user_id: UUID


@event("person.erased", topic="identity")
class PersonErased(msgspec.Struct, frozen=True):
    """Somebody is to be forgotten (Art. 17): every room deletes what it has of this person, or
    makes it nobody's. What the law wants kept goes on under this number."""

    user_id: UUID
    request_id: UUID


@event("user.roles_changed", topic="identity")
class UserRolesChanged(msgspec.Struct, frozen=True):
    """Somebody got or lost roles; ``roles`` are those he now has everywhere."""

    user_id: UUID
    roles: list[str]


@event("role.changed", topic="identity")
class RoleChanged(msgspec.Struct, frozen=True):
    """One of the operator's own roles was made or changed; without permissions it is gone."""

    name: str
    permissions: list[str]


@event("approval.decided", topic="identity")
class ApprovalDecided(msgspec.Struct, frozen=True):
    """A second person decided on what another one asked for; ``state``: approved | declined."""

    approval_id: UUID
    kind: str
    subject: UUID
    state: str


@event("proof.sent", topic="identity")
class ProofSent(msgspec.Struct, frozen=True):
    """A link and a code are to go to somebody; the letter asks for them when it is written.

    ``purpose``: verify_email | verify_phone | reset | magic | email_old | email_new; ``channel``:
    email | sms. Stream ``proof:<uuid>``.
    """

    user_id: UUID
    proof_id: UUID
    purpose: str
    channel: str


@event("user.verified", topic="identity")
class UserVerified(msgspec.Struct, frozen=True):
    """Somebody proved an address of his; ``channel``: email | sms. Stream ``proof:<uuid>``."""

    user_id: UUID
    proof_id: UUID
    channel: str


@event("security.noticed", topic="identity")
class SecurityNoticed(msgspec.Struct, frozen=True):
    """Something about an account that its owner should know. Stream ``security:<uuid>``.

    ``what``: password_changed | password_reset | email_changed | phone_changed | totp_added |
    totp_removed | recovery_code_used | recovery_codes_made | passkey_added | passkey_deleted |
    passkey_suspected | key_made | key_expires | new_device | under_attack | erasure_asked |
    erasure_refused | export_ready.
    """

    user_id: UUID
    notice_id: UUID
    what: str


@event("sso_provider.added", topic="identity")
class SsoProviderAdded(msgspec.Struct, frozen=True):
    """People may come in through their company. Stream ``sso_provider:<uuid>``: one fact."""

    provider_id: UUID
    protocol: str


@event("id_check.decided", topic="identity")
class IdCheckDecided(msgspec.Struct, frozen=True):
    """A check of age or licence was decided, or has run out; ``state``: verified | rejected |
    expired. Stream ``id_check:<uuid>``."""

    user_id: UUID
    check_id: UUID
    kind: str
    state: str
