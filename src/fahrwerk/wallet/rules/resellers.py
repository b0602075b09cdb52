"""What a reseller earns, and what terms may say. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.kernel.errors import Invalid
from fahrwerk.payments.contract.ledger import Line
from fahrwerk.wallet.rules import MOST_MINOR

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.wallet.contract.resellers import ResellerTerms

MOST_RATE_BP = 5_000
_CODE = re.compile(r"[A-Z0-9-]{3,20}")


def code_of(text: str) -> str:
    """A reseller's code as it is stored, however it was typed. Raises ``Invalid``."""
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise Invalid(field="code", issue="must have 3 to 20 letters, digits or hyphens")
    return code


def checked(terms: ResellerTerms) -> ResellerTerms:
    """The terms with name and code as they are stored. Raises ``Invalid``."""
    name = " ".join(terms.name.split())
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise Invalid(field="name", issue="must have 1 to 200 printable characters")
    if not 0 <= terms.rate_bp <= MOST_RATE_BP:
        raise Invalid(field="rate", issue="must be between 0 and 50 percent")
    if not 0 <= terms.least_minor <= MOST_MINOR:
        raise Invalid(field="least", issue="is negative or too large")
    account = " ".join(terms.account.split())
    if len(account) > 100 or not account.isprintable():
        raise Invalid(field="account", issue="must have at most 100 printable characters")
    return msgspec.structs.replace(terms, name=name, code=code_of(terms.code), account=account)


def commission_lines(reseller_id: UUID, amount_minor: int) -> list[Line]:
    """Earned (positive): an expense that is owed now. Clawed back: the reverse."""
    return [
        Line("commission", amount_minor),
        Line("commission_payable", -amount_minor, str(reseller_id)),
    ]


def payout_lines(reseller_id: UUID, amount_minor: int, gateway: str) -> list[Line]:
    """What was owed has left the bank, or the account at the gateway."""
    source = (
        Line("gateway_clearing", -amount_minor, gateway) if gateway else Line("bank", -amount_minor)
    )
    return [Line("commission_payable", amount_minor, str(reseller_id)), source]
