"""Stripe's SEPA debits: mandates, promises before the ride, debits after it, what comes back.

Stripe cannot hold money on a bank account, and captures nothing by hand there. So an authorisation
is an intent that is made and not confirmed: it moves and reserves nothing. The capture gives it
the amount the ride cost and confirms it; then it is ``processing`` for days. A debit that the bank
takes back later is a dispute that is lost from the beginning: told as ``returned``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db
from fahrwerk.payments.gateways import Card, Outcome
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._stripe_api import (
    CAPTURE_KEY,
    KEY,
    NAME,
    SEPA_DEBIT,
    Charge,
    Intent,
    Refused,
    path_of,
)

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Authorisation, Change
    from fahrwerk.payments.gateways._accounts import Keys

BRAND = "SEPA direct debit"


def account_of(
    ref: str, account: api.PaymentMethod.SepaDebit, mandate: api.Mandate | str | None
) -> Card:
    """A bank account as it is stored, with the reference of its mandate."""
    agreed = mandate if isinstance(mandate, api.Mandate) else None
    details = agreed.payment_method_details.sepa_debit if agreed else None
    return Card(
        ref=ref,
        kind=SEPA_DEBIT,
        brand=BRAND,
        last4=account.last4,
        expires="",
        country=(account.country or "").upper() if len(account.country or "") == 2 else "",
        fingerprint=(account.fingerprint or "")[:200],
        bank=(account.bank_code or "")[:40],
        mandate=(details.reference if details else "")[:60],
    )


# What a stored method is, is asked of our own row: a token of Stripe's does not say.
_IS_ACCOUNT = """
SELECT FROM payments.method WHERE tenant_id = kernel.tenant() AND gateway = $1
  AND gateway_ref = $2 AND kind = $3 LIMIT 1
"""


async def is_account(call: Call, method_ref: str) -> bool:
    """True for a stored bank account."""
    return await db.one("payments", call, _IS_ACCOUNT, NAME, method_ref, SEPA_DEBIT) is not None


async def promise(keys: Keys, customer: str, wanted: Authorisation) -> Outcome:
    """An intent that waits to be confirmed, once per key."""
    try:
        intent = await api.post(
            keys, "/v1/payment_intents", wanted.key, Intent,
            amount=wanted.amount_minor, currency=wanted.currency.lower(), customer=customer,
            payment_method=wanted.method_ref, payment_method_types=[SEPA_DEBIT],
            metadata={**wanted.metadata, KEY: wanted.key},
        )  # fmt: skip
    except Refused as refused:
        return Outcome(kind="declined", code=refused.code)
    return promised(intent) if is_promised(intent) else Outcome(kind="unknown", ref=intent.id)


def is_promised(intent: Intent) -> bool:
    """True while a debit waits for the end of the ride."""
    return intent.status == "requires_confirmation" and intent.payment_method_types == [SEPA_DEBIT]


def promised(intent: Intent) -> Outcome:
    """What an authorisation is worth that reserves nothing."""
    return Outcome(kind="done", ref=intent.id, amount_minor=intent.amount, is_promise=True)


async def take(keys: Keys, wanted: Change, key: str) -> Intent:
    """Have the account debited: with what the ride cost, and confirmed without the rider.

    The mandate was given when the account was stored. Both steps may be repeated: an intent is
    confirmed once, and one that is under way for this very capture is what was wanted. Raises
    ``Refused``.
    """
    path = f"/v1/payment_intents/{path_of(wanted.intent)}"
    try:
        await api.post(
            keys, path, f"{key}-amount", Intent,
            amount=wanted.amount_minor, metadata={CAPTURE_KEY: wanted.key},
            application_fee_amount=wanted.platform_fee_minor or None,
        )  # fmt: skip
        return await api.post(keys, f"{path}/confirm", key, Intent, off_session=True)
    except Refused as refused:
        made = refused.problem.payment_intent
        if made is None or made.status not in ("processing", "succeeded"):
            raise
        if made.metadata.get(CAPTURE_KEY) != wanted.key:
            raise
        return made


async def returned(keys: Keys, intent: Intent) -> Outcome | None:
    """The debit as the rider's bank took it back; None when it is not (or was no debit)."""
    charge = intent.latest_charge
    if not isinstance(charge, Charge) or not (charge.is_debit and charge.disputed):
        return None
    page = await api.get(keys, "/v1/disputes", api.DisputeObjects, payment_intent=intent.id)
    lost = next((each for each in page.data if each.status == "lost"), None)
    if lost is None:
        return None
    return Outcome(
        kind="returned", ref=charge.id, amount_minor=lost.amount,
        code=lost.reason[:60] or "returned",
    )  # fmt: skip
