"""Stripe's own lists of charges and refunds, and transfers to connected accounts (PAY-15)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from fahrwerk.payments.gateways import Outcome
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._accounts import keys_of
from fahrwerk.payments.gateways._offers import Listed
from fahrwerk.payments.gateways._stripe_api import KEY, NAME, Refused, path_of

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._accounts import Keys

PAGE = 100
GONE = ("failed", "canceled")


class FeePart(msgspec.Struct, frozen=True):
    """A part of what was kept of a charge."""

    amount: int
    type: str
    """``application_fee``: the platform's; ``stripe_fee``, ``tax`` and others: Stripe's."""


class Balance(msgspec.Struct, frozen=True):
    """What a charge has moved on the account, in the currency that is paid out."""

    currency: str
    fee_details: list[FeePart] = []

    def kept(self, currency: str, *, by_platform: bool) -> int | None:
        """Of a charge in this currency; None: the fee is in another one."""
        if self.currency != currency:
            return None
        parts = [x for x in self.fee_details if (x.type == "application_fee") == by_platform]
        return sum(each.amount for each in parts)


class Charged(msgspec.Struct, frozen=True):
    """A charge: made when it is authorised, captured later."""

    id: str
    created: int
    currency: str
    captured: bool = False
    amount_captured: int = 0
    status: str = "succeeded"
    disputed: bool = False
    payment_intent: str | None = None
    payment_method_details: api.Charge.Details | None = None
    metadata: dict[str, str] = {}
    balance_transaction: Balance | str | None = None
    """None: not captured, or Stripe has not reckoned yet."""

    @property
    def is_kept(self) -> bool:
        """Captured, arrived, and not a debit whose bank took it back."""
        debit = self.payment_method_details and self.payment_method_details.type == api.SEPA_DEBIT
        is_taken = self.captured and self.amount_captured > 0 and self.status == "succeeded"
        return is_taken and not (debit and self.disputed)


class Charges(msgspec.Struct, frozen=True):
    """A page of charges, newest first."""

    data: list[Charged]
    has_more: bool


class GivenBack(msgspec.Struct, frozen=True):
    """A refund."""

    id: str
    created: int
    currency: str
    amount: int
    status: str | None = None
    payment_intent: str | None = None
    metadata: dict[str, str] = {}


class GivenBacks(msgspec.Struct, frozen=True):
    """A page of refunds, newest first."""

    data: list[GivenBack]
    has_more: bool


class Transfer(msgspec.Struct, frozen=True):
    """Money sent on."""

    id: str
    amount: int
    reversed: bool = False
    metadata: dict[str, str] = {}


class Transfers(msgspec.Struct, frozen=True):
    """A page of transfers, newest first."""

    data: list[Transfer]
    has_more: bool


class _Page(Protocol):
    @property
    def data(self) -> list[Any]: ...
    @property
    def has_more(self) -> bool: ...


P = TypeVar("P", bound=_Page)


async def _all(keys: Keys, path: str, kind: type[P], **about: Any) -> list[Any]:
    found: list[Any] = []
    after: str | None = None
    while True:
        page = await api.get(keys, path, kind, limit=PAGE, starting_after=after, **about)
        found += page.data
        if not page.has_more:
            return found
        after = page.data[-1].id


class Lists:
    """The part of the adapter that tells what there is."""

    list_lag_s = 60.0

    async def listed(self, call: Call, since: datetime, until: datetime) -> list[Listed]:
        keys = await keys_of(call, NAME)
        when = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
        charges: list[Charged] = await _all(
            keys, "/v1/charges", Charges, created=when, expand=["data.balance_transaction"]
        )
        refunds: list[GivenBack] = await _all(keys, "/v1/refunds", GivenBacks, created=when)
        return [
            *(_charge(each) for each in charges if each.is_kept),
            *(_listed("refund", each, each.amount) for each in refunds if each.status not in GONE),
        ]

    async def transfer(
        self, call: Call, account: str, amount_minor: int, currency: str, key: str
    ) -> Outcome:
        keys = await keys_of(call, NAME)
        try:
            made = await api.post(
                keys, "/v1/transfers", key, Transfer, amount=amount_minor,
                currency=currency.lower(), destination=path_of(account), metadata={KEY: key},
            )  # fmt: skip
        except Refused as refused:
            return Outcome(kind="declined", code=refused.code)
        return Outcome(kind="done", ref=made.id, amount_minor=made.amount)

    async def read_transfer(self, call: Call, account: str, key: str) -> Outcome | None:
        keys = await keys_of(call, NAME)
        about = {"destination": path_of(account)}
        for each in await _all(keys, "/v1/transfers", Transfers, **about):
            if each.metadata.get(KEY) == key:
                return Outcome(kind="done", ref=each.id, amount_minor=each.amount)
        return None


def _charge(each: Charged) -> Listed:
    charge, balance = _listed("capture", each, each.amount_captured), each.balance_transaction
    if not isinstance(balance, Balance):
        return charge
    return msgspec.structs.replace(
        charge, fee_minor=balance.kept(each.currency, by_platform=False),
        platform_fee_minor=balance.kept(each.currency, by_platform=True),
    )  # fmt: skip


def _listed(kind: Any, each: Charged | GivenBack, amount: int) -> Listed:
    return Listed(
        kind=kind, ref=each.id, intent=each.payment_intent, key=each.metadata.get(KEY),
        amount_minor=amount, currency=each.currency.upper(),
        at=datetime.fromtimestamp(each.created, UTC),
    )  # fmt: skip
