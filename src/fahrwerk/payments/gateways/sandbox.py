"""The sandbox gateway: cards that are not real, faults that are (docs/sandbox-gateway.md).

It ships with Fahrwerk as the gateway of demonstrations and tests. This file is our side of the
wire; the far side is ``_sandbox_server``, which keeps its own books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from uuid import UUID

import msgspec

from fahrwerk.kernel import clock, crypto, ids, settings
from fahrwerk.kernel.errors import Invalid
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
)
from fahrwerk.payments.gateways import _sandbox_disputes as disputes
from fahrwerk.payments.gateways import _sandbox_lists as lists
from fahrwerk.payments.gateways import _sandbox_pages as pages
from fahrwerk.payments.gateways import _sandbox_server as server
from fahrwerk.payments.gateways import _sandbox_webhooks as webhooks
from fahrwerk.payments.gateways._sandbox_tokens import CARDS, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.contract import GatewayFault
    from fahrwerk.payments.gateways import Kind
    from fahrwerk.payments.gateways._accounts import Keys
    from fahrwerk.payments.gateways._offers import Listed, Page, Proof

SIGNATURE = "sandbox-signature"
TOLERANCE_S = 300


class _Data(msgspec.Struct):
    key: str = ""
    dispute: str | None = None


class _Body(msgspec.Struct):
    id: str
    type: str
    account: str
    data: _Data


class Sandbox:
    """See ``fahrwerk.payments.gateways.Gateway``."""

    kinds = frozenset({"card"})
    has_accounts = False

    async def account(self, keys: Keys) -> Account:
        raise Invalid(field="gateway", issue="the sandbox needs no keys")

    async def begin_set_up(
        self, call: Call, key: str, customer: UUID, kind: str | None = None
    ) -> SetUp:
        return SetUp(gateway="sandbox")

    async def set_up(self, call: Call, key: str, token: str, customer: UUID) -> Card:
        card = CARDS.get(token)
        if card is None:
            raise UnknownToken(field="gateway_token", issue="is not a token of the sandbox")
        fault = await server.arrive(call, "set_up", key, token)
        if fault is not None and fault.kind == "declined":
            raise Refusal(reason=fault.code or "card_declined")
        ref = await server.store_method(call, key, token, customer)
        await server.leave(fault, Outcome(kind="done"))
        return Card(
            ref=ref, kind="card", brand=card.brand, last4=card.last4, expires=card.expires,
            country=card.country, fingerprint=card.fingerprint,
        )  # fmt: skip

    async def forget(self, call: Call, method_ref: str) -> None:
        await server.detach_method(call, method_ref)

    async def authorise(self, call: Call, wanted: Authorisation) -> Outcome:
        if not settings.load().dev:  # a card left over from a demo buys nothing
            return Outcome(kind="declined", code="play_money")
        token = await server.token_of_method(call, wanted.method_ref)
        fault = await server.arrive(call, "authorize", wanted.key, token)
        outcome = await server.authorise(call, wanted, token, fault)
        return _with_link(await server.leave(fault, outcome), wanted.metadata.get("payment_id"))

    async def open_page(self, call: Call, wanted: Authorisation, page: Page) -> Outcome:
        if not settings.load().dev:
            return Outcome(kind="declined", code="play_money")
        fault = await server.arrive(call, "authorize", wanted.key, None)
        if fault is not None and fault.kind == "declined":
            return Outcome(kind="declined", code=fault.code or "card_declined")
        return await server.leave(fault, await pages.open_page(call, wanted, page))

    async def confirm(self, call: Call, question: Question) -> Outcome:
        if await pages.look(call, question.intent or "") is not None:
            return await self.read(call, question) or Outcome(kind="unknown")
        token = await server.token_of_intent(call, question.intent or "")
        fault = await server.arrive(call, "confirm", question.key, token)
        await server.finish_challenge(call, question.key, token)
        seen = await server.look(call, question.key)
        outcome = seen.outcome if seen is not None else Outcome(kind="unknown")
        return await server.leave(fault, outcome)

    async def capture(self, call: Call, wanted: Change) -> Outcome:
        return await self._change(call, "capture", wanted)

    async def void(self, call: Call, wanted: Change) -> Outcome:
        return await self._change(call, "void", wanted)

    async def refund(self, call: Call, wanted: Change) -> Outcome:
        return await self._change(call, "refund", wanted)

    async def _change(self, call: Call, kind: Kind, wanted: Change) -> Outcome:
        token = await server.token_of_intent(call, wanted.intent)
        fault = await server.arrive(call, kind, wanted.key, token)
        outcome = await server.change(call, kind, wanted, fault)
        card = CARDS.get(token or "")
        if kind == "capture" and outcome.kind == "done" and card is not None and card.is_disputed:
            await disputes.open_dispute(call, wanted.intent, wanted.key)
        return await server.leave(fault, outcome)

    async def read(self, call: Call, question: Question) -> Outcome | None:
        fault = await server.arrive(call, "read", question.key, None)
        seen = await server.look(call, question.key)
        if seen is None:
            return None
        return await server.leave(fault, await pages.shown(call, seen.outcome))

    async def dispute(self, call: Call, ref: str) -> Dispute | None:
        return await disputes.look(call, ref)

    async def answer_dispute(self, call: Call, ref: str, key: str, proofs: list[Proof]) -> Outcome:
        fault = await server.arrive(call, "evidence", key, None)
        texts = [each.text for each in proofs if each.text is not None]
        code = await disputes.answer(call, ref, key, texts, len(proofs) - len(texts))
        kind: Literal["done", "declined"] = "done" if code is None else "declined"
        return await server.leave(fault, Outcome(kind=kind, ref=ref, code=code))

    list_lag_s = 0.0

    async def listed(self, call: Call, since: datetime, until: datetime) -> list[Listed]:
        fault = await server.arrive(call, "list", "list", None)
        return await lists.listed(call, since, until, fault)

    async def transfer(
        self, call: Call, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome:
        fault = await server.arrive(call, "transfer", key, None)
        if fault is not None and fault.kind == "declined":
            return Outcome(kind="declined", code=fault.code or "transfer_failed")
        done = await lists.transfer(call, account, amount_minor, currency, key)
        return await server.leave(fault, done)

    async def read_transfer(self, call: Call, account: str, key: str) -> Outcome | None:
        return await lists.look(call, key)

    async def account_of(self, body: bytes) -> UUID | None:
        try:
            return UUID(msgspec.json.decode(body, type=_Body).account)
        except (msgspec.DecodeError, ValueError):
            return None

    async def parse_webhook(self, call: Call, body: bytes, headers: Mapping[str, str]) -> Notice:
        at, _, given = headers.get(SIGNATURE, "").partition(",")
        seconds = at.removeprefix("t=")
        if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 12:
            raise Forged
        secret = await webhooks.webhook_secret(call)
        if secret is None:
            raise Forged
        if not crypto.same(webhooks.signature(secret, int(seconds), body), f"{at},{given}"):
            raise Forged
        if abs(clock.now().timestamp() - int(seconds)) > TOLERANCE_S:
            raise Forged("This webhook is too old or from the future.")
        try:
            event = msgspec.json.decode(body, type=_Body)
        except msgspec.DecodeError:
            raise Forged("This webhook cannot be read.") from None
        return Notice(
            event_id=event.id, kind=event.type, key=event.data.key or None,
            dispute=event.data.dispute,
        )  # fmt: skip


def _with_link(outcome: Outcome, payment_id: str | None) -> Outcome:
    """Tell the client where to say that the challenge was passed: a real bank has a page for it."""
    if outcome.next_action is None or payment_id is None:
        return outcome
    link = f"/api/v1/payments/{ids.public('pay', UUID(payment_id))}/complete-3ds"
    action = {**outcome.next_action, "complete_with": f"POST {link}"}
    return msgspec.structs.replace(outcome, next_action=action)


async def script(call: Call, faults: list[GatewayFault]) -> None:
    """Replace the fault script."""
    await server.clear_script(call)
    for each in faults:
        fault = Fault(each.fault, each.code, each.seconds)
        await server.script(call, each.operation, fault, each.times)


gateway = Sandbox()
