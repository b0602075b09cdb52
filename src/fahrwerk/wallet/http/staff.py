"""Wallets for staff and for the operator's own systems."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import ids, money, web
from fahrwerk.wallet import contract
from fahrwerk.wallet.http.own import After, First, Kind, Since, Until, filter_of, page_of
from fahrwerk.wallet.http.views import (
    Amount,
    Id,
    Reason,
    SettingsView,
    TransactionsView,
    TransactionView,
    WalletView,
    to_minor,
    transaction_view,
    wallet_view,
)


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goodwill given (positive) or taken back (negative), and why. The rider sees the reason."""

    amount: Amount
    reason: Reason


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why nothing may go out any more."""

    reason: Reason


class UsageWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to charge against whose balance (``processUsage``); the amount contains the tax."""

    user_id: Id
    amount: Amount
    description: Annotated[str, Meta(min_length=1, max_length=500)]
    key: Annotated[str, Meta(min_length=1, max_length=180)] | None = None
    """Of this usage; the ``Idempotency-Key`` when it is left out."""


@get(
    "/api/v1/wallets/{user_id:str}",
    permission="wallet.account.read_any",
    personal=True,
    tags=["wallet"],
)
async def get_any_wallet(call: web.Caller, user_id: FromPath[str]) -> WalletView:
    """Somebody's balance."""
    return wallet_view(await contract.wallet(call, ids.parse(user_id, "usr")), call.locale)


@get(
    "/api/v1/wallets/{user_id:str}/transactions",
    permission="wallet.account.read_any",
    personal=True,
    tags=["wallet"],
)
async def list_any_transactions(
    call: web.Caller,
    user_id: FromPath[str],
    first: First = 50,
    after: After = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> TransactionsView:
    """Somebody's transactions, newest first."""
    wanted = filter_of(kind, since, until)
    return await page_of(call, ids.parse(user_id, "usr"), wanted, after, first)


@post(
    "/api/v1/wallets/{user_id:str}/adjustments",
    permission="wallet.account.adjust",
    status_code=201,
    tags=["wallet"],
)
async def post_adjustment(
    call: web.Caller, user_id: FromPath[str], data: JSONBody[Adjustment]
) -> TransactionView:
    """Goodwill, with a reason. Send an ``Idempotency-Key``: a repeat gives nothing twice."""
    amount = to_minor(data.amount, call.currency)
    # Without a key each request is one of its own; request ids may be the client's invention.
    key = call.key or str(ids.new())
    rider_id = ids.parse(user_id, "usr")
    done = await contract.adjust(call, rider_id, amount, data.reason, key)
    return transaction_view(done, call.locale)


@put("/api/v1/wallets/{user_id:str}/freeze", permission="wallet.account.freeze", tags=["wallet"])
async def put_freeze(
    call: web.Caller, user_id: FromPath[str], data: JSONBody[Freeze]
) -> WalletView:
    """Let nothing out of an account any more, and begin no top-up. Settled money still comes in."""
    frozen = await contract.freeze(call, ids.parse(user_id, "usr"), data.reason)
    return wallet_view(frozen, call.locale)


@delete(
    "/api/v1/wallets/{user_id:str}/freeze",
    permission="wallet.account.freeze",
    status_code=200,
    tags=["wallet"],
)
async def delete_freeze(call: web.Caller, user_id: FromPath[str]) -> WalletView:
    """Take the freeze back."""
    return wallet_view(await contract.unfreeze(call, ids.parse(user_id, "usr")), call.locale)


@post("/api/v1/wallet/usage", permission="wallet.usage.create", status_code=201, tags=["wallet"])
async def post_usage(call: web.Caller, data: JSONBody[UsageWish]) -> TransactionView:
    """Charge usage, exactly once by ``key`` (``processUsage``, WAL-32).

    400 INSUFFICIENT_BALANCE when it is not there: nothing was charged, and the same key may be
    sent again after a top-up.
    """
    done = await contract.charge_usage(
        call,
        ids.parse(data.user_id, "usr"),
        to_minor(data.amount, call.currency),
        data.description,
        data.key or call.key or str(ids.new()),
    )
    return transaction_view(done, call.locale)


class SettingsShown(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's rules: limits of a top-up, bonus, when a balance is low."""

    least: float
    most: float
    bonus_from: float
    bonus: float
    bonus_days: int | None
    low: float


def _shown(own: contract.Settings, currency: str) -> SettingsShown:
    return SettingsShown(
        least=money.to_major(own.least_minor, currency),
        most=money.to_major(own.most_minor, currency),
        bonus_from=money.to_major(own.bonus_from_minor, currency),
        bonus=money.to_major(own.bonus_minor, currency),
        bonus_days=own.bonus_days,
        low=money.to_major(own.low_minor, currency),
    )


@get("/api/v1/wallet-settings", permission="wallet.setting.read", tags=["wallet"])
async def get_settings(call: web.Caller) -> SettingsShown:
    """The operator's wallet settings."""
    return _shown(await contract.settings(call), call.currency)


@put("/api/v1/wallet-settings", permission="wallet.setting.write", tags=["wallet"])
async def put_settings(call: web.Caller, data: JSONBody[SettingsView]) -> SettingsShown:
    """Replace them. They hold for top-ups begun, and accounts opened, from now on."""

    def minor(amount: Amount, field: str) -> int:
        return to_minor(amount, call.currency, field)

    wanted = contract.Settings(
        least_minor=minor(data.least, "least"),
        most_minor=minor(data.most, "most"),
        bonus_from_minor=minor(data.bonus_from, "bonus_from"),
        bonus_minor=minor(data.bonus, "bonus"),
        bonus_days=data.bonus_days,
        low_minor=minor(data.low, "low"),
    )
    return _shown(await contract.change_settings(call, wanted), call.currency)


handlers = [
    get_any_wallet,
    list_any_transactions,
    post_adjustment,
    put_freeze,
    delete_freeze,
    post_usage,
    get_settings,
    put_settings,
]
