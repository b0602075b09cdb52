"""A rider's rides and their receipts, as pages of the portal (WAL-05, WAL-09)."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from fahrwerk.kernel import ids, web
from fahrwerk.kernel.errors import Unauthenticated
from fahrwerk.rentals import contract
from fahrwerk.rentals.templates import receipt_page
from fahrwerk.site.contract import shell

ON_PAGE = 25
ENDED = ["completed"]
Offset = Annotated[int, QueryParameter(ge=0, le=1_000_000)]

shell.offer("/portal/rides", "Rides", "rentals.rental.read")


@get(
    "/portal/rides",
    permission="rentals.rental.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def rides(call: web.Caller, visit: web.Visitor, offset: Offset = 0) -> Response[str]:
    """The rides that have ended, newest first, each with its receipt."""
    if call.user is None:
        raise Unauthenticated
    found = await contract.rental_page(call, call.user, ENDED, ON_PAGE, offset)
    return await shell.page(
        visit,
        "rentals/rides.html",
        rides=[(ids.public("rent", each.id), each) for each in found.rentals],
        total=found.total,
        offset=offset,
        limit=ON_PAGE,
    )


@get(
    "/portal/invoices/{rental:str}",
    permission="rentals.rental.read",
    page=True,
    limit="page",
    include_in_schema=False,
)
async def invoice(call: web.Caller, rental: FromPath[str]) -> Response[str]:
    """The receipt of a ride as a file (WAL-09); invoices take its place with the billing room."""
    found = await contract.receipt(call, ids.parse(rental, "rent"), None)
    name = f"receipt-{ids.public('rent', found.rental.id)}.html"
    headers = {
        "content-security-policy": (
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "private, no-store",
    }
    return web.page_response(receipt_page(found, call.locale), 200, headers)


handlers = [rides, invoice]
