"""The receipt as a page, in German and English, filled and escaped by Jinja."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import jinja2

from fahrwerk.fleet.contract import PREFIX
from fahrwerk.kernel import ids, money
from fahrwerk.rentals import rules

if TYPE_CHECKING:
    from datetime import datetime

    from fahrwerk.rentals.contract import Details

_pages = jinja2.Environment(
    loader=jinja2.PackageLoader("fahrwerk.rentals"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MOMENT = {"de": "%d.%m.%Y, %H:%M Uhr", "en": "%d %b %Y, %H:%M"}
_VEHICLES = {
    "de": {"scooter": "E-Scooter", "ebike": "E-Bike", "car": "Auto", "van": "Transporter"},
    "en": {"scooter": "E-scooter", "ebike": "E-bike", "car": "Car", "van": "Van"},
}


def receipt_page(found: Details, locale: str) -> str:
    """The receipt of an ended ride, in the operator's time zone."""
    lang = "de" if locale.startswith("de") else "en"
    rental, rating = found.rental, found.rental.rating
    zone = ZoneInfo(found.operator.time_zone)

    def moment(at: datetime) -> str:
        return at.astimezone(zone).strftime(_MOMENT[lang])

    def number(value: float, digits: int) -> str:
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if lang == "de" else text

    return _pages.get_template(f"receipt.{lang}.html.j2").render(
        operator=found.operator.name,
        number=ids.public("rent", rental.id),
        vehicle=f"{_VEHICLES[lang][rental.vehicle_type]} {found.vehicle.identifier}",
        vehicle_id=ids.public(PREFIX[rental.vehicle_type], rental.vehicle_id),
        rental=rental,
        rating=rating,
        kilometres=number(rules.km(rental.distance_m), 2),
        tax_percent=number(
            rental.terms.tax_rate_bp / 100, 0 if rental.terms.tax_rate_bp % 100 == 0 else 2
        ),
        amount=partial(money.formatted, currency=rental.terms.currency, locale=lang),
        moment=moment,
        payment=found.payment,
        paid=rules.paid_word(found.payment.state if found.payment else None),
    )
