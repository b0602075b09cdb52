"""What an operator asks of its people: second factors, bound sessions, proven addresses, checks."""

from __future__ import annotations

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One operator's wishes; these are the defaults."""

    second_factor_roles: list[str] = []
    """Who has one of these roles needs a second factor to log in with a password."""
    bind_sessions: bool = False
    """True: apps must bind their sessions to a key of the device."""
    verify_at_register: bool = False
    """True: who registers is sent a link, or a code, to prove the address."""
    quiet_registration: bool = False
    """True: registration answers the same whoever has an account, and the new password counts only
    when the address is proven."""
    ride_needs_contact: bool = False
    """True: a ride needs a proven e-mail address or phone number."""
    ride_checks: dict[str, list[str]] = {}
    """Vehicle type, or ``*`` for all, to the ID checks a ride needs: ``age``, ``licence``."""
    id_provider: str = "sandbox"
    """Who does ID checks: the name of a file in ``identity/providers``."""


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    second_factor_roles: list[str] | msgspec.UnsetType = msgspec.UNSET
    bind_sessions: bool | msgspec.UnsetType = msgspec.UNSET
    verify_at_register: bool | msgspec.UnsetType = msgspec.UNSET
    quiet_registration: bool | msgspec.UnsetType = msgspec.UNSET
    ride_needs_contact: bool | msgspec.UnsetType = msgspec.UNSET
    ride_checks: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET
    id_provider: str | msgspec.UnsetType = msgspec.UNSET


@query
async def policy(call: Call) -> Policy:
    """The operator's policy, or the defaults."""
    raise AssertionError


@action
async def change_policy(call: Call, change: PolicyChange) -> Policy:
    """Change it (permission ``identity.policy.write``). Raises ``Invalid``."""
    raise AssertionError
