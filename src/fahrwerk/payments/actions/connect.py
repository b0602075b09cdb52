"""Connect operators' accounts to the platform's own, and set the platform's fee."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import clock, db, events, outside
from fahrwerk.kernel.call import system
from fahrwerk.kernel.errors import Invalid, NotFound
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import CONNECTING
from fahrwerk.payments.actions.gateways import MOST_FEE_MINOR, UNDER_WAY, account_behind, silent
from fahrwerk.payments.contract.connect import (
    ConnectedElsewhere,
    Connection,
    NoPlatformKeys,
)
from fahrwerk.payments.contract.gateways import AccountInUse, GatewayAccount, UnknownAccount
from fahrwerk.payments.events import GatewayConnected
from fahrwerk.payments.gateways import KeysRefused, _accounts
from fahrwerk.payments.queries.connect import CHARGE
from fahrwerk.payments.queries.gateways import ACCOUNT
from fahrwerk.tenancy import contract as tenancy

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call

_CONNECT = f"""
INSERT INTO payments.gateway_account AS a
    (gateway, public_key, secret_sealed, hint, remote_id, is_live, kinds, rank, set_at, tested_at,
     is_connected, platform_fee_minor, platform_fee_bp)
VALUES ($1, $2, NULL, '', $3, $4, $5, 50, $6, $6, true, $7, $8)
ON CONFLICT (tenant_id, gateway) DO UPDATE
SET public_key = excluded.public_key, secret_sealed = NULL, webhook_sealed = NULL, hint = '',
    remote_id = excluded.remote_id, is_live = excluded.is_live, set_at = excluded.set_at,
    tested_at = excluded.tested_at, problem = NULL, is_connected = true,
    is_disabled = a.is_disabled AND a.is_connected,
    platform_fee_minor = excluded.platform_fee_minor, platform_fee_bp = excluded.platform_fee_bp
WHERE (a.remote_id, a.is_live) = (excluded.remote_id, excluded.is_live) OR NOT {UNDER_WAY}
RETURNING {ACCOUNT}, xmax = 0 AS is_new
"""


async def connect_account(call: Call, operator: UUID, wanted: Connection) -> GatewayAccount:
    """See the contract."""
    own = await _of(call, operator)
    if not (0 <= wanted.fee_minor <= MOST_FEE_MINOR and 0 <= wanted.fee_bp <= 10_000):
        raise Invalid(field="fee", issue="must be between nothing and all")
    gateway = gateways.find(CONNECTING)
    try:
        keys = _accounts.platform_keys(operator, CONNECTING, wanted.account)
    except KeysRefused:
        raise NoPlatformKeys from None
    if await _accounts.connected_to(CONNECTING, wanted.account) not in (None, operator):
        raise ConnectedElsewhere
    try:
        account = await account_behind(keys)
    except KeysRefused:
        raise Invalid(field="account", issue="is not connected to the platform's own") from None
    except (outside.NotReached, outside.OutcomeUnknown):
        silent()
    if account.remote_id != wanted.account:
        raise Invalid(field="account", issue="is not an account at the gateway")
    async with db.tx("payments", own) as tx:
        row = await tx.one(
            _CONNECT, CONNECTING, keys.public_key, wanted.account, account.is_live,
            sorted(gateway.kinds), clock.now(), wanted.fee_minor, wanted.fee_bp,
        )  # fmt: skip
        if row is None:
            raise AccountInUse
        if row["is_new"]:
            news = GatewayConnected(CONNECTING, account.is_live)
            await events.emit(tx, own, f"gateway_account:{CONNECTING}", 1, news)
    return GatewayAccount(**{name: row[name] for name in GatewayAccount.__struct_fields__})


# The row stays, without keys that work: what was stored there belongs to this account for ever.
_DISCONNECT = f"""
UPDATE payments.gateway_account a
SET is_connected = false, platform_fee_minor = 0, platform_fee_bp = 0, secret_sealed = $2,
    is_disabled = true, problem = $3
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND is_connected AND NOT {UNDER_WAY}
RETURNING {ACCOUNT}
"""


async def disconnect_account(call: Call, operator: UUID) -> GatewayAccount:
    """See the contract."""
    own = await _of(call, operator)
    none = _accounts.Keys(tenant=operator, gateway=CONNECTING, public_key="", secret="")
    nothing, _ = _accounts.sealed(none)
    rows = await db.run("payments", own, _DISCONNECT, CONNECTING, nothing, KeysRefused.code)
    if rows:
        return GatewayAccount(**rows[0])
    known = await db.one("payments", own, _IS_CONNECTED, CONNECTING)
    raise UnknownAccount if known is None else AccountInUse


_IS_CONNECTED = """
SELECT FROM payments.gateway_account
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND is_connected
"""


async def _of(call: Call, operator: UUID) -> Call:
    """The house's call for the operator that whoever runs the platform means."""
    call.require(CHARGE)
    found = await tenancy.operator_by_id(call, operator)
    if found is None:
        raise NotFound
    return system(operator, "payments", trace=call.trace, slug=found.slug)
