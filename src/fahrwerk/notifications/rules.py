"""Pure decisions: which language, how long to wait, and how dates and spans read."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import date, datetime

LANGUAGES = ("de", "en")

PAUSES_S = (10, 30, 120, 600, 1800, 7200, 21600)
"""After the first, second ... failed try; together about nine hours."""

DIGEST_EVERY_S = 900
"""Staff gets letters about alerts no more often."""

_MONTHS = {
    "de": ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
           "Oktober", "November", "Dezember"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"),
}  # fmt: skip

_VEHICLES = {
    "de": {"scooter": "E-Scooter", "ebike": "E-Bike", "car": "Auto", "van": "Transporter"},
    "en": {"scooter": "scooter", "ebike": "e-bike", "car": "car", "van": "van"},
}


def language(*wanted: str | None) -> str:
    """The first of these locales that we can write in; else English. The person's comes first."""
    for locale in wanted:
        code = (locale or "").replace("_", "-").partition("-")[0].lower()
        if code in LANGUAGES:
            return code
    return "en"


def pause_s(attempts: int) -> int | None:
    """Seconds to wait after ``attempts`` failed tries, or None: enough, give up."""
    return PAUSES_S[attempts - 1] if attempts <= len(PAUSES_S) else None


def one_line(text: str | None) -> str:
    """People's own words made fit for a header or a line: no line breaks, nothing invisible.

    Characters that turn the reading direction are invisible too, and would disguise what follows.
    """
    shown = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text or ""
        if unicodedata.category(c) not in ("Cf", "Cs")
    )
    return " ".join(shown.split())


_ALERTS = {
    "de": {
        "moved_without_ride": "Ohne Fahrt bewegt", "outside_area": "Außerhalb des Gebiets",
        "tipped_over": "Umgekippt", "silent": "Meldet sich nicht",
        "battery_falling_fast": "Batterie fällt schnell", "battery_low": "Batterie schwach",
        "temperature_high": "Zu heiß", "temperature_low": "Zu kalt",
    },
    "en": {
        "moved_without_ride": "Moved without a ride", "outside_area": "Outside its area",
        "tipped_over": "Tipped over", "silent": "Does not report",
        "battery_falling_fast": "Battery falling fast", "battery_low": "Battery low",
        "temperature_high": "Too hot", "temperature_low": "Too cold",
    },
}  # fmt: skip


def alert_words(kind: str, lang: str) -> str:
    """``Umgekippt``, ``Too hot``: what is the matter."""
    return _ALERTS[lang].get(kind, kind)


_REFUSALS = {
    "de": {
        "insufficient_funds": "das Konto ist nicht gedeckt",
        "expired_card": "die Karte ist abgelaufen",
        "authentication_required": "die Bank verlangt eine Bestätigung von Ihnen",
        "no_payment_method": "es ist kein Zahlungsmittel hinterlegt",
        "gateway_unreachable": "der Zahlungsdienst war nicht erreichbar",
        "expired": "es dauerte zu lange",
    },
    "en": {
        "insufficient_funds": "there is not enough money", "expired_card": "the card has expired",
        "authentication_required": "the bank wants a confirmation from you",
        "no_payment_method": "there is no payment method",
        "gateway_unreachable": "the payment service could not be reached",
        "expired": "it took too long",
    },
}  # fmt: skip


def refusal_words(reason: str | None, lang: str) -> str:
    """Why a payment was refused, in words; most of a bank's reasons do not belong in a letter."""
    other = {"de": "Ihre Bank hat abgelehnt", "en": "your bank has declined"}
    return _REFUSALS[lang].get(reason or "", other[lang])


def vehicle_word(vehicle_type: str, lang: str) -> str:
    """``E-Scooter``, ``van``: what the type is called."""
    return _VEHICLES[lang].get(vehicle_type, vehicle_type)


def day(at: datetime, time_zone: str, lang: str) -> str:
    """``5 May 2026``, ``5. Mai 2026``: the date where the operator is."""
    return date_words(at.astimezone(ZoneInfo(time_zone)).date(), lang)


def date_words(on: date, lang: str) -> str:
    """The same of a date."""
    point = "." if lang == "de" else ""
    return f"{on.day}{point} {_MONTHS[lang][on.month - 1]} {on.year}"


def clock_time(at: datetime, time_zone: str, lang: str) -> str:
    """``14:30``, ``14:30 Uhr``: the time where the operator is."""
    local = at.astimezone(ZoneInfo(time_zone))
    return f"{local:%H:%M}\u00a0Uhr" if lang == "de" else f"{local:%H:%M}"


def moment(at: datetime, time_zone: str, lang: str) -> str:
    """Date and time where the operator is."""
    return f"{day(at, time_zone, lang)}, {clock_time(at, time_zone, lang)}"


def span(seconds: int, lang: str) -> str:
    """``1 h 5 min``; by the second below a minute."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    hour = "Std." if lang == "de" else "h"
    parts = [f"{hours} {hour}"] if hours else []
    return " ".join([*parts, f"{minutes} min"] if minutes or not hours else parts)


def distance(metres: int, lang: str) -> str:
    """``850 m``, ``3.2 km``, ``3,2 km``."""
    if metres < 1000:
        return f"{metres} m"
    text = f"{metres / 1000:.1f} km"
    return text.replace(".", ",") if lang == "de" else text


def percent(basis_points: int, lang: str) -> str:
    """``19 %``, ``8.1 %``, ``8,1 %``."""
    text = f"{basis_points / 100:.2f}".rstrip("0").rstrip(".")
    return (text.replace(".", ",") if lang == "de" else text) + "\u00a0%"
