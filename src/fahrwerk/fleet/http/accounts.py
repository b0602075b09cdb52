"""Accounts of vehicles at the MQTT broker."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.fleet import contract as fleet
from fahrwerk.fleet.contract import PREFIX, accounts
from fahrwerk.fleet.contract.accounts import MOST_ACCOUNTS
from fahrwerk.kernel import ids, web


class AccountsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which vehicles get new passwords: by id, identifier, QR code or external id."""

    ids: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=300)]],
        Meta(min_length=1, max_length=MOST_ACCOUNTS),
    ]


class AccountView(msgspec.Struct, frozen=True):
    """How a vehicle logs in to the broker; shown this once."""

    vehicle_id: str
    identifier: str
    user_name: str
    """Also its client identifier."""
    password: str


class AccountsView(msgspec.Struct, frozen=True):
    """Accounts in the order of the vehicles asked for."""

    accounts: list[AccountView]


# Unkeyed: an answer kept for repeats would keep the secret. A repeat makes new passwords.
@post(
    "/api/v1/fleet/broker-accounts",
    permission="fleet.vehicle.pair",
    status_code=201,
    unkeyed=True,
    tags=["fleet"],
)
async def issue_accounts(call: web.Caller, data: JSONBody[AccountsBody]) -> AccountsView:
    """New passwords for up to 500 vehicles, shown this once.

    What they had before ends with the broker's next look into its files, which ``fahrwerk
    accounts`` writes (docs/operate.md).
    """
    wanted = [(await fleet.find_vehicle(call, each)).id for each in data.ids]
    made = await accounts.issue_accounts(call, wanted)
    names = [ids.public(PREFIX[each.vehicle_type], each.vehicle_id) for each in made]
    return AccountsView(
        [
            AccountView(name, each.identifier, name, each.password)
            for name, each in zip(names, made, strict=True)
        ]
    )


@delete(
    "/api/v1/vehicles/{vehicle_id:str}/broker-account",
    permission="fleet.vehicle.pair",
    tags=["fleet"],
)
async def revoke_account(call: web.Caller, vehicle_id: FromPath[str]) -> None:
    """It may not log in to the broker any more, from its next look into its files on."""
    await accounts.revoke_account(call, (await fleet.find_vehicle(call, vehicle_id)).id)


handlers = [issue_accounts, revoke_account]
