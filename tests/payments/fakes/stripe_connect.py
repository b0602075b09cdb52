"""Connect at the stand-in for Stripe: a platform acts for connected accounts, and takes its fee.

Only who asks with the platform's key and ``Stripe-Account`` may name a fee, which is more than
nothing and at most what is taken. It is the platform's once the charge has succeeded, and goes back
in proportion with a refund that says so, never by itself.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tests.payments.fakes.stripe_more import Values, wrong

if TYPE_CHECKING:
    from tests.payments.fakes.stripe import Account


class Connected:
    """A part of an account's books."""

    things: dict[str, Values]
    is_asked_by_platform = False
    """Of the request that is being carried out."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The rest of the account."""

    def fees(self) -> int:
        """What of this account's charges is the platform's."""
        all_fees: list[Values] = self.all("application_fee")
        return sum(each["amount"] - each["amount_refunded"] for each in all_fees)

    def _check_fee(self, values: Values, most: int) -> None:
        if "application_fee_amount" not in values:
            return
        if not self.is_asked_by_platform:
            raise wrong("parameter_unknown", param="application_fee_amount")
        if not 0 < int(values["application_fee_amount"]) <= most:
            raise wrong("parameter_invalid_integer", param="application_fee_amount")

    def _take_fee(self, intent: Values) -> None:
        if amount := intent.get("application_fee_amount"):
            self._new(
                "fee", "application_fee", amount=amount, amount_refunded=0, charge=intent["id"],
            )  # fmt: skip

    def _give_fee_back(self, intent: Values, values: Values) -> None:
        """In proportion to all that was given back of the charge."""
        if values.get("refund_application_fee") is None:
            return
        if not self.is_asked_by_platform:
            raise wrong("parameter_unknown", param="refund_application_fee")
        assert values["refund_application_fee"] == "true"
        for fee in self.all("application_fee"):
            if fee["charge"] == intent["id"]:
                share = 2 * fee["amount"] * intent["refunded"] + intent["amount_received"]
                fee["amount_refunded"] = share // (2 * intent["amount_received"])


class Platform:
    """Whoever runs the platform: its own keys, and the accounts connected to it."""

    def __init__(self) -> None:
        self.secret = f"sk_test_{token_hex(16)}"
        self.public_key = f"pk_test_{token_hex(16)}"
        self.webhook_secret = f"whsec_{token_hex(16)}"
        self.connected: set[str] = set()


class Platforms:
    """The part of the server that knows who may act for whom."""

    accounts: dict[str, Account]
    platforms: dict[str, Platform]

    if TYPE_CHECKING:

        def open_account(self) -> Account:
            """See the server."""

    def open_platform(self) -> Platform:
        """Somebody who runs a platform, with keys of his own."""
        platform = Platform()
        self.platforms[platform.secret] = platform
        return platform

    def connect(self, platform: Platform) -> Account:
        """A new merchant whose account is connected to the platform."""
        account = self.open_account()
        platform.connected.add(account.id)
        return account

    def _whose(self, headers: dict[str, str]) -> Account | None:
        """The account a request is about, asked by its owner or by the platform for it."""
        secret = headers.get("authorization", "").removeprefix("Bearer ")
        about = headers.get("stripe-account")
        platform = self.platforms.get(secret)
        if platform is None:
            return None if about else self.accounts.get(secret)
        if about not in platform.connected:
            return None
        return next(each for each in self.accounts.values() if each.id == about)
