"""The rider's own prepaid money as a way to pay: no provider, but it keeps to the port.

An authorisation is a hold on the purse, its capture spends it. So what is paid from a balance goes
the way of every other payment: three phases, one key, never twice. Clearing of the owner ``purse``
takes in what the capture says was taken and gives out what the purse gave: it ends at zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db
from fahrwerk.kernel.errors import Conflict, Invalid, NotFound, Problem
from fahrwerk.payments.actions import purse
from fahrwerk.payments.contract.ledger import Grant, InsufficientBalance, Line, NewJournal
from fahrwerk.payments.gateways import PURSE, Account, Forged, Outcome, UnknownToken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import (
        Authorisation,
        Card,
        Change,
        Dispute,
        Notice,
        Question,
        SetUp,
    )
    from fahrwerk.payments.gateways._accounts import Keys

LEASE_S = 900.0
"""Longer than a capture follows its authorisation; nothing stays held after a crash."""


class Purse:
    """See ``fahrwerk.payments.gateways.Gateway``."""

    kinds: frozenset[str] = frozenset()
    has_accounts = False

    async def account(self, keys: Keys) -> Account:
        raise Invalid(field="gateway", issue="needs no keys")

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        raise UnknownToken(field="type", issue="is not stored")

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        raise UnknownToken(field="gateway_token", issue="is not stored")

    async def forget(self, call: Call, method_ref: str) -> None:
        return None

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        try:
            held = await purse.place_hold(
                call, wanted.key, str(wanted.customer), wanted.currency, wanted.amount_minor,
                LEASE_S, "bonus", None,
            )  # fmt: skip
        except InsufficientBalance:
            return Outcome(kind="declined", code="insufficient_balance")
        except Conflict as problem:
            return Outcome(kind="declined", code=problem.error_code.lower())
        return _stand(held.state, held.amount_minor, wanted.key)

    async def confirm(self, call: Call, question: Question) -> Outcome:
        return await self.read(call, question) or Outcome(kind="unknown")

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        journal = NewJournal(
            key=_key(wanted.key), kind="purse_payment", currency=wanted.currency, at=clock.now(),
            lines=[Line("gateway_clearing", -wanted.amount_minor, PURSE)],
        )  # fmt: skip
        try:
            await purse.capture_hold(call, wanted.intent, journal)
        except (Conflict, NotFound, InsufficientBalance) as problem:
            return Outcome(kind="declined", code=problem.error_code.lower())
        return _done(wanted.key, wanted.amount_minor)

    async def void(self, call: Call, wanted: Change) -> Outcome:
        try:
            held = await purse.release_hold(call, wanted.intent)
        except NotFound:
            return _done(wanted.key, wanted.amount_minor)
        if held.state == "captured":
            return Outcome(kind="declined", code="already_captured")
        return _done(wanted.key, wanted.amount_minor)

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        row = await db.one("payments", call, _OWNER, wanted.intent)
        if row is None:
            return Outcome(kind="declined", code="no_such_intent")
        journal = NewJournal(
            key=_key(wanted.key), kind="purse_refund", currency=wanted.currency, at=clock.now(),
            lines=[Line("gateway_clearing", wanted.amount_minor, PURSE)],
        )  # fmt: skip
        try:
            gift = [Grant("paid", wanted.amount_minor)]
            await purse.grant(call, row["owner"], gift, journal)
        except Problem as problem:
            return Outcome(kind="declined", code=problem.error_code.lower())
        return _done(wanted.key, wanted.amount_minor)

    async def read(self, call: Call, question: Question) -> Outcome | None:
        if question.kind in ("capture", "refund"):
            row = await db.one("payments", call, _POSTED, _key(question.key))
            return None if row is None else _done(question.key, row["amount"])
        held = question.key if question.kind == "authorize" else question.intent
        row = await db.one("payments", call, _HELD, held)
        if row is None:
            return None
        if question.kind == "authorize":
            return _stand(row["state"], row["amount"], question.key)
        return None if row["state"] == "open" else _done(question.key, row["amount"])

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        return None

    async def account_of(self, body: bytes) -> UUID | None:
        return None

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        raise Forged


_OWNER = """
SELECT a.owner FROM payments.hold h
JOIN payments.account a ON a.tenant_id = h.tenant_id AND a.id = h.account_id AND a.shard = 0
WHERE h.tenant_id = kernel.tenant() AND h.key = $1 LIMIT 1
"""
_HELD = """
SELECT CASE WHEN bool_or(state = 'captured') THEN 'captured' ELSE min(state) END AS state,
       sum(amount_minor)::bigint AS amount
FROM payments.hold WHERE tenant_id = kernel.tenant() AND key = $1 HAVING count(*) > 0
"""
_POSTED = """
SELECT abs(sum(e.amount_minor))::bigint AS amount FROM payments.journal j
JOIN payments.entry e ON e.tenant_id = j.tenant_id AND e.journal_id = j.id
JOIN payments.account a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.shard = e.shard
WHERE j.tenant_id = kernel.tenant() AND j.key = $1 AND a.code = 'gateway_clearing'
GROUP BY j.id
"""


def _key(key: str) -> str:
    return f"purse:{key}"


def _done(ref: str, amount: int) -> Outcome:
    return Outcome(kind="done", ref=ref, amount_minor=amount)


def _stand(state: str, amount: int, ref: str) -> Outcome:
    if state in ("open", "captured"):
        return _done(ref, amount)
    return Outcome(kind="declined", ref=ref, code=f"hold_{state}")


gateway = Purse()
