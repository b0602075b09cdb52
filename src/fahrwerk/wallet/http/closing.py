"""Empty one's account, before one leaves."""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import post
from litestar.params import JSONBody

from fahrwerk.kernel import web
from fahrwerk.wallet.contract import closing
from fahrwerk.wallet.http.views import WalletView, wallet_view


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``balance``: have it paid out the way it came, or give it up. ``is_agreed``: bonuses lapse
    with the one, everything with the other."""

    balance: Literal["payout", "forfeit"]
    is_agreed: Literal[True]


@post(
    "/api/v1/wallet/close",
    permission="wallet.account.close", limit="auth", status_code=200, tags=["wallet"],
)  # fmt: skip
async def close_wallet(call: web.Caller, data: JSONBody[Closing]) -> WalletView:
    """Empty your account, before it is deleted (GDP-02). What is paid out leaves it in a moment.

    409 ``WALLET_IN_USE``, ``PAYOUT_BY_HAND``.
    """
    return wallet_view(await closing.close_account(call, data.balance), call.locale)


handlers = [close_wallet]
