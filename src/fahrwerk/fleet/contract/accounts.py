"""What may be asked of the broker's accounts: with which passwords vehicles log in to MQTT."""

from __future__ import annotations

from uuid import UUID

import msgspec

from fahrwerk.kernel.call import Call
from fahrwerk.kernel.doors import action, query
from fahrwerk.kernel.errors import NotFound

MOST_ACCOUNTS = 500
"""At once."""


class BrokerAccount(msgspec.Struct, frozen=True):
    """A new account, handed over once: the password is kept nowhere."""

    vehicle_id: UUID
    vehicle_type: str
    identifier: str
    password: str

    def __repr__(self) -> str:
        return f"BrokerAccount({self.identifier}, ...)"  # secrets must not end in a log


class BrokerLogin(msgspec.Struct, frozen=True, gc=False):
    """What a broker has to know of a vehicle."""

    vehicle_id: UUID
    vehicle_type: str
    secret: str
    """As Mosquitto keeps it: ``$7$<iterations>$<salt>$<PBKDF2-SHA512>``."""


class NoAccount(NotFound):
    """The vehicle has no account at the broker."""

    code = "NO_ACCOUNT"
    message = "This vehicle has no account at the broker."


@action
async def issue_accounts(call: Call, vehicle_ids: list[UUID]) -> list[BrokerAccount]:
    """New passwords for up to 500 vehicles, in the order asked (``fleet.vehicle.pair``).

    Former ones open nothing once the broker has read its files again. Raises ``UnknownVehicle``
    (then none was made), ``Invalid``.
    """
    raise AssertionError


@action
async def revoke_account(call: Call, vehicle_id: UUID) -> None:
    """The vehicle may not log in any more, once the broker has read its files again.

    Permission ``fleet.vehicle.pair``. Raises ``NoAccount``.
    """
    raise AssertionError


@query
async def broker_logins(call: Call, after: UUID | None, limit: int) -> list[BrokerLogin]:
    """Accounts of all operators' vehicles by id, from ``after`` on; none of retired vehicles.

    For the house only: of a call without an operator. Raises ``Forbidden``.
    """
    raise AssertionError
