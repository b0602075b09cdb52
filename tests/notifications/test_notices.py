"""From the event to the letter: written once, sent at least once, in the right language."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from fahrwerk.kernel import clock, db, ids
from fahrwerk.kernel.pump import Pump
from fahrwerk.notifications import contract, jobs, rules
from fahrwerk.rentals import contract as rentals
from tests.notifications.receiving import smtp_server
from tests.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from fahrwerk.kernel.call import Call
    from fahrwerk.notifications.contract import Mail, Notice
    from fahrwerk.rentals.contract import Rental
    from tests.notifications.receiving import Received


@pytest.fixture
async def post_office(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Received]:
    """An SMTP server that the house is set to use."""
    async with smtp_server() as received:
        monkeypatch.setenv("FAHRWERK_SMTP_URL", received.url)
        yield received


async def booked(world: World, rider: Call | None = None, **vehicle: Any) -> tuple[Call, Rental]:
    """A confirmed booking, its event handled."""
    rider = rider or await world.rider(locale="en")
    await world.card(rider)
    made = await world.vehicle(**({"address": "Hauptwache, Frankfurt"} | vehicle))
    rental = await rentals.book(rider, made.identifier, None, 30, None, False, None)
    rental = await rentals.confirm(rider, rental.id, None)
    await Pump().drain()
    return rider, rental


async def ridden(world: World, rider: Call | None = None, **vehicle: Any) -> tuple[Call, Rental]:
    """A ride of some seconds, ended, its events handled."""
    rider, rental = await booked(world, rider, **vehicle)
    unlocking = asyncio.ensure_future(rentals.unlock(rider, rental.id))
    while not unlocking.done():  # it waits for rentals to hear of the vehicle
        await Pump().drain()
        await asyncio.sleep(0.01)
    await unlocking
    rental = await rentals.end(rider, rental.id, None, None, None, None)
    await Pump().drain()
    return rider, rental


async def send() -> None:
    while await jobs.send_due():
        pass


async def notice(world: World, rental: Rental, template: str = "BookingConfirmation") -> Notice:
    found = await contract.notices(world.system(), rental.id)
    return next(each for each in found if each.template == template)


async def kept(world: World, rental: Rental, template: str = "BookingConfirmation") -> Mail:
    """The letter in the mailbox."""
    return await contract.mail(world.system(), (await notice(world, rental, template)).id)


_TOLD = "SELECT name, version, data FROM kernel.event WHERE stream = $1 ORDER BY version"


async def told(world: World, of: Notice) -> list[tuple[str, int]]:
    rows = await db.run("notifications", world.system(), _TOLD, f"notice:{of.id}")
    return [(row["name"], row["version"]) for row in rows]


async def test_each_booking_is_confirmed_by_mail(world: World) -> None:
    """NTF-03: the fields of the template, from the operator's sender."""
    rider, rental = await booked(world, license_plate="123 ABC")
    await send()
    mail = await kept(world, rental)
    assert mail.sender == "noreply@fahrwerk.example"
    for shown in (mail.text, mail.html):
        assert "Ada Rider" in shown  # user_name
        assert "scooter" in shown  # vehicle_type
        assert re.search(r"sco_\w{22}", shown)  # vehicle_id
        assert "Hauptwache, Frankfurt" in shown  # location
        assert "123 ABC" in shown
        assert ids.public("book", rental.id) in shown
        assert f"€{rental.hold_minor / 100:.2f}" in shown  # estimated_charge is the hold (C-19)
        assert f"about €{rental.estimated_minor / 100:.2f}" in shown
    assert mail.subject.startswith("Booking confirmed: your scooter V")
    done = await notice(world, rental)
    assert (done.state, done.user_id, done.attempts) == ("sent", rider.user, 1)
    assert await told(world, done) == [("notification.sent", 1)]


async def test_each_ended_ride_gets_a_receipt(world: World) -> None:
    """NTF-05, EV-08."""
    _, rental = await ridden(world)
    await send()
    mail = await kept(world, rental, "RideReceipt")
    assert rental.rating is not None
    total = f"€{rental.rating.total_minor / 100:.2f}"
    assert mail.subject.endswith(total)
    for shown in (mail.text, mail.html):
        assert total in shown
        assert f"€{rental.rating.base_fee_minor / 100:.2f}" in shown
        assert "Tax included" in shown
        assert "19\u00a0%" in shown
        assert "Visa ending in 4242" in shown
        assert ids.public("rent", rental.id) in shown
    link = re.search(r'href="http://127.0.0.1:8080(/receipts/[^"]+)"', mail.html)
    assert link is not None
    async with world.client() as client:
        assert (await client.get(link[1])).status_code == 200
    done = await notice(world, rental, "RideReceipt")
    assert await told(world, done) == [("notification.sent", 1)]


async def test_the_person_decides_the_language_else_the_operator(world: World) -> None:
    """Locale of money and dates with it; the world's operator is German."""
    german = await world.rider(locale=None)
    _, rental = await ridden(world, german)
    await send()
    confirmation, receipt = await kept(world, rental), await kept(world, rental, "RideReceipt")
    assert confirmation.subject.startswith("Buchung bestätigt: E-Scooter V")
    assert f"{rental.hold_minor / 100:.2f}".replace(".", ",") + "\u00a0€" in confirmation.text
    assert receipt.subject.startswith("Ihre Fahrt am ")
    assert "Enthaltene USt. (19\u00a0%)" in receipt.text
    assert 'lang="de"' in receipt.html
    british = await make_world(locale="en-GB", currency="GBP", time_zone="Europe/London")
    _, rental = await booked(british, await british.rider(locale=None))
    _, other = await booked(british, await british.rider(locale="de"))
    await send()
    assert f"£{rental.hold_minor / 100:.2f}" in (await kept(british, rental)).text
    assert (await kept(british, other)).language == "de"


async def test_times_are_those_of_the_operators_place() -> None:
    far = await make_world(locale="en", time_zone="America/Los_Angeles")
    with clock.moved_to(datetime(2030, 7, 1, 3, 30, tzinfo=UTC)):
        _, rental = await booked(far)
        await send()
        mail = await kept(far, rental)
    assert "30 June 2030, 20:30" in mail.text
    assert "Unlock it by 20:40." in mail.text


async def test_hostile_names_stay_text(world: World) -> None:
    name = '<img src=x onerror="alert(1)">'
    rider = await world.rider(first_name=name, last_name="{{ 7 * 7 }}", locale="en")
    _, rental = await booked(world, rider, address="<script>alert(2)</script>")
    await send()
    mail = await kept(world, rental)
    assert "&lt;img src=x" in mail.html
    assert "&lt;script&gt;" in mail.html
    assert not re.search(r"<(img|script)", mail.html)
    assert f"Hello {name} {{{{ 7 * 7 }}}}," in mail.text


async def test_a_letter_brings_everything_with_it(world: World) -> None:
    """Nothing is fetched when it is read: no images, no fonts, no counting pixel."""
    _, rental = await ridden(world)
    await send()
    for template in ("BookingConfirmation", "RideReceipt"):
        html = (await kept(world, rental, template)).html
        assert not re.search(r"<(img|link|script|iframe|object)|@import|url\(|src=", html)
        assert len(re.findall("https?://", html)) <= (template == "RideReceipt")


async def test_rides_brought_in_from_history_are_not_mailed(world: World) -> None:
    rider = await world.rider()
    with clock.moved_to(clock.now() - timedelta(days=400), leases=False):
        _, rental = await booked(world, rider)
    assert rental.is_recorded
    assert await contract.notices(world.system(), rental.id) == []


async def test_a_booking_cancelled_meanwhile_is_not_confirmed(world: World) -> None:
    rider, rental = await booked(world)
    await rentals.cancel(rider, rental.id, "rider")
    await send()
    done = await notice(world, rental)
    assert (done.state, done.reason) == ("dropped", "booking_cancelled")
    with pytest.raises(contract.UnknownMail):
        await kept(world, rental)
    assert await told(world, done) == []


async def test_who_has_no_address_or_no_account_gets_nothing(world: World) -> None:
    _, rental = await booked(world, await world.rider(email=None, phone="+4915112345678"))
    await send()
    assert (await notice(world, rental)).reason == "no_email_address"
    gone, rental = await booked(world)
    sql = "UPDATE identity.person SET status = 'deleted' WHERE id = $1"
    await db.run("identity", world.system(), sql, gone.user)
    await send()
    done = await notice(world, rental)
    assert (done.state, done.reason) == ("dropped", "no_contact")


async def test_a_letter_goes_out_by_smtp(world: World, post_office: Received) -> None:
    rider = await world.rider(first_name="Jörg", last_name="Öztürk", locale="de")
    _, rental = await booked(world, rider)
    await send()
    (message,) = [m for m in post_office.messages if "Öztürk" in str(m["To"])]
    assert str(message["From"]) == f"{world.operator.name} <noreply@fahrwerk.example>"
    assert message["Message-ID"] == f"<{(await notice(world, rental)).id}@fahrwerk.example>"
    body = message.get_body(("plain",))
    assert body is not None
    assert "Guten Tag Jörg Öztürk," in body.get_content()
    with pytest.raises(contract.UnknownMail):
        await kept(world, rental)


async def test_a_server_that_is_down_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with smtp_server() as gone:
        pass
    monkeypatch.setenv("FAHRWERK_SMTP_URL", gone.url)
    _, rental = await booked(world)
    await send()
    waiting = await notice(world, rental)
    assert (waiting.state, waiting.attempts) == ("due", 1)
    assert "Connect" in (waiting.reason or "")
    await send()
    assert (await notice(world, rental)).attempts == 1, "not before the pause is over"
    async with smtp_server(gone.port) as server:
        with clock.moved_to(clock.now() + timedelta(seconds=rules.PAUSES_S[0] + 1)):
            await send()
        assert len(server.messages) == 1
    done = await notice(world, rental)
    assert (done.state, done.attempts) == ("sent", 2)
    assert await told(world, done) == [("notification.sent", 1)]


async def test_a_permanent_no_is_the_end(world: World, post_office: Received) -> None:
    post_office.say_to = "550 5.1.1 no such mailbox"
    _, rental = await booked(world)
    await send()
    done = await notice(world, rental)
    assert (done.state, done.attempts) == ("failed", 1)
    assert done.reason == "550 5.1.1 no such mailbox"
    assert await told(world, done) == [("notification.failed", 1)]
    post_office.say_to = None
    with clock.moved_to(clock.now() + timedelta(days=30)):
        await send()
    assert post_office.messages == []


async def test_it_gives_up_after_hours_of_later(world: World, post_office: Received) -> None:
    post_office.say_after = "451 try again later"
    _, rental = await booked(world)
    at = clock.now()
    for pause in (*rules.PAUSES_S, 0):
        with clock.moved_to(at):
            await send()
        at += timedelta(seconds=pause + 1)
    done = await notice(world, rental)
    assert (done.state, done.attempts) == ("failed", len(rules.PAUSES_S) + 1)
    assert done.reason == "451 try again later"
    assert await told(world, done) == [("notification.failed", 1)]


async def test_a_worker_that_dies_after_sending_is_followed_with_the_same_message_id(
    world: World, post_office: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: what was sent twice is shown once by the rider's mail program."""
    _, rental = await booked(world)

    async def die(*_: Any) -> None:
        raise db.DatabaseDown

    with monkeypatch.context() as broken:
        broken.setattr(jobs, "_sent", die)
        with pytest.raises(db.DatabaseDown):
            await send()
    assert (await notice(world, rental)).state == "due"
    await send()
    assert len(post_office.messages) == 1, "its claim holds for a while"
    with clock.moved_to(clock.now() + timedelta(seconds=jobs.LEASE_S + 1)):
        await send()
    first, second = post_office.messages
    assert first["Message-ID"] == second["Message-ID"]
    done = await notice(world, rental)
    assert done.state == "sent"
    assert await told(world, done) == [("notification.sent", 1)]


async def test_workers_share_the_queue(world: World, post_office: Received) -> None:
    """Claims do not overlap: several workers, one letter each."""
    for _ in range(4):
        await booked(world)
    await asyncio.gather(*(jobs.send_due() for _ in range(4)))
    to = [message["To"].addresses[0].addr_spec for message in post_office.messages]
    assert len(to) == len(set(to)) == 4


async def test_a_repeated_event_writes_no_second_notice(world: World) -> None:
    from fahrwerk.kernel.events import Fact
    from fahrwerk.notifications.handlers import on_booking_confirmed
    from fahrwerk.rentals.events import BookingConfirmed

    rider, rental = await booked(world)
    assert rider.user is not None
    now = clock.now()
    event = BookingConfirmed(rental.id, rider.user, rental.vehicle_id, now, now, 30)
    fact = Fact(1, ids.new(), f"rental:{rental.id}", 2, "BookingConfirmed", "", None, now)
    async with db.tx("notifications", world.system()) as tx:
        await on_booking_confirmed(tx, world.system(), event, fact)
    assert len(await contract.notices(world.system(), rental.id)) == 1


async def test_other_operators_see_nothing_of_it(world: World) -> None:
    """I7."""
    _, rental = await booked(world)
    await send()
    other = await make_world()
    assert await contract.notices(other.system(), rental.id) == []
    mail_id: UUID = (await notice(world, rental)).id
    with pytest.raises(contract.UnknownMail):
        await contract.mail(other.system(), mail_id)


async def test_support_sees_what_became_of_it_and_riders_do_not(world: World) -> None:
    rider, rental = await booked(world)
    await send()
    wanted = {"rental_id": ids.public("rent", rental.id)}
    async with world.client(world.call("support")) as client:
        answer = await client.get("/api/v1/notices", params=wanted)
    assert answer.status_code == 200, answer.text
    (shown,) = answer.json()["notices"]
    assert (shown["template"], shown["status"]) == ("BookingConfirmation", "sent")
    assert shown["next_try_at"] is None
    async with world.client(rider) as client:
        assert (await client.get("/api/v1/notices", params=wanted)).status_code == 403
