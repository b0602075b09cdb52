"""Connected accounts and the platform's fee, for whoever runs the platform."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from fahrwerk.kernel import ids, web
from fahrwerk.payments.contract import connect as doors
from fahrwerk.payments.contract.gateways import GatewayAccount


class ConnectionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which account, and what the platform takes of what is collected there."""

    account: Annotated[str, Meta(pattern=r"^acct_[A-Za-z0-9]{1,100}$", max_length=105)]
    fee_minor: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Once of each payment, in minor units."""
    fee_bp: Annotated[int, Meta(ge=0, le=10_000, examples=[150])] = 0
    """Of each capture, in basis points."""


class ConnectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A connected account."""

    gateway: str
    account: str
    is_connected: bool
    is_live: bool
    is_disabled: bool
    fee_minor: int
    fee_bp: int


@put(
    "/api/v1/tenants/{tenant_id:str}/connect",
    permission="tenancy.operator.charge",
    tags=["payments"],
)
async def put_connection(
    call: web.Caller, tenant_id: FromPath[str], data: JSONBody[ConnectionRequest]
) -> ConnectionView:
    """Connect an operator's Stripe account to the platform's own, or change the fee.

    What is captured from then on has the new fee. 409 ``NO_PLATFORM_KEYS``,
    ``ACCOUNT_CONNECTED_ELSEWHERE``, ``GATEWAY_ACCOUNT_IN_USE``.
    """
    wanted = doors.Connection(account=data.account, fee_minor=data.fee_minor, fee_bp=data.fee_bp)
    return _view(await doors.connect_account(call, ids.parse(tenant_id, "ten"), wanted))


@get(
    "/api/v1/tenants/{tenant_id:str}/connect",
    permission="tenancy.operator.charge",
    tags=["payments"],
)
async def get_connection(call: web.Caller, tenant_id: FromPath[str]) -> ConnectionView:
    """An operator's connected account and its fee."""
    return _view(await doors.connection(call, ids.parse(tenant_id, "ten")))


@delete(
    "/api/v1/tenants/{tenant_id:str}/connect",
    permission="tenancy.operator.charge",
    status_code=200,
    tags=["payments"],
)
async def delete_connection(call: web.Caller, tenant_id: FromPath[str]) -> ConnectionView:
    """Act for the account no more: the operator enters keys of their own (409 while in use)."""
    return _view(await doors.disconnect_account(call, ids.parse(tenant_id, "ten")))


def _view(account: GatewayAccount) -> ConnectionView:
    return ConnectionView(
        gateway=account.gateway,
        account=account.remote_id,
        is_connected=account.is_connected,
        is_live=account.is_live,
        is_disabled=account.is_disabled,
        fee_minor=account.platform_fee_minor,
        fee_bp=account.platform_fee_bp,
    )


handlers = [put_connection, get_connection, delete_connection]
