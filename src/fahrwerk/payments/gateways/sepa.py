"""SEPA direct debit behind the port: a gateway that is our own order book, and a bank's files.

An authorisation is a mandate that may be debited; nothing is reserved anywhere. A capture is an
order for the next file: it counts as done when it is accepted, since a ride has been ridden; for a
prepaid balance only when the bank has settled it. Either may come back (``returned``). A refund
before the file makes the debit smaller, afterwards it is a credit transfer in a file of its own.
Files and statements are ``actions/sepa_runs.py`` and ``actions/statements.py`` (docs/sepa.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import NotFound
from fahrwerk.payments.events import DebitAnnounced, MandateChanged
from fahrwerk.payments.gateways import (
    Account,
    Authorisation,
    Card,
    Change,
    Dispute,
    Forged,
    Notice,
    Outcome,
    Question,
    Refusal,
    SetUp,
    UnknownToken,
    _accounts,
)
from fahrwerk.payments.rules import sepa as rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fahrwerk.kernel.call import Call
    from fahrwerk.kernel.db import Tx
    from fahrwerk.payments.gateways._accounts import Keys

NAME = "sepa"
TOKEN = "mnd"  # noqa: S105
"""Prefix of mandates' public ids: what a client sends as ``gateway_token``."""

_ORDER = """id, key, capture_key, authorized_minor, captured_minor, amount_minor, is_prepaid, state,
       reason, end_to_end_id, settled_on, mandate_id, unsent_minor"""


class _Order(msgspec.Struct, frozen=True):
    id: UUID
    key: str
    capture_key: str | None
    authorized_minor: int
    captured_minor: int
    amount_minor: int
    is_prepaid: bool
    state: str
    reason: str | None
    end_to_end_id: str
    settled_on: object
    mandate_id: UUID
    unsent_minor: int


_BY_KEY = f"""
SELECT {_ORDER} FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND key = $1 AND kind = $2
"""
_BY_CAPTURE = f"""
SELECT {_ORDER} FROM payments.sepa_order WHERE tenant_id = kernel.tenant() AND capture_key = $1
"""
_BY_ID = f"""
SELECT {_ORDER} FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND id = $1 AND kind = 'collection'
"""
_LOCKED = f"{_BY_ID} FOR UPDATE"
_USAGE = """
SELECT m.state, m.is_one_off, m.last_used_on, m.signed_at, (
    SELECT count(*) FROM payments.sepa_order o
    WHERE o.tenant_id = m.tenant_id AND o.mandate_id = m.id AND o.kind = 'collection'
      AND o.state NOT IN ('declined', 'voided'))::int AS others
FROM payments.sepa_mandate m
WHERE m.tenant_id = kernel.tenant() AND m.id = $1 AND m.rider_id = $2 FOR NO KEY UPDATE
"""
_HOLD = """
INSERT INTO payments.sepa_order
    (id, kind, key, payment_id, mandate_id, authorized_minor, state, reason, end_to_end_id,
     created_at)
VALUES ($1, 'collection', $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant_id, key) DO NOTHING
"""
_TAKE = """
UPDATE payments.sepa_order o
SET capture_key = $2, captured_minor = $3, amount_minor = $3, state = 'due', collect_on = $4,
    is_prepaid = coalesce((SELECT p.is_prepaid FROM payments.payment p
                           WHERE p.tenant_id = o.tenant_id AND p.id = o.payment_id), false)
FROM payments.sepa_mandate m
WHERE o.tenant_id = kernel.tenant() AND o.id = $1 AND o.state = 'held'
  AND $3 BETWEEN 1 AND o.authorized_minor
  AND m.tenant_id = o.tenant_id AND m.id = o.mandate_id AND m.state IN ('active', 'ended')
RETURNING o.payment_id, m.rider_id, m.reference, m.creditor_id, m.iban_masked
"""
_NOTICE_DAYS = "SELECT notice_days FROM payments.sepa_settings WHERE tenant_id = kernel.tenant()"
# What came back holds nothing any more, either.
_VOID = """
UPDATE payments.sepa_order SET state = CASE WHEN state = 'held' THEN 'voided' ELSE state END
WHERE tenant_id = kernel.tenant() AND id = $1 AND kind = 'collection'
  AND state IN ('held', 'voided', 'declined', 'rejected', 'returned') RETURNING id
"""
_GIVEN_BACK = """
SELECT coalesce(sum(captured_minor), 0)::bigint AS given FROM payments.sepa_order
WHERE tenant_id = kernel.tenant() AND parent = $1 AND state NOT IN ('rejected', 'returned')
"""
_LESS = """
UPDATE payments.sepa_order SET amount_minor = amount_minor - $2,
       state = CASE WHEN amount_minor = $2 THEN 'netted' ELSE state END
WHERE tenant_id = kernel.tenant() AND id = $1 AND state = 'due' AND amount_minor >= $2
RETURNING id
"""
_GIVE_BACK = """
INSERT INTO payments.sepa_order
    (id, kind, key, parent, payment_id, mandate_id, authorized_minor, captured_minor, amount_minor,
     state, end_to_end_id, collect_on, created_at)
SELECT $2, 'refund', $3, id, payment_id, mandate_id, $4, $4, $5, $6, $7, $8, $9
FROM payments.sepa_order WHERE tenant_id = kernel.tenant() AND id = $1
"""
_METHOD = """
SELECT id, state, iban_masked, iban_digest, reference, bic FROM payments.sepa_mandate
WHERE tenant_id = kernel.tenant() AND id = $1 AND rider_id = $2
"""
_END = """
UPDATE payments.sepa_mandate SET state = 'ended', version = version + 1
WHERE tenant_id = kernel.tenant() AND id = $1 AND state IN ('pending', 'active')
RETURNING id, rider_id, reference, version
"""


class Sepa:
    """See ``fahrwerk.payments.gateways.Gateway``."""

    kinds = frozenset({"sepa"})
    has_accounts = True

    async def account(self, keys: Keys) -> Account:
        """``public_key`` is the creditor identifier, ``secret`` the IBAN money is collected to."""
        rules.iban_of(keys.secret, "secret")
        return Account(remote_id=rules.creditor_id_of(keys.public_key), is_live=True)

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        return SetUp(
            gateway=NAME
        )  # the client signs a mandate: POST /api/v1/payments/sepa/mandates

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        await _accounts.keys_of(call, NAME, is_new=True)
        row = None
        if (mandate := _mandate_of(token)) is not None:
            row = await db.one("payments", call, _METHOD, mandate, customer)
        if row is None:
            raise UnknownToken(field="gateway_token", issue="is no mandate of yours")
        if row["state"] != "active":
            raise Refusal(reason=f"mandate_{row['state']}")
        last = str(row["iban_masked"])[-4:]
        return Card(
            ref=row["id"].hex, kind="sepa", brand="SEPA direct debit",
            last4=last if last.isdigit() else "", expires="",
            country=str(row["iban_masked"])[:2], fingerprint=row["iban_digest"],
            bank=row["bic"] or "", mandate=row["reference"],
        )  # fmt: skip

    async def forget(self, call: Call, method_ref: str) -> None:
        async with db.tx("payments", call) as tx:
            row = await tx.one(_END, _id(method_ref))
            if row is not None:
                fact = MandateChanged(
                    mandate_id=row["id"], rider_id=row["rider_id"], reference=row["reference"],
                    what="ended",
                )  # fmt: skip
                await events.emit(tx, call, f"mandate:{row['id']}", row["version"], fact)

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        seen = await _find(call, _BY_KEY, wanted.key, "collection")
        if seen is None:
            await _accounts.keys_of(call, NAME, is_new=True)
            async with db.tx("payments", call) as tx:
                if not await _hold(tx, call, wanted):
                    return Outcome(kind="declined", code="mandate_unknown")
            seen = await _find(call, _BY_KEY, wanted.key, "collection")
        if seen is None or seen.authorized_minor != wanted.amount_minor:
            return Outcome(kind="declined", code="idempotency_key_reused")
        return _authorised(seen)

    async def confirm(self, call: Call, question: Question) -> Outcome:
        return await self.read(call, question) or Outcome(kind="unknown")

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        if wanted.currency != rules.CURRENCY:
            return Outcome(kind="declined", code="currency_not_supported")
        order_id = _id(wanted.intent)
        row = await db.one("payments", call, _NOTICE_DAYS)
        day = rules.collect_on(clock.now(), row["notice_days"] if row else 2)
        async with db.tx("payments", call) as tx:
            taken = await tx.one(_TAKE, order_id, wanted.key, wanted.amount_minor, day)
            if taken is not None:
                fact = DebitAnnounced(
                    order_id=order_id, rider_id=taken["rider_id"], payment_id=taken["payment_id"],
                    amount=wanted.amount_minor, currency=wanted.currency, collect_on=day,
                    mandate_reference=taken["reference"], creditor_id=taken["creditor_id"],
                )  # fmt: skip
                await events.emit(tx, call, f"sepa_order:{order_id}", 1, fact)
        seen = await _find(call, _BY_ID, order_id)
        if seen is None:
            return Outcome(kind="declined", code="order_unknown")
        if seen.capture_key != wanted.key:
            return Outcome(kind="declined", code=seen.reason or _why_not(seen, wanted))
        if seen.captured_minor != wanted.amount_minor:
            return Outcome(kind="declined", code="idempotency_key_reused")
        return _captured(seen)

    async def void(self, call: Call, wanted: Change) -> Outcome:
        if await db.run("payments", call, _VOID, _id(wanted.intent)):
            return _done(wanted.intent, wanted.amount_minor)
        return Outcome(kind="declined", code="already_captured")

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        order_id = _id(wanted.intent)
        async with db.tx("payments", call) as tx:
            # Who refunds waits for who refunds: together never more than there was.
            locked = await tx.one(_LOCKED, order_id)
            known = await tx.one(_BY_KEY, wanted.key, "refund")
            if known is None and locked is not None:
                code = await _give_back(tx, _Order(*locked), wanted)
                if code is not None:
                    return Outcome(kind="declined", code=code)
        seen = await _find(call, _BY_KEY, wanted.key, "refund")
        if seen is None:
            return Outcome(kind="declined", code="order_unknown")
        if seen.captured_minor != wanted.amount_minor:
            return Outcome(kind="declined", code="idempotency_key_reused")
        return _refunded(seen)

    async def read(self, call: Call, question: Question) -> Outcome | None:
        if question.kind == "authorize":
            seen = await _find(call, _BY_KEY, question.key, "collection")
            return None if seen is None else _authorised(seen)
        if question.kind == "capture":
            seen = await _find(call, _BY_CAPTURE, question.key)
            return None if seen is None else _captured(seen)
        if question.kind == "refund":
            seen = await _find(call, _BY_KEY, question.key, "refund")
            return None if seen is None else _refunded(seen)
        seen = await _find(call, _BY_ID, _id(question.intent or ""))
        if seen is None or seen.state != "voided":
            return None
        return _done(seen.id.hex, seen.authorized_minor)

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        return None

    async def account_of(self, body: bytes) -> UUID | None:
        return None

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        raise Forged("Banks send no webhooks.")


async def _find(call: Call, sql: str, *values: object) -> _Order | None:
    row = await db.one("payments", call, sql, *values)
    return None if row is None else _Order(*row)


async def _hold(tx: Tx, call: Call, wanted: Authorisation) -> bool:
    """Write the order down, held or declined; False: there is no such mandate."""
    mandate_id = _id(wanted.method_ref)
    row = await tx.one(_USAGE, mandate_id, wanted.customer)
    if row is None:
        return False
    code = rules.refusal(rules.Usage(**row), wanted.currency, clock.now().date())
    order_id = ids.derived("sepa_order", call.tenant, wanted.key)
    payment = wanted.metadata.get("payment_id")
    await tx.run(
        _HOLD, order_id, wanted.key, UUID(payment) if payment else None, mandate_id,
        wanted.amount_minor, "declined" if code else "held", code,
        rules.reference_of("DD", order_id), clock.now(),
    )  # fmt: skip
    return True


async def _give_back(tx: Tx, order: _Order, wanted: Change) -> str | None:
    """Make the debit smaller, or order a credit transfer; the code when it cannot be."""
    if order.state not in ("due", "netted", "batched", "exported", "settled"):
        return order.reason or "nothing_to_refund"
    given = (await tx.run(_GIVEN_BACK, order.id))[0]["given"]
    if not 1 <= wanted.amount_minor <= order.captured_minor - given:
        return "refund_too_large"
    is_netted = bool(await tx.run(_LESS, order.id, wanted.amount_minor))
    refund_id = ids.derived("sepa_refund", order.id, wanted.key)
    await tx.run(
        _GIVE_BACK, order.id, refund_id, wanted.key, wanted.amount_minor,
        0 if is_netted else wanted.amount_minor, "netted" if is_netted else "due",
        rules.reference_of("RF", refund_id), rules.bank_day(clock.now().date()), clock.now(),
    )  # fmt: skip
    return None


def _authorised(order: _Order) -> Outcome:
    if order.state == "declined":
        return Outcome(kind="declined", ref=order.id.hex, code=order.reason)
    return _done(order.id.hex, order.authorized_minor)


def _captured(order: _Order) -> Outcome:
    """Accepted is done, but for a prepaid balance; what came back, came back."""
    is_told = not order.is_prepaid or order.settled_on is not None
    if order.state in ("rejected", "returned"):
        return Outcome(
            kind="returned" if is_told else "declined", ref=order.end_to_end_id,
            code=order.reason, amount_minor=order.amount_minor - order.unsent_minor,
        )  # fmt: skip
    if not is_told:
        return Outcome(kind="unknown", ref=order.end_to_end_id)
    return _done(order.end_to_end_id, order.captured_minor)


def _refunded(order: _Order) -> Outcome:
    if order.state in ("rejected", "returned"):
        return Outcome(kind="declined", ref=order.end_to_end_id, code=order.reason)
    return _done(order.end_to_end_id, order.captured_minor)


def _why_not(order: _Order, wanted: Change) -> str:
    if order.state == "held" and wanted.amount_minor <= order.authorized_minor:
        return "mandate_unusable"
    return "amount_too_large" if order.state == "held" else "already_captured"


def _done(ref: str, amount_minor: int) -> Outcome:
    return Outcome(kind="done", ref=ref, amount_minor=amount_minor)


def _id(ref: str) -> UUID:
    """The id behind a reference of ours; one that nothing has for anything else."""
    try:
        return UUID(hex=ref)
    except ValueError:
        return UUID(int=0)


def _mandate_of(token: str) -> UUID | None:
    try:
        return ids.parse(token, TOKEN)
    except NotFound:
        return None


gateway = Sepa()
