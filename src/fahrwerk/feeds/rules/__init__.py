"""The one projection from vehicles and tariffs to what the public sees, whatever the format.

Privacy is decided here. A vehicle is called by a keyed hash of its id and its number of trips, so
its name changes with every trip and only this house can link two of them. The list is sorted by
that name: in the order of the table, a vehicle that came back would be known by its neighbours.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from fahrwerk.feeds.contract import Check, Setting
from fahrwerk.kernel import ids, money
from fahrwerk.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from fahrwerk.fleet.contract import FleetType, PublicVehicle, Standing
    from fahrwerk.pricing.contract import Terms
    from fahrwerk.tenancy.contract import Operator

LANGUAGES = ("de", "en")
DAY_MINUTES = 1440
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?(?:/[\x21-\x7e]*)?")
_NAMES = {
    "scooter": {"de": "E-Scooter", "en": "E-scooter"},
    "ebike": {"de": "E-Bike", "en": "E-bike"},
    "car": {"de": "Elektroauto", "en": "Electric car"},
    "van": {"de": "Elektrotransporter", "en": "Electric van"},
}

Text = dict[str, str]
"""The same in each of ``LANGUAGES``."""


class System(msgspec.Struct, frozen=True):
    """Who publishes."""

    id: str
    name: str
    language: str
    time_zone: str
    contact_email: str
    license_url: str | None
    address: str
    """Of the operator's feeds, without a slash at its end."""


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """``rate`` for every ``interval`` minutes from minute ``start`` to before ``end``; 0 = once."""

    start: int
    rate: float
    interval: int
    end: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """What riding one type of vehicle costs; prices in units of the currency."""

    id: str
    name: Text
    description: Text
    currency: str
    price: float
    is_taxable: bool
    segments: list[Segment]
    minute: float
    """What each started minute costs; 0 = nothing."""
    cap: float
    """The most that 24 hours cost, the base fee included."""


class Kind(msgspec.Struct, frozen=True):
    """A type of vehicle."""

    id: str
    name: Text
    full_range_m: int
    plan_id: str | None


class Shown(msgspec.Struct, frozen=True, gc=False):
    """A vehicle as everyone may see it."""

    id: str
    kind: str
    latitude: float
    longitude: float
    is_disabled: bool
    range_m: int
    charge: float | None
    """0 to 1; None = not known, and then ``range_m`` promises nothing."""
    seen_at: datetime | None


def check_setting(wanted: Setting) -> None:
    """Raise ``Invalid`` for an address that is none, or days that are too few or too many."""
    if not 30 <= wanted.mds_days <= 3_650:
        raise Invalid(field="mds_days", issue="must be 30 to 3650")
    email, address = wanted.contact_email, wanted.license_url
    if email is not None and (len(email) > 255 or not _EMAIL.fullmatch(email)):
        raise Invalid(field="contact_email", issue="must be an e-mail address")
    if address is not None and (len(address) > 500 or not _HTTPS.fullmatch(address)):
        raise Invalid(field="license_url", issue="must be an address that begins with https://")


_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|localhost)(?::\d+)?(?:/[\x21-\x7e]*)?")


def check_address(address: str, field: str, *, is_dev: bool) -> None:
    """Raise ``Invalid`` for what we would not call: https only; this machine in development."""
    if len(address) <= 500 and (
        _HTTPS.fullmatch(address) or (is_dev and _LOOPBACK.fullmatch(address))
    ):
        return
    raise Invalid(field=field, issue="must be an address that begins with https://")


def system(operator: Operator, setting: Setting, contact_email: str, address: str) -> System:
    """Who publishes; ``contact_email`` where the operator has named none."""
    return System(
        id=operator.slug,
        name=operator.name,
        language=operator.locale[:2],
        time_zone=operator.time_zone,
        contact_email=setting.contact_email or contact_email,
        license_url=setting.license_url,
        address=f"{address}/gbfs/{operator.slug}",
    )


def rotating_id(key: bytes, vehicle_id: UUID, trips: int) -> str:
    """What a vehicle is called until its next trip: 32 hexadecimal digits (GBFS ``vehicle_id``).

    A MAC: BLAKE2b's own keyed mode (RFC 7693), a third of the time of HMAC with SHA-256.
    """
    mac = _keyed(key).copy()
    mac.update(b"%b%d" % (vehicle_id.bytes, trips))
    return mac.hexdigest()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(key=key, digest_size=16)


def _six_digits(degrees: float) -> float:
    """About 10 cm: as exactly as the specification asks."""
    return round(degrees * 1e6) / 1e6


def shown(key: bytes, vehicles: Iterable[PublicVehicle]) -> list[Shown]:
    """The vehicles as everyone may see them, in an order that tells nothing."""
    found = [
        Shown(
            rotating_id(key, v.id, v.trips),
            v.vehicle_type,
            _six_digits(v.latitude),
            _six_digits(v.longitude),
            v.status != "available",
            v.range_m or 0,
            None if v.battery_level is None else v.battery_level / 100,
            v.last_seen_at,
        )
        for v in vehicles
    ]
    found.sort(key=attrgetter("id"))
    return found


def kinds(types: Iterable[FleetType], tariffs: Mapping[str, Terms]) -> list[Kind]:
    """The types of vehicle that the operator has, with what riding them costs."""
    return [
        Kind(
            t.vehicle_type,
            _NAMES[t.vehicle_type],
            t.full_range_m,
            _plan_id(tariffs[t.vehicle_type]) if t.vehicle_type in tariffs else None,
        )
        for t in types
    ]


def _plan_id(terms: Terms) -> str:
    return ids.public("tar", terms.tariff_id)


def plans(types: Iterable[FleetType], tariffs: Mapping[str, Terms], max_ride_h: int) -> list[Plan]:
    """A plan for each type the operator has and has priced."""
    return [plan(tariffs[t.vehicle_type], max_ride_h) for t in types if t.vehicle_type in tariffs]


def plan(terms: Terms, max_ride_h: int) -> Plan:
    """A tariff as a plan of rides of up to ``max_ride_h``; its segments add up to our price."""
    return Plan(
        id=_plan_id(terms),
        name=_NAMES[terms.vehicle_type],
        description={language: _described(terms, language) for language in LANGUAGES},
        currency=terms.currency,
        price=money.to_major(terms.base_fee_minor, terms.currency),
        is_taxable=not terms.tax_included,
        segments=_segments(terms, -(-max_ride_h // 24)),
        minute=_rounded(_minute(terms)),
        cap=money.to_major(terms.daily_cap_minor, terms.currency),
    )


def _minute(terms: Terms) -> Fraction:
    return Fraction(terms.price_per_unit_e4, terms.unit_minutes * money.E4)


def _segments(terms: Terms, days: int) -> list[Segment]:
    """Minutes at their price, until each day's cap is reached.

    Also for tariffs by the hour: rides are charged by the started minute, pro rata, and an interval
    of 60 would say that the first minute costs an hour.
    """
    minute = _minute(terms)
    if not minute:
        return []
    one = 10 ** money.decimals(terms.currency)
    caps = [Fraction(terms.daily_cap_minor - terms.base_fee_minor, one)]
    caps += [Fraction(terms.daily_cap_minor, one)] * (days - 1)
    rate = _rounded(minute)
    if caps[0] >= minute * DAY_MINUTES:
        return [Segment(0, rate, 1)]
    found = []
    for day, cap in enumerate(caps):
        start = day * DAY_MINUTES
        full = min(int(cap / minute), DAY_MINUTES)
        if full:
            found.append(Segment(start, rate, 1, start + full))
        if full < DAY_MINUTES and (rest := _rounded(cap - full * minute)):
            found.append(Segment(start + full, rest, 0))
    return found


def _rounded(value: Fraction) -> float:
    return round(float(value), 6)


def _described(terms: Terms, language: str) -> str:
    """The tariff for people, as GBFS wants it: what it costs and on which conditions."""
    price = _price(terms.price_per_unit_e4, terms.currency, language)
    base, cap = (
        money.formatted(minor, terms.currency, language)
        for minor in (terms.base_fee_minor, terms.daily_cap_minor)
    )
    unit = {1: "", 60: ""}.get(terms.unit_minutes, f"{terms.unit_minutes} ")
    if language == "de":
        word = {1: "Minute", 60: "Stunde"}.get(terms.unit_minutes, "Minuten")
        first = f"{base} Grundgebühr, dann " if terms.base_fee_minor else ""
        tax = "" if terms.tax_included else " Zuzüglich Steuer."
        return (
            f"{first}{price} pro {unit}{word}, höchstens {cap} in 24 Stunden. "
            f"Abgerechnet wird nach angefangenen Minuten.{tax}"
        )
    word = {1: "minute", 60: "hour"}.get(terms.unit_minutes, "minutes")
    first = f"{base} to start, then " if terms.base_fee_minor else ""
    tax = "" if terms.tax_included else " Plus tax."
    return (
        f"{first}{price} per {unit}{word}, at most {cap} in 24 hours. "
        f"Charged by the started minute.{tax}"
    )


def _price(price_e4: int, currency: str, language: str) -> str:
    minor, rest = divmod(price_e4 * 10 ** money.decimals(currency), money.E4)
    if not rest:
        return money.formatted(minor, currency, language)
    text = f"{money.price_to_major(price_e4):.4f}".rstrip("0")
    return f"{text.replace('.', ',') if language == 'de' else text} {currency}"


def compared(
    at: datetime,
    key: bytes,
    before: Sequence[Standing],
    after: Sequence[Standing],
    versions: Sequence[Sequence[tuple[str, bool]]],
) -> Check:
    """The feeds against the truth read just before and just after them.

    ``versions`` are (rotating id, is disabled) of every vehicle in each version of the feed. What
    differs between the two readings was on the move in between, and is not judged.
    """
    earlier = {each.id: each for each in before}
    later = {each.id: each for each in after}
    still = [each for each in before if later.get(each.id) == each]
    moving = [each for each in (*before, *after) if earlier.get(each.id) != later.get(each.id)]
    uncertain = {rotating_id(key, each.id, each.trips) for each in moving}
    free = [each for each in still if each.status not in ("reserved", "in_use", "retired")]
    truth = {
        rotating_id(key, each.id, each.trips): each.status != "available"
        for each in free
        if each.is_placed
    }
    held = {
        rotating_id(key, each.id, each.trips)
        for each in still
        if each.status in ("reserved", "in_use")
    }
    missing = doubled = in_use = strange = wrong = 0
    for version in versions:
        times = Counter(name for name, _ in version if name not in uncertain)
        missing += len(truth.keys() - times.keys())
        doubled += sum(n - 1 for n in times.values())
        in_use += len(times.keys() & held)
        strange += len(times.keys() - truth.keys() - held)
        wrong += sum(truth.get(name, is_disabled) != is_disabled for name, is_disabled in version)
    first = Counter(is_disabled for _, is_disabled in versions[0])
    return Check(
        checked_at=at,
        available=sum(not is_disabled for is_disabled in truth.values()),
        disabled=sum(truth.values()),
        shown_as_available=first[False],
        shown_as_disabled=first[True],
        missing=missing,
        doubled=doubled,
        in_use=in_use,
        strange=strange,
        wrong=wrong,
        unplaced=sum(not each.is_placed for each in free),
        moving=len({each.id for each in moving}),
    )
