"""Tariffs, promotions, quotes: as an operator sets them and as riders meet them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.kernel import clock, db, events, ids
from fahrwerk.kernel.errors import Forbidden, Invalid
from fahrwerk.pricing import contract as pricing
from fahrwerk.rentals.events import RentalEnded
from tests.world import make_world

if TYPE_CHECKING:
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from tests.world import World


async def ride_ended(world: World, rider: UUID, promo_code: str | None) -> UUID:
    """The news that a ride of this rider is over, as rentals tells it."""
    rental, now = ids.new(), clock.now()
    fact = RentalEnded(
        rental, rider, ids.new(), ids.new(), now, now, 60, 100, 175, "EUR", promo_code, False,
        None, None,
    )  # fmt: skip
    call = world.system("rentals")
    async with db.tx("rentals", call) as tx:
        await events.emit(tx, call, f"rental:{rental}", 1, fact)
    await world.settle()
    return rental


async def set_scooter(call: Call, price_e4: int) -> pricing.Terms:
    return await pricing.set_tariff(call, "scooter", 1, 150, price_e4, 7_500)


async def test_a_new_operator_has_prices(world: World) -> None:
    """PRC-08, PRC-09: laid out by the news of the operator, one for each type."""
    found = await pricing.tariffs(world.system())
    assert set(found) == {"scooter", "ebike", "car", "van"}
    scooter, car = found["scooter"], found["car"]
    assert (scooter.base_fee_minor, scooter.daily_cap_minor) == (150, 7_500)
    assert (scooter.price_per_minute_e4, scooter.price_per_hour_e4) == (2_500, 150_000)
    assert (car.base_fee_minor, car.price_per_hour_e4) == (0, 25_000)
    assert (scooter.tax_rate_bp, scooter.tax_included, scooter.currency) == (1_900, True, "EUR")


async def test_an_operator_with_another_tax_and_currency() -> None:
    """C-21: the tax is the operator's, the sizes fit the currency."""
    other = await make_world(currency="JPY", tax_rate_bp=1_000, tax_included=False)
    quote = await pricing.quote(other.system(), "scooter", 30, "WELCOME10", None)
    assert quote.terms.base_fee_minor == 150
    assert quote.estimated_minor == (150 + 750 - 90) * 110 // 100


async def test_the_quote_of_the_booking_example(world: World) -> None:
    """C-19: 30 min at 2.50/h: estimate 1.25, hold 12.50."""
    quote = await pricing.quote(world.system(), "car", 30, None, None)
    assert (quote.estimated_minor, quote.hold_minor, quote.minutes) == (125, 1_250, 30)
    usual = await pricing.quote(world.system(), "car", None, None, None)
    assert usual == quote


async def test_a_quote_with_a_promotion_carries_it_in_its_terms(world: World) -> None:
    """PRC-05, PRC-19: the rating at the end needs nothing but the terms."""
    quote = await pricing.quote(world.system(), "scooter", 45, " welcome10 ", None)
    assert quote.estimated_minor == 1_175
    rating = await pricing.rate_ride(world.system(), quote.terms, 45 * 60)
    assert (rating.promo_discount_minor, rating.total_minor) == (-100, 1_175)


@pytest.mark.parametrize("code", ["NOSUCHCODE", "", "a b", "x" * 200, "'; DROP TABLE"])
async def test_unknown_promotions_are_refused(world: World, code: str) -> None:
    with pytest.raises(pricing.UnknownPromotion):
        await pricing.quote(world.system(), "scooter", 30, code, None)


@pytest.mark.parametrize("minutes", [0, -5, 10_000_000])
async def test_impossible_durations_are_refused(world: World, minutes: int) -> None:
    with pytest.raises(Invalid):
        await pricing.quote(world.system(), "scooter", minutes, None, None)


async def test_a_type_without_tariff(world: World) -> None:
    with pytest.raises(pricing.NoTariff):
        await pricing.quote(world.system(), "submarine", 30, None, None)


async def test_a_changed_tariff_is_seen_at_once_and_told(world: World) -> None:
    """EV-12, PRC-13: the cached prices of this process are dropped with the change."""
    call = world.admin()
    before = (await pricing.tariffs(call))["scooter"]
    after = await set_scooter(call, 3_750)
    assert after.tariff_id != before.tariff_id
    assert (await pricing.tariffs(world.system()))["scooter"].price_per_minute_e4 == 3_750
    told = await db.run(
        "pricing", call,
        "SELECT data FROM kernel.event WHERE name = 'tariff.changed' AND stream = $1",
        f"tariff:{after.tariff_id}",
    )  # fmt: skip
    assert [row["data"]["vehicle_type"] for row in told] == ["scooter"]


async def test_prices_come_from_the_cache_until_they_change(world: World) -> None:
    """PRC-16: a price costs no statement while it is fresh."""
    call = world.system()
    await pricing.tariffs(call)
    token = db.statements.set([])
    try:
        await pricing.quote(call, "scooter", 30, None, None)
        assert not [sql for sql in db.statements.get() or [] if "pricing." in sql]
    finally:
        db.statements.reset(token)


async def test_a_ride_keeps_the_terms_of_its_start(world: World) -> None:
    """PRC-19."""
    call = world.admin()
    quote = await pricing.quote(call, "scooter", 30, None, None)
    await set_scooter(call, 9_900)
    assert (await pricing.rate_ride(call, quote.terms, 600)).total_minor == 400


async def test_setting_the_same_price_again_changes_nothing(world: World) -> None:
    call = world.admin()
    first = await set_scooter(call, 3_000)
    assert (await set_scooter(call, 3_000)).tariff_id == first.tariff_id


async def test_two_who_set_a_price_at_once_leave_one_valid(world: World) -> None:
    call = world.admin()
    await asyncio.gather(*(set_scooter(call, 3_000 + n) for n in range(8)))
    rows = await db.run(
        "pricing", call,
        "SELECT count(*) FROM pricing.tariff WHERE vehicle_type = 'scooter' "
        "AND valid_until IS NULL",
    )  # fmt: skip
    assert rows[0][0] == 1


async def test_only_the_operators_people_set_prices(world: World) -> None:
    rider = await world.rider()
    with pytest.raises(Forbidden):
        await set_scooter(rider, 1)
    with pytest.raises(Forbidden):
        await pricing.add_promotion(rider, "FREE", 10_000, None, None, None, None)
    with pytest.raises(Forbidden):
        await pricing.promotions(rider, 50, 0)


async def test_operators_do_not_see_each_others_prices(world: World) -> None:
    """I7."""
    other = await make_world()
    await set_scooter(world.admin(), 9_900)
    await pricing.add_promotion(world.admin(), "OURS", 5_000, None, None, None, None)
    assert (await pricing.tariffs(other.system()))["scooter"].price_per_minute_e4 == 2_500
    with pytest.raises(pricing.UnknownPromotion):
        await pricing.quote(other.system(), "scooter", 30, "OURS", None)


async def test_a_promotion_is_counted_when_the_ride_ends(world: World) -> None:
    """PRC-05: a use is a ride that ended, once however often the news comes; not a quote."""
    rider, other = ids.new(), ids.new()
    call = world.admin()
    await pricing.add_promotion(call, "TWICE", 5_000, None, None, None, 2)
    for _ in range(2):
        await pricing.quote(call, "scooter", 30, "TWICE", rider)
        await ride_ended(world, rider, "TWICE")
    with pytest.raises(pricing.UnknownPromotion):
        await pricing.quote(call, "scooter", 30, "TWICE", rider)
    await pricing.quote(call, "scooter", 30, "TWICE", other)
    page = await pricing.promotions(call, 50, 0)
    used = {each.promotion.code: each.used for each in page.campaigns}
    assert used == {"TWICE": 2, "WELCOME10": 0}
    assert page.total == 2


async def test_a_ride_without_promotion_counts_nothing(world: World) -> None:
    await ride_ended(world, ids.new(), None)
    page = await pricing.promotions(world.admin(), 50, 0)
    assert [each.used for each in page.campaigns] == [0]


async def test_a_promotion_has_its_time(world: World) -> None:
    call, now = world.admin(), clock.now()
    await pricing.add_promotion(
        call, "SUMMER", 2_000, None, now + timedelta(days=1), now + timedelta(days=2), None
    )
    with pytest.raises(pricing.UnknownPromotion):
        await pricing.quote(call, "scooter", 30, "SUMMER", None)
    with clock.moved_to(now + timedelta(days=1, hours=1)):
        quote = await pricing.quote(call, "scooter", 30, "SUMMER", None)
    assert quote.estimated_minor == 720


async def test_a_promotion_is_added_once(world: World) -> None:
    call = world.admin()
    one = await pricing.add_promotion(call, "spring", 1_000, 200, None, None, 1)
    assert one == await pricing.add_promotion(call, "SPRING", 1_000, 200, None, None, 1)
    with pytest.raises(pricing.PromotionTaken):
        await pricing.add_promotion(call, "SPRING", 1_500, 200, None, None, 1)
    with pytest.raises(Invalid):
        await pricing.add_promotion(call, "no spaces", 1_500, None, None, None, None)
