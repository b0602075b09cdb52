"""Accounts that are connected to the platform's own (Stripe Connect), and the platform's fee.

The money goes to the operator's account as ever, never through the platform's: the platform only
asks for it with its own keys, and names a fee that the gateway takes out on the way. Only who runs
the platform connects an account and sets its fee (permission ``tenancy.operator.charge``, which no
operator's role has).
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import Conflict
from fahrwerk.payments.contract.gateways import GatewayAccount


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's account, and what the platform takes of what is collected there."""

    account: str
    """``acct_...``"""
    fee_minor: int
    """Once of each payment, in minor units ..."""
    fee_bp: int
    """... and of each capture, in basis points: 150 is 1.5 %. Together never more than it."""


class NoPlatformKeys(Conflict):
    """The platform has no keys of its own at the gateway in its settings."""

    code = "NO_PLATFORM_KEYS"
    message = "The platform's own keys are not set up."


class ConnectedElsewhere(Conflict):
    """One account is one operator's."""

    code = "ACCOUNT_CONNECTED_ELSEWHERE"
    message = "This account is connected to another operator."


@action
async def connect_account(call: Call, operator: UUID, wanted: Connection) -> GatewayAccount:
    """Connect an operator's account, or change its fee; payments from then on have it.

    The gateway is asked if the platform may act for it. Raises ``NotFound`` (operator),
    ``NoPlatformKeys``, ``ConnectedElsewhere``, ``Invalid``, ``AccountInUse`` (payments of another
    account are under way), ``Unavailable``.
    """
    raise AssertionError


@action
async def disconnect_account(call: Call, operator: UUID) -> GatewayAccount:
    """Act for it no more; the operator enters keys of his own. Raises ``UnknownAccount``,
    ``AccountInUse``."""
    raise AssertionError


@query
async def connection(call: Call, operator: UUID) -> GatewayAccount:
    """An operator's connected account and its fee. Raises ``UnknownAccount``."""
    raise AssertionError
