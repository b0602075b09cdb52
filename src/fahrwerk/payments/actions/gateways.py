"""Set, test and disable the operator's accounts at gateways; handle a webhook once more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from fahrwerk.kernel import clock, db, events, outside
from fahrwerk.kernel.errors import Forbidden, Invalid, NotFound, Unavailable
from fahrwerk.kernel.live import hub
from fahrwerk.payments import gateways
from fahrwerk.payments.actions._case import WORK
from fahrwerk.payments.contract.gateways import (
    AccountConnected,
    AccountInUse,
    GatewayAccount,
    NewGatewayAccount,
    UnknownAccount,
)
from fahrwerk.payments.events import GatewayConnected
from fahrwerk.payments.gateways import KeysRefused, _accounts
from fahrwerk.payments.gateways._accounts import Keys
from fahrwerk.payments.queries.gateways import ACCOUNT

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways import Account

MOST_FEE_MINOR = 1_000_000

# Whoever is under way holds money in the account (``a``) that the present keys are of.
UNDER_WAY = """EXISTS (
    SELECT FROM payments.attempt t JOIN payments.payment p
        ON p.tenant_id = t.tenant_id AND p.id = t.payment_id
    WHERE t.tenant_id = kernel.tenant() AND t.gateway = a.gateway
      AND (t.state IN ('sent', 'unknown', 'processing', 'action_required')
           OR (p.state IN ('authorized', 'action_required', 'unknown')
               AND t.state = 'succeeded')))"""
_SET = f"""
INSERT INTO payments.gateway_account AS a
    (gateway, public_key, secret_sealed, webhook_sealed, hint, remote_id, is_live, kinds, rank,
     fee_minor, fee_bp, set_at, tested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $11, $12, $10, $10)
ON CONFLICT (tenant_id, gateway) DO UPDATE
SET public_key = excluded.public_key, secret_sealed = excluded.secret_sealed,
    webhook_sealed = CASE WHEN a.remote_id = excluded.remote_id
        THEN coalesce(excluded.webhook_sealed, a.webhook_sealed)
        ELSE excluded.webhook_sealed END,
    hint = excluded.hint, remote_id = excluded.remote_id, is_live = excluded.is_live,
    kinds = excluded.kinds, rank = excluded.rank, fee_minor = excluded.fee_minor,
    fee_bp = excluded.fee_bp, is_disabled = false, set_at = excluded.set_at,
    tested_at = excluded.tested_at, problem = NULL
WHERE NOT a.is_connected
  AND ((a.remote_id, a.is_live) = (excluded.remote_id, excluded.is_live) OR NOT {UNDER_WAY})
RETURNING {ACCOUNT}, xmax = 0 AS is_new
"""


async def set_gateway_account(call: Call, wanted: NewGatewayAccount) -> GatewayAccount:
    """See the contract."""
    call.require("payments.gateway.write")
    gateway = gateways.find(wanted.gateway)
    if call.tenant is None:
        raise Forbidden
    if not gateway.has_accounts:
        raise Invalid(field="gateway", issue="needs no keys")
    kinds = sorted(gateway.kinds if wanted.kinds is None else set(wanted.kinds))
    if not kinds or set(kinds) - gateway.kinds:
        raise Invalid(field="kinds", issue=f"must be among {', '.join(sorted(gateway.kinds))}")
    if not 1 <= wanted.rank <= 100:
        raise Invalid(field="rank", issue="must be 1 to 100")
    if not (0 <= wanted.fee_minor <= MOST_FEE_MINOR and 0 <= wanted.fee_bp <= 10_000):
        raise Invalid(field="fee", issue="must be between nothing and all")
    keys = Keys(
        tenant=call.tenant,
        gateway=wanted.gateway,
        public_key=wanted.public_key.strip(),
        secret=wanted.secret.strip(),
        webhook_secret=(wanted.webhook_secret or "").strip() or None,
    )
    try:
        account = await account_behind(keys)
    except KeysRefused:
        raise Invalid(field="secret", issue="is not accepted by the gateway") from None
    except (outside.NotReached, outside.OutcomeUnknown):
        silent()
    secret, webhook = _accounts.sealed(keys)
    async with db.tx("payments", call) as tx:
        row = await tx.one(
            _SET, keys.gateway, keys.public_key, secret, webhook, keys.secret[-4:],
            account.remote_id, account.is_live, kinds, wanted.rank, clock.now(),
            wanted.fee_minor, wanted.fee_bp,
        )  # fmt: skip
        if row is None:
            known = await tx.one(_CONNECTED, keys.gateway)
            raise AccountConnected if known and known["is_connected"] else AccountInUse
        if row["is_new"]:
            news = GatewayConnected(keys.gateway, account.is_live)
            await events.emit(tx, call, f"gateway_account:{keys.gateway}", 1, news)
    return GatewayAccount(**{name: row[name] for name in GatewayAccount.__struct_fields__})


_CONNECTED = """
SELECT is_connected FROM payments.gateway_account WHERE tenant_id = kernel.tenant() AND gateway = $1
"""
_TESTED = f"""
UPDATE payments.gateway_account SET tested_at = $2, problem = $3
WHERE tenant_id = kernel.tenant() AND gateway = $1 RETURNING {ACCOUNT}
"""


async def try_gateway_account(call: Call, gateway: str) -> GatewayAccount:
    """See the contract."""
    call.require("payments.gateway.write")
    problem: str | None = None
    try:
        keys = await _accounts.keys_of(call, gateway)
        account = await account_behind(keys)
        if account.remote_id != keys.remote_id:
            problem = "ANOTHER_ACCOUNT"
    except _accounts.NotSetUp:
        raise UnknownAccount from None
    except (Invalid, KeysRefused):
        problem = KeysRefused.code
    except (outside.NotReached, outside.OutcomeUnknown) as silence:
        problem = silence.error_code
    rows = await db.run("payments", call, _TESTED, gateway, clock.now(), problem)
    return GatewayAccount(**rows[0])


_DISABLE = f"""
UPDATE payments.gateway_account SET is_disabled = $2
WHERE tenant_id = kernel.tenant() AND gateway = $1 RETURNING {ACCOUNT}
"""


async def disable_gateway_account(call: Call, gateway: str, is_disabled: bool) -> GatewayAccount:
    """See the contract."""
    call.require("payments.gateway.write")
    rows = await db.run("payments", call, _DISABLE, gateway, is_disabled)
    if not rows:
        raise UnknownAccount
    return GatewayAccount(**rows[0])


_AGAIN = """
WITH found AS (
    UPDATE payments.gateway_event SET handled_at = CASE WHEN payment_id IS NULL
        THEN handled_at END
    WHERE tenant_id = kernel.tenant() AND gateway = $1 AND event_id = $2 RETURNING payment_id
), turned AS (
    UPDATE payments.payment p SET turn = turn + 1 FROM found
    WHERE p.tenant_id = kernel.tenant() AND p.id = found.payment_id RETURNING p.id
), work AS (
    INSERT INTO payments.work (kind, subject, at) SELECT 'payment', id, kernel.now() FROM turned
    ON CONFLICT (tenant_id, kind, subject) DO UPDATE SET at = excluded.at
)
SELECT payment_id FROM found
"""


async def replay_webhook(call: Call, gateway: str, event_id: str) -> None:
    """See the contract."""
    call.require("payments.gateway.write")
    if not await db.run("payments", call, _AGAIN, gateway, event_id):
        raise NotFound
    hub.signal(WORK)


async def account_behind(keys: Keys) -> Account:
    """Whose keys these are, within the time a gateway has. Raises as its ``account``."""
    try:
        async with asyncio.timeout(gateways.TIMEOUT_S):
            return await gateways.find(keys.gateway).account(keys)
    except TimeoutError:
        silent()


def silent() -> NoReturn:
    """Raise that the gateway does not answer."""
    raise Unavailable("The payment gateway does not answer.", code="GATEWAY_SILENT", retry_after=5)
