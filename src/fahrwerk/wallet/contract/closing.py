"""Emptying an account, before its owner leaves (GDP-02)."""

from __future__ import annotations

from typing import Literal

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action
from fahrwerk.kernel.errors import Conflict
from fahrwerk.wallet.contract import Wallet

Choice = Literal["payout", "forfeit"]


class MoneyHeld(Conflict):
    """A ride or top-up is under way."""

    code = "WALLET_IN_USE"
    message = "A ride or top-up is not over yet."


class NotPayable(Conflict):
    """Loaded in a way that cannot be taken back by itself; staff can transfer it."""

    code = "PAYOUT_BY_HAND"
    message = "This balance cannot be paid out automatically. Please ask customer service."


@action
async def close_account(call: Call, choice: Choice) -> Wallet:
    """Empty the caller's account. ``payout``: what was paid goes back the way it came, newest
    top-up first, and bonuses lapse; ``forfeit``: all of it is given up, with the caller's consent.

    Repeating it goes on where it stopped. Raises ``MoneyHeld``, ``NotPayable``, and what
    ``payments.refund`` raises.
    """
    raise AssertionError
