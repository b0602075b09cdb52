"""Whose customers riders are, for staff (WAL-30)."""

from __future__ import annotations

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath

from fahrwerk.kernel import clock, ids, money, web
from fahrwerk.wallet.contract import resellers as contract


class CustomerView(msgspec.Struct, frozen=True, kw_only=True):
    """A rider who is the reseller's customer now."""

    user_id: str
    since: str
    earned: float
    """Commission by this rider's top-ups, less what was clawed back."""
    currency: str


class CustomersView(msgspec.Struct, frozen=True):
    """One page of customers."""

    customers: list[CustomerView]
    pagination: web.Pagination


@get(
    "/api/v1/resellers/{reseller_id:str}/customers",
    permission="wallet.reseller.read",
    tags=["wallet"],
)
async def list_customers(
    call: web.Caller, reseller_id: FromPath[str], limit: web.Limit = 50, offset: web.Offset = 0
) -> CustomersView:
    """Who is this reseller's customer now, the newest first."""
    wanted = ids.parse(reseller_id, contract.RESELLER_PREFIX)
    page = await contract.customers(call, wanted, limit, offset)
    shown = [
        CustomerView(
            user_id=ids.public("usr", each.rider_id), since=clock.stamp(each.since),
            earned=money.to_major(each.earned_minor, call.currency), currency=call.currency,
        )
        for each in page.customers
    ]  # fmt: skip
    return CustomersView(shown, web.pagination(page.total, limit, offset, len(shown)))


@put(
    "/api/v1/resellers/{reseller_id:str}/customers/{user_id:str}",
    permission="wallet.reseller.write",
    status_code=204,
    tags=["wallet"],
)
async def put_customer(
    call: web.Caller, reseller_id: FromPath[str], user_id: FromPath[str]
) -> None:
    """Make a rider this reseller's customer, also when he was another one's."""
    wanted = ids.parse(reseller_id, contract.RESELLER_PREFIX)
    await contract.assign_customer(call, ids.parse(user_id, "usr"), wanted)


@delete(
    "/api/v1/resellers/customers/{user_id:str}", permission="wallet.reseller.write", tags=["wallet"]
)
async def delete_customer(call: web.Caller, user_id: FromPath[str]) -> None:
    """The rider is nobody's customer any more. Commission that was earned stays."""
    await contract.assign_customer(call, ids.parse(user_id, "usr"), None)


handlers = [list_customers, put_customer, delete_customer]
