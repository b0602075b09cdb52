"""Stripe's customers: our riders, under a pseudonym, in each account of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fahrwerk.kernel import db, ids
from fahrwerk.payments.gateways import _stripe_api as api
from fahrwerk.payments.gateways._stripe_api import NAME

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.payments.gateways._accounts import Keys

_CUSTOMER = """
SELECT ref FROM payments.gateway_customer
WHERE tenant_id = kernel.tenant() AND gateway = $1 AND remote_id = $2 AND rider_id = $3
"""
_KEEP_CUSTOMER = """
INSERT INTO payments.gateway_customer (gateway, remote_id, rider_id, ref) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, gateway, remote_id, rider_id) DO UPDATE SET ref = gateway_customer.ref
RETURNING ref
"""


async def known(call: Call, keys: Keys, rider: UUID) -> str | None:
    """Stripe's id of a rider in this account; None: it has none yet."""
    row = await db.one("payments", call, _CUSTOMER, NAME, keys.remote_id, rider)
    return None if row is None else str(row["ref"])


async def of(call: Call, keys: Keys, rider: UUID) -> str:
    """Stripe's customer for a rider: made on first use, under a pseudonym."""
    there = await known(call, keys, rider)
    if there is not None:
        return there
    made = await api.post(
        keys, "/v1/customers", f"customer-{rider.hex}", api.Thing,
        metadata={"user_id": ids.public("usr", rider)},
    )  # fmt: skip
    rows = await db.run("payments", call, _KEEP_CUSTOMER, NAME, keys.remote_id, rider, made.id)
    return str(rows[0]["ref"])
