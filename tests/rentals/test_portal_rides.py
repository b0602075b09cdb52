"""Rides and receipts in the portal (WAL-05, WAL-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rentals.riding import paying_rider, public
from tests.rentals.test_receipt import ended_ride
from tests.site.browsing import Browser
from tests.site.test_pages import check_is_sound

if TYPE_CHECKING:
    from tests.world import World


async def test_a_ride_is_listed_and_its_receipt_downloaded(world: World) -> None:
    """In the operator's time and the rider's language; for nobody else."""
    rider = await paying_rider(world)
    rental, _ = await ended_ride(world, rider)
    browser = Browser(world, **{"accept-language": "de"})
    await browser.log_in(world, rider)
    page = await browser.get("/portal/rides")
    check_is_sound(page)
    assert "15.01.2024, 12:15" in page.text
    assert "11,75 €" in page.text
    path = f"/portal/invoices/{public(rental)}"
    assert path in page.links
    receipt = await browser.client.get(path)
    assert receipt.status_code == 200
    assert "attachment" in receipt.headers["content-disposition"]
    assert "Beleg" in receipt.text
    assert "script-src" not in receipt.headers["content-security-policy"]
    other = Browser(world)
    await other.log_in(world, await world.rider())
    assert (await other.client.get(path)).status_code == 404
    assert (await Browser(world).client.get(path)).status_code == 303
