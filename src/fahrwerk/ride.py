"""``fahrwerk ride``: one ride in the terminal, every request and answer shown.

A person nobody knew a minute ago registers, finds a simulated vehicle, books, pays, rides and gets
a receipt: the published API and nothing else, plus a look at what the broker carries meanwhile.
Relies on a running ``fahrwerk up``, whose city moves the vehicle once it is unlocked.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec

from fahrwerk.fleet.protocols.line import Line
from fahrwerk.sim import streets
from fahrwerk.sim.api import Answer, Api, Session
from fahrwerk.sim.phone import GOOD_CARD, Phone, Seen
from fahrwerk.sim.rider import NO_PARKING, NOTHING, Intent

if TYPE_CHECKING:
    from collections.abc import Callable

RADIUS_M = 1_500
RIDE_S, LOOK_EVERY_S = 14.0, 4.5
END_WITHIN_S = 300.0
MAIL_WITHIN_S = 15.0
TRIES, HUBS_TRIED = 3, 12
_WIDTH = 50
_ID = re.compile(r"\b([a-z]+)_[0-9A-Za-z]{16}([0-9A-Za-z]{6})\b")


class Stopped(Exception):
    """The ride cannot go on; the text says why."""


def short(text: str) -> str:
    """Ids by their last six characters: ``rent_..rv5NLF``. They are all there, in the answers."""
    return _ID.sub(r"\1_..\2", text)


class Show:
    """Writes the story: steps, requests with their answers, and what vehicle and broker say."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._step = 0

    def step(self, title: str) -> None:
        """Begin the next part."""
        self._step += 1
        self._say(f"\n{self._step}. {title}")

    def request(self, answer: Answer) -> None:
        """One request and what came back, in a line."""
        what = f"{answer.method:<5} {short(answer.path)}"
        problem = f"  {answer.code}: {answer.find('error', 'message')}" if answer.code else ""
        self._say(f"   {what:<{_WIDTH}} {answer.status}  {answer.ms:5.0f} ms{problem}")

    def fields(self, **values: Any) -> None:
        """The parts of an answer worth reading."""
        shown = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in values.items()
            if value is not None
        ]
        self._say(f"         {short(', '.join(shown))}")

    def link(self, name: str, url: str) -> None:
        """An address to be opened: whole."""
        self._say(f"         {name} {url}")

    def message(self, topic: str, payload: bytes) -> None:
        """What the broker carries, without its telemetry."""
        channel = topic.split("/", 2)[-1]
        if channel == "telemetry":
            return
        try:
            body = msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.MsgspecError:
            return
        told = (body.get("command"), body.get("result"), body.get("status"))
        words = [str(word) for word in told if word]
        if "counter" in body and body["counter"] is not None:
            words.append(f"number {body['counter']}")
        if "sig" in body:
            words.append(f"signed ({body.get('alg')})")
        self._say(f"   MQTT  {short(topic):<{_WIDTH - 6}} {', '.join(words)}")


async def ride(url: str, mqtt_url: str, tenant: str, say: Callable[[str], None]) -> int:
    """Take one ride; 0 when it ended with a receipt. Raises ``Away`` when nobody answers."""
    show = Show(say)
    began = time.monotonic()
    rng = random.Random()
    async with Api(url, tenant, told=show.request) as api:
        await api.ask("GET", "/ready")
        try:
            await _story(api, mqtt_url, show, rng)
        except Stopped as error:
            say(f"\n{error}")
            return 1
    say(f"\nDone in {time.monotonic() - began:.0f} s. The letters: {url}/dev/mail")
    return 0


async def _story(api: Api, mqtt_url: str, show: Show, rng: random.Random) -> None:
    show.step("A new rider registers, logs in and adds a card")
    email = f"ride-{rng.randrange(16**8):08x}@example.com"
    phone = Phone(Session(api, email, f"ride {rng.randrange(16**12):012x}", rng))
    if not await phone.sign_up("Ada", "Lovelace", is_new=True, locale="en"):
        raise Stopped("The platform did not let the rider in.")
    show.fields(email=email, card="Visa ending in 4242")
    booking_id, vehicle = await _unlocked_vehicle(api, phone, mqtt_url, show, rng)
    await _ride_along(phone, booking_id, show)
    await _end(phone, booking_id, vehicle, show)
    await _letters(api, email, show)


async def _unlocked_vehicle(
    api: Api, phone: Phone, mqtt_url: str, show: Show, rng: random.Random
) -> tuple[str, Seen]:
    """Book, pay and unlock; another vehicle when one does not answer."""
    refused: set[str] = set()
    for _ in range(TRIES):
        vehicle = await _find(phone, show, rng, refused)
        refused.add(vehicle.id)
        booking_id = await _book(phone, vehicle, show)
        if booking_id is None:
            continue
        show.step("Unlock: signed, over MQTT, confirmed by the vehicle")
        async with _listening(mqtt_url, vehicle.id, show):
            answer = await phone.unlock(vehicle.id)
            await asyncio.sleep(0.3)  # what the broker carries may come a little later
        if answer.ok:
            show.fields(message=answer.find("message"), start=answer.find("start_time"))
            return booking_id, vehicle
        if answer.code != "VEHICLE_OFFLINE":
            raise Stopped("The vehicle was not unlocked.")
        await phone.cancel(booking_id)
        show.fields(note="it does not answer, as happens in the street: another one")
    raise Stopped("No vehicle answered. Does the city run? (`fahrwerk up` without --no-city)")


async def _find(phone: Phone, show: Show, rng: random.Random, refused: set[str]) -> Seen:
    hubs = rng.sample(streets.HUBS, len(streets.HUBS))
    show.step(f"What is near {hubs[0].name}?")
    for hub in hubs[:HUBS_TRIED]:
        place = streets.load_streets().place(hub.lat, hub.lon)
        found = await phone.search(place, "scooter", RADIUS_M)
        usable = [v for v in found if v.id not in refused and (v.battery or 0) >= 15]
        for each in usable[:3]:
            show.fields(scooter=each.id, at=f"{each.distance_m} m", battery=f"{each.battery} %")
        if usable:
            return usable[0]
    raise Stopped("There is no vehicle near. Does the city run? (`fahrwerk up` without --no-city)")


async def _book(phone: Phone, vehicle: Seen, show: Show) -> str | None:
    show.step("Book it and have the payment authorised")
    intent = Intent(
        vehicle_type="scooter",
        habit="rides",
        distance_m=1_000,
        stars=5,
        feedback=None,
        pauses_midway=False,
        is_business=False,
        promo_code="WELCOME10",
    )
    answer = await phone.book(vehicle.id, intent)
    if not answer.ok:
        show.fields(note="somebody was faster" if answer.status == 409 else "refused")
        return None
    booking_id = str(answer.find("booking", "id"))
    show.fields(
        booking=booking_id,
        status=answer.find("booking", "status"),
        held_until=answer.find("expires_at"),
        payment=answer.find("payment_intent_id"),
    )
    paid = await phone.pay(booking_id, await phone.card(GOOD_CARD) or "")
    if not paid.ok:
        raise Stopped("The payment was not authorised.")
    amount = paid.find("booking", "payment", "estimated_charge")
    show.fields(
        status=paid.find("booking", "status"),
        payment=paid.find("booking", "payment", "status"),
        held=f"{amount:.2f} {paid.find('booking', 'payment', 'currency')}",
        unlock_until=paid.find("booking", "unlock_expires_at"),
    )
    return booking_id


class _listening:  # noqa: N801 (used like a function)
    """Shows what the broker carries for one vehicle, for the block; without a broker, nothing."""

    def __init__(self, url: str, vehicle_id: str, show: Show) -> None:
        self._line = Line(
            f"fahrwerk-ride-{vehicle_id}",
            url,
            f"vehicles/{vehicle_id}/#",
            lambda topic, payload, _: show.message(topic, payload),
            lambda: None,
        )
        self._show = show

    async def __aenter__(self) -> None:
        try:
            await self._line.open()
        except OSError as error:
            self._show.fields(note=f"the broker cannot be listened to ({error})")

    async def __aexit__(self, *_: object) -> None:
        await self._line.close()


async def _ride_along(phone: Phone, rental_id: str, show: Show) -> None:
    show.step("Ride")
    until = time.monotonic() + RIDE_S
    while time.monotonic() < until:
        await asyncio.sleep(LOOK_EVERY_S)
        answer = await phone.status(rental_id)
        if not answer.ok:
            raise Stopped("The ride is not to be found.")
        here = answer.find("current_location") or {}
        show.fields(
            minutes=answer.find("duration_minutes"),
            cost=f"{answer.find('current_cost'):.2f} {answer.find('currency')}",
            km=answer.find("distance_traveled"),
            at=f"{here.get('latitude', 0):.5f} {here.get('longitude', 0):.5f}" if here else None,
            **{"km/h": answer.find("average_speed")},
        )


async def _end(phone: Phone, rental_id: str, vehicle: Seen, show: Show) -> None:
    show.step("End the ride")
    place = streets.load_streets().place(vehicle.lat, vehicle.lon)
    intent = msgspec.structs.replace(NOTHING, stars=5, feedback="Great scooter, smooth ride!")
    address = streets.address_near(vehicle.lat, vehicle.lon)
    until = time.monotonic() + END_WITHIN_S
    while not (answer := await phone.end(rental_id, place, address, intent)).ok:
        if answer.code != NO_PARKING or time.monotonic() > until:
            raise Stopped("The ride was not ended.")
        # The city's vehicle goes on by itself: it will come to where it may stay.
        show.fields(note=answer.find("error", "message"))
        await asyncio.sleep(LOOK_EVERY_S)
    currency = answer.find("currency")
    parts = dict(answer.find("cost_breakdown") or {})
    if parts.get("tax_included"):
        parts["tax contained"] = parts.pop("tax")
    amounts = {name: value for name, value in parts.items() if isinstance(value, float)}
    show.fields(
        total=f"{answer.find('total_cost'):.2f} {currency}",
        minutes=answer.find("duration_minutes"),
        km=answer.find("total_distance"),
    )
    show.fields(**{name: f"{value:.2f}" for name, value in amounts.items()})
    show.fields(
        payment=answer.find("payment", "status"),
        by=answer.find("payment", "payment_method"),
        transaction=answer.find("payment", "transaction_id"),
    )
    show.link("receipt", str(answer.find("receipt_url")))


async def _letters(api: Api, email: str, show: Show) -> None:
    show.step("The letters")
    until = time.monotonic() + MAIL_WITHIN_S
    quiet = Api(api.url, api.tenant)
    async with quiet:
        while True:
            answer = await quiet.ask("GET", "/dev/mail.json")
            mails = [m for m in answer.find("mails") or [] if m.get("recipient") == email]
            if len(mails) >= 2 or not answer.ok or time.monotonic() > until:
                break
            await asyncio.sleep(0.5)
    show.request(answer)
    for mail in reversed(mails):
        show.fields(letter=f"{mail['template']}: {mail['subject']}")
    if not mails:
        show.fields(note="sent by SMTP, or still on their way")
