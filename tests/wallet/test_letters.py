"""Riders hear of auto top-up and of a low balance by e-mail, in their language (WAL-21, WAL-29)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fahrwerk.identity import contract as identity
from fahrwerk.kernel import clock
from fahrwerk.notifications import contract as notifications
from fahrwerk.notifications import jobs
from fahrwerk.wallet import contract
from tests.wallet.test_auto import rider_with_auto
from tests.wallet.test_topup import me

if TYPE_CHECKING:
    from tests.world import World


async def subjects(world: World) -> list[str]:
    await world.settle()
    while await jobs.send_due():
        pass
    return [each.subject for each in (await notifications.mails(world.system(), 100))[::-1]]


@pytest.mark.parametrize(
    ("locale", "words"), [("de", "Ihr Guthaben wurde um 25,00"), ("en", "Your balance was topped")]
)
async def test_a_letter_about_each_auto_top_up(world: World, locale: str, words: str) -> None:
    """WAL-21, NTF-09: money was charged while the rider was not there."""
    rider, _ = await rider_with_auto(world)
    await identity.change_profile(rider, identity.ProfileChange(locale=locale))
    [subject] = await subjects(world)
    assert subject.startswith(words)
    [mail] = await notifications.mails(world.system(), 10)
    assert "25" in mail.text
    assert mail.text.count("\n\n\n") == 0
    assert await subjects(world) == [subject]


async def test_letters_about_a_dead_card(world: World) -> None:
    """WAL-19, WAL-21: the last one says that auto top-up rests now, and why."""
    rider, _ = await rider_with_auto(world, "tok_insufficientFunds")
    await identity.change_profile(rider, identity.ProfileChange(locale="de"))
    start = clock.now()
    for hour in range(4):
        with clock.moved_to(start + timedelta(minutes=61 * hour)):
            found = await subjects(world)
    assert found == ["Ihr Guthaben konnte nicht aufgeladen werden"] * 3
    mails = (await notifications.mails(world.system(), 10))[::-1]
    assert all("das Konto ist nicht gedeckt" in each.text for each in mails)
    assert ["ruht jetzt" in each.text for each in mails] == [False, False, True]


async def test_a_low_balance_is_told_once(world: World) -> None:
    """WAL-29: when it becomes low; again only after it was higher."""
    rider = await world.rider()
    await identity.change_profile(rider, identity.ProfileChange(locale="en"))
    admin = world.admin()
    await contract.adjust(admin, me(rider), 1_500, "Start", "1")
    assert await subjects(world) == []
    for number in range(3):
        await contract.charge_usage(admin, me(rider), 200, "Ride", f"a{number}")
    assert await subjects(world) == ["Your balance is low: €9.00"]
    await contract.adjust(admin, me(rider), 500, "More", "2")
    await contract.charge_usage(admin, me(rider), 900, "Ride", "b")
    assert await subjects(world) == ["Your balance is low: €9.00", "Your balance is low: €5.00"]
