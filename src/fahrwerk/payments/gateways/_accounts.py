"""An operator's account at a gateway: its keys, which gateway is used for what, and the way there.

Secrets are sealed in the database with a key made from the installation's secret, the operator and
the gateway; a row copied to another operator cannot be opened. They leave this file only inside
``Keys``, which does not print them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fahrwerk.kernel import crypto, db, outside, settings
from fahrwerk.kernel.call import system
from fahrwerk.kernel.outside import NotReached, Peer
from fahrwerk.payments import gateways

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter needs to act for an operator."""

    tenant: UUID
    gateway: str
    public_key: str
    secret: str
    webhook_secret: str | None = None
    remote_id: str = ""
    is_connected: bool = False
    """These are the platform's keys, used for the account ``remote_id`` that is connected to it."""

    def __repr__(self) -> str:
        return f"Keys({self.gateway} of {self.tenant})"


class NotSetUp(NotReached):
    """There are no keys, or they are disabled for what is new: nothing was sent anywhere."""

    code = "NO_PAYMENT_GATEWAY"
    message = "This payment gateway is not in use here."


_KEYS = """
SELECT public_key, secret_sealed, webhook_sealed, remote_id, is_disabled, is_connected
FROM payments.gateway_account WHERE tenant_id = kernel.tenant() AND gateway = $1
"""


async def keys_of(call: Call, gateway: str, *, is_new: bool = False) -> Keys:
    """The operator's keys. Raises ``NotSetUp``; ``is_new``: also when the account is disabled."""
    row = await db.one("payments", call, _KEYS, gateway)
    if row is None or call.tenant is None or (is_new and row["is_disabled"]):
        raise NotSetUp(peer=gateway)
    if row["is_connected"]:
        return platform_keys(call.tenant, gateway, row["remote_id"])
    try:
        secret = crypto.unseal(purpose(call.tenant, gateway, "secret"), row["secret_sealed"])
        webhook = row["webhook_sealed"]
        return Keys(
            tenant=call.tenant,
            gateway=gateway,
            public_key=row["public_key"],
            secret=secret,
            webhook_secret=None
            if webhook is None
            else crypto.unseal(purpose(call.tenant, gateway, "webhook"), webhook),
            remote_id=row["remote_id"],
        )
    except ValueError:
        # Another installation secret than they were sealed with: to be entered again.
        raise gateways.KeysRefused("The keys cannot be opened any more.", peer=gateway) from None


def platform_keys(tenant: UUID, gateway: str, account: str) -> Keys:
    """The platform's keys, to act for a connected account. Raises ``KeysRefused``: it has none."""
    own = settings.load()
    if gateway != "stripe" or own.stripe_platform_secret is None:
        raise gateways.KeysRefused("The platform has no keys of its own any more.", peer=gateway)
    return Keys(
        tenant=tenant, gateway=gateway, public_key=own.stripe_platform_key,
        secret=own.stripe_platform_secret, webhook_secret=own.stripe_platform_webhook_secret,
        remote_id=account, is_connected=True,
    )  # fmt: skip


_CONNECTED = """
SELECT tenant_id FROM payments.gateway_account
WHERE gateway = $1 AND remote_id = $2 AND is_connected ORDER BY set_at LIMIT 1
"""


async def connected_to(gateway: str, account: str) -> UUID | None:
    """The operator whose account this is, of those that are connected to the platform's."""
    row = await db.one("payments", system(None, "payments"), _CONNECTED, gateway, account)
    return None if row is None else row["tenant_id"]


def sealed(keys: Keys) -> tuple[bytes, bytes | None]:
    """Secret and webhook secret, for the database."""
    return (
        crypto.seal(purpose(keys.tenant, keys.gateway, "secret"), keys.secret),
        None
        if keys.webhook_secret is None
        else crypto.seal(purpose(keys.tenant, keys.gateway, "webhook"), keys.webhook_secret),
    )


def purpose(tenant: UUID | None, gateway: str, what: str) -> str:
    """What a ``secret`` or a ``webhook`` secret is sealed for."""
    return f"gateway:{tenant}:{gateway}:{what}"


_ROUTE = """
SELECT gateway FROM payments.gateway_account
WHERE tenant_id = kernel.tenant() AND NOT is_disabled AND $1 = ANY(kinds)
ORDER BY rank, gateway LIMIT 1
"""


async def route(call: Call, kind: str) -> str:
    """The gateway where this operator's riders set up methods of a kind. Raises ``NoGateway``.

    Who has none gets the sandbox, where play money is allowed.
    """
    row = await db.one("payments", call, _ROUTE, kind)
    if row is not None:
        return str(row["gateway"])
    if kind not in gateways.find(gateways.SANDBOX).kinds:
        raise gateways.NoGateway
    gateways.check_open(gateways.SANDBOX)
    return gateways.SANDBOX


# --- the way there: a breaker for each operator, connections shared by all

_transports: dict[str, outside.Connections] = {}
_peers: dict[tuple[UUID, str, str], Peer] = {}
_MOST_PEERS = 2_000
ANSWER_SHARE = 0.8
"""Of the time a gateway call may take: the connection gives up first, so that the breaker knows."""


def peer(keys: Keys, at: str = "api") -> Peer:
    """The server of this gateway, for one operator: another one's bad keys or limits are not ours.

    After five failures in a row it is left alone for half a minute (PAY-28). ``at``: the first
    part of its host's name, where it has several; what stands for it in a test has one address.
    """
    address = settings.load().gateway_address(keys.gateway).replace("://api.", f"://{at}.")
    found = _peers.get((keys.tenant, keys.gateway, address))
    if found is None:
        if len(_peers) >= _MOST_PEERS:
            _peers.clear()
        if address not in _transports:
            _transports[address] = outside.connections()
        found = _peers[keys.tenant, keys.gateway, address] = Peer(
            keys.gateway,
            address,
            timeout_s=gateways.TIMEOUT_S * ANSWER_SHARE,
            transport=_transports[address],
        )
    return found


async def close() -> None:
    """Close all connections: at the end of a process."""
    _peers.clear()
    while _transports:
        await _transports.popitem()[1].aclose()
