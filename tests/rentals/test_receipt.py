"""The receipt as a page (RNT-42), for who has its link or is logged in, in two languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, ids
from fahrwerk.rentals import contract
from fahrwerk.rentals.contract import UnknownRental
from tests.rentals.riding import paying_rider, public, riding
from tests.world import make_world

if TYPE_CHECKING:
    from fahrwerk.kernel.call import Call
    from fahrwerk.rentals.contract import Rental
    from tests.world import World

START = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


async def ended_ride(world: World, rider: Call, identifier: str = "SC-1") -> tuple[Rental, str]:
    """An ended ride of 45 minutes and the path of its receipt."""
    with clock.moved_to(START):
        vehicle = await world.vehicle(identifier=identifier)
        rental = await riding(world, rider, vehicle, promo_code="WELCOME10", is_business=True)
    with clock.moved_to(START + timedelta(minutes=45)):
        rental = await contract.end(rider, rental.id, None, None, None, None)
        await world.settle()
    path = (await contract.details(rider, rental.id)).receipt_path
    assert path is not None
    return rental, path


async def test_the_link_is_all_it_takes(world: World) -> None:
    """From the mail, without a login and without naming the operator; German as its rider asks."""
    rental, path = await ended_ride(world, await paying_rider(world))
    async with world.client() as client:
        del client.headers["X-Tenant-ID"]
        german = await client.get(path, headers={"Accept-Language": "de-DE,de;q=0.9"})
        english = await client.get(path, headers={"Accept-Language": "en-GB"})
    assert german.status_code == english.status_code == 200
    assert german.headers["content-type"].startswith("text/html")
    for said in ("Beleg", "15.01.2024, 11:30 Uhr", "15.01.2024, 12:15 Uhr", "45 Min.",
                 "11,75\u00a0€", "enthaltene Umsatzsteuer 19 %", "1,88\u00a0€",
                 "Gutschein WELCOME10", "-1,00\u00a0€", "Bezahlt: Visa ending in 4242",
                 "Geschäftsfahrt", world.operator.name, public(rental)):  # fmt: skip
        assert said in german.text, said
    for said in ("Receipt", "15 Jan 2024, 11:30", "45 min", "€11.75", "VAT included, 19 %",
                 "Paid: Visa ending in 4242", "txn_", "Business trip"):  # fmt: skip
        assert said in english.text, said
    assert 'lang="de"' in german.text
    assert 'lang="en"' in english.text
    assert german.headers["cache-control"] == "private, no-store"
    assert "default-src 'none'" in german.headers["content-security-policy"]
    assert german.headers.get_list("referrer-policy")


async def test_nothing_but_the_right_link_or_its_rider(world: World) -> None:
    """I7: all wrong ways look alike."""
    rider = await paying_rider(world)
    rental, path = await ended_ride(world, rider)
    page, _, key = path.partition("?key=")
    stranger = await make_world()
    foreign = f"{ids.public('op', stranger.tenant)}.{key.partition('.')[2]}"
    for wrong in ("", "nonsense", key[:-1] + ("A" if key[-1] != "A" else "B"), foreign,
                  key.partition(".")[0] + "."):  # fmt: skip
        with pytest.raises(UnknownRental):
            await contract.receipt(await world.rider(), rental.id, wrong)
        async with world.client() as client:
            answer = await client.get(page, params={"key": wrong})
            assert answer.status_code == 404, wrong
            assert answer.json()["error"]["code"] == "UNKNOWN_RENTAL"
    async with world.client(rider) as client:
        assert (await client.get(page)).status_code == 404, "no cookie, no login: only the link"
        own = await client.get(f"/api/v1/rentals/{rental.id}/receipt")
        assert own.json()["receipt_url"] == f"http://test{path}"
    async with world.client(await world.rider()) as client:
        others = await client.get(f"/api/v1/rentals/{rental.id}/receipt")
        assert others.status_code == 404


async def test_names_are_shown_and_not_run(world: World) -> None:
    _, path = await ended_ride(
        world, await paying_rider(world), identifier="<script>alert(1)</script>"
    )
    async with world.client() as client:
        page = (await client.get(path)).text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_there_is_no_receipt_before_the_end(world: World) -> None:
    rider = await paying_rider(world)
    rental = await riding(world, rider, await world.vehicle())
    assert (await contract.details(rider, rental.id)).receipt_path is None
    key = f"{ids.public('op', world.tenant)}."
    async with world.client(rider) as client:
        page = await client.get(f"/receipts/{public(rental)}", params={"key": key})
        assert page.status_code == 404, "an empty secret opens nothing"
        own = await client.get(f"/api/v1/rentals/{public(rental)}/receipt")
        assert own.status_code == 409
