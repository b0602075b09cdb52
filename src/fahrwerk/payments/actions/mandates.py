"""Sign, amend, confirm and revoke SEPA mandates; accounts and names are sealed before they rest."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fahrwerk.kernel import clock, crypto, db, events, ids
from fahrwerk.kernel.errors import Conflict, Unauthenticated
from fahrwerk.kernel.live import hub
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.actions._sepa_orders import give_up
from fahrwerk.payments.actions.methods import add_method
from fahrwerk.payments.contract.mandates import (
    Mandate,
    MandateOver,
    MandateTextChanged,
    NewMandate,
    UnknownMandate,
)
from fahrwerk.payments.events import MandateChanged
from fahrwerk.payments.gateways.sepa import NAME, TOKEN
from fahrwerk.payments.queries.sepa import MANDATE, mandate_offer
from fahrwerk.payments.rules import sepa as rules

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Row, Tx

MOST_MANDATES = 50
WRITE_ANY = "payments.mandate.write_any"

_TURN = """
SELECT pg_advisory_xact_lock(hashtextextended('mandate:' || kernel.tenant() || ':' || $1::text, 0))
"""
_SAME = f"""
SELECT {MANDATE} FROM payments.sepa_mandate m
WHERE m.tenant_id = kernel.tenant() AND m.rider_id = $1 AND m.iban_digest = $2 AND m.scheme = $3
  AND m.state IN ('pending', 'active') AND NOT m.is_one_off AND NOT $4
"""
_COUNT = """
SELECT count(*) FROM payments.sepa_mandate WHERE tenant_id = kernel.tenant() AND rider_id = $1
"""
_SIGN = """
INSERT INTO payments.sepa_mandate
    (id, rider_id, reference, creditor_id, scheme, is_one_off, holder_sealed, iban_sealed,
     iban_digest, iban_masked, bic, state, signed_at, signed_text, signed_locale, signed_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_READ = f"""
SELECT {MANDATE} FROM payments.sepa_mandate m WHERE m.tenant_id = kernel.tenant() AND m.id = $1
"""


def purpose(call: Call, what: str) -> str:
    """What an IBAN (``iban``) or a holder's name (``holder``) is sealed for."""
    return f"sepa:{call.tenant}:{what}"


def digest_of(call: Call, iban: str) -> str:
    """By which the same account is recognised without opening it."""
    return hmac.new(crypto.key_for(purpose(call, "digest")), iban.encode(), "sha256").hexdigest()


async def sign_mandate(call: Call, wanted: NewMandate) -> Mandate:
    """See the contract."""
    if call.user is None:
        raise Unauthenticated
    iban = rules.iban_of(wanted.iban)
    bic = rules.bic_of(wanted.bic, iban)
    holder = rules.holder_of(wanted.holder)
    offer = await mandate_offer(call)
    if wanted.agreed_text != offer.version:
        raise MandateTextChanged(version=offer.version)
    digest = digest_of(call, iban)
    async with db.tx("payments", call) as tx:
        await tx.run(_TURN, str(call.user))
        row = await tx.one(_SAME, call.user, digest, wanted.scheme, wanted.is_one_off)
        if row is None:
            if (await tx.run(_COUNT, call.user))[0][0] >= MOST_MANDATES:
                raise Conflict("You have signed too many mandates.", code="TOO_MANY_MANDATES")
            mandate_id = ids.new()
            state = "pending" if wanted.scheme == "B2B" else "active"
            reference = rules.reference_of("MD", mandate_id)
            await tx.run(
                _SIGN, mandate_id, call.user, reference, offer.creditor_id, wanted.scheme,
                wanted.is_one_off, crypto.seal(purpose(call, "holder"), holder),
                crypto.seal(purpose(call, "iban"), iban), digest, rules.masked(iban), bic, state,
                clock.now(), offer.version, call.locale[:10], call.address[:60],
            )  # fmt: skip
            fact = MandateChanged(
                mandate_id=mandate_id, rider_id=call.user, reference=reference, what="signed"
            )
            await events.emit(tx, call, f"mandate:{mandate_id}", 1, fact)
            row = (await tx.run(_READ, mandate_id))[0]
    found = Mandate(**row)
    if found.state == "active" and found.method_id is None:
        await add_method(call, ids.public(TOKEN, found.id), wanted.make_default, NAME)
        return await _mandate(call, found.id)
    return found


async def _mandate(call: Call, mandate_id: UUID) -> Mandate:
    """The caller's own, or anybody's for who may. Raises ``UnknownMandate``."""
    row = await db.one("payments", call, _READ, mandate_id)
    if row is None or not (call.user == row["rider_id"] or call.may(WRITE_ANY)):
        raise UnknownMandate
    return Mandate(**row)


_AMEND = """
UPDATE payments.sepa_mandate
SET was_iban_sealed = CASE WHEN last_used_on IS NULL THEN NULL
                           ELSE coalesce(was_iban_sealed, iban_sealed) END,
    iban_sealed = $2, iban_digest = $3, iban_masked = $4, bic = $5,
    holder_sealed = coalesce($6, holder_sealed), version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND state IN ('pending', 'active')
  AND iban_digest <> $3
RETURNING id, rider_id, reference, version
"""
_LABEL = """
UPDATE payments.method SET last4 = $2, label = $3
WHERE tenant_id = kernel.tenant() AND gateway = 'sepa' AND gateway_ref = $1
"""


async def amend_mandate(
    call: Call, mandate_id: UUID, iban: str, bic: str | None, holder: str | None
) -> Mandate:
    """See the contract."""
    found = await _mandate(call, mandate_id)
    iban = rules.iban_of(iban)
    bic = rules.bic_of(bic, iban)
    name = None if holder is None else rules.holder_of(holder)
    if found.state not in ("pending", "active"):
        raise MandateOver(state=found.state)
    masked = rules.masked(iban)
    last4 = masked[-4:] if masked[-4:].isdigit() else ""
    label = f"SEPA direct debit ending in {last4}" if last4 else "SEPA direct debit"
    async with db.tx("payments", call) as tx:
        row = await tx.one(
            _AMEND, mandate_id, crypto.seal(purpose(call, "iban"), iban), digest_of(call, iban),
            masked, bic, None if name is None else crypto.seal(purpose(call, "holder"), name),
        )  # fmt: skip
        if row is not None:
            await _told(tx, call, row, "amended")
            await tx.run(_LABEL, mandate_id.hex, last4, label)
    return await _mandate(call, mandate_id)


async def _told(tx: Tx, call: Call, row: Row, what: str, reason: str | None = None) -> None:
    fact = MandateChanged(
        mandate_id=row["id"], rider_id=row["rider_id"], reference=row["reference"], what=what,
        reason=reason,
    )  # fmt: skip
    await events.emit(tx, call, f"mandate:{row['id']}", row["version"], fact)


_CONFIRM = """
UPDATE payments.sepa_mandate SET state = 'active', version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'pending'
RETURNING id, rider_id, reference, version
"""


async def confirm_mandate(call: Call, mandate_id: UUID) -> Mandate:
    """See the contract."""
    call.require(WRITE_ANY)
    found = await _mandate(call, mandate_id)
    if found.state not in ("pending", "active"):
        raise MandateOver(state=found.state)
    async with db.tx("payments", call) as tx:
        row = await tx.one(_CONFIRM, mandate_id)
        if row is not None:
            await _told(tx, call, row, "confirmed")
    if found.method_id is None:
        rider = replace(call, user=found.rider_id)
        await add_method(rider, ids.public(TOKEN, mandate_id), False, NAME)
    return await _mandate(call, mandate_id)


_REVOKE = """
UPDATE payments.sepa_mandate SET state = 'revoked', version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1
  AND state IN ('pending', 'active', 'ended', 'blocked')
RETURNING id, rider_id, reference, version
"""


async def revoke_mandate(call: Call, mandate_id: UUID) -> Mandate:
    """See the contract."""
    await _mandate(call, mandate_id)
    async with db.tx("payments", call) as tx:
        row = await tx.one(_REVOKE, mandate_id)
        if row is not None:
            await _told(tx, call, row, "revoked")
            await give_up(tx, call, mandate_id, "mandate_revoked")
    hub.signal(WORK)
    return await _mandate(call, mandate_id)


_LAPSED = """
UPDATE payments.sepa_mandate SET state = 'expired', version = version + 1
WHERE tenant_id = kernel.tenant() AND state = 'active'
  AND coalesce(last_used_on, (signed_at AT TIME ZONE 'UTC')::date) < $1
RETURNING id, rider_id, reference, version
"""


async def expire_mandates(call: Call) -> int:
    """End those that were not used for 36 months; how many (a nightly job)."""
    before = rules.months_before(clock.now().date(), rules.EXPIRY_MONTHS)
    async with db.tx("payments", call) as tx:
        rows = await tx.run(_LAPSED, before)
        for row in rows:
            await _told(tx, call, row, "expired")
            await give_up(tx, call, row["id"], "mandate_expired")
    return len(rows)
